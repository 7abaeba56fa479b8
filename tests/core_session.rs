//! The session and its event channel: login, refresh, back-off, numbering, expiry, logout, offline, close.

mod core_support;

use core_support::{AUDIO_SDP, Driver, SID, config, event, invitation, text};
use ewebrtc::core::{Input, NetworkFailureKind, Verb};
use serde_json::{Value, json};
use std::time::Duration;

const S1: &str = "/sessions/s1";
const LOCATION: (&str, &str) = ("location", "/RTC/v1/sessions/s1");
const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn error_body(id: &str, words: &str) -> String {
    json!({"RequestError": {"ServiceException": {"MessageId": id, "Text": words, "Variables": ""}}}).to_string()
}

#[test]
fn login_binds_creates_polls_and_is_ready() {
    let mut phone = Driver::new(config());
    let options = json!({"token": "tok", "userId": "vtn:4255550100", "e911Id": "E1"});
    phone.call_tagged("l", "login", None, options).expect("accepted");
    assert_eq!(phone.code("login", None, json!({"token": "x"})), "2003");
    phone.names();
    phone.reply(Verb::Put, "/userIds/vtn%3A4255550100", 200, &[], "");
    let post = phone.find(Verb::Post, "/sessions").expect("sent");
    assert!(post.request.headers.contains(&("x-e911Id", "E1".to_owned())));
    assert!(post.request.headers.contains(&("x-Arg", "ClientSDK=ewebrtc-9.9.9".to_owned())));
    assert_eq!(post.request.token.expose(), "tok");
    assert_eq!(post.request.timeout, Duration::from_secs(10));
    phone.answer(post.id, 201, &[LOCATION, ("x-expires", "3600")], "");
    assert!(phone.find(Verb::Get, "/sessions/s1/events?after=0").is_some());
    assert_eq!(text(&phone.events[0], "sessionId"), "s1");
    assert_eq!(phone.names(), ["session:ready", "finished l"]);
    phone.finish();
}

#[test]
fn login_that_fails_can_be_repeated() {
    let bad_user = error_body("SVC8514", "unknown user");
    let bad_token =
        json!({"RequestError": {"PolicyException": {"MessageId": "POL0001", "Text": "no", "Variables": ""}}});
    for (path, status, headers, body, names) in [
        ("/userIds/u", 404, JSON, bad_user.as_str(), "error 1541 finished l 1541"),
        ("/userIds/u", 0, &[][..], "", "error 0002 finished l 0002"),
        ("/sessions", 401, JSON, &bad_token.to_string(), "error 1711 finished l 1711"),
        ("/sessions", 404, &[][..], "", "error 1000 finished l 1000"),
        ("/sessions", 502, &[][..], "", "gateway:unreachable finished l 1000"),
        ("/sessions", 0, &[][..], "", "error 0002 finished l 0002"),
        ("/sessions", 201, &[("x-expires", "60")][..], "", "error 2000 finished l 2000"),
        ("/sessions", 201, &[LOCATION][..], "", "error 2000 finished l 2000"),
        ("/sessions", 201, &[LOCATION, ("x-expires", "soon")][..], "", "error 2000 finished l 2000"),
    ] {
        let mut phone = Driver::new(config());
        let options = if path == "/sessions" { json!({"token": "t"}) } else { json!({"token": "t", "userId": "u"}) };
        phone.call_tagged("l", "login", None, options).expect("accepted");
        let request = phone.requests[0].clone();
        assert_eq!(request.request.path, path);
        if status == 0 {
            phone.fail(request.id);
        } else {
            phone.answer(request.id, status, headers, body);
        }
        assert_eq!(phone.names().join(" "), names, "{path} {status}");
        // P-66: a session without a lifetime is deleted.
        assert_eq!(phone.find(Verb::Delete, S1).is_some(), headers.contains(&LOCATION));
        assert_eq!(phone.code("logout", None, json!({})), "2101");
        assert_eq!(phone.code("login", None, json!({"token": "t"})), "ok");
        phone.finish();
    }
}

#[test]
fn the_session_is_refreshed_by_the_lifetime_of_each_answer() {
    let mut phone = Driver::ready();
    phone.names();
    phone.advance_to(Duration::from_secs(3539));
    assert!(phone.find(Verb::Put, S1).is_none());
    phone.advance_to(Duration::from_secs(3540));
    let put = phone.find(Verb::Put, S1).expect("refreshed 60 s before the end");
    assert_eq!(put.request.body, None);
    phone.answer(put.id, 200, &[("x-expires", "100")], "");
    phone.advance(Duration::from_secs(49));
    assert!(phone.find(Verb::Put, S1).is_none());
    phone.advance(Duration::from_secs(1));
    phone.reply(Verb::Put, S1, 200, &[], "");
    phone.advance(Duration::from_secs(50));
    assert!(phone.find(Verb::Put, S1).is_some(), "an answer without a lifetime keeps the last");
    assert!(phone.names().is_empty());
    phone.finish();
}

