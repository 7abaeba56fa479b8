//! Events and their listener.
//!
//! Owns: [`Event`], [`EventListener`]. Lives on: the dispatcher thread of a phone. Must not import: `runtime`, `core`,
//! `signal`.

use super::error::PhoneError;
use crate::api;

/// A fact that has happened.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Event {
    /// Name, e.g. `call:connected`.
    pub name: String,
    /// Number within the phone, rising by one without holes, from 1.
    pub seq: u64,
    /// RFC 3339 with milliseconds, UTC.
    pub timestamp: String,
    /// Handle of the call it is about.
    pub call: Option<u64>,
    /// Handle of the conference it is about.
    pub conference: Option<u64>,
    /// Tag of the command that caused it.
    pub tag: Option<String>,
    /// All of it and its own properties, as one JSON object.
    pub json: String,
}

impl From<&api::Event> for Event {
    fn from(event: &api::Event) -> Self {
        let json = event.to_json();
        Self {
            name: event.name().to_owned(),
            seq: event.seq(),
            timestamp: event.timestamp().to_owned(),
            call: event.call(),
            conference: event.conference(),
            tag: event.tag().map(str::to_owned),
            json: json.to_string(),
        }
    }
}

/// Receives the events of a phone, one at a time and in order, on the phone's own thread. It should return within
/// milliseconds, since the next event waits for it. Deliberately not asynchronous: see the rules in `mod.rs`.
#[uniffi::export(foreign)]
pub trait EventListener: Send + Sync {
    /// Called for every event; `phone:closed` is the last one.
    fn on_event(&self, event: Event) -> Result<(), PhoneError>;
}
