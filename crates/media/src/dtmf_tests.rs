//! Tests of telephone events: what is sent, and that each key is heard once whatever the network does to its packets.

use super::*;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

fn tone(key: char, gap: u64) -> Tone {
    Tone::new(key, Duration::from_millis(gap)).expect("a key")
}

/// All frames until nothing is left to send.
fn send(tones: &[Tone], clock: u32) -> Vec<SendStep> {
    let mut sender = ToneSender::new();
    tones.iter().for_each(|tone| sender.push(*tone));
    let mut steps = Vec::new();
    while sender.owed() > 0 {
        steps.push(sender.frame(steps.len() as u32 * clock / 50, clock, true));
    }
    steps
}

fn packets(steps: &[SendStep]) -> Vec<EventPacket> {
    steps.iter().filter_map(|step| step.packet).collect()
}

fn duration(packet: &EventPacket) -> u16 {
    u16::from_be_bytes([packet.payload[2], packet.payload[3]])
}

#[test]
fn keys_and_codes_belong_together() {
    for (code, key) in "0123456789*#ABCD".chars().enumerate() {
        assert_eq!(event_of(key).map(usize::from), Some(code));
        assert_eq!(key_of(code as u8), Some(key));
    }
    assert_eq!((event_of('d'), event_of('E'), event_of(','), key_of(16)), (Some(15), None, None, None));
    assert_eq!((Tone::new('x', Duration::ZERO), Tone::new('٣', Duration::ZERO)), (None, None));
}

#[test]
fn an_event_grows_ends_three_times_and_keeps_its_time_stamp() {
    for (clock, frame) in [(48_000, 960u16), (8_000, 160)] {
        let steps = send(&[tone('5', 70)], clock);
        let sent = packets(&steps);
        assert_eq!(sent.len(), 7, "five frames, and the last one twice more");
        assert!(sent.iter().all(|p| p.timestamp == 0 && p.payload[0] == 5 && p.payload[1] & 0x3f == VOLUME));
        assert_eq!(sent.iter().map(|p| p.marker).collect::<Vec<_>>(), [true, false, false, false, false, false, false]);
        let durations: Vec<u16> = sent.iter().map(duration).collect();
        assert_eq!(durations, [1, 2, 3, 4, 5, 5, 5].map(|frames| frames * frame));
        let ends: Vec<bool> = sent.iter().map(|p| p.payload[1] & END != 0).collect();
        assert_eq!(ends, [false, false, false, false, true, true, true]);
        assert_eq!(steps.first().and_then(|step| step.began), Some('5'));
        assert_eq!(steps.last().and_then(|step| step.ended), Some('5'));
    }
}

#[test]
fn the_gap_lies_between_the_end_of_one_key_and_the_begin_of_the_next() {
    // Whole frames, and never less than the endings need.
    for (gap, frames) in [(0, 3), (60, 3), (70, 4), (200, 10), (6_000, 300), (1_000_000, 500)] {
        let steps = send(&[tone('1', gap), tone('1', gap)], 8_000);
        let begins: Vec<usize> = (0..steps.len()).filter(|i| steps[*i].began.is_some()).collect();
        assert_eq!(begins, [0, 5 + frames], "a gap of {gap} ms");
        assert_eq!(packets(&steps).len(), 14);
    }
}

#[test]
fn a_comma_is_a_pause_of_two_seconds_and_is_told_when_it_is_over() {
    let steps = send(&[tone('1', 60), tone(',', 60), tone(',', 60), tone('2', 60), tone(',', 60)], 8_000);
    let told: Vec<(usize, Option<char>, Option<char>)> = (0..steps.len())
        .map(|i| (i, steps[i].began, steps[i].ended))
        .filter(|(_, began, ended)| began.is_some() || ended.is_some())
        .collect();
    assert_eq!(
        told,
        [
            (0, Some('1'), None),
            (6, None, Some('1')),
            (107, None, Some(',')),
            (207, None, Some(',')),
            (208, Some('2'), None),
            (214, None, Some('2')),
            (315, None, Some(',')),
        ]
    );
}

