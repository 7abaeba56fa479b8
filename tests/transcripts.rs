//! Replays the recordings of the original client against the core: the same actions, answers and events must lead to the
//! same requests and the same Phone events, party by party.
//!
//! Every deliberate difference is a named function in `core_support/differences.rs`, applied to the recording before it
//! is compared. Recordings that are not replayed are listed with the
//! reason in `NOT_REPLAYED`; together both lists are complete.

mod core_support;
#[path = "core_support/differences.rs"]
mod differences;

use core_support::laws::check_contract;
use core_support::{Driver, config, over_socket, video_config};
use differences::{difference, general, is, is_poll};
use ewebrtc::core::{
    Event, Input, MediaFailure, MediaReport, NetworkFailure, NetworkFailureKind, Refusal, SocketEnd, SocketNews, Verb,
};
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
    /// The phones have a source of video.
    video: bool,
}

const fn all(file: &'static str, differences: &'static [Difference]) -> Replay {
    Replay { file, parties: &[], differences, video: false }
}

const fn video(file: &'static str, differences: &'static [Difference]) -> Replay {
    Replay { file, parties: &[], differences, video: true }
}

const REPLAYED: &[Replay] = &[
    all("add-and-switch", &[]),
    all("add-and-switch-ws", &[]),
    all("addresses", &[difference::numbers_are_normalised]),
    all("call-audio", &[]),
    all("call-audio-websocket", &[]),
    all("call-twice", &[]),
    video("call-video", &[]),
    all("cancel", &[]),
    all("cancel-early", &[]),
    all("cancel-ws", &[]),
    all("codec-pcmu", &[difference::codec_choice_is_not_a_phone_method]),
    all("conference", &[]),
    all("conference-hold", &[]),
    all("conference-leave", &[]),
    all("conference-reject", &[]),
    all("connection-refused", &[]),
    video("downgrade-accept", &[]),
    video("downgrade-reject", &[]),
    all("dtmf", &[difference::each_tone_has_its_own_events]),
    all("empty-json-error", &[difference::unreadable_error_is_1000]),
    all("gateway-unreachable-502", &[difference::unreachable_once_per_series]),
    all("gateway-unreachable-503", &[difference::unreachable_once_per_series]),
    all("hangup-callee", &[]),
    all("hangup-without-event", &[]),
    all("hold-answered-200", &[difference::refused_change_is_over]),
    all("hold-not-connected", &[]),
    all("hold-resume-callee", &[]),
    all("hold-resume-caller", &[]),
    video("hold-resume-video", &[]),
    all("hold-twice", &[]),
    all("login-account", &[]),
    all("login-account-ws", &[]),
    all("login-bad-token", &[]),
    all("login-missing-e911", &[]),
    all("login-twice", &[]),
    all("login-userid", &[]),
    all("login-virtual-number", &[]),
    all("logout-in-call", &[]),
    all("logout-in-call-ws", &[]),
    all("media-denied-callee", &[]),
    all("modify-error-403", &[difference::refused_change_is_over]),
    all("modify-error-409", &[difference::refused_change_is_over]),
    all("modify-error-500", &[difference::refused_change_is_over]),
    all("move", &[]),
    all("move-fails", &[difference::failed_move_is_4000]),
    all("mute", &[]),
    all("no-x-expires", &[difference::session_without_lifetime_is_deleted]),
    all("offline-online", &[]),
    all("offline-online-ws", &[]),
    all("reject", &[]),
    all("reject-ws", &[]),
    all("ringback", &[]),
    all("second-call-end", &[]),
    all("second-call-hold", &[]),
    all("second-invite-ignored", &[difference::second_invitation_is_declined]),
    all("session-expired-dial", &[difference::bare_404_of_a_call_is_an_error]),
    all("session-expired-events", &[difference::expiry_is_final]),
    all("session-expired-live", &[difference::expiry_is_final]),
    all("session-refresh", &[difference::refresh_follows_each_answer]),
    all("session-refresh-fails", &[difference::expiry_is_final]),
    all("session-refresh-ws", &[difference::refresh_follows_each_answer]),
    all("transfer", &[]),
    all("unknown-destination", &[]),
    all("unknown-message-id-events", &[difference::unknown_404_of_the_poll_is_expiry]),
    video("upgrade-accept", &[]),
    video("upgrade-callee", &[]),
    video("upgrade-reject", &[]),
    video("video-port-0", &[]),
    video("video-to-audio-answer", &[]),
];

