//! A phone and a world that plays moves against it: what the user, the gateway, the media side and the clock may do, in any
//! order.
//!
//! Owns: [`Move`], [`World`]. Lives on: the test's thread.

use crate::core_support::conference::conference_invitation;
use crate::core_support::{
    self, AUDIO_SDP, DOWNGRADE_SDP, Driver, HELD_SDP, HOLD_SDP, InFlight, SID, VIDEO_SDP, event, invitation, is_asked,
    over_socket, video_config,
};
use ewebrtc::core::{
    Input, MediaFailure, MediaReport, NetworkFailure, NetworkFailureKind, SocketEnd, SocketId, SocketNews, Verb,
};
use serde_json::{Value, json};
use std::time::Duration;

/// One move of the user, the gateway, the media side or the clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Move {
    Login,
    Logout,
    Dial,
    AddCall,
    Answer,
    AnswerEnd,
    AnswerHold,
    Hangup,
    Cancel,
    Reject,
    Hold,
    Resume,
    /// The method move.
    ToOther,
    Upgrade,
    Downgrade,
    Accept,
    Decline,
    Switch,
    Transfer,
    Mute,
    Unmute,
    Tones,
    E911,
    /// The oldest request but the poll succeeds.
    Good,
    /// It is refused.
    Refused,
    /// It gets no answer.
    Silence,
    /// It is answered that the session is gone.
    Gone,
    PollEmpty,
    PollFails,
    PollGone,
    /// A socket is offered, and opens.
    SocketOpens,
    /// None is offered, or the handshake is refused.
    SocketRefused,
    SocketFails,
    /// An open one ends.
    SocketDrops,
    SocketGarbage,
    /// The last message once more.
    SocketAgain,
    /// The last message once more, by the socket before.
    SocketLate,
    Invite,
    Open,
    /// Early media.
    Early,
    Modified,
    Terminated,
    Busy,
    /// About the older of two calls.
    OldTerminated,
    PeerHolds,
    PeerResumes,
    PeerUpgrades,
    PeerDowngrades,
    /// The gateway asks for an offer.
    PeerAsks,
    PeerNonsense,
    /// A change is done, seen from the side that began it, and from the other.
    Done,
    DoneThere,
    /// The same about the older of two calls.
    OldDone,
    NotDone,
    ToOtherDone,
    ToOtherFails,
    TransferBegun,
    TransferDone,
    TransferNotDone,
    StartConference,
    Join,
    JoinHold,
    JoinEnd,
    RejectConference,
    EndConference,
    AddParticipant,
    RemoveParticipant,
    InviteToConference,
    /// What becomes of the newest invitation of a party.
    PartyJoins,
    PartyDeclines,
    PartyFails,
    PartyLeaves,
    /// Events at once in the wrong order.
    Backwards,
    Described,
    Denied,
    Applied,
    /// The media side and the gateway do all that is asked of them, and every change of ours is done.
    Smooth,
    Audio,
    /// The oldest tone is sent.
    Tone,
    /// It begins, and that is all.
    ToneBegins,
    TonesRefused,
    /// The peer presses a key.
    Key,
    Lost,
    /// Packets stay away.
    Interrupted,
    /// They come again.
    Sound,
    AddressesGone,
    Offline,
    Online,
    Timer,
    Second,
}

