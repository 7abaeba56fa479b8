//! A room on its worker, without a network: what a tick costs in memory, who is decoded, who leaves how. No clock is read.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::mix::Seat;
use super::room::{RoomShared, Seen};
use super::work::{Member, RoomWork};
use super::*;
use crate::analysis::tone_level;
use crate::codec::{CodecSettings, Decoders, FRAME_SAMPLES, MAX_ENCODED_BYTES, MAX_PACKET_SAMPLES, encoder};
use crate::engine::{Report, Work};
use crate::ring::PacketHead;
use crate::shared::{Route, Shared};
use crate::sink::Drain;
use crate::source::Feed;
use crate::tick_tests::allocator_calls;
use crate::transport::{AudioCodec, Direction, NegotiatedAudio, PayloadTypes, RtpPacket};
use crate::worker::{LegParts, LegWork, PacketOut};

struct Wire(Arc<Mutex<Vec<RtpPacket>>>);

impl PacketOut for Wire {
    fn send(&self, packet: RtpPacket) -> bool {
        self.0.lock().unwrap().push(packet);
        true
    }
}

/// A participant's network side.
struct Guest {
    shared: Arc<Shared>,
    seen: Arc<Seen>,
    sent: Arc<Mutex<Vec<RtpPacket>>>,
    /// Frames of what he says, encoded beforehand, and how far he is.
    says: Vec<Vec<u8>>,
    frame: usize,
}

struct Hall {
    work: RoomWork,
    shared: Arc<RoomShared>,
    guests: Vec<Guest>,
    reports: Receiver<Report>,
    now: Instant,
    origin: Instant,
}

fn speech(hz: f64, peak: f64, frames: usize) -> Vec<Vec<u8>> {
    let mut encoder = encoder(AudioCodec::Opus, &CodecSettings::default()).unwrap();
    (0..frames)
        .map(|frame| {
            let pcm: [i16; FRAME_SAMPLES] = std::array::from_fn(|i| {
                let t = (frame * FRAME_SAMPLES + i) as f64 / 48_000.0;
                ((t * hz * std::f64::consts::TAU).sin() * peak) as i16
            });
            let mut payload = [0; MAX_ENCODED_BYTES];
            let bytes = encoder.encode(&pcm, &mut payload).unwrap();
            payload[..bytes].to_vec()
        })
        .collect()
}

fn agreed() -> NegotiatedAudio {
    let payload_types = PayloadTypes::new([(111, AudioCodec::Opus)]);
    let (codec, direction) = (AudioCodec::Opus, Direction::SendRecv);
    NegotiatedAudio {
        codec,
        payload_type: 111,
        telephone_event: None,
        telephone_events: [None; 2],
        direction,
        payload_types,
    }
}

impl Hall {
    fn new(says: Vec<Vec<Vec<u8>>>) -> Hall {
        let shared = Arc::new(RoomShared::default());
        let (sender, reports) = sync_channel(1_000);
        let mixer = Mixer::new(&RoomSettings::default()).unwrap();
        let work = RoomWork::new(shared.clone(), mixer, Arc::new(|_| {}), sender.clone());
        let origin = Instant::now();
        let mut hall = Hall { work, shared, guests: Vec::new(), reports, now: origin, origin };
        for (number, says) in says.into_iter().enumerate() {
            let shared = Arc::new(Shared::new());
            let sent = Arc::new(Mutex::new(Vec::with_capacity(1_000)));
            let leg = LegWork::new(LegParts {
                shared: shared.clone(),
                out: Box::new(Wire(sent.clone())),
                feed: Feed::Silence,
                drain: Drain::Discard,
                events: Arc::new(|_| {}),
                reports: sender.clone(),
                ssrc: 7,
                interrupted_after_us: 500_000,
                seed: 0,
            })
            .unwrap();
            let encoder = encoder(AudioCodec::Opus, &CodecSettings::default()).unwrap();
            shared.order(|orders| orders.route = Some(Route { audio: agreed(), encoder: Some(encoder) }));
            shared.up.store(true, Ordering::Release);
            let seen = Arc::new(Seen::default());
            let member = Member::new(number as u64, Box::new(leg), seen.clone());
            hall.shared.lock_fresh().push((member, Seat::new()));
            hall.guests.push(Guest { shared, seen, sent, says, frame: 0 });
        }
        hall.shared.has_fresh.store(true, Ordering::Release);
        hall
    }

    /// One tick; every guest says a frame in every second one. How often the allocator was called meanwhile.
    fn tick(&mut self) -> u64 {
        let tick = (self.now - self.origin).as_millis() / 10;
        for guest in self.guests.iter_mut().filter(|_| tick.is_multiple_of(2)) {
            let head = PacketHead {
                payload_type: 111,
                sequence: guest.frame as u16,
                timestamp: guest.frame as u32 * 960,
                arrival_us: guest.shared.micros(self.now),
                ..PacketHead::default()
            };
            if let Some(payload) = guest.says.get(guest.frame % guest.says.len().max(1)).filter(|p| !p.is_empty()) {
                guest.shared.bring(&head, payload);
            }
            guest.frame += 1;
        }
        self.now += Duration::from_millis(10);
        let before = allocator_calls();
        self.work.tick(self.now, 0);
        self.work.post();
        allocator_calls() - before
    }

