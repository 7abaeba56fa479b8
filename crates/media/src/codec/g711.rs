//! G.711, both laws (ITU-T G.711; RFC 3551 section 4.5.14), with concealment.
//!
//! Owns: the tables and the encode functions, the search for the pitch period. Lives on the media workers; nothing
//! allocates after construction. The codec runs at 8 kHz and converts to and from 48 kHz inside.

use std::any::Any;

use super::rate::{Down, RATIO, Up};
use super::{AudioDecoder, AudioEncoder, CodecError, FRAME_SAMPLES, MAX_ENCODED_BYTES, MAX_PACKET_SAMPLES};
use crate::transport::AudioCodec;

/// Which of the two laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Law {
    /// µ-law, payload type 0: North America, Japan.
    Mu,
    /// A-law, payload type 8: elsewhere.
    A,
}

/// One sample to µ-law.
#[must_use]
pub fn to_mu(sample: i16) -> u8 {
    /// What makes every segment begin at a power of two.
    const BIAS: u32 = 132;
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = u32::from(sample.unsigned_abs()).min(32_635) + BIAS;
    let segment = 24 - magnitude.leading_zeros(); // 132 is in segment 0, 32767 in segment 7
    let step = (magnitude >> (segment + 3)) & 0x0f;
    !(sign | (segment << 4) as u8 | step as u8)
}

/// One sample from µ-law.
#[must_use]
pub fn from_mu(code: u8) -> i16 {
    let code = !code;
    let magnitude = (((i32::from(code) & 0x0f) << 3) + 132) << ((code >> 4) & 7);
    let magnitude = (magnitude - 132) as i16;
    if code & 0x80 != 0 { -magnitude } else { magnitude }
}

/// One sample to A-law.
#[must_use]
pub fn to_a(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0, !sample as u16) } else { (0x80, sample as u16) };
    let code = if magnitude < 256 {
        magnitude >> 4
    } else {
        let segment = 8 - magnitude.leading_zeros() as u16; // 256 is in segment 1, 32767 in segment 7
        (segment << 4) | ((magnitude >> (segment + 3)) & 0x0f)
    };
    (sign | code as u8) ^ 0x55
}

/// One sample from A-law.
#[must_use]
pub fn from_a(code: u8) -> i16 {
    let code = code ^ 0x55;
    let step = (i32::from(code) & 0x0f) << 4;
    let magnitude = match (code >> 4) & 7 {
        0 => step + 8,
        segment => (step + 0x108) << (segment - 1),
    } as i16;
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}

/// What counts as around zero, −54 dB of full scale: the noise of a line and of rounding.
const AROUND_ZERO: u16 = 64;

/// See [`super::looks_silent`].
pub(super) fn looks_silent(law: Law, payload: &[u8]) -> bool {
    let decode = match law {
        Law::Mu => from_mu,
        Law::A => from_a,
    };
    payload.iter().all(|code| decode(*code).unsigned_abs() <= AROUND_ZERO)
}

/// From 48 kHz to one byte a sample at 8 kHz.
pub struct G711Encoder {
    law: Law,
    down: Down,
}

impl G711Encoder {
    /// An encoder for `law`.
    #[must_use]
    pub fn new(law: Law) -> G711Encoder {
        G711Encoder { law, down: Down::new() }
    }
}

impl AudioEncoder for G711Encoder {
    fn codec(&self) -> AudioCodec {
        match self.law {
            Law::Mu => AudioCodec::Pcmu,
            Law::A => AudioCodec::Pcma,
        }
    }

    fn encode(&mut self, pcm: &[i16; FRAME_SAMPLES], out: &mut [u8; MAX_ENCODED_BYTES]) -> Result<usize, CodecError> {
        let mut low = [0i16; FRAME_SAMPLES / RATIO];
        self.down.process(pcm, &mut low);
        let encode = match self.law {
            Law::Mu => to_mu,
            Law::A => to_a,
        };
        for (byte, sample) in out.iter_mut().zip(&low) {
            *byte = encode(*sample);
        }
        Ok(low.len())
    }

    fn set_expected_loss(&mut self, _percent: u8) {}

