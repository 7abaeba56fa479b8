//! Hold, resume, upgrade, downgrade, move and transfer by real HTTP: statuses, events, and what happens when the order is
//! wrong or somebody is silent.

mod common;

use common::*;
use serde_json::json;

#[tokio::test]
async fn hold_resume_upgrade_and_downgrade_from_both_sides() {
    let s = Server::start().await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let (out, inc) = alice.connect(&bob, "bob").await;
    let audio = |direction: &str| described("actpass", direction, "a");
    let both = [((&alice, &out), (&bob, &inc)), ((&bob, &inc), (&alice, &out))];
    for ((x, call), (y, leg)) in both {
        x.modified(call, "initiate-call-hold", &audio("sendonly"), (y, leg), &audio("recvonly")).await;
        x.modified(call, "initiate-call-resume", &audio("sendrecv"), (y, leg), &audio("sendrecv")).await;
    }
    for ((x, call), (y, leg)) in both {
        let (upgrade, yes) = (with_video(&audio("sendrecv"), "sendrecv"), with_video(&audio("sendrecv"), "sendrecv"));
        x.modified(call, "initiate-call-mod", &upgrade, (y, leg), &yes).await;
        let downgrade = with_video(&audio("sendrecv"), "recvonly");
        let (no, yes) = (with_video(&audio("sendrecv"), "sendonly"), with_video(&audio("sendrecv"), "inactive"));
        x.modified(call, "initiate-call-mod", &downgrade, (y, leg), &no).await;
        x.modified(call, "initiate-call-mod", &downgrade, (y, leg), &yes).await;
    }
    alice.end(&out, "terminate").await;
    assert_eq!(alice.ended(&out).await, None);
    assert_eq!(bob.ended(&inc).await.as_deref(), Some("Call terminated"));
}

#[tokio::test]
async fn glare_doubled_late_and_unknown() {
    let s = Server::start().await;
    let (alice, bob, carol) = (s.login("alice").await, s.login("bob").await, s.login("carol").await);
    let (out, inc) = alice.connect(&bob, "bob").await;
    let hold = described("actpass", "sendonly", "a");
    let held = described("active", "recvonly", "b");
    alice.acts(&out, "initiate-call-hold", &[], &hold).await;
    for action in ["initiate-call-hold", "initiate-call-resume", "initiate-call-mod", "initiate-call-move"] {
        assert_eq!(bob.act(&inc, action, &[], &hold).await.refusal(), refused(409, "SVC8501"), "{action}");
        assert_eq!(alice.act(&out, action, &[], &hold).await.refusal(), refused(409, "SVC8501"), "{action}");
    }
    let (id, _) = bob.asked().await;
    let accept = async |phone: &Phone<'_>, call: &str, header: &str, id: &str| {
        phone.act(call, "accept-call-mod", &[(header, id)], &held).await.refusal()
    };
    // Nobody else's, no other, none, and a description that cannot be read: it goes on waiting.
    assert_eq!(accept(&alice, &out, "x-modId", &id).await, refused(400, "SVC0002"));
    assert_eq!(accept(&carol, &inc, "x-modId", &id).await, refused(400, "SVC0002"));
    assert_eq!(accept(&bob, &inc, "x-modId", "undefined").await, refused(400, "SVC0002"));
    assert_eq!(accept(&bob, &inc, "x-other", &id).await, refused(400, "SVC0002"));
    let garbage = bob.act(&inc, "accept-call-mod", &[("x-modId", &id)], "garbage").await;
    assert_eq!(garbage.refusal(), refused(400, "SVC0001"));
    let foreign = [("Authorization", carol.bearer.as_str()), ("x-calls-action", "accept-call-mod"), ("x-modId", &id)];
    let body = json!({"callsMediaModifications": {"sdp": held}}).to_string();
    let reply = s.send("PUT", &bob.path(&format!("/calls/{inc}")), &foreign, Some(body)).await;
    assert_eq!(reply.refusal(), refused(403, "POL1102"));
    let long = bob.act(&inc, "accept-call-mod", &[("x-modId", &id)], &"a=x\r\n".repeat(300_000)).await;
    assert_eq!(long.status, 413);
    // Both spellings of the header are known (D-45).
    assert_eq!(accept(&bob, &inc, "x-mod-Id", &id).await, (204, None));
    assert_eq!(bob.finished(&id).await, None);
    assert_eq!(alice.finished(&id).await, Some(held.clone()));
    assert_eq!(accept(&bob, &inc, "x-modId", &id).await, (204, None), "doubled");
    assert_eq!(bob.finished(&id).await, None);
    alice.end(&out, "terminate").await;
    assert_eq!(accept(&bob, &inc, "x-modId", &id).await, refused(400, "SVC0002"), "after the end");
    assert_eq!(alice.act(&out, "initiate-call-hold", &[], &hold).await.refusal(), refused(400, "SVC0002"));
}

