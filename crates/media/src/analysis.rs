//! Measuring what was heard: tones, frequencies, likeness of speech. For tests, the demo and quality checks.
//!
//! Owns: nothing but functions on samples (16-bit mono). Runs on the caller's thread and allocates as it likes; it must
//! not be called from the audio workers and imports nothing of them.

use std::f64::consts::{PI, TAU};
use std::path::Path;

use crate::error::MediaError;
use crate::resample::resample_all;

/// Rate at which likeness is computed: more than speech over a telephone has, and a third of the work of 48 kHz.
const COMPARE_RATE: u32 = 16_000;
/// A window of the reference counts as speech above this share of the loudest window's energy (−30 dB).
const SPEECH_SHARE: f64 = 0.001;

/// Level of a tone of `hz` in `samples`, as a share of full scale: 0.5 for a tone with a peak of 16384 (Goertzel).
///
/// A window is laid over the samples, so that neighbouring tones a few bins away do not count. Empty samples give 0.
#[must_use]
pub fn tone_level(samples: &[i16], rate: u32, hz: f64) -> f64 {
    if samples.is_empty() || rate == 0 {
        return 0.0;
    }
    let step = TAU * hz / f64::from(rate);
    let coefficient = 2.0 * step.cos();
    let (mut s1, mut s2, mut weight) = (0.0, 0.0, 0.0);
    for (i, sample) in samples.iter().enumerate() {
        let window = 0.5 - 0.5 * (TAU * (i as f64 + 0.5) / samples.len() as f64).cos();
        weight += window;
        let s0 = f64::from(*sample) * window + coefficient * s1 - s2;
        (s2, s1) = (s1, s0);
    }
    let power = (s1 * s1 + s2 * s2 - coefficient * s1 * s2).max(0.0);
    2.0 * power.sqrt() / weight / 32_768.0
}

/// Root of the mean square of `samples` as a share of full scale.
#[must_use]
pub fn rms(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    (samples.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / samples.len() as f64).sqrt() / 32_768.0
}

/// Frequency in Hz of the strongest component of `samples` between 20 Hz and half the rate; 0 for silence.
///
/// At most the first 2¹⁸ samples are looked at. The result is interpolated between the bins: for a clean tone of one
/// second it is exact to a tenth of a hertz.
#[must_use]
pub fn dominant_frequency(samples: &[i16], rate: u32) -> f64 {
    let samples = &samples[..samples.len().min(1 << 18)];
    let size = samples.len().next_power_of_two().max(2) * 2;
    let mut data: Vec<Complex> = samples
        .iter()
        .enumerate()
        .map(|(i, v)| {
            let window = 0.5 - 0.5 * (TAU * (i as f64 + 0.5) / samples.len() as f64).cos();
            Complex { re: f64::from(*v) * window, im: 0.0 }
        })
        .collect();
    data.resize(size, Complex::default());
    transform(&mut data, false);
    let power: Vec<f64> = data[..size / 2].iter().map(|c| c.re * c.re + c.im * c.im).collect();
    let lowest = ((20.0 * size as f64 / f64::from(rate.max(1))) as usize).max(1);
    let Some(peak) = (lowest..size / 2 - 1).max_by(|a, b| power[*a].total_cmp(&power[*b])) else { return 0.0 };
    if power[peak] < 1.0 {
        return 0.0;
    }
    let [left, middle, right] = [peak - 1, peak, peak + 1].map(|i| power[i].max(1e-9).ln());
    let bend = left - 2.0 * middle + right;
    let shift = if bend.abs() < 1e-12 { 0.0 } else { ((left - right) / (2.0 * bend)).clamp(-0.5, 0.5) };
    (peak as f64 + shift) * f64::from(rate) / size as f64
}

