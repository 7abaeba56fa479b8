//! The deliberate differences between the recordings of the original client and our phone, each a named rule with the
//! decision it stands for.
//!
//! Owns: the rules. Lives on: the thread of the test that replays.
#![allow(clippy::ptr_arg)] // every rule has one type, though not every one adds or removes entries

use ewebrtc::core::Event;
use serde_json::{Value, json};

pub fn is(entry: &Value, kind: &str) -> bool {
    entry["kind"] == kind
}

fn is_phone(entry: &Value, event: &str) -> bool {
    is(entry, "phone") && entry["event"] == event
}

pub fn is_poll(entry: &Value) -> bool {
    (is(entry, "request") || is(entry, "response")) && entry["method"] == "GET"
}

fn phone(like: &Value, event: &str, data: Value) -> Value {
    json!({"kind": "phone", "t": like["t"], "event": event, "data": data})
}

/// The pair with which a call ends that got no further than `dialing` (P-63).
fn ended(like: &Value) -> [Value; 2] {
    [
        phone(like, "call:state-changed", json!({"oldState": "created", "newState": "disconnected"})),
        phone(like, "call:disconnected", json!({"message": "<text>"})),
    ]
}

/// The differences of single recordings.
pub mod difference {
    use super::*;

    /// P-38, numbers.md section 12: ten digits get the country code, `+` is understood, letters are keys, names and
    /// special numbers get the configured domain.
    pub fn numbers_are_normalised(entries: &mut Vec<Value>) {
        let mut dialled = String::new();
        for entry in entries.iter_mut() {
            if is(entry, "action") && entry["name"] == "dial" {
                dialled = entry["arg"]["destination"].as_str().unwrap_or_default().to_owned();
            }
            if is(entry, "request") && entry["method"] == "POST" && entry["body"]["call"].is_object() {
                let ours = match dialled.as_str() {
                    "4255550100" | "+14255550100" => "tel:+14255550100",
                    "1800CALFEDX" => "tel:+18002253339",
                    "911" => "sip:911@example.com",
                    "411" => "sip:411@example.com",
                    "2015" => "sip:2015@example.com",
                    "*69" => "sip:*69@example.com",
                    "bob" => "sip:bob@example.com",
                    _ => continue,
                };
                entry["body"]["call"]["calledParty"] = ours.into();
            }
        }
    }

    /// Settings of the library are no commands of the phone; the restriction shows in the offer only.
    pub fn codec_choice_is_not_a_phone_method(entries: &mut Vec<Value>) {
        entries.retain(|e| !(is(e, "action") && e["name"].as_str().is_some_and(|name| name.starts_with("ATT."))));
    }

    /// P-40: an error whose body cannot be read is 1000 with its status; the original stops working.
    pub fn unreadable_error_is_1000(entries: &mut Vec<Value>) {
        let Some(at) = entries.iter().position(|e| is(e, "page-error")) else { return };
        let error = phone(&entries[at], "error", json!({"ErrorCode": "1000", "HttpStatusCode": 500}));
        let end = ended(&entries[at]);
        entries.splice(at..=at, [vec![error], end.to_vec()].concat());
    }

    /// P-22, P-65: failures of the event channel are retried with growing waits and reported once per series.
    pub fn unreachable_once_per_series(entries: &mut Vec<Value>) {
        let mut previous_poll_failed = false;
        let mut failed = false;
        entries.retain(|e| {
            if is(e, "response") && e["method"] == "GET" {
                previous_poll_failed = failed;
                failed = e["status"].as_u64() >= Some(400);
            }
            !(is_phone(e, "gateway:unreachable") && failed && previous_poll_failed)
        });
    }

    /// P-12: a pair of events for each tone, each with the tone; the original has one for a row, which names only its first.
    pub fn each_tone_has_its_own_events(entries: &mut Vec<Value>) {
        let mut rows = entries.iter().filter(|e| is(e, "action") && e["name"] == "sendDTMFTone");
        let rows: Vec<String> = rows.by_ref().filter_map(|e| Some(e["arg"]["input"].as_str()?.to_owned())).collect();
        let (mut begun, mut sent) = (rows.iter(), rows.iter());
        let mut changed = Vec::new();
        for mut entry in std::mem::take(entries) {
            let row = match entry["event"].as_str() {
                Some("dtmf:tone-sending") => begun.next().map(|row| &row[..1]),
                Some("dtmf:tone-sent") => sent.next().map(|row| &row[..]),
                _ => None,
            };
            let Some(row) = row else {
                changed.push(entry);
                continue;
            };
            for (at, tone) in row.chars().enumerate() {
                entry["data"]["tone"] = tone.to_string().into();
                if at > 0 {
                    let mut before = entry.clone();
                    before["event"] = "dtmf:tone-sending".into();
                    changed.push(before);
                }
                changed.push(entry.clone());
            }
        }
        *entries = changed;
    }

