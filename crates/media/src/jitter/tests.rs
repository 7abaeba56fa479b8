//! A simulated network in front of the jitter buffer. Everything is computed from a printed seed; no clock is read.

use super::*;
use crate::analysis::{dominant_frequency, rms, tone_level};
use crate::codec::{AudioEncoder, CodecSettings, MAX_ENCODED_BYTES, encoder};

/// A small generator of random numbers (splitmix64).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Dice {
        println!("seed {seed}");
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> i64 {
        (self.next() % bound) as i64
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

struct Sent {
    sequence: u16,
    timestamp: u32,
    payload: Vec<u8>,
}

/// A sender of a voice of 300 Hz that swells and fades like speech, and the receiver.
struct Line {
    buffer: JitterBuffer,
    encoder: Box<dyn AudioEncoder>,
    frame: u64,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    /// On the way: arrival and packet.
    way: Vec<(i64, Sent)>,
    now: i64,
    heard: Vec<i16>,
    /// What the clock of the sender makes of a second, in microseconds.
    second: i64,
    pause: bool,
    /// Packets that carried redundancy.
    redundant: u64,
    /// What is said instead of the voice, if not empty.
    speech: Vec<i16>,
}

impl Line {
    fn new(codec: AudioCodec, loss: u8) -> Line {
        let settings = CodecSettings { complexity: 0, ..CodecSettings::default() };
        let mut encoder = encoder(codec, &settings).unwrap();
        encoder.set_expected_loss(loss);
        Line {
            buffer: JitterBuffer::new().unwrap(),
            encoder,
            frame: 0,
            // Both wrap around soon.
            sequence: 65_500,
            timestamp: u32::MAX - 40_000,
            ssrc: 1,
            way: Vec::new(),
            now: 1_000_000,
            heard: Vec::new(),
            second: 1_000_000,
            pause: false,
            redundant: 0,
            speech: Vec::new(),
        }
    }

    /// Speaks 20 ms; the packet goes through `network`, which gives the delays of its copies (none: lost).
    fn speak(&mut self, network: &mut dyn FnMut(u64) -> Vec<i64>) {
        let frame = self.frame;
        let pcm: [i16; FRAME_SAMPLES] = std::array::from_fn(|i| {
            if !self.speech.is_empty() {
                let place = frame as usize * FRAME_SAMPLES + i;
                return self.speech.get(place).copied().unwrap_or(0);
            }
            let t = (frame * FRAME_SAMPLES as u64 + i as u64) as f64 / 48_000.0;
            let loud = if self.pause { 0.0 } else { 0.6 + 0.4 * (t * 3.0).sin() };
            let voice: f64 =
                (1..8).map(|k| (t * 300.0 * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k * k)).sum();
            (voice * loud * 9_000.0) as i16
        });
        let mut payload = [0u8; MAX_ENCODED_BYTES];
        let bytes = self.encoder.encode(&pcm, &mut payload).unwrap();
        if self.encoder.codec() == AudioCodec::Opus {
            let mut decoders = crate::codec::Decoders::new().unwrap();
            self.redundant += u64::from(decoders.of(AudioCodec::Opus).has_redundancy(&payload[..bytes]));
        }
        let sent_at = 1_000_000 + self.frame as i64 * self.second / 50;
        for delay in network(frame) {
            let sent = Sent { sequence: self.sequence, timestamp: self.timestamp, payload: payload[..bytes].to_vec() };
            self.way.push((sent_at + delay, sent));
        }
        self.frame += 1;
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(self.encoder.codec().clock_rate() / 50);
    }

    /// Ten milliseconds at the receiver.
    fn listen(&mut self) {
        self.way.sort_by_key(|(arrival, _)| *arrival);
        let due = self.way.partition_point(|(arrival, _)| *arrival <= self.now);
        let codec = self.encoder.codec();
        for (arrival, sent) in self.way.drain(..due) {
            let packet = Arriving {
                codec,
                sequence: sent.sequence,
                timestamp: sent.timestamp,
                ssrc: self.ssrc,
                payload: &sent.payload,
            };
            self.buffer.insert(packet, arrival);
        }
        let mut out = [0i16; TICK_SAMPLES];
        self.buffer.pull(&mut out, self.now);
        self.heard.extend_from_slice(&out);
        self.now += 10_000;
    }

    fn run(&mut self, seconds: u64, mut network: impl FnMut(u64) -> Vec<i64>) {
        let end = self.now + seconds as i64 * 1_000_000;
        while self.now < end {
            while 1_000_000 + self.frame as i64 * self.second / 50 <= self.now {
                self.speak(&mut network);
            }
            self.listen();
        }
    }

    /// Runs and returns what happened meanwhile.
    fn during(&mut self, seconds: u64, network: impl FnMut(u64) -> Vec<i64>) -> JitterStats {
        let before = self.buffer.stats();
        self.heard.clear();
        self.run(seconds, network);
        let after = self.buffer.stats();
        JitterStats {
            received: after.received - before.received,
            expected: after.expected - before.expected,
            duplicates: after.duplicates - before.duplicates,
            late: after.late - before.late,
            discarded: after.discarded - before.discarded,
            corrupt: after.corrupt - before.corrupt,
            decoded: after.decoded - before.decoded,
            recovered: after.recovered - before.recovered,
            concealed: after.concealed - before.concealed,
            shortened: after.shortened - before.shortened,
            stretched: after.stretched - before.stretched,
            restarts: after.restarts - before.restarts,
            ..after
        }
    }

    fn assert_tone(&self) {
        let half = self.heard.len() / 2;
        let pitch = dominant_frequency(&self.heard[half..], 48_000);
        assert!((pitch - 300.0).abs() < 3.0, "pitch {pitch}");
        assert!(rms(&self.heard[half..]) > 0.04, "level {}", rms(&self.heard[half..]));
    }
}

fn percent(samples: u64, seconds: u64) -> f64 {
    samples as f64 / (seconds * 48_000) as f64 * 100.0
}

#[test]
fn on_a_clean_path_nothing_is_invented_and_little_held_back() {
    for codec in [AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Pcma] {
        let mut line = Line::new(codec, 0);
        let stats = line.during(20, |_| vec![30_000]);
        assert_eq!((stats.concealed, stats.late, stats.lost(), stats.discarded), (0, 0, 0, 0), "{codec:?}");
        assert!(stats.delay_us <= 45_000, "held back {} µs", stats.delay_us);
        assert_eq!(stats.jitter_us, 0);
        line.assert_tone();
    }
}

#[test]
fn reordered_packets_are_put_in_order() {
    let mut dice = Dice::new(11);
    let mut line = Line::new(AudioCodec::Opus, 0);
    line.run(10, |_| vec![20_000 + dice.below(120_000)]);
    let stats = line.during(30, |_| vec![20_000 + dice.below(120_000)]);
    assert!(percent(stats.concealed, 30) < 2.0, "{:.2} % concealed", percent(stats.concealed, 30));
    assert!(stats.lost() <= 6, "nothing is lost, the last ones are on their way: {}", stats.lost());
    assert!(stats.target_us > 100_000 && stats.target_us < 190_000, "target {} µs", stats.target_us);
    assert!(stats.jitter_us > 20_000 && stats.jitter_us < 60_000, "jitter {} µs", stats.jitter_us);
    line.assert_tone();
    // A calm path again: it comes down within a minute.
    line.run(30, |_| vec![20_000]);
    assert!(line.buffer.stats().target_us < 35_000, "target {} µs", line.buffer.stats().target_us);
}

#[test]
fn lost_packets_are_recovered_from_redundancy() {
    let mut dice = Dice::new(12);
    let mut line = Line::new(AudioCodec::Opus, 10);
    line.run(5, |_| vec![30_000]);
    let stats = line.during(40, |_| if dice.chance(10) { vec![] } else { vec![30_000] });
    let lost = stats.lost() as f64 / stats.expected as f64;
    assert!((0.07..0.13).contains(&lost), "counted {lost}");
    // Lost packets whose successor came and carries redundancy are recovered, all of them.
    let share = line.redundant as f64 / line.frame as f64;
    let possible = lost * 0.9 * share * 100.0;
    let recovered = percent(stats.recovered, 40);
    println!("{:.0} % redundancy, {recovered:.1} % recovered of {possible:.1} %", share * 100.0);
    assert!(recovered > 0.9 * possible, "{recovered:.1} % recovered of {possible:.1} %");
    let concealed = percent(stats.concealed, 40);
    assert!(concealed < lost * 100.0 - recovered + 0.3, "{concealed:.1} % concealed");
    assert_eq!(stats.late, 0);
    line.assert_tone();
}

#[test]
fn lost_packets_without_redundancy_are_concealed() {
    let mut dice = Dice::new(13);
    let mut line = Line::new(AudioCodec::Pcma, 0);
    line.run(5, |_| vec![30_000]);
    let stats = line.during(20, |_| if dice.chance(5) { vec![] } else { vec![30_000] });
    let share = percent(stats.concealed, 20);
    assert!((3.0..8.0).contains(&share), "{share:.1} % concealed");
    line.assert_tone();
    let level = tone_level(&line.heard, 48_000, 300.0);
    assert!(level > 0.13, "the gaps go on with the tone: {level}");
}

#[test]
fn duplicates_are_played_once() {
    let mut dice = Dice::new(14);
    let mut line = Line::new(AudioCodec::Opus, 0);
    let stats = line.during(20, |_| vec![20_000, 20_000 + dice.below(40_000)]);
    assert!(stats.duplicates >= 990, "{} duplicates", stats.duplicates);
    assert!(stats.decoded <= 1_000);
    assert_eq!((stats.lost(), stats.concealed), (0, 0));
}

#[test]
fn after_a_stall_it_is_live_again_at_once_and_forgets() {
    for stall in [600_000i64, 900_000, 3_000_000, 8_000_000] {
        println!("stall of {stall} µs");
        let mut line = Line::new(AudioCodec::Opus, 0);
        line.run(10, |_| vec![20_000]);
        let before = line.buffer.stats();
        let begin = line.frame as i64 * 20_000;
        // Everything sent during the stall arrives at its end, all at once.
        line.run(stall as u64 / 1_000_000 + 1, |frame| {
            let sent = frame as i64 * 20_000;
            vec![20_000 + (begin + stall - sent).max(0)]
        });
        let after = line.during(2, |_| vec![20_000]);
        assert!(after.delay_us < 120_000, "still {} µs behind", after.delay_us);
        assert!(after.target_us < before.target_us + 60_000, "target {} µs", after.target_us);
        assert_eq!(after.concealed, 0);
        line.assert_tone();
    }
}

#[test]
fn a_longer_path_is_followed_and_so_is_a_shorter_one() {
    let mut line = Line::new(AudioCodec::Opus, 0);
    line.run(10, |_| vec![20_000]);
    line.run(20, |_| vec![220_000]);
    let stats = line.during(5, |_| vec![220_000]);
    assert_eq!((stats.concealed, stats.late, stats.discarded), (0, 0, 0));
    assert!(stats.delay_us < 80_000, "{} µs held back", stats.delay_us);
    line.run(40, |_| vec![20_000]);
    let stats = line.during(5, |_| vec![20_000]);
    assert_eq!((stats.concealed, stats.late), (0, 0));
    assert!(stats.delay_us < 80_000, "{} µs held back", stats.delay_us);
    line.assert_tone();
}

#[test]
fn another_source_is_heard_at_once() {
    let mut line = Line::new(AudioCodec::Opus, 0);
    line.run(5, |_| vec![20_000]);
    line.way.clear();
    line.ssrc = 77;
    line.sequence = 4_000;
    line.timestamp = 123_456_789;
    let stats = line.during(2, |_| vec![20_000]);
    assert_eq!(stats.restarts, 1);
    assert!(percent(stats.concealed, 2) < 5.0);
    assert_eq!(stats.lost(), 0, "another source's numbers are not losses");
    assert!(rms(&line.heard[9_600..19_200]) > 0.05, "heard within 200 ms");
}

#[test]
fn a_sender_that_counts_its_time_anew_is_heard_at_once() {
    for jump in [48_000u32 * 3_600, 48_000 * 5, 0u32.wrapping_sub(48_000 * 5), 1 << 31] {
        println!("jump of {jump}");
        let mut line = Line::new(AudioCodec::Opus, 0);
        line.run(5, |_| vec![20_000]);
        line.timestamp = line.timestamp.wrapping_add(jump);
        let stats = line.during(2, |_| vec![20_000]);
        assert_eq!(stats.restarts, 1);
        assert!(rms(&line.heard[9_600..19_200]) > 0.05, "heard within 200 ms");
        let stats = line.during(2, |_| vec![20_000]);
        assert_eq!((stats.concealed, stats.restarts), (0, 0));
    }
}

#[test]
fn clocks_that_differ_do_not_run_apart() {
    for second in [999_700i64, 1_000_300] {
        println!("the sender's second has {second} µs");
        let mut line = Line::new(AudioCodec::Pcmu, 0);
        line.second = second;
        line.run(20, |_| vec![20_000]);
        // 300 ppm over 200 s are 60 ms.
        let stats = line.during(200, |_| vec![20_000]);
        assert!(percent(stats.concealed, 200) < 0.05, "{} samples concealed", stats.concealed);
        assert!(stats.delay_us < 70_000, "{} µs held back", stats.delay_us);
        let moved = if second < 1_000_000 { stats.shortened } else { stats.stretched };
        assert!((1_500..6_000).contains(&moved), "{moved} samples corrected, 2880 would be exact");
    }
}

#[test]
fn pauses_of_the_sender_are_no_losses() {
    let settings = CodecSettings { complexity: 0, dtx: true, ..CodecSettings::default() };
    let mut line = Line::new(AudioCodec::Opus, 0);
    line.encoder = encoder(AudioCodec::Opus, &settings).unwrap();
    line.run(3, |_| vec![20_000]);
    line.pause = true;
    let before = line.buffer.stats();
    let end = line.now + 4_000_000;
    let mut sent = 0;
    while line.now < end {
        while 1_000_000 + line.frame as i64 * 20_000 <= line.now {
            // A frame that needs not be sent takes time, but no sequence number.
            let number = line.sequence;
            line.speak(&mut |_| vec![20_000]);
            if line.way.last().is_some_and(|(_, packet)| packet.payload.is_empty()) {
                line.way.pop();
                line.sequence = number;
            } else {
                sent += 1;
            }
        }
        line.listen();
    }
    assert!(sent < 60, "{sent} packets in 4 s of pause");
    line.pause = false;
    let stats = line.during(3, |_| vec![20_000]);
    assert_eq!(stats.lost(), 0);
    assert_eq!(line.buffer.stats().late, before.late);
    assert!(stats.delay_us < 60_000, "{} µs held back", stats.delay_us);
    line.assert_tone();
}

#[test]
fn packets_may_have_any_length() {
    for bytes in [40usize, 80, 240, 320, 480] {
        println!("{bytes} bytes of G.711");
        let mut buffer = JitterBuffer::new().unwrap();
        let payload: Vec<u8> =
            (0..bytes).map(|i| crate::codec::g711::to_mu(if i % 8 < 4 { 5_000 } else { -5_000 })).collect();
        let (mut now, mut sequence) = (0i64, 0u16);
        let mut sent = 0i64;
        let mut out = [0i16; TICK_SAMPLES];
        for _ in 0..1_000 {
            while sent * bytes as i64 * 125 <= now {
                let timestamp = sent as u32 * bytes as u32;
                let packet = Arriving { codec: AudioCodec::Pcmu, sequence, timestamp, ssrc: 5, payload: &payload };
                buffer.insert(packet, sent * bytes as i64 * 125);
                sequence += 1;
                sent += 1;
            }
            buffer.pull(&mut out, now);
            now += 10_000;
        }
        assert!(rms(&out) > 0.1);
        let stats = buffer.stats();
        assert!(stats.concealed <= 2 * 48 * 60, "{} samples concealed", stats.concealed);
        assert_eq!((stats.lost(), stats.late, stats.discarded), (0, 0, 0));
    }
}

#[test]
fn a_stream_that_stops_becomes_silence_and_comes_back() {
    let mut line = Line::new(AudioCodec::Opus, 0);
    line.run(5, |_| vec![20_000]);
    line.during(5, |_| vec![]);
    assert!(rms(&line.heard[..4_800]) > 0.02, "a short gap is filled");
    assert_eq!(rms(&line.heard[28_800..]), 0.0, "silence after 600 ms");
    let stats = line.during(3, |_| vec![20_000]);
    assert!(percent(stats.concealed, 3) < 5.0);
    line.assert_tone();
}

#[test]
fn speech_stays_speech_on_a_bad_path() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/speech/hello.wav");
    let (said, rate) = crate::analysis::read_wav(&path).unwrap();
    let said = crate::resample::resample_all(&said, rate, SAMPLE_RATE);
    let mut dice = Dice::new(16);
    // Jitter in milliseconds, loss in per cent, least likeness.
    for (jitter, loss, least) in
        [(0, 0, 0.95), (0, 2, 0.95), (0, 10, 0.93), (60, 0, 0.9), (60, 5, 0.85), (100, 10, 0.85)]
    {
        let mut line = Line::new(AudioCodec::Opus, loss as u8);
        line.speech = said.clone();
        let stats = line.during(said.len() as u64 / 48_000 + 1, |_| {
            if dice.chance(loss) {
                vec![]
            } else {
                vec![20_000 + if jitter > 0 { dice.below(jitter * 1_000) } else { 0 }]
            }
        });
        let score = crate::analysis::similarity(&said, &line.heard, SAMPLE_RATE);
        println!("jitter {jitter} ms, loss {loss} %: likeness {score:.3}, held back {} ms", stats.delay_us / 1_000);
        assert!(score > least, "jitter {jitter} ms, loss {loss} %: {score}, {stats:?}");
    }
}

