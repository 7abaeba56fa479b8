//! What is known of a phone's calls and conferences outside of its core: the state of those that live, and how the latest have
//! ended.
//!
//! Owns: [`States`], [`End`]. Lives on: the actor writes, before it publishes; any thread reads. Must not import: `api`, `ffi`.

use super::dispatcher::PublishedEvent;
use super::legs::lock;
use crate::core::io::{ErrorObject, Handle, ItemRef};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

/// Items that have ended and are remembered, the latest of a phone: who learns by a refusal that a call is over asks at once how.
const ENDED: usize = 64;

/// How an item has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// The event that ended it.
    pub event: Arc<PublishedEvent>,
    /// What its last event `error` said.
    pub error: Option<ErrorObject>,
}

#[derive(Default)]
struct Known {
    live: HashMap<Handle, String>,
    /// What the last event `error` of a live item said.
    errors: HashMap<Handle, ErrorObject>,
    /// By the time of their end, the latest last.
    ended: VecDeque<(Handle, End)>,
}

/// The items of one phone, as its events say, those included that are still on their way to handlers. An item lives, or its end
/// is known: there is no moment between the two. Cloning shares them.
#[derive(Clone, Default)]
pub struct States(Arc<Mutex<Known>>);

impl States {
    /// State of a live item; `None` when it has ended, or never was.
    pub fn state(&self, item: Handle) -> Option<String> {
        lock(&self.0).live.get(&item).cloned()
    }

    /// How an item has ended; `None` while it lives, for one that never was, and when 64 others have ended since.
    pub fn end(&self, item: Handle) -> Option<End> {
        let known = lock(&self.0);
        known.ended.iter().rev().find(|(handle, _)| *handle == item).map(|(_, end)| end.clone())
    }

    /// An item has its handle before its first event.
    pub(super) fn created(&self, item: Handle) {
        lock(&self.0).live.entry(item).or_insert_with(|| "created".into());
    }

    /// Keeps what an event says, before anybody can ask.
    pub(super) fn note(&self, event: &PublishedEvent) {
        let Some(ItemRef::Call(item) | ItemRef::Conference(item)) = event.item else { return };
        let mut known = lock(&self.0);
        if event.ends_item() {
            known.live.remove(&item);
            let end = End { event: Arc::new(event.clone()), error: known.errors.remove(&item) };
            if known.ended.len() == ENDED {
                known.ended.pop_front();
            }
            known.ended.push_back((item, end));
            return;
        }
        match event.data.get("newState").and_then(Value::as_str) {
            // The event of the end follows within the same turn of the core.
            Some("disconnected" | "canceled" | "rejected") => {}
            Some(state) => {
                known.live.insert(item, state.to_owned());
            }
            // The first events of an item come before its first change of state; later ones may follow its end.
            None if matches!(event.name, "dialing" | "call:incoming" | "conference:invitation-received") => {
                known.live.insert(item, "created".into());
            }
            None if event.name == "error" && known.live.contains_key(&item) => {
                if let Ok(error) = serde_json::from_value(Value::Object(event.data.clone())) {
                    known.errors.insert(item, error);
                }
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn note(states: &States, name: &'static str, item: ItemRef, data: &Value) {
        let data = data.as_object().expect("an object").clone();
        states.note(&PublishedEvent { name, seq: 1, timestamp: String::new(), item: Some(item), tag: None, data });
    }

    #[test]
    fn an_item_lives_until_its_end_is_known() {
        let (states, item) = (States::default(), ItemRef::Call(7));
        assert_eq!((states.state(7), states.end(7)), (None, None));
        note(&states, "dialing", item, &json!({}));
        note(&states, "call:state-changed", item, &json!({"newState": "connecting"}));
        note(
            &states,
            "error",
            item,
            &json!({"ErrorCode": "0020", "JSObject": "Phone", "JSMethod": "dial",
            "ErrorMessage": "no such file", "Cause": "", "Resolution": ""}),
        );
        note(&states, "call:state-changed", item, &json!({"newState": "disconnected"}));
        assert_eq!(
            (states.state(7).as_deref(), states.end(7)),
            (Some("connecting"), None),
            "not before it is known how"
        );
        note(&states, "call:disconnected", item, &json!({"message": "no such file"}));
        let end = states.end(7).expect("it has ended");
        assert_eq!((states.state(7), end.event.name), (None, "call:disconnected"));
        assert_eq!(end.error.map(|error| error.error_code).as_deref(), Some("0020"));
        note(&states, "error", item, &json!({"ErrorCode": "0001"}));
        assert_eq!(states.state(7), None, "what follows the end changes nothing");
    }

    #[test]
    fn a_conference_goes_on_when_a_party_declines_and_ends_when_this_phone_does() {
        let (states, item) = (States::default(), ItemRef::Conference(3));
        note(&states, "conference:invitation-received", item, &json!({}));
        note(&states, "conference:invitation-rejected", item, &json!({"participant": "bob"}));
        assert_eq!((states.state(3).as_deref(), states.end(3)), (Some("created"), None));
        note(&states, "conference:invitation-rejected", item, &json!({}));
        assert_eq!((states.state(3), states.end(3).is_some()), (None, true));
    }

    #[test]
    fn the_latest_ends_are_remembered() {
        let states = States::default();
        for handle in 0..=ENDED as u64 {
            note(&states, "call:incoming", ItemRef::Call(handle), &json!({}));
            note(&states, "call:canceled", ItemRef::Call(handle), &json!({}));
        }
        assert_eq!((states.end(0), states.end(1).is_some(), states.end(ENDED as u64).is_some()), (None, true, true));
    }
}
