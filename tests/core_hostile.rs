//! A gateway that is late, doubled, out of order or talks nonsense: nothing of it harms the phone.

mod core_support;

use core_support::conference::conference_event;
use core_support::{AUDIO_SDP, Driver, VIDEO_SDP, event, invitation, over_socket};
use ewebrtc::core::Verb;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};
use std::time::Duration;

const C1: &str = "/sessions/s1/calls/c1";
const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

#[test]
fn a_gateway_that_talks_nonsense_does_no_harm() {
    let states = [
        "invitation-received",
        "session-open",
        "session-modified",
        "session-terminated",
        "mod-received",
        "mod-terminated",
        "move-terminated",
        "transfer-initiated",
        "transfer-terminated",
        "call-ringing",
        "",
    ];
    let sdps = ["", "garbage", "v=0\r\n", AUDIO_SDP, VIDEO_SDP];
    let calls = ["idle", "offering", "posting", "connecting", "connected", "ringing", "ending"];
    let conferences = ["hosting", "inviting", "with a party", "invited", "joined", "leaving"];
    for first in calls.into_iter().chain(conferences) {
        for state in states {
            for sdp in sdps {
                let mut phone = Driver::ready();
                match first {
                    "offering" => drop(phone.call("dial", None, json!({"destination": "bob"}))),
                    "posting" => drop(phone.dial()),
                    "connecting" => {
                        phone.dial();
                        phone.accepted("c1");
                    }
                    "connected" => drop(phone.talking("c1")),
                    "ringing" => drop(phone.ringing("c1")),
                    "ending" => {
                        phone.talking("c1");
                        drop(phone.call("hangup", None, json!({})));
                    }
                    "hosting" => drop(phone.hosting()),
                    "inviting" => {
                        phone.hosting();
                        drop(phone.call("addParticipant", None, json!({"participant": "bob"})));
                    }
                    "with a party" => {
                        phone.hosting();
                        phone.with_bob();
                    }
                    "invited" => drop(phone.invited("f1")),
                    "joined" => drop(phone.joined()),
                    "leaving" => {
                        phone.joined();
                        drop(phone.call("endConference", None, json!({})));
                    }
                    _ => {}
                }
                let members: &[(&str, &str)] = &[("sdp", sdp), ("modId", "i1"), ("reason", "x")];
                let events = if conferences.contains(&first) {
                    let about = |members| conference_event("f1", state, members);
                    [about(members), about(&[]), conference_event("zz", state, &[])]
                } else {
                    [event("c1", state, &[("sdp", sdp)]), event("c1", state, &[]), event("zz", state, &[])]
                };
                phone.deliver(&events);
                phone.deliver(&events);
                // Whatever there is can be ended, and then the line is free.
                for _ in 0..3 {
                    for method in ["hangup", "cancel", "reject", "rejectConference"] {
                        drop(phone.call(method, None, json!({})));
                    }
                    for delete in phone.requests.clone().iter().filter(|r| r.request.verb == Verb::Delete) {
                        phone.answer(delete.id, 204, &[], "");
                    }
                    phone.advance(Duration::from_secs(6));
                }
                assert_eq!(
                    phone.code("dial", None, json!({"destination": "bob"})),
                    "ok",
                    "{first}, {state:?}, {sdp:?}"
                );
                phone.finish();
            }
        }
    }
}

#[test]
fn bodies_that_are_no_event_lists_do_no_harm() {
    for body in
        ["", "{}", "[]", "null", "nonsense", "{\"events\":5}", "{\"events\":{\"eventList\":[5,null,{}]}}", "\u{0}"]
    {
        let mut phone = Driver::ready();
        let poll = phone.find_poll().expect("polling");
        phone.answer(poll.id, 200, JSON, body);
        phone.advance(Duration::from_secs(1));
        assert!(phone.find_poll().is_some(), "{body:?}: polling goes on");
        phone.ringing("c1");
        phone.finish();
    }
}

#[test]
fn doubled_and_late_invitations_ring_once() {
    let mut phone = Driver::ready();
    phone.names();
    phone.deliver(&[invitation("c1"), invitation("c1")]);
    assert_eq!(phone.names(), ["call:incoming"]);
    phone.deliver(&[event("c1", "session-terminated", &[("reason", "Call canceled")])]);
    phone.names();
    phone.deliver(&[invitation("c1")]);
    assert!(phone.names().is_empty());
    let foreign = json!({"type": "calls", "state": "invitation-received", "from": "x",
        "resourceURL": "/RTC/v1/sessions/other/calls/c9"});
    phone.deliver(&[foreign]);
    assert!(phone.names().is_empty());
    phone.finish();
}

#[test]
fn a_call_whose_201_was_lost_is_ended_when_it_is_answered() {
    let mut phone = Driver::ready();
    phone.dial();
    let post = phone.find(Verb::Post, "/sessions/s1/calls").expect("sent");
    phone.fail(post.id);
    phone.deliver(&[event("lost", "session-open", &[("sdp", AUDIO_SDP)])]);
    assert!(phone.find(Verb::Delete, "/sessions/s1/calls/lost").is_some());
    phone.deliver(&[event("lost", "session-open", &[]), event("unknown", "session-open", &[])]);
    assert!(phone.find(Verb::Delete, "/sessions/s1/calls/unknown").is_none());
    phone.finish();
}