pub const ALL: [Move; 90] = [
    Move::Login,
    Move::Logout,
    Move::Dial,
    Move::AddCall,
    Move::Answer,
    Move::AnswerEnd,
    Move::AnswerHold,
    Move::Hangup,
    Move::Cancel,
    Move::Reject,
    Move::Hold,
    Move::Resume,
    Move::ToOther,
    Move::Upgrade,
    Move::Downgrade,
    Move::Accept,
    Move::Decline,
    Move::Switch,
    Move::Transfer,
    Move::Mute,
    Move::Unmute,
    Move::Tones,
    Move::E911,
    Move::Good,
    Move::Refused,
    Move::Silence,
    Move::Gone,
    Move::PollEmpty,
    Move::PollFails,
    Move::PollGone,
    Move::SocketOpens,
    Move::SocketRefused,
    Move::SocketFails,
    Move::SocketDrops,
    Move::SocketGarbage,
    Move::SocketAgain,
    Move::SocketLate,
    Move::Invite,
    Move::Open,
    Move::Early,
    Move::Modified,
    Move::Terminated,
    Move::Busy,
    Move::OldTerminated,
    Move::PeerHolds,
    Move::PeerResumes,
    Move::PeerUpgrades,
    Move::PeerDowngrades,
    Move::PeerAsks,
    Move::PeerNonsense,
    Move::Done,
    Move::DoneThere,
    Move::OldDone,
    Move::NotDone,
    Move::ToOtherDone,
    Move::ToOtherFails,
    Move::TransferBegun,
    Move::TransferDone,
    Move::TransferNotDone,
    Move::StartConference,
    Move::Join,
    Move::JoinHold,
    Move::JoinEnd,
    Move::RejectConference,
    Move::EndConference,
    Move::AddParticipant,
    Move::RemoveParticipant,
    Move::InviteToConference,
    Move::PartyJoins,
    Move::PartyDeclines,
    Move::PartyFails,
    Move::PartyLeaves,
    Move::Backwards,
    Move::Described,
    Move::Denied,
    Move::Applied,
    Move::Smooth,
    Move::Audio,
    Move::Tone,
    Move::ToneBegins,
    Move::TonesRefused,
    Move::Key,
    Move::Lost,
    Move::Interrupted,
    Move::Sound,
    Move::AddressesGone,
    Move::Offline,
    Move::Online,
    Move::Timer,
    Move::Second,
];

/// A phone and a world that plays moves against it.
pub struct World {
    pub phone: Driver,
    ids: usize,
    /// The ids that the gateway has used, the newest last.
    known: Vec<String>,
    /// Number of the last event that came over a socket, and its message.
    seq: u64,
    last: Option<String>,
    /// The socket before the last one.
    before: Option<SocketId>,
    /// The id of the newest invitation of a party.
    party: String,
}

impl World {
    pub fn new(start: &[Move]) -> Self {
        // A sequence that begins with a socket is that of a phone that wants one.
        let wanted = start.contains(&Move::SocketOpens);
        let settings = if wanted { over_socket(video_config()) } else { video_config() };
        let phone = Driver::new(settings);
        let mut world =
            Self { phone, ids: 0, known: Vec::new(), party: String::new(), seq: 0, last: None, before: None };
        start.iter().for_each(|m| world.play(*m));
        world
    }

    fn fresh_id(&mut self) -> String {
        self.ids += 1;
        let id = format!("c{}", self.ids);
        self.known.push(id.clone());
        id
    }

    fn command(&mut self, method: &str, options: Value) {
        // A refusal is as good as an acceptance here; the driver checks its form.
        let _ = self.phone.call(method, None, options);
    }

    fn oldest(&self) -> Option<InFlight> {
        self.phone.requests.iter().find(|r| r.request.verb != Verb::Get && !is_asked(&r.request)).cloned()
    }

    fn good(&mut self, request: &InFlight) {
        if request.request.path.contains("/participants/") {
            if request.request.verb == Verb::Delete {
                return self.phone.answer(request.id, 202, &[("x-state", "remove-pending")], "");
            }
            self.ids += 1;
            self.party = format!("i{}", self.ids);
            let id = self.party.clone();
            return self.phone.answer(request.id, 202, &[("x-state", "add-pending"), ("x-modid", &id)], "");
        }
        let names = ["x-calls-action", "x-conference-action"];
        if request.request.headers.iter().any(|(name, value)| names.contains(name) && value != "call-answer") {
            return self.phone.answer(request.id, 204, &[], "");
        }
        if request.request.verb != Verb::Post {
            return self.phone.answer(request.id, 200, &[("x-expires", "3600")], "");
        }
        if request.request.path == "/sessions" {
            let location = format!("/RTC/v1/sessions/{SID}");
            return self.phone.answer(request.id, 201, &[("location", &location), ("x-expires", "3600")], "");
        }
        let id = self.fresh_id();
        let location = format!("/RTC/v1{}/{id}", request.request.path);
        self.phone.answer(request.id, 201, &[("location", &location)], "");
    }

    /// News of the newest invitation of a party, or by an id that is not known.
    fn party(&mut self, known: bool, why: &str) {
        let id = if known { self.party.clone() } else { "fresh".to_owned() };
        self.events(&[("mod-terminated", &[("modId", &id), ("reason", why), ("from", "sip:carol@example.com")])]);
    }

