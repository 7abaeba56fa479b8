//! Two calls: adding, answering with an action, switching, who is resumed and who is not, and the transfer
//! (phone-behaviour.md sections 8, 10, 21, P-16 to P-18, P-27).

mod core_support;

use core_support::{AUDIO_SDP, Driver, HELD_SDP, HOLD_SDP, HOLDING, RESUMING, event, invitation, talking, text};
use ewebrtc::core::{Handle, MediaFailure, MediaOrder, MediaReport, Refusal, Verb};
use serde_json::{Value, json};
use std::time::Duration;

const C1: &str = "/sessions/s1/calls/c1";
const C2: &str = "/sessions/s1/calls/c2";
const CALLS: &str = "/sessions/s1/calls";

fn two() -> (Driver, Handle, Handle) {
    let mut phone = Driver::ready();
    let (first, second) = phone.two_calls();
    phone.apply(second);
    phone.names();
    (phone, first, second)
}

fn add(phone: &mut Driver, tag: &str) -> Handle {
    let value = phone.call_tagged(tag, "addCall", None, json!({"destination": "carol"})).expect("accepted");
    value["call"].as_u64().expect("the handle comes at once")
}

fn resumed(phone: &mut Driver, call: Handle, id: &str) {
    phone.requested(call, id);
    phone.done(id, AUDIO_SDP);
}

/// (index, state, foreground) of the established calls.
fn calls(phone: &mut Driver) -> Vec<(u64, String, bool)> {
    let list = phone.call("getCalls", None, Value::Null).expect("never refused");
    // The end of this command is nobody's business here.
    phone.events.pop();
    let entry = |call: &Value| {
        let index = call["index"].as_u64().expect("an index");
        (index, call["state"].as_str().expect("a state").to_owned(), call["foreground"] == true)
    };
    list.as_array().expect("a list").iter().map(entry).collect()
}

fn of(list: &[(u64, &str, bool)]) -> Vec<(u64, String, bool)> {
    list.iter().map(|(index, state, front)| (*index, (*state).to_owned(), *front)).collect()
}

// ---- the second call -------------------------------------------------------------------------------------------------

#[test]
fn a_call_is_added_while_the_first_is_held() {
    let (mut phone, first) = talking();
    let second = add(&mut phone, "a");
    assert!(phone.names().is_empty() && phone.find(Verb::Post, CALLS).is_none(), "first the hold");
    phone.requested(first, "c1");
    phone.done("c1", HELD_SDP);
    assert!(phone.events.iter().all(|e| e.tag.as_deref() == Some("a")));
    assert_eq!(phone.events.last().expect("dialing").data["index"], 2);
    assert_eq!(phone.names(), [&HOLDING[..], &["dialing"]].concat());
    phone.describe(second);
    phone.accepted("c2");
    assert_eq!(phone.events[0].data["background"], true, "until it is connected");
    assert_eq!(phone.names(), ["sc created>connecting", "call:connecting", "finished a"]);
    phone.deliver(&[event("c2", "session-open", &[("sdp", AUDIO_SDP)])]);
    let switched = phone.events.last().expect("an event").clone();
    assert_eq!((text(&switched, "from").as_str(), text(&switched, "to").as_str()), ("bob", "carol"));
    assert_eq!((&switched.data["fromIndex"], &switched.data["toIndex"]), (&json!(1), &json!(2)));
    assert_eq!(phone.names(), ["sc connecting>connected", "call:connected", "session:call-switched"]);
    assert_eq!(calls(&mut phone), of(&[(1, "held", false), (2, "connected", true)]));
    assert_eq!(phone.code("addCall", None, json!({"destination": "dave"})), "3961");
    assert_eq!(phone.code("hold", Some(first), json!({})), "2502", "a change needs the foreground");
    phone.deliver(&[invitation("c3")]);
    assert!(phone.find(Verb::Delete, "/sessions/s1/calls/c3").is_some(), "a third is declined (P-34)");
    phone.finish();
}