#[test]
fn a_gap_runs_out_while_nothing_waits_and_a_tone_waits_for_permission() {
    let mut sender = ToneSender::new();
    sender.push(tone('1', 6_000));
    let mut frames = 0;
    while !sender.is_idle() {
        sender.frame(frames, 8_000, true);
        frames += 1;
    }
    assert_eq!(frames, 305);
    sender.push(tone('2', 60));
    assert_eq!(sender.frame(0, 8_000, false), SendStep::default());
    assert_eq!(sender.owed(), 1);
    assert_eq!(sender.frame(160, 8_000, true).began, Some('2'));
    assert!(sender.frame(320, 8_000, false).packet.is_some(), "what has begun goes on");
    assert_eq!((sender.cut(), sender.cut(), sender.owed()), (Some('2'), None, 0));
    sender.push(tone(',', 60));
    sender.push(tone('3', 60));
    sender.frame(0, 8_000, true);
    sender.frame(0, 8_000, true);
    assert_eq!(sender.owed(), 2);
    sender.clear();
    assert!(sender.is_idle());
}

#[test]
fn no_more_tones_wait_than_have_room() {
    let mut sender = ToneSender::new();
    (0..=MOST_TONES).for_each(|_| sender.push(tone('1', 60)));
    assert_eq!(sender.owed(), MOST_TONES);
}

/// A packet at the receiver.
#[derive(Debug, Clone)]
struct Came {
    ssrc: u32,
    marker: bool,
    timestamp: u32,
    payload: Vec<u8>,
}

fn came(packet: EventPacket, ssrc: u32) -> Came {
    Came { ssrc, marker: packet.marker, timestamp: packet.timestamp, payload: packet.payload.to_vec() }
}

fn hear(receiver: &mut ToneReceiver, packets: &[Came]) -> String {
    packets.iter().filter_map(|p| receiver.receive(p.ssrc, p.marker, p.timestamp, &p.payload)).collect()
}

#[test]
fn a_key_is_raised_once_whatever_is_lost_doubled_or_late() {
    let sent: Vec<Came> = packets(&send(&[tone('1', 70), tone('1', 70), tone('#', 70)], 48_000))
        .into_iter()
        .map(|packet| came(packet, 7))
        .collect();
    let all: Vec<usize> = (0..sent.len()).collect();
    let heard = |order: &[usize]| -> String {
        let order: Vec<Came> = order.iter().map(|i| sent[*i].clone()).collect();
        hear(&mut ToneReceiver::default(), &order)
    };
    assert_eq!(heard(&all), "11#");
    assert_eq!(heard(&all.iter().flat_map(|i| [*i, *i]).collect::<Vec<_>>()), "11#");
    assert_eq!(heard(&[6, 13, 20]), "11#", "only the last packet of each came");
    assert_eq!(heard(&[0, 7, 2, 8, 3, 14, 9, 20]), "11#", "overtaken by the next key");
}

#[test]
fn garbage_and_events_that_are_no_keys_raise_nothing() {
    let mut receiver = ToneReceiver::default();
    assert_eq!(receiver.receive(1, true, 5, &[]), None);
    assert_eq!(receiver.receive(1, true, 6, &[1, 2, 3]), None);
    for event in 16..=255 {
        assert_eq!(receiver.receive(1, true, 7 + u32::from(event), &[event, END, 3, 0x20]), None, "event {event}");
    }
    assert_eq!(receiver.receive(1, true, 7, &[11, END, 3, 0x20]), Some('#'));
    assert_eq!(receiver.receive(2, true, 7, &[11, END, 3, 0x20]), Some('#'), "another party");
}

/// How a key is pressed in the property tests: the code, milliseconds of tone, milliseconds of gap.
type Press = (u8, u32, u32);

/// A sender of another make: as long as the key is pressed, in segments where one does not suffice. `late`: the next segment
/// begins with the first packet that does not fit into the last, as Chromium does it, not where the last one ended.
fn press(presses: &[Press], clock: u32, start: u32, ssrc: u32, late: bool) -> Vec<Vec<Came>> {
    let (mut now, mut events) = (start, Vec::new());
    let frame = clock / 50;
    for (event, length, gap) in presses {
        let (mut timestamp, mut sent, mut marker) = (now, Vec::new(), true);
        let frames = length.div_ceil(20);
        let mut packet = |timestamp: u32, flags: u8, duration: u32, marker: bool| {
            let [high, low] = (duration as u16).to_be_bytes();
            sent.push(Came { ssrc, marker, timestamp, payload: vec![*event, flags, high, low] });
        };
        for number in 1..=frames {
            let end = now.wrapping_add(number * frame);
            if end.wrapping_sub(timestamp) > 0xffff {
                timestamp = if late { end } else { end.wrapping_sub(frame) };
            }
            packet(timestamp, 10, end.wrapping_sub(timestamp), std::mem::take(&mut marker));
        }
        let length = now.wrapping_add(frames * frame).wrapping_sub(timestamp);
        (0..3).for_each(|_| packet(timestamp, END | 10, length, false));
        now = now.wrapping_add((frames + gap.div_ceil(20)) * frame);
        events.push(sent);
    }
    events
}

