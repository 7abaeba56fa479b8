//! Keys in the core: sendDTMFTone with its checks and its events, and the keys of the other side (phone-behaviour.md section
//! 15, P-12).

mod core_support;

use core_support::{AUDIO_SDP, Driver, event, text};
use ewebrtc::core::{Event, Input, MediaOrder, MediaReport};
use serde_json::{Value, json};
use std::time::Duration;

fn tones(event: &Event) -> bool {
    event.name.starts_with("dtmf:")
}

/// The events about tones so far, as `sending 1`, with the tag.
fn heard(phone: &Driver) -> Vec<String> {
    let short = |event: &Event| {
        let tag = event.tag.as_deref().map(|tag| format!(" {tag}")).unwrap_or_default();
        format!("{} {}{tag}", event.name.trim_start_matches("dtmf:").trim_start_matches("tone-"), text(event, "tone"))
    };
    phone.events.iter().filter(|e| tones(e)).map(short).collect()
}

fn play_all(phone: &mut Driver) {
    while phone.play_tone() {}
}

fn orders(phone: &mut Driver) -> Vec<(String, Duration)> {
    let tones = |order| match order {
        MediaOrder::Tones { keys, gap } => Some((keys, gap)),
        _ => None,
    };
    phone.take_orders().into_iter().filter_map(tones).collect()
}

#[test]
fn every_tone_is_told_when_it_begins_and_when_it_has_been_sent() {
    let mut phone = Driver::ready();
    phone.talking("c1");
    phone.names();
    phone.call_tagged("a", "sendDTMFTone", None, json!({"input": "1d,#"})).expect("accepted");
    assert_eq!(orders(&mut phone), [("1D,#".to_owned(), Duration::from_millis(70))]);
    assert_eq!(phone.names(), Vec::<String>::new(), "nothing is told before it happens");
    play_all(&mut phone);
    let told = ["sending 1 a", "sent 1 a", "sending D a", "sent D a", "sending # a", "sent # a"];
    assert_eq!(heard(&phone), told, "a pause is not told");
    for event in phone.events.iter().filter(|e| tones(e)) {
        assert_eq!(event.data["index"], 1);
        assert_eq!(
            (text(event, "to"), text(event, "from")),
            ("bob".to_owned(), String::new()),
            "P-2: own side unknown"
        );
        assert_eq!((text(event, "mediaType"), text(event, "callType")), ("audio".to_owned(), "call".to_owned()));
        assert_eq!(event.data["codec"][0]["rtp"].as_array().map(Vec::len), Some(3));
        let age = if event.name == "dtmf:tone-sent" { 140 } else { 0 };
        assert_eq!(event.age, Duration::from_millis(age), "the time of tone-sent is that of the tone's begin");
    }
    assert_eq!(phone.names().last().map(String::as_str), Some("finished a"));
    phone.can_go_on();
}

#[test]
fn a_second_command_appends_and_each_finishes_with_its_last_tone() {
    let mut phone = Driver::ready();
    phone.talking("c1");
    phone.names();
    phone.call_tagged("a", "sendDTMFTone", None, json!({"input": "12"})).expect("accepted");
    phone.play_tone();
    phone.call_tagged("b", "sendDTMFTone", None, json!({"input": "2"})).expect("accepted");
    phone.call_tagged("c", "sendDTMFTone", None, json!({"input": ",,"})).expect("accepted");
    play_all(&mut phone);
    let sent = "dtmf:tone-sending dtmf:tone-sent";
    let all = format!("{sent} {sent} finished a {sent} finished b finished c");
    assert_eq!(phone.names().join(" "), all);
    phone.can_go_on();
}

#[test]
fn the_gap_is_kept_within_its_bounds() {
    for (gap, millis) in [
        (Value::Null, 70),
        (json!(100), 100),
        (json!(100.5), 100),
        (json!(5), 50),
        (json!(-3), 50),
        (json!(6000), 6000),
        (json!(1e300), 6000),
        (json!("200"), 70),
        (json!([]), 70),
    ] {
        let mut phone = Driver::ready();
        phone.talking("c1");
        phone.call("sendDTMFTone", None, json!({"input": "1", "gap": gap})).expect("accepted");
        assert_eq!(orders(&mut phone)[0].1.as_millis(), millis, "{gap}");
        phone.finish();
    }
}