    fn answer(&mut self, status: u16, body: &str) {
        if let Some(request) = self.oldest() {
            self.phone.answer(request.id, status, &[], body);
        }
    }

    /// Events about the newest call.
    fn events(&mut self, states: &[(&str, &[(&str, &str)])]) {
        self.events_about(0, states);
    }

    /// Events about the call that is `age` older than the newest.
    fn events_about(&mut self, age: usize, states: &[(&str, &[(&str, &str)])]) {
        let id = self.known.iter().rev().nth(age).cloned().unwrap_or_else(|| "none".into());
        let events: Vec<Value> = states.iter().map(|(state, members)| event(&id, state, members)).collect();
        self.deliver(&events);
    }

    /// Delivers events: numbered over a socket, without numbers to a poll.
    fn deliver(&mut self, events: &[Value]) {
        if self.phone.socket.is_some() {
            let elements: Vec<Value> = events
                .iter()
                .map(|e| {
                    self.seq += 1;
                    json!({"seq": self.seq, "eventObject": e})
                })
                .collect();
            let text = json!({"events": {"eventList": elements}}).to_string();
            self.last = Some(text.clone());
            self.phone.news(SocketNews::Message(text.into()));
        } else if let Some(poll) = self.phone.find_poll() {
            self.phone.answer(poll.id, 200, &[], &core_support::list(events));
        }
    }

    /// A socket is offered, and opens.
    fn socket_opens(&mut self) {
        if let Some(asked) = self.phone.find_asked() {
            self.phone.answer(asked.id, 201, &[("location", "ws://gateway/socket?once")], "");
        }
        if self.phone.socket.is_some() {
            self.phone.news(SocketNews::Opened);
        }
    }

    fn socket_ends(&mut self, end: SocketEnd) {
        if let Some((id, _)) = self.phone.socket {
            self.before = Some(id);
            self.phone.news(SocketNews::Closed(end));
        }
    }

    /// What has come before comes again by this socket; the number says that it is known.
    fn again(&mut self, id: SocketId) {
        let Some(text) = self.last.clone() else { return };
        let seen = (self.phone.events.len(), self.phone.orders.len());
        self.phone.news_of(id, SocketNews::Message(text.into()));
        assert_eq!((self.phone.events.len(), self.phone.orders.len()), seen, "an event was taken twice");
    }

    /// The peer of the newest call changes something, with a new id each time.
    fn offer(&mut self, sdp: Option<&str>) {
        self.ids += 1;
        let id = format!("m{}", self.ids);
        let members: Vec<(&str, &str)> = [("modId", id.as_str())].into_iter().chain(sdp.map(|s| ("sdp", s))).collect();
        self.events(&[("mod-received", &members)]);
    }

    fn media(&mut self, report: MediaReport) {
        if let Some((item, _)) = self.phone.orders.last() {
            self.phone.media(*item, report);
        }
    }