#[tokio::test]
async fn a_refusal_by_its_own_verb_and_one_by_silence() {
    let s = Server::start_with(|c| c.modification_seconds = 1).await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let (out, inc) = alice.connect(&bob, "bob").await;
    let upgrade = with_video(&described("actpass", "sendrecv", "a"), "sendrecv");
    alice.acts(&out, "initiate-call-mod", &[], &upgrade).await;
    let (id, _) = bob.asked().await;
    bob.acts(&inc, "rejectCancel-call-mod", &[("x-modId", &id)], "").await;
    assert_eq!(bob.finished(&id).await, None);
    let answer = alice.finished(&id).await.expect("an answer");
    assert!(answer.contains("a=setup:active") && answer.contains("m=video 0 "), "{answer}");
    assert!(answer.ends_with("c=IN IP4 0.0.0.0\r\na=mid:1\r\na=inactive\r\n"), "{answer}");
    // Silence, and the late answer that would have been another.
    alice.acts(&out, "initiate-call-mod", &[], &upgrade).await;
    let (id, _) = bob.asked().await;
    assert!(alice.finished(&id).await.is_some_and(|sdp| sdp.contains("m=video 0 ")));
    bob.acts(&inc, "accept-call-mod", &[("x-modId", &id)], &upgrade).await;
    assert_eq!(bob.finished(&id).await, None);
    let (id, offer) = alice.asked().await;
    assert!(offer.is_some_and(|sdp| sdp.contains("m=video 9 ")));
    alice.acts(&out, "accept-call-mod", &[("x-modId", &id)], &upgrade).await;
    assert_eq!(alice.finished(&id).await, None);
}

#[tokio::test]
async fn a_user_can_always_hang_up() {
    let s = Server::start().await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let hold = described("actpass", "sendonly", "a");
    for by_alice in [true, false] {
        for action in ["initiate-call-hold", "initiate-call-mod", "initiate-call-move"] {
            let (out, inc) = alice.connect(&bob, "bob").await;
            let device = s.login("alice").await;
            alice.acts(&out, action, &[], &hold).await;
            let rings = if action == "initiate-call-move" { Some(device.invited().await) } else { None };
            if rings.is_none() {
                bob.asked().await;
            }
            let ((own, leg), (other, far)) =
                if by_alice { ((&alice, &out), (&bob, &inc)) } else { ((&bob, &inc), (&alice, &out)) };
            assert_eq!(own.end(leg, "terminate").await.status, 204);
            assert_eq!(own.ended(leg).await, None);
            assert_eq!(other.ended(far).await.as_deref(), Some("Call terminated"));
            if let Some(leg) = rings {
                assert_eq!(device.ended(&leg).await.as_deref(), Some("Call canceled"));
            }
            assert_eq!(device.send("DELETE", "", &[], None).await.status, 204);
            assert_eq!(s.gateway.state().call_count(), 0);
        }
    }
}

