//! Replays the recordings of the original client against the core: the same actions, answers and events must lead to the
//! same requests and the same Phone events, party by party.
//!
//! Every deliberate difference is a named function in `mod difference`, applied to the recording before it is compared;
//! differences that hold for every recording stand in `general`. Recordings that are not replayed are listed with the
//! reason in `NOT_REPLAYED`; together both lists are complete.

mod core_support;

use core_support::{Driver, check_contract, config};
use ewebrtc::core::{Event, Input, MediaFailure, MediaReport, NetworkFailure, NetworkFailureKind, Refusal, Verb};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Changes what a recording expects of one party.
type Difference = fn(&mut Vec<Value>);

struct Replay {
    file: &'static str,
    /// Parties that are replayed; empty: all.
    parties: &'static [&'static str],
    differences: &'static [Difference],
}

const fn all(file: &'static str, differences: &'static [Difference]) -> Replay {
    Replay { file, parties: &[], differences }
}

const REPLAYED: &[Replay] = &[
    all("addresses", &[difference::numbers_are_normalised]),
    all("call-audio", &[]),
    all("call-twice", &[]),
    all("cancel", &[]),
    all("cancel-early", &[]),
    all("codec-pcmu", &[difference::codec_choice_is_not_a_phone_method]),
    all("connection-refused", &[]),
    all("empty-json-error", &[difference::unreadable_error_is_1000]),
    all("gateway-unreachable-502", &[difference::unreachable_once_per_series]),
    all("gateway-unreachable-503", &[difference::unreachable_once_per_series]),
    all("hangup-callee", &[]),
    all("hangup-without-event", &[]),
    all("hold-not-connected", &[difference::methods_of_later_work]),
    all("login-account", &[]),
    all("login-bad-token", &[]),
    all("login-missing-e911", &[]),
    all("login-twice", &[]),
    all("login-userid", &[]),
    all("login-virtual-number", &[]),
    all("logout-in-call", &[]),
    all("media-denied-callee", &[]),
    // The device that takes the moved call over: an invitation without a description.
    Replay { file: "move", parties: &["alice2"], differences: &[] },
    all("mute", &[]),
    all("no-x-expires", &[difference::session_without_lifetime_is_deleted]),
    all("offline-online", &[]),
    all("reject", &[]),
    all("ringback", &[]),
    all("second-invite-ignored", &[difference::second_invitation_is_declined]),
    all("session-expired-dial", &[difference::bare_404_of_a_call_is_an_error]),
    all("session-expired-events", &[difference::expiry_is_final]),
    all("session-expired-live", &[difference::expiry_is_final]),
    all("session-refresh", &[difference::refresh_follows_each_answer]),
    all("session-refresh-fails", &[difference::expiry_is_final]),
    all("unknown-destination", &[]),
    all("unknown-message-id-events", &[difference::unknown_404_of_the_poll_is_expiry]),
    all("video-port-0", &[difference::dialled_as_audio]),
    // The callee of a video call who answers with audio; the caller needs video.
    Replay { file: "video-to-audio-answer", parties: &["bob"], differences: &[] },
];

