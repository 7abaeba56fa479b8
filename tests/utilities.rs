//! The utilities: numbers and addresses by method and by name, their errors, the report of what works here, the lists of errors.
//!
//! Uses the library's public interface only. The numbers' rules themselves are tested in `crates/wire`.

use ewebrtc::{Capabilities, Error, Event, Events, Gateway, GatewayConfig, Phone, PhoneConfig, Support};
use serde_json::{Value, json};
use std::time::Duration;

const PAGE: &str = include_str!("../crates/wire/data/numbers.md");

/// Methods, the names of their arguments, and the codes of their errors.
const UTILITIES: [(&str, &str, &str); 3] = [
    ("cleanPhoneNumber", "number", "3810"),
    ("formatNumber", "number", "3820"),
    ("getCallerInfo", "callerUri", "3830"),
];

/// A phone that never asks its gateway for anything.
fn phone() -> Phone {
    Phone::new(PhoneConfig::new("http://127.0.0.1:9")).expect("a phone")
}

async fn next(events: &mut Events) -> Event {
    tokio::time::timeout(Duration::from_secs(20), events.next()).await.expect("an event in time").expect("an event")
}

/// Rows of the table of section 9 about arguments that are no strings: the argument (`None`: absent), and for each method the
/// code of its error, if it has one. Functions cannot be written in JSON.
fn odd_arguments() -> Vec<(Option<Value>, [Option<String>; 3])> {
    let head = "| input | cleanPhoneNumber | event | formatNumber | event | getCallerInfo | event |";
    let rows = PAGE.split_once(head).expect("the table").1.lines().skip(2).take_while(|line| line.starts_with('|'));
    let code = |cell: &str| Some(cell.strip_prefix("error(")?.strip_suffix(')')?.to_owned());
    rows.map(|line| line.split('|').map(|cell| cell.trim().trim_matches('`')).collect::<Vec<_>>())
        .filter(|cells| cells[1] != "function")
        .map(|cells| {
            let argument = (cells[1] != "undefined").then(|| serde_json::from_str(cells[1]).expect("JSON"));
            (argument, [code(cells[3]), code(cells[5]), code(cells[7])])
        })
        .collect()
}

#[tokio::test]
async fn arguments_that_are_no_texts_are_refused_as_the_table_says() {
    let phone = phone();
    let mut events = phone.events();
    let rows = odd_arguments();
    assert_eq!(rows.len(), 8);
    for (argument, codes) in rows {
        for ((method, name, own_code), observed) in UTILITIES.into_iter().zip(codes) {
            let options = argument.as_ref().map_or_else(|| json!({}), |argument| json!({name: argument}));
            // Section 12: null is no caller, like undefined.
            let no_caller = method == "getCallerInfo" && argument.as_ref().is_none_or(Value::is_null);
            let result = phone.invoke_async(method, options, Some("odd")).await;
            if no_caller {
                assert_eq!(result, Ok(Value::Null));
                assert_eq!(next(&mut events).await.name(), "command:finished");
                continue;
            }
            assert_eq!(observed.as_deref(), Some(own_code), "{method}: {argument:?}");
            let error = result.expect_err("refused");
            assert_eq!(error.code(), Some(own_code));
            let event = next(&mut events).await;
            assert_eq!((event.name(), event.tag(), event.text("ErrorCode")), ("error", Some("odd"), Some(own_code)));
            assert_eq!(event.text("JSMethod"), Some(method));
        }
    }
    // Without any options, as without the argument.
    assert_eq!(phone.invoke("getCallerInfo", Value::Null, None), Ok(Value::Null));
    assert_eq!(phone.invoke("formatNumber", Value::Null, None).expect_err("refused").code(), Some("3820"));
    phone.close();
}

#[tokio::test]
async fn numbers_are_answered_by_method_and_by_name() {
    let phone = phone();
    let mut events = phone.events();
    assert_eq!(phone.clean_phone_number("1 (800) CALFEDX"), Ok("18002253339".into()));
    assert_eq!(phone.format_number("425 123 4567"), Ok(Some("+1 (425) 123-4567".into())));
    assert_eq!(phone.format_number("#"), Ok(None));
    let info = phone.caller_info("sip:+1111@icmn.api.att.com").expect("an answer");
    assert_eq!((info.protocol.as_deref(), info.caller_id.as_str()), (Some("sip"), "+1111"));
    assert_eq!(info.domain, "icmn.api.att.com");

    assert_eq!(phone.invoke("cleanPhoneNumber", json!({"number": "9-1-1"}), None), Ok("911".into()));
    assert_eq!(phone.invoke("formatNumber", json!({"number": "#"}), None), Ok(Value::Null));
    let caller = phone.invoke("getCallerInfo", json!({"callerUri": "tel:+1555;user=phone"}), Some("who"));
    let parts = json!({"protocol": "tel", "callerId": "+1555", "domain": "", "port": "", "user": "phone"});
    assert_eq!(caller, Ok(parts));
    // Nothing was published but what the tag asked for.
    let event = next(&mut events).await;
    assert_eq!((event.name(), event.tag(), event.seq()), ("command:finished", Some("who"), 1));
    assert_eq!(event.get("error"), None);
    let number = phone.invoke_async("formatNumber", json!({"number": "9234567890"}), Some("shown")).await;
    assert_eq!(number, Ok("+1 (923) 456-7890".into()));
    let event = next(&mut events).await;
    assert_eq!((event.name(), event.tag(), event.seq()), ("command:finished", Some("shown"), 2));
    phone.close();
}

