//! Calls by real HTTP: who hears what, in which order.

mod common;

use common::*;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_call_is_answered_and_hung_up() {
    let s = Server::start().await;
    let (alice, bob) = (s.login("alice").await, s.login("4255550100_").await);
    let out = alice.dial("4255550100_").await;
    let event = bob.event().await;
    assert_eq!(event.from.as_deref(), Some("sip:alice@ewebrtc.local"));
    assert_eq!(event.sdp.as_deref(), Some(OFFER), "byte for byte");
    let inc = ewebrtc_wire::item_id_of(&event.resource_url).expect("an id").to_owned();
    assert_ne!(out, inc, "each leg has its own id");
    assert_eq!(bob.answer(&inc).await.status, 200);
    let open = alice.event().await;
    assert_eq!((open.state.as_str(), open.sdp), ("session-open", Some(answer_sdp())));
    assert_eq!(open.from.as_deref(), Some("sip:4255550100_@ewebrtc.local"));
    let confirmed = bob.event().await;
    assert_eq!((confirmed.state.as_str(), confirmed.sdp), ("session-modified", None));
    assert_eq!(bob.answer(&inc).await.refusal(), refused(400, "SVC0002"), "a second answer");
    assert_eq!(bob.end(&inc, "terminate").await.status, 204);
    assert_eq!(bob.ended(&inc).await, None);
    assert_eq!(alice.ended(&out).await.as_deref(), Some("Call terminated"));
    assert_eq!(bob.end(&inc, "terminate").await.status, 204, "ended already");
    assert_eq!(bob.answer(&inc).await.refusal(), refused(400, "SVC0002"));
    assert_eq!(s.gateway.state().call_count(), 0);
}

#[tokio::test]
async fn events_of_the_own_leg_follow_its_response_by_75_ms() {
    let s = Server::start().await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let poll = tokio::time::timeout(DEADLINE, alice.event());
    let dial = async {
        let call = alice.dial("nobody").await;
        (call, Instant::now())
    };
    let (event, (_, answered)) = tokio::join!(async { (poll.await, Instant::now()) }, dial);
    let pause = event.1.saturating_duration_since(answered);
    assert_eq!(event.0.expect("in time").reason.as_deref(), Some("Not found"));
    assert!(pause >= Duration::from_millis(70), "{pause:?}");
    // A phone that asks for numbers does not wait. The best of ten: other tests use the same processors.
    let mut best = Duration::MAX;
    for after in 0..10 {
        let query = format!("?after={after}");
        let quick = async { (bob.poll(&query).await, Instant::now()) };
        let dial = async {
            let reply = bob.dial_raw(json!("sip:nobody@ewebrtc.local")).await;
            (reply.status, Instant::now())
        };
        let ((events, told), (status, answered)) = tokio::join!(quick, dial);
        assert_eq!((status, events[0].seq), (201, Some(after + 1)));
        best = best.min(told.saturating_duration_since(answered));
    }
    assert!(best < Duration::from_millis(60), "{best:?}");
}

#[tokio::test]
async fn cancel_reject_and_every_other_way_not_to_talk() {
    let s = Server::start().await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let (out, inc) = (alice.dial("bob").await, bob.invited().await);
    assert_eq!(alice.end(&out, "cancel").await.status, 204);
    assert_eq!(alice.ended(&out).await.as_deref(), Some("Call canceled"));
    assert_eq!(bob.ended(&inc).await.as_deref(), Some("Call canceled"));

    let (out, inc) = (alice.dial("bob").await, bob.invited().await);
    assert_eq!(bob.end(&inc, "reject").await.status, 204);
    assert_eq!(bob.ended(&inc).await, None);
    assert_eq!(alice.ended(&out).await.as_deref(), Some("User busy"));

    let out = alice.dial("nobody").await;
    assert_eq!(alice.ended(&out).await.as_deref(), Some("Not found"));
    let reply = alice.dial_raw(json!("sip:bob@elsewhere")).await;
    let out = ewebrtc_wire::item_id_of(reply.header("location").expect("Location")).expect("an id").to_owned();
    assert_eq!(alice.ended(&out).await.as_deref(), Some("Not found"));
    s.token("carol");
    let out = alice.dial("carol").await;
    assert_eq!(alice.ended(&out).await.as_deref(), Some("Not available"));

    let carol = s.login("carol").await;
    bob.dial("carol").await;
    carol.invited().await;
    let out = alice.dial("carol").await;
    assert_eq!(alice.ended(&out).await.as_deref(), Some("User busy"));
}

