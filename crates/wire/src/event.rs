//! The event channel's messages (rest-protocol.md section 3.1, 3.2).
//!
//! Owns: [`EventObject`] and its JSON. Lives on: any thread. Must not import: anything but serde and `rest`.

use crate::rest::{Kind, WireError};
use serde_json::{Map, Value, json};

/// Texts of `reason` (D-12). The first three are keywords that the phone compares; the others are shown to the user.
pub mod reason {
    /// A modification succeeded.
    pub const SUCCESS: &str = "success";
    /// Refused by the callee.
    pub const USER_BUSY: &str = "User busy";
    /// Withdrawn by the caller, or answered on another device.
    pub const CALL_CANCELED: &str = "Call canceled";
    /// The other party hung up.
    pub const CALL_TERMINATED: &str = "Call terminated";
    /// Nobody answered in time.
    pub const NO_ANSWER: &str = "No answer";
    /// No such user here.
    pub const NOT_FOUND: &str = "Not found";
    /// The user has no session.
    pub const NOT_AVAILABLE: &str = "Not available";
    /// The session of the other party ended.
    pub const SESSION_ENDED: &str = "Session ended";
    /// The phone of the other party does not ask for events any more.
    pub const PHONE_LOST: &str = "Phone lost";
    /// A move: the user has no other session (D-30).
    pub const NO_OTHER_SESSION: &str = "No other session";
    /// A transfer that the gateway or one of its parties does not allow.
    pub const FORBIDDEN: &str = "Forbidden";
    /// The gateway's own media of the item, for a ringback tone or a conference, could not be had or is lost.
    pub const MEDIA_FAILED: &str = "Media failed";
    /// Somebody is invited who is in the conference (D-34).
    pub const ALREADY_IN: &str = "Already in the conference";
    /// A participant has left the conference (D-31).
    pub const LEFT: &str = "Left the conference";
    /// The host has removed a participant.
    pub const REMOVED: &str = "Removed from the conference";
    /// The host has ended the conference, or left it (D-33).
    pub const CONFERENCE_ENDED: &str = "Conference ended";
    /// A transfer of a call that is being modified (D-29 instead of the 409 of D-14).
    pub const MODIFICATION_RUNNING: &str = "Modification in progress";
}

/// State of an event (section 3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventState {
    /// `invitation-received`
    InvitationReceived,
    /// `session-open`
    SessionOpen,
    /// `session-modified`
    SessionModified,
    /// `session-terminated`
    SessionTerminated,
    /// `mod-received`
    ModReceived,
    /// `mod-terminated`
    ModTerminated,
    /// `move-terminated`
    MoveTerminated,
    /// `transfer-initiated`
    TransferInitiated,
    /// `transfer-terminated`
    TransferTerminated,
    /// Anything else; the phone ignores it.
    Other(String),
}

impl EventState {
    /// The text on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            EventState::InvitationReceived => "invitation-received",
            EventState::SessionOpen => "session-open",
            EventState::SessionModified => "session-modified",
            EventState::SessionTerminated => "session-terminated",
            EventState::ModReceived => "mod-received",
            EventState::ModTerminated => "mod-terminated",
            EventState::MoveTerminated => "move-terminated",
            EventState::TransferInitiated => "transfer-initiated",
            EventState::TransferTerminated => "transfer-terminated",
            EventState::Other(text) => text,
        }
    }

    /// Reads the text on the wire.
    pub fn parse(text: &str) -> Self {
        match text {
            "invitation-received" => EventState::InvitationReceived,
            "session-open" => EventState::SessionOpen,
            "session-modified" => EventState::SessionModified,
            "session-terminated" => EventState::SessionTerminated,
            "mod-received" => EventState::ModReceived,
            "mod-terminated" => EventState::ModTerminated,
            "move-terminated" => EventState::MoveTerminated,
            "transfer-initiated" => EventState::TransferInitiated,
            "transfer-terminated" => EventState::TransferTerminated,
            other => EventState::Other(other.into()),
        }
    }
}

/// One event about one leg (section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventObject {
    /// `calls` is a call, anything else a conference.
    pub kind: Kind,
    /// Path of the resource in the receiving session.
    pub resource_url: String,
    /// The other party.
    pub from: Option<String>,
    /// What happened.
    pub state: EventState,
    /// A description.
    pub sdp: Option<String>,
    /// Session-open only: the description is early media (D-8).
    pub provisional_sdp: bool,
    /// Id of a modification or invitation.
    pub mod_id: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// The other call of a transfer.
    pub transfer_to_call_id: Option<String>,
}

impl EventObject {
    /// An event with only the mandatory members.
    pub fn new(kind: Kind, resource_url: impl Into<String>, state: EventState) -> Self {
        Self {
            kind,
            resource_url: resource_url.into(),
            from: None,
            state,
            sdp: None,
            provisional_sdp: false,
            mod_id: None,
            reason: None,
            transfer_to_call_id: None,
        }
    }

