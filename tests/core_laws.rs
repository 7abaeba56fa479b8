//! Laws of the core over every short sequence of moves and over long random ones: one terminal event per item, each
//! command finishes once, nothing after the end, no leg and no timer left, and the user can always go on.
//!
//! The laws themselves are checked by the driver on every output (`core_support::Laws`).

mod core_support;

use core_support::{
    AUDIO_SDP, DOWNGRADE_SDP, Driver, HELD_SDP, HOLD_SDP, InFlight, SID, VIDEO_SDP, event, invitation, video_config,
};
use ewebrtc::core::{Input, MediaFailure, MediaReport, Verb};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};
use std::time::Duration;

/// One move of the user, the gateway, the media side or the clock.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Move {
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
    Invite,
    Open,
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
    /// Events at once in the wrong order.
    Backwards,
    Described,
    Denied,
    Applied,
    Audio,
    Lost,
    Offline,
    Online,
    Timer,
    Second,
}

const ALL: [Move; 60] = [
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
    Move::E911,
    Move::Good,
    Move::Refused,
    Move::Silence,
    Move::Gone,
    Move::PollEmpty,
    Move::PollFails,
    Move::PollGone,
    Move::Invite,
    Move::Open,
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
    Move::Backwards,
    Move::Described,
    Move::Denied,
    Move::Applied,
    Move::Audio,
    Move::Lost,
    Move::Offline,
    Move::Online,
    Move::Timer,
    Move::Second,
];

/// What matters most, for the longer exhaustive sequences.
const MAIN: [Move; 13] = [
    Move::Logout,
    Move::Dial,
    Move::AnswerEnd,
    Move::Hangup,
    Move::Cancel,
    Move::Reject,
    Move::Good,
    Move::Refused,
    Move::Gone,
    Move::Invite,
    Move::Open,
    Move::Terminated,
    Move::Described,
];

/// Where a sequence begins.
const STARTS: [&[Move]; 12] = [
    &[],
    &[Move::Login, Move::Good],
    &[Move::Login, Move::Good, Move::Dial, Move::Described],
    &[Move::Login, Move::Good, Move::Dial, Move::Described, Move::Good],
    TALKING,
    &[Move::Login, Move::Good, Move::Invite],
    &[Move::Login, Move::Good, Move::Dial, Move::Described, Move::Good, Move::Open, Move::Invite],
    HELD,
    &[Move::Login, Move::Good, Move::Dial, Move::Described, Move::Good, Move::Open, Move::PeerUpgrades],
    ADDING,
    TWO,
    &[
        Move::Login,
        Move::Good,
        Move::Dial,
        Move::Described,
        Move::Good,
        Move::Open,
        Move::ToOther,
        Move::Described,
        Move::Good,
    ],
];

const TALKING: &[Move] = &[Move::Login, Move::Good, Move::Dial, Move::Described, Move::Good, Move::Open];

const HELD: &[Move] = &[
    Move::Login,
    Move::Good,
    Move::Dial,
    Move::Described,
    Move::Good,
    Move::Open,
    Move::Applied,
    Move::Hold,
    Move::Described,
    Move::Good,
    Move::Done,
];

const ADDING: &[Move] = &[
    Move::Login,
    Move::Good,
    Move::Dial,
    Move::Described,
    Move::Good,
    Move::Open,
    Move::Applied,
    Move::AddCall,
    Move::Described,
];

const TWO: &[Move] = &[
    Move::Login,
    Move::Good,
    Move::Dial,
    Move::Described,
    Move::Good,
    Move::Open,
    Move::Applied,
    Move::AddCall,
    Move::Described,
    Move::Good,
    Move::Done,
    Move::Described,
    Move::Good,
    Move::Open,
];

/// What matters most while calls are changed.
const CHANGING: [Move; 16] = [
    Move::AddCall,
    Move::Hangup,
    Move::Hold,
    Move::Resume,
    Move::Switch,
    Move::Transfer,
    Move::Accept,
    Move::Good,
    Move::Refused,
    Move::Described,
    Move::PeerHolds,
    Move::PeerResumes,
    Move::Done,
    Move::DoneThere,
    Move::Terminated,
    Move::Timer,
];

/// A phone and a world that plays moves against it.
struct World {
    phone: Driver,
    ids: usize,
    /// The ids that the gateway has used, the newest last.
    known: Vec<String>,
}

impl World {
    fn new(start: &[Move]) -> Self {
        let mut world = Self { phone: Driver::new(video_config()), ids: 0, known: Vec::new() };
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
        self.phone.requests.iter().find(|r| r.request.verb != Verb::Get).cloned()
    }

