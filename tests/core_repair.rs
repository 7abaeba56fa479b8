//! A call whose path is lost gets a new one: when it is looked for, what the other side is offered, and when the call is given
//! up after all.

mod core_support;

use core_support::conference::conference_event;
use core_support::{AUDIO_SDP, Driver, HELD_SDP, HOLD_SDP, event, mod_received, talking};
use ewebrtc::core::{Handle, Input, MediaOrder, MediaReport, Verb};
use ewebrtc_wire::Direction;
use serde_json::json;
use std::time::Duration;

const C1: &str = "/sessions/s1/calls/c1";
/// What is told of a path that was found.
const REPAIRED: [&str; 3] =
    ["sc connected>modification-initiated", "call:modification-in-progress", "sc modification-initiated>connected"];

fn anew(audio: Direction) -> MediaOrder {
    MediaOrder::OfferToAnother { audio, video: None }
}

fn lost() -> MediaReport {
    MediaReport::Lost { text: "no path".into() }
}

/// The gateway refuses the change that is on its way.
fn refused(phone: &mut Driver, call: Handle) {
    phone.describe(call);
    let put = phone.find(Verb::Put, C1).expect("the other side is asked");
    phone.answer(put.id, 409, &[], "");
}

#[test]
fn silence_is_answered_by_a_new_path() {
    let (mut phone, call) = talking();
    phone.media(call, MediaReport::Interrupted);
    assert_eq!(phone.names(), ["media:interrupted"]);
    assert_eq!(phone.take_orders(), [anew(Direction::SendRecv)]);
    phone.describe(call);
    let put = phone.find(Verb::Put, C1).expect("the other side is asked");
    assert!(put.request.headers.contains(&("x-calls-action", "initiate-call-mod".to_owned())));
    phone.answer(put.id, 204, &[], "");
    assert_eq!(phone.events[0].data["operation"], "reconnect");
    assert_eq!(phone.code("hold", None, json!({})), "2503", "one change at a time");
    phone.names();
    phone.done("c1", AUDIO_SDP);
    assert_eq!(phone.names(), REPAIRED[2..]);
    assert_eq!(phone.take_orders(), [MediaOrder::ApplyAnswer { sdp: AUDIO_SDP.into() }]);
    phone.apply(call);
    phone.media(call, MediaReport::Recovered);
    assert_eq!(phone.names(), ["media:recovered"]);
    assert_eq!(phone.code("hold", None, json!({})), "ok");
    phone.finish();
}

#[test]
fn a_call_on_hold_is_silent_on_purpose_and_keeps_its_hold_on_a_new_path() {
    let (mut phone, call) = talking();
    phone.held(call, "c1");
    phone.apply(call);
    phone.names();
    phone.take_orders();
    phone.media(call, MediaReport::Interrupted);
    assert_eq!(phone.take_orders(), []);
    phone.input(Input::AddressesGone);
    assert_eq!(phone.take_orders(), [anew(Direction::SendOnly)]);
    phone.requested(call, "c1");
    phone.done("c1", HELD_SDP);
    assert_eq!(
        phone.names(),
        ["sc held>modification-initiated", "call:modification-in-progress", "sc modification-initiated>held"]
    );
    phone.apply(call);
    phone.call("resume", None, json!({})).expect("still on hold");
    phone.finish();
}

#[test]
fn one_who_is_held_offers_to_listen() {
    let (mut phone, call) = talking();
    phone.held_by_peer(call, "c1");
    phone.take_orders();
    phone.input(Input::AddressesGone);
    assert_eq!(phone.take_orders(), [anew(Direction::RecvOnly)]);
    phone.requested(call, "c1");
    phone.done("c1", HOLD_SDP);
    phone.finish();
}

#[test]
fn a_lost_path_waits_for_the_network_and_the_gateway() {
    let (mut phone, call) = talking();
    phone.input(Input::Connectivity { online: false });
    phone.input(Input::AddressesGone);
    phone.media(call, lost());
    assert_eq!(phone.names(), ["connectivity:off"], "the call is kept");
    assert_eq!(phone.take_orders(), []);
    phone.advance(Duration::from_secs(59));
    phone.input(Input::Connectivity { online: true });
    assert_eq!(phone.take_orders(), [anew(Direction::SendRecv)]);
    phone.requested(call, "c1");
    phone.done("c1", AUDIO_SDP);
    phone.apply(call);
    phone.names();
    phone.advance(Duration::from_secs(120));
    assert_eq!(phone.code("hold", None, json!({})), "ok", "the new path is as good as the first");
    phone.finish();
}

