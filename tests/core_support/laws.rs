//! The laws of the core: what holds of every stream of outputs, whatever the inputs were.
//!
//! Owns: [`Laws`], [`check_contract`]. Lives on: the test's thread, fed by the driver.

use super::{handle_of, is_asked, text};
use ewebrtc::core::{Event, Handle, HttpRequest, MediaOrder, Output, RequestId, SocketId, SocketOrder, Verb};
use std::collections::{BTreeMap, BTreeSet};

/// The laws that every stream of outputs obeys, whatever the input.
#[derive(Default)]
pub struct Laws {
    pub(super) accepted: BTreeMap<String, usize>,
    finished: BTreeMap<String, usize>,
    live: BTreeSet<Handle>,
    over: BTreeSet<Handle>,
    states: BTreeMap<Handle, String>,
    legs: BTreeSet<Handle>,
    last_request: u64,
    pub(super) in_flight: BTreeSet<RequestId>,
    /// Changes of calls in flight, by path.
    pub(super) changing: BTreeSet<(RequestId, String)>,
    /// Polls and requests for a socket in flight.
    pub(super) asking: BTreeSet<RequestId>,
    /// The socket that is open or being opened.
    socket: Option<SocketId>,
    last_socket: Option<SocketId>,
    /// The tone that sounds in an item.
    sounding: BTreeMap<Handle, String>,
    /// Items whose media side was told to send silence.
    silent: BTreeSet<Handle>,
    /// Items whose audio is heard.
    heard: BTreeSet<Handle>,
    /// Those that were told to send no video.
    hidden: BTreeSet<Handle>,
    closed: bool,
}

/// A request that changes an established call.
fn is_change(request: &HttpRequest) -> bool {
    let names = ["x-calls-action", "x-conference-action"];
    let action = request.headers.iter().find(|(name, _)| names.contains(name)).map(|(_, value)| value.as_str());
    action.is_some_and(|action| !["call-answer", "rejectCancel-call-mod"].contains(&action))
}

/// The states of an item that is established and not ending.
const ESTABLISHED: [&str; 9] = [
    "connected",
    "modification-initiated",
    "modification-accepted",
    "held",
    "move-initiated",
    "move-failed",
    "moved",
    "transferring",
    "transferred",
];

/// Events with which an item ends.
const ENDS: [&str; 5] =
    ["call:disconnected", "call:canceled", "call:rejected", "conference:ended", "conference:canceled"];

/// Every documented property is there when it is mandatory, and nothing else is (P-1: the runtime adds the time).
pub fn check_contract(event: &Event) {
    let Some(info) = ewebrtc_wire::event_info(event.name) else {
        assert!(ewebrtc_wire::is_event_name(event.name), "{} is no event", event.name);
        return;
    };
    for property in info.properties {
        let given = event.data.get(property.name);
        if property.name == "timestamp" || property.name == "timeStamp" {
            assert!(given.is_none(), "{}: the time is added by the runtime", event.name);
            continue;
        }
        assert!(property.optional || given.is_some(), "{} lacks {}: {:?}", event.name, property.name, event.data);
        // One event has the codecs as a text in the text; they are a list everywhere (P-47).
        let kind = if property.name == "codec" { "Array" } else { property.kind };
        let right = match (kind, given) {
            (_, None) => true,
            ("Object", Some(value)) => value.is_object(),
            ("String", Some(value)) => value.is_string(),
            ("Number", Some(value)) => value.is_number(),
            ("Boolean", Some(value)) => value.is_boolean(),
            ("Array", Some(value)) => value.is_array(),
            (_, Some(value)) => !value.is_null(),
        };
        assert!(right, "{}.{} is {given:?}, not a {}", event.name, property.name, property.kind);
    }
    for name in event.data.keys() {
        assert!(info.properties.iter().any(|p| p.name == name), "{} has an undocumented {name}", event.name);
    }
    if let Some(media) = event.data.get("mediaType") {
        assert!(media == "audio" || media == "video", "{}: mediaType {media}", event.name);
    }
}