#[test]
fn when_the_second_call_is_over_the_first_is_resumed() {
    // Ended by the user, by the peer, by a lost transport.
    for how in ["hangup", "peer", "media"] {
        let (mut phone, first, second) = two();
        match how {
            "hangup" => drop(phone.call("hangup", None, json!({}))),
            // No new path is found.
            "media" => {
                phone.media(second, MediaReport::Lost { text: "no path".into() });
                for pause in [2, 4, 6, 0] {
                    phone.describe(second);
                    phone.reply(Verb::Put, "/sessions/s1/calls/c2", 409, &[], "");
                    phone.advance(Duration::from_secs(pause));
                }
            }
            _ => {}
        }
        if how != "media" {
            phone.deliver(&[event("c2", "session-terminated", &[])]);
        }
        let ended = phone.events.iter().find(|e| e.name == "call:disconnected").expect("it ends");
        assert_eq!(ended.data.get("background"), None, "P-9");
        let switched = phone.events.iter().find(|e| e.name == "session:call-switched").expect("a switch");
        assert_eq!((text(switched, "from").as_str(), text(switched, "to").as_str()), ("carol", "bob"));
        phone.names();
        resumed(&mut phone, first, "c1");
        assert_eq!(phone.names(), RESUMING, "{how}");
        assert_eq!(calls(&mut phone), of(&[(1, "connected", true)]));
        phone.finish();
    }
}

#[test]
fn when_the_background_call_is_over_nothing_else_changes() {
    let (mut phone, ..) = two();
    phone.deliver(&[event("c1", "session-terminated", &[])]);
    assert_eq!(phone.events[1].data["background"], true);
    assert_eq!(phone.names(), ["sc held>disconnected", "call:disconnected"]);
    assert_eq!(calls(&mut phone), of(&[(2, "connected", true)]));
    phone.finish();
}

#[test]
fn whatever_ends_the_second_call_before_it_is_connected_the_first_is_resumed() {
    for how in ["busy", "no answer", "cancel", "refused", "unreachable", "no media"] {
        let (mut phone, first) = talking();
        let second = add(&mut phone, "a");
        phone.requested(first, "c1");
        phone.done("c1", HELD_SDP);
        match how {
            "no media" => {
                phone.media(second, MediaReport::Failed { kind: MediaFailure::Denied, text: "no file".into() });
            }
            "refused" | "unreachable" => {
                phone.describe(second);
                phone.reply(Verb::Post, CALLS, if how == "refused" { 400 } else { 503 }, &[], "");
            }
            _ => {
                phone.describe(second);
                phone.accepted("c2");
                let reason = if how == "busy" { "User busy" } else { "No answer" };
                if how == "cancel" {
                    phone.call("cancel", None, json!({})).expect("accepted");
                }
                phone.deliver(&[event("c2", "session-terminated", &[("reason", reason)])]);
            }
        }
        assert!(phone.events.iter().all(|e| e.name != "session:call-switched"), "{how}: it was never in front");
        phone.names();
        resumed(&mut phone, first, "c1");
        assert_eq!(phone.names(), RESUMING, "{how}");
        phone.finish();
    }
}

#[test]
fn a_call_that_the_user_holds_stays_held() {
    let (mut phone, first) = talking();
    phone.held(first, "c1");
    phone.names();
    let second = add(&mut phone, "a");
    assert_eq!(phone.names(), ["dialing"], "no hold is needed");
    phone.describe(second);
    phone.accepted("c2");
    phone.deliver(&[event("c2", "session-open", &[("sdp", AUDIO_SDP)])]);
    phone.deliver(&[event("c2", "session-terminated", &[])]);
    assert_eq!(phone.names().last().map(String::as_str), Some("session:call-switched"));
    assert_eq!(calls(&mut phone), of(&[(1, "held", true)]));
    assert_eq!(phone.find(Verb::Put, C1).map(|put| put.request.path), None);
    assert_eq!(phone.code("resume", None, json!({})), "ok");
    phone.finish();
}

#[test]
fn an_implicit_hold_that_fails_ends_the_added_call_before_it_began() {
    for how in ["refused", "notification", "media"] {
        let (mut phone, first) = talking();
        let second = add(&mut phone, "a");
        match how {
            "media" => {
                phone.descriptions.clear();
                phone.media(first, MediaReport::Failed { kind: MediaFailure::Internal, text: "no port".into() });
            }
            "refused" => {
                phone.describe(first);
                phone.reply(Verb::Put, C1, 409, &[], "");
            }
            _ => {
                phone.requested(first, "c1");
                phone.names();
                phone.deliver(&[event("c1", "mod-terminated", &[("reason", "No")])]);
            }
        }
        let error = phone.events.iter().find(|e| e.name == "error").expect("P-17").clone();
        assert_eq!((text(&error, "ErrorCode").as_str(), error.tag.as_deref()), ("3900", Some("a")));
        assert_eq!(text(&error, "HttpStatusCode") == "409", how == "refused", "what the gateway said is kept");
        let names = phone.names();
        let end = ["error 3900", "sc created>disconnected", "call:disconnected", "finished a 3900"];
        assert!(names.ends_with(&end.map(str::to_owned)), "{how}: {names:?}");
        assert_eq!(calls(&mut phone), of(&[(1, "connected", true)]));
        assert_eq!(phone.call("cancel", Some(second), json!({})), Err(Refusal::NotFound));
        // The hold was not for the next one: nothing is resumed by itself.
        phone.held(first, "c1");
        assert_eq!(phone.names()[..4], HOLDING);
        assert_eq!(calls(&mut phone), of(&[(1, "held", true)]));
        phone.finish();
    }
}

