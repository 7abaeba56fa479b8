//! Payloads of events: names and properties exactly as in `events.json` (phone-behaviour.md section 22, P-1 to P-6).
//!
//! Owns: the builders of [`Event`]. Lives on: the phone's actor. Must not import: anything but `io` and `call`.
//! `event`, `seq`, `timestamp` and the handle are added by the runtime.

use super::call::{Call, CallMedia, Flow};
use super::io::{ErrorObject, Event, ItemRef};
use ewebrtc_wire::{Kind, caller_info};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// An event about no item.
pub(super) fn plain(name: &'static str, tag: Option<String>) -> Event {
    Event { name, item: None, tag, data: Map::new(), age: Duration::ZERO }
}

/// An event about the session: `sessionId` where there is one.
pub(super) fn session(name: &'static str, session_id: Option<&str>, tag: Option<String>) -> Event {
    let mut event = plain(name, tag);
    if let Some(id) = session_id {
        event.data.insert("sessionId".into(), id.into());
    }
    event
}

fn fields(error: &ErrorObject) -> Map<String, Value> {
    match serde_json::to_value(error) {
        Ok(Value::Object(map)) => map,
        // Cannot happen: the error object is a struct of texts.
        Ok(_) | Err(_) => Map::new(),
    }
}

/// The event `error`.
pub(super) fn error(error: &ErrorObject, item: Option<ItemRef>, tag: Option<String>) -> Event {
    Event { name: "error", item, tag, data: fields(error), age: Duration::ZERO }
}

/// Our event `command:finished`.
pub(super) fn finished(tag: Option<String>, item: Option<ItemRef>, error: Option<&ErrorObject>) -> Event {
    let mut data = Map::new();
    if let Some(error) = error {
        data.insert("error".into(), Value::Object(fields(error)));
    }
    Event { name: "command:finished", item, tag, data, age: Duration::ZERO }
}

/// The name of an event by the item's own breed (P-9). Names of what only calls do, or what both do alike, stay.
fn by_breed(kind: Kind, name: &'static str) -> &'static str {
    match (kind, name) {
        (Kind::Conference, "call:incoming") => "conference:invitation-received",
        (Kind::Conference, "answering") => "conference:joining",
        (Kind::Conference, "call:connecting") => "conference:connecting",
        (Kind::Conference, "call:connected") => "conference:connected",
        (Kind::Conference, "call:held") => "conference:held",
        (Kind::Conference, "call:resumed") => "conference:resumed",
        (Kind::Conference, "call:canceled") => "conference:canceled",
        (Kind::Conference, "call:rejected") => "conference:invitation-rejected",
        (Kind::Conference, "call:disconnecting") => "conference:disconnecting",
        (Kind::Conference, "call:disconnected") => "conference:ended",
        (Kind::Call | Kind::Conference, name) => name,
    }
}

/// A party as an object that tells its parts (P-48): `uri`, and those of `getCallerInfo`.
fn party(uri: &str) -> Value {
    let mut parts = caller_info(uri).unwrap_or_default().to_json();
    parts["uri"] = uri.into();
    parts
}

/// The properties that every event about an item carries: index, callType, mediaType, codec, from, to, downgrade, and while
/// a change is running its operation and generator; of a conference of this phone the lists that are not empty.
/// `own` is the identity of this phone; unknown, its side is left out (P-2).
fn call_data(call: &Call, own: Option<&str>) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("index".into(), call.index.into());
    data.insert("callType".into(), kind_text(call.kind()).into());
    data.insert("mediaType".into(), call.media.as_str().into());
    data.insert("codec".into(), call.codec.clone());
    let (mine, theirs) = match call.flow {
        Flow::Outgoing => ("from", "to"),
        Flow::Incoming => ("to", "from"),
    };
    if let Some(own) = own {
        data.insert(mine.into(), own.into());
    }
    match call.breed.roster() {
        None => drop(data.insert(theirs.into(), call.peer.as_str().into())),
        Some(roster) => {
            for (name, list) in [("invitations", roster.invitations()), ("participants", roster.participants())] {
                if !list.is_empty() {
                    data.insert(name.into(), Value::Object(list));
                }
            }
        }
    }
    if call.downgrade {
        data.insert("downgrade".into(), true.into());
    }
    if let Some((operation, generator)) = call.change.as_ref().map(super::modification::Change::labels) {
        data.insert("generator".into(), generator.into());
        if let Some(operation) = operation {
            data.insert("operation".into(), operation.into());
        }
    }
    data
}

/// `call` or `conference`: breed of an item.
pub(super) fn kind_text(kind: Kind) -> &'static str {
    match kind {
        Kind::Call => "call",
        Kind::Conference => "conference",
    }
}

/// An event about an item with the full payload; `name` is that of a call, a conference has its own.
pub(super) fn call(name: &'static str, call: &Call, own: Option<&str>) -> Event {
    let name = by_breed(call.kind(), name);
    let mut data = call_data(call, own);
    if name == "conference:connecting" {
        let uri = if call.is_hosted() { own.unwrap_or_default() } else { &call.peer };
        data.insert("from".into(), party(uri));
    }
    Event { name, item: Some(call.item()), tag: call.cause.clone(), data, age: Duration::ZERO }
}