    /// P-66: without a lifetime the login fails and the session is deleted at once; nothing is left for a logout.
    pub fn session_without_lifetime_is_deleted(entries: &mut Vec<Value>) {
        entries.retain(|e| !is_phone(e, "session:disconnected"));
        refused_logout(entries);
    }

    /// P-34: the second inviter is told that the user is busy.
    pub fn second_invitation_is_declined(entries: &mut Vec<Value>) {
        let Some(at) = entries.iter().position(|e| is_phone(e, "notification")) else { return };
        let url = entries[..at].iter().rev().find(|e| is(e, "event")).expect("the invitation")["event"]["resourceURL"]
            .clone();
        let request = json!({"kind": "request", "t": entries[at]["t"], "method": "DELETE", "path": url, "headers": {
            "Content-Type": "application/json", "Accept": "application/json", "Authorization": "Bearer tok-alice",
            "x-delete-reason": "reject"}, "body": null});
        entries.insert(at, request);
    }

    /// P-23: a 404 on a call that does not speak of the session is an ordinary error; the session goes on.
    pub fn bare_404_of_a_call_is_an_error(entries: &mut Vec<Value>) {
        let Some(at) = entries.iter().position(|e| is_phone(e, "session:expired")) else { return };
        entries[at] = phone(&entries[at], "error", json!({"ErrorCode": "1000", "HttpStatusCode": 404}));
    }

    /// P-23: expiry is said once, polling stops and the id is given up, so that a logout finds no session (2101).
    pub fn expiry_is_final(entries: &mut Vec<Value>) {
        let Some(at) = entries.iter().position(|e| is_phone(e, "session:expired")) else { return };
        let tail = entries.split_off(at + 1);
        let kept = tail.into_iter().filter(|e| is(e, "action"));
        entries.extend(kept);
        refused_logout(entries);
    }

    /// P-21, P-66: each answer of a refresh says when the next is due; here the first one says an hour.
    pub fn refresh_follows_each_answer(entries: &mut Vec<Value>) {
        let mut seen = 0;
        entries.retain(|e| {
            let refresh = e["method"] == "PUT";
            seen += usize::from(refresh);
            !refresh || seen <= 2
        });
    }

    /// P-23, P-40: a 404 of the poll is expiry, whatever its message id; the original stops polling without a word.
    pub fn unknown_404_of_the_poll_is_expiry(entries: &mut Vec<Value>) {
        let Some(at) = entries.iter().position(|e| is(e, "page-error")) else { return };
        entries[at] = phone(&entries[at], "session:expired", json!({"sessionId": "{sid}"}));
        expiry_is_final(entries);
    }

    /// P-15: a change that the gateway does not take is over; the original keeps its labels and its tracks off.
    pub fn refused_change_is_over(entries: &mut Vec<Value>) {
        let Some(at) = entries.iter().position(|e| is_phone(e, "error")) else { return };
        for entry in &mut entries[at..] {
            if let Some(data) = entry["data"].as_object_mut() {
                data.remove("generator");
                data.remove("operation");
            }
        }
    }

    /// P-27: a move that fails has the code of its method.
    pub fn failed_move_is_4000(entries: &mut Vec<Value>) {
        for entry in entries.iter_mut().filter(|e| is_phone(e, "error")) {
            entry["data"] = json!({"ErrorCode": "4000", "JSMethod": "move"});
        }
    }

    /// A logout without a session is refused and sends nothing.
    fn refused_logout(entries: &mut Vec<Value>) {
        let Some(at) = entries.iter().position(|e| is(e, "action") && e["name"] == "logout") else { return };
        let error = phone(&entries[at], "error", json!({"JSMethod": "logout", "ErrorCode": "2101"}));
        entries.insert(at + 1, error);
    }
}

/// The differences that hold everywhere.
pub mod general {
    use super::*;

