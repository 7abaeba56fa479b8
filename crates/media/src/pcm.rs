//! Audio of the program: what it gives to a call and what it takes from one, as 16-bit mono samples.
//!
//! Owns: the rings between the program's threads and the media workers, and who may use their far end. The program's
//! side may be used on any thread; it never waits for the audio.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::ring::SampleRing;

/// Longest queue, 10 minutes: a program that wants more reads a file.
const LONGEST_MS: u32 = 600_000;

fn ring(rate: u32, capacity_ms: u32) -> SampleRing {
    // 200 MB at most, for the greatest rate and length; an impossible rate is refused where the leg is made.
    let rate = rate.min(*crate::resample::RATES.end());
    let samples = u64::from(rate) * u64::from(capacity_ms.clamp(20, LONGEST_MS)) / 1_000;
    SampleRing::new(samples as usize)
}

/// In the number of the leg that has a turn: it has no need of it, and another one may take it.
const SPARE: u64 = 1 << 63;

/// Which leg uses the far end of something that only one leg can use at a time; the others wait for their turn.
#[derive(Default)]
pub(crate) struct Turn(AtomicU64);

impl Turn {
    /// Whether it is the turn of `leg` (never 0), taking it if nobody has it.
    pub(crate) fn is_of(&self, leg: u64) -> bool {
        self.0.load(Ordering::Acquire) == leg
            || self.0.compare_exchange(0, leg, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// As [`Turn::is_of`] for a leg that says whether it needs the turn. One that does not keeps it until another one does.
    pub(crate) fn is_of_needing(&self, leg: u64, needs: bool) -> bool {
        let wanted = if needs { leg } else { leg | SPARE };
        let now = self.0.load(Ordering::Acquire);
        let free = now == 0 || now & !SPARE == leg || needs && now & SPARE != 0;
        now == wanted || free && self.0.compare_exchange(now, wanted, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Gives the turn back if `leg` has it.
    pub(crate) fn release(&self, leg: u64) {
        for own in [leg, leg | SPARE] {
            let _ = self.0.compare_exchange(own, 0, Ordering::Release, Ordering::Relaxed);
        }
    }
}

/// What writer and source share.
pub(crate) struct SourceShared {
    pub(crate) ring: SampleRing,
    pub(crate) rate: u32,
    pub(crate) turn: Turn,
    /// Counts the calls of `clear`, so that what is already converted is dropped too.
    pub(crate) cleared: AtomicU64,
    /// Several threads may write; they take turns. The audio does not take this lock.
    writing: Mutex<()>,
}

/// The program's end of a PCM source: samples written here go out in the call. Clones write into the same queue.
#[derive(Clone)]
pub struct PcmWriter {
    shared: Arc<SourceShared>,
}

/// The call's end of a PCM source, for [`AudioSource::Pcm`](crate::AudioSource::Pcm). A clone can be given to the next
/// call; of several calls at once, the first one gets the samples until it ends.
#[derive(Clone)]
pub struct PcmSource {
    pub(crate) shared: Arc<SourceShared>,
}

/// A bounded queue from the program into a call.
///
/// `rate` is in samples per second; one outside 8000–192000 is refused by [`Leg::new`](crate::Leg::new). The queue
/// holds `capacity_ms` (20 ms to 10 minutes). When the queue is empty silence is sent.
#[must_use]
pub fn pcm_source(rate: u32, capacity_ms: u32) -> (PcmWriter, PcmSource) {
    let shared = Arc::new(SourceShared {
        ring: ring(rate, capacity_ms),
        rate,
        turn: Turn::default(),
        cleared: AtomicU64::new(0),
        writing: Mutex::new(()),
    });
    (PcmWriter { shared: shared.clone() }, PcmSource { shared })
}

impl PcmWriter {
    /// Appends samples and returns how many of them fitted. Never waits for the call.
    pub fn write(&self, samples: &[i16]) -> usize {
        let _turn = self.shared.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.ring.write(samples)
    }

    /// Drops everything that was written and not yet sent: the other party has begun to talk.
    pub fn clear(&self) {
        let _turn = self.shared.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.ring.clear();
        self.shared.cleared.fetch_add(1, Ordering::Release);
    }

    /// How much audio waits, in milliseconds, rounded up: 0 means that the queue is empty.
    #[must_use]
    pub fn queued_ms(&self) -> u32 {
        let samples = self.shared.ring.waiting() as u64 * 1_000;
        samples.div_ceil(u64::from(self.shared.rate.max(1))) as u32
    }

    /// Samples per second.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.shared.rate
    }
}

/// What sink and reader share.
pub(crate) struct SinkShared {
    pub(crate) ring: SampleRing,
    pub(crate) rate: u32,
    pub(crate) turn: Turn,
    lost: AtomicU64,
    reading: Mutex<()>,
}

/// The call's end of a PCM sink, for [`AudioSink::Pcm`](crate::AudioSink::Pcm). A clone can be given to the next call;
/// of several calls at once, the first one is heard until it ends.
#[derive(Clone)]
pub struct PcmSink {
    pub(crate) shared: Arc<SinkShared>,
}

/// The program's end of a PCM sink: what is heard in the call, from its activation on, silence included.
pub struct PcmReader {
    shared: Arc<SinkShared>,
}

/// A bounded queue from a call to the program.
///
/// `rate` is in samples per second; one outside 8000–192000 is refused by [`Leg::new`](crate::Leg::new). The queue
/// holds `capacity_ms` (20 ms to 10 minutes); when it is full the oldest samples are dropped and counted.
#[must_use]
pub fn pcm_sink(rate: u32, capacity_ms: u32) -> (PcmSink, PcmReader) {
    let shared = Arc::new(SinkShared {
        ring: ring(rate, capacity_ms),
        rate,
        turn: Turn::default(),
        lost: AtomicU64::new(0),
        reading: Mutex::new(()),
    });
    (PcmSink { shared: shared.clone() }, PcmReader { shared })
}

impl PcmReader {
    /// Takes up to `out.len()` samples and returns how many there were. Never waits.
    pub fn read(&self, out: &mut [i16]) -> usize {
        let _turn = self.shared.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let (read, lost) = self.shared.ring.read(out);
        self.shared.lost.fetch_add(lost as u64, Ordering::Relaxed);
        read
    }

    /// Samples that wait.
    #[must_use]
    pub fn available(&self) -> usize {
        self.shared.ring.waiting()
    }

    /// Samples dropped so far because nobody read them in time, as far as reading has noticed.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// Samples per second.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.shared.rate
    }
}
