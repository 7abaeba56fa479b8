//! A driver around the sans-IO phone for tests: it carries no I/O out, it records what the core wants and plays the world.
//!
//! Owns: [`Driver`], [`Laws`]. Lives on: the test's thread. Every output is checked on its way: events against the table of
//! documented properties, and the whole stream against the laws of the core.
#![allow(dead_code)]

pub mod conference;
pub mod laws;

use laws::Laws;

use ewebrtc::core::{
    Command, CoreConfig, Event, EventChannel, Handle, HttpRequest, HttpResponse, Input, ItemRef, MediaOrder,
    MediaReport, NetworkFailure, NetworkFailureKind, Output, PhoneCore, Refusal, RequestId, SocketId, SocketNews,
    SocketOrder, Verb,
};
use ewebrtc_wire::{Direction, Sdp};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// An offer or answer with one audio section, as small as the reader allows.
pub const AUDIO_SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0 126\r\n\
    c=IN IP4 127.0.0.1\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:126 telephone-event/8000\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n";

/// An offer with audio and video.
pub const VIDEO_SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 126\r\n\
    c=IN IP4 127.0.0.1\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:126 telephone-event/8000\r\na=sendrecv\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n\
    c=IN IP4 127.0.0.1\r\na=rtpmap:96 VP8/90000\r\na=sendrecv\r\n";

/// An offer that holds, and the answer to it.
pub const HOLD_SDP: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 126\r\n\
    c=IN IP4 127.0.0.1\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:126 telephone-event/8000\r\na=sendonly\r\n";
pub const HELD_SDP: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 126\r\n\
    c=IN IP4 127.0.0.1\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:126 telephone-event/8000\r\na=recvonly\r\n";
/// A description in which nothing flows.
pub const INACTIVE_SDP: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 126\r\n\
    c=IN IP4 127.0.0.1\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:126 telephone-event/8000\r\na=inactive\r\n";
/// An offer that gives up the own video.
pub const DOWNGRADE_SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 126\r\n\
    c=IN IP4 127.0.0.1\r\na=rtpmap:111 opus/48000/2\r\na=rtpmap:126 telephone-event/8000\r\na=sendrecv\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n\
    c=IN IP4 127.0.0.1\r\na=rtpmap:96 VP8/90000\r\na=recvonly\r\n";

pub const SID: &str = "s1";

/// The settings of every phone in these tests.
pub fn config() -> CoreConfig {
    CoreConfig {
        domain: Some("example.com".into()),
        local_media: "silence".into(),
        remote_media: "discard".into(),
        event_channel: EventChannel::LongPoll,
        version: "9.9.9",
        seed: 7,
        first_handle: 100,
    }
}

/// Settings of a phone with a source of video. The media side of these tests is the test itself.
pub fn video_config() -> CoreConfig {
    CoreConfig { local_media: "silence;video=ivf:a".into(), ..config() }
}

/// The same settings with the event channel over a WebSocket.
pub fn over_socket(config: CoreConfig) -> CoreConfig {
    CoreConfig { event_channel: EventChannel::WebSocket, ..config }
}

fn handle_of(item: Option<ItemRef>) -> Option<Handle> {
    item.map(|item| match item {
        ItemRef::Call(handle) | ItemRef::Conference(handle) => handle,
    })
}

