//! The mixer by itself: sums, limiter, choice and seams. Everything random comes from a printed seed; no clock is read.

use super::limiter::{CEILING, LOOK_AHEAD, Limiter};
use super::*;
use crate::analysis::{rms, tone_level};
use crate::codec::{
    AudioEncoder, CodecSettings, Decoders, FRAME_SAMPLES, MAX_PACKET_SAMPLES, SAMPLE_RATE, TICK_SAMPLES, encoder,
};
use crate::transport::AudioCodec;

type Tick = [i16; TICK_SAMPLES];

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

    fn sample(&mut self, peak: i32) -> i32 {
        (self.next() % (2 * peak as u64 + 1)) as i32 - peak
    }
}

/// Ten milliseconds of a tone that goes on from tick to tick.
fn tone(hz: f64, peak: f64, tick: usize) -> Tick {
    std::array::from_fn(|i| {
        let t = (tick * TICK_SAMPLES + i) as f64 / f64::from(SAMPLE_RATE);
        ((t * hz * std::f64::consts::TAU).sin() * peak) as i16
    })
}

/// The greatest step from sample to sample.
fn jump(samples: &[i16]) -> i32 {
    samples.windows(2).map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs()).max().unwrap_or(0)
}

/// The greatest second difference: a click in a low tone stands out of it.
fn kink(samples: &[i16]) -> i32 {
    let at = |i: usize| i32::from(samples[i]);
    (1..samples.len() - 1).map(|i| (at(i + 1) - 2 * at(i) + at(i - 1)).abs()).max().unwrap_or(0)
}

/// A mixer with the codecs of its members at both ends, and no network between them.
struct Desk {
    mixer: Mixer,
    own: Vec<Box<dyn AudioEncoder>>,
    decoders: Vec<Decoders>,
    codecs: Vec<AudioCodec>,
    losses: Vec<u8>,
    listening: Vec<bool>,
    /// What everybody has heard so far.
    heard: Vec<Vec<i16>>,
    /// Packets that everybody got.
    packets: Vec<usize>,
    /// The last payload of each, and whether it was a common one.
    last: Vec<Option<(Vec<u8>, bool)>>,
}

impl Desk {
    fn new(settings: RoomSettings, codecs: &[AudioCodec]) -> Desk {
        let mut desk = Desk {
            mixer: Mixer::new(&settings).unwrap(),
            own: Vec::new(),
            decoders: Vec::new(),
            codecs: Vec::new(),
            losses: Vec::new(),
            listening: Vec::new(),
            heard: Vec::new(),
            packets: Vec::new(),
            last: Vec::new(),
        };
        for codec in codecs {
            desk.join(*codec, &settings.codec);
        }
        desk
    }

    fn join(&mut self, codec: AudioCodec, settings: &CodecSettings) -> usize {
        self.own.push(encoder(codec, settings).unwrap());
        self.decoders.push(Decoders::new().unwrap());
        self.codecs.push(codec);
        self.losses.push(0);
        self.listening.push(true);
        self.heard.push(Vec::new());
        self.packets.push(0);
        self.last.push(None);
        self.mixer.add()
    }

    fn tick(&mut self, says: impl Fn(usize) -> Tick) {
        for seat in 0..self.mixer.len() {
            self.mixer.say(seat, &says(seat));
        }
        if !self.mixer.mix() {
            return;
        }
        let listener = |desk: &mut Desk, seat: usize, work: &mut dyn FnMut(&mut Mixer, Option<Listener<'_>>)| {
            let (codec, loss) = (desk.codecs[seat], desk.losses[seat]);
            let own = &mut *desk.own[seat];
            work(&mut desk.mixer, desk.listening[seat].then_some(Listener { codec, loss, encoder: own }));
        };
        for seat in 0..self.heard.len() {
            listener(self, seat, &mut |mixer, listener| mixer.prepare(seat, listener));
        }
        for seat in 0..self.heard.len() {
            let mut payload = None;
            listener(self, seat, &mut |mixer, listener| {
                payload = listener.and_then(|listener| mixer.encode(seat, listener)).map(|encoded| match encoded {
                    Encoded::Common(payload) => (payload.to_vec(), true),
                    Encoded::Own(payload) => (payload.to_vec(), false),
                });
            });
            self.last[seat] = payload.clone();
            let mut out = [0; MAX_PACKET_SAMPLES];
            let decoder = self.decoders[seat].of(self.codecs[seat]);
            let samples = match payload {
                Some((payload, _)) => decoder.decode(&payload, &mut out).unwrap(),
                None => decoder.conceal(FRAME_SAMPLES, &mut out),
            };
            self.packets[seat] += usize::from(self.last[seat].is_some());
            assert_eq!(samples, FRAME_SAMPLES);
            self.heard[seat].extend_from_slice(&out[..samples]);
        }
    }