#[test]
fn without_a_network_a_lost_call_ends_after_a_minute() {
    let (mut phone, call) = talking();
    phone.input(Input::Connectivity { online: false });
    phone.media(call, lost());
    phone.names();
    phone.advance(Duration::from_secs(61));
    let names = phone.names();
    assert!(names.contains(&"error 0000".to_owned()) && names.contains(&"call:disconnected".to_owned()), "{names:?}");
    phone.input(Input::Connectivity { online: true });
    phone.finish();
}

#[test]
fn a_call_that_cannot_be_repaired_ends_with_what_happened() {
    let (mut phone, call) = talking();
    phone.media(call, lost());
    for number in 1..=4_u64 {
        assert_eq!(phone.names(), Vec::<String>::new(), "nobody asked for it, and nobody is told that it failed");
        assert_eq!(phone.take_orders(), [anew(Direction::SendRecv)], "try {number}");
        refused(&mut phone, call);
        assert_eq!(phone.take_orders().first(), Some(&MediaOrder::Withdraw), "the old connection stays");
        if number < 4 {
            phone.advance(Duration::from_secs(2 * number) - Duration::from_millis(1));
            assert_eq!(phone.take_orders(), [], "a pause after try {number}");
            phone.advance(Duration::from_millis(1));
        }
    }
    let names = phone.names();
    assert_eq!(names[0], "error 0000");
    assert_eq!(names[2], "call:disconnected");
    phone.finish();
}

#[test]
fn a_path_that_comes_back_by_itself_ends_the_search() {
    let (mut phone, call) = talking();
    phone.media(call, MediaReport::Interrupted);
    refused(&mut phone, call);
    phone.take_orders();
    phone.media(call, MediaReport::Recovered);
    assert_eq!(phone.names(), ["media:interrupted", "media:recovered"]);
    phone.advance(Duration::from_secs(60));
    assert_eq!(phone.take_orders(), []);
    phone.finish();
}

/// An audio offer over the connection of this fingerprint.
fn over(fingerprint: &str) -> String {
    format!("{AUDIO_SDP}a=fingerprint:sha-256 {fingerprint}\r\n")
}

#[test]
fn the_other_side_is_faster() {
    for (offer, looks_on) in [(over("BB"), false), (over("AA"), true)] {
        let mut phone = Driver::ready();
        let call = phone.dial();
        phone.accepted("c1");
        phone.deliver(&[event("c1", "session-open", &[("sdp", &over("AA"))])]);
        phone.apply(call);
        phone.input(Input::AddressesGone);
        phone.describe(call);
        // The gateway runs the other one's change (D-14): ours is refused, theirs is answered.
        let put = phone.find(Verb::Put, C1).expect("the other side is asked");
        phone.deliver(&[mod_received("m1", &offer)]);
        phone.answer(put.id, 409, &[], "");
        phone.requested(call, "c1");
        phone.deliver(&[event("c1", "mod-terminated", &[("modId", "m1"), ("reason", "success")])]);
        phone.take_orders();
        phone.advance(Duration::from_secs(3));
        let wanted: &[MediaOrder] = if looks_on { &[anew(Direction::SendRecv)] } else { &[] };
        assert_eq!(phone.take_orders(), wanted, "an offer over a new connection is a new path, any other is not");
        phone.finish();
    }
}

#[test]
fn a_change_that_runs_is_finished_first() {
    let (mut phone, call) = talking();
    phone.call("hold", None, json!({})).expect("accepted");
    phone.requested(call, "c1");
    phone.input(Input::AddressesGone);
    phone.take_orders();
    phone.done("c1", HELD_SDP);
    phone.apply(call);
    assert_eq!(phone.take_orders().last(), Some(&anew(Direction::SendOnly)));
    phone.requested(call, "c1");
    phone.done("c1", HELD_SDP);
    phone.finish();
}

#[test]
fn a_conference_says_again_what_it_is() {
    let mut phone = Driver::ready();
    let conference = phone.hosting();
    phone.apply(conference);
    phone.names();
    phone.take_orders();
    phone.media(conference, MediaReport::Interrupted);
    assert_eq!(phone.take_orders(), [anew(Direction::SendRecv)]);
    phone.describe(conference);
    let put = phone.find(Verb::Put, "/sessions/s1/conferences/f1").expect("the gateway is asked");
    assert!(put.request.headers.contains(&("x-conference-action", "initiate-resume".to_owned())));
    phone.answer(put.id, 204, &[], "");
    phone.deliver(&[conference_event("f1", "mod-terminated", &[("reason", "success"), ("sdp", AUDIO_SDP)])]);
    phone.apply(conference);
    phone.media(conference, MediaReport::Recovered);
    phone.finish();
}