/// Likeness of `received` to `reference`, 0 to 1, both at `rate`.
///
/// The reference is cut into windows of one second; those that contain speech are looked for in the recording, each
/// within ±250 ms of where the alignment of the whole says it is, and the peak of the normalised cross-correlation is
/// its likeness. The result is the mean over these windows; what is missing in the recording counts as 0, and so does
/// a reference without speech.
#[must_use]
pub fn similarity(reference: &[i16], received: &[i16], rate: u32) -> f64 {
    let reference = floats(reference, rate);
    let received = floats(received, rate);
    let window = COMPARE_RATE as usize;
    let reach = (window / 4) as i64;
    let energies: Vec<f64> = reference.chunks_exact(window).map(energy).collect();
    let loudest = energies.iter().copied().fold(0.0, f64::max);
    if loudest < 1.0 || received.is_empty() {
        return 0.0;
    }
    let start = alignment(&reference, &received);
    let (mut sum, mut count) = (0.0, 0);
    for (index, piece) in reference.chunks_exact(window).enumerate() {
        if energies[index] < SPEECH_SHARE * loudest {
            continue;
        }
        count += 1;
        let from = start + (index * window) as i64 - reach;
        let area: Vec<f64> = (from..from + window as i64 + 2 * reach)
            .map(|i| usize::try_from(i).ok().and_then(|i| received.get(i)).copied().unwrap_or(0.0))
            .collect();
        sum += best_match(piece, energies[index], &area);
    }
    if count == 0 { 0.0 } else { sum / f64::from(count) }
}

/// Reads a WAV file (integers of up to 32 bits or floats, any number of channels, which are averaged) as 16-bit mono;
/// returns the samples and the rate.
///
/// # Errors
/// [`MediaError::Source`] when the file cannot be read or is no WAV file.
pub fn read_wav(path: &Path) -> Result<(Vec<i16>, u32), MediaError> {
    let mut file = crate::wav::WavInput::open(path)?;
    let mut samples = Vec::new();
    let mut piece = [0i16; 4_096];
    loop {
        match file.read(&mut piece) {
            0 => break,
            read => samples.extend_from_slice(&piece[..read]),
        }
    }
    Ok((samples, file.rate()))
}

/// At the common rate, without the mean.
fn floats(samples: &[i16], rate: u32) -> Vec<f64> {
    let samples = resample_all(samples, rate, COMPARE_RATE);
    let mean = samples.iter().map(|v| f64::from(*v)).sum::<f64>() / samples.len().max(1) as f64;
    samples.iter().map(|v| f64::from(*v) - mean).collect()
}

fn energy(samples: &[f64]) -> f64 {
    samples.iter().map(|v| v * v).sum()
}

/// Where in `received` the beginning of `reference` lies, by the peak of the cross-correlation of both as a whole.
fn alignment(reference: &[f64], received: &[f64]) -> i64 {
    let (correlation, size) = correlate(reference, received);
    let best = (0..size).max_by(|a, b| correlation[*a].total_cmp(&correlation[*b])).unwrap_or(0);
    if best >= received.len() { best as i64 - size as i64 } else { best as i64 }
}

/// Peak over all places of `piece` inside `area` of the normalised cross-correlation.
fn best_match(piece: &[f64], power: f64, area: &[f64]) -> f64 {
    let (correlation, _) = correlate(piece, area);
    let mut below = energy(&area[..piece.len()]);
    let mut best = 0.0f64;
    for shift in 0..=area.len() - piece.len() {
        if below > 1.0 {
            best = best.max(correlation[shift] / (power * below).sqrt());
        }
        if let Some(next) = area.get(shift + piece.len()) {
            below += next * next - area[shift] * area[shift];
        }
    }
    best.min(1.0)
}

/// `result[k] = Σ piece[i] · area[i + k]`, negative `k` at the end, by Fourier transform; with its length.
fn correlate(piece: &[f64], area: &[f64]) -> (Vec<f64>, usize) {
    let size = (piece.len() + area.len()).next_power_of_two();
    // Both real signals go through one transform, one as the real and one as the imaginary part.
    let mut data: Vec<Complex> = (0..size)
        .map(|i| Complex { re: area.get(i).copied().unwrap_or(0.0), im: piece.get(i).copied().unwrap_or(0.0) })
        .collect();
    transform(&mut data, false);
    let mut product = vec![Complex::default(); size];
    for k in 0..size {
        let (x, y) = (data[k], data[(size - k) % size]);
        let a = Complex { re: (x.re + y.re) / 2.0, im: (x.im - y.im) / 2.0 };
        let p = Complex { re: (x.im + y.im) / 2.0, im: (y.re - x.re) / 2.0 };
        product[k] = Complex { re: a.re * p.re + a.im * p.im, im: a.im * p.re - a.re * p.im };
    }
    transform(&mut product, true);
    (product.iter().map(|c| c.re / size as f64).collect(), size)
}