#[test]
fn junk_does_no_harm() {
    let mut dice = Dice::new(15);
    let mut buffer = JitterBuffer::new().unwrap();
    let mut out = [0i16; TICK_SAMPLES];
    let mut now = 0i64;
    for _ in 0..20_000 {
        let longest = if dice.chance(5) { 1_500 } else { 60 };
        let length = dice.below(longest) as usize;
        let payload: Vec<u8> = (0..length).map(|_| dice.next() as u8).collect();
        let codec = [AudioCodec::Opus, AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Pcma][dice.below(4) as usize];
        let wild = dice.chance(10);
        let packet = Arriving {
            codec: if wild { codec } else { AudioCodec::Opus },
            sequence: if wild { dice.next() as u16 } else { (now / 20_000) as u16 },
            timestamp: if wild { dice.next() as u32 } else { (now / 20_000 * 960) as u32 },
            ssrc: u32::from(dice.chance(1)),
            payload: &payload,
        };
        buffer.insert(packet, now + dice.below(50_000));
        if dice.chance(80) {
            buffer.pull(&mut out, now);
            now += 10_000;
        }
    }
    let stats = buffer.stats();
    assert!(stats.decoded + stats.corrupt > 1_000, "{stats:?}");
}

#[test]
fn what_looks_silent_is_left_undecoded_only_where_that_is_asked_for() {
    // G.711 a little above zero: it looks silent, and decoded it is not all zeros.
    let mut buffer = JitterBuffer::new().unwrap();
    let mut run = |effort: Effort, packets: std::ops::Range<u16>, loud: bool| {
        buffer.set_effort(effort);
        let mut last = Vec::new();
        for packet in packets {
            let payload: [u8; 160] = std::array::from_fn(|i| {
                crate::codec::g711::to_mu(if i % 20 < 10 { 30 } else { -30 } * if loud { 300 } else { 1 })
            });
            let (now, timestamp) = (i64::from(packet) * 20_000, u32::from(packet) * 160);
            let arriving =
                Arriving { codec: AudioCodec::Pcmu, sequence: packet, timestamp, ssrc: 1, payload: &payload };
            buffer.insert(arriving, now);
            last.clear();
            for tick in 0..2 {
                let mut out = [0; TICK_SAMPLES];
                buffer.pull(&mut out, now + 30_000 + tick * 10_000);
                last.extend(out);
            }
        }
        (rms(&last), buffer.stats())
    };
    assert!(run(Effort::Everything, 0..50, false).0 > 0.0005);
    assert!(run(Effort::Audible, 50..52, false).0 > 0.0005, "not for one or two packets");
    let (level, stats) = run(Effort::Audible, 52..100, false);
    assert_eq!(level, 0.0);
    assert!(stats.decoded >= 98 && stats.lost() == 0 && stats.concealed == 0, "{stats:?}");
    let (level, _) = run(Effort::Audible, 100..110, true);
    assert!(level > 0.2, "a sound is decoded: {level}");
    let (level, stats) = run(Effort::Nothing, 110..150, true);
    assert_eq!((level, stats.lost(), stats.concealed), (0.0, 0, 0));
    assert!(run(Effort::Everything, 150..160, true).0 > 0.2, "and back");
}
