//! Between 8 kHz and 48 kHz, for codecs of the telephone network: a fixed 1:6 polyphase filter.
//!
//! Owns: the filter and its two directions. Lives on the media workers; nothing allocates after construction. Other
//! ratios are the business of `crate::resample`; this one takes pieces of any length, as packets have.

use std::sync::OnceLock;

/// 48 kHz samples for each 8 kHz sample.
pub(super) const RATIO: usize = 6;
/// Coefficients per phase. 32 give a pass band to 3.3 kHz and more than 60 dB from 4.4 kHz on, for 2 ms of delay.
const TAPS: usize = 32;
const LENGTH: usize = TAPS * RATIO;
/// Middle of the transition band in Hz.
const CUTOFF: f64 = 3_800.0;

/// Low-pass at 48 kHz with unit gain, a Blackman-windowed sinc.
fn filter() -> &'static [f32; LENGTH] {
    static FILTER: OnceLock<[f32; LENGTH]> = OnceLock::new();
    FILTER.get_or_init(|| {
        use std::f64::consts::PI;
        let mut taps = [0f64; LENGTH];
        for (i, tap) in taps.iter_mut().enumerate() {
            let x = i as f64 - (LENGTH as f64 - 1.0) / 2.0;
            let phase = 2.0 * PI * (i as f64 + 0.5) / LENGTH as f64;
            let window = 0.42 - 0.5 * phase.cos() + 0.08 * (2.0 * phase).cos();
            let angle = 2.0 * PI * CUTOFF / 48_000.0 * x;
            *tap = angle.sin() / angle * window;
        }
        let sum: f64 = taps.iter().sum();
        taps.map(|tap| (tap / sum) as f32)
    })
}

fn sample(value: f32) -> i16 {
    // The cast saturates.
    value.round() as i16
}

/// From 8 kHz to 48 kHz.
pub(super) struct Up {
    /// `phases[p]` are the coefficients of output phase `p`, newest input first.
    phases: [[f32; TAPS]; RATIO],
    /// The last inputs, newest first.
    past: [f32; TAPS],
}

impl Up {
    pub(super) fn new() -> Up {
        let filter = filter();
        let phases = std::array::from_fn(|p| std::array::from_fn(|t| filter[t * RATIO + p] * RATIO as f32));
        Up { phases, past: [0.0; TAPS] }
    }

    /// Writes six samples to `out` for each of `input`; returns how many.
    pub(super) fn process(&mut self, input: &[i16], out: &mut [i16]) -> usize {
        for (value, group) in input.iter().zip(out.chunks_exact_mut(RATIO)) {
            self.past.copy_within(0..TAPS - 1, 1);
            self.past[0] = f32::from(*value);
            for (phase, place) in self.phases.iter().zip(group) {
                *place = sample(phase.iter().zip(&self.past).map(|(a, b)| a * b).sum());
            }
        }
        input.len().min(out.len() / RATIO) * RATIO
    }

    pub(super) fn reset(&mut self) {
        self.past = [0.0; TAPS];
    }
}

/// From 48 kHz to 8 kHz.
#[derive(Clone)]
pub(super) struct Down {
    past: [f32; LENGTH],
}

impl Down {
    pub(super) fn new() -> Down {
        Down { past: [0.0; LENGTH] }
    }

    /// Writes one sample to `out` for every six of `input`, whose length is a multiple of six.
    pub(super) fn process(&mut self, input: &[i16], out: &mut [i16]) {
        let filter = filter();
        for (group, place) in input.chunks_exact(RATIO).zip(out) {
            self.past.copy_within(RATIO.., 0);
            for (kept, value) in self.past[LENGTH - RATIO..].iter_mut().zip(group) {
                *kept = f32::from(*value);
            }
            // The filter is symmetric, so its direction does not matter.
            *place = sample(filter.iter().zip(&self.past).map(|(a, b)| a * b).sum());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tone_level;

    fn tone(rate: f64, hz: f64, samples: usize) -> Vec<i16> {
        (0..samples).map(|i| ((i as f64 / rate * hz * std::f64::consts::TAU).sin() * 10_000.0) as i16).collect()
    }

    #[test]
    fn speech_passes_both_ways_and_what_does_not_fit_is_removed() {
        for hz in [100.0, 300.0, 1_000.0, 3_000.0, 3_300.0] {
            let input = tone(48_000.0, hz, 48_000);
            let mut low = vec![0; 8_000];
            Down::new().process(&input, &mut low);
            let mut high = vec![0; 48_000];
            assert_eq!(Up::new().process(&low, &mut high), 48_000);
            let level = tone_level(&high[4_800..], 48_000, hz);
            assert!((level / 0.305 - 1.0).abs() < 0.06, "{hz} Hz arrives with {level}");
        }
        for hz in [4_600.0, 6_000.0, 12_000.0] {
            let input = tone(48_000.0, hz, 48_000);
            let mut low = vec![0; 8_000];
            Down::new().process(&input, &mut low);
            let peak = low[400..].iter().map(|v| v.unsigned_abs()).max().unwrap();
            assert!(peak < 60, "{hz} Hz folds back with a peak of {peak}");
        }
        let mut high = vec![0; 48_000];
        Up::new().process(&tone(8_000.0, 1_000.0, 8_000), &mut high);
        assert!(tone_level(&high[4_800..], 48_000, 7_000.0) < 0.001, "no mirror image");
    }
}
