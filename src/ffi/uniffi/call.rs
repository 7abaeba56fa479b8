//! Calls of the typed surface, and their program audio.
//!
//! Owns: [`Call`] and the program's ends of its audio and video, once they were taken. Lives on: any thread; audio and video
//! themselves never wait for it. Must not import: `runtime`, `core`, `signal`.

use super::error::{ErrorFields, PhoneError};
use super::events::Event;
use super::link::Link;
use super::process::Counted;
use super::waits::wait;
use crate::api;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes of a sample.
const SAMPLE: usize = 2;

/// Longest read, in samples: the whole queue of 30 seconds at 48 kHz.
const LONGEST_READ: usize = 30 * 48_000;

#[derive(Default)]
struct Ends {
    writer: Option<api::PcmWriter>,
    reader: Option<Arc<api::PcmReader>>,
    video_writer: Option<api::VideoWriter>,
    video_reader: Option<api::VideoReader>,
}

/// A call or conference, by its handle. It stays valid to hold after the call has ended.
#[derive(uniffi::Object)]
pub struct Call {
    inner: api::Call,
    link: Arc<Link>,
    ends: Mutex<Ends>,
    _counted: Counted,
}

/// Figures of a call's audio, and some of its video. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct CallStats {
    /// Name of the codec that is sent, `opus`, `PCMU` or `PCMA`, once agreed.
    pub codec: Option<String>,
    /// Packets handed to the transport.
    pub packets_sent: u64,
    /// Packets of audio received, without duplicates.
    pub packets_received: u64,
    /// Packets that never came.
    pub packets_lost: u64,
    /// Packets that came too late to be played.
    pub packets_late: u64,
    /// Audio invented in place of packets that were not there in time.
    pub concealed_ms: f64,
    /// Interarrival jitter of what is received.
    pub jitter_ms: f64,
    /// How long the packet played last was held back.
    pub jitter_delay_ms: f64,
    /// Round-trip time, once known.
    pub round_trip_ms: Option<f64>,
    /// Share of our packets that the other side loses, 0 to 1.
    pub remote_loss: f64,
    /// Level of what is heard, root mean square over about 200 ms in dB of full scale; -127 is silence.
    pub level_in_dbfs: f64,
    /// Level of what is sent, likewise.
    pub level_out_dbfs: f64,
    /// Pictures sent.
    pub frames_sent: u64,
    /// Complete pictures received.
    pub frames_received: u64,
    /// Complete pictures that were not handed on, because they need one that was lost.
    pub frames_dropped: u64,
    /// Packets of video that never came.
    pub video_packets_lost: u64,
    /// Packets of video that came after they were asked for again.
    pub video_packets_recovered: u64,
}

/// How a call or conference has ended.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct CallEnd {
    /// The event that ended it; the listener may not have it yet.
    pub event: Event,
    /// What the last `error` event of the call said; absent when there was none.
    pub error: Option<ErrorFields>,
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

impl From<api::LegStats> for CallStats {
    fn from(stats: api::LegStats) -> Self {
        Self {
            codec: stats.codec.map(|codec| codec.name().to_owned()),
            packets_sent: stats.packets_sent,
            packets_received: stats.packets_received,
            packets_lost: stats.packets_lost,
            packets_late: stats.packets_late,
            concealed_ms: ms(stats.concealed),
            jitter_ms: ms(stats.jitter),
            jitter_delay_ms: ms(stats.jitter_delay),
            round_trip_ms: stats.round_trip.map(ms),
            remote_loss: stats.remote_loss.into(),
            level_in_dbfs: stats.level_in_dbfs.into(),
            level_out_dbfs: stats.level_out_dbfs.into(),
            frames_sent: stats.video.frames_sent,
            frames_received: stats.video.frames_received,
            frames_dropped: stats.video.frames_dropped,
            video_packets_lost: stats.video.packets_lost,
            video_packets_recovered: stats.video.packets_recovered,
        }
    }
}

impl Call {
    pub(super) fn new(inner: api::Call, link: Arc<Link>) -> Self {
        let call = Self { inner, link, ends: Mutex::default(), _counted: Counted::call() };
        // Taken now where they are there, so that what was heard can still be read after an early end.
        drop(call.ends());
        call
    }

