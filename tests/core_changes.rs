//! Changes of one call: hold, resume and move by this side and by the other (phone-behaviour.md sections 4, 7, 10, 13), and
//! a gateway whose events come late, twice, in the wrong order or not at all. Video stands in `core_upgrades.rs`.

mod core_support;

use core_support::{
    AUDIO_SDP, Driver, HELD_SDP, HOLD_SDP, HOLDING, INACTIVE_SDP, RESUMING, event, mod_done, mod_received, talking,
    text,
};
use ewebrtc::core::{MediaFailure, MediaOrder, MediaReport, Verb};
use ewebrtc_wire::Direction;
use serde_json::{Value, json};
use std::time::Duration;

const C1: &str = "/sessions/s1/calls/c1";
const ANSWERED: [&str; 2] = ["sc connected>modification-accepted", "sc modification-accepted>connected"];

fn offer_again(audio: Direction) -> MediaOrder {
    MediaOrder::OfferAgain { audio, video: None }
}

fn apply(sdp: &str) -> MediaOrder {
    MediaOrder::ApplyAnswer { sdp: sdp.into() }
}

fn state(phone: &mut Driver) -> String {
    let calls = phone.call("getCalls", None, Value::Null).expect("never refused");
    calls[0]["state"].as_str().unwrap_or("none").to_owned()
}

// ---- hold and resume -------------------------------------------------------------------------------------------------

#[test]
fn hold_and_resume() {
    let (mut phone, call) = talking();
    phone.call_tagged("h", "hold", None, json!({})).expect("accepted");
    assert_eq!(phone.take_orders(), [MediaOrder::Mute(true), offer_again(Direction::SendOnly)]);
    phone.describe(call);
    let put = phone.find(Verb::Put, C1).expect("the hold is sent");
    assert!(put.request.headers.contains(&("x-calls-action", "initiate-call-hold".to_owned())));
    assert!(put.request.body.as_deref().is_some_and(|body| body.contains("\"type\":\"offer\"")));
    phone.answer(put.id, 204, &[], "");
    phone.done("c1", HELD_SDP);
    assert!(phone.events.iter().all(|e| e.tag.as_deref() == Some("h")), "{:?}", phone.events);
    for event in phone.events.iter().filter(|e| e.name != "command:finished") {
        assert_eq!((text(event, "operation").as_str(), text(event, "generator").as_str()), ("hold", "initiator"));
        assert_eq!(text(event, "mediaType"), "audio", "the negotiated type (P-6)");
    }
    assert_eq!(phone.names(), [&HOLDING[..], &["finished h"]].concat());
    assert_eq!(phone.take_orders(), [apply(HELD_SDP)]);
    phone.call_tagged("r", "resume", Some(call), json!({})).expect("accepted");
    phone.requested(call, "c1");
    phone.done("c1", AUDIO_SDP);
    assert_eq!(phone.names(), [&RESUMING[..], &["finished r"]].concat());
    assert_eq!(phone.take_orders(), [offer_again(Direction::SendRecv), apply(AUDIO_SDP), MediaOrder::Mute(false)]);
    phone.call("mute", None, json!({})).expect("accepted");
    assert_eq!(text(&phone.events[0], "operation"), "", "no change is running any more");
    phone.can_go_on();
}

#[test]
fn the_peer_holds_and_resumes() {
    let (mut phone, call) = talking();
    phone.deliver(&[mod_received("m1", HOLD_SDP)]);
    let order = MediaOrder::AnswerAgain { offer: HOLD_SDP.into(), audio: Direction::SendRecv, video: None };
    assert_eq!(phone.take_orders(), [order]);
    phone.describe(call);
    let put = phone.find(Verb::Put, C1).expect("the answer is sent");
    assert!(put.request.headers.contains(&("x-calls-action", "accept-call-mod".to_owned())));
    assert!(put.request.headers.contains(&("x-modId", "m1".to_owned())));
    phone.answer(put.id, 204, &[], "");
    phone.deliver(&[mod_done("m1")]);
    let held = phone.events.last().expect("an event");
    assert_eq!((text(held, "operation").as_str(), text(held, "generator").as_str()), ("hold", "receiver"));
    assert_eq!(phone.names(), [&ANSWERED[..], &["call:held"]].concat());
    assert!(phone.take_orders().is_empty(), "mod-terminated without a description changes no media");
    phone.peer_changes(call, "c1", "m2", AUDIO_SDP);
    assert_eq!(phone.names(), [&ANSWERED[..], &["call:resumed"]].concat());
    phone.can_go_on();
}