#[test]
fn a_refresh_that_fails_is_repeated_and_told_once() {
    let mut phone = Driver::ready();
    phone.names();
    phone.advance_to(Duration::from_secs(3540));
    for _ in 0..4 {
        phone.reply(Verb::Put, S1, 503, &[], "");
        phone.advance(Duration::from_secs(10));
    }
    assert_eq!(phone.names(), ["gateway:unreachable"]);
    phone.reply(Verb::Put, S1, 200, &[("x-expires", "3600")], "");
    assert_eq!(phone.names(), ["gateway:reachable"]);
    phone.finish();
}

#[test]
fn polling_backs_off_from_250_ms_to_30_s_and_tells_once() {
    let mut phone = Driver::ready();
    phone.names();
    // The first answer settles the numbering, so that a refusal counts.
    let poll = phone.find_poll().expect("polling");
    phone.answer(poll.id, 204, &[], "");
    for nominal in [250_u64, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
        let poll = phone.find_poll().expect("polling");
        phone.fail(poll.id);
        assert!(phone.find_poll().is_none());
        let due = phone.core.poll_timeout().expect("a timer").duration_since(phone.now);
        let nominal = Duration::from_millis(nominal);
        assert!(due >= nominal * 8 / 10 && due <= nominal * 12 / 10, "{due:?} for {nominal:?}");
        phone.advance(due);
    }
    assert_eq!(phone.names(), ["gateway:unreachable"]);
    let poll = phone.find_poll().expect("polling");
    phone.answer(poll.id, 204, &[], "");
    assert_eq!(phone.names(), ["gateway:reachable"]);
    // The next series begins with the first wait.
    let poll = phone.find_poll().expect("polling");
    phone.fail(poll.id);
    assert!(phone.core.poll_timeout().expect("a timer").duration_since(phone.now) <= Duration::from_millis(300));
    assert_eq!(phone.names(), ["gateway:unreachable"]);
    phone.finish();
}

#[test]
fn calls_go_on_while_the_gateway_is_lost() {
    let mut phone = Driver::ready();
    let handle = phone.talking("c1");
    phone.names();
    // Refused, reset, timed out, TLS refused, garbage: all the same to the call (P-65).
    for kind in [
        NetworkFailureKind::Connect,
        NetworkFailureKind::Reset,
        NetworkFailureKind::Timeout,
        NetworkFailureKind::Tls,
        NetworkFailureKind::Malformed,
    ] {
        let poll = phone.find_poll().expect("polling");
        phone.fail_as(poll.id, kind);
        phone.advance(Duration::from_secs(40));
    }
    assert_eq!(phone.names(), ["gateway:unreachable"]);
    assert_eq!(phone.call("isCallInProgress", None, Value::Null), Ok(json!(true)));
    phone.names();
    phone.call_tagged("h", "hangup", Some(handle), json!({})).expect("accepted");
    let delete = phone.find(Verb::Delete, "/sessions/s1/calls/c1").expect("sent");
    phone.fail(delete.id);
    assert_eq!(
        phone.names(),
        [
            "sc connected>disconnecting",
            "call:disconnecting",
            "error 0002",
            "sc disconnecting>disconnected",
            "call:disconnected",
            "finished h 0002"
        ]
    );
    phone.finish();
}

#[test]
fn a_refused_poll_is_told_once_per_series() {
    for status in [401, 403, 500] {
        let mut phone = Driver::ready();
        phone.names();
        for _ in 0..4 {
            let poll = phone.find_poll().expect("polling");
            phone.answer(poll.id, status, &[], "");
            phone.advance(Duration::from_secs(40));
        }
        assert_eq!(phone.names(), ["error 1000"], "{status}");
        let poll = phone.find_poll().expect("polling");
        phone.answer(poll.id, 204, &[], "");
        assert_eq!(phone.names(), ["gateway:reachable"]);
        phone.finish();
    }
}

