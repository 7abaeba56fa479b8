//! The end of an item that the gateway has not heard of is told again when it is there.

mod core_support;

use core_support::{Driver, invitation};
use ewebrtc::core::{Input, MediaFailure, MediaReport, Verb};
use serde_json::json;
use std::time::Duration;

const C1: &str = "/sessions/s1/calls/c1";

/// A phone that has hung up in vain.
fn unheard() -> Driver {
    let mut phone = Driver::ready();
    phone.talking("c1");
    phone.call("hangup", None, json!({})).expect("accepted");
    let delete = phone.find(Verb::Delete, C1).expect("the gateway is told");
    phone.fail(delete.id);
    let names = phone.names();
    assert!(names.contains(&"call:disconnected".to_owned()), "the call is over here: {names:?}");
    phone
}

#[test]
fn the_end_of_a_call_is_told_until_the_gateway_has_heard_of_it() {
    let mut phone = unheard();
    assert!(phone.find(Verb::Delete, C1).is_none(), "not at once");
    for _ in 0..3 {
        phone.advance(Duration::from_secs(2));
        let again = phone.find(Verb::Delete, C1).expect("told again");
        assert!(again.request.headers.contains(&("x-delete-reason", "terminate".to_owned())));
        phone.fail(again.id);
    }
    phone.advance(Duration::from_secs(2));
    phone.reply(Verb::Delete, C1, 204, &[], "");
    phone.advance(Duration::from_secs(60));
    assert!(phone.find(Verb::Delete, C1).is_none(), "once is enough");
    assert_eq!(phone.names(), Vec::<String>::new(), "and nobody is told of it");
    phone.finish();
}

#[test]
fn a_gateway_that_knows_no_such_call_has_heard_of_its_end() {
    let mut phone = unheard();
    phone.advance(Duration::from_secs(2));
    phone.reply(Verb::Delete, C1, 404, &[], "");
    phone.advance(Duration::from_secs(60));
    assert!(phone.find(Verb::Delete, C1).is_none());
    assert_eq!(phone.code("dial", None, json!({"destination": "bob"})), "ok", "the session is as good as before");
    phone.finish();
}

#[test]
fn without_a_network_it_waits() {
    let mut phone = unheard();
    phone.input(Input::Connectivity { online: false });
    phone.advance(Duration::from_secs(30));
    assert!(phone.find(Verb::Delete, C1).is_none());
    phone.input(Input::Connectivity { online: true });
    phone.reply(Verb::Delete, C1, 204, &[], "");
    phone.finish();
}

#[test]
fn the_same_goes_for_whatever_ends_an_item_here() {
    for how in ["media", "declined", "withdrawn"] {
        let mut phone = Driver::ready();
        let (path, reason) = match how {
            "media" => {
                let call = phone.dial();
                phone.accepted("c1");
                phone.media(call, MediaReport::Failed { kind: MediaFailure::Internal, text: "no port".into() });
                (C1, "cancel")
            }
            "declined" => {
                phone.ringing("c1");
                phone.deliver(&[invitation("c2")]);
                ("/sessions/s1/calls/c2", "reject")
            }
            // Before the gateway has said which call it is (P-64).
            _ => {
                phone.dial();
                phone.call("cancel", None, json!({})).expect("accepted");
                phone.accepted("c1");
                (C1, "cancel")
            }
        };
        for _ in 0..3 {
            let told = phone.find(Verb::Delete, path).unwrap_or_else(|| panic!("{how}: told"));
            assert!(told.request.headers.contains(&("x-delete-reason", reason.to_owned())), "{how}");
            phone.fail(told.id);
            phone.advance(Duration::from_secs(2));
        }
        phone.reply(Verb::Delete, path, 204, &[], "");
        phone.advance(Duration::from_secs(60));
        assert!(phone.find(Verb::Delete, path).is_none(), "{how}");
        phone.finish();
    }
}

#[test]
fn a_flood_of_invitations_is_declined_with_bounded_effort() {
    let mut phone = Driver::ready();
    phone.ringing("c0");
    for n in 1..200 {
        phone.deliver(&[invitation(&format!("c{n}"))]);
    }
    let telling = |phone: &Driver| phone.requests.iter().filter(|r| r.request.verb == Verb::Delete).count();
    assert_eq!(telling(&phone), 64);
    for request in phone.requests.clone() {
        if request.request.verb == Verb::Delete {
            phone.fail(request.id);
        }
    }
    phone.deliver(&[invitation("next")]);
    assert!(phone.find(Verb::Delete, "/sessions/s1/calls/next").is_some(), "the newest is told before the oldest");
    phone.advance(Duration::from_secs(2));
    assert_eq!(telling(&phone), 64);
    phone.finish();
}