    pub fn apply(entries: &mut Vec<Value>) {
        failed_dials_end(entries);
        unanswered_calls_change_state(entries);
        media_is_established_once(entries);
        decisions_are_in_progress(entries);
        background_is_what_was(entries);
        switching_follows_the_connection(entries);
        hosts_are_connecting(entries);
        participants_have_media(entries);
        lists_follow_the_outcome(entries);
    }

    /// An event about a conference that the party has not started.
    fn is_joined(entry: &Value) -> bool {
        entry["data"]["callType"] == "conference" && entry["data"].get("to").is_some()
    }

    /// P-7: the host hears of the connection as well.
    fn hosts_are_connecting(entries: &mut Vec<Value>) {
        let begun = |e: &Value| {
            let conference = e["data"]["callType"] == "conference" && !is_joined(e);
            conference && is_phone(e, "call:state-changed") && e["data"]["newState"] == "connecting"
        };
        if let Some(at) = entries.iter().position(begun) {
            let told = phone(&entries[at], "conference:connecting", json!({"index": 1}));
            entries.insert(at + 1, told);
        }
    }

    /// P-8: the original says it to participants after some later connection, or never.
    fn participants_have_media(entries: &mut Vec<Value>) {
        entries.retain(|e| !(is_joined(e) && is_phone(e, "media:established")));
        if let Some(at) = entries.iter().position(|e| is_joined(e) && is_phone(e, "conference:connected")) {
            let told = phone(&entries[at], "media:established", json!({"callType": "conference"}));
            entries.insert(at + 1, told);
        }
    }

    /// P-29: who has accepted is listed so, and a removed party is on neither list. Invitations are no changes of the
    /// leg, so they leave no labels.
    fn lists_follow_the_outcome(entries: &mut Vec<Value>) {
        let mut accepted: Vec<String> = Vec::new();
        for entry in entries.iter_mut().filter(|e| e["data"]["callType"] == "conference") {
            let data = entry["data"].as_object_mut().expect("data");
            if !data.contains_key("operation") {
                data.remove("generator");
            }
            let active = data.get("participants").cloned().unwrap_or_default();
            let Some(invitations) = data.get_mut("invitations").and_then(Value::as_object_mut) else { continue };
            invitations.retain(|key, _| active.get(key).is_some() || !accepted.contains(key));
            for (key, invitation) in invitations.iter_mut().filter(|(key, _)| active.get(key).is_some()) {
                invitation["status"] = "accepted".into();
                accepted.push(key.clone());
            }
        }
    }

    /// Section 8: `session:call-switched` follows the connected event; media may be established before or after it.
    fn switching_follows_the_connection(entries: &mut Vec<Value>) {
        for at in 1..entries.len() {
            if is_phone(&entries[at], "session:call-switched") && is_phone(&entries[at - 1], "media:established") {
                entries.swap(at - 1, at);
            }
        }
    }

    /// P-8: once per item and side; the original says it again after a change.
    fn media_is_established_once(entries: &mut Vec<Value>) {
        let mut said: Vec<Value> = Vec::new();
        entries.retain(|e| {
            let index = e["data"]["index"].clone();
            if is_phone(e, "call:connected") {
                said.retain(|i| *i != index);
            }
            let again = is_phone(e, "media:established") && said.contains(&index);
            if is_phone(e, "media:established") && !again {
                said.push(index);
            }
            !again
        });
    }

    /// P-10: the side that was asked hears of the progress as well.
    fn decisions_are_in_progress(entries: &mut Vec<Value>) {
        let mut at = 0;
        while at < entries.len() {
            let entry = entries[at].clone();
            let decided = matches!(entry["data"]["operation"].as_str(), Some("upgrade" | "downgrade"));
            if decided && is_phone(&entry, "call:state-changed") && entry["data"]["newState"] == "modification-accepted"
            {
                let labels = json!({"operation": entry["data"]["operation"], "generator": "receiver"});
                entries.insert(at + 1, phone(&entry, "call:modification-in-progress", labels));
                at += 1;
            }
            at += 1;
        }
    }

    /// P-9: `background` says where the call was when it ended; the original looks after it has switched.
    fn background_is_what_was(entries: &mut Vec<Value>) {
        let mut foreground = Value::Null;
        for entry in entries.iter_mut().filter(|e| is(e, "phone")) {
            if is_phone(entry, "call:connected") {
                foreground = entry["data"]["index"].clone();
            } else if is_phone(entry, "session:call-switched") {
                foreground = entry["data"]["to"]["index"].clone();
            } else if is_phone(entry, "call:disconnected") && entry["data"]["index"] == foreground {
                entry["data"].as_object_mut().expect("data").remove("background");
            }
        }
    }