pub fn text(event: &Event, name: &str) -> String {
    event.data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A request that has not been answered.
#[derive(Debug, Clone)]
pub struct InFlight {
    pub id: RequestId,
    pub request: HttpRequest,
}

/// The phone with a clock that the test moves.
pub struct Driver {
    pub core: PhoneCore,
    pub now: Instant,
    pub start: Instant,
    pub events: Vec<Event>,
    pub requests: Vec<InFlight>,
    /// The socket that is open or being opened, and its address.
    pub socket: Option<(SocketId, String)>,
    /// What was sent over sockets, and `?` where one was to be tried.
    pub said: Vec<String>,
    /// Orders that ask for a local description and have not got it.
    /// With a description as the media side would make it.
    pub descriptions: Vec<(Handle, &'static str)>,
    /// Answers whose application has not been reported.
    pub applying: Vec<Handle>,
    /// Tones that have not ended.
    pub playing: VecDeque<(Handle, String)>,
    pub orders: Vec<(Handle, MediaOrder)>,
    pub closed: bool,
    pub laws: Laws,
    tags: usize,
}

impl Driver {
    pub fn new(config: CoreConfig) -> Self {
        let now = Instant::now();
        Self {
            core: PhoneCore::new(config),
            now,
            start: now,
            events: Vec::new(),
            requests: Vec::new(),
            socket: None,
            said: Vec::new(),
            descriptions: Vec::new(),
            applying: Vec::new(),
            playing: VecDeque::new(),
            orders: Vec::new(),
            closed: false,
            laws: Laws::default(),
            tags: 0,
        }
    }

    fn take(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            self.laws.output(&output);
            match output {
                Output::Request { id, request } => self.requests.push(InFlight { id, request }),
                Output::CancelRequest { id } => self.requests.retain(|r| r.id != id),
                Output::OpenSocket { id, url } => self.socket = Some((id, url)),
                Output::Socket { order, .. } => match order {
                    SocketOrder::Send(text) => self.said.push(text),
                    SocketOrder::Probe => self.said.push("?".into()),
                    SocketOrder::Close => self.socket = None,
                },
                Output::Media { item, order } => {
                    match &order {
                        MediaOrder::Offer { .. }
                        | MediaOrder::Answer { .. }
                        | MediaOrder::OfferAgain { .. }
                        | MediaOrder::OfferToAnother { .. }
                        | MediaOrder::AnswerAgain { .. } => self.descriptions.push((item, description_for(&order))),
                        MediaOrder::ApplyAnswer { .. } => self.applying.push(item),
                        MediaOrder::Close => {
                            self.descriptions.retain(|(h, _)| *h != item);
                            self.applying.retain(|h| *h != item);
                            self.playing.retain(|(h, _)| *h != item);
                        }
                        MediaOrder::Tones { keys, .. } => self.playing.push_back((item, keys.clone())),
                        MediaOrder::Listen
                        | MediaOrder::Activate
                        | MediaOrder::Mute(_)
                        | MediaOrder::Hide(_)
                        | MediaOrder::Withdraw => {}
                    }
                    self.orders.push((item, order));
                }
                Output::Event(event) => self.events.push(event),
                Output::Closed => self.closed = true,
            }
        }
        self.laws.at_rest();
    }

    /// Calls a method with a tag of its own; the tag is `t<n>`.
    pub fn call(&mut self, method: &str, target: Option<Handle>, options: Value) -> Result<Value, Refusal> {
        self.tags += 1;
        let tag = format!("t{}", self.tags);
        self.call_tagged(&tag, method, target, options)
    }

    pub fn call_tagged(
        &mut self,
        tag: &str,
        method: &str,
        target: Option<Handle>,
        options: Value,
    ) -> Result<Value, Refusal> {
        let command = Command { tag: Some(tag.into()), method: method.into(), target, options };
        let mut out = Vec::new();
        let result = self.core.command(self.now, command, &mut out);
        match &result {
            Ok(_) => *self.laws.accepted.entry(tag.into()).or_default() += 1,
            Err(Refusal::Sdk(error)) => {
                let events: Vec<&Event> = out.iter().filter_map(event_of).collect();
                assert_eq!(out.len(), 1, "a refusal is one event: {out:?}");
                assert_eq!((events[0].name, events[0].tag.as_deref()), ("error", Some(tag)));
                assert_eq!(text(events[0], "ErrorCode"), error.error_code);
            }
            Err(Refusal::NotFound | Refusal::UnknownMethod(_) | Refusal::Closed) => assert!(out.is_empty()),
        }
        self.take(out);
        result
    }

    /// The code with which a method is refused, `ok` when it is accepted.
    pub fn code(&mut self, method: &str, target: Option<Handle>, options: Value) -> String {
        match self.call(method, target, options) {
            Ok(_) => "ok".into(),
            Err(Refusal::Sdk(error)) => error.error_code,
            Err(other) => format!("{other:?}"),
        }
    }

    pub fn input(&mut self, input: Input) {
        let mut out = Vec::new();
        if let Input::Response { id, .. } = &input {
            self.laws.in_flight.remove(id);
            self.laws.changing.retain(|(other, _)| other != id);
            self.laws.asking.remove(id);
        }
        self.core.handle(self.now, input, &mut out);
        self.take(out);
    }

    /// Runs every timer up to this time after the start.
    pub fn advance_to(&mut self, at: Duration) {
        let target = self.start + at;
        for _ in 0..10_000 {
            match self.core.poll_timeout() {
                Some(due) if due <= target => self.fire(due),
                Some(_) | None => {
                    self.now = self.now.max(target);
                    return;
                }
            }
        }
        panic!("timers never rest");
    }

    pub fn advance(&mut self, by: Duration) {
        let at = self.now.duration_since(self.start) + by;
        self.advance_to(at);
    }

    fn fire(&mut self, due: Instant) {
        self.now = self.now.max(due);
        let mut out = Vec::new();
        self.core.handle_timeout(self.now, &mut out);
        self.take(out);
    }

    /// Runs the next timer, whenever it is due; false when there is none.
    pub fn fire_next(&mut self) -> bool {
        let due = self.core.poll_timeout();
        if let Some(due) = due {
            self.fire(due);
        }
        due.is_some()
    }

    // ---- the gateway -------------------------------------------------------------------------------------------------

    pub fn find(&self, verb: Verb, path: &str) -> Option<InFlight> {
        self.requests.iter().find(|r| r.request.verb == verb && r.request.path == path).cloned()
    }

    pub fn find_poll(&self) -> Option<InFlight> {
        self.requests.iter().find(|r| r.request.verb == Verb::Get).cloned()
    }

    pub fn paths(&self) -> Vec<String> {
        self.requests.iter().map(|r| format!("{:?} {}", r.request.verb, r.request.path)).collect()
    }

    pub fn answer(&mut self, id: RequestId, status: u16, headers: &[(&str, &str)], body: &str) {
        self.requests.retain(|r| r.id != id);
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        let result = Ok(HttpResponse { status, headers, body: body.into() });
        self.input(Input::Response { id, result });
    }

    pub fn fail(&mut self, id: RequestId) {
        self.fail_as(id, NetworkFailureKind::Connect);
    }

    /// No answer at all, in one of the ways a network fails.
    pub fn fail_as(&mut self, id: RequestId, kind: NetworkFailureKind) {
        self.requests.retain(|r| r.id != id);
        let failure = NetworkFailure { kind, text: "no answer".into() };
        self.input(Input::Response { id, result: Err(failure) });
    }

    /// Answers the request with this verb and path, which must be in flight.
    pub fn reply(&mut self, verb: Verb, path: &str, status: u16, headers: &[(&str, &str)], body: &str) {
        let found = self.find(verb, path);
        let found = found.unwrap_or_else(|| panic!("{verb:?} {path} is not in flight: {:?}", self.paths()));
        self.answer(found.id, status, headers, body);
    }

    /// News of the socket that is open or being opened.
    pub fn news(&mut self, news: SocketNews) {
        let (id, _) = self.socket.clone().unwrap_or_else(|| panic!("no socket: {:?}", self.paths()));
        self.news_of(id, news);
    }

    /// News of any socket.
    pub fn news_of(&mut self, id: SocketId, news: SocketNews) {
        if matches!(news, SocketNews::Closed(_)) && self.socket.as_ref().is_some_and(|(open, _)| *open == id) {
            self.socket = None;
            self.laws.socket_closed();
        }
        self.input(Input::Socket { id, news });
    }

    /// The request for the address of a socket, if it is in flight.
    pub fn find_asked(&self) -> Option<InFlight> {
        self.requests.iter().find(|r| is_asked(&r.request)).cloned()
    }

    /// The gateway gives an address and the socket opens.
    pub fn socket_opens(&mut self) {
        let asked = self.find_asked().unwrap_or_else(|| panic!("no socket is asked for: {:?}", self.paths()));
        self.answer(asked.id, 201, &[("location", "ws://gateway/socket?once")], "");
        self.news(SocketNews::Opened);
    }

    /// Delivers events on the channel in one answer or message, without numbers.
    pub fn deliver(&mut self, events: &[Value]) {
        if self.socket.is_some() {
            return self.news(SocketNews::Message(list(events).into()));
        }
        let poll = self.find_poll().unwrap_or_else(|| panic!("no poll in flight: {:?}", self.paths()));
        self.answer(poll.id, 200, &[("content-type", "application/json")], &list(events));
    }

    pub fn media(&mut self, item: Handle, report: MediaReport) {
        self.input(Input::Media { item, report });
    }

    pub fn describe(&mut self, item: Handle) {
        let sdp = self.descriptions.iter().find(|(h, _)| *h == item).map_or(AUDIO_SDP, |(_, sdp)| sdp);
        self.describe_as(item, sdp);
    }

    /// The media side has done its work: answers are in force, the oldest description asked for is this one.
    pub fn describe_as(&mut self, item: Handle, sdp: &str) {
        self.apply(item);
        let at = self.descriptions.iter().position(|(h, _)| *h == item);
        self.descriptions.remove(at.unwrap_or_else(|| panic!("no description is asked for item {item}")));
        self.media(item, MediaReport::LocalDescription { sdp: sdp.into() });
    }

    /// Reports the answers of this item as in force.
    pub fn apply(&mut self, item: Handle) {
        let count = self.applying.iter().filter(|h| **h == item).count();
        self.applying.retain(|h| *h != item);
        for _ in 0..count {
            self.media(item, MediaReport::Applied);
        }
    }

    /// The media side plays the oldest tone or pause that has not ended, for 140 ms; false when there is none.
    pub fn play_tone(&mut self) -> bool {
        let Some((item, keys)) = self.playing.pop_front() else { return false };
        let mut rest = keys.chars();
        let Some(key) = rest.next() else { return false };
        if !rest.as_str().is_empty() {
            self.playing.push_front((item, rest.as_str().to_owned()));
        }
        if key != ',' {
            self.media(item, MediaReport::ToneBegan { key });
        }
        self.advance(Duration::from_millis(140));
        // The call may have ended meanwhile.
        self.media(item, MediaReport::ToneEnded);
        true
    }

    // ---- shortcuts ---------------------------------------------------------------------------------------------------

    /// A phone with a session.
    pub fn ready() -> Self {
        let mut phone = Self::new(config());
        phone.login();
        phone
    }

    /// A phone with a session and a source of video.
    pub fn with_video() -> Self {
        let mut phone = Self::new(video_config());
        phone.login();
        phone
    }

    pub fn login(&mut self) {
        self.call("login", None, json!({"token": "tok"})).expect("login is accepted");
        self.created();
    }

    /// The gateway creates the session.
    pub fn created(&mut self) {
        let location = format!("/RTC/v1/sessions/{SID}");
        self.reply(Verb::Post, "/sessions", 201, &[("location", &location), ("x-expires", "3600")], "");
    }

    /// Dials and gives the offer; the POST is in flight.
    pub fn dial(&mut self) -> Handle {
        self.dial_with("audio")
    }

    pub fn dial_with(&mut self, media: &str) -> Handle {
        let value = self.call("dial", None, json!({"destination": "bob", "mediaType": media}));
        let value = value.expect("dial is accepted");
        let handle = value["call"].as_u64().expect("a handle");
        self.describe(handle);
        handle
    }

    /// The gateway takes the call as `id`.
    pub fn accepted(&mut self, id: &str) {
        let location = format!("/RTC/v1/sessions/{SID}/calls/{id}");
        self.reply(Verb::Post, &format!("/sessions/{SID}/calls"), 201, &[("location", &location)], "");
    }

    /// An outgoing established call.
    pub fn talking(&mut self, id: &str) -> Handle {
        let handle = self.dial();
        self.accepted(id);
        self.deliver(&[event(id, "session-open", &[("sdp", AUDIO_SDP)])]);
        handle
    }

    /// An outgoing established video call.
    pub fn talking_video(&mut self, id: &str) -> Handle {
        let handle = self.dial_with("video");
        self.accepted(id);
        self.deliver(&[event(id, "session-open", &[("sdp", VIDEO_SDP)])]);
        handle
    }

    /// The gateway takes the change of this call, or the answer to one.
    pub fn taken(&mut self, id: &str) {
        self.reply(Verb::Put, &format!("/sessions/{SID}/calls/{id}"), 204, &[], "");
    }

    /// The media side describes the change, the gateway takes it.
    pub fn requested(&mut self, handle: Handle, id: &str) {
        self.describe(handle);
        self.taken(id);
    }

    /// A change of ours is done; the peer's answer is this.
    pub fn done(&mut self, id: &str, sdp: &str) {
        self.deliver(&[event(id, "mod-terminated", &[("reason", "success"), ("sdp", sdp)])]);
    }

    /// Holds an established call.
    pub fn held(&mut self, handle: Handle, id: &str) {
        self.call("hold", None, json!({})).expect("hold is accepted");
        self.requested(handle, id);
        self.done(id, HELD_SDP);
    }

    /// The peer changes something and we answer by ourselves.
    pub fn peer_changes(&mut self, handle: Handle, id: &str, mod_id: &str, sdp: &str) {
        self.deliver(&[event(id, "mod-received", &[("modId", mod_id), ("sdp", sdp)])]);
        self.requested(handle, id);
        self.deliver(&[event(id, "mod-terminated", &[("modId", mod_id), ("reason", "success")])]);
    }

    /// The peer holds an established call.
    pub fn held_by_peer(&mut self, handle: Handle, id: &str) {
        self.peer_changes(handle, id, "hold", HOLD_SDP);
    }

    /// Two established calls: `c1` with bob, held for `c2` with carol in the foreground.
    pub fn two_calls(&mut self) -> (Handle, Handle) {
        let first = self.talking("c1");
        (first, self.second_call(first))
    }

    /// Adds `c2` with carol to the established `c1`.
    pub fn second_call(&mut self, first: Handle) -> Handle {
        let value = self.call("addCall", None, json!({"destination": "carol", "mediaType": "audio"}));
        let second = value.expect("addCall is accepted")["call"].as_u64().expect("a handle");
        self.requested(first, "c1");
        self.done("c1", HELD_SDP);
        self.describe(second);
        self.accepted("c2");
        self.deliver(&[event("c2", "session-open", &[("sdp", AUDIO_SDP)])]);
        second
    }

    /// A ringing call.
    pub fn ringing(&mut self, id: &str) -> Handle {
        self.deliver(&[invitation(id)]);
        self.last_item()
    }

    /// Handle of the item of the last event that has one.
    pub fn last_item(&self) -> Handle {
        self.events.iter().rev().find_map(|e| handle_of(e.item)).expect("an event about an item")
    }

    /// Forgets the events so far and returns their names, states written as `sc old>new`, errors as `error code`.
    pub fn names(&mut self) -> Vec<String> {
        std::mem::take(&mut self.events).iter().map(short).collect()
    }

    /// Forgets the orders to the media side so far and returns them.
    pub fn take_orders(&mut self) -> Vec<MediaOrder> {
        std::mem::take(&mut self.orders).into_iter().map(|(_, order)| order).collect()
    }

    /// Whatever happened to the call `c1`, the user can hang up, and then make another call.
    pub fn can_go_on(mut self) {
        assert_eq!(self.code("hangup", None, json!({})), "ok");
        self.reply(Verb::Delete, "/sessions/s1/calls/c1", 204, &[], "");
        self.deliver(&[event("c1", "session-terminated", &[])]);
        assert_eq!(self.code("dial", None, json!({"destination": "bob"})), "ok");
        self.finish();
    }

    /// Plays a gateway and media that answer nothing any more, until no timer is left; then the laws of the end.
    pub fn finish(mut self) {
        self.input(Input::Close);
        for _ in 0..100 {
            if self.closed || !self.fire_next() {
                break;
            }
        }
        assert!(self.closed, "close takes too long");
        assert_eq!(self.core.poll_timeout(), None, "a timer is left");
        self.laws.at_the_end();
    }
}

/// What a hold of ours publishes once the gateway has taken it, and a resume.
pub const HOLDING: [&str; 4] = [
    "sc connected>modification-initiated",
    "call:modification-in-progress",
    "sc modification-initiated>held",
    "call:held",
];
/// See [`HOLDING`].
pub const RESUMING: [&str; 4] = [
    "sc held>modification-initiated",
    "call:modification-in-progress",
    "sc modification-initiated>connected",
    "call:resumed",
];

/// A phone in the established call `c1`, with nothing left to be done.
pub fn talking() -> (Driver, Handle) {
    let mut phone = Driver::ready();
    let call = phone.talking("c1");
    phone.apply(call);
    phone.names();
    phone.orders.clear();
    (phone, call)
}

/// A request for the address of a socket.
pub fn is_asked(request: &HttpRequest) -> bool {
    request.verb == Verb::Post && request.path.split('?').next().is_some_and(|path| path.ends_with("/websockets"))
}

fn event_of(output: &Output) -> Option<&Event> {
    match output {
        Output::Event(event) => Some(event),
        Output::Request { .. }
        | Output::CancelRequest { .. }
        | Output::OpenSocket { .. }
        | Output::Socket { .. }
        | Output::Media { .. }
        | Output::Closed => None,
    }
}

/// What the media side makes of an order, by its directions.
fn description_for(order: &MediaOrder) -> &'static str {
    let (audio, video) = match order {
        MediaOrder::Offer { video, .. } | MediaOrder::Answer { video, .. } => {
            (Direction::SendRecv, video.then_some(Direction::SendRecv))
        }
        MediaOrder::OfferAgain { audio, video } | MediaOrder::OfferToAnother { audio, video } => (*audio, *video),
        MediaOrder::AnswerAgain { offer, audio, video } => {
            let offered = Sdp::parse(offer).expect("the core reads every offer before").sections[0].direction;
            (audio.intersect(offered.unwrap_or(Direction::SendRecv).reversed()), *video)
        }
        MediaOrder::ApplyAnswer { .. }
        | MediaOrder::Listen
        | MediaOrder::Activate
        | MediaOrder::Mute(_)
        | MediaOrder::Tones { .. }
        | MediaOrder::Hide(_)
        | MediaOrder::Withdraw
        | MediaOrder::Close => {
            panic!("{order:?} asks for no description")
        }
    };
    match (audio, video) {
        (Direction::SendRecv, Some(Direction::SendRecv)) => VIDEO_SDP,
        (Direction::SendRecv, Some(Direction::RecvOnly)) => DOWNGRADE_SDP,
        (Direction::SendRecv, Some(Direction::SendOnly | Direction::Inactive) | None) => AUDIO_SDP,
        (Direction::SendOnly, _) => HOLD_SDP,
        (Direction::RecvOnly, _) => HELD_SDP,
        (Direction::Inactive, _) => INACTIVE_SDP,
    }
}