/// `dtmf:tone-sending`, `dtmf:tone-sent` and our `dtmf:received`: the call and the key. Both parties are mandatory here; an
/// unknown one is empty (P-2).
pub(super) fn tone(name: &'static str, item: &Call, own: Option<&str>, key: char, tag: Option<String>) -> Event {
    let mut event = Event { tag, ..call(name, item, own) };
    for party in ["from", "to"] {
        event.data.entry(party).or_insert_with(|| "".into());
    }
    event.data.insert("tone".into(), key.to_string().into());
    event
}

/// An event of a host about one party; our `participant` says whom.
pub(super) fn about_party(name: &'static str, item: &Call, own: Option<&str>, participant: Option<&str>) -> Event {
    let mut event = call(name, item, own);
    if let Some(key) = participant {
        event.data.insert("participant".into(), key.into());
    }
    event
}

/// `conference:invitation-sending`: index, invitee.
pub(super) fn invitation_sending(item: &Call, uri: &str) -> Event {
    let mut event = Event { item: Some(item.item()), ..plain("conference:invitation-sending", None) };
    event.data.insert("index".into(), item.index.into());
    event.data.insert("invitee".into(), party(uri));
    event
}

/// `notification` that a participant has left (P-30), or that an invitation has come to nothing.
pub(super) fn notification_of(item: &Call, own: Option<&str>, message: &str, key: &str) -> Event {
    let mut event = about_party("notification", item, own, Some(key));
    event.tag = None;
    event.data.insert("message".into(), message.into());
    event
}

/// `call:state-changed`.
pub(super) fn state_changed(item: &Call, own: Option<&str>, old: &str, new: &str, background: bool) -> Event {
    let mut event = call("call:state-changed", item, own);
    event.data.insert("oldState".into(), old.into());
    event.data.insert("newState".into(), new.into());
    if background {
        event.data.insert("background".into(), true.into());
    }
    event
}

/// `call:media-modification`.
pub(super) fn media_modification(item: &Call, own: Option<&str>, new: CallMedia) -> Event {
    let mut event = call("call:media-modification", item, own);
    event.data.insert("newMediaType".into(), new.as_str().into());
    event
}

/// `session:call-switched` (P-5): the peers of the call that left the foreground and of the one that came there.
pub(super) fn switched(from: (&str, u64), to: (&str, u64), tag: Option<String>) -> Event {
    let mut event = plain("session:call-switched", tag);
    let data = json!({"from": from.0, "to": to.0, "fromIndex": from.1, "toIndex": to.1});
    if let Value::Object(map) = data {
        event.data = map;
    }
    event
}

/// `dialing`: index, to, mediaType.
pub(super) fn dialing(item: &Call) -> Event {
    let mut event = Event {
        name: "dialing",
        item: Some(item.item()),
        tag: item.cause.clone(),
        data: Map::new(),
        age: Duration::ZERO,
    };
    event.data.insert("index".into(), item.index.into());
    event.data.insert("to".into(), item.peer.as_str().into());
    event.data.insert("mediaType".into(), item.media.as_str().into());
    event
}

/// `call:incoming` and `answering`, and what they are for conferences: index, from, mediaType, codec.
pub(super) fn invitation(name: &'static str, item: &Call) -> Event {
    let name = by_breed(item.kind(), name);
    let mut event =
        Event { name, item: Some(item.item()), tag: item.cause.clone(), data: Map::new(), age: Duration::ZERO };
    event.data.insert("index".into(), item.index.into());
    let from = if name == "conference:joining" { party(&item.peer) } else { item.peer.as_str().into() };
    event.data.insert("from".into(), from);
    event.data.insert("mediaType".into(), item.media.as_str().into());
    event.data.insert("codec".into(), item.codec.clone());
    event
}

/// `warning`: index, message and the data of the call (P-4).
pub(super) fn warning(item: &Call, own: Option<&str>, message: &str, tag: Option<String>) -> Event {
    let mut event = call("warning", item, own);
    event.tag = tag;
    event.data.remove("callType");
    for name in ["downgrade", "generator", "operation", "invitations", "participants"] {
        event.data.remove(name);
    }
    event.data.insert("message".into(), message.into());
    event
}

/// `notification` about an invitation that does not ring (section 17, cases 1 and 2).
pub(super) fn declined(from: &str, media_type: &str, kind: &str, message: &str) -> Event {
    let mut event = plain("notification", None);
    let data = json!({"from": from, "mediaType": media_type, "type": kind, "message": message});
    if let Value::Object(map) = data {
        event.data = map;
    }
    event
}

/// `notification` about a live call.
pub(super) fn notification(item: &Call, own: Option<&str>, message: &str) -> Event {
    let mut event = call("notification", item, own);
    event.data.insert("message".into(), message.into());
    event
}
