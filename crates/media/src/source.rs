//! Where the audio that we send comes from.
//!
//! Owns: [`AudioSource`], and `Feed`, its working form on a media worker. A feed is made on the caller's thread
//! (files are opened there); on the worker it neither allocates nor waits. Must not import the transport.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::codec::{SAMPLE_RATE, TICK_SAMPLES};
use crate::error::MediaError;
use crate::files::{FileJob, Files};
use crate::pcm::{PcmSource, SourceShared};
use crate::resample::Resampler;
use crate::ring::SampleRing;
use crate::wav::WavInput;

/// Peak of a tone: a quarter of full scale, −12 dB.
const TONE_PEAK: f64 = 8_192.0;
/// Samples that are read ahead from a file, 1.3 s: what the file thread may be late.
const AHEAD: usize = 62_000;
/// Ticks for which an incomplete piece of the program's audio waits for its rest.
const PATIENCE: u32 = 2;

/// Where the audio that goes out comes from.
#[derive(Clone, Default)]
pub enum AudioSource {
    /// Silence; packets are sent all the same.
    #[default]
    Silence,
    /// A sine wave with a quarter of the full amplitude.
    Tone {
        /// Frequency, above 0 and below 24 000 Hz.
        hz: f32,
    },
    /// A WAV file, played once from the activation of the leg, then silence. PCM of 8 to 32 bits or floats, 8 to
    /// 192 kHz, several channels averaged.
    Wav(PathBuf),
    /// What the program writes.
    Pcm(PcmSource),
}

impl std::fmt::Debug for AudioSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AudioSource::Silence => f.write_str("Silence"),
            AudioSource::Tone { hz } => write!(f, "Tone({hz} Hz)"),
            AudioSource::Wav(path) => write!(f, "Wav({})", path.display()),
            AudioSource::Pcm(source) => write!(f, "Pcm({} Hz)", source.shared.rate),
        }
    }
}

/// A source at work.
pub(crate) enum Feed {
    Silence,
    Tone { phase: f64, step: f64 },
    Wav(WavFeed),
    Pcm(Box<PcmFeed>),
}

impl Feed {
    /// Makes `source` ready for the leg with the number `leg`.
    ///
    /// # Errors
    /// [`MediaError::Source`] with a text that names the file or the value at fault.
    pub(crate) fn open(source: &AudioSource, leg: u64) -> Result<Feed, MediaError> {
        Ok(match source {
            AudioSource::Silence => Feed::Silence,
            AudioSource::Tone { hz } => {
                if !(*hz > 0.0 && *hz < SAMPLE_RATE as f32 / 2.0) {
                    return Err(MediaError::Source(format!("a tone of {hz} Hz cannot be made")));
                }
                Feed::Tone { phase: 0.0, step: f64::from(*hz) / f64::from(SAMPLE_RATE) }
            }
            AudioSource::Wav(path) => Feed::Wav(WavFeed::open(path)?),
            AudioSource::Pcm(source) => Feed::Pcm(Box::new(PcmFeed::new(source, leg)?)),
        })
    }

    /// Writes the next 10 ms.
    pub(crate) fn fill(&mut self, out: &mut [i16; TICK_SAMPLES]) {
        match self {
            Feed::Silence => out.fill(0),
            Feed::Tone { phase, step } => {
                for sample in out {
                    *sample = ((*phase * std::f64::consts::TAU).sin() * TONE_PEAK) as i16;
                    *phase = (*phase + *step).fract();
                }
            }
            Feed::Wav(feed) => {
                let (read, _) = feed.ring.read(out);
                out[read..].fill(0);
            }
            Feed::Pcm(feed) => feed.fill(out),
        }
    }

    /// Lets another leg use what only one can use at a time.
    pub(crate) fn release(&self) {
        if let Feed::Pcm(feed) = self {
            feed.shared.turn.release(feed.leg);
        }
    }
}

/// A file, read by the file thread.
pub(crate) struct WavFeed {
    ring: Arc<SampleRing>,
    gone: Arc<AtomicBool>,
}