    /// Members without a value are left out, never `null` (section 3.1).
    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.insert("type".into(), self.kind.segment().into());
        map.insert("resourceURL".into(), self.resource_url.as_str().into());
        map.insert("state".into(), self.state.as_str().into());
        let optional = [
            ("from", &self.from),
            ("sdp", &self.sdp),
            ("modId", &self.mod_id),
            ("reason", &self.reason),
            ("transferToCallId", &self.transfer_to_call_id),
        ];
        for (name, value) in optional {
            if let Some(text) = value {
                map.insert(name.into(), text.as_str().into());
            }
        }
        if self.provisional_sdp {
            map.insert("provisionalSDP".into(), true.into());
        }
        Value::Object(map)
    }

    /// Reads one event object; an error when `resourceURL` or `state` is missing.
    pub fn from_value(value: &Value) -> Result<Self, WireError> {
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let missing = |name: &str| WireError(format!("event without {name}"));
        let truthy = match value.get("provisionalSDP") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(b)) => *b,
            Some(Value::String(s)) => !s.is_empty(),
            Some(Value::Number(n)) => n.as_f64() != Some(0.0),
            Some(Value::Array(_) | Value::Object(_)) => true,
        };
        Ok(Self {
            kind: if text("type").as_deref() == Some("calls") { Kind::Call } else { Kind::Conference },
            resource_url: text("resourceURL").ok_or_else(|| missing("resourceURL"))?,
            from: text("from"),
            state: EventState::parse(&text("state").ok_or_else(|| missing("state"))?),
            sdp: text("sdp"),
            provisional_sdp: truthy,
            mod_id: text("modId"),
            reason: text("reason"),
            transfer_to_call_id: text("transferToCallId"),
        })
    }
}

/// An event as read from the channel, with its number where the gateway numbers events (an extension).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedEvent {
    /// Number in the session, rising by one; `None` from a gateway that does not number.
    pub seq: Option<u64>,
    /// The event.
    pub event: EventObject,
}

/// Most events read from one answer; more is refused, since no gateway keeps so many for one session.
const MAX_EVENTS: usize = 4096;

fn encode(elements: Vec<Value>) -> String {
    json!({"events": {"eventList": elements}}).to_string()
}

/// The body of a poll answer.
pub fn encode_events(events: &[EventObject]) -> String {
    encode(events.iter().map(|e| json!({"eventObject": e.to_value()})).collect())
}

/// The body of a poll answer for a client that asked for numbers (`?after=N`).
pub fn encode_numbered_events(events: &[(u64, EventObject)]) -> String {
    encode(events.iter().map(|(seq, e)| json!({"seq": seq, "eventObject": e.to_value()})).collect())
}

/// What a client says over a WebSocket that has every numbered event up to this number.
pub fn encode_acknowledgement(after: u64) -> String {
    json!({"after": after}).to_string()
}

/// Reads an acknowledgement; `None`: the text is none.
pub fn decode_acknowledgement(text: &str) -> Option<u64> {
    serde_json::from_str::<Value>(text).ok()?.get("after")?.as_u64()
}

/// Reads the body of a poll answer or a WebSocket frame. A body without `events` is empty; the list may be an array or
/// an object with numeric keys; elements without a usable `eventObject` are skipped (section 3.1).
pub fn decode_events(body: &[u8]) -> Result<Vec<NumberedEvent>, WireError> {
    let value: Value = serde_json::from_slice(body).map_err(|e| WireError(format!("event list: {e}")))?;
    let Some(list) = value.get("events").and_then(|e| e.get("eventList")) else { return Ok(Vec::new()) };
    let elements: Vec<&Value> = match list {
        Value::Array(items) => items.iter().collect(),
        Value::Object(map) => {
            let mut keyed: Vec<(u64, &Value)> =
                map.iter().filter_map(|(k, v)| k.parse().ok().map(|n| (n, v))).collect();
            keyed.sort_by_key(|(n, _)| *n);
            keyed.into_iter().map(|(_, v)| v).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    if elements.len() > MAX_EVENTS {
        return Err(WireError(format!("{} events in one answer", elements.len())));
    }
    Ok(elements
        .into_iter()
        .filter_map(|element| {
            let event = EventObject::from_value(element.get("eventObject")?).ok()?;
            Some(NumberedEvent { seq: element.get("seq").and_then(Value::as_u64), event })
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> EventObject {
        let mut e = EventObject::new(Kind::Call, "/RTC/v1/sessions/s/calls/c", EventState::SessionTerminated);
        e.from = Some("sip:bob@example.com".into());
        e.reason = Some(reason::USER_BUSY.into());
        e
    }

    #[test]
    fn events_read_back() {
        let body = encode_events(&[sample()]);
        assert!(!body.contains("null"));
        let read = decode_events(body.as_bytes()).expect("reads");
        assert_eq!(read, vec![NumberedEvent { seq: None, event: sample() }]);
        let numbered = encode_numbered_events(&[(7, sample())]);
        assert_eq!(decode_events(numbered.as_bytes()).expect("reads")[0].seq, Some(7));
    }

    #[test]
    fn acknowledgements_read_back() {
        for n in [0, 7, u64::MAX] {
            assert_eq!(decode_acknowledgement(&encode_acknowledgement(n)), Some(n));
        }
        for bad in ["", "x", "7", "{}", "[7]", r#"{"after":-1}"#, r#"{"after":"7"}"#, r#"{"after":1.5}"#] {
            assert_eq!(decode_acknowledgement(bad), None, "{bad}");
        }
    }

    #[test]
    fn reading_is_tolerant() {
        let keyed = format!(
            r#"{{"events":{{"eventList":{{"1":{{"eventObject":{0}}},"0":{{"eventObject":null}}}}}}}}"#,
            sample().to_value()
        );
        assert_eq!(decode_events(keyed.as_bytes()).expect("reads").len(), 1);
        assert!(decode_events(b"{}").expect("reads").is_empty());
        assert!(
            decode_events(br#"{"events":{"eventList":[{"eventObject":{"state":"x"}}]}}"#).expect("reads").is_empty()
        );
        assert!(decode_events(b"").is_err());
        assert!(decode_events(b"nonsense").is_err());
    }
}