    /// Lets audio and video go, which must not wait for a collector.
    pub(super) fn release(&self) {
        *self.ends.lock().unwrap_or_else(PoisonError::into_inner) = Ends::default();
    }

    pub(super) fn lives(&self) -> bool {
        self.inner.state().is_some()
    }

    /// The ends that have been there so far: they come with the call's media, which may begin later than the call.
    fn ends(&self) -> MutexGuard<'_, Ends> {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.writer = ends.writer.take().or_else(|| self.inner.pcm_writer());
        ends.reader = ends.reader.take().or_else(|| self.inner.pcm_reader().map(Arc::new));
        ends.video_writer = ends.video_writer.take().or_else(|| self.inner.video_writer());
        ends.video_reader = ends.video_reader.take().or_else(|| self.inner.video_reader());
        ends
    }

    /// Why there is no audio.
    fn without_audio(&self) -> PhoneError {
        if self.lives() { PhoneError::NoAudio } else { PhoneError::NotFound }
    }

    fn writer(&self) -> Result<api::PcmWriter, PhoneError> {
        let writer = self.ends().writer.clone().filter(|_| self.lives());
        writer.ok_or_else(|| self.without_audio())
    }

    fn reader(&self) -> Result<Arc<api::PcmReader>, PhoneError> {
        let reader = self.ends().reader.clone();
        reader.ok_or_else(|| self.without_audio())
    }

    pub(super) fn inner(&self) -> &api::Call {
        &self.inner
    }

    /// Why there is no video.
    pub(super) fn without_video(&self) -> PhoneError {
        if self.lives() { PhoneError::NoVideo } else { PhoneError::NotFound }
    }

    pub(super) fn video_writer(&self) -> Result<api::VideoWriter, PhoneError> {
        let writer = self.ends().video_writer.clone().filter(|_| self.lives());
        writer.ok_or_else(|| self.without_video())
    }

    pub(super) fn video_reader(&self) -> Result<api::VideoReader, PhoneError> {
        let reader = self.ends().video_reader.clone();
        reader.ok_or_else(|| self.without_video())
    }

    async fn run(&self, method: &str, options: Value, tag: Option<String>) -> Result<(), PhoneError> {
        let phone = self.inner.phone();
        wait(&self.link, phone.run_tagged(method, options, Some(self.inner.handle()), tag)).await.map(drop)
    }
}

#[uniffi::export]
impl Call {
    /// The handle: never used twice in this process, and the value of `call` in events.
    pub fn handle(&self) -> u64 {
        self.inner.handle()
    }

    /// State, e.g. `connecting` or `connected`; absent when the call has ended.
    pub fn state(&self) -> Option<String> {
        self.inner.state()
    }

    /// How the call has ended: there as soon as `state` is not, and as soon as a method answers `NotFound` because of it; absent
    /// while it lives, when there never was such a call, and when 64 others of the phone have ended since.
    pub fn end(&self) -> Option<CallEnd> {
        let end = self.inner.end()?;
        Some(CallEnd { event: end.event().into(), error: end.error().cloned().map(Into::into) })
    }

    /// Waits until the call is connected.
    ///
    /// Errors: `NotFound` when it has ended already, `System` with the event that ended it meanwhile, `Closed`.
    pub async fn connected(&self) -> Result<(), PhoneError> {
        wait(&self.link, self.inner.connected()).await
    }

    /// Ends the call as its state demands: cancels, rejects or hangs up. Completes with the call's end.
    ///
    /// Errors: `NotFound` when it has ended already; codes of `hangup`, `cancel`, `reject`.
    #[uniffi::method(default(tag = None))]
    pub async fn hangup(&self, tag: Option<String>) -> Result<(), PhoneError> {
        self.run("hangup", Value::Null, tag).await
    }

    /// Sends silence from now on.
    ///
    /// Errors: `NotFound`; 2702 before the call is connected.
    #[uniffi::method(default(tag = None))]
    pub async fn mute(&self, tag: Option<String>) -> Result<(), PhoneError> {
        self.run("mute", Value::Null, tag).await
    }