/// The table of rest-protocol.md 5.5, with P-13.
#[test]
fn both_hold_and_both_resume() {
    // This phone is B of the table, then A.
    let (mut phone, call) = talking();
    phone.held(call, "c1");
    phone.names();
    phone.orders.clear();
    phone.peer_changes(call, "c1", "m1", INACTIVE_SDP);
    let order = MediaOrder::AnswerAgain { offer: INACTIVE_SDP.into(), audio: Direction::SendOnly, video: None };
    assert_eq!(phone.take_orders(), [order]);
    let there = ["sc held>modification-accepted", "sc modification-accepted>held"];
    assert_eq!(phone.names(), [&there[..], &["call:held"]].concat());
    phone.peer_changes(call, "c1", "m2", HELD_SDP);
    assert_eq!(phone.names(), there, "call:held is not said again (P-13)");
    phone.call("resume", None, json!({})).expect("accepted");
    phone.requested(call, "c1");
    phone.done("c1", AUDIO_SDP);
    assert_eq!(phone.names()[..4], RESUMING);
    phone.can_go_on();

    let (mut phone, call) = talking();
    phone.held_by_peer(call, "c1");
    phone.names();
    phone.orders.clear();
    phone.call("hold", None, json!({})).expect("who is held may hold");
    assert_eq!(phone.take_orders(), [MediaOrder::Mute(true), offer_again(Direction::Inactive)]);
    phone.requested(call, "c1");
    phone.done("c1", INACTIVE_SDP);
    phone.call("resume", None, json!({})).expect("accepted");
    assert_eq!(phone.take_orders()[1..], [offer_again(Direction::RecvOnly)]);
    phone.requested(call, "c1");
    phone.done("c1", HOLD_SDP);
    phone.names();
    phone.peer_changes(call, "c1", "m2", AUDIO_SDP);
    assert_eq!(phone.names(), [&ANSWERED[..], &["call:resumed"]].concat());
    phone.can_go_on();
}

#[test]
fn a_change_that_is_not_taken_leaves_everything_as_before() {
    let unreachable: &[&str] = &["gateway:unreachable", "finished h 1000"];
    let cases: [(u16, &[&str]); 6] = [
        (409, &["error 1000", "finished h 1000"]),
        (500, &["error 1000", "finished h 1000"]),
        (404, &["error 1000", "finished h 1000"]),
        (503, unreachable),
        (200, &["error 0001", "finished h 0001"]),
        (0, &["error 0002", "finished h 0002"]),
    ];
    for (status, expected) in cases {
        let (mut phone, call) = talking();
        phone.call_tagged("h", "hold", None, json!({})).expect("accepted");
        phone.describe(call);
        let put = phone.find(Verb::Put, C1).expect("sent");
        if status == 0 {
            phone.fail(put.id)
        } else {
            phone.answer(put.id, status, &[], "")
        }
        assert_eq!(phone.names(), expected, "{status}");
        assert_eq!(phone.take_orders().last(), Some(&MediaOrder::Mute(false)), "the tracks are on again (P-15)");
        phone.held(call, "c1");
        assert_eq!(phone.names()[..4], HOLDING, "it can be tried again");
        phone.can_go_on();
    }
}

#[test]
fn a_change_that_the_gateway_ends_leads_back_with_a_notification() {
    for (reason, told) in [(Some("No"), 1), (None, 1), (Some("User busy"), 0), (Some("success"), 1)] {
        let (mut phone, call) = talking();
        phone.call_tagged("h", "hold", None, json!({})).expect("accepted");
        phone.requested(call, "c1");
        phone.names();
        let members: Vec<(&str, &str)> = reason.map(|r| ("reason", r)).into_iter().collect();
        phone.deliver(&[event("c1", "mod-terminated", &members)]);
        if reason == Some("No") {
            assert_eq!(text(&phone.events[1], "message"), "No");
        }
        let names = phone.names();
        assert_eq!(names.first().map(String::as_str), Some("sc modification-initiated>connected"), "{reason:?}");
        assert_eq!(names.iter().filter(|n| *n == "notification").count(), told, "{reason:?}");
        assert_eq!(names.last().map(String::as_str), Some("finished h 2500"));
        assert_eq!(phone.take_orders().last(), Some(&MediaOrder::Mute(false)));
        phone.can_go_on();
    }
}

// ---- late, doubled, reordered, missing -------------------------------------------------------------------------------