#[test]
fn a_conference_whose_201_was_lost_is_ended_when_it_is_answered() {
    let mut phone = Driver::ready();
    let handle = phone.start_conference();
    phone.describe(handle);
    let post = phone.find(Verb::Post, "/sessions/s1/conferences").expect("the request");
    phone.fail(post.id);
    phone.deliver(&[conference_event("f7", "session-open", &[("sdp", AUDIO_SDP)])]);
    let delete = phone.find(Verb::Delete, "/sessions/s1/conferences/f7").expect("nobody else would end it");
    assert!(delete.request.headers.contains(&("x-delete-reason", "terminate".to_owned())));
    phone.finish();
}

#[test]
fn events_of_many_unknown_calls_are_bounded() {
    let mut phone = Driver::ready();
    phone.dial();
    let flood: Vec<Value> = (0..2000).map(|n| event(&format!("x{n}"), "session-open", &[])).collect();
    phone.deliver(&flood);
    phone.accepted("c1");
    phone.deliver(&[event("c1", "session-open", &[("sdp", AUDIO_SDP)])]);
    assert_eq!(phone.call("isCallInProgress", None, Value::Null), Ok(json!(true)));
    phone.finish();
}

#[test]
fn events_that_overtake_the_201_are_kept() {
    let mut phone = Driver::ready();
    phone.dial();
    phone.names();
    phone.deliver(&[event("other", "session-open", &[]), event("c1", "session-open", &[("sdp", AUDIO_SDP)])]);
    assert!(phone.names().is_empty());
    phone.accepted("c1");
    let names = phone.names();
    assert_eq!(names[..2], ["sc created>connecting", "call:connecting"]);
    assert_eq!(names[3..], ["sc connecting>connected", "call:connected"]);
    phone.finish();
}

#[test]
fn events_that_overtake_the_answer_of_the_put_are_kept() {
    let mut phone = Driver::ready();
    let handle = phone.ringing("c1");
    phone.call("answer", None, json!({})).expect("accepted");
    phone.describe(handle);
    phone.names();
    phone.deliver(&[event("c1", "session-modified", &[])]);
    assert!(phone.names().is_empty());
    phone.reply(Verb::Put, C1, 204, &[], "");
    let names = phone.names();
    assert_eq!(names[..4], ["sc created>connecting", "call:connecting", "sc connecting>connected", "call:connected"]);
    phone.finish();
}

#[test]
fn a_flood_of_invitations_is_declined_within_bounds() {
    let mut phone = Driver::ready();
    let flood: Vec<Value> = (0..2000).map(|n| invitation(&format!("x{n}"))).collect();
    phone.deliver(&flood);
    assert!(phone.requests.len() < 80, "{} requests at once", phone.requests.len());
    assert_eq!(phone.code("reject", None, json!({})), "ok");
    phone.finish();
}

#[test]
fn a_flood_of_associations_is_refused() {
    let mut phone = Driver::ready();
    let codes: Vec<String> = (0..20).map(|_| phone.code("associateE911Id", None, json!({"e911Id": "E"}))).collect();
    assert_eq!(codes.iter().filter(|code| *code == "ok").count(), 16);
    assert!(codes[16..].iter().all(|code| code == "2050"));
    phone.finish();
}

#[test]
fn any_json_on_the_channel_is_harmless() {
    let seed = std::env::var("EWEBRTC_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(4711);
    println!("EWEBRTC_TEST_SEED={seed}");
    let config = Config { cases: 300, failure_persistence: None, rng_seed: RngSeed::Fixed(seed), ..Config::default() };
    let word = prop::sample::select(vec![
        "calls",
        "conferences",
        "session-open",
        "session-terminated",
        "invitation-received",
        "mod-received",
        "c1",
        "",
        "/RTC/v1/sessions/s1/calls/c1",
        "/RTC/v1/sessions/s1/calls/c2",
        "/",
        "//////",
        "https://x/RTC/v1/sessions/s1",
        AUDIO_SDP,
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        word.prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    let names = ["type", "state", "resourceURL", "from", "sdp", "modId", "reason", "provisionalSDP"];
    let object = prop::collection::vec(leaf, names.len())
        .prop_map(move |values| Value::Object(names.iter().map(|n| (*n).to_owned()).zip(values).collect()));
    let bodies = prop::collection::vec(prop::collection::vec(object, 0..4), 1..6);
    let outcome = TestRunner::new(config).run(&(any::<bool>(), bodies), |(socket, bodies)| {
        let mut phone = Driver::new(if socket { over_socket(core_support::config()) } else { core_support::config() });
        phone.login();
        if socket {
            phone.socket_opens();
        }
        phone.talking("c1");
        for body in bodies {
            if phone.find_poll().is_none() && phone.socket.is_none() {
                phone.fire_next();
            }
            if phone.find_asked().is_some() {
                phone.socket_opens();
            }
            if phone.find_poll().is_some() || phone.socket.is_some() {
                phone.deliver(&body);
            }
        }
        phone.finish();
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
