//! Every event that phones raise in real calls has the documented properties (`crates/wire/data/events.json`): those that are
//! always present are there, every one has its type, nothing is null, and the members of every event are right.
//!
//! Real phones, a real gateway in this process, real media. Each test also names, literally, the events it must see.

use ewebrtc::{
    AnswerOptions, CallSettings, DialOptions, Events, Gateway, GatewayConfig, LoginOptions, Phone, PhoneConfig,
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::Instant;

/// Longest wait for one event; on an idle machine the slowest takes a second.
const PATIENCE: Duration = Duration::from_secs(20);

/// A phone and everything it has raised.
struct Party {
    name: &'static str,
    phone: Phone,
    events: Events,
    seen: Vec<Map<String, Value>>,
}

impl Party {
    async fn new(gateway: &Gateway, name: &'static str, e911_id: Option<&str>) -> Self {
        let phone = Phone::new(PhoneConfig::new(gateway.url())).expect("a phone");
        let events = phone.events();
        let mut options = LoginOptions::new(gateway.dev_token(name).await.expect("a token").access_token);
        options.e911_id = e911_id.map(str::to_owned);
        let mut party = Self { name, phone, events, seen: Vec::new() };
        party.phone.login(options).await.expect("login");
        party.until("session:ready").await;
        party
    }

    /// Reads events up to the next one of this name.
    async fn until(&mut self, wanted: &str) -> Map<String, Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Ok(event) = tokio::time::timeout_at(deadline, self.events.next()).await else {
                panic!("{} saw no {wanted}; it saw {:?}", self.name, self.names());
            };
            let event = event.unwrap_or_else(|| panic!("{} closed before {wanted}: {:?}", self.name, self.names()));
            let Value::Object(members) = event.to_json() else { panic!("an event is an object") };
            self.seen.push(members.clone());
            if event.name() == wanted {
                return members;
            }
        }
    }

    fn names(&self) -> Vec<&str> {
        self.seen.iter().filter_map(|event| event["event"].as_str()).collect()
    }

    /// Closes the phone, reads the rest of its events and checks all of them; the names it has raised.
    async fn finish(mut self) -> BTreeSet<String> {
        self.phone.close();
        self.until("phone:closed").await;
        assert!(self.events.next().await.is_none(), "phone:closed is the last event");
        for (at, event) in self.seen.iter().enumerate() {
            assert_eq!(event["seq"].as_u64(), Some(at as u64 + 1), "numbers rise by one: {:?}", self.names());
            check(event);
        }
        self.names().into_iter().map(str::to_owned).collect()
    }
}

/// Compares an event with its row of the table.
fn check(event: &Map<String, Value>) {
    let name = event["event"].as_str().expect("every event says its name");
    let text = Value::Object(event.clone());
    assert!(ewebrtc_wire::is_event_name(name), "{name} is in no table");
    assert!(is_time(&event["timestamp"]), "timestamp of {text}");
    for (property, value) in event {
        assert!(!value.is_null(), "{property} is null in {text}");
    }
    if name.starts_with("call:") || matches!(name, "dialing" | "answering" | "media:established") {
        assert!(event["call"].as_u64().is_some_and(|handle| handle > 0 && handle < 1 << 53), "handle in {text}");
    }
    for property in ewebrtc_wire::event_info(name).map_or(&[][..], |info| info.properties) {
        let fits = match event.get(property.name) {
            None => property.optional,
            Some(value) => match property.kind {
                "Number" => value.is_u64(),
                "String" => value.is_string(),
                "Boolean" => value.is_boolean(),
                "Array" => value.as_array().is_some_and(|list| list.iter().all(is_codec)),
                "Object" => value.is_object(),
                "Date" => is_time(value),
                kind => panic!("the table has a type {kind}"),
            },
        };
        assert!(fits, "{} of {name} is not as documented ({property:?}): {text}", property.name);
    }
}

/// RFC 3339, milliseconds, UTC: `2026-01-31T12:00:00.000Z`.
fn is_time(value: &Value) -> bool {
    let Some(text) = value.as_str() else { return false };
    let pattern = "dddd-dd-ddTdd:dd:dd.dddZ";
    text.len() == pattern.len()
        && text.chars().zip(pattern.chars()).all(|(letter, wanted)| match wanted {
            'd' => letter.is_ascii_digit(),
            other => letter == other,
        })
}

/// One media section of the property `codec`.
fn is_codec(section: &Value) -> bool {
    matches!(section["type"].as_str(), Some("audio" | "video"))
        && section["rtp"].as_array().is_some_and(|list| {
            list.iter().all(|codec| {
                codec["codec"].is_string() && codec.get("payload").is_some() && codec.get("rate").is_some()
            })
        })
}

