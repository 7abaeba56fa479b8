//! The event channel as a WebSocket: opening, numbers, every way it ends, back-off, polling instead, offline, close.

mod core_support;

use core_support::{AUDIO_SDP, Driver, config, event, invitation, list, over_socket};
use ewebrtc::core::{Input, NetworkFailure, NetworkFailureKind, SocketEnd, SocketNews, Verb};
use serde_json::{Value, json};
use std::time::Duration;

const S1: &str = "/sessions/s1";
const FIRST: &str = "/sessions/s1/websockets?after=0";
const PLAIN: &str = "/sessions/s1/websockets";
const WS: (&str, &str) = ("location", "wss://gateway/s1?once");

/// Logged in; the address of a socket is asked for.
fn asking() -> Driver {
    let mut phone = Driver::new(over_socket(config()));
    phone.login();
    phone.names();
    phone
}

/// Logged in, with an open socket.
fn open() -> Driver {
    let mut phone = asking();
    phone.socket_opens();
    phone
}

fn failed() -> SocketEnd {
    SocketEnd::Failed(NetworkFailure { kind: NetworkFailureKind::Connect, text: "refused".into() })
}

fn ended(phone: &mut Driver, end: SocketEnd) {
    phone.news(SocketNews::Closed(end));
}

fn message(phone: &mut Driver, seq: u64, event: &Value) {
    let text = json!({"events": {"eventList": [{"seq": seq, "eventObject": event}]}}).to_string();
    phone.news(SocketNews::Message(text.into()));
}

/// How long the phone waits before it does something next.
fn wait(phone: &Driver) -> Duration {
    phone.core.poll_timeout().expect("a timer").duration_since(phone.now)
}

#[test]
fn a_socket_is_asked_for_and_carries_events() {
    let mut phone = asking();
    let asked = phone.find(Verb::Post, FIRST).expect("asked for");
    assert_eq!(asked.request.headers, [("Accept", "application/json".to_owned())]);
    assert_eq!((asked.request.body, phone.find_poll().is_none()), (None, true));
    phone.answer(asked.id, 201, &[WS], "");
    assert_eq!(phone.socket.as_ref().map(|(_, url)| url.as_str()), Some("wss://gateway/s1?once"));
    phone.news(SocketNews::Opened);
    assert!(phone.names().is_empty());
    let handle = phone.talking("c1");
    assert!(phone.requests.is_empty(), "nothing is polled for: {:?}", phone.paths());
    assert!(phone.said.is_empty(), "a gateway without numbers gets no acknowledgement");
    phone.held_by_peer(handle, "c1");
    phone.deliver(&[event("c1", "session-terminated", &[])]);
    assert!(phone.names().ends_with(&["call:disconnected".to_owned()]));
    phone.finish();
}