    /// Sends the source again.
    ///
    /// Errors: `NotFound`; 2802 before the call is connected.
    #[uniffi::method(default(tag = None))]
    pub async fn unmute(&self, tag: Option<String>) -> Result<(), PhoneError> {
        self.run("unmute", Value::Null, tag).await
    }

    /// Presses keys: `0-9`, `A-D`, `*`, `#`, and `,` for a pause of 2 s; `gap_ms` is the pause between two, 50 to 6000, 70 if
    /// absent. Completes when the last one was sent.
    ///
    /// Errors: `NotFound`; 4712 for an empty text or another character, 4731 before the call is connected, 4741 while it is held
    /// or ends, 0000 when the other side takes none, 4700 when the call ends first or too many wait.
    #[uniffi::method(default(gap_ms = None, tag = None))]
    pub async fn send_dtmf_tone(
        &self,
        input: String,
        gap_ms: Option<u32>,
        tag: Option<String>,
    ) -> Result<(), PhoneError> {
        self.run("sendDTMFTone", json!({"input": input, "gap": gap_ms}), tag).await
    }

    /// Figures of the call's audio; absent before it has media and after its end.
    pub fn stats(&self) -> Option<CallStats> {
        self.inner.stats().map(Into::into)
    }

    /// Appends program audio to what a call with `localMedia` `pcm` sends: 16-bit little-endian mono samples at the phone's
    /// `pcm_rate`. Answers how many bytes fitted (about 30 seconds wait at most); never waits for the call.
    ///
    /// Errors: `Argument` for half a sample, `NoAudio` when the source is another or the call has no media yet, `NotFound`.
    pub fn pcm_write(&self, samples: Vec<u8>) -> Result<u64, PhoneError> {
        if !samples.len().is_multiple_of(SAMPLE) {
            return Err(PhoneError::Argument { reason: "samples are 16 bit: the number of bytes is odd".into() });
        }
        let (pairs, _) = samples.as_chunks::<SAMPLE>();
        let samples: Vec<i16> = pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
        Ok((self.writer()?.write(&samples) * SAMPLE) as u64)
    }

    /// Drops what was written and not sent yet, as when the other party begins to talk.
    ///
    /// Errors: `NoAudio`, `NotFound`.
    pub fn pcm_clear(&self) -> Result<(), PhoneError> {
        self.writer()?.clear();
        Ok(())
    }

    /// How much was written and not sent yet, in milliseconds, rounded up.
    ///
    /// Errors: `NoAudio`, `NotFound`.
    pub fn pcm_queued_ms(&self) -> Result<u32, PhoneError> {
        Ok(self.writer()?.queued_ms())
    }

    /// Takes program audio that was heard in a call with `remoteMedia` `pcm`, at most `bytes` of it, in the form of
    /// `pcm_write`; nothing when there is none yet. Never waits. About 30 seconds are kept, then the oldest are dropped. What
    /// was heard before the end may be read after it, until another call of the phone begins.
    ///
    /// Errors: `NoAudio` when the sink is another or the call has no media yet, `NotFound` when it never had any.
    pub fn pcm_read(&self, bytes: u64) -> Result<Vec<u8>, PhoneError> {
        let reader = self.reader()?;
        let wanted = usize::try_from(bytes).unwrap_or(usize::MAX) / SAMPLE;
        let mut samples = vec![0; wanted.min(LONGEST_READ).min(reader.available())];
        let count = reader.read(&mut samples);
        Ok(samples[..count].iter().flat_map(|sample| sample.to_le_bytes()).collect())
    }

    /// How many bytes `pcm_read` would give now.
    ///
    /// Errors: as `pcm_read`.
    pub fn pcm_available(&self) -> Result<u64, PhoneError> {
        Ok((self.reader()?.available() * SAMPLE) as u64)
    }

    /// How many bytes were dropped so far because nobody read them in time.
    ///
    /// Errors: as `pcm_read`.
    pub fn pcm_dropped(&self) -> Result<u64, PhoneError> {
        Ok(self.reader()?.dropped() * SAMPLE as u64)
    }
}