/// The events named must be among those seen.
fn assert_seen(who: &str, seen: &BTreeSet<String>, wanted: &[&str]) {
    let missing: Vec<_> = wanted.iter().filter(|name| !seen.contains(**name)).collect();
    assert!(missing.is_empty(), "{who} did not raise {missing:?}; it raised {seen:?}");
}

fn talk() -> CallSettings {
    CallSettings { local_media: Some("tone:440".into()), remote_media: None }
}

async fn gateway() -> Gateway {
    Gateway::start(GatewayConfig::default()).await.expect("a gateway on a free port")
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_an_answered_call_are_complete() {
    let gateway = gateway().await;
    let mut alice = Party::new(&gateway, "alice", None).await;
    let mut bob = Party::new(&gateway, "bob", None).await;

    let mut options = DialOptions::new("bob");
    options.media = talk();
    let call = alice.phone.dial(options).await.expect("dialled");
    let incoming = bob.until("call:incoming").await;
    assert_eq!(incoming["from"], "sip:alice@ewebrtc.local");
    bob.phone.answer(AnswerOptions { media: talk(), action: None }).await.expect("answered");
    let connected = alice.until("call:connected").await;
    assert_eq!((connected["mediaType"].as_str(), connected["call"].as_u64()), (Some("audio"), Some(call.handle())));
    assert_eq!(connected["from"], "sip:alice@ewebrtc.local", "the own side is known");
    alice.until("media:established").await;
    bob.until("media:established").await;

    alice.phone.mute().await.expect("muted");
    alice.phone.mute().await.expect("muting twice is a warning, no error");
    alice.until("warning").await;
    alice.phone.unmute().await.expect("unmuted");
    bob.phone.hangup().await.expect("hung up");
    alice.until("call:disconnected").await;
    alice.phone.logout().await.expect("logged out");

    let (alice, bob) = (alice.finish().await, bob.finish().await);
    let both = ["session:ready", "call:connecting", "call:connected", "call:state-changed", "media:established"];
    for (who, seen) in [("alice", &alice), ("bob", &bob)] {
        assert_seen(who, seen, &both);
        assert_seen(who, seen, &["call:disconnected", "phone:closed"]);
    }
    assert_seen("alice", &alice, &["dialing", "call:muted", "warning", "call:unmuted", "session:disconnected"]);
    assert_seen("bob", &bob, &["call:incoming", "answering", "call:disconnecting"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_calls_that_are_never_answered_are_complete() {
    let gateway = gateway().await;
    let mut alice = Party::new(&gateway, "alice", None).await;
    let mut bob = Party::new(&gateway, "bob", None).await;

    let call = alice.phone.dial(DialOptions::new("bob")).await.expect("dialled");
    bob.until("call:incoming").await;
    call.hangup().await.expect("withdrawn");
    bob.until("call:canceled").await;
    alice.until("call:canceled").await;

    alice.phone.dial(DialOptions::new("bob")).await.expect("dialled");
    bob.until("call:incoming").await;
    bob.phone.reject().await.expect("rejected");
    alice.until("call:rejected").await;

    alice.phone.dial(DialOptions::new("nobody")).await.expect("dialled");
    let end = alice.until("call:disconnected").await;
    assert_eq!(end["message"], "Not found");

    let refused = alice.phone.dial(DialOptions::new("")).await.expect_err("no destination");
    assert_eq!(refused.code(), Some("2211"));
    let error = alice.until("error").await;
    assert_eq!(error["ErrorCode"], "2211");

    assert_seen(
        "alice",
        &alice.finish().await,
        &["dialing", "call:canceled", "call:rejected", "call:disconnected", "error"],
    );
    assert_seen("bob", &bob.finish().await, &["call:incoming", "call:canceled", "call:rejected"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_about_the_session_are_complete() {
    let gateway = gateway().await;
    let mut party = Party::new(&gateway, "4255550100", Some("home")).await;
    party.phone.associate_e911_id("office").await.expect("a new address");
    party.until("address-updated").await;
    party.phone.set_connectivity(false);
    party.until("connectivity:off").await;
    party.phone.set_connectivity(true);
    party.until("connectivity:on").await;
    party.phone.logout().await.expect("logged out");
    let wanted = ["session:ready", "address-updated", "connectivity:off", "connectivity:on", "session:disconnected"];
    assert_seen("the phone", &party.finish().await, &wanted);
}