impl WavFeed {
    fn open(path: &Path) -> Result<WavFeed, MediaError> {
        let input = WavInput::open(path)?;
        let resampler = Resampler::new(input.rate(), SAMPLE_RATE)?;
        let feed = WavFeed { ring: Arc::new(SampleRing::new(AHEAD)), gone: Arc::default() };
        let mut job = WavJob {
            rate: u64::from(input.rate()),
            late: resampler.delay(),
            piece: vec![0; resampler.chunk_in()],
            made: vec![0; resampler.chunk_out()],
            input,
            resampler,
            ring: feed.ring.clone(),
            gone: feed.gone.clone(),
            taken: 0,
            given: 0,
        };
        // The beginning is there at once, whatever the file thread is doing.
        if job.run() {
            Files::global().add(Box::new(job))?;
        }
        Ok(feed)
    }
}

impl Drop for WavFeed {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
    }
}

/// The file thread's side.
struct WavJob {
    input: WavInput,
    resampler: Resampler,
    rate: u64,
    /// Samples to leave out at the beginning, since the conversion is that much late.
    late: usize,
    piece: Vec<i16>,
    made: Vec<i16>,
    ring: Arc<SampleRing>,
    gone: Arc<AtomicBool>,
    /// Samples read from the file and written to the ring.
    taken: u64,
    given: u64,
}

impl FileJob for WavJob {
    fn run(&mut self) -> bool {
        while !self.gone.load(Ordering::Relaxed) {
            if self.ring.waiting() + self.made.len() > AHEAD {
                return true;
            }
            let read = self.input.read(&mut self.piece);
            self.taken += read as u64;
            let wanted = self.taken * u64::from(SAMPLE_RATE) / self.rate;
            if read == 0 && self.given >= wanted {
                return false;
            }
            self.resampler.process(&self.piece[..read], &mut self.made);
            let skipped = self.late.min(self.made.len());
            self.late -= skipped;
            let fresh = &self.made[skipped..];
            // As long as the file goes on, what comes out cannot be too much; at its end it is cut to the length.
            let given = if read < self.piece.len() {
                fresh.len().min(wanted.saturating_sub(self.given) as usize)
            } else {
                fresh.len()
            };
            self.given += self.ring.write(&fresh[..given]) as u64;
        }
        false
    }
}

/// The program's audio, converted to 48 kHz.
pub(crate) struct PcmFeed {
    shared: Arc<SourceShared>,
    leg: u64,
    resampler: Resampler,
    piece: Vec<i16>,
    made: Vec<i16>,
    /// Samples of `made` that are used up.
    used: usize,
    cleared: u64,
    /// Pieces of silence that push the last samples out of the converter.
    tail: u32,
    waited: u32,
}

impl PcmFeed {
    fn new(source: &PcmSource, leg: u64) -> Result<PcmFeed, MediaError> {
        let resampler = Resampler::new(source.shared.rate, SAMPLE_RATE)?;
        Ok(PcmFeed {
            shared: source.shared.clone(),
            leg,
            piece: vec![0; resampler.chunk_in()],
            used: resampler.chunk_out(),
            made: vec![0; resampler.chunk_out()],
            resampler,
            cleared: source.shared.cleared.load(Ordering::Acquire),
            tail: 0,
            waited: 0,
        })
    }

    fn fill(&mut self, out: &mut [i16; TICK_SAMPLES]) {
        if !self.shared.turn.is_of(self.leg) {
            return out.fill(0);
        }
        let cleared = self.shared.cleared.load(Ordering::Acquire);
        if cleared != self.cleared {
            self.cleared = cleared;
            self.used = self.made.len();
        }
        let mut done = 0;
        while done < out.len() {
            if self.used == self.made.len() && !self.convert() {
                return out[done..].fill(0);
            }
            let count = (self.made.len() - self.used).min(out.len() - done);
            out[done..done + count].copy_from_slice(&self.made[self.used..self.used + count]);
            self.used += count;
            done += count;
        }
    }

    /// Converts the next piece; false when there is none.
    fn convert(&mut self) -> bool {
        let waiting = self.shared.ring.waiting();
        let read = if waiting >= self.piece.len() {
            self.shared.ring.read(&mut self.piece).0
        } else if waiting > 0 {
            // The program is just writing, or it has stopped in the middle of a piece.
            self.waited += 1;
            if self.waited <= PATIENCE {
                return false;
            }
            self.shared.ring.read(&mut self.piece).0
        } else if self.tail > 0 {
            self.tail -= 1;
            0
        } else {
            return false;
        };
        if read > 0 {
            self.tail = 1;
            self.waited = 0;
        }
        self.resampler.process(&self.piece[..read], &mut self.made);
        self.used = 0;
        true
    }
}