#[test]
fn wrong_orders_have_their_codes_in_the_order_of_the_list() {
    let mut phone = Driver::new(core_support::config());
    let refused = |phone: &mut Driver, options: Value, code: &str| {
        assert_eq!(phone.code("sendDTMFTone", None, options.clone()), code, "{options}");
        assert_eq!(orders(phone), []);
    };
    phone.input(Input::Connectivity { online: false });
    refused(&mut phone, Value::Null, "0002");
    phone.input(Input::Connectivity { online: true });
    refused(&mut phone, Value::Null, "4711");
    let wrong = [json!(null), json!(""), json!(12), json!(["1"]), json!(" 1"), json!("12e"), json!("1\n"), json!("٣")];
    for input in wrong.into_iter().chain([json!("*67w"), json!("+1"), json!("1 2")]) {
        refused(&mut phone, json!({"input": input}), "4712");
    }
    refused(&mut phone, json!({}), "4712");
    refused(&mut phone, json!({"input": "1"}), "4721");
    phone.login();
    refused(&mut phone, json!({"input": "1"}), "4731");
    let call = phone.dial();
    refused(&mut phone, json!({"input": "1"}), "4731");
    assert_eq!(phone.code("sendDTMFTone", Some(call), json!({"input": "1"})), "4731", "a call that is not established");
    phone.accepted("c1");
    phone.deliver(&[event("c1", "session-open", &[("sdp", AUDIO_SDP)])]);
    phone.held(call, "c1");
    refused(&mut phone, json!({"input": "1"}), "4741");
    phone.finish();
}

#[test]
fn a_peer_without_telephone_events_is_told_at_once() {
    let mut phone = Driver::ready();
    phone.dial();
    phone.accepted("c1");
    let odd = AUDIO_SDP.replace("telephone-event/8000", "telephone-event/16000");
    phone.deliver(&[event("c1", "session-open", &[("sdp", &odd)])]);
    assert_eq!(phone.code("sendDTMFTone", None, json!({"input": "1"})), "0000");
    let information = text(phone.events.last().expect("an error"), "AdditionalInformation");
    assert_eq!(information, "the other side takes no telephone events");
    phone.can_go_on();
}

#[test]
fn tones_that_the_media_side_cannot_send_fail_each_command() {
    let mut phone = Driver::ready();
    let call = phone.talking("c1");
    phone.names();
    phone.call_tagged("a", "sendDTMFTone", None, json!({"input": "12"})).expect("accepted");
    phone.call_tagged("b", "sendDTMFTone", None, json!({"input": "3"})).expect("accepted");
    phone.play_tone();
    phone.playing.clear();
    phone.media(call, MediaReport::TonesRefused { text: "gone".into() });
    let failed = ["error 0000", "finished a 0000", "error 0000", "finished b 0000"];
    assert_eq!(phone.names()[2..], failed);
    phone.can_go_on();
}

/// The core lets through what the media side can send, and nothing else.
#[test]
fn characters_are_those_that_can_be_sent() {
    let mut phone = Driver::ready();
    phone.talking("c1");
    for character in (0..=0x24f).filter_map(char::from_u32) {
        let tone = ewebrtc_media::dtmf::Tone::new(character, Duration::from_millis(70));
        let code = phone.code("sendDTMFTone", None, json!({"input": character.to_string()}));
        assert_eq!(code, if tone.is_some() { "ok" } else { "4712" }, "{character:?}");
    }
    phone.finish();
}