impl Laws {
    fn event(&mut self, event: &Event) {
        check_contract(event);
        if event.name == "command:finished" {
            if let Some(tag) = &event.tag {
                *self.finished.entry(tag.clone()).or_default() += 1;
                assert_eq!(self.finished[tag], 1, "{tag} finished twice");
            }
            return;
        }
        let Some(handle) = handle_of(event.item) else { return };
        if event.name == "error" && self.over.contains(&handle) {
            panic!("an error about item {handle} after its end");
        }
        if event.name == "error" {
            return;
        }
        assert!(!self.over.contains(&handle), "{} about item {handle} after its end", event.name);
        match event.name {
            "dialing" | "call:incoming" | "conference:invitation-received" => {
                assert!(self.live.insert(handle), "item {handle} begins twice");
                self.states.insert(handle, "created".into());
            }
            // A conference of this phone begins so, and an added call that never came to dialing with its end (P-17).
            "call:state-changed" if !self.live.contains(&handle) && text(event, "oldState") == "created" => {
                self.live.insert(handle);
                self.states.insert(handle, "created".into());
            }
            name => assert!(self.live.contains(&handle), "{name} before item {handle} began"),
        }
        if event.name == "call:state-changed" {
            let (old, new) = (text(event, "oldState"), text(event, "newState"));
            assert_eq!(self.states.get(&handle), Some(&old), "item {handle}: {old} -> {new}");
            assert_ne!(old, new);
            self.states.insert(handle, new);
        }
        match event.name {
            "dtmf:tone-sending" => drop(self.sounding.insert(handle, text(event, "tone"))),
            "dtmf:tone-sent" => {
                assert_eq!(self.sounding.remove(&handle), Some(text(event, "tone")), "it did not begin")
            }
            _ => {}
        }
        let expected: &[&str] = match event.name {
            "call:connecting" | "call:ringback-provided" => &["connecting"],
            "dtmf:tone-sending" | "dtmf:tone-sent" | "dtmf:received" => &ESTABLISHED,
            "call:connected" | "call:resumed" | "call:media-modification" => &["connected"],
            "call:held" => &["held", "connected"],
            "call:modification-in-progress" => &["modification-initiated", "modification-accepted"],
            "call:moved" => &["moved"],
            "call:transferring" => &["transferring"],
            "call:transferred" => &["transferred"],
            "call:disconnecting" => &["disconnecting"],
            "call:disconnected" => &["disconnected"],
            "call:canceled" => &["canceled"],
            "call:rejected" => &["rejected"],
            "conference:connecting" => &["connecting"],
            "conference:joining" => &["created"],
            "conference:connected" | "conference:resumed" => &["connected"],
            "conference:held" => &["held"],
            "conference:disconnecting" => &["disconnecting"],
            "conference:ended" => &["disconnected"],
            "conference:canceled" => &["canceled"],
            // Of a host it is about an invitee, of an invitee it is the end.
            "conference:invitation-rejected" => &["rejected", "connected", "modification-initiated", "held"],
            "conference:invitation-sending"
            | "conference:invitation-sent"
            | "conference:invitation-accepted"
            | "conference:participant-removed" => &["connected", "modification-initiated", "held"],
            "media:established" | "media:interrupted" | "media:recovered" => &ESTABLISHED,
            _ => &[],
        };
        if !expected.is_empty() {
            let state = self.states.get(&handle).map(String::as_str).unwrap_or_default();
            assert!(expected.contains(&state), "{} while {state}", event.name);
        }
        if ENDS.contains(&event.name)
            || event.name == "conference:invitation-rejected" && self.states[&handle] == "rejected"
        {
            self.live.remove(&handle);
            self.over.insert(handle);
        }
    }