#[tokio::test]
async fn a_session_that_ends_in_the_middle_ends_the_call() {
    let s = Server::start_with(|c| (c.session_seconds, c.poll_seconds) = (2, 1)).await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let (out, _) = alice.connect(&bob, "bob").await;
    alice.acts(&out, "initiate-call-hold", &[], &described("actpass", "sendonly", "a")).await;
    bob.asked().await;
    // Bob's session is not refreshed; Alice's is.
    let told = async {
        let refresh = async {
            loop {
                alice.send("PUT", "", &[], None).await;
                tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            }
        };
        tokio::select! { reason = alice.ended(&out) => reason, () = refresh => None }
    };
    assert_eq!(told.await.as_deref(), Some("Session ended"));
    assert_eq!(bob.poll_raw("").await.refusal(), refused(404, ""));
    assert_eq!(s.gateway.state().call_count(), 0);
}

#[tokio::test]
async fn two_calls_at_a_time_and_no_third() {
    let s = Server::start().await;
    let (alice, bob, carol, dave) =
        (s.login("alice").await, s.login("bob").await, s.login("carol").await, s.login("dave").await);
    let (to_bob, at_bob) = alice.connect(&bob, "bob").await;
    let audio = |direction: &str| described("actpass", direction, "a");
    let (hold, held, both) = (audio("sendonly"), audio("recvonly"), audio("sendrecv"));
    alice.modified(&to_bob, "initiate-call-hold", &hold, (&bob, &at_bob), &held).await;
    let (to_carol, at_carol) = alice.connect(&carol, "carol").await;
    let third = dave.dial("alice").await;
    assert_eq!(dave.ended(&third).await.as_deref(), Some("User busy"), "two calls");
    alice.modified(&to_carol, "initiate-call-hold", &hold, (&carol, &at_carol), &held).await;
    alice.modified(&to_bob, "initiate-call-resume", &both, (&bob, &at_bob), &both).await;
    // The background call ends from afar, the foreground call goes on; then there is room again.
    carol.end(&at_carol, "terminate").await;
    assert_eq!(alice.ended(&to_carol).await.as_deref(), Some("Call terminated"));
    alice.modified(&to_bob, "initiate-call-hold", &hold, (&bob, &at_bob), &held).await;
    let from_dave = dave.dial("alice").await;
    let second = alice.invited().await;
    assert_eq!(alice.answer(&second).await.status, 200);
    assert_eq!(dave.event().await.state.as_str(), "session-open");
    assert_eq!(alice.event().await.state.as_str(), "session-modified");
    // Logout with both.
    assert_eq!(alice.send("DELETE", "", &[("x-e911Id", "undefined")], None).await.status, 204);
    assert_eq!(bob.ended(&at_bob).await.as_deref(), Some("Session ended"));
    assert_eq!(dave.ended(&from_dave).await.as_deref(), Some("Session ended"));
}

