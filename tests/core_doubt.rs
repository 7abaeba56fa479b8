//! Changes whose request got no answer (phone-behaviour.md P-65): the command fails, and when the gateway has taken the change
//! all the same, what is so there becomes so here.

mod core_support;

use core_support::{AUDIO_SDP, Driver, HELD_SDP, HOLD_SDP, HOLDING, RESUMING, event, mod_done, mod_received, talking};
use ewebrtc::core::{Handle, Input, MediaOrder, Verb};
use serde_json::{Value, json};
use std::time::Duration;

const C1: &str = "/sessions/s1/calls/c1";

/// The command's request is sent, and its answer lost.
fn lost(phone: &mut Driver, call: Handle, method: &str) {
    phone.call_tagged(method, method, None, json!({})).expect("accepted");
    phone.describe(call);
    let put = phone.find(Verb::Put, C1).expect("sent");
    phone.fail(put.id);
    assert_eq!(phone.names(), ["error 0002".to_owned(), format!("finished {method} 0002")]);
}

/// State of the first call.
fn state(phone: &mut Driver) -> String {
    let calls = phone.call("getCalls", None, Value::Null).expect("never refused");
    phone.events.pop();
    calls[0]["state"].as_str().unwrap_or("none").to_owned()
}

#[test]
fn a_hold_and_a_resume_that_were_taken_without_an_answer_come_to_be() {
    let (mut phone, call) = talking();
    lost(&mut phone, call, "hold");
    assert_eq!(phone.take_orders().last(), Some(&MediaOrder::Mute(false)), "as far as is known nothing has changed");
    phone.done("c1", HELD_SDP);
    assert_eq!(phone.names(), HOLDING);
    let orders = phone.take_orders();
    assert!(orders.contains(&MediaOrder::ApplyAnswer { sdp: HELD_SDP.into() }), "{orders:?}");
    assert!(orders.contains(&MediaOrder::Mute(true)), "who holds is not heard: {orders:?}");
    phone.apply(call);
    lost(&mut phone, call, "resume");
    assert_eq!(state(&mut phone), "held");
    phone.done("c1", AUDIO_SDP);
    assert_eq!(phone.names(), RESUMING);
    assert_eq!(phone.take_orders().last(), Some(&MediaOrder::Mute(false)));
    phone.done("c1", AUDIO_SDP);
    assert_eq!(phone.names(), Vec::<String>::new(), "once");
    phone.can_go_on();
}

#[test]
fn one_that_was_not_taken_stays_undone() {
    for outcome in ["none", "refused", "late", "another"] {
        let (mut phone, call) = talking();
        lost(&mut phone, call, "hold");
        match outcome {
            "refused" => {
                phone.deliver(&[event("c1", "mod-terminated", &[("reason", "No")])]);
                phone.done("c1", HELD_SDP);
            }
            "late" => {
                phone.advance(Duration::from_secs(91));
                phone.names();
                phone.done("c1", HELD_SDP);
            }
            // The gateway makes one change at a time: where the peer makes one, ours is none.
            "another" => {
                phone.peer_changes(call, "c1", "m1", HOLD_SDP);
                phone.names();
                phone.done("c1", HELD_SDP);
            }
            _ => {}
        }
        assert_eq!(phone.names(), Vec::<String>::new(), "{outcome}");
        assert_eq!(state(&mut phone), "connected", "{outcome}");
        phone.held(call, "c1");
        assert_eq!(phone.names()[..4], HOLDING, "it can be tried again");
        phone.can_go_on();
    }
}

