//! What a leg's worker half does with tones: when they go out, what goes out meanwhile, and what is told.

use std::sync::atomic::Ordering;

use crate::shared::{LegEvent, Route};
use crate::sink::AudioSink;
use crate::source::AudioSource;
use crate::tick_tests::{Bench, agreed};
use crate::transport::{AudioCodec, Direction, RtpPacket};

const EVENTS: u8 = 101;

fn bench(codec: AudioCodec) -> Bench {
    let mut bench = Bench::new(&AudioSource::Tone { hz: 440.0 }, &AudioSink::Discard, codec);
    run(&mut bench, 100);
    bench.sent();
    bench
}

/// Runs and tells what was said about tones.
fn run(bench: &mut Bench, ticks: u32) -> Vec<LegEvent> {
    (0..ticks).for_each(|_| bench.tick());
    told(bench)
}

fn told(bench: &Bench) -> Vec<LegEvent> {
    let others = [LegEvent::TransportConnected, LegEvent::FirstAudio];
    bench.events().into_iter().filter(|event| !others.contains(event)).collect()
}

fn pairs(keys: &str) -> Vec<LegEvent> {
    keys.chars()
        .flat_map(|key| match key {
            ',' => vec![LegEvent::ToneEnded(key)],
            key => vec![LegEvent::ToneBegan(key), LegEvent::ToneEnded(key)],
        })
        .collect()
}

#[test]
fn tones_take_the_place_of_audio_while_numbers_and_time_go_on() {
    for (codec, frame) in [(AudioCodec::Opus, 960u32), (AudioCodec::Pcmu, 160)] {
        let mut bench = bench(codec);
        bench.press("1");
        bench.press("1#");
        assert_eq!(run(&mut bench, 100), pairs("11#"));
        assert_eq!(bench.shared.tones.load(Ordering::Relaxed), 0, "nothing is owed");
        let sent = bench.sent();
        assert_eq!(sent.len(), 50, "one packet in each frame");
        for pair in sent.windows(2) {
            assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        }
        let events: Vec<&RtpPacket> = sent.iter().filter(|packet| packet.payload_type == EVENTS).collect();
        assert_eq!(events.len(), 21);
        assert_eq!(events.iter().map(|packet| packet.payload[0]).collect::<Vec<_>>()[..8], [1, 1, 1, 1, 1, 1, 1, 1]);
        // Every time stamp is that of its frame, but for events, which have that of their first one.
        let first = sent[0].timestamp;
        for (number, packet) in (0u32..).zip(&sent) {
            let due = first.wrapping_add(number * frame);
            let late = due.wrapping_sub(packet.timestamp) / frame;
            assert!(if packet.payload_type == EVENTS { late < 7 } else { late == 0 }, "packet {number}");
            let after_event = number > 0 && sent[number as usize - 1].payload_type == EVENTS;
            let begins = if packet.payload_type == EVENTS { late == 0 } else { after_event };
            assert_eq!(packet.marker, begins, "packet {number}");
        }
    }
}

#[test]
fn tones_are_sent_while_muted_and_are_heard_once() {
    let mut bench = bench(AudioCodec::Opus);
    bench.shared.muted.store(true, Ordering::Relaxed);
    bench.press("0D");
    let mut heard = String::new();
    for tick in 0..100u16 {
        bench.tick();
        // Half of what comes is lost, and what comes comes twice.
        bench.reflect(|packet| (packet.sequence + tick) % 2 == 0);
        heard.extend(bench.events().into_iter().filter_map(|event| match event {
            LegEvent::ToneReceived(key) => Some(key),
            _ => None,
        }));
    }
    assert_eq!(heard, "0D");
}

#[test]
fn the_packets_of_a_tone_are_no_lost_audio_at_the_other_side() {
    let mut bench = bench(AudioCodec::Opus);
    for _ in 0..100 {
        bench.tick();
        bench.reflect(|_| true);
    }
    bench.press("123");
    for _ in 0..200 {
        bench.tick();
        bench.reflect(|_| true);
    }
    assert_eq!(bench.shared.figures.telephone_events.load(Ordering::Relaxed), 21);
    assert_eq!(bench.shared.figures.packets_lost.load(Ordering::Relaxed), 0);
}

#[test]
fn tones_wait_while_nothing_may_be_sent_and_one_that_is_cut_off_counts() {
    let mut bench = bench(AudioCodec::Pcma);
    bench.press("12");
    assert_eq!(run(&mut bench, 6), [LegEvent::ToneBegan('1')]);
    bench.route(AudioCodec::Pcma, Direction::RecvOnly, false);
    bench.press("3");
    assert_eq!(run(&mut bench, 100), [LegEvent::ToneEnded('1')]);
    bench.route(AudioCodec::Pcma, Direction::SendRecv, false);
    assert_eq!(run(&mut bench, 50), [], "the other side may not listen yet");
    assert_eq!(run(&mut bench, 100), pairs("23"));
}

#[test]
fn a_change_of_codec_ends_a_tone_and_the_next_has_the_new_clock() {
    let mut bench = bench(AudioCodec::Opus);
    bench.press("78");
    assert_eq!(run(&mut bench, 6), [LegEvent::ToneBegan('7')]);
    bench.sent();
    bench.route(AudioCodec::Pcmu, Direction::SendRecv, true);
    assert_eq!(run(&mut bench, 60), [vec![LegEvent::ToneEnded('7')], pairs("8")].concat());
    let sent = bench.sent();
    let last = sent.iter().rfind(|packet| packet.payload_type == EVENTS).expect("an event");
    assert_eq!(last.payload[..], [8, 0x8a, 3, 0x20], "100 ms of 8 kHz");
}

#[test]
fn without_telephone_events_at_the_other_side_tones_are_refused() {
    let mut bench = bench(AudioCodec::Opus);
    let audio = agreed(AudioCodec::Opus, Direction::SendRecv);
    let audio = crate::transport::NegotiatedAudio { telephone_event: None, telephone_events: [None; 2], ..audio };
    bench.press("1");
    bench.tick();
    bench.tick();
    bench.shared.order(|orders| orders.route = Some(Route { audio, encoder: None }));
    bench.press("2,3");
    let told = run(&mut bench, 20);
    assert_eq!(told, [LegEvent::ToneBegan('1'), LegEvent::ToneEnded('1'), LegEvent::TonesRefused]);
    assert_eq!(bench.shared.tones.load(Ordering::Relaxed), 0);
    assert!(bench.sent().iter().skip(1).all(|packet| packet.payload_type == 111), "audio goes on");
}
