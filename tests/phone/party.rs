//! A phone under test, with every event it has raised.
//!
//! Owns: [`Party`]. Every event is checked against the event table when it is seen. Must not import: other tests.

use ewebrtc::{
    AnswerOptions, Call, DialOptions, Event, Events, Gateway, GatewayConfig, LoginOptions, Phone, PhoneConfig,
};
use std::time::Duration;
use tokio::time::timeout;

/// Longest wait for one event; far beyond what a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway in development mode on a free port.
pub async fn gateway() -> Gateway {
    Gateway::start(GatewayConfig::development()).await.expect("the gateway starts")
}

/// Sets up alice → bob, answers, and waits until both hear each other.
pub async fn connected(alice: &mut Party, bob: &mut Party) -> Call {
    let call = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    bob.until("call:incoming").await;
    bob.phone.answer(AnswerOptions::default()).await.expect("answer");
    alice.until("media:established").await;
    bob.until("media:established").await;
    call
}

/// A phone, and what its owner sees of it.
pub struct Party {
    /// The phone.
    pub phone: Phone,
    events: Events,
    seen: Vec<Event>,
}

impl Party {
    /// A phone that is not logged in.
    pub fn new(config: PhoneConfig) -> Self {
        let phone = Phone::new(config).expect("a phone");
        let events = phone.events();
        Self { phone, events, seen: Vec::new() }
    }

    /// A phone of this user, logged in.
    pub async fn login(gateway: &Gateway, user: &str) -> Self {
        Self::login_with(gateway, user, |_| {}).await
    }

    /// As [`Party::login`] with settings of its own.
    pub async fn login_with(gateway: &Gateway, user: &str, set: impl FnOnce(&mut PhoneConfig)) -> Self {
        let mut config = PhoneConfig::new(gateway.url());
        set(&mut config);
        let mut party = Self::new(config);
        let token = gateway.dev_token(user).await.expect("a token").access_token;
        party.phone.login(LoginOptions::new(token)).await.expect("login");
        party.until("session:ready").await;
        party
    }

    /// Waits for the next event of this name and returns it; those before it are kept in [`Party::names`].
    ///
    /// # Panics
    /// When it does not come in time, with what came instead.
    pub async fn until(&mut self, name: &str) -> Event {
        self.until_within(name, PATIENCE).await
    }

    /// As [`Party::until`] with another deadline.
    pub async fn until_within(&mut self, name: &str, patience: Duration) -> Event {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let next = tokio::time::timeout_at(deadline, self.events.next()).await;
            let Ok(Some(event)) = next else {
                panic!("no {name} within {patience:?}; seen: {:#?}", self.names());
            };
            check(&event);
            if let Some(last) = self.seen.last() {
                assert_eq!(event.seq(), last.seq() + 1, "a hole in the event numbers");
            }
            self.seen.push(event.clone());
            if event.name() == name {
                return event;
            }
        }
    }

    /// Takes what has come so far without waiting for more than a moment of silence.
    pub async fn settle(&mut self, silence: Duration) {
        while let Ok(Some(event)) = timeout(silence, self.events.next()).await {
            check(&event);
            self.seen.push(event);
        }
    }

    /// Forgets what was seen.
    pub fn forget(&mut self) {
        self.seen.clear();
    }

    /// The events seen, in short: a state change as `sc old>new`, others by name; `command:finished` is left out.
    pub fn names(&self) -> Vec<String> {
        self.seen.iter().filter(|e| e.name() != "command:finished").map(short).collect()
    }

    /// The events seen.
    pub fn seen(&self) -> &[Event] {
        &self.seen
    }

    /// Logs out and closes, and checks that nothing is left.
    pub async fn leave(mut self) {
        self.phone.logout().await.expect("logout");
        self.until("session:disconnected").await;
        self.phone.close();
        self.until("phone:closed").await;
        timeout(PATIENCE, self.phone.closed()).await.expect("the phone closes");
    }
}

fn short(event: &Event) -> String {
    match (event.name(), event.text("oldState"), event.text("newState")) {
        ("call:state-changed", Some(old), Some(new)) => format!("sc {old}>{new}"),
        (name, _, _) => name.to_owned(),
    }
}

/// Every event has its documented properties, with the documented kinds, and nothing undocumented beside our own.
fn check(event: &Event) {
    let json = event.to_json();
    let name = event.name();
    assert_eq!(json["event"], name);
    let stamp = event.timestamp();
    assert!(stamp.len() == 24 && stamp.ends_with('Z') && stamp.contains('T'), "{name}: timestamp {stamp}");
    let Some(info) = ewebrtc_wire::event_info(name) else {
        assert!(ewebrtc_wire::OWN_EVENTS.contains(&name), "{name} is no known event");
        return;
    };
    for property in info.properties {
        match json.get(property.name) {
            // What is optional in general is known in every event about a call: who, to whom, and with what.
            None => {
                let known = event.call().is_some() && ["from", "to", "codec", "mediaType"].contains(&property.name);
                assert!(property.optional && !known, "{name} lacks {}: {json}", property.name);
            }
            Some(value) => {
                // One event has the codecs as a text in the text; they are a list everywhere (P-47).
                let fits = match property.kind {
                    _ if property.name == "codec" => value.is_array(),
                    "Number" => value.is_u64(),
                    "String" | "Date" => value.is_string(),
                    "Array" => value.is_array(),
                    "Boolean" => value.is_boolean(),
                    _ => true,
                };
                assert!(fits, "{name}: {} is no {}: {value}", property.name, property.kind);
            }
        }
    }
    let every = ["event", "seq", "timestamp", "call", "conference", "tag"];
    for member in json.as_object().expect("an object").keys() {
        let documented = info.properties.iter().any(|p| p.name == member) || every.contains(&member.as_str());
        assert!(documented, "{name}: {member} is not documented");
    }
}