#[test]
fn numbered_events_are_acknowledged_and_come_once_whatever_the_socket_does() {
    let mut phone = open();
    message(&mut phone, 1, &invitation("c1"));
    assert_eq!(phone.names(), ["call:incoming"]);
    message(&mut phone, 1, &invitation("c1"));
    assert!(phone.names().is_empty());
    assert_eq!(std::mem::take(&mut phone.said), [r#"{"after":1}"#, r#"{"after":1}"#]);
    // It ends; the next one is asked for at once, behind what is known, and nobody hears of it.
    ended(&mut phone, SocketEnd::Ended);
    phone.reply(Verb::Post, "/sessions/s1/websockets?after=1", 201, &[WS], "");
    phone.news(SocketNews::Opened);
    message(&mut phone, 1, &invitation("c1"));
    message(&mut phone, 2, &event("c1", "session-terminated", &[]));
    assert_eq!(phone.names(), ["sc created>canceled", "call:canceled"]);
    assert_eq!(phone.said.last().map(String::as_str), Some(r#"{"after":2}"#));
    phone.finish();
}

#[test]
fn a_gateway_without_numbers_gets_the_plain_protocol_on_the_next_socket_too() {
    let mut phone = open();
    phone.ringing("c1");
    ended(&mut phone, SocketEnd::Ended);
    assert!(phone.find(Verb::Post, PLAIN).is_some(), "{:?}", phone.paths());
    phone.finish();
    // Refusing the number has the same effect, and is no failure.
    let mut phone = asking();
    phone.reply(Verb::Post, FIRST, 400, &[], "");
    phone.reply(Verb::Post, PLAIN, 201, &[WS], "");
    assert!(phone.names().is_empty());
    phone.finish();
}

#[test]
fn a_gateway_that_offers_no_socket_is_polled() {
    for status in [404, 405, 410, 426, 501] {
        let mut phone = asking();
        phone.reply(Verb::Post, FIRST, status, &[], "");
        assert!(phone.find(Verb::Get, "/sessions/s1/events?after=0").is_some(), "{status}: {:?}", phone.paths());
        phone.ringing("c1");
        assert_eq!(phone.names(), ["call:incoming"], "{status}");
        // For the rest of the session.
        let poll = phone.find_poll().expect("polling");
        phone.fail(poll.id);
        phone.fire_next();
        assert!(phone.find_poll().is_some());
        phone.finish();
    }
    let mut phone = asking();
    phone.reply(Verb::Post, FIRST, 400, &[], "");
    phone.reply(Verb::Post, PLAIN, 400, &[], "");
    assert!(phone.find(Verb::Get, "/sessions/s1/events").is_some());
    phone.finish();
    let long = format!("ws://gateway/{}", "x".repeat(3000));
    for location in [None, Some(""), Some("/path"), Some("http://gateway/"), Some("ws:/x"), Some(long.as_str())] {
        let mut phone = asking();
        let headers: Vec<(&str, &str)> = location.iter().map(|l| ("location", *l)).collect();
        phone.reply(Verb::Post, FIRST, 201, &headers, "");
        assert!(phone.find_poll().is_some(), "{location:?}");
        assert!(phone.names().is_empty());
        phone.finish();
    }
}

#[test]
fn the_next_login_tries_a_socket_again() {
    let mut phone = asking();
    phone.reply(Verb::Post, FIRST, 501, &[], "");
    phone.call("logout", None, Value::Null).expect("accepted");
    phone.reply(Verb::Delete, S1, 204, &[], "");
    phone.login();
    assert!(phone.find(Verb::Post, FIRST).is_some());
    phone.finish();
}

#[test]
fn promised_sockets_that_come_to_nothing_end_in_polling() {
    // The gateway is there, so refusals of the handshake and sockets that end at once are not worth a word.
    for end in [SocketEnd::Refused(404), SocketEnd::Ended] {
        let mut phone = asking();
        for nominal in [250, 500] {
            let asked = phone.find_asked().expect("asked for");
            phone.answer(asked.id, 201, &[WS], "");
            if end == SocketEnd::Ended {
                phone.news(SocketNews::Opened);
            }
            ended(&mut phone, end.clone());
            let wait = wait(&phone).as_millis();
            assert!((nominal * 8 / 10..=nominal * 12 / 10).contains(&wait), "{wait} for {nominal}");
            phone.fire_next();
        }
        let asked = phone.find_asked().expect("asked for");
        phone.answer(asked.id, 201, &[WS], "");
        ended(&mut phone, end.clone());
        assert!(phone.find_poll().is_some(), "{end:?}");
        assert!(phone.names().is_empty(), "{end:?}");
        phone.finish();
    }
    // Without a connection nothing is heard: told once, and recovered by the poll.
    let mut phone = asking();
    for _ in 0..3 {
        let asked = phone.find_asked().expect("asked for");
        phone.answer(asked.id, 201, &[WS], "");
        ended(&mut phone, failed());
        if phone.find_poll().is_none() {
            phone.fire_next();
        }
    }
    assert_eq!(phone.names(), ["gateway:unreachable"]);
    let poll = phone.find_poll().expect("polling");
    phone.answer(poll.id, 204, &[], "");
    assert_eq!(phone.names(), ["gateway:reachable"]);
    phone.finish();
}

#[test]
fn a_socket_that_was_good_forgives_what_was_before() {
    let mut phone = asking();
    for round in 0..12 {
        let asked = phone.find_asked().unwrap_or_else(|| panic!("{round}: {:?}", phone.paths()));
        phone.answer(asked.id, 201, &[WS], "");
        phone.news(SocketNews::Opened);
        match round % 3 {
            // Every third one is open for a while, or says something.
            0 => phone.advance(Duration::from_secs(5)),
            1 if round > 6 => phone.news(SocketNews::Message(b"{}".to_vec())),
            _ => {}
        }
        ended(&mut phone, SocketEnd::Ended);
        if phone.find_asked().is_none() {
            phone.fire_next();
        }
    }
    assert!(phone.find_poll().is_none());
    assert!(phone.names().is_empty());
    phone.finish();
}

#[test]
fn a_lost_gateway_is_told_once_with_the_waits_of_polls() {
    for status in [0, 502, 503] {
        let mut phone = open();
        phone.talking("c1");
        phone.names();
        ended(&mut phone, SocketEnd::Ended);
        for nominal in [250_u64, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            let asked = phone.find_asked().expect("asked for");
            if status == 0 {
                phone.fail(asked.id);
            } else {
                phone.answer(asked.id, status, &[], "");
            }
            let due = wait(&phone);
            let nominal = Duration::from_millis(nominal);
            assert!(due >= nominal * 8 / 10 && due <= nominal * 12 / 10, "{due:?} for {nominal:?}");
            phone.advance(due);
        }
        assert_eq!(phone.names(), ["gateway:unreachable"], "{status}");
        let asked = phone.find_asked().expect("asked for");
        phone.answer(asked.id, 201, &[WS], "");
        assert!(phone.names().is_empty(), "an address is no channel yet");
        phone.news(SocketNews::Opened);
        assert_eq!(phone.names(), ["gateway:reachable"]);
        assert_eq!(phone.call("isCallInProgress", None, Value::Null), Ok(json!(true)));
        phone.finish();
    }
    // The same at the handshake.
    let mut phone = open();
    ended(&mut phone, SocketEnd::Ended);
    for _ in 0..5 {
        phone.fire_next();
        let asked = phone.find_asked().expect("asked for");
        phone.answer(asked.id, 201, &[WS], "");
        ended(&mut phone, SocketEnd::Refused(503));
    }
    assert_eq!(phone.names(), ["gateway:unreachable"]);
    phone.finish();
}

#[test]
fn a_refused_request_is_told_once_and_the_third_leads_to_polling() {
    for status in [401, 403, 500] {
        let mut phone = asking();
        for _ in 0..3 {
            let asked = phone.find_asked().expect("asked for");
            phone.answer(asked.id, status, &[], "");
            if phone.find_poll().is_none() {
                phone.fire_next();
            }
        }
        assert_eq!(phone.names(), ["error 1000"], "{status}");
        let poll = phone.find_poll().expect("polling");
        phone.answer(poll.id, status, &[], "");
        phone.fire_next();
        assert!(phone.names().is_empty(), "{status}: the same series");
        let poll = phone.find_poll().expect("polling");
        phone.answer(poll.id, 204, &[], "");
        assert_eq!(phone.names(), ["gateway:reachable"]);
        phone.finish();
    }
}

#[test]
fn a_session_that_is_gone_expires_over_a_socket_too() {
    let mut phone = open();
    phone.talking("c1");
    phone.names();
    ended(&mut phone, SocketEnd::Ended);
    let asked = phone.find_asked().expect("asked for");
    phone.answer(asked.id, 404, &[], "");
    assert_eq!(phone.names(), ["sc connected>disconnected", "call:disconnected", "session:expired"]);
    assert!(phone.requests.is_empty() && phone.core.poll_timeout().is_none());
    phone.finish();
    // Expiry that is found out elsewhere closes the socket.
    let mut phone = open();
    phone.advance_to(Duration::from_secs(3540));
    phone.reply(Verb::Put, S1, 404, &[], "");
    assert_eq!(phone.names(), ["session:expired"]);
    assert!(phone.socket.is_none());
    phone.finish();
    // Where the first request says so it may only mean that there are no sockets: the poll knows.
    let mut phone = asking();
    phone.reply(Verb::Post, FIRST, 404, &[], "");
    phone.reply(Verb::Get, "/sessions/s1/events?after=0", 404, &[], "");
    phone.reply(Verb::Get, "/sessions/s1/events", 404, &[], "");
    assert_eq!(phone.names(), ["session:expired"]);
    phone.finish();
}

#[test]
fn a_message_that_cannot_be_read_counts_as_no_answer() {
    let mut phone = open();
    let garbage = || SocketNews::Message(b"\xff\x00 no events".to_vec());
    phone.news(garbage());
    assert!(phone.socket.is_none(), "it is closed");
    assert_eq!(phone.names(), ["gateway:unreachable"]);
    phone.fire_next();
    phone.socket_opens();
    assert_eq!(phone.names(), ["gateway:reachable"]);
    // A message without events is one.
    phone.news(SocketNews::Message(b"{\"hello\":1}".to_vec()));
    assert!(phone.names().is_empty());
    // A gateway that says nothing else is polled in the end.
    for _ in 0..3 {
        phone.news(garbage());
        if phone.find_poll().is_none() {
            phone.fire_next();
            phone.socket_opens();
        }
    }
    assert!(phone.find_poll().is_some());
    phone.finish();
}

#[test]
fn news_of_a_socket_that_is_over_changes_nothing() {
    let mut phone = open();
    let (old, _) = phone.socket.clone().expect("open");
    phone.news(SocketNews::Message(b"{}".to_vec()));
    ended(&mut phone, SocketEnd::Ended);
    let late = || SocketNews::Message(list(&[invitation("c1")]).into());
    phone.news_of(old, late());
    phone.socket_opens();
    for news in [SocketNews::Opened, late(), SocketNews::Closed(SocketEnd::Ended)] {
        phone.news_of(old, news);
    }
    assert!(phone.names().is_empty());
    assert!(phone.socket.is_some() && phone.requests.is_empty());
    phone.finish();
}

#[test]
fn events_of_a_call_that_is_not_known_yet_are_kept_over_a_socket_too() {
    let mut phone = open();
    phone.dial();
    phone.names();
    phone.deliver(&[event("c1", "session-open", &[("sdp", AUDIO_SDP)])]);
    assert!(phone.names().is_empty());
    phone.accepted("c1");
    assert!(phone.names().contains(&"call:connected".to_owned()));
    phone.finish();
}

#[test]
fn offline_keeps_a_socket_and_online_tries_it() {
    let mut phone = open();
    phone.input(Input::Connectivity { online: false });
    phone.input(Input::Connectivity { online: true });
    assert_eq!(std::mem::take(&mut phone.said), ["?"]);
    assert!(phone.requests.is_empty());
    // It ends while offline: nothing is asked, nothing is told, until the phone is online.
    phone.input(Input::Connectivity { online: false });
    phone.names();
    ended(&mut phone, SocketEnd::Ended);
    phone.advance(Duration::from_secs(60));
    assert!(phone.requests.is_empty());
    phone.input(Input::Connectivity { online: true });
    assert_eq!(phone.names(), ["connectivity:on"]);
    let first = phone.find_asked().expect("asked for at once");
    // What was begun on the old network is begun anew.
    phone.input(Input::Connectivity { online: false });
    phone.input(Input::Connectivity { online: true });
    let second = phone.find_asked().expect("asked for");
    assert_ne!(first.id, second.id);
    phone.answer(second.id, 201, &[WS], "");
    let (opening, _) = phone.socket.clone().expect("opening");
    phone.input(Input::Connectivity { online: false });
    phone.input(Input::Connectivity { online: true });
    phone.socket_opens();
    assert_ne!(phone.socket.as_ref().map(|(id, _)| *id), Some(opening));
    phone.names();
    // The wait of a back-off ends.
    ended(&mut phone, SocketEnd::Ended);
    for _ in 0..6 {
        phone.fire_next();
        let asked = phone.find_asked().expect("asked for");
        phone.fail(asked.id);
    }
    phone.input(Input::Connectivity { online: false });
    phone.input(Input::Connectivity { online: true });
    assert!(phone.find_asked().is_some());
    phone.finish();
}

#[test]
fn logout_and_close_close_the_socket() {
    let mut phone = open();
    phone.talking("c1");
    phone.call_tagged("o", "logout", None, Value::Null).expect("accepted");
    phone.reply(Verb::Delete, "/sessions/s1/calls/c1", 204, &[], "");
    assert!(phone.socket.is_some(), "the end of the call comes over it");
    phone.deliver(&[event("c1", "session-terminated", &[])]);
    assert!(phone.socket.is_none());
    phone.reply(Verb::Delete, S1, 204, &[], "");
    assert!(phone.names().ends_with(&["session:disconnected".to_owned(), "finished o".to_owned()]));
    phone.finish();
    for opened in [false, true] {
        let mut phone = asking();
        let asked = phone.find_asked().expect("asked for");
        phone.answer(asked.id, 201, &[WS], "");
        if opened {
            phone.news(SocketNews::Opened);
        }
        phone.input(Input::Close);
        assert!(phone.socket.is_none());
        phone.finish();
    }
    let mut phone = asking();
    phone.input(Input::Close);
    assert!(phone.find_asked().is_none());
    phone.finish();
}