const NOT_REPLAYED: &[(&str, &str)] = &[
    ("add-and-switch", "hold and a second call are not there yet"),
    ("add-and-switch-ws", "hold and a second call are not there yet; WebSocket channel"),
    ("associate-token", "associateAccessToken is left out (P-58)"),
    ("call-audio-websocket", "WebSocket channel; call-audio is the same over long polling"),
    ("call-video", "video is not there yet"),
    ("cancel-ws", "WebSocket channel; cancel is the same over long polling"),
    ("conference", "conferences are not there yet"),
    ("conference-hold", "conferences are not there yet"),
    ("conference-leave", "conferences are not there yet"),
    ("conference-reject", "conferences are not there yet"),
    ("downgrade-accept", "video and modifications are not there yet"),
    ("downgrade-reject", "video and modifications are not there yet"),
    ("dtmf", "DTMF is not there yet"),
    ("hold-answered-200", "hold is not there yet"),
    ("hold-resume-callee", "hold is not there yet"),
    ("hold-resume-caller", "hold is not there yet"),
    ("hold-resume-video", "hold and video are not there yet"),
    ("hold-twice", "hold is not there yet"),
    ("login-account-ws", "WebSocket channel; login-account is the same over long polling"),
    ("logout-in-call-ws", "WebSocket channel; logout-in-call is the same over long polling"),
    ("modify-error-403", "modifications are not there yet"),
    ("modify-error-409", "modifications are not there yet"),
    ("modify-error-500", "modifications are not there yet"),
    ("move-fails", "move is not there yet"),
    ("offline-online-ws", "WebSocket channel; offline-online is the same over long polling"),
    ("raw-wire", "single requests at the gateway's socket, no course of events"),
    ("reject-ws", "WebSocket channel; reject is the same over long polling"),
    ("second-call-end", "the first call is held before the second"),
    ("second-call-hold", "hold is not there yet"),
    ("session-refresh-ws", "WebSocket channel; session-refresh is the same over long polling"),
    ("transfer", "transfer is not there yet"),
    ("upgrade-accept", "video and modifications are not there yet"),
    ("upgrade-callee", "video and modifications are not there yet"),
    ("upgrade-reject", "video and modifications are not there yet"),
];

fn is(entry: &Value, kind: &str) -> bool {
    entry["kind"] == kind
}

fn is_phone(entry: &Value, event: &str) -> bool {
    is(entry, "phone") && entry["event"] == event
}