    fn continue_from(&mut self, other: &dyn AudioEncoder) -> bool {
        let any: &dyn Any = other;
        let Some(other) = any.downcast_ref::<G711Encoder>().filter(|other| other.law == self.law) else { return false };
        self.down.clone_from(&other.down);
        true
    }

    fn reset(&mut self) {
        self.down = Down::new();
    }
}

/// Longest packet in 8 kHz samples.
const MAX_LOW: usize = MAX_PACKET_SAMPLES / RATIO;
/// What is kept for the pitch search, 40 ms.
const PAST: usize = 320;
/// Shortest and longest pitch period in 8 kHz samples: 400 Hz to 66 Hz.
const PERIODS: std::ops::RangeInclusive<usize> = 20..=120;
/// Samples over which the pitch is compared, 20 ms.
const COMPARED: usize = 160;
/// Concealed samples at full level, 10 ms; after `FADED` there is silence.
const FULL: usize = 80;
const FADED: usize = 480;
/// Samples over which the first packet after a gap takes over, 5 ms.
const MERGE: usize = 40;

/// From bytes at 8 kHz to 48 kHz. A gap is filled by the last pitch period, repeated and fading.
pub struct G711Decoder {
    law: Law,
    up: Up,
    past: [i16; PAST],
    /// Pitch period in use and samples concealed so far; 0 when there is no gap.
    period: usize,
    concealed: usize,
}

impl G711Decoder {
    /// A decoder for `law`.
    #[must_use]
    pub fn new(law: Law) -> G711Decoder {
        G711Decoder { law, up: Up::new(), past: [0; PAST], period: 0, concealed: 0 }
    }

    fn remember(&mut self, low: &[i16]) {
        let kept = low.len().min(PAST);
        self.past.copy_within(kept.., 0);
        self.past[PAST - kept..].copy_from_slice(&low[low.len() - kept..]);
    }

    /// The lag at which the last 20 ms look most like what was before them.
    fn pitch(&self) -> usize {
        let recent = &self.past[PAST - COMPARED..];
        let mut best = (*PERIODS.start(), -1.0f32);
        for lag in PERIODS {
            let before = &self.past[PAST - COMPARED - lag..PAST - lag];
            let (mut cross, mut power) = (0f32, 1f32);
            for (a, b) in recent.iter().zip(before) {
                let (a, b) = (f32::from(*a), f32::from(*b));
                cross += a * b;
                power += b * b;
            }
            let likeness = cross / power.sqrt();
            if likeness > best.1 {
                best = (lag, likeness);
            }
        }
        best.0
    }

    /// The sample that concealment plays after `self.concealed` others.
    fn invent(&mut self) -> i16 {
        if self.concealed == 0 {
            self.period = self.pitch();
        }
        let sample = self.past[PAST - self.period + self.concealed % self.period];
        let fade = (FADED.saturating_sub(self.concealed) as f32 / (FADED - FULL) as f32).min(1.0);
        self.concealed += 1;
        (f32::from(sample) * fade) as i16
    }
}

