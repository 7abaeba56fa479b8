//! Upgrade and downgrade, by this side and by the other: who is asked, what is answered, which media type a call has then
//! (phone-behaviour.md section 9, P-10, P-11, P-50). The media side of these tests is the test itself.

mod core_support;

use core_support::{
    AUDIO_SDP, DOWNGRADE_SDP, Driver, HELD_SDP, HOLD_SDP, VIDEO_SDP, event, mod_done, mod_received, text,
};
use ewebrtc::core::{MediaOrder, Verb};
use ewebrtc_wire::Direction;
use serde_json::{Value, json};

const C1: &str = "/sessions/s1/calls/c1";
const ANSWERED: [&str; 2] = ["sc connected>modification-accepted", "sc modification-accepted>connected"];

#[test]
fn an_upgrade_is_asked_for_and_accepted_or_not() {
    for (method, video) in [("acceptModification", Direction::SendRecv), ("rejectModification", Direction::RecvOnly)] {
        let mut phone = Driver::with_video();
        let call = phone.talking("c1");
        phone.names();
        phone.deliver(&[mod_received("m1", VIDEO_SDP)]);
        let asked = phone.events[0].clone();
        assert_eq!((text(&asked, "newMediaType").as_str(), text(&asked, "mediaType").as_str()), ("video", "audio"));
        assert_eq!((text(&asked, "operation").as_str(), text(&asked, "generator").as_str()), ("upgrade", "receiver"));
        assert_eq!(phone.names(), ["call:media-modification"]);
        phone.orders.clear();
        phone.call_tagged("a", method, None, json!({})).expect("accepted");
        let again = MediaOrder::AnswerAgain { offer: VIDEO_SDP.into(), audio: Direction::SendRecv, video: Some(video) };
        assert_eq!(phone.take_orders(), [again]);
        phone.requested(call, "c1");
        phone.deliver(&[mod_done("m1")]);
        let progress = "call:modification-in-progress";
        assert_eq!(phone.names(), [ANSWERED[0], progress, ANSWERED[1], "finished a"], "P-10");
        let media = if method == "acceptModification" { "video" } else { "audio" };
        assert_eq!(phone.call("getMediaType", None, Value::Null), Ok(json!(media)));
        phone.can_go_on();
    }
}

#[test]
fn a_downgrade_is_asked_for_and_accepted_or_not() {
    for (method, media) in [("acceptModification", "audio"), ("rejectModification", "video")] {
        let mut phone = Driver::with_video();
        let call = phone.talking_video("c1");
        phone.names();
        phone.deliver(&[mod_received("m1", DOWNGRADE_SDP)]);
        assert_eq!(text(&phone.events[0], "newMediaType"), "audio");
        phone.call(method, None, json!({})).expect("accepted");
        phone.requested(call, "c1");
        phone.deliver(&[mod_done("m1")]);
        assert_eq!(phone.call("getMediaType", None, Value::Null), Ok(json!(media)));
        phone.can_go_on();
    }
}

#[test]
fn an_upgrade_of_ours_is_a_video_call_at_once_and_an_audio_call_again_if_it_fails() {
    let mut phone = Driver::with_video();
    let call = phone.talking("c1");
    phone.call_tagged("u", "upgrade", None, json!({})).expect("accepted");
    phone.describe(call);
    let put = phone.find(Verb::Put, C1).expect("sent");
    assert!(put.request.headers.contains(&("x-calls-action", "initiate-call-mod".to_owned())));
    assert!(put.request.body.as_deref().is_some_and(|body| !body.contains("\"type\"")), "no type (section 2.7.7)");
    phone.names();
    phone.answer(put.id, 204, &[], "");
    assert_eq!(text(&phone.events[0], "mediaType"), "video");
    phone.deliver(&[event("c1", "mod-terminated", &[("reason", "No")])]);
    assert_eq!(phone.names().last().map(String::as_str), Some("finished u 4600"));
    assert_eq!(phone.call("getMediaType", None, Value::Null), Ok(json!("audio")));
    phone.call("upgrade", None, json!({})).expect("accepted");
    phone.requested(call, "c1");
    // The refusal of an upgrade is an answer like any other; the type stays (section 9).
    phone.done("c1", DOWNGRADE_SDP);
    assert_eq!(phone.call("getMediaType", None, Value::Null), Ok(json!("video")));
    phone.call("downgrade", None, json!({})).expect("accepted");
    phone.requested(call, "c1");
    phone.done("c1", AUDIO_SDP);
    assert_eq!(phone.call("getMediaType", None, Value::Null), Ok(json!("audio")));
    phone.can_go_on();
}

#[test]
fn without_a_source_of_video_an_upgrade_is_as_a_refused_camera() {
    let mut phone = Driver::ready();
    let call = phone.talking("c1");
    phone.names();
    phone.orders.clear();
    phone.call_tagged("u", "upgrade", None, json!({})).expect("accepted");
    assert_eq!(phone.names(), ["error 0020", "finished u 0020"]);
    phone.deliver(&[mod_received("m1", VIDEO_SDP)]);
    phone.call_tagged("a", "acceptModification", None, json!({})).expect("accepted");
    assert_eq!(phone.names(), ["call:media-modification", "error 0020", "finished a 0020"]);
    assert!(phone.take_orders().is_empty(), "nothing else changes");
    phone.call_tagged("r", "rejectModification", None, json!({})).expect("the request still waits");
    phone.requested(call, "c1");
    phone.deliver(&[mod_done("m1")]);
    assert_eq!(phone.names().last().map(String::as_str), Some("finished r"));
    phone.can_go_on();
}

