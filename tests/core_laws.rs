//! Laws of the core over every short sequence of moves and over long random ones: one terminal event per item, each
//! command finishes once, nothing after the end, no leg and no timer left, and the user can always go on.
//!
//! The laws themselves are checked by the driver on every output (`core_support/laws.rs`); who plays the moves stands in
//! `core_support/world.rs`.

mod core_support;
#[path = "core_support/world.rs"]
mod world;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use world::{ALL, Move, World};

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
const STARTS: [&[Move]; 20] = [
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
    MOVING,
    LEAVING,
    TRANSFERRING,
    &[Move::SocketOpens, Move::Login, Move::Good],
    SPEAKING,
    HOSTING,
    WITH_PARTY,
    JOINED,
    HELD_CONFERENCE,
];

const HOSTING: &[Move] =
    &[Move::Login, Move::Good, Move::StartConference, Move::Described, Move::Good, Move::Open, Move::Applied];

/// A party is in the conference.
const WITH_PARTY: &[Move] = &[
    Move::Login,
    Move::Good,
    Move::StartConference,
    Move::Described,
    Move::Good,
    Move::Open,
    Move::Applied,
    Move::AddParticipant,
    Move::Good,
    Move::PartyJoins,
];

const HELD_CONFERENCE: &[Move] = &[
    Move::Login,
    Move::Good,
    Move::StartConference,
    Move::Described,
    Move::Good,
    Move::Open,
    Move::Applied,
    Move::Hold,
    Move::Described,
    Move::Good,
    Move::Done,
];

const JOINED: &[Move] =
    &[Move::Login, Move::Good, Move::InviteToConference, Move::Join, Move::Described, Move::Good, Move::Modified];

const TALKING: &[Move] = &[Move::Login, Move::Good, Move::Dial, Move::Described, Move::Good, Move::Open];

/// A call over a socket.
const SPEAKING: &[Move] =
    &[Move::Login, Move::Good, Move::SocketOpens, Move::Dial, Move::Described, Move::Good, Move::Open];

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

/// A move is pending.
const MOVING: &[Move] = &[
    Move::Login,
    Move::Good,
    Move::Dial,
    Move::Described,
    Move::Good,
    Move::Open,
    Move::ToOther,
    Move::Described,
    Move::Good,
];

/// Another device has taken the call.
const LEAVING: &[Move] = &[
    Move::Login,
    Move::Good,
    Move::Dial,
    Move::Described,
    Move::Good,
    Move::Open,
    Move::ToOther,
    Move::Described,
    Move::Good,
    Move::ToOtherDone,
];

/// A transfer is pending.
const TRANSFERRING: &[Move] = &[
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
    Move::Transfer,
    Move::Good,
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

/// What matters most while events come over a socket.
const SOCKET: [Move; 14] = [
    Move::SocketOpens,
    Move::SocketRefused,
    Move::SocketFails,
    Move::SocketDrops,
    Move::SocketGarbage,
    Move::SocketAgain,
    Move::SocketLate,
    Move::Invite,
    Move::Terminated,
    Move::Logout,
    Move::Offline,
    Move::Online,
    Move::Timer,
    Move::Good,
];

/// What matters most in conferences.
const MEETING: [Move; 15] = [
    Move::StartConference,
    Move::JoinHold,
    Move::EndConference,
    Move::Hold,
    Move::Resume,
    Move::Switch,
    Move::AddParticipant,
    Move::RemoveParticipant,
    Move::InviteToConference,
    Move::PartyJoins,
    Move::PartyLeaves,
    Move::Good,
    Move::Described,
    Move::Done,
    Move::Terminated,
];

/// What leads somewhere only when one follows the other.
const ROWS: [Move; 10] = [
    Move::Early,
    Move::Applied,
    Move::Tones,
    Move::Tone,
    Move::Resume,
    Move::Transfer,
    Move::TransferBegun,
    Move::TransferDone,
    Move::ToOtherDone,
    Move::Modified,
];

/// Plays a sequence and returns the names of the events it led to.
fn run(start: &[Move], moves: &[Move]) -> BTreeSet<&'static str> {
    let mut world = World::new(start);
    moves.iter().for_each(|m| world.play(*m));
    let seen = world.phone.events.iter().map(|event| event.name).collect();
    // Each ends in two ways: the phone is closed in the middle of it, or goes on.
    world.phone.finish();
    let mut world = World::new(start);
    moves.iter().for_each(|m| world.play(*m));
    world.goes_on(&(start, moves));
    seen
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
        let count = every_sequence(&ALL, 2, |moves| drop(run(start, moves)));
        assert_eq!(count, ALL.len() * ALL.len());
    }
}

