//! Calls: the sequences of phone-behaviour.md section 21, wrong orders, and a gateway that misbehaves.

mod core_support;

use core_support::{AUDIO_SDP, Driver, SID, VIDEO_SDP, event, invitation, list, text};
use ewebrtc::core::{Input, MediaFailure, MediaOrder, MediaReport, Verb};
use serde_json::{Value, json};
use std::time::Duration;

const C1: &str = "/sessions/s1/calls/c1";

fn error_body(id: &str, words: &str) -> String {
    json!({"RequestError": {"ServiceException": {"MessageId": id, "Text": words, "Variables": ""}}}).to_string()
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

#[test]
fn an_outgoing_call_from_dial_to_hangup() {
    let mut phone = Driver::ready();
    phone.names();
    let value = phone.call_tagged("d", "dial", None, json!({"destination": "bob"})).expect("accepted");
    let handle = value["call"].as_u64().expect("a handle");
    assert_eq!(phone.names(), ["dialing"]);
    phone.describe(handle);
    phone.accepted("c1");
    assert!(phone.events.iter().all(|e| e.tag.as_deref() == Some("d")));
    assert_eq!(phone.names(), ["sc created>connecting", "call:connecting", "finished d"]);
    phone.deliver(&[event("c1", "session-open", &[("sdp", AUDIO_SDP)])]);
    let codec = phone.events.last().expect("an event").data["codec"].as_array().map(Vec::len);
    assert_eq!(codec, Some(1), "codecs are known before call:connected (P-53)");
    assert_eq!(phone.names(), ["sc connecting>connected", "call:connected"]);
    let orders: Vec<&MediaOrder> = phone.orders.iter().map(|(_, order)| order).collect();
    let answer = MediaOrder::ApplyAnswer { sdp: AUDIO_SDP.into() };
    let offer = MediaOrder::Offer { local: "silence".into(), remote: "discard".into(), video: false };
    assert_eq!(orders, [&offer, &answer, &MediaOrder::Activate]);
    phone.media(handle, MediaReport::Applied);
    phone.media(handle, MediaReport::FirstAudio);
    phone.media(handle, MediaReport::FirstAudio);
    assert_eq!(phone.names(), ["media:established"]);
    phone.call_tagged("h", "hangup", None, Value::Null).expect("accepted");
    assert!(phone.events.iter().all(|e| e.tag.as_deref() == Some("h")));
    assert_eq!(phone.names(), ["sc connected>disconnecting", "call:disconnecting"]);
    phone.reply(Verb::Delete, C1, 204, &[], "");
    phone.deliver(&[event("c1", "session-terminated", &[])]);
    assert_eq!(phone.names(), ["sc disconnecting>disconnected", "call:disconnected", "finished h"]);
    phone.finish();
}

#[test]
fn an_incoming_call_from_invitation_to_the_peers_hangup() {
    let mut phone = Driver::ready();
    phone.names();
    phone.deliver(&[invitation("c1")]);
    let handle = phone.last_item();
    assert_eq!(phone.events[0].data["from"], "sip:bob@example.com");
    assert_eq!(phone.events[0].data["index"], 1);
    assert_eq!(phone.names(), ["call:incoming"]);
    phone.call_tagged("a", "answer", Some(handle), json!({"localMedia": "tone:440"})).expect("accepted");
    let local = "tone:440".to_owned();
    let order = MediaOrder::Answer { offer: AUDIO_SDP.into(), local, remote: "discard".into(), video: false };
    assert_eq!(phone.orders, [(handle, order)]);
    phone.describe(handle);
    let put = phone.find(Verb::Put, C1).expect("the answer is sent");
    assert!(put.request.headers.contains(&("x-calls-action", "call-answer".to_owned())));
    phone.answer(put.id, 200, &[("x-state", "accepted")], "");
    phone.deliver(&[event("c1", "session-modified", &[])]);
    assert_eq!(
        phone.names(),
        [
            "answering",
            "sc created>connecting",
            "call:connecting",
            "sc connecting>connected",
            "call:connected",
            "finished a"
        ]
    );
    phone.media(handle, MediaReport::FirstAudio);
    phone.deliver(&[event("c1", "session-terminated", &[("reason", "Call terminated")])]);
    assert_eq!(text(phone.events.last().expect("an event"), "message"), "Call terminated");
    assert_eq!(phone.names(), ["media:established", "sc connected>disconnected", "call:disconnected"]);
    phone.finish();
}

#[test]
fn early_media_is_ringback_and_audio_counts_after_the_connection() {
    let mut phone = Driver::ready();
    let handle = phone.dial();
    phone.accepted("c1");
    phone.names();
    let mut early = event("c1", "session-open", &[("sdp", AUDIO_SDP)]);
    early["provisionalSDP"] = true.into();
    phone.deliver(&[early.clone(), early]);
    phone.media(handle, MediaReport::Applied);
    phone.media(handle, MediaReport::FirstAudio);
    assert_eq!(phone.names(), ["call:ringback-provided"]);
    phone.deliver(&[event("c1", "session-open", &[("sdp", AUDIO_SDP)])]);
    assert_eq!(phone.names(), ["sc connecting>connected", "call:connected", "media:established"]);
    let applied = phone.orders.iter().filter(|(_, o)| matches!(o, MediaOrder::ApplyAnswer { .. })).count();
    assert_eq!(applied, 1, "the early answer stays in force");
    let heard = phone.orders.iter().map(|(_, o)| o).filter(|o| matches!(o, MediaOrder::Listen | MediaOrder::Activate));
    assert_eq!(
        heard.collect::<Vec<_>>(),
        [&MediaOrder::Listen, &MediaOrder::Activate],
        "heard at once, speaking later"
    );
    phone.finish();
}

#[test]
fn how_session_terminated_is_classified() {
    let busy = Some("User busy");
    let withdrawn = Some("Call canceled");
    for (state, reason, expected) in [
        ("connecting", busy, "sc connecting>rejected call:rejected"),
        ("connecting", withdrawn, "sc connecting>canceled call:canceled"),
        ("connecting", Some("No answer"), "sc connecting>disconnected call:disconnected"),
        ("connecting", None, "sc connecting>disconnected call:disconnected"),
        ("ringing", busy, "sc created>rejected call:rejected"),
        ("ringing", withdrawn, "sc created>canceled call:canceled"),
        ("ringing", Some("Not found"), "sc created>disconnected call:disconnected"),
        ("ringing", None, "sc created>canceled call:canceled"),
        ("connected", busy, "sc connected>rejected call:rejected"),
        ("connected", withdrawn, "sc connected>canceled call:canceled"),
        ("connected", Some("x"), "sc connected>disconnected call:disconnected"),
        ("connected", None, "sc connected>disconnected call:disconnected"),
        ("cancelled", busy, "sc connecting>rejected call:rejected finished e"),
        ("cancelled", Some("x"), "sc connecting>canceled call:canceled finished e"),
        ("cancelled", None, "sc connecting>canceled call:canceled finished e"),
        ("rejected", withdrawn, "sc created>rejected call:rejected finished e"),
        ("rejected", None, "sc created>rejected call:rejected finished e"),
    ] {
        let mut phone = Driver::ready();
        match state {
            "connecting" | "cancelled" => {
                phone.dial();
                phone.accepted("c1");
            }
            "connected" => {
                phone.talking("c1");
            }
            _ => {
                phone.ringing("c1");
            }
        }
        match state {
            "cancelled" => drop(phone.call_tagged("e", "cancel", None, json!({}))),
            "rejected" => drop(phone.call_tagged("e", "reject", None, json!({}))),
            _ => {}
        }
        phone.names();
        let members: Vec<(&str, &str)> = reason.map(|r| ("reason", r)).into_iter().collect();
        phone.deliver(&[event("c1", "session-terminated", &members)]);
        let last = phone.events.iter().rev().find(|e| e.name == "call:disconnected").cloned();
        if let Some(event) = last {
            assert_eq!(event.data.get("message").and_then(Value::as_str), reason, "{state} {reason:?}");
        }
        assert_eq!(phone.names().join(" "), expected, "{state} {reason:?}");
        phone.finish();
    }
}

#[test]
fn cancel_while_the_post_is_in_flight_is_remembered() {
    let mut phone = Driver::ready();
    let handle =
        phone.call_tagged("d", "dial", None, json!({"destination": "bob"})).expect("accepted")["call"].as_u64();
    phone.describe(handle.expect("a handle"));
    phone.names();
    phone.call_tagged("c", "cancel", None, json!({})).expect("accepted");
    assert_eq!(phone.names(), ["sc created>canceled", "call:canceled", "finished d 2200", "finished c"]);
    phone.accepted("c1");
    let delete = phone.find(Verb::Delete, C1).expect("DELETE follows the 201 (P-64)");
    assert!(delete.request.headers.contains(&("x-delete-reason", "cancel".to_owned())));
    phone.answer(delete.id, 204, &[], "");
    phone.deliver(&[event("c1", "session-terminated", &[("reason", "Call canceled")])]);
    assert!(phone.names().is_empty(), "one call:canceled");
    assert_eq!(phone.code("dial", None, json!({"destination": "bob"})), "ok");
    phone.finish();
}

#[test]
fn a_dial_that_fails_ends_with_one_terminal_event() {
    let body = error_body("SVC0004", "no valid address");
    for (status, headers, body, expected) in [
        (400, JSON, body.as_str(), "error 1004 sc created>disconnected call:disconnected finished d 1004"),
        (404, &[][..], "", "error 1000 sc created>disconnected call:disconnected finished d 1000"),
        (500, JSON, "", "error 1000 sc created>disconnected call:disconnected finished d 1000"),
        (502, &[][..], "<html/>", "gateway:unreachable sc created>disconnected call:disconnected finished d 1000"),
        (503, &[][..], "", "gateway:unreachable sc created>disconnected call:disconnected finished d 1000"),
        (201, &[][..], "", "error 2200 sc created>disconnected call:disconnected finished d 2200"),
        (0, &[][..], "", "error 0002 sc created>disconnected call:disconnected finished d 0002"),
    ] {
        let mut phone = Driver::ready();
        let value = phone.call_tagged("d", "dial", None, json!({"destination": "bob"})).expect("accepted");
        phone.describe(value["call"].as_u64().expect("a handle"));
        phone.names();
        let post = phone.find(Verb::Post, "/sessions/s1/calls").expect("sent");
        if status == 0 {
            phone.fail(post.id);
        } else {
            phone.answer(post.id, status, headers, body);
        }
        let end = phone.events.iter().find(|e| e.name == "call:disconnected").expect("a terminal event");
        assert!(!text(end, "message").is_empty());
        if status == 0 {
            assert_eq!(text(&phone.events[0], "HttpStatusCode"), "0");
            assert_eq!(text(&phone.events[0], "ResourceMethod"), "POST /RTC/v1/sessions/s1/calls");
        }
        assert_eq!(phone.names().join(" "), expected, "{status}");
        assert_eq!(phone.code("dial", None, json!({"destination": "bob"})), "ok");
        phone.finish();
    }
}

#[test]
fn an_answer_that_fails_leaves_the_phone_usable() {
    for status in [0, 400, 500, 503] {
        let mut phone = Driver::ready();
        let handle = phone.ringing("c1");
        phone.call_tagged("a", "answer", None, json!({})).expect("accepted");
        phone.describe(handle);
        phone.names();
        let put = phone.find(Verb::Put, C1).expect("sent");
        if status == 0 {
            phone.fail(put.id);
        } else {
            phone.answer(put.id, status, JSON, &error_body("SVC0002", "no such call"));
        }
        let names = phone.names();
        assert_eq!(names[1..3], ["sc created>disconnected", "call:disconnected"], "{status}");
        assert!(names[3].starts_with("finished a "), "{names:?}");
        assert!(phone.find(Verb::Delete, C1).is_some(), "the gateway is told that nobody answers any more");
        assert_eq!(phone.code("dial", None, json!({"destination": "bob"})), "ok");
        phone.finish();
    }
}

#[test]
fn media_that_is_refused() {
    let denied = || MediaReport::Failed { kind: MediaFailure::Denied, text: "no such file".into() };
    let mut phone = Driver::ready();
    let value = phone.call_tagged("d", "dial", None, json!({"destination": "bob"})).expect("accepted");
    phone.names();
    phone.media(value["call"].as_u64().expect("a handle"), denied());
    assert_eq!(text(&phone.events[0], "AdditionalInformation"), "no such file");
    assert_eq!(phone.names(), ["error 0020", "sc created>disconnected", "call:disconnected", "finished d 0020"]);
    let handle = phone.ringing("c1");
    phone.call_tagged("a", "answer", None, json!({})).expect("accepted");
    phone.names();
    phone.media(handle, denied());
    assert_eq!(phone.names(), ["error 0020", "sc created>rejected", "call:rejected", "finished a 0020"]);
    let delete = phone.find(Verb::Delete, C1).expect("the call is rejected at the gateway");
    assert!(delete.request.headers.contains(&("x-delete-reason", "reject".to_owned())));
    phone.finish();
}

#[test]
fn media_that_is_lost_while_a_call_is_set_up_ends_it() {
    // An established one gets a new path: see `core_repair.rs`.
    for stage in ["offering", "posting", "connecting"] {
        let mut phone = Driver::ready();
        let handle = if stage == "offering" {
            phone.call("dial", None, json!({"destination": "bob"})).expect("accepted")["call"]
                .as_u64()
                .expect("a handle")
        } else {
            phone.dial()
        };
        if stage == "connecting" {
            phone.accepted("c1");
        }
        phone.names();
        phone.media(handle, MediaReport::Lost { text: "no path".into() });
        let names = phone.names();
        assert_eq!(names[0], "error 0000", "{stage}");
        assert_eq!(names[2], "call:disconnected", "{stage}");
        if stage == "posting" {
            phone.accepted("c1");
        }
        assert_eq!(phone.find(Verb::Delete, C1).is_some(), stage != "offering", "{stage}");
        assert_eq!(phone.code("dial", None, json!({"destination": "bob"})), "ok", "{stage}");
        phone.finish();
    }
}

#[test]
fn media_that_pauses_is_told() {
    let mut phone = Driver::ready();
    let handle = phone.talking("c1");
    phone.names();
    for report in [MediaReport::Interrupted, MediaReport::Interrupted, MediaReport::Recovered, MediaReport::Recovered] {
        phone.media(handle, report);
    }
    assert_eq!(phone.names(), ["media:interrupted", "media:recovered"]);
    phone.finish();
}

#[test]
fn mute_and_unmute() {
    let mut phone = Driver::ready();
    let handle = phone.talking("c1");
    phone.names();
    phone.orders.clear();
    phone.input(Input::Connectivity { online: false });
    phone.call_tagged("1", "mute", None, json!({})).expect("works offline");
    phone.call_tagged("2", "mute", None, json!({})).expect("accepted");
    phone.call_tagged("3", "unmute", Some(handle), json!({})).expect("accepted");
    phone.call_tagged("4", "unmute", None, json!({})).expect("accepted");
    let warning = phone.events.iter().find(|e| e.name == "warning").expect("a warning");
    assert_eq!((warning.tag.as_deref(), warning.data["index"].as_u64()), (Some("2"), Some(1)));
    assert_eq!(
        phone.names(),
        [
            "connectivity:off",
            "call:muted",
            "finished 1",
            "warning",
            "finished 2",
            "call:unmuted",
            "finished 3",
            "warning",
            "finished 4"
        ]
    );
    assert_eq!(phone.orders, [(handle, MediaOrder::Mute(true)), (handle, MediaOrder::Mute(false))]);
    phone.finish();
}

#[test]
fn a_hangup_ends_whatever_the_gateway_does() {
    // No session-terminated after the DELETE: 5 s later the call is over here.
    let mut phone = Driver::ready();
    phone.talking("c1");
    phone.call_tagged("h", "hangup", None, json!({})).expect("accepted");
    phone.call_tagged("h2", "hangup", None, json!({})).expect("repeated hangup waits for the same end");
    phone.reply(Verb::Delete, C1, 204, &[], "");
    phone.names();
    phone.advance(Duration::from_millis(4900));
    assert!(phone.names().is_empty());
    phone.advance(Duration::from_millis(200));
    assert_eq!(phone.names(), ["sc disconnecting>disconnected", "call:disconnected", "finished h", "finished h2"]);
    phone.deliver(&[event("c1", "session-terminated", &[])]);
    assert!(phone.names().is_empty());
    // The DELETE fails: the error, then the end.
    for status in [0, 400, 404, 500] {
        phone.talking("c2");
        phone.call_tagged(&format!("g{status}"), "hangup", None, json!({})).expect("accepted");
        phone.names();
        let delete = phone.find(Verb::Delete, "/sessions/s1/calls/c2").expect("sent");
        if status == 0 {
            phone.fail(delete.id);
        } else {
            phone.answer(delete.id, status, &[], "");
        }
        let names = phone.names();
        assert!(names[0].starts_with("error "), "{names:?}");
        assert_eq!(names[1..3], ["sc disconnecting>disconnected", "call:disconnected"]);
        assert!(names[3].starts_with(&format!("finished g{status} ")), "{names:?}");
        phone = Driver::ready();
    }
    phone.finish();
}

#[test]
fn busy_lines_decline_and_tell() {
    let mut phone = Driver::ready();
    let first = phone.ringing("c1");
    phone.names();
    phone.deliver(&[invitation("c2")]);
    assert_eq!(phone.names(), ["notification"]);
    let delete = phone.find(Verb::Delete, "/sessions/s1/calls/c2").expect("declined as busy (P-34)");
    assert!(delete.request.headers.contains(&("x-delete-reason", "reject".to_owned())));
    phone.deliver(&[event("c2", "session-terminated", &[("reason", "Call canceled")])]);
    assert!(phone.names().is_empty());
    assert_eq!(phone.code("reject", Some(first), json!({})), "ok");
    phone.finish();
}

#[test]
fn answer_with_action_end_ends_the_first_call_before() {
    let mut phone = Driver::ready();
    phone.talking("c1");
    let second = phone.ringing("c2");
    phone.names();
    assert_eq!(phone.code("answer", None, json!({})), "2341");
    assert_eq!(phone.code("answer", None, json!({"action": "other"})), "2341");
    phone.names();
    phone.call_tagged("a", "answer", None, json!({"action": "end"})).expect("accepted");
    assert_eq!(phone.names(), ["sc connected>disconnecting"]);
    phone.reply(Verb::Delete, C1, 204, &[], "");
    phone.deliver(&[event("c1", "session-terminated", &[])]);
    assert_eq!(phone.names(), ["sc disconnecting>disconnected", "call:disconnected", "answering"]);
    phone.describe(second);
    phone.reply(Verb::Put, "/sessions/s1/calls/c2", 200, &[], "");
    phone.deliver(&[event("c2", "session-modified", &[])]);
    assert_eq!(phone.events[0].data["index"], 2);
    assert_eq!(
        phone.names(),
        ["sc created>connecting", "call:connecting", "sc connecting>connected", "call:connected", "finished a"]
    );
    phone.finish();
}

#[test]
fn the_caller_withdraws_while_the_answer_waits() {
    let mut phone = Driver::ready();
    phone.talking("c1");
    phone.ringing("c2");
    phone.call_tagged("a", "answer", None, json!({"action": "end"})).expect("accepted");
    phone.names();
    phone.deliver(&[event("c2", "session-terminated", &[("reason", "Call canceled")])]);
    assert_eq!(phone.names(), ["sc created>canceled", "call:canceled", "finished a 2300"]);
    phone.deliver(&[event("c1", "session-terminated", &[])]);
    assert_eq!(phone.names(), ["sc disconnecting>disconnected", "call:disconnected"]);
    assert_eq!(phone.code("dial", None, json!({"destination": "bob"})), "ok");
    phone.finish();
}

#[test]
fn an_invitation_without_a_description_is_answered_with_an_offer() {
    let mut phone = Driver::ready();
    let mut invite = invitation("c1");
    invite.as_object_mut().expect("an object").remove("sdp");
    phone.deliver(&[invite]);
    let handle = phone.last_item();
    phone.call("answer", None, json!({})).expect("accepted");
    assert!(matches!(phone.orders[0].1, MediaOrder::Offer { .. }));
    phone.describe(handle);
    phone.reply(Verb::Put, C1, 200, &[], "");
    phone.names();
    phone.deliver(&[event("c1", "session-open", &[("sdp", AUDIO_SDP)])]);
    assert_eq!(phone.orders[1].1, MediaOrder::ApplyAnswer { sdp: AUDIO_SDP.into() });
    assert_eq!(phone.names()[..2], ["sc connecting>connected", "call:connected"]);
    phone.finish();
}

#[test]
fn a_video_offer_is_told_as_video_and_answered_as_audio() {
    let mut phone = Driver::ready();
    phone.names();
    phone.deliver(&[event("c1", "invitation-received", &[("sdp", VIDEO_SDP)])]);
    let handle = phone.last_item();
    assert_eq!(phone.events[0].data["mediaType"], "video");
    phone.call("answer", None, json!({})).expect("accepted");
    phone.describe(handle);
    phone.reply(Verb::Put, C1, 200, &[], "");
    assert_eq!(phone.events.last().expect("an event").data["mediaType"], "audio");
    phone.finish();
}

#[test]
fn the_own_identity_is_in_the_events() {
    let mut phone = Driver::new(core_support::config());
    phone.call("login", None, json!({"token": "t"})).expect("accepted");
    let location = format!("/RTC/v1/sessions/{SID}");
    let headers = [("location", location.as_str()), ("x-expires", "60"), ("x-ewebrtc-user", "sip:alice@example.com")];
    phone.reply(Verb::Post, "/sessions", 201, &headers, "");
    phone.talking("c1");
    let connected = phone.events.iter().find(|e| e.name == "call:connected").expect("connected");
    assert_eq!((text(connected, "from").as_str(), text(connected, "to").as_str()), ("sip:alice@example.com", "bob"));
    assert!(list(&[]).contains("eventList"));
    phone.finish();
}