#[test]
fn an_added_call_can_be_withdrawn_while_the_first_is_being_held() {
    let (mut phone, first) = talking();
    let second = add(&mut phone, "a");
    phone.requested(first, "c1");
    phone.names();
    phone.call_tagged("c", "hangup", Some(second), json!({})).expect("accepted");
    assert_eq!(phone.names(), ["sc created>canceled", "call:canceled", "finished a 3900", "finished c"]);
    phone.done("c1", HELD_SDP);
    resumed(&mut phone, first, "c1");
    assert_eq!(phone.names(), [&HOLDING[2..], &RESUMING[..]].concat(), "the hold was for nobody");
    assert!(phone.find(Verb::Post, CALLS).is_none());
    phone.finish();
}

#[test]
fn an_added_call_goes_on_when_the_first_ends_while_it_is_being_held() {
    let (mut phone, first) = talking();
    let second = add(&mut phone, "a");
    phone.requested(first, "c1");
    phone.names();
    phone.deliver(&[event("c1", "session-terminated", &[])]);
    assert_eq!(phone.names(), ["sc modification-initiated>disconnected", "call:disconnected", "dialing"]);
    phone.describe(second);
    phone.accepted("c2");
    assert_eq!(phone.names().last().map(String::as_str), Some("finished a"));
    phone.finish();
}

#[test]
fn a_second_call_is_answered_with_hold() {
    let (mut phone, first) = talking();
    let second = phone.ringing("c2");
    assert_eq!(phone.code("answer", None, json!({})), "2341");
    phone.names();
    phone.call_tagged("a", "answer", None, json!({"action": "hold"})).expect("accepted");
    phone.requested(first, "c1");
    phone.done("c1", HELD_SDP);
    assert_eq!(phone.names(), [&HOLDING[..], &["answering"]].concat());
    phone.describe(second);
    phone.reply(Verb::Put, C2, 200, &[], "");
    phone.deliver(&[event("c2", "session-modified", &[])]);
    assert_eq!(
        phone.names(),
        ["sc created>connecting", "call:connecting", "sc connecting>connected", "call:connected", "finished a"]
            .into_iter()
            .chain(["session:call-switched"])
            .collect::<Vec<_>>()
    );
    assert_eq!(calls(&mut phone), of(&[(1, "held", false), (2, "connected", true)]));
    phone.finish();
}

#[test]
fn a_ringing_call_goes_on_ringing_when_the_hold_fails() {
    let (mut phone, first) = talking();
    phone.ringing("c2");
    phone.names();
    phone.call_tagged("a", "answer", None, json!({"action": "hold"})).expect("accepted");
    phone.describe(first);
    phone.reply(Verb::Put, C1, 500, &[], "");
    assert_eq!(phone.names(), ["error 2300", "finished a 2300"]);
    phone.call_tagged("b", "answer", None, json!({"action": "hold"})).expect("it can be tried again");
    phone.requested(first, "c1");
    assert_eq!(phone.code("reject", None, json!({})), "ok", "and rejected in the middle of it");
    phone.reply(Verb::Delete, C2, 204, &[], "");
    phone.deliver(&[event("c2", "session-terminated", &[])]);
    phone.names();
    phone.done("c1", HELD_SDP);
    resumed(&mut phone, first, "c1");
    assert_eq!(phone.names(), [&HOLDING[2..], &RESUMING[..]].concat());
    phone.finish();
}

#[test]
fn during_a_change_no_second_call_begins() {
    let (mut phone, first) = talking();
    phone.ringing("c2");
    phone.call("hold", None, json!({})).expect("accepted");
    let refusal = phone.call("answer", None, json!({"action": "hold"}));
    let Err(Refusal::Sdk(error)) = refusal else { panic!("{refusal:?}") };
    assert_eq!(error.error_code, "2300");
    assert!(error.additional_information.is_some(), "it says why");
    phone.requested(first, "c1");
    assert_eq!(phone.code("answer", None, json!({"action": "hold"})), "2300");
    phone.done("c1", HELD_SDP);
    assert_eq!(phone.code("answer", None, json!({"action": "hold"})), "ok");
    phone.finish();
}