#[test]
fn every_sequence_of_three_main_moves() {
    for start in STARTS.into_iter().take(7) {
        let count = every_sequence(&MAIN, 3, |moves| drop(run(start, moves)));
        assert_eq!(count, 2197);
    }
}

#[test]
fn every_sequence_of_three_changing_moves_from_established_calls() {
    for start in [TALKING, HELD, ADDING, TWO] {
        let count = every_sequence(&CHANGING, 3, |moves| drop(run(start, moves)));
        assert_eq!(count, 4096);
    }
}

#[test]
fn every_sequence_of_three_moves_about_a_socket() {
    for start in [&[Move::SocketOpens, Move::Login, Move::Good][..], SPEAKING] {
        let count = every_sequence(&SOCKET, 3, |moves| drop(run(start, moves)));
        assert_eq!(count, 2744);
    }
}

#[test]
fn every_sequence_of_three_moves_from_conferences() {
    for start in [HOSTING, WITH_PARTY, JOINED] {
        let count = every_sequence(&MEETING, 3, |moves| drop(run(start, moves)));
        assert_eq!(count, 3375);
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

/// Steps of the long random sequences, each of which is played twice (see [`run`]); `EWEBRTC_LAW_STEPS` asks for more.
const STEPS: u64 = 1_000_000;

/// On two threads, half of the steps each.
#[test]
fn long_random_sequences_obey_the_laws() {
    let wanted = std::env::var("EWEBRTC_LAW_STEPS").ok().and_then(|text| text.parse().ok()).unwrap_or(STEPS);
    let seed = seed();
    let seen = std::thread::scope(|scope| {
        let halves = [0, 1].map(|half| scope.spawn(move || random_sequences(wanted / 2, seed.wrapping_add(half))));
        let halves = halves.map(|half| half.join().expect("the laws are obeyed"));
        halves.into_iter().flatten().collect::<BTreeSet<_>>()
    });
    // They get everywhere, or they would prove little.
    let all: BTreeSet<&str> = ewebrtc_wire::events().iter().map(|event| event.name).collect();
    let missing: Vec<&&str> = all.iter().filter(|name| **name != "media:captured" && !seen.contains(**name)).collect();
    assert!(missing.is_empty(), "never reached: {missing:?}");
}

fn random_sequences(wanted: u64, seed: u64) -> BTreeSet<&'static str> {
    let steps = Cell::new(0_u64);
    let seen = RefCell::new(BTreeSet::new());
    // What goes well comes more often than anything else, or no sequence gets far.
    let one = prop_oneof![
        3 => prop::sample::select(ALL.to_vec()),
        1 => prop::sample::select(MAIN.to_vec()),
        4 => prop::sample::select(CHANGING.to_vec()),
        2 => prop::sample::select(MEETING.to_vec()),
        4 => prop::sample::select(vec![Move::Login, Move::Good, Move::Described, Move::Applied, Move::Smooth]),
        1 => prop::sample::select(SOCKET.to_vec()),
        2 => prop::sample::select(ROWS.to_vec()),
    ];
    let moves = (prop::sample::select(STARTS.to_vec()), prop::collection::vec(one, 0..300));
    // A sequence has 150 moves in the mean; the rest of a million comes in further rounds.
    let mut round = 0_u64;
    while steps.get() < wanted {
        let rng_seed = RngSeed::Fixed(seed.wrapping_add(round << 32));
        let config = Config { cases: 200, failure_persistence: None, rng_seed, ..Config::default() };
        let outcome = TestRunner::new(config).run(&moves, |(start, moves)| {
            steps.set(steps.get() + 2 * moves.len() as u64);
            seen.borrow_mut().extend(run(start, &moves));
            Ok(())
        });
        if let Err(failure) = outcome {
            panic!("{failure}");
        }
        round += 1;
    }
    println!("{} steps", steps.get());
    seen.into_inner()
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