    fn run(&mut self, ticks: std::ops::Range<usize>, says: impl Fn(usize, usize) -> Tick) {
        for tick in ticks {
            self.tick(|seat| says(seat, tick));
        }
    }

    /// The last `ms` that somebody heard.
    fn tail(&self, seat: usize, ms: usize) -> &[i16] {
        let heard = &self.heard[seat];
        &heard[heard.len() - ms * 48..]
    }
}

const SILENCE: Tick = [0; TICK_SAMPLES];
const TONES: [f64; 4] = [430.0, 790.0, 1_370.0, 2_170.0];

fn plain(voices: usize) -> RoomSettings {
    RoomSettings { voices, ..RoomSettings::default() }
}

#[test]
fn the_limiter_lets_soft_sums_through_untouched_and_a_little_later() {
    let mut dice = Dice::new(11);
    let mut limiter = Limiter::default();
    let input: Vec<i32> = (0..50 * TICK_SAMPLES).map(|_| dice.sample(CEILING)).collect();
    let mut output = Vec::new();
    for tick in input.chunks_exact(TICK_SAMPLES) {
        let mut out = SILENCE;
        limiter.process(tick.try_into().unwrap(), &mut out);
        output.extend(out);
    }
    assert!(output[..LOOK_AHEAD].iter().all(|v| *v == 0));
    assert!(output[LOOK_AHEAD..].iter().zip(&input).all(|(out, sum)| i32::from(*out) == *sum));
}

#[test]
fn the_limiter_never_exceeds_its_ceiling_nor_wraps_whatever_comes() {
    for seed in 0..40 {
        let mut dice = Dice::new(seed);
        let mut limiter = Limiter::default();
        let (mut input, mut output) = (Vec::new(), Vec::new());
        let mut peak = 1;
        for _ in 0..200 {
            if dice.next().is_multiple_of(7) {
                // From silence to a hundred voices at full scale.
                peak = 1 << (dice.next() % 22);
            }
            let spike = dice.next().is_multiple_of(5).then(|| dice.next() as usize % TICK_SAMPLES);
            let tick: [i32; TICK_SAMPLES] =
                std::array::from_fn(|i| if spike == Some(i) { 3_276_700 } else { dice.sample(peak) });
            let mut out = SILENCE;
            limiter.process(&tick, &mut out);
            input.extend(tick);
            output.extend(out);
        }
        for (sum, out) in input.iter().zip(&output[LOOK_AHEAD..]) {
            assert!(i32::from(*out).abs() <= CEILING, "{sum} comes out as {out}");
            assert!(*out == 0 || sum.signum() == i32::from(*out).signum(), "{sum} has become {out}: it wrapped");
        }
    }
}

#[test]
fn the_limiter_keeps_a_loud_tone_a_tone() {
    // Eight times full scale: cut off it would be a square wave with a third of its power in overtones.
    let mut limiter = Limiter::default();
    let mut output = Vec::new();
    for tick in 0..100 {
        let sum = tone(500.0, 32_000.0, tick).map(|v| i32::from(v) * 8);
        let mut out = SILENCE;
        limiter.process(&sum, &mut out);
        output.extend(out);
    }
    let settled = &output[24_000..];
    let (wanted, overtone) = (tone_level(settled, 48_000, 500.0), tone_level(settled, 48_000, 1_500.0));
    assert!(wanted > 0.85 && overtone < wanted / 300.0, "tone {wanted}, overtone {overtone}");
    // The volume comes back, slowly.
    let mut levels = Vec::new();
    for tick in 100..250 {
        let mut out = SILENCE;
        limiter.process(&tone(500.0, 16_000.0, tick).map(i32::from), &mut out);
        levels.push(rms(&out));
    }
    assert!(levels[2] < 0.1 && levels[149] > 0.33, "from {} to {}", levels[2], levels[149]);
    assert!(levels[1..].windows(2).all(|pair| pair[1] > pair[0] * 0.9), "without a dip");
}