    /// P-63: a dial that fails ends with call:state-changed and call:disconnected.
    fn failed_dials_end(entries: &mut Vec<Value>) {
        let mut dialing = false;
        let mut at = 0;
        while at < entries.len() {
            let entry = entries[at].clone();
            let failed = is_phone(&entry, "error") || is_phone(&entry, "gateway:unreachable");
            let done = entries.get(at + 1).is_some_and(|next| is_phone(next, "call:state-changed"));
            if is_phone(&entry, "dialing") {
                dialing = true;
            } else if is_phone(&entry, "call:state-changed") {
                dialing = false;
            } else if failed && dialing && !done {
                let end = ended(&entry);
                entries.splice(at + 1..=at, end);
                dialing = false;
            }
            at += 1;
        }
    }

    /// P-56: incoming calls that end before their answer change state as well.
    fn unanswered_calls_change_state(entries: &mut Vec<Value>) {
        let mut at = 0;
        while at < entries.len() {
            let entry = entries[at].clone();
            let end = match entry["event"].as_str() {
                Some("conference:invitation-rejected") if is_joined(&entry) => Some("rejected"),
                Some("conference:canceled") => Some("canceled"),
                Some(name) => name.strip_prefix("call:"),
                None => None,
            };
            if let Some(state @ ("canceled" | "rejected" | "disconnected")) = end.filter(|_| is(&entry, "phone")) {
                let before = entries[..at].iter().rev().find(|e| is(e, "phone")).cloned().unwrap_or_default();
                if !(before["event"] == "call:state-changed" && before["data"]["newState"] == state) {
                    let change = json!({"oldState": "created", "newState": state});
                    entries.insert(at, phone(&entry, "call:state-changed", change));
                    at += 1;
                }
            }
            at += 1;
        }
    }

    /// Headers that ours sends otherwise: the client's name (D-1), and no `x-e911Id` at DELETE (README of the folder).
    pub fn header(method: &str, name: &str, value: &str) -> Option<String> {
        match (method, name) {
            ("DELETE", "x-e911Id") => None,
            (_, "x-Arg") => Some("ClientSDK=ewebrtc-9.9.9".into()),
            (_, "Authorization") => None,
            _ => Some(value.to_owned()),
        }
    }

    /// Is our property right where the recording has `theirs`?
    pub fn property(name: &str, theirs: &Value, ours: Option<&Value>) -> bool {
        match (name, theirs) {
            // P-1: the runtime adds the time.
            ("timestamp" | "timeStamp", _) => ours.is_none(),
            // P-2: the own identity where it is known, else left out.
            ("from" | "to", Value::Null) => ours.is_none_or(Value::is_string),
            // P-48: parties as objects.
            ("from" | "invitee", Value::String(uri)) if ours.is_some_and(Value::is_object) => {
                let ours = ours.and_then(|party| party["uri"].as_str());
                ours.is_some_and(|ours| ours == uri || ours.strip_prefix("sip:") == Some(uri))
            }
            // P-6: always a negotiated type.
            ("mediaType", Value::Null) => ours == Some(&json!("audio")),
            ("mediaType", Value::String(text)) if text == "nomedia" => {
                ours == Some(&json!("audio")) || ours == Some(&json!("video"))
            }
            // P-5: the peers as texts; the original nests the payloads of both calls.
            ("from" | "to", Value::Object(call)) => {
                let peers = [call.get("from"), call.get("to")];
                ours.is_some() && peers.iter().flatten().any(|peer| Some(*peer) == ours)
            }
            // P-53: codecs are known before the event; the original is late at the caller.
            ("codec", Value::Array(list)) if list.is_empty() => ours.is_some_and(Value::is_array),
            // P-46: the status is a text; what is empty or says nothing is left out; texts are our own.
            ("HttpStatusCode", Value::Number(status)) => ours == Some(&json!(status.to_string())),
            ("APIError" | "AdditionalInformation", _) => true,
            (_, Value::String(text)) if text == "<text>" => ours.and_then(Value::as_str).is_some_and(|t| !t.is_empty()),
            (_, Value::String(text)) if text.is_empty() => ours.is_none_or(|v| v == ""),
            _ => ours == Some(theirs),
        }
    }

    /// Events of our own, which no recording has.
    pub fn is_ours(event: &Event) -> bool {
        ewebrtc_wire::OWN_EVENTS.contains(&event.name)
    }
}