/// The seed of a run: that of `EWEBRTC_TEST_SEED`, or a new one; printed, so that a failure can be repeated.
fn seed() -> u64 {
    let given = std::env::var("EWEBRTC_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        u64::from(now.subsec_nanos()) ^ now.as_secs()
    });
    println!("EWEBRTC_TEST_SEED={seed}");
    seed
}

fn run<T: std::fmt::Debug>(cases: impl Strategy<Value = T>, test: impl Fn(T) -> Result<(), TestCaseError>) {
    let config =
        Config { cases: 2_000, failure_persistence: None, rng_seed: RngSeed::Fixed(seed()), ..Config::default() };
    if let Err(failure) = TestRunner::new(config).run(&cases, test) {
        panic!("{failure}");
    }
}

/// What a network may do to the packets of an event: of each segment one that is not its marked first one comes for certain,
/// any other may be lost, doubled or moved back by a few places.
fn through_network(events: &[Vec<Came>], fates: &[u8]) -> Vec<Came> {
    let mut fate = fates.iter().copied().cycle();
    let mut line: Vec<(usize, Came)> = Vec::new();
    for packet in events.iter().flat_map(|event| {
        let kept = event.len() - 1;
        event.iter().enumerate().map(move |(i, packet)| (i == kept, packet))
    }) {
        let (kept, packet) = packet;
        let what = fate.next().unwrap_or(0);
        let place = line.len();
        if what % 4 != 0 || kept {
            line.push((place + usize::from(what % 5), packet.clone()));
        }
        if what % 7 == 0 {
            line.push((place + usize::from(what % 11), packet.clone()));
        }
    }
    // Stable: what is not moved stays in order.
    line.sort_by_key(|(place, _)| *place);
    line.into_iter().map(|(_, packet)| packet).collect()
}

#[test]
fn each_key_is_heard_once_over_a_network_that_loses_doubles_and_reorders() {
    let one = (0u8..16, 40u32..400, 60u32..300);
    let clock = prop::sample::select(vec![8_000u32, 48_000]);
    let cases = (prop::collection::vec(one, 1..20), prop::collection::vec(any::<u8>(), 1..200), any::<u32>(), clock);
    run(cases, |(presses, fates, start, clock)| {
        let line = through_network(&press(&presses, clock, start, 9, false), &fates);
        let mut heard: Vec<char> = hear(&mut ToneReceiver::default(), &line).chars().collect();
        let mut pressed: Vec<char> = presses.iter().filter_map(|(event, ..)| key_of(*event)).collect();
        // Where the network puts a key before the one that was pressed first, so does the phone.
        heard.sort_unstable();
        pressed.sort_unstable();
        prop_assert_eq!(heard, pressed);
        Ok(())
    });
}

#[test]
fn an_event_in_segments_is_one_key_while_packets_are_lost() {
    let one = (0u8..16, 1_000u32..9_000, 60u32..300);
    let fates = prop::collection::vec(any::<u8>(), 1..200);
    let cases = (prop::collection::vec(one, 1..4), fates, any::<u32>(), any::<bool>());
    run(cases, |(presses, fates, start, late)| {
        let events = press(&presses, 48_000, start, 9, late);
        // The first packet of a key comes, and no twenty in a row are lost: a segment has 68.
        let (mut fate, mut missed) = (fates.iter().cycle(), 0);
        let line: Vec<Came> = events
            .iter()
            .flatten()
            .filter(|packet| {
                let lost = !packet.marker && missed < 20 && fate.next().is_some_and(|what| what % 3 != 0);
                missed = if lost { missed + 1 } else { 0 };
                !lost
            })
            .cloned()
            .collect();
        let pressed: String = presses.iter().filter_map(|(event, ..)| key_of(*event)).collect();
        prop_assert_eq!(hear(&mut ToneReceiver::default(), &line), pressed);
        Ok(())
    });
}

#[test]
fn what_we_send_is_heard_as_it_was_typed() {
    let keys = prop::collection::vec(prop::sample::select("0123456789*#ABCD,".chars().collect::<Vec<_>>()), 1..30);
    run((keys, 0u64..500), |(keys, gap)| {
        let tones: Vec<Tone> = keys.iter().map(|key| tone(*key, gap)).collect();
        let line: Vec<Came> = packets(&send(&tones, 48_000)).into_iter().map(|packet| came(packet, 3)).collect();
        let typed: String = keys.iter().filter(|key| **key != ',').collect();
        prop_assert_eq!(hear(&mut ToneReceiver::default(), &line), typed);
        Ok(())
    });
}