    pub fn play(&mut self, m: Move) {
        let sdp: &[(&str, &str)] = &[("sdp", AUDIO_SDP)];
        match m {
            Move::Login => {
                // The numbers of another session begin anew.
                if self.phone.call("login", None, json!({"token": "t"})).is_ok() {
                    self.last = None;
                }
            }
            Move::Logout => self.command("logout", json!({})),
            // With audio: upgrades then are to video, downgrades are reached by what the peer accepts.
            Move::Dial => self.command("dial", json!({"destination": "bob", "mediaType": "audio"})),
            Move::Answer => self.command("answer", json!({})),
            Move::AnswerEnd => self.command("answer", json!({"action": "end"})),
            Move::AnswerHold => self.command("answer", json!({"action": "hold"})),
            Move::AddCall => self.command("addCall", json!({"destination": "carol"})),
            Move::Hold => self.command("hold", json!({})),
            Move::Resume => self.command("resume", json!({})),
            Move::ToOther => self.command("move", json!({})),
            Move::Upgrade => self.command("upgrade", json!({})),
            Move::Downgrade => self.command("downgrade", json!({})),
            Move::Accept => self.command("acceptModification", json!({})),
            Move::Decline => self.command("rejectModification", json!({})),
            Move::Switch => self.command("switchCall", json!({})),
            Move::Transfer => self.command("transfer", json!({})),
            Move::Unmute => self.command("unmute", json!({})),
            Move::Hangup => self.command("hangup", json!({})),
            Move::Cancel => self.command("cancel", json!({})),
            Move::Reject => self.command("reject", json!({})),
            Move::Mute => self.command("mute", json!({})),
            Move::Tones => self.command("sendDTMFTone", json!({"input": "1,2"})),
            Move::E911 => self.command("associateE911Id", json!({"e911Id": "E"})),
            Move::Good => {
                if let Some(request) = self.oldest() {
                    self.good(&request);
                }
            }
            Move::Refused => self.answer(500, ""),
            Move::Silence => {
                if let Some(request) = self.oldest() {
                    self.phone.fail(request.id);
                }
            }
            Move::Gone => self.answer(404, "session not found"),
            Move::PollEmpty => {
                if let Some(poll) = self.phone.find_poll() {
                    self.phone.answer(poll.id, 204, &[], "");
                }
            }
            Move::PollFails => {
                if let Some(poll) = self.phone.find_poll() {
                    self.phone.fail(poll.id);
                }
            }
            Move::PollGone => {
                if let Some(poll) = self.phone.find_poll() {
                    self.phone.answer(poll.id, 404, &[], "");
                }
            }
            Move::SocketOpens => self.socket_opens(),
            Move::SocketRefused => match self.phone.find_asked() {
                Some(asked) => self.phone.answer(asked.id, 501, &[], ""),
                None => self.socket_ends(SocketEnd::Refused(400)),
            },
            Move::SocketFails => match self.phone.find_asked() {
                Some(asked) => self.phone.fail(asked.id),
                None => {
                    let failure = NetworkFailure { kind: NetworkFailureKind::Reset, text: "broken".into() };
                    self.socket_ends(SocketEnd::Failed(failure));
                }
            },
            Move::SocketDrops => self.socket_ends(SocketEnd::Ended),
            Move::SocketGarbage => {
                if self.phone.socket.is_some() {
                    self.phone.news(SocketNews::Message(b"{garbage".to_vec()));
                }
            }
            Move::SocketAgain => {
                if let Some((id, _)) = self.phone.socket {
                    self.again(id);
                }
            }
            Move::SocketLate => {
                if let Some(id) = self.before {
                    self.again(id);
                }
            }
            Move::Invite => {
                if self.phone.socket.is_some() || self.phone.find_poll().is_some() {
                    let id = self.fresh_id();
                    self.deliver(&[invitation(&id)]);
                }
            }
            Move::Open => self.events(&[("session-open", sdp)]),
            Move::Early => {
                let early: &[(&str, &str)] = &[("sdp", AUDIO_SDP), ("provisionalSDP", "true")];
                self.events(&[("session-open", early)]);
            }
            Move::Modified => self.events(&[("session-modified", &[])]),
            Move::Terminated => self.events(&[("session-terminated", &[])]),
            Move::Busy => self.events(&[("session-terminated", &[("reason", "User busy")])]),
            Move::OldTerminated => self.events_about(1, &[("session-terminated", &[])]),
            Move::PeerHolds => self.offer(Some(HOLD_SDP)),
            Move::PeerResumes => self.offer(Some(AUDIO_SDP)),
            Move::PeerUpgrades => self.offer(Some(VIDEO_SDP)),
            Move::PeerDowngrades => self.offer(Some(DOWNGRADE_SDP)),
            Move::PeerAsks => self.offer(None),
            Move::PeerNonsense => self.offer(Some("nonsense")),
            Move::Done => self.events(&[("mod-terminated", &[("reason", "success"), ("sdp", HELD_SDP)])]),
            Move::DoneThere => self.events(&[("mod-terminated", &[("reason", "success")])]),
            Move::OldDone => {
                self.events_about(1, &[("mod-terminated", &[("reason", "success"), ("sdp", HELD_SDP)])]);
            }
            Move::NotDone => self.events(&[("mod-terminated", &[("reason", "no")])]),
            Move::ToOtherDone => self.events(&[("move-terminated", &[("reason", "success")])]),
            Move::ToOtherFails => self.events(&[("move-terminated", &[("reason", "no")])]),
            Move::TransferBegun => self.events_about(1, &[("transfer-initiated", &[])]),
            Move::TransferDone => self.events_about(1, &[("transfer-terminated", &[("reason", "success")])]),
            Move::TransferNotDone => self.events_about(1, &[("transfer-terminated", &[("reason", "no")])]),
            Move::StartConference => self.command("startConference", json!({})),
            Move::Join => self.command("joinConference", json!({})),
            Move::JoinHold => self.command("joinConference", json!({"action": "hold"})),
            Move::JoinEnd => self.command("joinConference", json!({"action": "end"})),
            Move::RejectConference => self.command("rejectConference", json!({})),
            Move::EndConference => self.command("endConference", json!({})),
            Move::AddParticipant => self.command("addParticipant", json!({"participant": "carol"})),
            Move::RemoveParticipant => self.command("removeParticipant", json!({"participant": "carol"})),
            Move::InviteToConference => {
                if let Some(poll) = self.phone.find_poll() {
                    let id = self.fresh_id();
                    self.phone.answer(poll.id, 200, &[], &core_support::list(&[conference_invitation(&id)]));
                }
            }
            Move::PartyJoins => self.party(true, "success"),
            Move::PartyDeclines => self.party(true, "User busy"),
            Move::PartyFails => self.party(true, "No answer"),
            Move::PartyLeaves => self.party(false, "Call terminated"),
            Move::Backwards => {
                let done: &[(&str, &str)] = &[("reason", "success"), ("sdp", HELD_SDP)];
                let hold: &[(&str, &str)] = &[("modId", "back"), ("sdp", HOLD_SDP)];
                self.events(&[("mod-terminated", done), ("mod-received", hold), ("session-modified", &[])]);
                self.events(&[("session-terminated", &[]), ("session-open", sdp), ("mod-terminated", &[])]);
            }
            Move::Described => {
                if let Some((item, _)) = self.phone.descriptions.first().copied() {
                    self.phone.describe(item);
                }
            }
            Move::Applied => {
                if let Some(item) = self.phone.applying.first().copied() {
                    self.phone.apply(item);
                }
            }
            Move::Smooth => {
                while let Some((item, _)) = self.phone.descriptions.first().copied() {
                    self.phone.describe(item);
                }
                self.all_good();
                self.play(Move::Done);
                self.play(Move::OldDone);
            }
            Move::Denied => self.media(MediaReport::Failed { kind: MediaFailure::Denied, text: "no".into() }),
            Move::Audio => self.media(MediaReport::FirstAudio),
            Move::Tone => drop(self.phone.play_tone()),
            Move::ToneBegins => self.media(MediaReport::ToneBegan { key: '1' }),
            Move::TonesRefused => self.media(MediaReport::TonesRefused { text: "no".into() }),
            Move::Key => self.media(MediaReport::KeyHeard { key: '#' }),
            Move::Lost => self.media(MediaReport::Lost { text: "gone".into() }),
            Move::Interrupted => self.media(MediaReport::Interrupted),
            Move::Sound => self.media(MediaReport::Recovered),
            Move::AddressesGone => self.phone.input(Input::AddressesGone),
            Move::Offline => self.phone.input(Input::Connectivity { online: false }),
            Move::Online => self.phone.input(Input::Connectivity { online: true }),
            Move::Timer => {
                self.phone.fire_next();
            }
            Move::Second => self.phone.advance(Duration::from_secs(1)),
        }
    }

    /// Every request but the poll succeeds.
    fn all_good(&mut self) {
        for request in self.phone.requests.clone() {
            // A request may have been cancelled by the answer of the one before.
            let channel = request.request.verb == Verb::Get || is_asked(&request.request);
            if !channel && self.phone.requests.iter().any(|r| r.id == request.id) {
                self.good(&request);
            }
        }
    }

    /// From wherever the phone is: the user ends what there is, the gateway is well again, and a call can be made.
    pub fn goes_on(mut self, how: &dyn std::fmt::Debug) {
        self.play(Move::Online);
        let mut free = false;
        for _ in 0..12 {
            for method in ["hangup", "cancel", "reject", "rejectConference"] {
                self.command(method, json!({}));
            }
            self.all_good();
            self.phone.advance(Duration::from_secs(6));
            self.command("login", json!({"token": "t"}));
            let next = self.phone.code("dial", None, json!({"destination": "bob"}));
            if next == "ok" {
                free = true;
                break;
            }
        }
        assert!(free, "no call can be made after {how:?}: {:?}", self.phone.core);
        self.phone.finish();
    }
}