#[test]
fn the_outcome_of_the_first_try_may_come_during_the_second() {
    // The gateway refuses the second while the first is running.
    let (mut phone, call) = talking();
    lost(&mut phone, call, "hold");
    phone.call_tagged("y", "hold", None, json!({})).expect("accepted");
    phone.done("c1", HELD_SDP);
    phone.describe(call);
    phone.reply(Verb::Put, C1, 409, &[], "");
    assert_eq!(phone.names(), [&["error 1000", "finished y 1000"], &HOLDING[..]].concat());
    phone.can_go_on();

    // It has taken both.
    let (mut phone, call) = talking();
    lost(&mut phone, call, "hold");
    phone.call_tagged("y", "hold", None, json!({})).expect("accepted");
    phone.requested(call, "c1");
    phone.done("c1", HELD_SDP);
    phone.done("c1", HELD_SDP);
    assert_eq!(phone.names(), [&HOLDING[..], &["finished y"]].concat());
    phone.can_go_on();
}

#[test]
fn an_outcome_that_came_before_the_loss_of_the_answer_makes_the_command_succeed() {
    let (mut phone, call) = talking();
    phone.call_tagged("x", "hold", None, json!({})).expect("accepted");
    phone.describe(call);
    let put = phone.find(Verb::Put, C1).expect("sent");
    phone.done("c1", HELD_SDP);
    assert_eq!(phone.names(), Vec::<String>::new());
    phone.fail(put.id);
    assert_eq!(phone.names(), [&HOLDING[..], &["finished x"]].concat());
    phone.can_go_on();
}

#[test]
fn who_was_held_for_a_call_that_did_not_come_to_be_is_resumed() {
    let (mut phone, first) = talking();
    phone.call_tagged("a", "addCall", None, json!({"destination": "carol"})).expect("accepted");
    phone.describe(first);
    let put = phone.find(Verb::Put, C1).expect("the hold");
    phone.fail(put.id);
    let names = phone.names();
    assert!(names.ends_with(&["call:disconnected".to_owned(), "finished a 3900".to_owned()]), "{names:?}");
    phone.done("c1", HELD_SDP);
    assert_eq!(phone.names(), HOLDING);
    phone.requested(first, "c1");
    phone.done("c1", AUDIO_SDP);
    assert_eq!(phone.names(), RESUMING);
    phone.finish();

    // A switch that failed does not happen later.
    let mut phone = Driver::ready();
    let (_, second) = phone.two_calls();
    phone.apply(second);
    phone.names();
    phone.call_tagged("w", "switchCall", None, json!({})).expect("accepted");
    phone.describe(second);
    let put = phone.find(Verb::Put, "/sessions/s1/calls/c2").expect("the hold");
    phone.fail(put.id);
    assert_eq!(phone.names(), ["error 4200", "finished w 4200"]);
    phone.done("c2", HELD_SDP);
    assert_eq!(phone.names(), HOLDING);
    phone.requested(second, "c2");
    phone.done("c2", AUDIO_SDP);
    assert_eq!(phone.names(), RESUMING, "who was in front stays there");
    phone.finish();
}

#[test]
fn a_move_and_a_transfer_that_were_taken_come_to_be() {
    let (mut phone, call) = talking();
    lost(&mut phone, call, "move");
    phone.deliver(&[event("c1", "move-terminated", &[("reason", "success")]), event("c1", "session-modified", &[])]);
    let moved = phone.names();
    assert!(moved.ends_with(&["sc move-initiated>moved".to_owned(), "call:moved".to_owned()]), "{moved:?}");
    phone.deliver(&[event("c1", "session-terminated", &[])]);
    phone.finish();

    let mut phone = Driver::ready();
    let (_, second) = phone.two_calls();
    phone.apply(second);
    phone.names();
    phone.call_tagged("x", "transfer", None, json!({})).expect("accepted");
    let put = phone.find(Verb::Put, C1).expect("the transfer");
    phone.fail(put.id);
    assert_eq!(phone.names(), ["error 0002", "finished x 0002"]);
    phone.deliver(&[event("c1", "transfer-terminated", &[("reason", "success")])]);
    assert_eq!(
        phone.names(),
        ["sc held>transferring", "call:transferring", "sc transferring>transferred", "call:transferred"]
    );
    phone.finish();
}