// ---- switching -------------------------------------------------------------------------------------------------------

#[test]
fn calls_change_places_and_back() {
    let (mut phone, first, second) = two();
    phone.call_tagged("s", "switchCall", None, json!({})).expect("accepted");
    phone.requested(second, "c2");
    phone.done("c2", HELD_SDP);
    assert_eq!(phone.names(), [&HOLDING[..], &["session:call-switched"]].concat());
    phone.requested(first, "c1");
    phone.done("c1", AUDIO_SDP);
    assert!(phone.events.iter().all(|e| e.tag.as_deref() == Some("s")), "all of it is the switch");
    assert_eq!(phone.names(), [&RESUMING[..], &["finished s"]].concat());
    assert_eq!(calls(&mut phone), of(&[(1, "connected", true), (2, "held", false)]));
    phone.call("switchCall", None, json!({})).expect("accepted");
    phone.requested(first, "c1");
    phone.done("c1", HELD_SDP);
    resumed(&mut phone, second, "c2");
    assert_eq!(calls(&mut phone), of(&[(1, "held", false), (2, "connected", true)]));
    phone.finish();
}

#[test]
fn who_is_held_by_the_user_stays_held_in_a_switch() {
    let (mut phone, first, second) = two();
    phone.held(second, "c2");
    phone.names();
    phone.call_tagged("s", "switchCall", None, json!({})).expect("accepted");
    assert_eq!(phone.names(), ["session:call-switched"], "no hold is needed");
    resumed(&mut phone, first, "c1");
    assert_eq!(phone.names(), [&RESUMING[..], &["finished s"]].concat());
    phone.call_tagged("t", "switchCall", None, json!({})).expect("accepted");
    phone.requested(first, "c1");
    phone.done("c1", HELD_SDP);
    assert_eq!(phone.names(), [&HOLDING[..], &["session:call-switched", "finished t"]].concat());
    assert_eq!(calls(&mut phone), of(&[(1, "held", false), (2, "held", true)]), "held by hold(), so not resumed");
    phone.finish();
}

#[test]
fn a_switch_that_fails_leaves_the_calls_in_their_places() {
    let (mut phone, first, second) = two();
    phone.call_tagged("s", "switchCall", None, json!({})).expect("accepted");
    phone.describe(second);
    phone.reply(Verb::Put, C2, 409, &[], "");
    assert_eq!(phone.names(), ["error 4200", "finished s 4200"]);
    assert_eq!(calls(&mut phone), of(&[(1, "held", false), (2, "connected", true)]));
    phone.call_tagged("t", "switchCall", None, json!({})).expect("accepted");
    phone.requested(second, "c2");
    phone.done("c2", HELD_SDP);
    phone.names();
    phone.describe(first);
    phone.reply(Verb::Put, C1, 500, &[], "");
    assert_eq!(phone.names(), ["error 1000", "finished t 1000"], "the resume has failed, the places have changed");
    assert_eq!(calls(&mut phone), of(&[(1, "held", true), (2, "held", false)]));
    assert_eq!(phone.code("resume", None, json!({})), "ok");
    phone.finish();
}

#[test]
fn the_resume_waits_for_a_change_of_the_peer() {
    let (mut phone, first, second) = two();
    phone.deliver(&[event("c1", "mod-received", &[("modId", "m1"), ("sdp", HOLD_SDP)])]);
    phone.call_tagged("s", "switchCall", None, json!({})).expect("accepted");
    phone.requested(second, "c2");
    phone.done("c2", HELD_SDP);
    assert_eq!(phone.names().last().map(String::as_str), Some("finished s"));
    assert!(phone.find(Verb::Put, C1).is_none());
    phone.requested(first, "c1");
    phone.deliver(&[event("c1", "mod-terminated", &[("modId", "m1"), ("reason", "success")])]);
    phone.names();
    resumed(&mut phone, first, "c1");
    assert_eq!(phone.names(), RESUMING);
    phone.finish();
}

#[test]
fn the_peers_of_both_calls_may_hold() {
    let (mut phone, first, second) = two();
    phone.peer_changes(first, "c1", "m1", HOLD_SDP);
    assert_eq!(phone.events[0].data["background"], true);
    assert_eq!(
        phone.names(),
        ["sc held>modification-accepted", "sc modification-accepted>held", "call:held"],
        "named by its own breed, about the background call"
    );
    phone.peer_changes(second, "c2", "m2", HOLD_SDP);
    assert_eq!(phone.names()[2], "call:held");
    phone.finish();
}