impl AudioDecoder for G711Decoder {
    fn packet_samples(&self, payload: &[u8]) -> Option<usize> {
        (1..=MAX_LOW).contains(&payload.len()).then(|| payload.len() * RATIO)
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16; MAX_PACKET_SAMPLES]) -> Result<usize, CodecError> {
        if payload.is_empty() || payload.len() > MAX_LOW {
            return Err(CodecError);
        }
        let decode = match self.law {
            Law::Mu => from_mu,
            Law::A => from_a,
        };
        let mut low = [0i16; MAX_LOW];
        let low = &mut low[..payload.len()];
        for (sample, byte) in low.iter_mut().zip(payload) {
            *sample = decode(*byte);
        }
        if self.concealed > 0 {
            let length = MERGE.min(low.len());
            for (i, sample) in low[..length].iter_mut().enumerate() {
                let share = (i + 1) as f32 / (length + 1) as f32;
                let old = f32::from(self.invent());
                *sample = (old * (1.0 - share) + f32::from(*sample) * share) as i16;
            }
            self.concealed = 0;
        }
        self.remember(low);
        Ok(self.up.process(low, out))
    }

    fn has_redundancy(&self, _payload: &[u8]) -> bool {
        false
    }

    fn decode_redundancy(
        &mut self,
        _payload: &[u8],
        _samples: usize,
        _out: &mut [i16; MAX_PACKET_SAMPLES],
    ) -> Result<usize, CodecError> {
        Err(CodecError)
    }

    fn conceal(&mut self, samples: usize, out: &mut [i16; MAX_PACKET_SAMPLES]) -> usize {
        let mut low = [0i16; MAX_LOW];
        let low = &mut low[..(samples / RATIO).min(MAX_LOW)];
        for sample in low.iter_mut() {
            *sample = self.invent();
        }
        self.up.process(low, out)
    }

    fn reset(&mut self) {
        self.up.reset();
        self.past = [0; PAST];
        self.concealed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{dominant_frequency, tone_level};

    #[test]
    fn every_code_is_reached_again_from_its_value() {
        for code in 0..=255u8 {
            // µ-law has two zeros; the negative one becomes the positive one.
            let expected = if code == 0x7f { 0xff } else { code };
            assert_eq!(to_mu(from_mu(code)), expected, "µ-law {code:#x}");
            assert_eq!(to_a(from_a(code)), code, "A-law {code:#x}");
        }
    }

    #[test]
    fn every_sample_comes_back_within_half_a_step_and_in_order() {
        let (mut last_mu, mut last_a) = (i16::MIN, i16::MIN);
        for sample in i16::MIN..=i16::MAX {
            let magnitude = i32::from(sample).abs();
            // Steps double from segment to segment; the largest values are clipped to the top code.
            let mu = from_mu(to_mu(sample));
            let bound = ((magnitude + 132) / 32).max(4) + if magnitude > 32_635 { 140 } else { 1 };
            assert!((i32::from(mu) - i32::from(sample)).abs() <= bound, "µ-law {sample} becomes {mu}");
            let a = from_a(to_a(sample));
            let bound = (magnitude / 32).max(8) + 1;
            assert!((i32::from(a) - i32::from(sample)).abs() <= bound, "A-law {sample} becomes {a}");
            assert!(mu >= last_mu && a >= last_a, "monotonous at {sample}");
            (last_mu, last_a) = (mu, a);
        }
    }

    #[test]
    fn known_values_of_the_recommendation() {
        // G.711 tables 1 and 2: silence, full scale of both signs.
        assert_eq!((to_mu(0), to_a(0)), (0xff, 0xd5));
        assert_eq!((from_mu(0x80), from_mu(0x00)), (32_124, -32_124));
        assert_eq!((from_a(0xaa), from_a(0x2a)), (32_256, -32_256));
    }

    #[test]
    fn a_gap_goes_on_with_the_same_pitch_and_fades() {
        for law in [Law::Mu, Law::A] {
            let mut encoder = G711Encoder::new(law);
            let mut decoder = G711Decoder::new(law);
            let mut heard = Vec::new();
            let mut payload = [0u8; MAX_ENCODED_BYTES];
            let mut out = [0i16; MAX_PACKET_SAMPLES];
            for frame in 0..20 {
                let pcm: [i16; FRAME_SAMPLES] = std::array::from_fn(|i| {
                    let t = (frame * FRAME_SAMPLES + i) as f32 / 48_000.0;
                    ((t * 200.0 * std::f32::consts::TAU).sin() * 10_000.0) as i16
                });
                let bytes = encoder.encode(&pcm, &mut payload).unwrap();
                assert_eq!(bytes, 160);
                let written = if frame == 15 {
                    decoder.conceal(FRAME_SAMPLES, &mut out)
                } else {
                    decoder.decode(&payload[..bytes], &mut out).unwrap()
                };
                assert_eq!(written, FRAME_SAMPLES);
                heard.extend_from_slice(&out[..written]);
            }
            let gap = &heard[14 * 960..17 * 960];
            assert!((dominant_frequency(gap, 48_000) - 200.0).abs() < 20.0);
            assert!(tone_level(&gap[480..1_920], 48_000, 200.0) > 0.2);
            let jump = gap.windows(2).map(|w| (i32::from(w[0]) - i32::from(w[1])).abs()).max().unwrap();
            assert!(jump < 800, "a click of {jump}");
            for _ in 0..10 {
                decoder.conceal(FRAME_SAMPLES, &mut out);
            }
            assert_eq!(out[900..960].iter().map(|v| v.unsigned_abs()).max(), Some(0), "silence at last");
        }
    }
}