/// The peer holds, and nobody has heard our answer.
fn unheard() -> (Driver, Handle) {
    let (mut phone, call) = talking();
    phone.deliver(&[mod_received("m1", HOLD_SDP)]);
    phone.describe(call);
    let put = phone.find(Verb::Put, C1).expect("the answer");
    phone.fail(put.id);
    assert_eq!(phone.names(), Vec::<String>::new(), "the user has asked for nothing");
    (phone, call)
}

const HELD_THERE: [&str; 3] = ["sc connected>modification-accepted", "sc modification-accepted>connected", "call:held"];

#[test]
fn an_answer_to_the_peer_that_was_not_heard_is_sent_again() {
    let (mut phone, call) = unheard();
    for _ in 0..3 {
        assert!(phone.find(Verb::Put, C1).is_none(), "not at once");
        phone.advance(Duration::from_secs(2));
        let again = phone.find(Verb::Put, C1).expect("sent again");
        assert!(again.request.headers.contains(&("x-modId", "m1".to_owned())));
        phone.fail(again.id);
    }
    phone.input(Input::Connectivity { online: false });
    phone.advance(Duration::from_secs(10));
    assert!(phone.find(Verb::Put, C1).is_none(), "not without a network");
    phone.input(Input::Connectivity { online: true });
    phone.advance(Duration::from_secs(2));
    phone.taken("c1");
    phone.deliver(&[mod_done("m1")]);
    assert_eq!(phone.names(), [&["connectivity:off", "connectivity:on"], &HELD_THERE[..]].concat());
    phone.peer_changes(call, "c1", "m2", AUDIO_SDP);
    assert_eq!(phone.names().last().map(String::as_str), Some("call:resumed"));
    phone.can_go_on();
}

#[test]
fn an_answer_that_is_never_heard_is_given_up_when_the_gateway_has_done_so() {
    let (mut phone, _) = unheard();
    phone.deliver(&[event("c1", "mod-terminated", &[("modId", "m1"), ("reason", "No")])]);
    phone.advance(Duration::from_secs(10));
    assert!(phone.find(Verb::Put, C1).is_none(), "the gateway has given up");
    assert_eq!(phone.names(), Vec::<String>::new());
    phone.can_go_on();

    let (mut phone, _) = unheard();
    for _ in 0..30 {
        phone.advance(Duration::from_secs(2));
        let again = phone.find(Verb::Put, C1).expect("sent again");
        phone.fail(again.id);
    }
    assert_eq!(phone.names(), ["error 0002"]);
    phone.can_go_on();
}

#[test]
fn who_is_held_knows_it_although_its_answer_was_not_confirmed() {
    for how in ["while it waits", "before the loss is known", "after a refusal"] {
        let (mut phone, call) = talking();
        phone.deliver(&[mod_received("m1", HOLD_SDP)]);
        phone.describe(call);
        let put = phone.find(Verb::Put, C1).expect("the answer");
        if how == "before the loss is known" {
            phone.deliver(&[mod_done("m1")]);
        }
        phone.fail(put.id);
        match how {
            "while it waits" => {
                phone.deliver(&[mod_done("other")]);
                assert_eq!(phone.names(), Vec::<String>::new());
                phone.deliver(&[mod_done("m1")]);
            }
            // The gateway has taken the first one, and knows of no change any more.
            "after a refusal" => {
                phone.advance(Duration::from_secs(2));
                phone.reply(Verb::Put, C1, 409, &[], "");
                phone.deliver(&[mod_done("m1")]);
            }
            _ => {}
        }
        assert_eq!(phone.names(), HELD_THERE, "{how}");
        phone.peer_changes(call, "c1", "m2", AUDIO_SDP);
        assert_eq!(phone.names().last().map(String::as_str), Some("call:resumed"));
        phone.can_go_on();
    }
}