    /// What a guest was sent since the last time, decoded.
    fn heard(&self, guest: usize) -> Vec<i16> {
        let mut decoders = Decoders::new().unwrap();
        let mut heard = Vec::new();
        for packet in self.guests[guest].sent.lock().unwrap().drain(..) {
            let mut out = [0; MAX_PACKET_SAMPLES];
            let samples = decoders.of(AudioCodec::Opus).decode(&packet.payload, &mut out).unwrap();
            heard.extend_from_slice(&out[..samples]);
        }
        heard
    }

    fn decoded(&self, guest: usize) -> u64 {
        self.guests[guest].shared.figures.packets_received.load(Ordering::Relaxed)
    }
}

#[test]
fn a_tick_of_a_room_neither_allocates_nor_frees() {
    // Twenty guests, so that half of them get their frames a tick later; five talk in turns, one of them loses packets.
    let mut says: Vec<Vec<Vec<u8>>> = (0..5)
        .map(|guest| {
            let mut frames = speech(400.0 + 130.0 * f64::from(guest), 9_000.0, 60);
            frames.extend(speech(400.0, 0.0, 40 + 10 * guest as usize));
            frames
        })
        .collect();
    for frame in says[1].iter_mut().skip(3).step_by(10) {
        frame.clear();
    }
    says.extend((5..20).map(|_| speech(0.0, 0.0, 50)));
    let mut hall = Hall::new(says);
    let mut calls = Vec::with_capacity(2_000);
    for tick in 0..1_200 {
        if tick == 500 {
            hall.guests[2].shared.muted.store(true, Ordering::Relaxed);
        }
        if tick == 700 {
            hall.guests[2].shared.muted.store(false, Ordering::Relaxed);
        }
        calls.push(hall.tick());
        for guest in &hall.guests {
            guest.sent.lock().unwrap().clear();
        }
        while hall.reports.try_recv().is_ok() {}
    }
    let during: u64 = calls[200..].iter().sum();
    assert_eq!(during, 0, "first at {:?}", calls[200..].iter().position(|calls| *calls > 0));
    assert!((0..20).all(|guest| hall.decoded(guest) > 500));
}

#[test]
fn half_of_a_great_room_gets_its_frames_a_tick_later_and_all_get_every_frame() {
    let mut hall = Hall::new((0..24).map(|guest| speech(400.0 + 90.0 * f64::from(guest), 4_000.0, 50)).collect());
    let mut at = vec![Vec::new(); 24];
    for tick in 0..200 {
        hall.tick();
        for (guest, at) in hall.guests.iter().zip(&mut at) {
            at.extend(guest.sent.lock().unwrap().iter().map(|packet| (tick, packet.sequence, packet.timestamp)));
        }
        for guest in &hall.guests {
            guest.sent.lock().unwrap().clear();
        }
    }
    let late = at.iter().filter(|at| at[0].0 % 2 == 0).count();
    assert_eq!(late, 8, "those beyond sixteen, until it is half of all");
    for at in &at {
        assert!(at.len() >= 98, "{} packets", at.len());
        for pair in at.windows(2) {
            assert_eq!((pair[1].0 - pair[0].0, pair[1].1 - pair[0].1, pair[1].2 - pair[0].2), (2, 1, 960));
        }
    }
}

#[test]
fn who_leaves_fades_out_and_is_let_go_and_the_room_ends_with_the_last() {
    let mut hall = Hall::new(vec![speech(500.0, 9_000.0, 50), speech(0.0, 0.0, 50), speech(800.0, 9_000.0, 50)]);
    (0..100).for_each(|_| {
        hall.tick();
    });
    hall.heard(1);
    assert!(hall.guests[0].seen.level_dbfs() > -20.0);
    hall.guests[0].shared.closing.store(true, Ordering::Release);
    (0..3).for_each(|_| {
        hall.tick();
    });
    assert_eq!(hall.work.legs(), 2, "let go within 30 ms");
    let ended = hall.reports.try_iter().filter(|report| matches!(report, Report::Ended(_))).count();
    assert_eq!(ended, 1);
    assert_eq!(hall.guests[0].seen.level_dbfs(), -127.0);
    (0..100).for_each(|_| {
        hall.tick();
    });
    let heard = hall.heard(1);
    let after = &heard[9_600..];
    assert!(tone_level(after, 48_000, 500.0) < 0.002 && tone_level(after, 48_000, 800.0) > 0.2);
    for guest in &hall.guests {
        guest.shared.closing.store(true, Ordering::Release);
    }
    hall.shared.close();
    let over = (0..5).any(|_| !hall.work.tick(hall.now, 0));
    assert!(over, "the room is over");
}

#[test]
fn talk_is_told_once_at_its_beginning_and_once_at_its_end() {
    let mut talk = speech(500.0, 0.0, 50);
    talk.extend(speech(500.0, 9_000.0, 25));
    talk.extend(speech(500.0, 0.0, 100));
    let mut hall = Hall::new(vec![talk, speech(0.0, 0.0, 50)]);
    (0..340).for_each(|_| {
        hall.tick();
    });
    let told: Vec<RoomEvent> = hall
        .reports
        .try_iter()
        .filter_map(|report| match report {
            Report::Room(_, event) => Some(event),
            Report::Event(..) | Report::Ended(_) | Report::VideoEnded(_) => None,
        })
        .collect();
    let event = |talking| RoomEvent::Talking { participant: 0, talking };
    assert_eq!(told, [event(true), event(false)]);
}