#[test]
fn a_request_that_is_withdrawn_cannot_be_decided_any_more() {
    let mut phone = Driver::with_video();
    let call = phone.talking("c1");
    phone.deliver(&[mod_received("m1", VIDEO_SDP)]);
    assert_eq!(phone.code("hold", None, json!({})), "2503", "P-11");
    phone.deliver(&[event("c1", "mod-terminated", &[("modId", "m1"), ("reason", "success")])]);
    assert_eq!(phone.code("acceptModification", None, json!({})), "4304");
    phone.deliver(&[mod_received("m2", VIDEO_SDP)]);
    phone.names();
    phone.call_tagged("a", "acceptModification", None, json!({})).expect("accepted");
    assert_eq!(phone.code("rejectModification", None, json!({})), "4404", "decided");
    phone.names();
    phone.deliver(&[event("c1", "mod-terminated", &[("modId", "m2"), ("reason", "gone")])]);
    assert_eq!(phone.names(), ["error 4300", "finished a 4300"]);
    // The description that was being made is of no use any more.
    phone.describe(call);
    phone.peer_changes(call, "c1", "m3", HOLD_SDP);
    phone.can_go_on();
}

#[test]
fn an_answer_that_the_gateway_refuses_leaves_the_state() {
    let mut phone = Driver::with_video();
    let call = phone.talking("c1");
    phone.deliver(&[mod_received("m1", VIDEO_SDP)]);
    phone.call_tagged("a", "acceptModification", None, json!({})).expect("accepted");
    phone.describe(call);
    phone.names();
    phone.reply(Verb::Put, C1, 500, &[], "");
    assert_eq!(phone.names(), ["error 1000", "finished a 1000"]);
    assert_eq!(phone.call("getMediaType", None, Value::Null), Ok(json!("audio")));
    phone.can_go_on();
}

#[test]
fn the_video_stops_while_this_phone_holds_and_goes_on_while_it_is_muted() {
    let mut phone = Driver::with_video();
    let call = phone.talking_video("c1");
    let shown = |phone: &mut Driver| -> Vec<bool> {
        let hides = |order: &MediaOrder| if let MediaOrder::Hide(hidden) = order { Some(!hidden) } else { None };
        phone.take_orders().iter().filter_map(hides).collect()
    };
    phone.take_orders();
    phone.call("mute", None, json!({})).expect("accepted");
    assert_eq!(shown(&mut phone), [] as [bool; 0], "muting is about audio");
    phone.call("hold", None, json!({})).expect("accepted");
    assert_eq!(shown(&mut phone), [false], "before the offer says so");
    phone.requested(call, "c1");
    phone.done("c1", HELD_SDP);
    assert_eq!(shown(&mut phone), [] as [bool; 0]);
    phone.call("resume", None, json!({})).expect("accepted");
    phone.requested(call, "c1");
    phone.done("c1", VIDEO_SDP);
    assert_eq!(shown(&mut phone), [true], "although it is still muted");
    // The hold that the gateway refuses gives the picture back.
    phone.call("hold", None, json!({})).expect("accepted");
    phone.describe(call);
    phone.reply(Verb::Put, C1, 500, &[], "");
    assert_eq!(shown(&mut phone), [false, true]);
    phone.can_go_on();
}

#[test]
fn a_video_call_that_is_answered_as_audio_says_so_until_it_is_upgraded() {
    let mut phone = Driver::with_video();
    let call = phone.dial_with("video");
    phone.accepted("c1");
    phone.names();
    phone.deliver(&[event("c1", "session-open", &[("sdp", AUDIO_SDP)])]);
    let connected = phone.events.iter().find(|e| e.name == "call:connected").expect("connected");
    assert_eq!((text(connected, "mediaType").as_str(), &connected.data["downgrade"]), ("audio", &json!(true)));
    phone.call("upgrade", None, json!({})).expect("an audio call now");
    phone.requested(call, "c1");
    phone.names();
    phone.done("c1", VIDEO_SDP);
    let connected = phone.events.iter().find(|e| e.name == "call:state-changed").expect("a change");
    assert_eq!(text(connected, "mediaType"), "video");
    assert!(!connected.data.contains_key("downgrade"));
    phone.can_go_on();
}

#[test]
fn a_video_call_is_answered_with_audio_where_the_user_says_so_or_has_no_source() {
    for (source, options, video) in [
        (true, json!({}), true),
        (true, json!({"mediaType": "video"}), true),
        (true, json!({"mediaType": "audio"}), false),
        (true, json!({"localMedia": "silence"}), false),
        (false, json!({}), false),
        (false, json!({"localMedia": "silence;video=frames", "mediaType": "video"}), true),
    ] {
        let mut phone = if source { Driver::with_video() } else { Driver::ready() };
        phone.deliver(&[event("c1", "invitation-received", &[("sdp", VIDEO_SDP)])]);
        phone.orders.clear();
        phone.call("answer", None, options.clone()).expect("accepted");
        let orders = phone.take_orders();
        assert!(
            matches!(orders.as_slice(), [MediaOrder::Answer { video: wanted, .. }] if *wanted == video),
            "{options}: {orders:?}"
        );
        phone.finish();
    }
    let mut phone = Driver::ready();
    phone.deliver(&[event("c1", "invitation-received", &[("sdp", VIDEO_SDP)])]);
    for bad in [json!({"mediaType": "video"}), json!({"mediaType": "pictures"}), json!({"mediaType": 1})] {
        assert_eq!(phone.code("answer", None, bad), "2300", "it goes on ringing");
    }
    phone.call("answer", None, json!({})).expect("accepted");
    phone.finish();
}