#[test]
fn no_more_tones_wait_than_may() {
    let mut phone = Driver::ready();
    phone.talking("c1");
    let most = ewebrtc_media::dtmf::MOST_TONES;
    assert_eq!(phone.code("sendDTMFTone", None, json!({"input": "1".repeat(most + 1)})), "4700");
    assert_eq!(phone.code("sendDTMFTone", None, json!({"input": "1".repeat(most)})), "ok");
    assert_eq!(phone.code("sendDTMFTone", None, json!({"input": "1"})), "4700");
    phone.play_tone();
    assert_eq!(phone.code("sendDTMFTone", None, json!({"input": "1"})), "ok");
    phone.can_go_on();
}

#[test]
fn a_call_that_ends_takes_its_tones_with_it() {
    let mut phone = Driver::ready();
    let call = phone.talking("c1");
    phone.call_tagged("a", "sendDTMFTone", None, json!({"input": "123"})).expect("accepted");
    phone.play_tone();
    phone.media(call, MediaReport::ToneBegan { key: '2' });
    phone.names();
    phone.call_tagged("bye", "hangup", None, json!({})).expect("accepted");
    assert_eq!(phone.code("sendDTMFTone", None, json!({"input": "4"})), "4741");
    phone.media(call, MediaReport::ToneEnded);
    phone.reply(ewebrtc::core::Verb::Delete, "/sessions/s1/calls/c1", 204, &[], "");
    phone.deliver(&[event("c1", "session-terminated", &[])]);
    let names = phone.names();
    assert_eq!(names[names.len() - 3..], ["call:disconnected", "finished a 4700", "finished bye"]);
    assert!(!names.iter().any(|name| name.starts_with("dtmf:")), "{names:?}");
    phone.finish();
}

#[test]
fn tones_act_on_the_call_they_are_given_for() {
    let mut phone = Driver::ready();
    let (first, second) = phone.two_calls();
    assert_eq!(phone.code("sendDTMFTone", Some(first), json!({"input": "1"})), "4741", "it is on hold");
    assert_eq!(phone.code("sendDTMFTone", Some(second), json!({"input": "1"})), "ok");
    play_all(&mut phone);
    let sent = phone.events.iter().find(|e| e.name == "dtmf:tone-sent").expect("sent");
    assert_eq!((text(sent, "to"), sent.data["index"].as_u64()), ("carol".to_owned(), Some(2)));
    phone.finish();
}

#[test]
fn tones_wait_for_a_peer_that_holds() {
    let mut phone = Driver::ready();
    let call = phone.talking("c1");
    phone.held_by_peer(call, "c1");
    phone.names();
    assert_eq!(phone.code("sendDTMFTone", None, json!({"input": "1"})), "ok");
    phone.peer_changes(call, "c1", "resume", AUDIO_SDP);
    play_all(&mut phone);
    let names = phone.names();
    assert_eq!(names[names.len() - 3..names.len() - 1], ["dtmf:tone-sending", "dtmf:tone-sent"]);
    phone.can_go_on();
}

#[test]
fn the_keys_of_the_other_side_are_told_from_the_connection_on() {
    let mut phone = Driver::ready();
    let call = phone.dial();
    phone.accepted("c1");
    phone.media(call, MediaReport::KeyHeard { key: '7' });
    assert_eq!(heard(&phone), Vec::<String>::new());
    phone.deliver(&[event("c1", "session-open", &[("sdp", AUDIO_SDP)])]);
    assert_eq!(heard(&phone), ["received 7"]);
    let names = phone.names();
    let at = |name: &str| names.iter().position(|n| n == name);
    assert!(at("call:connected") < at("dtmf:received"), "{names:?}");
    phone.media(call, MediaReport::KeyHeard { key: '#' });
    assert_eq!(heard(&phone), ["received #"]);
    assert_eq!(text(&phone.events[0], "to"), "bob");
    // A hold takes nothing away; the end does.
    phone.held(call, "c1");
    phone.media(call, MediaReport::KeyHeard { key: '0' });
    phone.call("hangup", None, json!({})).expect("accepted");
    phone.media(call, MediaReport::KeyHeard { key: '1' });
    assert_eq!(heard(&phone), ["received #", "received 0"]);
    phone.finish();
}
