//! Where the audio that we hear goes.
//!
//! Owns: [`AudioSink`], the WAV recorder, and `Drain`, the working form of a sink on a media worker, where it neither
//! allocates nor waits. Files are written on the file thread. Must not import the transport.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hound::{SampleFormat, WavSpec, WavWriter};

use crate::codec::{SAMPLE_RATE, TICK_SAMPLES};
use crate::error::MediaError;
use crate::files::{FileJob, Files};
use crate::pcm::{PcmSink, SinkShared, Turn};
use crate::resample::Resampler;
use crate::ring::SampleRing;

/// Samples between the audio and the file thread, 1.3 s: what a slow disk may cost before something is lost.
const BEHIND: usize = 62_000;
/// The header of a recording is right at least this often.
const HEADER_PERIOD: Duration = Duration::from_millis(500);
/// A WAV file ends at 4 GB: 12 hours.
const MOST_SAMPLES: u32 = u32::MAX / 2 - 100;
/// How long the owner of a recorder waits for the disk.
const DISK_PATIENCE: Duration = Duration::from_secs(5);

/// Where the audio that comes in goes.
#[derive(Clone, Default)]
pub enum AudioSink {
    /// Nowhere; it is decoded and measured all the same.
    #[default]
    Discard,
    /// Into a WAV file.
    Recorder(WavRecorder),
    /// To the program.
    Pcm(PcmSink),
}

impl std::fmt::Debug for AudioSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            AudioSink::Discard => f.write_str("Discard"),
            AudioSink::Recorder(_) => f.write_str("Recorder"),
            AudioSink::Pcm(sink) => write!(f, "Pcm({} Hz)", sink.shared.rate),
        }
    }
}

#[derive(Default)]
struct Disk {
    /// Flushes asked for and done.
    asked: u64,
    done: u64,
    finish: bool,
    finished: bool,
    error: Option<String>,
}

/// A recording between the media worker, the file thread and its owners.
pub(crate) struct Tape {
    ring: SampleRing,
    turn: Turn,
    lost: AtomicU64,
    disk: Mutex<Disk>,
    changed: Condvar,
}

impl Tape {
    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the disk has reached a state.
    fn wait(&self, reached: impl Fn(&Disk) -> bool) -> Result<(), MediaError> {
        Files::global().wake();
        let (disk, _) = self
            .changed
            .wait_timeout_while(self.lock(), DISK_PATIENCE, |disk| !reached(disk))
            .unwrap_or_else(PoisonError::into_inner);
        match &disk.error {
            Some(text) => Err(MediaError::Source(text.clone())),
            None if reached(&disk) => Ok(()),
            None => Err(MediaError::Timeout("the recording was not written in time".into())),
        }
    }
}

/// Ends the recording with its last owner.
struct Owner {
    tape: Arc<Tape>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.tape.lock().finish = true;
        if let Err(error) = self.tape.wait(|disk| disk.finished) {
            log::warn!("a recording ends with an error: {error}");
        }
    }
}

/// A WAV file, 16-bit mono at 48 kHz, with what is heard in one leg after the other: from the activation of each to its
/// end, silence included, nothing between them.
///
/// Clones are handles of the same file. Only one leg records at a time; a second one has its turn when the first has
/// ended, or while the first receives nothing because it is held. The header is right at least every half second and after [`WavRecorder::flush`]; when the last handle is
/// dropped the file is complete (dropping waits for the disk, normally some milliseconds, at most 5 s).
#[derive(Clone)]
pub struct WavRecorder {
    owner: Arc<Owner>,
}

impl WavRecorder {
    /// Creates the file, or empties it. May wait for the disk.
    ///
    /// # Errors
    /// [`MediaError::Source`] when it cannot be written.
    pub fn create(path: impl AsRef<Path>) -> Result<WavRecorder, MediaError> {
        let shown = path.as_ref().display().to_string();
        let fault = |error: hound::Error| MediaError::Source(format!("{shown} cannot be written: {error}"));
        let spec =
            WavSpec { channels: 1, sample_rate: SAMPLE_RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut writer = WavWriter::create(&path, spec).map_err(fault)?;
        writer.flush().map_err(fault)?;
        let tape = Arc::new(Tape {
            ring: SampleRing::new(BEHIND),
            turn: Turn::default(),
            lost: AtomicU64::new(0),
            disk: Mutex::default(),
            changed: Condvar::new(),
        });
        let job = RecorderJob { tape: tape.clone(), writer: Some(writer), shown, header: Instant::now(), stale: false };
        Files::global().add(Box::new(job))?;
        Ok(WavRecorder { owner: Arc::new(Owner { tape }) })
    }

    /// Waits until everything recorded so far is in the file and its header is right. Blocks the caller for some
    /// milliseconds, at most 5 s.
    ///
    /// # Errors
    /// [`MediaError::Source`] when the disk has refused something, [`MediaError::Timeout`] when it is too slow.
    pub fn flush(&self) -> Result<(), MediaError> {
        let tape = &self.owner.tape;
        let number = {
            let mut disk = tape.lock();
            disk.asked += 1;
            disk.asked
        };
        tape.wait(|disk| disk.done >= number)
    }

    /// Samples that were lost because the disk was too slow for more than a second.
    #[must_use]
    pub fn lost_samples(&self) -> u64 {
        self.owner.tape.lost.load(Ordering::Relaxed)
    }
}

/// The file thread's side.
struct RecorderJob {
    tape: Arc<Tape>,
    /// None after an error.
    writer: Option<WavWriter<BufWriter<File>>>,
    shown: String,
    /// When the header was written last, and whether it is out of date.
    header: Instant,
    stale: bool,
}

impl RecorderJob {
    fn drain(&mut self) -> Result<(), hound::Error> {
        let mut piece = [0i16; 4_096];
        loop {
            let (read, _) = self.tape.ring.read(&mut piece);
            let Some(writer) = self.writer.as_mut().filter(|_| read > 0) else {
                if read == 0 {
                    return Ok(());
                }
                continue;
            };
            if writer.duration() > MOST_SAMPLES - read as u32 {
                let full = std::io::Error::other("a WAV file holds no more than 4 GB");
                return Err(hound::Error::IoError(full));
            }
            for sample in &piece[..read] {
                writer.write_sample(*sample)?;
            }
            self.stale = true;
        }
    }