#[test]
fn the_outcome_may_overtake_the_answer_of_the_put() {
    let (mut phone, call) = talking();
    phone.call("hold", None, json!({})).expect("accepted");
    phone.describe(call);
    phone.done("c1", HELD_SDP);
    assert!(phone.names().is_empty());
    phone.taken("c1");
    assert_eq!(phone.names()[..4], HOLDING);
    let (mut phone, call) = talking();
    phone.deliver(&[mod_received("m1", HOLD_SDP)]);
    phone.describe(call);
    phone.deliver(&[mod_done("m1")]);
    assert!(phone.names().is_empty());
    phone.taken("c1");
    assert_eq!(phone.names(), [&ANSWERED[..], &["call:held"]].concat());
    phone.can_go_on();
}

#[test]
fn events_that_come_twice_or_for_nothing_change_nothing() {
    let (mut phone, call) = talking();
    for state in ["mod-terminated", "move-terminated", "transfer-initiated", "transfer-terminated", "session-modified"]
    {
        phone.deliver(&[event("c1", state, &[("reason", "success"), ("sdp", HELD_SDP)])]);
    }
    assert!(phone.names().is_empty() && phone.take_orders().is_empty());
    phone.deliver(&[mod_received("m1", HOLD_SDP), mod_received("m1", HOLD_SDP)]);
    assert_eq!(phone.take_orders().len(), 1);
    phone.requested(call, "c1");
    phone.deliver(&[mod_done("m0")]);
    assert_eq!(phone.names(), ANSWERED[..1], "the end of another change");
    phone.deliver(&[mod_done("m1"), mod_done("m1"), mod_received("m1", HOLD_SDP)]);
    assert_eq!(phone.names(), ["sc modification-accepted>connected", "call:held"]);
    phone.can_go_on();
}

#[test]
fn an_outcome_that_never_comes_is_given_up() {
    let (mut phone, call) = talking();
    phone.call_tagged("h", "hold", None, json!({})).expect("accepted");
    phone.requested(call, "c1");
    phone.names();
    phone.advance(Duration::from_secs(89));
    assert!(phone.names().is_empty());
    phone.advance(Duration::from_secs(2));
    assert_eq!(phone.names(), ["sc modification-initiated>connected", "notification", "finished h 2500"]);
    phone.deliver(&[mod_received("m1", HOLD_SDP)]);
    phone.requested(call, "c1");
    phone.names();
    phone.advance(Duration::from_secs(91));
    assert_eq!(phone.names(), ["sc modification-accepted>connected", "call:held"], "our answer is in force");
    phone.can_go_on();
}

#[test]
fn in_glare_the_peers_change_goes_first() {
    // The gateway has taken the peer's change before it saw ours, and refuses ours (D-14).
    for early in [true, false] {
        let (mut phone, call) = talking();
        phone.call_tagged("h", "hold", None, json!({})).expect("accepted");
        if early {
            phone.deliver(&[mod_received("m1", HOLD_SDP)]);
        }
        phone.describe(call);
        if !early {
            phone.deliver(&[mod_received("m1", HOLD_SDP)]);
        }
        assert!(phone.names().is_empty());
        phone.reply(Verb::Put, C1, 409, &[], "");
        phone.requested(call, "c1");
        phone.deliver(&[mod_done("m1")]);
        let expected = [&["error 1000", "finished h 1000"], &ANSWERED[..], &["call:held"]].concat();
        assert_eq!(phone.names(), expected);
        phone.held(call, "c1");
        assert_eq!(phone.names()[..4], HOLDING);
        phone.can_go_on();
    }
}

#[test]
fn a_new_change_of_the_peer_shows_that_the_last_one_is_over() {
    let (mut phone, call) = talking();
    phone.call_tagged("h", "hold", None, json!({})).expect("accepted");
    phone.requested(call, "c1");
    phone.names();
    phone.peer_changes(call, "c1", "m1", HOLD_SDP);
    let over = ["sc modification-initiated>connected", "notification", "finished h 2500"];
    assert_eq!(phone.names(), [&over[..], &ANSWERED[..], &["call:held"]].concat());
    phone.deliver(&[mod_received("m2", AUDIO_SDP)]);
    phone.requested(call, "c1");
    // The end of m2 is lost.
    phone.peer_changes(call, "c1", "m3", HOLD_SDP);
    assert_eq!(phone.names(), [&ANSWERED[..], &["call:resumed"], &ANSWERED[..], &["call:held"]].concat());
    // m4 is withdrawn while its answer is being made: that description is of no use any more.
    phone.deliver(&[mod_received("m4", AUDIO_SDP)]);
    phone.deliver(&[event("c1", "mod-terminated", &[("modId", "m4"), ("reason", "gone")])]);
    phone.describe(call);
    assert_eq!(phone.find(Verb::Put, C1).map(|put| put.request.path), None);
    phone.can_go_on();
}

