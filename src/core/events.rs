//! Payloads of events: names and properties exactly as in `events.json` (phone-behaviour.md section 22, P-1 to P-6).
//!
//! Owns: the builders of [`Event`]. Lives on: the phone's actor. Must not import: anything but `io` and `call`.
//! `event`, `seq`, `timestamp` and the handle are added by the runtime.

use super::call::{Call, CallMedia, Flow};
use super::io::{ErrorObject, Event, ItemRef};
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

/// The properties that every event about a call carries: index, callType, mediaType, codec, from, to, downgrade, and while
/// a change is running its operation and generator.
/// `own` is the identity of this phone; unknown, its side is left out (P-2).
fn call_data(call: &Call, own: Option<&str>) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("index".into(), call.index.into());
    data.insert("callType".into(), "call".into());
    data.insert("mediaType".into(), call.media.as_str().into());
    data.insert("codec".into(), call.codec.clone());
    let (mine, theirs) = match call.flow {
        Flow::Outgoing => ("from", "to"),
        Flow::Incoming => ("to", "from"),
    };
    if let Some(own) = own {
        data.insert(mine.into(), own.into());
    }
    data.insert(theirs.into(), call.peer.as_str().into());
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

/// An event about a call with the full payload.
pub(super) fn call(name: &'static str, call: &Call, own: Option<&str>) -> Event {
    Event { name, item: Some(call.item()), tag: call.cause.clone(), data: call_data(call, own), age: Duration::ZERO }
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

/// `call:incoming` and `answering`: index, from, mediaType, codec.
pub(super) fn invitation(name: &'static str, item: &Call) -> Event {
    let mut event =
        Event { name, item: Some(item.item()), tag: item.cause.clone(), data: Map::new(), age: Duration::ZERO };
    event.data.insert("index".into(), item.index.into());
    event.data.insert("from".into(), item.peer.as_str().into());
    event.data.insert("mediaType".into(), item.media.as_str().into());
    event.data.insert("codec".into(), item.codec.clone());
    event
}

/// `warning`: index, message and the data of the call (P-4).
pub(super) fn warning(item: &Call, own: Option<&str>, message: &str, tag: Option<String>) -> Event {
    let mut event = call("warning", item, own);
    event.tag = tag;
    event.data.remove("callType");
    for name in ["downgrade", "generator", "operation"] {
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