/// Short form of an event for comparisons.
pub fn short(event: &Event) -> String {
    match event.name {
        "call:state-changed" => format!("sc {}>{}", text(event, "oldState"), text(event, "newState")),
        "error" => format!("error {}", text(event, "ErrorCode")),
        "command:finished" => {
            let error = event.data.get("error").and_then(|e| e.get("ErrorCode")).and_then(Value::as_str);
            let tag = event.tag.as_deref().unwrap_or("-");
            error.map_or(format!("finished {tag}"), |code| format!("finished {tag} {code}"))
        }
        name => name.to_owned(),
    }
}

/// An event object about a call.
pub fn event(id: &str, state: &str, members: &[(&str, &str)]) -> Value {
    let mut object = json!({
        "type": "calls", "from": "sip:bob@example.com", "state": state,
        "resourceURL": format!("/RTC/v1/sessions/{SID}/calls/{id}"),
    });
    for (name, value) in members {
        object[*name] = (*value).into();
    }
    object
}

pub fn invitation(id: &str) -> Value {
    event(id, "invitation-received", &[("sdp", AUDIO_SDP)])
}

/// The peer of `c1` changes something.
pub fn mod_received(mod_id: &str, sdp: &str) -> Value {
    event("c1", "mod-received", &[("modId", mod_id), ("sdp", sdp)])
}

/// Its change is done.
pub fn mod_done(mod_id: &str) -> Value {
    event("c1", "mod-terminated", &[("modId", mod_id), ("reason", "success")])
}

/// The body of a poll answer.
pub fn list(events: &[Value]) -> String {
    let elements: Vec<Value> = events.iter().map(|e| json!({"eventObject": e})).collect();
    json!({"events": {"eventList": elements}}).to_string()
}