#[test]
fn logout_ends_both_calls_and_resumes_nobody() {
    let (mut phone, ..) = two();
    phone.call_tagged("o", "logout", None, json!({})).expect("accepted");
    phone.deliver(&[event("c2", "session-terminated", &[]), event("c1", "session-terminated", &[])]);
    let names = phone.names();
    assert!(!names.iter().any(|n| n.contains("modification")), "{names:?}");
    assert_eq!(names.iter().filter(|n| *n == "call:disconnected").count(), 2);
    phone.reply(Verb::Delete, "/sessions/s1", 204, &[], "");
    assert_eq!(phone.names(), ["session:disconnected", "finished o"]);
    phone.finish();
}

// ---- transfer --------------------------------------------------------------------------------------------------------

fn transferred() -> (Driver, Handle, Handle) {
    let (mut phone, first, second) = two();
    phone.call_tagged("x", "transfer", None, json!({})).expect("accepted");
    let put = phone.find(Verb::Put, C1).expect("on the held call");
    assert!(put.request.headers.contains(&("x-calls-action", "initiate-call-transfer".to_owned())));
    assert!(put.request.headers.contains(&("x-transferTargetCallId", "c2".to_owned())));
    let body: Value = serde_json::from_str(put.request.body.as_deref().expect("a body")).expect("JSON");
    assert_eq!(body["callsMediaModifications"]["sdp"], HELD_SDP, "the last description of the held party");
    (phone, first, second)
}

#[test]
fn an_attended_transfer() {
    // The events may overtake the answer of the PUT.
    for early in [true, false] {
        let (mut phone, ..) = transferred();
        if !early {
            phone.taken("c1");
        }
        phone.deliver(&[event("c1", "transfer-initiated", &[("transferToCallId", "c2")])]);
        phone.deliver(&[event("c1", "transfer-terminated", &[("reason", "success")])]);
        if early {
            assert!(phone.names().is_empty());
            phone.taken("c1");
        }
        assert_eq!(phone.events[0].data["background"], true);
        assert_eq!(text(&phone.events[1], "to"), "bob", "the events are about the background call");
        let all = ["sc held>transferring", "call:transferring", "sc transferring>transferred", "call:transferred"];
        assert_eq!(phone.names(), [&all[..], &["finished x"]].concat());
        assert_eq!(calls(&mut phone), of(&[(1, "transferred", false), (2, "connected", true)]));
        phone.deliver(&[event("c1", "session-terminated", &[]), event("c2", "session-terminated", &[])]);
        assert_eq!(
            phone.names(),
            ["sc transferred>disconnected", "call:disconnected", "sc connected>disconnected", "call:disconnected"]
        );
        assert_eq!(phone.code("dial", None, json!({"destination": "bob"})), "ok");
        phone.finish();
    }
}

#[test]
fn a_transfer_whose_answer_is_lost_is_done_all_the_same() {
    for order in [["c1", "c2"], ["c2", "c1"]] {
        let (mut phone, ..) = transferred();
        let put = phone.find(Verb::Put, C1).expect("the transfer");
        phone.deliver(&[event("c1", "transfer-initiated", &[("transferToCallId", "c2")])]);
        phone.deliver(&[event("c1", "transfer-terminated", &[("reason", "success")])]);
        phone.deliver(&order.map(|id| event(id, "session-terminated", &[])));
        let names = phone.names();
        assert!(names.contains(&"call:transferred".to_owned()), "{names:?}");
        assert!(names.contains(&"finished x".to_owned()), "without an error: {names:?}");
        assert_eq!(names.iter().filter(|name| *name == "call:disconnected").count(), 2, "{names:?}");
        phone.fail(put.id);
        assert_eq!(phone.names(), Vec::<String>::new(), "and its loss is told to nobody");
        phone.finish();
    }
    // The loss may be known before the legs end.
    let (mut phone, ..) = transferred();
    let put = phone.find(Verb::Put, C1).expect("the transfer");
    phone.deliver(&[event("c1", "transfer-terminated", &[("reason", "success")])]);
    phone.fail(put.id);
    assert_eq!(phone.names().last().map(String::as_str), Some("finished x"), "without an error");
    phone.finish();
}