    pub(super) fn output(&mut self, output: &Output) {
        assert!(!self.closed, "{output:?} after Closed");
        match output {
            Output::Event(event) => self.event(event),
            Output::Request { id, request } => {
                assert!(id.0 > self.last_request, "request numbers rise");
                self.last_request = id.0;
                self.in_flight.insert(*id);
                if request.verb == Verb::Get || is_asked(request) {
                    self.asking.insert(*id);
                }
                if is_change(request) {
                    let same = self.changing.iter().find(|(_, path)| *path == request.path);
                    assert_eq!(same, None, "two changes of one call are in flight");
                    self.changing.insert((*id, request.path.clone()));
                }
            }
            Output::CancelRequest { id } => {
                assert!(self.in_flight.remove(id), "a request is cancelled that is not in flight");
                self.changing.retain(|(other, _)| other != id);
                self.asking.remove(id);
            }
            Output::OpenSocket { id, .. } => {
                assert_eq!(self.socket, None, "a second socket");
                assert!(self.last_socket.is_none_or(|last| last < *id), "a number of a socket is used twice");
                self.last_socket = Some(*id);
                self.socket = Some(*id);
            }
            Output::Socket { id, order } => {
                assert_eq!(self.socket, Some(*id), "{order:?} for a socket that is not there");
                if *order == SocketOrder::Close {
                    self.socket = None;
                }
            }
            Output::Media { item, order } => match order {
                MediaOrder::Offer { .. } | MediaOrder::Answer { .. } => {
                    assert!(self.legs.insert(*item), "a second leg for item {item}");
                }
                MediaOrder::Close => {
                    assert!(self.legs.remove(item), "a leg is closed that is not there");
                    self.silent.remove(item);
                    self.heard.remove(item);
                    self.hidden.remove(item);
                }
                MediaOrder::OfferAgain { .. }
                | MediaOrder::OfferToAnother { .. }
                | MediaOrder::Withdraw
                | MediaOrder::AnswerAgain { .. }
                | MediaOrder::ApplyAnswer { .. }
                | MediaOrder::Listen
                | MediaOrder::Activate
                | MediaOrder::Mute(_)
                | MediaOrder::Tones { .. }
                | MediaOrder::Hide(_) => {
                    assert!(self.legs.contains(item), "{order:?} without a leg");
                    match order {
                        MediaOrder::Listen => assert!(self.heard.insert(*item), "early media after the call has begun"),
                        MediaOrder::Activate => drop(self.heard.insert(*item)),
                        MediaOrder::Mute(true) => assert!(self.silent.insert(*item), "silenced twice"),
                        MediaOrder::Mute(false) => assert!(self.silent.remove(item), "heard twice"),
                        MediaOrder::Hide(true) => assert!(self.hidden.insert(*item), "hidden twice"),
                        MediaOrder::Hide(false) => assert!(self.hidden.remove(item), "shown twice"),
                        _ => {}
                    }
                }
            },
            Output::Closed => self.closed = true,
        }
    }

    /// The socket has ended by itself.
    pub(super) fn socket_closed(&mut self) {
        self.socket = None;
    }

    /// What must hold between two inputs.
    pub(super) fn at_rest(&self) {
        let ways = self.asking.len() + usize::from(self.socket.is_some());
        assert!(ways <= 1, "events are asked for in {ways} ways at a time");
        for item in &self.legs {
            let state = self.states.get(item).map(String::as_str);
            assert!(state != Some("held") || self.silent.contains(item), "item {item} is held and is heard");
        }
    }

    /// What must hold when nothing can happen any more.
    pub fn at_the_end(&self) {
        for tag in self.accepted.keys() {
            assert_eq!(self.finished.get(tag), Some(&1), "{tag} never finished");
        }
        for tag in self.finished.keys() {
            assert!(self.accepted.contains_key(tag), "{tag} finished though it was not accepted");
        }
        assert!(self.live.is_empty(), "items without an end: {:?}", self.live);
        assert_eq!(self.socket, None, "a socket is left");
        assert!(self.legs.is_empty(), "legs that are left: {:?}", self.legs);
    }

    pub fn live(&self) -> usize {
        self.live.len()
    }
}
