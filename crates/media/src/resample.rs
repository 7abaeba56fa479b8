//! Changing the sample rate.
//!
//! Owns: the only contact with the resampling library; its types must not leave this file. A `Resampler` lives where
//! its owner lives (file thread or media worker) and allocates only at construction.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _};

use crate::error::MediaError;

/// Rates that sources and sinks may have.
pub const RATES: std::ops::RangeInclusive<u32> = 8_000..=192_000;

/// Mono, from one fixed rate to another, in pieces of fixed length of about 10 ms.
pub(crate) struct Resampler {
    /// None when both rates are the same.
    fft: Option<Fft<f32>>,
    chunk: usize,
    input: Vec<f32>,
    output: Vec<f32>,
}

impl Resampler {
    /// # Errors
    /// [`MediaError::Source`] for a rate outside [`RATES`].
    pub(crate) fn new(from: u32, to: u32) -> Result<Resampler, MediaError> {
        if let Some(wrong) = [from, to].into_iter().find(|rate| !RATES.contains(rate)) {
            return Err(MediaError::Source(format!(
                "{wrong} samples a second are not supported, only {} to {}",
                RATES.start(),
                RATES.end()
            )));
        }
        let ten_ms = from as usize / 100;
        if from == to {
            return Ok(Resampler { fft: None, chunk: ten_ms, input: Vec::new(), output: vec![0.0; ten_ms] });
        }
        let fft = Fft::<f32>::new(from as usize, to as usize, ten_ms, 1, FixedSync::Both)
            .map_err(|error| MediaError::Source(format!("no conversion from {from} to {to} Hz: {error}")))?;
        let chunk = fft.input_frames_max();
        let output = vec![0.0; fft.output_frames_max()];
        Ok(Resampler { fft: Some(fft), chunk, input: vec![0.0; chunk], output })
    }

    /// Samples that [`Resampler::process`] takes at once.
    pub(crate) fn chunk_in(&self) -> usize {
        self.chunk
    }

    /// Samples that it gives for them.
    pub(crate) fn chunk_out(&self) -> usize {
        self.output.len()
    }

    /// Output samples by which the result is late.
    pub(crate) fn delay(&self) -> usize {
        self.fft.as_ref().map_or(0, |fft| fft.output_delay())
    }

    /// Converts exactly one chunk; shorter input is filled up with silence. `out` has room for a chunk.
    pub(crate) fn process(&mut self, input: &[i16], out: &mut [i16]) {
        let Some(fft) = &mut self.fft else {
            let given = input.len().min(out.len());
            out[..given].copy_from_slice(&input[..given]);
            out[given..].fill(0);
            return;
        };
        self.input.fill(0.0);
        for (place, sample) in self.input.iter_mut().zip(input) {
            *place = f32::from(*sample);
        }
        let frames = self.output.len();
        let done = match (
            InterleavedSlice::new(&self.input[..], 1, self.chunk),
            InterleavedSlice::new_mut(&mut self.output[..], 1, frames),
        ) {
            (Ok(input), Ok(mut output)) => fft.process_into_buffer(&input, &mut output, None).is_ok(),
            _ => false,
        };
        if !done {
            self.output.fill(0.0);
        }
        for (place, sample) in out.iter_mut().zip(&self.output) {
            // The cast saturates.
            *place = sample.round() as i16;
        }
    }
}

/// Converts a whole recording; the result is as long as the rates demand and not late. Rates outside [`RATES`] give
/// the samples back unchanged.
#[must_use]
pub fn resample_all(samples: &[i16], from: u32, to: u32) -> Vec<i16> {
    let Ok(mut resampler) = Resampler::new(from, to) else { return samples.to_vec() };
    if from == to {
        return samples.to_vec();
    }
    let wanted = (samples.len() as u64 * u64::from(to) / u64::from(from)) as usize;
    let mut piece = vec![0i16; resampler.chunk_out()];
    let mut result = Vec::with_capacity(wanted + 2 * piece.len());
    for chunk in samples.chunks(resampler.chunk_in()) {
        resampler.process(chunk, &mut piece);
        result.extend_from_slice(&piece);
    }
    let delay = resampler.delay();
    while result.len() < wanted + delay {
        resampler.process(&[], &mut piece);
        result.extend_from_slice(&piece);
    }
    result.drain(..delay.min(result.len()));
    result.truncate(wanted);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{dominant_frequency, tone_level};

    #[test]
    fn pitch_level_and_length_stay() {
        for from in [8_000u32, 11_025, 12_345, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000] {
            let tone: Vec<i16> = (0..from)
                .map(|i| ((f64::from(i) / f64::from(from) * 700.0 * std::f64::consts::TAU).sin() * 8_000.0) as i16)
                .collect();
            let out = resample_all(&tone, from, 48_000);
            assert_eq!(out.len(), 48_000, "from {from}");
            assert!((dominant_frequency(&out, 48_000) - 700.0).abs() < 0.5, "from {from}");
            assert!((tone_level(&out, 48_000, 700.0) - 0.244).abs() < 0.005, "from {from}");
            let back = resample_all(&out, 48_000, from);
            let error = tone[2_000..5_000].iter().zip(&back[2_000..5_000]).map(|(a, b)| (a - b).abs()).max();
            assert!(error < Some(200), "there and back from {from}: {error:?}");
        }
    }

    #[test]
    fn impossible_rates_are_refused() {
        assert!(matches!(Resampler::new(4_000, 48_000), Err(MediaError::Source(_))));
        assert!(matches!(Resampler::new(48_000, 0), Err(MediaError::Source(_))));
    }
}
