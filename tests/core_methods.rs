//! Every method in every state: the table of phone-behaviour.md section 19 with the replacements of section 20, read from
//! the text itself. The stages within its columns stand in `core_stages.rs`.

mod core_support;

use core_support::{Driver, VIDEO_SDP, config, event, invitation, video_config};
use ewebrtc::core::{Input, Refusal};
use serde_json::{Value, json};

/// The rows of the table that the core has methods for, with the options used.
fn rows() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("login", "login", json!({"token": "other"})),
        ("logout", "logout", json!({})),
        ("associateE911Id", "associateE911Id", json!({"e911Id": "E1"})),
        ("dial", "dial", json!({"destination": "bob", "mediaType": "audio"})),
        ("addCall", "addCall", json!({"destination": "carol", "mediaType": "audio"})),
        ("answer()", "answer", json!({})),
        ("answer(hold)", "answer", json!({"action": "hold"})),
        ("answer(end)", "answer", json!({"action": "end"})),
        ("hangup", "hangup", json!({})),
        ("cancel", "cancel", json!({})),
        ("reject", "reject", json!({})),
        ("hold", "hold", json!({})),
        ("resume", "resume", json!({})),
        ("mute", "mute", json!({})),
        ("unmute", "unmute", json!({})),
        ("sendDTMFTone", "sendDTMFTone", json!({"input": "1"})),
        ("move", "move", json!({})),
        ("switchCall", "switchCall", json!({})),
        ("transfer", "transfer", json!({})),
        ("upgrade", "upgrade", json!({})),
        ("downgrade", "downgrade", json!({})),
        ("acceptModification", "acceptModification", json!({})),
        ("rejectModification", "rejectModification", json!({})),
        ("startConference", "startConference", json!({"mediaType": "audio"})),
        ("joinConference()", "joinConference", json!({})),
        ("joinConference(hold)", "joinConference", json!({"action": "hold"})),
        ("rejectConference", "rejectConference", json!({})),
        ("endConference", "endConference", json!({})),
        ("addParticipant", "addParticipant", json!({"participant": "carol"})),
        ("removeParticipant", "removeParticipant", json!({"participant": "carol"})),
        ("getParticipants", "getParticipants", json!({})),
        ("getMediaType", "getMediaType", json!({})),
        ("isCallInProgress", "isCallInProgress", json!({})),
    ]
}

/// The columns of the table.
const COLUMNS: [&str; 16] = [
    "offline",
    "no session",
    "idle",
    "dialing",
    "ringing call",
    "ringing invite",
    "audio call",
    "video call",
    "held by me",
    "held by peer",
    "change I started",
    "change to answer",
    "two calls",
    "call + ringing",
    "host",
    "joiner",
];

fn set_up(column: &str) -> Driver {
    let mut phone = Driver::new(video_config());
    if column != "no session" {
        phone.login();
    }
    match column {
        "offline" => phone.input(Input::Connectivity { online: false }),
        "no session" | "idle" => {}
        "dialing" => {
            phone.dial();
            phone.accepted("c1");
        }
        "ringing call" => {
            phone.ringing("c1");
        }
        "audio call" => {
            phone.talking("c1");
        }
        "video call" | "held by me" | "held by peer" | "call + ringing" => {
            // The text's own examples of these columns are video calls, "call + ringing" among them.
            let call = phone.talking_video("c1");
            match column {
                "held by me" => phone.held(call, "c1"),
                "held by peer" => phone.held_by_peer(call, "c1"),
                "call + ringing" => phone.deliver(&[invitation("c2")]),
                _ => {}
            }
        }
        "change I started" => {
            let call = phone.talking("c1");
            phone.call("upgrade", None, json!({})).expect("accepted");
            phone.requested(call, "c1");
        }
        "change to answer" => {
            phone.talking("c1");
            phone.deliver(&[event("c1", "mod-received", &[("modId", "m1"), ("sdp", VIDEO_SDP)])]);
        }
        "two calls" => {
            phone.two_calls();
        }
        "ringing invite" => {
            phone.invited("f1");
        }
        "host" => {
            phone.hosting();
        }
        "joiner" => {
            phone.joined();
        }
        other => panic!("no such column: {other}"),
    }
    phone.names();
    phone
}