#[tokio::test]
async fn a_call_moves_and_comes_back_when_it_cannot() {
    let s = Server::start_with(|c| c.ring_seconds = 3).await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let (out, inc) = alice.connect(&bob, "bob").await;
    let offer = described("actpass", "sendonly", "a");
    let back = async |why: &str| {
        let failed = alice.event().await;
        assert_eq!((failed.state.as_str(), failed.reason.as_deref()), ("move-terminated", Some(why)));
        let answered = alice.event().await;
        assert_eq!(answered.state.as_str(), "session-modified");
        assert!(answered.sdp.is_some_and(|sdp| sdp.contains("a=recvonly") && sdp.contains("a=setup:active")));
        let (id, offer) = alice.asked().await;
        assert!(offer.is_some_and(|sdp| sdp.contains("a=sendrecv") && sdp.contains("a=setup:actpass")));
        alice.acts(&out, "accept-call-mod", &[("x-modId", &id)], &answer_sdp()).await;
        assert_eq!(alice.finished(&id).await, None);
    };
    alice.acts(&out, "initiate-call-move", &[], &offer).await;
    back("No other session").await;
    let (tablet, watch) = (s.login("alice").await, s.login("alice").await);
    alice.acts(&out, "initiate-call-move", &[], &offer).await;
    let (one, two) = (tablet.invited().await, watch.invited().await);
    back("No answer").await;
    assert_eq!(tablet.ended(&one).await.as_deref(), Some("Call canceled"));
    assert_eq!(watch.ended(&two).await.as_deref(), Some("Call canceled"));
    alice.acts(&out, "initiate-call-move", &[], &offer).await;
    let (one, two) = (tablet.invited().await, watch.invited().await);
    assert_eq!(watch.end(&two, "reject").await.status, 204);
    back("User busy").await;
    assert_eq!(tablet.ended(&one).await.as_deref(), Some("Call canceled"));
    assert_eq!(watch.ended(&two).await, None);

    alice.acts(&out, "initiate-call-move", &[], &offer).await;
    let (one, two) = (tablet.invited().await, watch.invited().await);
    let body = json!({"callsMediaModifications": {"sdp": described("actpass", "sendrecv", "tablet")}});
    let answer = tablet.send("PUT", &format!("/calls/{one}"), &[("x-calls-action", "call-answer")], Some(body)).await;
    assert_eq!((answer.status, answer.header("x-state")), (200, Some("accepted")));
    assert_eq!(watch.ended(&two).await.as_deref(), Some("Call canceled"));
    let (id, asked) = bob.asked().await;
    assert_eq!(asked, Some(described("actpass", "sendrecv", "tablet")));
    let answer = described("passive", "sendrecv", "b");
    bob.acts(&inc, "accept-call-mod", &[("x-modId", &id)], &answer).await;
    assert_eq!(bob.finished(&id).await, None);
    let open = tablet.event().await;
    assert_eq!((open.state.as_str(), open.sdp), ("session-open", Some(answer)));
    assert_eq!(open.from.as_deref(), Some("sip:bob@ewebrtc.local"));
    for (state, reason) in [("move-terminated", Some("success")), ("session-modified", None)] {
        let event = alice.event().await;
        assert_eq!((event.state.as_str(), event.reason.as_deref(), event.sdp), (state, reason, None));
    }
    assert_eq!(alice.ended(&out).await, None);
    tablet.modified(&one, "initiate-call-hold", &offer, (&bob, &inc), &described("active", "recvonly", "b")).await;
    bob.end(&inc, "terminate").await;
    assert_eq!(tablet.ended(&one).await.as_deref(), Some("Call terminated"));
}