#[test]
fn numbered_events_come_once_even_when_they_are_sent_twice() {
    let mut phone = Driver::ready();
    phone.names();
    let numbered = |from: u64, ids: &[&str]| {
        let list: Vec<Value> = ids
            .iter()
            .enumerate()
            .map(|(n, id)| json!({"seq": from + n as u64, "eventObject": event(id, "session-terminated", &[])}))
            .collect();
        json!({"events": {"eventList": list}}).to_string()
    };
    let first = json!({"events": {"eventList": [{"seq": 1, "eventObject": invitation("c1")}]}}).to_string();
    phone.reply(Verb::Get, "/sessions/s1/events?after=0", 200, JSON, &first);
    assert_eq!(phone.names(), ["call:incoming"]);
    phone.reply(Verb::Get, "/sessions/s1/events?after=1", 200, JSON, &first);
    assert!(phone.names().is_empty());
    phone.reply(Verb::Get, "/sessions/s1/events?after=1", 200, JSON, &numbered(2, &["c1", "c1"]));
    assert_eq!(phone.names(), ["sc created>canceled", "call:canceled"]);
    assert!(phone.find(Verb::Get, "/sessions/s1/events?after=3").is_some());
    phone.finish();
}

#[test]
fn a_gateway_without_numbers_gets_the_plain_protocol() {
    let mut phone = Driver::ready();
    phone.ringing("c1");
    assert!(phone.find(Verb::Get, "/sessions/s1/events").is_some());
    // Refusing the first request with a number has the same effect, and is no failure.
    let mut phone2 = Driver::ready();
    phone2.names();
    let poll = phone2.find_poll().expect("polling");
    phone2.answer(poll.id, 400, &[], "");
    assert!(phone2.find(Verb::Get, "/sessions/s1/events").is_some());
    assert!(phone2.names().is_empty());
    phone.finish();
    phone2.finish();
}

#[test]
fn a_gateway_that_does_not_hold_polls_is_not_flooded() {
    let mut phone = Driver::ready();
    let mut polls = 0;
    let end = phone.now + Duration::from_secs(10);
    while phone.now < end {
        match phone.find_poll() {
            Some(poll) => {
                polls += 1;
                phone.answer(poll.id, 204, &[], "");
            }
            None => phone.advance(Duration::from_millis(100)),
        }
    }
    assert!(polls < 30, "{polls} polls in 10 s");
    phone.finish();
}

#[test]
fn expiry_ends_everything_here_and_login_works_at_once() {
    let expired = error_body("", "session id not found");
    for how in ["poll", "refresh", "dial", "e911"] {
        let mut phone = Driver::ready();
        phone.talking("c1");
        let pending = if how == "dial" {
            // A second call can only ring; the first one has to be over for a dial.
            phone.deliver(&[event("c1", "session-terminated", &[])]);
            phone.call_tagged("d", "dial", None, json!({"destination": "bob"})).expect("accepted")["call"].as_u64()
        } else {
            None
        };
        phone.names();
        match how {
            "poll" => {
                let poll = phone.find_poll().expect("polling");
                phone.answer(poll.id, 404, JSON, &error_body("", ""));
                if let Some(again) = phone.find_poll() {
                    phone.answer(again.id, 404, &[], "");
                }
            }
            "refresh" => {
                phone.advance_to(Duration::from_secs(3540));
                phone.reply(Verb::Put, S1, 404, &[], "");
            }
            "dial" => {
                phone.describe(pending.expect("a handle"));
                phone.reply(Verb::Post, "/sessions/s1/calls", 404, JSON, &expired);
            }
            _ => {
                phone.call_tagged("e", "associateE911Id", None, json!({"e911Id": "E"})).expect("accepted");
                phone.reply(Verb::Put, S1, 404, &[], "");
            }
        }
        let names = phone.names();
        let expected: &[&str] = match how {
            "dial" => &["sc created>disconnected", "call:disconnected", "finished d 404", "session:expired"],
            "e911" => &["sc connected>disconnected", "call:disconnected", "session:expired", "finished e 1000"],
            _ => &["sc connected>disconnected", "call:disconnected", "session:expired"],
        };
        assert_eq!(names, expected, "{how}");
        assert!(phone.requests.is_empty(), "nothing is asked any more: {:?}", phone.paths());
        assert_eq!(phone.core.poll_timeout(), None);
        assert_eq!(phone.code("logout", None, json!({})), "2101");
        assert_eq!(phone.code("login", None, json!({"token": "t"})), "ok");
        phone.finish();
    }
}