fn is_poll(entry: &Value) -> bool {
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
mod difference {
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

    /// Methods that the core does not know yet are skipped together with their errors.
    pub fn methods_of_later_work(entries: &mut Vec<Value>) {
        let known = ["login", "logout", "hangup", "mute", "unmute", "cancel", "reject"];
        let mut skipping = false;
        entries.retain(|e| {
            if is(e, "action") {
                skipping = !known.contains(&e["name"].as_str().unwrap_or_default());
            }
            !skipping
        });
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

    /// P-37: video is not there yet, so the caller dials with audio; the answer with its refused section stays as recorded.
    pub fn dialled_as_audio(entries: &mut Vec<Value>) {
        if !entries.iter().any(|e| is_phone(e, "dialing")) {
            return;
        }
        for entry in entries.iter_mut() {
            if is(entry, "action") && entry["name"] == "dial" {
                entry["arg"]["mediaType"] = "audio".into();
            }
            if let Some(data) = entry["data"].as_object_mut().filter(|data| data.contains_key("mediaType")) {
                data.insert("mediaType".into(), "audio".into());
                data.remove("downgrade");
            }
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
mod general {
    use super::*;

    pub fn apply(entries: &mut Vec<Value>) {
        failed_dials_end(entries);
        unanswered_calls_change_state(entries);
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
            let end = entry["event"].as_str().and_then(|name| name.strip_prefix("call:"));
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
            // P-6: always a negotiated type.
            ("mediaType", Value::Null) => ours == Some(&json!("audio")),
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

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/wire/data/transcripts")
}

/// Puts real ids for placeholders, `<sdp>` for nothing.
fn resolve(value: &mut Value, ids: &Map<String, Value>) {
    match value {
        Value::String(text) => {
            for (placeholder, real) in ids {
                *text = text.replace(placeholder, real.as_str().unwrap_or_default());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, ids)),
        Value::Object(map) => map.values_mut().for_each(|item| resolve(item, ids)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// One party of a recording in replay.
struct Party {
    what: String,
    driver: Driver,
    /// How far the clock is ahead of the recording, because our retries wait.
    ahead: Duration,
    /// Requests other than polls that the recording has confirmed.
    seen: Vec<ewebrtc::core::RequestId>,
    denied: bool,
    expected: Vec<Value>,
}

impl Party {
    fn advance(&mut self, entry: &Value) {
        let at = Duration::from_micros((entry["t"].as_f64().unwrap_or_default() * 1000.0) as u64) + self.ahead;
        self.driver.advance_to(at);
    }

    fn play(&mut self, entries: &[Value]) {
        for (at, entry) in entries.iter().enumerate() {
            self.advance(entry);
            match entry["kind"].as_str().unwrap_or_default() {
                "action" => self.action(entry),
                "request" if is_poll(entry) => {}
                "request" => self.request(entry),
                "response" => self.response(entry, &entries[at + 1..]),
                "phone" => self.phone(entry),
                // Events are delivered with the answer they came in.
                "event" | "note" | "media" | "page-error" | "callback" => {}
                other => panic!("{}: an entry of kind {other}", self.what),
            }
        }
        self.compare_events();
        let left: Vec<String> = self
            .driver
            .requests
            .iter()
            .filter(|r| r.request.verb != Verb::Get && !self.seen.contains(&r.id))
            .map(|r| format!("{:?} {}", r.request.verb, r.request.path))
            .collect();
        assert!(left.is_empty(), "{}: requests that the recording has not: {left:?}", self.what);
    }

    fn action(&mut self, entry: &Value) {
        let name = entry["name"].as_str().expect("a name");
        let options = if entry["arg"].is_null() { json!({}) } else { entry["arg"].clone() };
        match self.driver.call(name, None, options) {
            Ok(_) | Err(Refusal::Sdk(_)) => {}
            Err(other) => panic!("{}: {name}: {other:?}", self.what),
        }
    }

    /// The core must have sent this request, or send it when the media side has done its work.
    fn request(&mut self, entry: &Value) {
        let unseen = |party: &Self| {
            party.driver.requests.iter().find(|r| r.request.verb != Verb::Get && !party.seen.contains(&r.id)).cloned()
        };
        if unseen(self).is_none() && !self.driver.descriptions.is_empty() {
            let item = self.driver.descriptions.remove(0);
            if self.denied {
                let text = "the user said no".into();
                self.driver.media(item, MediaReport::Failed { kind: MediaFailure::Denied, text });
            } else {
                let sdp = sdp_of(entry).unwrap_or_else(|| panic!("{}: no SDP for {entry}", self.what));
                self.driver.media(item, MediaReport::LocalDescription { sdp });
            }
        }
        let sent = unseen(self).unwrap_or_else(|| panic!("{}: the core does not send {entry}", self.what));
        self.seen.push(sent.id);
        let request = &sent.request;
        let method = entry["method"].as_str().expect("a method");
        assert_eq!(format!("{:?}", request.verb).to_uppercase(), method, "{}", self.what);
        assert_eq!(decoded(&request.path), entry["path"].as_str().expect("a path").trim_start_matches("/RTC/v1"));
        let mut headers: Vec<(String, String)> = entry["headers"]
            .as_object()
            .expect("headers")
            .iter()
            .filter_map(|(n, v)| Some((n.clone(), general::header(method, n, v.as_str()?)?)))
            .collect();
        let mut ours: Vec<(String, String)> =
            request.headers.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect();
        headers.sort();
        ours.sort();
        assert_eq!(ours, headers, "{}: {method} {}", self.what, request.path);
        let token = entry["headers"]["Authorization"].as_str().unwrap_or_default();
        assert_eq!(format!("Bearer {}", request.token.expose()), token, "{}", self.what);
        let mut body: Value = request.body.as_deref().map_or(Value::Null, |b| serde_json::from_str(b).expect("JSON"));
        for part in ["/call/sdp", "/callsMediaModifications/sdp"] {
            if let Some(sdp) = body.pointer_mut(part) {
                assert_eq!(
                    sdp.as_str().map(str::to_owned),
                    sdp_of(entry),
                    "{}: another SDP than the media side gave",
                    self.what
                );
                *sdp = "<sdp>".into();
            }
        }
        assert_eq!(body, entry["body"], "{}: {method} {}", self.what, request.path);
    }

    fn response(&mut self, entry: &Value, rest: &[Value]) {
        let status = entry["status"].as_u64().expect("a status") as u16;
        let headers: Vec<(&str, &str)> = entry["headers"]
            .as_object()
            .map(|map| map.iter().filter_map(|(n, v)| Some((n.as_str(), v.as_str()?))).collect())
            .unwrap_or_default();
        let body = match &entry["body"] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other if is_poll(entry) && status == 200 => {
                let count = other["events"]["eventList"].as_str().and_then(|t| t.split(' ').next()?.parse().ok());
                let events = rest.iter().filter(|e| is(e, "event")).take(count.expect("a number of events"));
                core_support::list(&events.map(event_object).collect::<Vec<_>>())
            }
            other => other.to_string(),
        };
        if is_poll(entry) {
            return self.poll_answer(status, &headers, &body);
        }
        let path = entry["path"].as_str().expect("a path").trim_start_matches("/RTC/v1").to_owned();
        let method = entry["method"].as_str().expect("a method");
        let found = self
            .driver
            .requests
            .iter()
            .find(|r| decoded(&r.request.path) == path && format!("{:?}", r.request.verb).to_uppercase() == method)
            .map(|r| r.id)
            .unwrap_or_else(|| panic!("{}: nobody waits for {entry}", self.what));
        if status == 0 {
            self.driver.requests.retain(|r| r.id != found);
            let failure = NetworkFailure { kind: NetworkFailureKind::Connect, text: "connection refused".into() };
            self.driver.input(Input::Response { id: found, result: Err(failure) });
        } else {
            self.driver.answer(found, status, &headers, &body);
        }
        self.applied();
    }

    fn poll_answer(&mut self, status: u16, headers: &[(&str, &str)], body: &str) {
        // Our retries wait where the original asks at once (P-22): the clock goes on to the next poll.
        while self.driver.find_poll().is_none() {
            let before = self.driver.now;
            if !self.session_is_open() || !self.driver.fire_next() {
                return;
            }
            self.ahead += self.driver.now.duration_since(before);
        }
        let poll = self.driver.find_poll().expect("found before");
        assert_eq!(poll.request.headers, [("Accept", "application/json".to_owned())], "{}", self.what);
        assert_eq!(poll.request.timeout, Duration::from_secs(40));
        let path = poll.request.path.split('?').next().expect("a path");
        assert!(path.starts_with("/sessions/") && path.ends_with("/events"), "{path}");
        let numbered = poll.request.path.contains("?after=");
        self.driver.answer(poll.id, status, headers, body);
        self.applied();
        // The first poll with a number is repeated without it when it is refused: the original gateway answers the same.
        if numbered && status >= 400 {
            if let Some(plain) = self.driver.find_poll().filter(|poll| !poll.request.path.contains('?')) {
                self.driver.answer(plain.id, status, headers, body);
            }
        }
    }

    fn session_is_open(&self) -> bool {
        let over = ["session:disconnected", "session:expired"];
        let last = self.driver.events.iter().rev().find(|e| over.contains(&e.name) || e.name == "session:ready");
        let deleting =
            self.driver.requests.iter().any(|r| r.request.verb == Verb::Delete && !r.request.path.contains("/calls/"));
        last.is_some_and(|e| e.name == "session:ready") && !deleting
    }

    fn applied(&mut self) {
        for item in std::mem::take(&mut self.driver.applying) {
            self.driver.media(item, MediaReport::Applied);
        }
    }

    fn phone(&mut self, entry: &Value) {
        let name = entry["event"].as_str().expect("a name");
        match name {
            "connectivity:off" => self.driver.input(Input::Connectivity { online: false }),
            "connectivity:on" => self.driver.input(Input::Connectivity { online: true }),
            "media:established" => {
                let item = self.driver.last_item();
                self.driver.media(item, MediaReport::FirstAudio);
            }
            _ => {}
        }
        self.expected.push(entry.clone());
    }

    fn compare_events(&self) {
        let ours: Vec<&Event> = self.driver.events.iter().filter(|e| !general::is_ours(e)).collect();
        let names =
            |list: &[Value]| list.iter().map(|e| e["event"].as_str().unwrap_or("?").to_owned()).collect::<Vec<_>>();
        let our_names: Vec<&str> = ours.iter().map(|e| e.name).collect();
        assert_eq!(our_names, names(&self.expected), "{}: order of events", self.what);
        for (event, expected) in ours.iter().zip(&self.expected) {
            check_contract(event);
            for (name, theirs) in expected["data"].as_object().into_iter().flatten() {
                let right = general::property(name, theirs, event.data.get(name));
                let ours = event.data.get(name);
                // Our paths are percent-encoded.
                let right = right
                    || name == "ResourceMethod"
                        && ours.and_then(Value::as_str).map(decoded).as_deref() == theirs.as_str();
                assert!(right, "{}: {}.{name} is {ours:?}, recorded {theirs}", self.what, event.name);
            }
        }
    }
}

fn sdp_of(entry: &Value) -> Option<String> {
    let file = entry["sdpFile"].as_str()?;
    Some(std::fs::read_to_string(folder().join(file)).unwrap_or_else(|e| panic!("{file}: {e}")))
}

fn event_object(entry: &Value) -> Value {
    let mut object = entry["event"].clone();
    if let Some(sdp) = sdp_of(entry) {
        object["sdp"] = sdp.into();
    }
    object
}

fn decoded(path: &str) -> String {
    let mut text = String::new();
    let mut bytes = path.split('%');
    text.push_str(bytes.next().unwrap_or_default());
    for part in bytes {
        let (code, rest) = part.split_at(part.len().min(2));
        text.push(char::from(u8::from_str_radix(code, 16).expect("a percent code")));
        text.push_str(rest);
    }
    text
}

fn replay(replay: &Replay) -> usize {
    let path = folder().join(format!("{}.json", replay.file));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let recording: Value = serde_json::from_str(&text).expect("JSON");
    let pages = recording["pages"].as_object().expect("pages");
    let mut played = 0;
    // A difference may concern one party only, but it must concern someone.
    let mut concerned = replay.differences.is_empty();
    for (name, page) in pages {
        if !replay.parties.is_empty() && !replay.parties.contains(&name.as_str()) {
            continue;
        }
        let mut entries: Vec<Value> =
            recording["entries"].as_array().expect("entries").iter().filter(|e| e["page"] == *name).cloned().collect();
        for difference in replay.differences {
            let before = entries.clone();
            difference(&mut entries);
            concerned |= before != entries;
        }
        general::apply(&mut entries);
        let ids = page["ids"].as_object().expect("ids");
        entries.iter_mut().for_each(|entry| resolve(entry, ids));
        let mut party = Party {
            what: format!("{} / {name}", replay.file),
            driver: Driver::new(config()),
            ahead: Duration::ZERO,
            seen: Vec::new(),
            denied: replay.file == "media-denied-callee" && name == "bob",
            expected: Vec::new(),
        };
        party.play(&entries);
        party.driver.finish();
        played += 1;
    }
    assert!(concerned, "{}: a difference that makes none", replay.file);
    assert!(played > 0, "{}: nobody was replayed", replay.file);
    played
}

#[test]
fn recordings_are_replayed() {
    let parties: usize = REPLAYED.iter().map(replay).sum();
    assert!(parties >= REPLAYED.len());
}

#[test]
fn every_recording_is_replayed_or_has_its_reason() {
    let mut files: Vec<String> = std::fs::read_dir(folder())
        .expect("the folder is there")
        .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".json")?.to_owned()))
        .collect();
    let mut listed: Vec<String> = REPLAYED.iter().map(|r| r.file.to_owned()).collect();
    listed.extend(NOT_REPLAYED.iter().map(|(file, _)| (*file).to_owned()));
    files.sort();
    listed.sort();
    assert_eq!(listed, files);
    assert!(NOT_REPLAYED.iter().all(|(_, reason)| !reason.is_empty()));
}