    fn work(&mut self, now: bool) -> Result<(), hound::Error> {
        self.drain()?;
        if self.stale && (now || self.header.elapsed() >= HEADER_PERIOD) {
            if let Some(writer) = &mut self.writer {
                writer.flush()?;
            }
            self.header = Instant::now();
            self.stale = false;
        }
        Ok(())
    }
}

impl FileJob for RecorderJob {
    fn run(&mut self) -> bool {
        let (asked, finish) = {
            let disk = self.tape.lock();
            (disk.asked, disk.finish)
        };
        let pressing = asked != self.tape.lock().done;
        let mut result = self.work(pressing || finish);
        if finish && let (Ok(()), Some(writer)) = (&result, self.writer.take()) {
            result = writer.finalize();
        }
        let mut disk = self.tape.lock();
        if let Err(error) = result {
            let text = format!("{} cannot be written: {error}", self.shown);
            log::warn!("a recording stops: {error}");
            disk.error = Some(text);
            self.writer = None;
        }
        disk.done = asked;
        disk.finished = finish;
        drop(disk);
        self.tape.changed.notify_all();
        !finish
    }
}

/// A sink at work.
pub(crate) enum Drain {
    Discard,
    Tape { tape: Arc<Tape>, leg: u64 },
    Pcm(Box<PcmDrain>),
}

impl Drain {
    /// Makes `sink` ready for the leg with the number `leg`.
    ///
    /// # Errors
    /// [`MediaError::Source`] for a rate that cannot be had.
    pub(crate) fn open(sink: &AudioSink, leg: u64) -> Result<Drain, MediaError> {
        Ok(match sink {
            AudioSink::Discard => Drain::Discard,
            AudioSink::Recorder(recorder) => Drain::Tape { tape: recorder.owner.tape.clone(), leg },
            AudioSink::Pcm(sink) => Drain::Pcm(Box::new(PcmDrain::new(sink, leg)?)),
        })
    }

    /// Takes 10 ms. A leg that is not `receiving` leaves the recording to another one that is.
    pub(crate) fn write(&mut self, samples: &[i16; TICK_SAMPLES], receiving: bool) {
        match self {
            Drain::Discard => {}
            Drain::Tape { tape, leg } => {
                if tape.turn.is_of_needing(*leg, receiving) {
                    let lost = samples.len() - tape.ring.write(samples);
                    tape.lost.fetch_add(lost as u64, Ordering::Relaxed);
                }
            }
            Drain::Pcm(drain) => drain.write(samples),
        }
    }

    /// Lets another leg use what only one can use at a time.
    pub(crate) fn release(&self) {
        match self {
            Drain::Discard => {}
            Drain::Tape { tape, leg } => tape.turn.release(*leg),
            Drain::Pcm(drain) => drain.shared.turn.release(drain.leg),
        }
    }
}

/// Converts to the program's rate.
pub(crate) struct PcmDrain {
    shared: Arc<SinkShared>,
    leg: u64,
    resampler: Resampler,
    piece: Vec<i16>,
    filled: usize,
    made: Vec<i16>,
}

impl PcmDrain {
    fn new(sink: &PcmSink, leg: u64) -> Result<PcmDrain, MediaError> {
        let resampler = Resampler::new(SAMPLE_RATE, sink.shared.rate)?;
        Ok(PcmDrain {
            shared: sink.shared.clone(),
            leg,
            piece: vec![0; resampler.chunk_in()],
            filled: 0,
            made: vec![0; resampler.chunk_out()],
            resampler,
        })
    }

    fn write(&mut self, mut samples: &[i16]) {
        if !self.shared.turn.is_of(self.leg) {
            return;
        }
        while !samples.is_empty() {
            let count = samples.len().min(self.piece.len() - self.filled);
            self.piece[self.filled..self.filled + count].copy_from_slice(&samples[..count]);
            self.filled += count;
            samples = &samples[count..];
            if self.filled == self.piece.len() {
                self.filled = 0;
                self.resampler.process(&self.piece, &mut self.made);
                for piece in self.made.chunks(crate::ring::LONGEST_WRITE) {
                    self.shared.ring.write_over(piece);
                }
            }
        }
    }
}
