//! How long a party hears nobody while another party takes the place of the one it talked to (rest-protocol.md sections 5.10
//! and 5.11): at most 300 ms on loopback, told by the tones in what is heard.
//!
//! A program of its own, so that no other test takes the processor; the best of three attempts counts, because a build server
//! may do something else in the middle of one. Must not import: anything but the party and the
//! ear.

// The other program that has these modules uses more of them.
#[allow(dead_code)]
#[path = "phone/ear.rs"]
mod ear;
#[allow(dead_code)]
#[path = "phone/party.rs"]
mod party;

use ear::{answered, talker};
use ewebrtc::{AnswerOptions, Call, DialOptions, PcmReader};
use ewebrtc_media::analysis::tone_level;
use party::{PATIENCE, Party, gateway};
use std::time::{Duration, Instant};

/// The bound, and how often it may be tried.
const BOUND: Duration = Duration::from_millis(300);
const TRIES: usize = 3;

/// What is heard is looked at in pieces of 10 ms at 48 kHz.
const PIECE: usize = 480;
/// A tone is there above this level.
const THERE: f64 = 0.02;

/// What one party hears, from now on, with the moment at which each piece could be read.
struct Tape {
    reader: PcmReader,
    heard: Vec<i16>,
    moments: Vec<Instant>,
}

impl Tape {
    fn of(call: &Call) -> Self {
        Self { reader: call.pcm_reader().expect("remoteMedia pcm"), heard: Vec::new(), moments: Vec::new() }
    }

    /// Listens until this tone is there, and for some pieces more.
    async fn until_heard(&mut self, hz: f64) {
        let end = Instant::now() + PATIENCE;
        let mut chunk = [0; PIECE];
        loop {
            let count = self.reader.read(&mut chunk);
            self.heard.extend_from_slice(&chunk[..count]);
            while self.moments.len() < self.heard.len() / PIECE {
                self.moments.push(Instant::now());
                let piece = &self.heard[(self.moments.len() - 1) * PIECE..self.moments.len() * PIECE];
                if tone_level(piece, 48_000, hz) > THERE {
                    return;
                }
            }
            if count == 0 {
                assert!(Instant::now() < end, "{hz} Hz is not heard");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }

    /// The piece in which a tone was there for the last time, before its end on this tape.
    fn last(&self, hz: f64) -> usize {
        let pieces: Vec<&[i16]> = self.heard.chunks_exact(PIECE).collect();
        pieces.iter().rposition(|piece| tone_level(piece, 48_000, hz) > THERE).expect("the tone was there")
    }

    /// The time between the last piece of one tone and now, the first piece of another, as it is heard.
    fn gap(&self, old: f64) -> Duration {
        let pieces = self.heard.len() / PIECE - 1 - self.last(old);
        Duration::from_millis(10) * u32::try_from(pieces).expect("a short tape")
    }

    /// The moment at which the newest piece was there.
    fn now(&self) -> Instant {
        *self.moments.last().expect("something was heard")
    }
}

/// The best of some attempts is within the bound, for each of the figures.
fn within(what: [&str; 2], figures: &[[Duration; 2]]) {
    println!("{what:?}: {figures:?}");
    for (place, name) in what.into_iter().enumerate() {
        let best = figures.iter().map(|attempt| attempt[place]).min().expect("an attempt");
        assert!(best <= BOUND, "{name}: {best:?} at best, in {figures:?}");
    }
}

fn is_within(figures: &[[Duration; 2]]) -> bool {
    (0..2).all(|place| figures.iter().any(|attempt| attempt[place] <= BOUND))
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_transfer_both_parties_hear_each_other_at_once() {
    let gateway = gateway().await;
    let mut alice = talker(&gateway, "alice", 440).await;
    let mut bob = talker(&gateway, "bob", 1000).await;
    let mut carol = talker(&gateway, "carol", 1700).await;
    let mut figures = Vec::new();
    while figures.len() < TRIES && !is_within(&figures) {
        alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
        let at_bob = answered(&mut alice, &mut bob).await;
        alice.phone.add_call(DialOptions::new("carol")).await.expect("addCall");
        let at_carol = answered(&mut alice, &mut carol).await;
        let (mut held, mut target) = (Tape::of(&at_bob), Tape::of(&at_carol));
        held.until_heard(440.0).await;
        target.until_heard(440.0).await;
        let began = Instant::now();
        let transfer = alice.phone.clone();
        let transfer = tokio::spawn(async move { transfer.transfer().await });
        tokio::join!(held.until_heard(1700.0), target.until_heard(1000.0));
        transfer.await.expect("the task ran").expect("transfer");
        // The held party is asked after the beginning, so that its answer is later than that.
        figures.push([target.gap(440.0), held.now() - began]);
        for _ in 0..2 {
            alice.until("call:disconnected").await;
        }
        at_bob.hangup().await.expect("hangup");
        bob.until("call:disconnected").await;
        carol.until("call:disconnected").await;
    }
    within(["silence at the target", "transfer to first audio at the held party"], &figures);
    for party in [alice, bob, carol] {
        party.leave().await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_move_the_peer_hears_the_new_device_at_once() {
    let gateway = gateway().await;
    let mut desk = talker(&gateway, "alice", 440).await;
    let mut bob = talker(&gateway, "bob", 1000).await;
    let mut mobile: Option<Party> = None;
    let mut figures = Vec::new();
    while figures.len() < TRIES && !is_within(&figures) {
        if let Some(mobile) = mobile.take() {
            mobile.leave().await;
        }
        let call = desk.phone.dial(DialOptions::new("bob")).await.expect("dial");
        let at_bob = answered(&mut desk, &mut bob).await;
        let mut peer = Tape::of(&at_bob);
        peer.until_heard(440.0).await;
        let mut other = talker(&gateway, "alice", 2300).await;
        let moving = tokio::spawn({
            let phone = desk.phone.clone();
            async move { phone.move_call().await }
        });
        let incoming = other.until("call:incoming").await.call().expect("a handle");
        let answered = Instant::now();
        other.phone.answer(AnswerOptions::default()).await.expect("answer");
        let at_mobile = other.phone.call(incoming);
        let mut new = Tape::of(&at_mobile);
        tokio::join!(peer.until_heard(2300.0), new.until_heard(1000.0));
        figures.push([peer.now() - answered, new.now() - answered]);
        moving.await.expect("the task ran").expect("move");
        desk.until("call:disconnected").await;
        assert!(call.hangup().await.is_err(), "the call has left this device");
        at_mobile.hangup().await.expect("hangup");
        bob.until("call:disconnected").await;
        mobile = Some(other);
    }
    within(["answer to first audio at the peer", "answer to first audio at the new device"], &figures);
    for party in [Some(desk), Some(bob), mobile].into_iter().flatten() {
        party.leave().await;
    }
    gateway.stop().await;
}