#[test]
fn a_transfer_that_fails_leaves_both_calls_usable() {
    for how in ["reason", "after initiated", "refused", "unreachable", "no answer", "silence"] {
        let (mut phone, first, second) = transferred();
        assert_eq!(phone.code("transfer", None, json!({})), "4103");
        assert_eq!(phone.code("switchCall", None, json!({})), "4200");
        match how {
            "refused" => phone.reply(Verb::Put, C1, 403, &[], ""),
            "unreachable" => phone.reply(Verb::Put, C1, 502, &[], ""),
            "no answer" => {
                let put = phone.find(Verb::Put, C1).expect("in flight");
                phone.fail(put.id);
            }
            _ => phone.taken("c1"),
        }
        if how == "after initiated" {
            phone.deliver(&[event("c1", "transfer-initiated", &[])]);
        }
        if how.starts_with("reason") || how == "after initiated" {
            phone.deliver(&[event("c1", "transfer-terminated", &[("reason", "Forbidden")])]);
            let error = phone.events.iter().rev().find(|e| e.name == "error").expect("error always (P-27)");
            assert_eq!(text(error, "AdditionalInformation"), "Forbidden");
        }
        if how == "silence" {
            phone.advance(Duration::from_secs(91));
        }
        let names = phone.names();
        let code = match how {
            "refused" | "unreachable" => "finished x 1000",
            "no answer" => "finished x 0002",
            _ => "finished x 4100",
        };
        assert_eq!(names.last().map(String::as_str), Some(code), "{how}: {names:?}");
        assert_eq!(names.contains(&"sc transferring>held".to_owned()), how == "after initiated");
        assert_eq!(calls(&mut phone), of(&[(1, "held", false), (2, "connected", true)]), "{how}");
        phone.call_tagged("s", "switchCall", None, json!({})).expect("both calls are usable");
        phone.requested(second, "c2");
        phone.done("c2", HELD_SDP);
        resumed(&mut phone, first, "c1");
        assert_eq!(phone.code("transfer", None, json!({})), "ok", "and the transfer can be tried again");
        phone.finish();
    }
}

#[test]
fn a_transfer_without_its_first_event_shows_every_state() {
    let (mut phone, ..) = transferred();
    phone.taken("c1");
    phone.deliver(&[event("c1", "transfer-terminated", &[("reason", "success")])]);
    assert_eq!(phone.names()[..2], ["sc held>transferring", "call:transferring"]);
    phone.deliver(&[event("c1", "transfer-initiated", &[]), event("c1", "transfer-terminated", &[])]);
    assert_eq!(calls(&mut phone)[0].1, "transferred");
    phone.finish();
}

#[test]
fn the_user_can_hang_up_in_the_middle_of_a_transfer() {
    let (mut phone, first, _) = transferred();
    phone.taken("c1");
    phone.deliver(&[event("c1", "transfer-initiated", &[])]);
    phone.names();
    phone.call("hangup", None, json!({})).expect("the target");
    phone.deliver(&[event("c2", "session-terminated", &[])]);
    assert_eq!(phone.names().last().map(String::as_str), Some("session:call-switched"), "no resume while it runs");
    phone.deliver(&[event("c1", "transfer-terminated", &[("reason", "Target gone")])]);
    assert!(phone.names().contains(&"finished x 4100".to_owned()));
    resumed(&mut phone, first, "c1");
    assert_eq!(phone.names(), RESUMING, "then the remaining call is resumed");
    phone.call("hangup", None, json!({})).expect("the other one");
    phone.deliver(&[event("c1", "session-terminated", &[])]);
    assert_eq!(phone.code("dial", None, json!({"destination": "bob"})), "ok");
    phone.finish();
}

#[test]
fn every_call_has_its_own_leg_and_its_own_tracks() {
    let (mut phone, first, second) = two();
    let mutes: Vec<(Handle, bool)> = phone
        .orders
        .iter()
        .filter_map(|(item, order)| match order {
            MediaOrder::Mute(muted) => Some((*item, *muted)),
            _ => None,
        })
        .collect();
    assert_eq!(mutes, [(first, true)], "only who is held is silent");
    phone.call("mute", Some(first), json!({})).expect("a background call can be muted");
    phone.call("hangup", Some(first), json!({})).expect("and hung up");
    assert_eq!(phone.orders.last(), Some(&(first, MediaOrder::Close)));
    phone.call("mute", None, json!({})).expect("accepted");
    assert_eq!(phone.orders.last(), Some(&(second, MediaOrder::Mute(true))));
    phone.finish();
}