    fn good(&mut self, request: &InFlight) {
        if request.request.headers.iter().any(|(name, value)| *name == "x-calls-action" && value != "call-answer") {
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
        let location = format!("/RTC/v1/sessions/{SID}/calls/{id}");
        self.phone.answer(request.id, 201, &[("location", &location)], "");
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
        let Some(poll) = self.phone.find_poll() else { return };
        let id = self.known.iter().rev().nth(age).cloned().unwrap_or_else(|| "none".into());
        let events: Vec<Value> = states.iter().map(|(state, members)| event(&id, state, members)).collect();
        self.phone.answer(poll.id, 200, &[], &core_support::list(&events));
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

    fn play(&mut self, m: Move) {
        let sdp: &[(&str, &str)] = &[("sdp", AUDIO_SDP)];
        match m {
            Move::Login => self.command("login", json!({"token": "t"})),
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
            Move::Invite => {
                if let Some(poll) = self.phone.find_poll() {
                    let id = self.fresh_id();
                    self.phone.answer(poll.id, 200, &[], &core_support::list(&[invitation(&id)]));
                }
            }
            Move::Open => self.events(&[("session-open", sdp)]),
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
            Move::Denied => self.media(MediaReport::Failed { kind: MediaFailure::Denied, text: "no".into() }),
            Move::Audio => self.media(MediaReport::FirstAudio),
            Move::Lost => self.media(MediaReport::Lost { text: "gone".into() }),
            Move::Offline => self.phone.input(Input::Connectivity { online: false }),
            Move::Online => self.phone.input(Input::Connectivity { online: true }),
            Move::Timer => {
                self.phone.fire_next();
            }
            Move::Second => self.phone.advance(Duration::from_secs(1)),
        }
    }

    /// From wherever the phone is: the user ends what there is, the gateway is well again, and a call can be made.
    fn goes_on(mut self, how: &dyn std::fmt::Debug) {
        self.play(Move::Online);
        let mut free = false;
        for _ in 0..12 {
            for method in ["hangup", "cancel", "reject"] {
                self.command(method, json!({}));
            }
            for request in self.phone.requests.clone() {
                // A request may have been cancelled by the answer of the one before.
                if request.request.verb != Verb::Get && self.phone.requests.iter().any(|r| r.id == request.id) {
                    self.good(&request);
                }
            }
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

fn run(start: &[Move], moves: &[Move]) {
    let mut world = World::new(start);
    moves.iter().for_each(|m| world.play(*m));
    // Each ends in two ways: the phone is closed in the middle of it, or goes on.
    world.phone.finish();
    let mut world = World::new(start);
    moves.iter().for_each(|m| world.play(*m));
    world.goes_on(&(start, moves));
}

fn every_sequence(alphabet: &[Move], length: u32, mut check: impl FnMut(&[Move])) -> usize {
    let count = alphabet.len().pow(length);
    let mut moves = vec![Move::Second; length as usize];
    for number in 0..count {
        let mut rest = number;
        for place in &mut moves {
            *place = alphabet[rest % alphabet.len()];
            rest /= alphabet.len();
        }
        check(&moves);
    }
    count
}

#[test]
fn every_sequence_of_two_moves_from_every_start() {
    for start in STARTS {
        let count = every_sequence(&ALL, 2, |moves| run(start, moves));
        assert_eq!(count, ALL.len() * ALL.len());
    }
}

#[test]
fn every_sequence_of_three_main_moves() {
    for start in STARTS.into_iter().take(7) {
        let count = every_sequence(&MAIN, 3, |moves| run(start, moves));
        assert_eq!(count, 2197);
    }
}

#[test]
fn every_sequence_of_three_changing_moves_from_established_calls() {
    for start in [TALKING, HELD, ADDING, TWO] {
        let count = every_sequence(&CHANGING, 3, |moves| run(start, moves));
        assert_eq!(count, 4096);
    }
}

fn seed() -> u64 {
    let given = std::env::var("EWEBRTC_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        u64::from(now.subsec_nanos()) ^ now.as_secs()
    });
    println!("EWEBRTC_TEST_SEED={seed}");
    seed
}

#[test]
fn long_random_sequences_obey_the_laws() {
    let config =
        Config { cases: 1500, failure_persistence: None, rng_seed: RngSeed::Fixed(seed()), ..Config::default() };
    let any_move = prop::sample::select(ALL.to_vec());
    // What goes well comes more often than anything else, or no sequence gets far.
    let one = prop_oneof![
        4 => any_move,
        2 => prop::sample::select(MAIN.to_vec()),
        5 => prop::sample::select(CHANGING.to_vec()),
        2 => prop::sample::select(vec![Move::Good, Move::Described, Move::Applied]),
    ];
    let moves = (prop::sample::select(vec![TALKING, HELD, ADDING, TWO]), prop::collection::vec(one, 0..300));
    let outcome = TestRunner::new(config).run(&moves, |(start, moves)| {
        run(start, &moves);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let config = Config { cases: 40, failure_persistence: None, rng_seed: RngSeed::Fixed(seed()), ..Config::default() };
    let moves = prop::collection::vec(prop::sample::select(ALL.to_vec()), 0..60);
    let outcome = TestRunner::new(config).run(&moves, |moves| {
        let play = || {
            let mut world = World::new(&[Move::Login, Move::Good]);
            moves.iter().for_each(|m| world.play(*m));
            let due = world.phone.core.poll_timeout().map(|at| at.duration_since(world.phone.start));
            (world.phone.events, world.phone.orders, due)
        };
        prop_assert_eq!(play(), play());
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