/// The cells of section 19: (row, column) to text.
fn table() -> Vec<(String, String, String)> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/wire/data/phone-behaviour.md");
    let text = std::fs::read_to_string(path).expect("the text is there");
    let section = text.split("## 19.").nth(1).expect("section 19").split("## 20.").next().expect("its end");
    let mut lines = section.lines().filter(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect::<Vec<_>>();
    let columns = cells(lines.next().expect("a head"));
    lines
        .skip(1)
        .flat_map(|line| {
            let row = cells(line);
            let name = row[0].clone();
            row.into_iter()
                .zip(columns.clone())
                .skip(1)
                .map(move |(cell, column)| (name.clone(), column, cell))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Section 20: what we build where the table has v1.1.3.
fn expected(row: &str, column: &str, cell: &str) -> String {
    let gateway = !["mute", "unmute", "getParticipants", "getMediaType", "isCallInProgress"].contains(&row);
    if column == "offline" && gateway {
        return "0002".into();
    }
    if cell.ends_with('!') {
        let suitable = match (row, column) {
            ("answer()" | "answer(hold)" | "answer(end)", _) => "2331",
            ("cancel", _) => "2902",
            ("reject", _) => "3002",
            // During an unfinished change the wrong-state code (P-11); a pending item is no first call (P-18).
            ("addCall", "call + ringing") => "3951",
            ("addCall", _) => "3900",
            ("hold", _) => "2503",
            ("move", _) => "4003",
            ("upgrade", _) => "4603",
            // A pending item and an unfinished change stand in the way of a conference in the same words (P-18).
            ("startConference", _) => "3100",
            ("rejectConference", _) => "3302",
            // P-28: the host only.
            ("addParticipant", _) => "3631",
            ("removeParticipant", _) => "3731",
            ("getParticipants", _) => "3402",
            (other, _) => panic!("no replacement for {other}"),
        };
        return suitable.into();
    }
    match (row, cell) {
        ("addParticipant", "TypeError") => "3631".into(),
        (_, "TypeError") => "null".into(),
        // P-6: the negotiated type.
        ("getMediaType", "\"nomedia\"") => "\"video\"".into(),
        (_, other) => other.into(),
    }
}

/// What the core does: a code, `ok`, `warning`, or the value of a getter.
fn observed(phone: &mut Driver, method: &str, options: Value) -> String {
    match phone.call(method, None, options) {
        Err(Refusal::Sdk(error)) => error.error_code,
        Err(other) => format!("{other:?}"),
        Ok(_) if phone.events.iter().any(|e| e.name == "warning") => "warning".into(),
        Ok(_) if method == "getParticipants" => "ok".into(),
        Ok(value) if method.starts_with("get") || method.starts_with("is") => value.to_string(),
        Ok(_) => "ok".into(),
    }
}

/// Section 19's note on getCalls, and getVersion, which no state touches.
#[test]
fn the_other_getters_answer_in_every_state() {
    for column in COLUMNS {
        let mut phone = set_up(column);
        let calls = phone.call("getCalls", None, Value::Null).expect("never refused");
        let established = match column {
            "offline" | "no session" | "idle" | "dialing" | "ringing call" | "ringing invite" => 0,
            "two calls" => 2,
            _ => 1,
        };
        assert_eq!(calls.as_array().map(Vec::len), Some(established), "{column}: {calls}");
        assert!(phone.call("getVersion", None, Value::Null).expect("never refused").is_string(), "{column}");
        phone.finish();
    }
}

/// P-41: an empty text counts as none; optional options then have their defaults.
#[test]
fn empty_options_count_as_missing() {
    let mut phone = Driver::ready();
    let options = json!({"destination": "bob", "mediaType": "", "localMedia": "", "remoteMedia": null});
    assert!(phone.call("dial", None, options).is_ok());
    phone.finish();
    let mut phone = Driver::ready();
    assert_eq!(observed(&mut phone, "dial", json!({"destination": ""})), "2211");
    phone.finish();
}

#[test]
fn every_method_in_every_state() {
    let table = table();
    let mut cells = 0;
    for (row, method, options) in rows() {
        for column in COLUMNS {
            let cell = &table.iter().find(|(r, c, _)| r == row && c == column).expect("the cell is in the table").2;
            let mut phone = set_up(column);
            let got = observed(&mut phone, method, options.clone());
            assert_eq!(got, expected(row, column, cell), "{row} when {column}");
            phone.finish();
            cells += 1;
        }
        let columns = table.iter().filter(|(r, _, _)| r == row).count();
        assert_eq!(columns, COLUMNS.len(), "{row}: a column is not accounted for");
    }
    assert_eq!(cells, rows().len() * COLUMNS.len());
}

#[test]
fn refusals_come_in_the_order_of_the_validation_list() {
    // Each step repairs the fault that was reported before; the codes are the list of the method table.
    let mut phone = Driver::new(config());
    phone.input(Input::Connectivity { online: false });
    assert_eq!(phone.code("login", None, Value::Null), "0002");
    assert_eq!(phone.code("dial", None, Value::Null), "0002");
    assert_eq!(phone.code("answer", None, Value::Null), "0002");
    assert_eq!(phone.code("associateE911Id", None, Value::Null), "0002");
    phone.input(Input::Connectivity { online: true });
    assert_eq!(phone.code("login", None, Value::Null), "2001");
    for bad in [json!({}), json!({"token": null}), json!({"token": ""}), json!({"token": 5})] {
        assert_eq!(phone.code("login", None, bad), "2002");
    }
    assert_eq!(phone.code("login", None, json!({"token": "t", "userId": 5})), "2000");
    assert_eq!(phone.code("login", None, json!({"token": "t", "e911Id": {}})), "2000");
    for (code, options) in [
        ("2201", Value::Null),
        ("2211", json!({"mediaType": "bad"})),
        ("2211", json!({"destination": "", "mediaType": "bad"})),
        ("2211", json!({"destination": 5})),
        ("2212", json!({"destination": " SIP:bob@x", "mediaType": "bad"})),
        ("2212", json!({"destination": "tel:+1425"})),
        ("2213", json!({"destination": "a@b@c", "mediaType": "bad"})),
        ("2213", json!({"destination": "@x"})),
        ("2213", json!({"destination": "x@"})),
        ("2213", json!({"destination": "..."})),
        ("2213", json!({"destination": "x".repeat(300)})),
        ("2221", json!({"destination": "bob", "mediaType": "Audio", "localMedia": 1})),
        ("2221", json!({"destination": "bob", "mediaType": "video"})),
        ("2221", json!({"destination": "bob", "mediaType": 1})),
        ("2231", json!({"destination": "bob", "localMedia": 1, "remoteMedia": 1})),
        ("2231", json!({"destination": "bob", "localMedia": "tone:x"})),
        ("2232", json!({"destination": "bob", "localMedia": "tone:440", "remoteMedia": "silence"})),
        ("2241", json!({"destination": "bob", "localMedia": "tone:440", "remoteMedia": "discard"})),
    ] {
        assert_eq!(phone.code("dial", None, options.clone()), code, "{options}");
    }
    for (code, options) in [
        ("3901", Value::Null),
        ("3911", json!({"mediaType": "bad"})),
        ("3912", json!({"destination": "sip:bob@x", "mediaType": "bad"})),
        ("3913", json!({"destination": "a@b@c", "mediaType": "bad"})),
        ("3921", json!({"destination": "bob", "mediaType": "Video", "localMedia": 1})),
        ("3921", json!({"destination": "bob", "mediaType": "video"})),
        ("3931", json!({"destination": "bob", "localMedia": 1, "remoteMedia": 1})),
        ("3932", json!({"destination": "bob", "remoteMedia": "silence"})),
        ("3941", json!({"destination": "bob"})),
    ] {
        assert_eq!(phone.code("addCall", None, options.clone()), code, "{options}");
    }
    for (code, options) in [
        ("2301", Value::Null),
        ("2311", json!({"localMedia": "x", "remoteMedia": "x"})),
        ("2312", json!({"remoteMedia": "x"})),
        ("2321", json!({})),
    ] {
        assert_eq!(phone.code("answer", None, options.clone()), code, "{options}");
    }
    refusals_about_conferences(&mut phone);
    assert_eq!(phone.code("associateE911Id", None, Value::Null), "2051");
    assert_eq!(phone.code("associateE911Id", None, json!({"e911Id": ""})), "2052");
    assert_eq!(phone.code("associateE911Id", None, json!({"e911Id": 5})), "2052");
    assert_eq!(phone.code("associateE911Id", None, json!({"e911Id": "x"})), "2053");
    phone.finish();
}

fn refusals_about_conferences(phone: &mut Driver) {
    let long = "x".repeat(300);
    for (method, code, options) in [
        ("startConference", "3101", Value::Null),
        ("startConference", "3111", json!({"mediaType": "Audio", "localMedia": 1})),
        ("startConference", "3111", json!({"mediaType": "video"})),
        ("startConference", "3121", json!({"localMedia": "tone:x", "remoteMedia": 1})),
        ("startConference", "3122", json!({"remoteMedia": "silence"})),
        ("startConference", "3131", json!({})),
        ("joinConference", "3201", Value::Null),
        ("joinConference", "3211", json!({"localMedia": "x", "remoteMedia": "x"})),
        ("joinConference", "3212", json!({"remoteMedia": "x"})),
        ("joinConference", "3221", json!({})),
        ("addParticipant", "3611", Value::Null),
        ("addParticipant", "3611", json!({"participant": ""})),
        ("addParticipant", "3611", json!({"participant": 5})),
        ("addParticipant", "3612", json!({"participant": " SIP:bob@x@y"})),
        ("addParticipant", "3613", json!({"participant": "a@b@c"})),
        ("addParticipant", "3613", json!({"participant": "@x"})),
        ("addParticipant", "3613", json!({"participant": "..."})),
        ("addParticipant", "3613", json!({"participant": long})),
        ("addParticipant", "3621", json!({"participant": "bob"})),
        ("removeParticipant", "3711", Value::Null),
        ("removeParticipant", "3711", json!({"participant": null})),
        ("removeParticipant", "3711", json!({"participant": ["bob"]})),
        ("removeParticipant", "3721", json!({"participant": "bob"})),
        ("rejectConference", "3301", json!({})),
        ("endConference", "3501", json!({})),
        ("getParticipants", "3401", json!({})),
    ] {
        assert_eq!(phone.code(method, None, options.clone()), code, "{method} {options}");
    }
}

#[test]
fn the_refusal_of_video_says_why() {
    let mut phone = Driver::ready();
    let refusal = phone.call("dial", None, json!({"destination": "bob", "mediaType": "video"}));
    let Err(Refusal::Sdk(error)) = refusal else { panic!("{refusal:?}") };
    assert!(error.additional_information.is_some_and(|text| text.contains("video")));
    assert_eq!((error.js_object.as_str(), error.js_method.as_str()), ("phone", "dial"));
    assert!(!error.error_message.is_empty() && !error.cause.is_empty() && !error.resolution.is_empty());
    phone.finish();
}

#[test]
fn handles_that_are_over_are_not_found() {
    let mut phone = Driver::ready();
    let handle = phone.talking("c1");
    phone.deliver(&[event("c1", "session-terminated", &[])]);
    for method in ["hangup", "mute", "unmute", "cancel", "reject", "answer", "getMediaType"] {
        for target in [handle, 0, u64::MAX] {
            assert_eq!(phone.call(method, Some(target), json!({})), Err(Refusal::NotFound), "{method}");
        }
    }
    let next = phone.dial();
    assert!(next > handle);
    assert_eq!(phone.code("mute", Some(next), json!({})), "2702");
    phone.finish();
}

#[test]
fn on_a_handle_cancel_reject_and_answer_need_the_pending_item() {
    let mut phone = Driver::ready();
    let first = phone.talking("c1");
    let second = phone.ringing("c2");
    assert_eq!(phone.code("answer", Some(first), json!({"action": "end"})), "2331");
    assert_eq!(phone.code("reject", Some(first), json!({})), "3002");
    assert_eq!(phone.code("cancel", Some(first), json!({})), "2902");
    assert_eq!(phone.code("mute", Some(first), json!({})), "ok");
    assert_eq!(phone.code("reject", Some(second), json!({})), "ok");
    phone.finish();
}

#[test]
fn unknown_methods_and_closed_phones_cause_no_event() {
    let mut phone = Driver::ready();
    phone.names();
    for method in ["startconference", "Dial", "", "Hold"] {
        assert_eq!(phone.call(method, None, json!({})), Err(Refusal::UnknownMethod(method.into())));
    }
    assert!(phone.names().is_empty());
    phone.input(Input::Close);
    assert_eq!(phone.call("getVersion", None, json!({})), Err(Refusal::Closed));
    phone.finish();
}

#[test]
fn getters_answer_at_once() {
    let mut phone = Driver::ready();
    assert_eq!(phone.call("getVersion", None, Value::Null), Ok(json!("9.9.9")));
    assert_eq!(phone.call("getCalls", None, Value::Null), Ok(json!([])));
    assert_eq!(phone.call("getMediaType", None, Value::Null), Ok(Value::Null));
    let handle = phone.talking("c1");
    let calls = json!([{"index": 1, "state": "connected", "breed": "call", "type": "Outgoing", "peer": "bob", "foreground": true}]);
    assert_eq!(phone.call("getCalls", None, Value::Null), Ok(calls));
    assert_eq!(phone.call("getMediaType", Some(handle), Value::Null), Ok(json!("audio")));
    assert_eq!(phone.call("isCallInProgress", None, Value::Null), Ok(json!(true)));
    phone.finish();
}