#[tokio::test]
async fn texts_without_end_are_refused_with_the_methods_code() {
    let phone = phone();
    let mut events = phone.events();
    let long = "9".repeat(1_000_000);
    let refusals = [
        phone.clean_phone_number(&long).map(|_| ()),
        phone.format_number(&long).map(|_| ()),
        phone.caller_info(&long).map(|_| ()),
    ];
    for (refusal, (_, _, code)) in refusals.into_iter().zip(UTILITIES) {
        let Err(Error::Phone(error)) = refusal else { panic!("not refused: {refusal:?}") };
        assert_eq!(error.error_code, code);
        assert_eq!(error.additional_information.as_deref(), Some("the text is longer than 4096 bytes"));
        assert_eq!(next(&mut events).await.text("ErrorCode"), Some(code));
    }
    phone.close();
}

#[tokio::test]
async fn a_phone_that_is_closed_still_cleans_numbers() {
    let phone = phone();
    phone.close();
    phone.closed().await;
    assert_eq!(phone.clean_phone_number("9-1-1"), Ok("911".into()));
    assert_eq!(phone.clean_phone_number(&"9".repeat(5_000)).expect_err("refused").code(), Some("3810"));
    for tagged in [
        phone.invoke("cleanPhoneNumber", json!({"number": "911"}), Some("late")),
        phone.invoke_async("cleanPhoneNumber", json!({"number": "911"}), Some("late")).await,
    ] {
        assert_eq!(tagged, Err(Error::Closed), "there is nobody to publish the end");
    }
}

#[tokio::test]
async fn the_report_says_what_works_here() {
    let report = Capabilities::now();
    assert_eq!(report.version, ewebrtc::VERSION);
    assert_eq!(report.audio_codecs, ["opus", "PCMU", "PCMA"]);
    assert_eq!(report.network_connected(), ewebrtc::is_network_connected());
    let certified = Capabilities::supported_platforms().contains(&(report.os, report.arch));
    assert_eq!(report.support == Support::Supported, certified);
    let json = report.to_json();
    assert_eq!(json["target"], json!({"os": std::env::consts::OS, "arch": std::env::consts::ARCH}));
    assert_eq!(json["hasWebRTC"], report.support.to_string());
    assert_eq!(json["isNetworkConnected"], report.network_connected());
    assert_eq!(
        json["iceServers"],
        json!(["stun:", "turn:?transport=udp", "turn:?transport=tcp", "turns:?transport=tcp"])
    );
    assert_eq!(json["features"], json!(["gateway"]));
    // What is named can be used.
    for (sources, sinks) in [("silence", "discard"), ("tone:440", "pcm"), ("pcm", "discard")] {
        let word = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
        assert!(report.sources.contains(&word(sources).as_str()) && report.sinks.contains(&word(sinks).as_str()));
        let mut config = PhoneConfig::new("http://127.0.0.1:9");
        (config.local_media, config.remote_media) = (sources.into(), sinks.into());
        Phone::new(config).expect("a phone").close();
    }
    let gateway = Gateway::start(GatewayConfig::development()).await.expect("the feature is there");
    gateway.stop().await;
}

#[test]
fn the_errors_of_phone_and_gateway_can_be_listed() {
    let page: Value = serde_json::from_str(include_str!("../crates/wire/data/errors.json")).expect("JSON");
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let rows = |name: &str| page[name].as_array().expect("a list").clone();

    let sdk = rows("sdk_errors");
    assert_eq!((ewebrtc::sdk_errors().len(), sdk.len()), (158, 158));
    for (ours, row) in ewebrtc::sdk_errors().iter().zip(&sdk) {
        let fields = ["code", "js_object", "js_method", "message", "cause", "resolution"].map(|name| text(row, name));
        assert_eq!([ours.code, ours.js_object, ours.js_method, ours.message, ours.cause, ours.resolution], fields);
    }
    let api = rows("api_errors");
    assert_eq!((ewebrtc::api_errors().len(), api.len()), (31, 31));
    for (ours, row) in ewebrtc::api_errors().iter().zip(&api) {
        let fields =
            ["code", "js_object", "js_method", "message", "message_id", "resolution"].map(|name| text(row, name));
        assert_eq!([ours.code, ours.js_object, ours.js_method, ours.message, ours.message_id, ours.resolution], fields);
        assert_eq!(ours.http_status.map(u64::from), row["http_status"].as_u64(), "{}", ours.code);
    }
}