#[test]
fn logout_cancels_ends_and_deletes_in_order() {
    let mut phone = Driver::ready();
    phone.talking("c1");
    phone.ringing("c2");
    phone.names();
    phone.call_tagged("o", "logout", None, Value::Null).expect("accepted");
    assert_eq!(phone.code("dial", None, json!({"destination": "bob"})), "2241");
    phone.names();
    phone.reply(Verb::Delete, "/sessions/s1/calls/c2", 204, &[], "");
    phone.deliver(&[event("c2", "session-terminated", &[])]);
    phone.reply(Verb::Delete, "/sessions/s1/calls/c1", 204, &[], "");
    phone.deliver(&[event("c1", "session-terminated", &[])]);
    let delete = phone.find(Verb::Delete, S1).expect("sent");
    assert!(!delete.request.headers.iter().any(|(name, _)| *name == "x-e911Id"));
    assert!(phone.find_poll().is_none());
    phone.answer(delete.id, 204, &[], "");
    assert_eq!(
        phone.names(),
        [
            "sc created>rejected",
            "call:rejected",
            "sc connected>disconnecting",
            "sc disconnecting>disconnected",
            "call:disconnected",
            "session:disconnected",
            "finished o"
        ]
    );
    assert_eq!(phone.core.poll_timeout(), None);
    assert_eq!(phone.code("login", None, json!({"token": "t"})), "ok");
    phone.finish();
}

#[test]
fn expiry_during_logout_ends_both() {
    let mut phone = Driver::ready();
    phone.talking("c1");
    phone.ringing("c2");
    phone.call_tagged("o", "logout", None, Value::Null).expect("accepted");
    phone.names();
    let poll = phone.find_poll().expect("polling");
    phone.answer(poll.id, 404, &[], "");
    assert_eq!(
        phone.names(),
        [
            "sc created>disconnected",
            "call:disconnected",
            "sc connected>disconnected",
            "call:disconnected",
            "session:expired",
            "finished o"
        ]
    );
    assert!(phone.requests.is_empty(), "{:?}", phone.paths());
    phone.finish();
}

#[test]
fn logout_completes_when_the_gateway_refuses() {
    for (status, expected) in [
        (500, "error 1000 session:disconnected finished o 1000"),
        (503, "gateway:unreachable session:disconnected finished o 1000"),
        (404, "session:expired finished o"),
        (0, "error 0002 session:disconnected finished o 0002"),
    ] {
        let mut phone = Driver::ready();
        phone.names();
        phone.call_tagged("o", "logout", None, Value::Null).expect("accepted");
        let delete = phone.find(Verb::Delete, S1).expect("sent");
        if status == 0 {
            phone.fail(delete.id);
        } else {
            phone.answer(delete.id, status, &[], "");
        }
        assert_eq!(phone.names().join(" "), expected, "{status}");
        assert_eq!(phone.code("login", None, json!({"token": "t"})), "ok");
        phone.finish();
    }
}

#[test]
fn an_invitation_during_logout_is_declined_silently() {
    let mut phone = Driver::ready();
    phone.talking("c1");
    phone.call("logout", None, Value::Null).expect("accepted");
    phone.names();
    phone.deliver(&[invitation("c2")]);
    assert!(phone.names().is_empty());
    assert!(phone.find(Verb::Delete, "/sessions/s1/calls/c2").is_some());
    phone.finish();
}