#[tokio::test]
async fn all_devices_ring_and_the_first_answer_wins() {
    let s = Server::start().await;
    let (alice, b1, b2) = (s.login("alice").await, s.login("bob").await, s.login("bob").await);
    let out = alice.dial("bob").await;
    let (i1, i2) = tokio::join!(b1.invited(), b2.invited());
    let (r1, r2) = tokio::join!(b1.answer(&i1), b2.answer(&i2));
    let (winner, loser, lost, won) = if r1.status == 200 { (&b1, &b2, &i2, &i1) } else { (&b2, &b1, &i1, &i2) };
    let mut statuses = [r1.status, r2.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    assert_eq!(loser.ended(lost).await.as_deref(), Some("Call canceled"));
    assert_eq!(winner.event().await.state.as_str(), "session-modified");
    assert_eq!(alice.event().await.state.as_str(), "session-open");
    assert_eq!(alice.end(&out, "terminate").await.status, 204);
    assert_eq!(alice.ended(&out).await, None);
    assert_eq!(winner.ended(won).await.as_deref(), Some("Call terminated"));
}

#[tokio::test]
async fn an_unanswered_call_stops_ringing() {
    let s = Server::start_with(|c| c.ring_seconds = 1).await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let (out, inc) = (alice.dial("bob").await, bob.invited().await);
    assert_eq!(alice.ended(&out).await.as_deref(), Some("No answer"));
    assert_eq!(bob.ended(&inc).await.as_deref(), Some("Call canceled"));
}

#[tokio::test]
async fn the_peer_of_a_lost_phone_is_told() {
    let s = Server::start_with(|c| c.lost_seconds = 1).await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let (out, _) = alice.connect(&bob, "bob").await;
    assert_eq!(alice.ended(&out).await.as_deref(), Some("Phone lost"));
    assert_eq!(bob.send("PUT", "", &[], None).await.status, 200, "the session stays");
    let again = alice.dial("bob").await;
    assert_eq!(alice.ended(&again).await.as_deref(), Some("Not available"));
}

#[tokio::test]
async fn logout_tells_the_peer() {
    let s = Server::start().await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let (out, _) = alice.connect(&bob, "bob").await;
    let poll = bob.waiting_poll("").await;
    let logout = bob.send("DELETE", "", &[("x-e911Id", "undefined")], None);
    let (poll, logout) = tokio::join!(poll, logout);
    assert_eq!((poll.status, logout.status), (204, 204));
    assert_eq!(alice.ended(&out).await.as_deref(), Some("Session ended"));
}

#[tokio::test]
async fn numbers_are_called_in_every_spelling() {
    let s = Server::start().await;
    let alice = s.login("alice").await;
    let bearer = format!("Bearer {}", s.token("4255550100"));
    let headers = [("Authorization", bearer.as_str()), ("x-e911Id", "E1")];
    let body = json!({"session": {}}).to_string();
    let location =
        s.send("POST", "/RTC/v1/sessions", &headers, Some(body)).await.header("location").expect("path").to_owned();
    let session = ewebrtc_wire::session_id_of(&location).expect("an id").to_owned();
    let number = Phone { server: &s, bearer, session };
    for called in ["tel:+4255550100", "tel:+14255550100", "sip:4255550100@icmn.api.att.net"] {
        let reply = alice.dial_raw(json!(called)).await;
        assert_eq!(reply.status, 201, "{called}");
        let out = ewebrtc_wire::item_id_of(reply.header("location").expect("path")).expect("an id").to_owned();
        let inc = number.invited().await;
        alice.end(&out, "cancel").await;
        alice.ended(&out).await;
        number.ended(&inc).await;
    }
}

#[tokio::test]
async fn what_is_no_call_is_refused() {
    let s = Server::start().await;
    let alice = s.login("alice").await;
    let post = async |body: Value| alice.send("POST", "/calls", &[], Some(body)).await.refusal();
    let to = "sip:bob@ewebrtc.local";
    for body in [
        json!({"call": {"calledParty": null, "sdp": OFFER}}),
        json!({"call": {"calledParty": "", "sdp": OFFER}}),
        json!({"call": {"calledParty": 7, "sdp": OFFER}}),
        json!({"call": {"sdp": OFFER}}),
        json!({"call": {"calledParty": to}}),
        json!({"call": {"calledParty": to, "sdp": 1}}),
        json!({"call": "x"}),
        json!({}),
        json!([]),
    ] {
        assert_eq!(post(body.clone()).await, refused(400, "SVC0002"), "{body}");
    }
    for sdp in ["", "garbage", "v=0\r\n", &format!("v=0\r\no=x\r\n{}", "a=x\r\n".repeat(20_000))] {
        assert_eq!(post(json!({"call": {"calledParty": to, "sdp": sdp}})).await, refused(400, "SVC0001"));
    }
    for own in ["sip:alice@ewebrtc.local", "sip:alice@EWEBRTC.local", "alice"] {
        assert_eq!(post(json!({"call": {"calledParty": own, "sdp": OFFER}})).await, refused(400, "SVC0001"));
    }
    assert_eq!(post(json!({"call": {"calledParty": "a@b@c", "sdp": OFFER}})).await, refused(400, "SVC0004"));
    assert_eq!(s.gateway.state().call_count(), 0);
}

#[tokio::test]
async fn the_echo_answers() {
    let s = Server::start_with(|c| c.echo = fake_echo(Ok(answer_sdp()))).await;
    let alice = s.login("alice").await;
    let out = alice.dial("echo").await;
    let open = alice.event().await;
    assert_eq!((open.state.as_str(), open.sdp), ("session-open", Some(answer_sdp())));
    assert_eq!(open.from.as_deref(), Some("sip:echo@ewebrtc.local"));
    alice.end(&out, "terminate").await;
    assert_eq!(alice.ended(&out).await, None);
}

#[tokio::test]
async fn an_echo_that_cannot_answer_ends_the_call() {
    let s = Server::start_with(|c| c.echo = fake_echo(Err("no media".into()))).await;
    let alice = s.login("alice").await;
    let out = alice.dial("echo").await;
    assert_eq!(alice.ended(&out).await.as_deref(), Some("Not available"));
    let s = Server::start_with(|c| {
        c.echo = fake_echo(Ok(answer_sdp()));
        c.echoes = 1;
    })
    .await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    alice.dial("echo").await;
    assert_eq!(alice.event().await.state.as_str(), "session-open");
    let out = bob.dial("echo").await;
    assert_eq!(bob.ended(&out).await.as_deref(), Some("Not available"), "one at a time here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_calls_at_once_do_not_disturb_each_other() {
    let s = Server::start().await;
    let pair = async |n: usize| {
        let (caller, callee) = (format!("caller{n}"), format!("callee{n}"));
        let (alice, bob) = (s.login(&caller).await, s.login(&callee).await);
        for _ in 0..3 {
            let (out, inc) = alice.connect(&bob, &callee).await;
            assert_eq!(bob.end(&inc, "terminate").await.status, 204);
            assert_eq!(alice.ended(&out).await.as_deref(), Some("Call terminated"));
            assert_eq!(bob.ended(&inc).await, None);
        }
        for phone in [&alice, &bob] {
            assert_eq!(phone.send("DELETE", "", &[], None).await.status, 204);
        }
    };
    futures_util::future::join_all((0..40).map(pair)).await;
    assert_eq!((s.gateway.state().session_count(), s.gateway.state().call_count()), (0, 0));
}