#[derive(Clone, Copy, Default)]
struct Complex {
    re: f64,
    im: f64,
}

/// Fourier transform in place; the length is a power of two; not scaled.
fn transform(data: &mut [Complex], inverse: bool) {
    let size = data.len();
    let bits = size.trailing_zeros();
    for i in 0..size {
        let j = i.reverse_bits() >> (usize::BITS - bits);
        if i < j {
            data.swap(i, j);
        }
    }
    let sign = if inverse { PI } else { -PI };
    let mut half = 1;
    while half < size {
        let turns: Vec<Complex> = (0..half)
            .map(|i| {
                let angle = sign * i as f64 / half as f64;
                Complex { re: angle.cos(), im: angle.sin() }
            })
            .collect();
        for block in data.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for ((a, b), w) in low.iter_mut().zip(high).zip(&turns) {
                let t = Complex { re: b.re * w.re - b.im * w.im, im: b.re * w.im + b.im * w.re };
                *b = Complex { re: a.re - t.re, im: a.im - t.im };
                *a = Complex { re: a.re + t.re, im: a.im + t.im };
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hz: f64, seconds: f64) -> Vec<i16> {
        (0..(f64::from(rate) * seconds) as usize)
            .map(|i| ((i as f64 / f64::from(rate) * hz * TAU).sin() * 8_192.0) as i16)
            .collect()
    }

    /// Noise whose loudness changes like syllables.
    fn talk(rate: u32, seconds: usize, mut seed: u64) -> Vec<i16> {
        let mut smooth = 0.0;
        (0..rate as usize * seconds)
            .map(|i| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let noise = (seed >> 33) as f64 / f64::from(1u32 << 30) - 1.0;
                smooth += 0.2 * (noise - smooth);
                let syllable = (i as f64 / f64::from(rate) * 4.0 * PI).sin().max(0.0);
                (smooth * syllable * 20_000.0) as i16
            })
            .collect()
    }

    #[test]
    fn tones_are_measured() {
        for (rate, hz) in [(8_000, 440.0), (16_000, 1_000.0), (48_000, 997.3)] {
            let samples = tone(rate, hz, 1.0);
            assert!((tone_level(&samples, rate, hz) - 0.25).abs() < 0.002);
            assert!(tone_level(&samples, rate, hz * 1.5) < 0.001);
            assert!((dominant_frequency(&samples, rate) - hz).abs() < 0.1);
            assert!((rms(&samples) - 0.25 / 2f64.sqrt()).abs() < 0.002);
        }
        assert_eq!(dominant_frequency(&[0; 1_000], 8_000), 0.0);
        assert_eq!((tone_level(&[], 8_000, 1.0), rms(&[])), (0.0, 0.0));
    }

    #[test]
    fn the_same_speech_later_and_softer_is_the_same() {
        let reference = talk(16_000, 5, 1);
        let mut received = vec![0i16; 31_000];
        received.extend(reference.iter().map(|v| v / 3));
        received.extend([0; 9_000]);
        let score = similarity(&reference, &received, 16_000);
        assert!(score > 0.99, "{score}");
        assert!(similarity(&reference, &received[35_000..], 16_000) > 0.9, "the beginning cut off");
    }

    #[test]
    fn windows_may_move_a_little_and_missing_ones_count() {
        let reference = talk(16_000, 6, 2);
        let mut received = reference[..32_000].to_vec();
        received.extend([0i16; 3_000]);
        received.extend(&reference[32_000..]);
        assert!(similarity(&reference, &received, 16_000) > 0.97, "shifted by less than 250 ms");
        let half = similarity(&reference, &reference[..48_000], 16_000);
        assert!((half - 0.5).abs() < 0.05, "half of it is missing: {half}");
        let other = similarity(&reference, &talk(16_000, 6, 77), 16_000);
        assert!(other < 0.3, "other speech: {other}");
        assert_eq!(similarity(&reference, &[], 16_000), 0.0);
        assert_eq!(similarity(&[0; 32_000], &reference, 16_000), 0.0);
    }
}