#[test]
fn the_user_can_hang_up_at_every_stage_of_every_change() {
    for method in ["hold", "move", "upgrade", "downgrade"] {
        for stage in ["offering", "requested", "pending", "refused"] {
            let mut phone = Driver::with_video();
            let call = if method == "downgrade" { phone.talking_video("c1") } else { phone.talking("c1") };
            phone.call_tagged("m", method, None, json!({})).expect("accepted");
            match stage {
                "requested" => phone.describe(call),
                "pending" => phone.requested(call, "c1"),
                "refused" => {
                    phone.describe(call);
                    phone.reply(Verb::Put, C1, 500, &[], "");
                }
                _ => {}
            }
            phone.names();
            phone.call_tagged("bye", "hangup", None, json!({})).expect("never refused");
            // Events and answers of the change that come now are too late.
            phone.deliver(&[mod_received("x", HOLD_SDP), mod_done("x"), event("c1", "move-terminated", &[])]);
            if let Some(put) = phone.find(Verb::Put, C1) {
                phone.answer(put.id, 204, &[], "");
            }
            phone.media(call, MediaReport::LocalDescription { sdp: AUDIO_SDP.into() });
            phone.deliver(&[event("c1", "session-terminated", &[])]);
            let names = phone.names();
            let code = names.iter().find(|n| n.starts_with("finished m"));
            assert_eq!(code.is_some(), stage != "refused", "{method} {stage}: {names:?}");
            assert_eq!(names.iter().filter(|n| *n == "call:disconnected").count(), 1);
            assert_eq!(phone.code("dial", None, json!({"destination": "bob"})), "ok");
            phone.finish();
        }
    }
}

// ---- another party, and media ----------------------------------------------------------------------------------------

#[test]
fn the_target_of_a_transfer_gives_an_offer_when_it_is_asked_for_one() {
    for answered in [true, false] {
        let (mut phone, call) = talking();
        phone.deliver(&[event("c1", "mod-received", &[("modId", "m1")])]);
        let offer = MediaOrder::OfferToAnother { audio: Direction::SendRecv, video: None };
        assert_eq!(phone.take_orders(), [offer]);
        phone.requested(call, "c1");
        if answered {
            phone.deliver(&[event(
                "c1",
                "mod-terminated",
                &[("modId", "m1"), ("reason", "success"), ("sdp", AUDIO_SDP)],
            )]);
            assert_eq!(phone.take_orders(), [apply(AUDIO_SDP)]);
        } else {
            phone.deliver(&[mod_done("m1")]);
            assert_eq!(phone.take_orders(), [MediaOrder::Withdraw], "the old connection stays (section 5.10)");
        }
        assert_eq!(phone.names(), ANSWERED);
        phone.can_go_on();
    }
}

#[test]
fn an_offer_that_cannot_be_answered_is_refused_and_the_call_goes_on() {
    for unreadable in [true, false] {
        let (mut phone, call) = talking();
        phone.deliver(&[mod_received("m1", if unreadable { "nonsense" } else { HOLD_SDP })]);
        if !unreadable {
            phone.descriptions.clear();
            phone.media(call, MediaReport::Failed { kind: MediaFailure::Internal, text: "no codec".into() });
        }
        assert_eq!(phone.names(), ["notification"]);
        let put = phone.find(Verb::Put, C1).expect("the refusal is sent (D-15)");
        assert!(put.request.headers.contains(&("x-calls-action", "rejectCancel-call-mod".to_owned())));
        assert!(put.request.headers.contains(&("x-modId", "m1".to_owned())));
        phone.answer(put.id, 500, &[], "");
        phone.deliver(&[mod_done("m1")]);
        assert!(phone.names().is_empty());
        phone.can_go_on();
    }
}

#[test]
fn media_that_fails_in_a_change_does_not_end_the_call() {
    let (mut phone, call) = talking();
    let failed = || MediaReport::Failed { kind: MediaFailure::Internal, text: "no port".into() };
    phone.call_tagged("h", "hold", None, json!({})).expect("accepted");
    phone.descriptions.clear();
    phone.media(call, failed());
    assert_eq!(phone.names(), ["error 0000", "finished h 0000"]);
    phone.held(call, "c1");
    phone.names();
    phone.media(call, failed());
    assert_eq!(phone.names(), ["error 0000"], "the answer could not be put in force; the other side has it");
    assert_eq!(state(&mut phone), "held");
    phone.can_go_on();
}

