//! Reading WAV files of many kinds as 16-bit mono.
//!
//! Owns: the contact with the WAV library for reading. Runs on the file thread, and on the caller's thread when a file
//! is opened.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use hound::{SampleFormat, WavReader};

use crate::error::MediaError;

/// An open WAV file, read from its beginning to its end.
pub(crate) struct WavInput {
    reader: WavReader<BufReader<File>>,
    /// Shift that makes 16 bits of an integer sample; negative to the left. None for floats.
    shift: Option<i32>,
    channels: usize,
    rate: u32,
}

impl WavInput {
    /// Opens `path`.
    ///
    /// # Errors
    /// [`MediaError::Source`]: it is missing, unreadable, no WAV file or of a kind that is not supported.
    pub(crate) fn open(path: &Path) -> Result<WavInput, MediaError> {
        let shown = path.display();
        let reader = WavReader::open(path).map_err(|error| {
            MediaError::Source(match error {
                hound::Error::IoError(error) => format!("{shown} cannot be read: {error}"),
                other => format!("{shown} is no WAV file that can be played: {other}"),
            })
        })?;
        let spec = reader.spec();
        let shift = match spec.sample_format {
            SampleFormat::Int => Some(i32::from(spec.bits_per_sample) - 16),
            SampleFormat::Float => None,
        };
        if spec.channels == 0 || !crate::resample::RATES.contains(&spec.sample_rate) {
            return Err(MediaError::Source(format!(
                "{shown} has {} channels and {} samples a second, which cannot be played",
                spec.channels, spec.sample_rate
            )));
        }
        Ok(WavInput { reader, shift, channels: usize::from(spec.channels), rate: spec.sample_rate })
    }

    /// Samples per second.
    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// Reads up to `out.len()` samples, the channels averaged; 0 at the end, which an unreadable rest is as well.
    pub(crate) fn read(&mut self, out: &mut [i16]) -> usize {
        let mut done = 0;
        for place in out {
            let mut sum = 0i64;
            for _ in 0..self.channels {
                let Some(sample) = self.sample() else { return done };
                sum += i64::from(sample);
            }
            *place = (sum / self.channels as i64) as i16;
            done += 1;
        }
        done
    }

    fn sample(&mut self) -> Option<i16> {
        match self.shift {
            Some(shift) => {
                let sample = self.reader.samples::<i32>().next()?.ok()?;
                Some(if shift >= 0 { (sample >> shift.min(31)) as i16 } else { (sample << -shift) as i16 })
            }
            None => {
                let sample = self.reader.samples::<f32>().next()?.ok()?;
                Some((sample * 32_767.0).round() as i16)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hound::{WavSpec, WavWriter};

    fn file(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("ewebrtc-wav-{}-{name}.wav", std::process::id()))
    }

    #[test]
    fn every_width_gives_the_same_samples() {
        for (bits, format) in
            [(8, SampleFormat::Int), (16, SampleFormat::Int), (24, SampleFormat::Int), (32, SampleFormat::Float)]
        {
            let path = file(&format!("{bits}"));
            let spec = WavSpec { channels: 2, sample_rate: 16_000, bits_per_sample: bits, sample_format: format };
            let mut writer = WavWriter::create(&path, spec).unwrap();
            for value in [0.5f32, -0.25] {
                match format {
                    SampleFormat::Float => writer.write_sample(value).unwrap(),
                    SampleFormat::Int => writer.write_sample((value * (1i64 << (bits - 1)) as f32) as i32).unwrap(),
                }
            }
            writer.finalize().unwrap();
            let mut input = WavInput::open(&path).unwrap();
            let mut out = [0; 8];
            assert_eq!((input.rate(), input.read(&mut out)), (16_000, 1));
            assert!((out[0] - 4_096).abs() <= 2, "{bits} bits: {}", out[0]);
            assert_eq!(input.read(&mut out), 0);
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_played_is_named() {
        let path = file("bad");
        assert!(matches!(WavInput::open(&path), Err(MediaError::Source(text)) if text.contains("cannot be read")));
        std::fs::write(&path, b"RIFF").unwrap();
        assert!(matches!(WavInput::open(&path), Err(MediaError::Source(text)) if text.contains("bad.wav")));
        std::fs::write(&path, [b'x'; 400]).unwrap();
        assert!(matches!(WavInput::open(&path), Err(MediaError::Source(text)) if text.contains("no WAV file")));
        std::fs::remove_file(path).unwrap();
    }
}