#[test]
fn everybody_hears_the_sum_of_the_others_in_every_codec() {
    let codecs = [AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Pcma, AudioCodec::Opus, AudioCodec::Opus];
    let mut desk = Desk::new(plain(10), &codecs);
    desk.run(0..200, |seat, tick| TONES.get(seat).map_or(SILENCE, |hz| tone(*hz, 6_000.0, tick)));
    let expected = 6_000.0 / 32_768.0;
    for seat in 0..codecs.len() {
        for (other, hz) in TONES.iter().enumerate() {
            let level = tone_level(desk.tail(seat, 1_000), 48_000, *hz);
            if seat == other {
                assert!(level < 0.003, "seat {seat} hears itself with {level}");
            } else {
                assert!((level / expected - 1.0).abs() < 0.3, "seat {seat} hears {hz} Hz with {level}");
            }
        }
    }
}

#[test]
fn all_who_hear_the_same_get_the_same_bytes_and_one_encode() {
    let codecs = [AudioCodec::Opus; 12];
    let mut desk = Desk::new(plain(10), &codecs);
    desk.run(0..200, |seat, tick| if seat < 2 { tone(TONES[seat], 8_000.0, tick) } else { SILENCE });
    let before = desk.mixer.stats();
    desk.run(200..300, |seat, tick| if seat < 2 { tone(TONES[seat], 8_000.0, tick) } else { SILENCE });
    let after = desk.mixer.stats();
    assert_eq!(after.common_encodes - before.common_encodes, 50, "one for ten listeners");
    assert_eq!(after.own_encodes - before.own_encodes, 100, "one for each talker");
    assert_eq!(after.shared - before.shared, 50 * 9);
    for seat in 3..12 {
        assert!(desk.last[seat] == desk.last[2] && desk.last[2].as_ref().is_some_and(|(_, common)| *common));
    }
    assert!(desk.last[0].as_ref().is_some_and(|(_, common)| !common));
}

#[test]
fn full_scale_from_everybody_is_loud_and_neither_wraps_nor_falls_silent() {
    for members in [2, 3, 10, 30] {
        let mut desk = Desk::new(plain(members), &vec![AudioCodec::Opus; members]);
        // Spaced unevenly: the volume goes up and down with the beats of two tones, which must not look like a third one.
        let frequency = |seat: usize| 300.0 + 70.0 * seat as f64 + (seat * seat * 7 % 41) as f64;
        desk.run(0..150, |seat, tick| tone(frequency(seat), 32_767.0, tick));
        for seat in 0..members {
            let heard = desk.tail(seat, 1_000);
            assert!(rms(heard) > 0.08, "{members} members: seat {seat} hears {}", rms(heard));
            let bytes = desk.last[seat].as_ref().map_or(0, |(payload, _)| payload.len());
            assert!(bytes > 40, "{members} members: a mix of {bytes} bytes is none");
            let own = tone_level(heard, 48_000, frequency(seat));
            assert!(own < 0.02, "{members} members: seat {seat} hears itself with {own}");
            // A wrapped sum jumps by nearly the whole range; the fastest tone here, at the ceiling, by a quarter of it.
            assert!(jump(heard) < 22_000, "{members} members: a jump of {}", jump(heard));
        }
    }
}

#[test]
fn voices_come_and_go_without_a_click() {
    let mut desk = Desk::new(plain(10), &[AudioCodec::Pcmu, AudioCodec::Opus, AudioCodec::Opus]);
    // Seats 0 and 1 begin and end in mid-tone, at a peak; nobody else says anything.
    let says = |seat: usize, tick: usize| match (seat, tick) {
        (0, 50..150) => tone(200.0, 16_000.0, tick),
        (1, 90..110) => tone(200.0, 12_000.0, tick),
        _ => SILENCE,
    };
    desk.run(0..300, says);
    // The step of the steady tone itself is 16000 · 2π · 200 / 48000 = 419 for one, 733 for both; a fade of 10 ms adds 35 each.
    assert!(jump(&desk.heard[2]) < 1_100, "a jump of {}", jump(&desk.heard[2]));
    assert!(rms(desk.tail(2, 1_000)) < 1e-4, "silence in the end");
}