const NOT_REPLAYED: &[(&str, &str)] = &[
    ("associate-token", "associateAccessToken is left out (P-58)"),
    ("raw-wire", "single requests at the gateway's socket, no course of events"),
];

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
                "ws" => self.socket(entry, &entries[at + 1..]),
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
        let options = match &entry["arg"] {
            Value::Null => json!({}),
            // The one argument of addParticipant and removeParticipant.
            Value::String(participant) => json!({ "participant": participant }),
            options => options.clone(),
        };
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
            let (item, _) = self.driver.descriptions.remove(0);
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
        // Event numbers are our extension, as for polls.
        let path = without_number(&request.path);
        assert_eq!(decoded(path), entry["path"].as_str().expect("a path").trim_start_matches("/RTC/v1"));
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
        for part in ["/call/sdp", "/callsMediaModifications/sdp", "/conference/sdp", "/conferenceModifications/sdp"] {
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
            .find(|r| {
                decoded(without_number(&r.request.path)) == path
                    && format!("{:?}", r.request.verb).to_uppercase() == method
            })
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

    /// The socket as the recording saw it.
    fn socket(&mut self, entry: &Value, rest: &[Value]) {
        match entry["what"].as_str().expect("what happened") {
            "connect" => {
                let (_, url) = self.driver.socket.as_ref().unwrap_or_else(|| panic!("{}: no socket", self.what));
                assert_eq!(Some(url.as_str()), entry["path"].as_str(), "{}", self.what);
            }
            "open" => self.driver.news(SocketNews::Opened),
            "message" => {
                let events: Vec<Value> = rest.iter().take_while(|e| is(e, "event")).map(event_object).collect();
                assert!(!events.is_empty(), "{}: a message without events", self.what);
                self.driver.news(SocketNews::Message(core_support::list(&events).into()));
                self.applied();
            }
            // Ours has closed it itself when it deletes the session.
            "close" if self.driver.socket.is_none() => {}
            "close" => self.driver.news(SocketNews::Closed(SocketEnd::Ended)),
            other => panic!("{}: a socket cannot {other}", self.what),
        }
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
        let plain = self.driver.find_poll().filter(|poll| !poll.request.path.contains('?'));
        if let Some(plain) = plain.filter(|_| numbered && status >= 400) {
            self.driver.answer(plain.id, status, headers, body);
        }
    }

    fn session_is_open(&self) -> bool {
        let over = ["session:disconnected", "session:expired"];
        let last = self.driver.events.iter().rev().find(|e| over.contains(&e.name) || e.name == "session:ready");
        let session = |path: &str| path.matches('/').count() == 2;
        let deleting = self.driver.requests.iter().any(|r| r.request.verb == Verb::Delete && session(&r.request.path));
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
            // The original tells of the first tone of a row only: the media side plays all that it was given.
            "dtmf:tone-sent" => {
                self.driver.play_tone();
            }
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

/// A path without the number of the last event.
fn without_number(path: &str) -> &str {
    path.split("?after=").next().unwrap_or_default()
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
        let mut ids = page["ids"].as_object().expect("ids").clone();
        ids.insert("{ws}".into(), "ws://gateway".into());
        let ids = &ids;
        entries.iter_mut().for_each(|entry| resolve(entry, ids));
        let settings = if replay.video { video_config() } else { config() };
        let settings = if recording["channel"] == "websocket" { over_socket(settings) } else { settings };
        let mut party = Party {
            what: format!("{} / {name}", replay.file),
            driver: Driver::new(settings),
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