#[tokio::test]
async fn a_transfer_joins_two_calls_or_leaves_both() {
    let s = Server::start_with(|c| c.transfer_seconds = 3).await;
    let (alice, bob, carol) = (s.login("alice").await, s.login("bob").await, s.login("carol").await);
    let (held, at_bob) = alice.connect(&bob, "bob").await;
    let audio = |direction: &str| described("actpass", direction, "a");
    alice.modified(&held, "initiate-call-hold", &audio("sendonly"), (&bob, &at_bob), &audio("recvonly")).await;
    let (active, at_carol) = alice.connect(&carol, "carol").await;
    let target = [("x-transferTargetCallId", active.as_str())];
    let last = audio("recvonly");
    let failed = async |why: &str| {
        let event = alice.event().await;
        assert_eq!((event.state.as_str(), event.reason.as_deref()), ("transfer-terminated", Some(why)));
        assert_eq!(ewebrtc_wire::item_id_of(&event.resource_url), Some(held.as_str()));
    };
    // What cannot be.
    let none = alice.act(&held, "initiate-call-transfer", &[], &last).await;
    assert_eq!(none.refusal(), refused(400, "SVC0002"));
    for (name, why) in [("nothing", "Not found"), (at_carol.as_str(), "Not found"), (held.as_str(), "Forbidden")] {
        alice.acts(&held, "initiate-call-transfer", &[("x-transferTargetCallId", name)], &last).await;
        failed(why).await;
    }
    // Silence of the target, then of the transferee.
    alice.acts(&held, "initiate-call-transfer", &target, &last).await;
    let (id, nothing) = carol.asked().await;
    assert_eq!(nothing, None);
    failed("No answer").await;
    assert_eq!(carol.finished(&id).await, None);
    alice.acts(&held, "initiate-call-transfer", &target, &last).await;
    let (of_carol, _) = carol.asked().await;
    let offer = described("actpass", "sendrecv", "carol");
    carol.acts(&at_carol, "accept-call-mod", &[("x-modId", &of_carol)], &offer).await;
    let (of_bob, _) = bob.asked().await;
    failed("No answer").await;
    assert_eq!(carol.finished(&of_carol).await, None);
    assert_eq!(bob.finished(&of_bob).await, None);
    // Both calls are as they were.
    alice.modified(&active, "initiate-call-mod", &audio("sendrecv"), (&carol, &at_carol), &audio("sendrecv")).await;
    bob.modified(&at_bob, "initiate-call-mod", &audio("sendrecv"), (&alice, &held), &audio("sendrecv")).await;
    // And now it works.
    alice.acts(&held, "initiate-call-transfer", &target, &last).await;
    let (of_carol, _) = carol.asked().await;
    carol.acts(&at_carol, "accept-call-mod", &[("x-modId", &of_carol)], &offer).await;
    let (of_bob, received) = bob.asked().await;
    assert_eq!(received, Some(offer));
    let answer = described("active", "sendrecv", "bob");
    bob.acts(&at_bob, "accept-call-mod", &[("x-modId", &of_bob)], &answer).await;
    assert_eq!(bob.finished(&of_bob).await, None);
    assert_eq!(carol.finished(&of_carol).await, Some(answer));
    let mut told = Vec::new();
    while told.len() < 4 {
        told.extend(alice.poll("").await.into_iter().map(|e| e.event));
    }
    let of = |leg: &str| {
        let own = told.iter().filter(|e| ewebrtc_wire::item_id_of(&e.resource_url) == Some(leg));
        own.map(|e| (e.state.as_str(), e.reason.as_deref())).collect::<Vec<_>>()
    };
    assert_eq!(
        of(&held),
        [("transfer-initiated", None), ("transfer-terminated", Some("success")), ("session-terminated", None)]
    );
    assert_eq!(of(&active), [("session-terminated", None)]);
    assert_eq!(told[0].transfer_to_call_id.as_deref().or(told[1].transfer_to_call_id.as_deref()), Some(&*active));
    bob.modified(&at_bob, "initiate-call-hold", &audio("sendonly"), (&carol, &at_carol), &audio("recvonly")).await;
    carol.end(&at_carol, "terminate").await;
    assert_eq!(bob.ended(&at_bob).await.as_deref(), Some("Call terminated"));
    assert_eq!(s.gateway.state().call_count(), 0);
}

#[tokio::test]
async fn the_echo_can_be_held() {
    let s = Server::start_with(|c| c.echo = fake_echo(Ok(answer_sdp()))).await;
    let alice = s.login("alice").await;
    let out = alice.dial("echo").await;
    assert_eq!(alice.event().await.state.as_str(), "session-open");
    for (action, offer, answer) in
        [("initiate-call-hold", "sendonly", "a=recvonly"), ("initiate-call-resume", "sendrecv", "a=sendrecv")]
    {
        alice.acts(&out, action, &[], &described("actpass", offer, "a")).await;
        let event = alice.event().await;
        assert_eq!((event.state.as_str(), event.reason.as_deref()), ("mod-terminated", Some("success")));
        assert!(event.sdp.is_some_and(|sdp| sdp.contains(answer) && sdp.contains("a=setup:active")));
    }
    alice.end(&out, "terminate").await;
    assert_eq!(alice.ended(&out).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_calls_are_modified_at_once() {
    let s = Server::start().await;
    let pair = async |n: usize| {
        let (caller, callee) = (format!("caller{n}"), format!("callee{n}"));
        let (alice, bob) = (s.login(&caller).await, s.login(&callee).await);
        let (out, inc) = alice.connect(&bob, &callee).await;
        let (hold, held) = (described("actpass", "sendonly", "a"), described("active", "recvonly", "b"));
        for _ in 0..3 {
            alice.modified(&out, "initiate-call-hold", &hold, (&bob, &inc), &held).await;
            bob.modified(&inc, "initiate-call-hold", &hold, (&alice, &out), &held).await;
        }
        bob.end(&inc, "terminate").await;
        assert_eq!(alice.ended(&out).await.as_deref(), Some("Call terminated"));
    };
    futures_util::future::join_all((0..30).map(pair)).await;
    assert_eq!(s.gateway.state().call_count(), 0);
}