#[test]
fn the_e911_id_is_associated_once_per_command() {
    let mut phone = Driver::ready();
    phone.names();
    phone.call_tagged("e", "associateE911Id", None, json!({"e911Id": "E2"})).expect("accepted");
    let put = phone.find(Verb::Put, S1).expect("sent");
    assert_eq!(put.request.body.as_deref(), Some(r#"{"e911Association":{"e911Id":"E2"}}"#));
    phone.answer(put.id, 200, &[], "");
    assert_eq!(text(&phone.events[0], "sessionId"), "s1");
    assert_eq!(phone.names(), ["address-updated", "finished e"]);
    phone.call_tagged("f", "associateE911Id", None, json!({"e911Id": "E3"})).expect("accepted");
    phone.reply(Verb::Put, S1, 400, JSON, &error_body("SVC0019", "bad"));
    assert_eq!(phone.names(), ["error 1019", "finished f 1019"]);
    phone.finish();
}

#[test]
fn offline_keeps_calls_and_online_resumes_at_once() {
    let mut phone = Driver::ready();
    phone.talking("c1");
    phone.names();
    phone.input(Input::Connectivity { online: false });
    phone.input(Input::Connectivity { online: false });
    let poll = phone.find_poll().expect("polling");
    phone.fail(poll.id);
    assert!(phone.find_poll().is_none());
    // A refresh falls due meanwhile; nothing is sent.
    phone.advance_to(Duration::from_secs(3600));
    assert!(phone.requests.is_empty(), "{:?}", phone.paths());
    assert_eq!(phone.code("hangup", None, json!({})), "0002");
    assert_eq!(phone.names(), ["connectivity:off", "error 0002"]);
    phone.input(Input::Connectivity { online: true });
    assert_eq!(phone.names(), ["connectivity:on"]);
    assert!(phone.find_poll().is_some());
    assert!(phone.find(Verb::Put, S1).is_some(), "the missed refresh (P-33)");
    assert_eq!(phone.call("isCallInProgress", None, Value::Null), Ok(json!(true)));
    phone.finish();
}

#[test]
fn online_renews_a_poll_and_still_takes_the_old_answer() {
    let mut phone = Driver::ready();
    phone.names();
    let old = phone.find_poll().expect("polling");
    phone.input(Input::Connectivity { online: false });
    phone.input(Input::Connectivity { online: true });
    let new = phone.find_poll().expect("polling");
    assert_ne!(old.id, new.id);
    phone.names();
    phone.answer(old.id, 200, JSON, &core_support::list(&[invitation("c1")]));
    assert_eq!(phone.names(), ["call:incoming"]);
    phone.answer(new.id, 204, &[], "");
    phone.finish();
}

#[test]
fn online_ends_the_wait_of_a_back_off() {
    let mut phone = Driver::ready();
    for _ in 0..6 {
        let poll = phone.find_poll().expect("polling");
        phone.fail(poll.id);
        phone.fire_next();
    }
    let poll = phone.find_poll().expect("polling");
    phone.fail(poll.id);
    phone.input(Input::Connectivity { online: false });
    phone.input(Input::Connectivity { online: true });
    assert!(phone.find_poll().is_some());
    phone.finish();
}

#[test]
fn close_ends_everything_and_tells_the_gateway() {
    let mut phone = Driver::ready();
    phone.talking("c1");
    phone.ringing("c2");
    phone.call_tagged("a", "answer", None, json!({"action": "end"})).expect("accepted");
    phone.names();
    phone.input(Input::Close);
    assert_eq!(
        phone.names(),
        [
            "sc created>rejected",
            "call:rejected",
            "finished a 2300",
            "sc disconnecting>disconnected",
            "call:disconnected"
        ]
    );
    for id in ["c1", "c2"] {
        phone.reply(Verb::Delete, &format!("/sessions/{SID}/calls/{id}"), 204, &[], "");
    }
    phone.reply(Verb::Delete, S1, 204, &[], "");
    assert_eq!(phone.names(), ["session:disconnected", "phone:closed"]);
    assert!(phone.closed);
    phone.input(Input::Close);
    phone.input(Input::Connectivity { online: false });
    assert!(phone.names().is_empty());
    phone.laws.at_the_end();
}

#[test]
fn close_does_not_wait_for_a_dead_gateway() {
    let mut phone = Driver::ready();
    phone.talking("c1");
    phone.call("logout", None, Value::Null).expect("accepted");
    let start = phone.now;
    phone.input(Input::Close);
    while !phone.closed {
        assert!(phone.fire_next(), "something is due");
    }
    assert!(phone.now.duration_since(start) <= Duration::from_secs(3));
    assert_eq!(phone.names().last().map(String::as_str), Some("phone:closed"));
    phone.laws.at_the_end();
    // A phone that holds nothing closes at once.
    let mut phone = Driver::new(config());
    phone.input(Input::Close);
    assert_eq!(phone.names(), ["phone:closed"]);
}

#[test]
fn close_takes_back_a_session_that_is_being_made() {
    let mut phone = Driver::new(config());
    phone.call_tagged("l", "login", None, json!({"token": "t"})).expect("accepted");
    phone.input(Input::Close);
    assert_eq!(phone.names(), ["finished l 2000"]);
    phone.created();
    phone.reply(Verb::Delete, S1, 204, &[], "");
    assert_eq!(phone.names(), ["phone:closed"]);
    phone.laws.at_the_end();
}

#[test]
fn names_get_the_domain_of_the_login() {
    let mut settings = config();
    settings.domain = None;
    for (user, party) in
        [("sip:alice@phones.test", "sip:bob@phones.test"), ("tel:+14255550100", "sip:bob@ewebrtc.local")]
    {
        let mut phone = Driver::new(settings.clone());
        phone.call("login", None, json!({"token": "t"})).expect("accepted");
        phone.reply(Verb::Post, "/sessions", 201, &[LOCATION, ("x-expires", "3600"), ("x-ewebrtc-user", user)], "");
        phone.dial();
        let post = phone.find(Verb::Post, "/sessions/s1/calls").expect("sent");
        let body: Value = serde_json::from_str(post.request.body.as_deref().expect("a body")).expect("JSON");
        assert_eq!(body, json!({"call": {"calledParty": party, "sdp": AUDIO_SDP}}));
        phone.finish();
    }
}