#[test]
fn muting_and_leaving_fade_out_in_mid_word() {
    let mut desk = Desk::new(plain(10), &[AudioCodec::Opus; 3]);
    let says =
        |seat: usize, tick: usize| if seat < 2 { tone(250.0 + 180.0 * seat as f64, 12_000.0, tick) } else { SILENCE };
    desk.run(0..101, says);
    desk.mixer.set_barred(0, true);
    desk.run(101..102, says);
    assert!(!desk.mixer.is_audible(0), "faded out within one tick");
    assert_eq!(desk.mixer.effort_for(0), crate::jitter::Effort::Nothing);
    desk.run(102..200, says);
    let heard = desk.tail(2, 500);
    assert!(tone_level(heard, 48_000, 250.0) < 0.002 && tone_level(heard, 48_000, 430.0) > 0.3);
    desk.mixer.set_barred(0, false);
    desk.run(200..300, says);
    assert!(tone_level(desk.tail(2, 500), 48_000, 250.0) > 0.3);
    // Cut off without a fade, the second difference would be the whole tone, 12000.
    let worst = kink(&desk.heard[2][9_600..]);
    assert!(worst < 400, "a kink of {worst}");
}

#[test]
fn a_newcomer_hears_what_is_said_from_the_first_frame_without_a_click() {
    for codec in [AudioCodec::Opus, AudioCodec::Pcma] {
        let mut desk = Desk::new(plain(10), &[AudioCodec::Opus, AudioCodec::Opus]);
        let says = |seat: usize, tick: usize| if seat == 0 { tone(300.0, 14_000.0, tick) } else { SILENCE };
        desk.run(0..100, says);
        let seat = desk.join(codec, &CodecSettings::default());
        desk.run(100..200, says);
        let heard = &desk.heard[seat];
        assert!(tone_level(&heard[4_800..9_600], 48_000, 300.0) > 0.3, "{codec:?}: at once");
        assert!(jump(heard) < 900, "{codec:?}: a jump of {}", jump(heard));
        assert!(
            desk.last[seat].as_ref().is_some_and(|(_, common)| *common),
            "{codec:?}: in the end it hears the common mix"
        );
        let settled = kink(desk.tail(seat, 300));
        assert!(kink(heard) < settled * 2 + 200, "{codec:?}: {} and {settled}", kink(heard));
    }
}

#[test]
fn changing_between_the_common_and_an_own_mix_leaves_no_seam() {
    // Seat 2 coughs now and then while it listens to a steady tone: each time it gets a mix of its own, and later the common one
    // again. Its decoder must not notice.
    for codec in [AudioCodec::Opus, AudioCodec::Pcmu] {
        for loss in [0, 10] {
            let mut desk = Desk::new(plain(10), &[codec; 4]);
            desk.losses = vec![loss; 4];
            let says = |seat: usize, tick: usize| match seat {
                0 => tone(400.0, 10_000.0, tick),
                2 if tick > 150 && tick % 151 < 4 => tone(900.0, 9_000.0, tick),
                _ => SILENCE,
            };
            let mut changes = 0;
            let mut before = false;
            for tick in 0..1_000 {
                desk.tick(|seat| says(seat, tick));
                let common = desk.last[2].as_ref().is_some_and(|(_, common)| *common);
                changes += u32::from(common != before && tick > 150);
                before = common;
            }
            assert!(changes >= 10, "{changes} changes");
            let heard = &desk.heard[2][48_000..];
            // Seat 2 hears a tone and nothing else: what is left without it is the noise of the codec, seams included.
            let worst = heard.chunks_exact(480).map(|piece| rest(piece, 400.0)).fold(0.0, f64::max);
            println!("{codec:?}, loss {loss}: {changes} changes, worst 10 ms {worst:.4}");
            assert!(worst < 0.015, "{codec:?}: a seam of {worst} beside a tone of 0.3");
            assert!(tone_level(heard, 48_000, 900.0) < 0.002, "and never itself");
        }
    }
}