#[test]
fn the_mute_flag_and_hold_do_not_mix() {
    let (mut phone, call) = talking();
    phone.call("mute", None, json!({})).expect("accepted");
    assert_eq!(phone.take_orders(), [MediaOrder::Mute(true)]);
    phone.held(call, "c1");
    phone.call("resume", None, json!({})).expect("accepted");
    phone.requested(call, "c1");
    phone.done("c1", AUDIO_SDP);
    assert!(phone.take_orders().iter().all(|o| !matches!(o, MediaOrder::Mute(_))), "muted all the time");
    phone.held(call, "c1");
    phone.orders.clear();
    phone.call("unmute", None, json!({})).expect("accepted");
    assert!(phone.take_orders().is_empty(), "only the flag: the track follows at resume");
    phone.call("resume", None, json!({})).expect("accepted");
    phone.requested(call, "c1");
    phone.done("c1", AUDIO_SDP);
    assert_eq!(phone.take_orders().last(), Some(&MediaOrder::Mute(false)));
    phone.can_go_on();
}

#[test]
fn the_silence_of_a_hold_is_no_interruption() {
    let (mut phone, call) = talking();
    phone.media(call, MediaReport::FirstAudio);
    phone.held(call, "c1");
    phone.names();
    phone.media(call, MediaReport::Interrupted);
    phone.media(call, MediaReport::Recovered);
    assert!(phone.names().is_empty());
    phone.can_go_on();
}

// ---- move ------------------------------------------------------------------------------------------------------------

#[test]
fn a_call_is_moved_to_another_device() {
    let (mut phone, call) = talking();
    phone.call_tagged("m", "move", None, json!({})).expect("accepted");
    assert_eq!(phone.take_orders(), [MediaOrder::Mute(true), offer_again(Direction::SendOnly)]);
    phone.requested(call, "c1");
    // Not the end of a move (section 5.11).
    phone.done("c1", HELD_SDP);
    assert_eq!(phone.names(), [HOLDING[0], HOLDING[1]]);
    phone.deliver(&[event("c1", "move-terminated", &[("reason", "success")])]);
    phone.deliver(&[event("c1", "move-terminated", &[("reason", "success")])]);
    assert_eq!(phone.names(), ["sc modification-initiated>move-initiated"]);
    phone.deliver(&[event("c1", "session-modified", &[]), event("c1", "session-modified", &[])]);
    assert_eq!(phone.names(), ["sc move-initiated>moved", "call:moved", "finished m"]);
    assert_eq!(state(&mut phone), "moved", "it stays listed until the gateway ends it");
    assert_eq!(phone.code("hold", None, json!({})), "2503");
    phone.names();
    phone.media(call, MediaReport::Lost { text: "gone to the other device".into() });
    phone.deliver(&[event("c1", "session-terminated", &[])]);
    assert_eq!(phone.names(), ["sc moved>disconnected", "call:disconnected"]);
    assert_eq!(phone.code("dial", None, json!({"destination": "bob"})), "ok");
    phone.finish();
}

#[test]
fn a_move_that_fails_leads_back() {
    let (mut phone, call) = talking();
    phone.call_tagged("m", "move", None, json!({})).expect("accepted");
    phone.requested(call, "c1");
    phone.names();
    phone.deliver(&[event("c1", "move-terminated", &[("reason", "No other session")])]);
    assert_eq!(text(&phone.events[1], "AdditionalInformation"), "No other session");
    assert_eq!(phone.names(), ["sc modification-initiated>move-failed", "error 4000", "finished m 4000"]);
    phone.orders.clear();
    phone.deliver(&[event("c1", "session-modified", &[("sdp", HELD_SDP)])]);
    assert_eq!(phone.names(), ["sc move-failed>connected"]);
    assert_eq!(phone.take_orders(), [apply(HELD_SDP), MediaOrder::Mute(false)]);
    // The gateway restores both directions.
    phone.peer_changes(call, "c1", "m8", AUDIO_SDP);
    assert_eq!(phone.names(), ANSWERED);
    phone.can_go_on();
}

#[test]
fn a_failed_move_does_not_wait_for_ever() {
    for by_peer in [true, false] {
        let (mut phone, call) = talking();
        phone.call("move", None, json!({})).expect("accepted");
        phone.requested(call, "c1");
        phone.deliver(&[event("c1", "move-terminated", &[])]);
        phone.names();
        if by_peer {
            phone.peer_changes(call, "c1", "m8", AUDIO_SDP);
        } else {
            phone.advance(Duration::from_secs(91));
        }
        assert_eq!(phone.names()[0], "sc move-failed>connected");
        assert_eq!(phone.take_orders().iter().filter(|o| **o == MediaOrder::Mute(false)).count(), 1);
        phone.can_go_on();
    }
}