/// Root mean square, as a share of full scale, of what is left of a piece without its best fitting tone of `hz`.
fn rest(piece: &[i16], hz: f64) -> f64 {
    let angle = |i: usize| i as f64 / f64::from(SAMPLE_RATE) * hz * std::f64::consts::TAU;
    let (mut ss, mut cc, mut sc, mut ys, mut yc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (i, value) in piece.iter().enumerate() {
        let ((s, c), y) = (angle(i).sin_cos(), f64::from(*value));
        (ss, cc, sc, ys, yc) = (ss + s * s, cc + c * c, sc + s * c, ys + y * s, yc + y * c);
    }
    let scale = ss * cc - sc * sc;
    let (a, b) = ((ys * cc - yc * sc) / scale, (yc * ss - ys * sc) / scale);
    let squares = piece.iter().enumerate().map(|(i, value)| {
        let (s, c) = angle(i).sin_cos();
        (f64::from(*value) - a * s - b * c).powi(2)
    });
    (squares.sum::<f64>() / piece.len() as f64).sqrt() / 32_768.0
}

#[test]
fn the_loudest_are_heard_and_do_not_give_way_to_every_louder_syllable() {
    let mut desk = Desk::new(plain(3), &[AudioCodec::Opus; 6]);
    let loudness = [9_000.0, 8_000.0, 7_000.0, 6_000.0, 5_000.0];
    let says = |seat: usize, tick: usize| {
        loudness.get(seat).map_or(SILENCE, |peak| tone(400.0 + 170.0 * seat as f64, *peak, tick))
    };
    let heard = |desk: &Desk| (0..6).filter(|seat| desk.mixer.is_heard(*seat)).collect::<Vec<_>>();
    desk.run(0..100, says);
    assert_eq!(heard(&desk), [0, 1, 2]);
    assert!((0..5).all(|seat| desk.mixer.is_talking(seat)) && !desk.mixer.is_talking(5));
    // Seat 3 becomes a little louder than seat 2: not enough.
    let more =
        |peak: f64| move |seat: usize, tick: usize| if seat == 3 { tone(910.0, peak, tick) } else { says(seat, tick) };
    desk.run(100..300, more(8_500.0));
    assert_eq!(heard(&desk), [0, 1, 2]);
    // Clearly louder than the softest: it takes its place.
    desk.run(300..320, more(12_000.0));
    assert_eq!(heard(&desk), [0, 1, 3]);
    // Now seat 2 is louder still, but whoever has just begun may stay for a moment.
    let both = |seat: usize, tick: usize| match seat {
        2 => tone(740.0, 30_000.0, tick),
        3 => tone(910.0, 4_000.0, tick),
        0 | 1 => tone(400.0 + 170.0 * seat as f64, 25_000.0, tick),
        _ => SILENCE,
    };
    desk.run(320..325, both);
    assert_eq!(heard(&desk), [0, 1, 3]);
    desk.run(325..400, both);
    assert_eq!(heard(&desk), [0, 1, 2]);
    let tail = desk.tail(5, 300);
    assert!(tone_level(tail, 48_000, 740.0) > 0.1 && tone_level(tail, 48_000, 910.0) < 0.002);
}

#[test]
fn two_talkers_of_changing_loudness_do_not_take_turns_every_syllable() {
    // Four talkers for two places, each swelling four times a second, each at its own moments.
    for seed in 0..5 {
        let mut dice = Dice::new(seed);
        let phases: Vec<f64> = (0..4).map(|_| (dice.next() % 1_000) as f64 / 1_000.0).collect();
        let mut desk = Desk::new(plain(2), &[AudioCodec::Pcmu; 4]);
        let mut changes = 0;
        let mut before: Vec<bool> = vec![false; 4];
        for tick in 0..1_000 {
            desk.tick(|seat| {
                let swell = ((tick as f64 / 25.0 + phases[seat]) * std::f64::consts::TAU).sin() * 0.4 + 0.6;
                tone(300.0 + 200.0 * seat as f64, 12_000.0 * swell, tick)
            });
            let now: Vec<bool> = (0..4).map(|seat| desk.mixer.is_heard(seat)).collect();
            changes += now.iter().zip(&before).filter(|(a, b)| a != b).count();
            assert!(now.iter().filter(|heard| **heard).count() <= 2);
            before = now;
        }
        // Each takes its place back at its own loudest moment would be 4 talkers × 40 syllables.
        println!("{changes} changes in ten seconds");
        assert!(changes < 80, "{changes} changes in ten seconds");
    }
}

#[test]
fn soft_noise_is_no_talk_and_a_pause_between_words_is_no_end() {
    let mut desk = Desk::new(plain(10), &[AudioCodec::Opus; 2]);
    let mut dice = Dice::new(3);
    let noise: Vec<Tick> = (0..200).map(|_| std::array::from_fn(|_| dice.sample(60) as i16)).collect();
    for tick in &noise {
        desk.tick(|seat| if seat == 0 { *tick } else { SILENCE });
        assert!(!desk.mixer.is_talking(0));
    }
    assert!(rms(desk.tail(1, 1_000)) < 1e-4, "the noise of a line is not passed on");
    // Words of 200 ms with gaps of 400 ms between them.
    desk.run(0..400, |seat, tick| if seat == 0 && tick % 60 < 20 { tone(500.0, 5_000.0, tick) } else { SILENCE });
    assert!(desk.mixer.is_talking(0));
    desk.run(400..475, |_, _| SILENCE);
    assert!(!desk.mixer.is_talking(0), "but a longer silence is");
}

#[test]
fn under_strain_quality_goes_and_everybody_stays() {
    let mut desk = Desk::new(plain(10), &[AudioCodec::Opus; 8]);
    let says = |seat: usize, tick: usize| {
        if seat < 7 { tone(350.0 + 190.0 * seat as f64, 5_000.0 + 1_000.0 * seat as f64, tick) } else { SILENCE }
    };
    let heard = |desk: &Desk| (0..8).filter(|seat| desk.mixer.is_heard(*seat)).count();
    desk.run(0..100, says);
    assert_eq!(heard(&desk), 7);
    for (step, voices) in [(1, 7), (2, 5), (3, 3)] {
        desk.mixer.set_strain(step);
        let from = usize::from(step) * 200;
        desk.run(from..from + 200, says);
        assert_eq!(heard(&desk), voices, "at step {step}");
        assert!((0..8).all(|seat| desk.last[seat].is_some()), "everybody is sent something at step {step}");
        assert!(desk.mixer.is_heard(6), "the loudest is among them");
        assert!((0..8).all(|seat| rms(desk.tail(seat, 300)) > 0.05), "and hears something");
        assert!(jump(desk.tail(7, 1_000)) < 14_000, "a jump of {}", jump(desk.tail(7, 1_000)));
    }
    desk.mixer.set_strain(0);
    desk.run(900..1_000, says);
    assert_eq!(heard(&desk), 7);
}

#[test]
fn those_who_lose_packets_get_redundancy_and_the_others_do_not_pay_for_it() {
    let mut desk = Desk::new(plain(10), &[AudioCodec::Opus; 5]);
    desk.losses[3] = 10;
    desk.losses[4] = 12;
    let says = |seat: usize, tick: usize| if seat == 0 { tone(500.0, 9_000.0, tick) } else { SILENCE };
    desk.run(0..200, says);
    let before = desk.mixer.stats();
    desk.run(200..300, says);
    let after = desk.mixer.stats();
    assert_eq!(after.common_encodes - before.common_encodes, 100, "two common streams");
    assert!(desk.last[1] == desk.last[2] && desk.last[3] == desk.last[4] && desk.last[1] != desk.last[3]);
    desk.losses = vec![0; 5];
    desk.run(300..400, says);
    assert_eq!(desk.mixer.stats().common_encodes - after.common_encodes, 50, "and one again");
}

#[test]
fn with_discontinuous_transmission_a_silent_room_sends_hardly_anything() {
    let settings =
        RoomSettings { codec: CodecSettings { dtx: true, ..CodecSettings::default() }, ..RoomSettings::default() };
    let mut desk = Desk::new(settings, &[AudioCodec::Opus; 3]);
    desk.run(0..200, |_, _| SILENCE);
    let before = desk.packets[0];
    desk.run(200..400, |_, _| SILENCE);
    let frames = desk.packets[0] - before;
    assert!(frames <= 15, "{frames} packets in two seconds");
    desk.run(400..500, |seat, tick| if seat == 1 { tone(500.0, 9_000.0, tick) } else { SILENCE });
    assert!(tone_level(desk.tail(0, 500), 48_000, 500.0) > 0.2);
}

#[test]
fn a_hold_ends_without_a_click_and_costs_nothing_while_it_lasts() {
    let mut desk = Desk::new(plain(10), &[AudioCodec::Opus, AudioCodec::Opus]);
    let says = |seat: usize, tick: usize| if seat == 0 { tone(300.0, 14_000.0, tick) } else { SILENCE };
    desk.run(0..200, says);
    desk.listening[1] = false;
    let before = (desk.packets[1], desk.mixer.stats());
    desk.run(200..400, says);
    assert_eq!(desk.packets[1], before.0, "nothing is sent");
    assert_eq!(desk.mixer.stats().common_encodes, before.1.common_encodes, "nor encoded");
    desk.listening[1] = true;
    desk.run(400..500, says);
    assert!(tone_level(desk.tail(1, 800), 48_000, 300.0) > 0.3);
    // The first frame of a codec that starts anew is noisier than later ones; cut in, the tone would jump by up to 14000.
    assert!(jump(&desk.heard[1]) < 2_000, "a jump of {}", jump(&desk.heard[1]));
}
