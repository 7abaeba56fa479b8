//! A leg: one peer connection with its audio and video, from sources and to sinks.
//!
//! Owns: the handle that the phone holds, and the order in which the parts of a leg are made and taken apart. The
//! asynchronous functions run on the tokio runtime; the audio itself is served by the engine's own threads, video by a
//! task of the runtime.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::codec::{self, CodecSettings, SAMPLE_RATE};
use crate::dtmf::{MOST_TONES, Tone};
use crate::engine::{Engine, Report};
use crate::error::MediaError;
use crate::shared::{LegEvent, Receiver, Route, Shared};
use crate::sink::{AudioSink, Drain, WavRecorder};
use crate::source::{AudioSource, Feed};
use crate::transport::{
    AudioCodec, Direction, IceConfig, Medium, Negotiated, NegotiatedAudio, Transport, TransportConfig, TransportState,
    VideoCodec,
};
use crate::video::{self, VideoFeed, VideoSink, VideoSource, VideoStats};
use crate::worker::{LegParts, LegWork};

/// How long [`Leg::close`] waits for the audio threads, which need 10 ms.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// What a leg is made from.
#[derive(Debug, Clone)]
pub struct LegConfig {
    /// How a path to the other side is looked for.
    pub ice: IceConfig,
    /// Codecs in order of preference.
    pub audio_codecs: Vec<AudioCodec>,
    /// Where the audio that goes out comes from.
    pub source: AudioSource,
    /// Where the audio that comes in goes.
    pub sink: AudioSink,
    /// Codecs for video in order of preference; without one there is no video.
    pub video_codecs: Vec<VideoCodec>,
    /// Where the video that goes out comes from, once it is agreed upon; none: it is only received.
    pub video_source: Option<VideoSource>,
    /// Where the video that comes in goes, from the activation on.
    pub video_sink: VideoSink,
    /// How audio is encoded.
    pub codec: CodecSettings,
    /// Without a packet for so long, [`LegEvent::Interrupted`] is reported; 5 s by default.
    pub interrupted_after: Duration,
}

impl Default for LegConfig {
    fn default() -> LegConfig {
        let transport = TransportConfig::default();
        LegConfig {
            ice: transport.ice,
            audio_codecs: transport.audio_codecs,
            source: AudioSource::Silence,
            sink: AudioSink::Discard,
            video_codecs: transport.video_codecs,
            video_source: None,
            video_sink: VideoSink::Discard,
            codec: CodecSettings::default(),
            interrupted_after: Duration::from_secs(5),
        }
    }
}

/// Figures of a leg since it was made; at most one tick old.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LegStats {
    /// The codec that is sent; none before offer and answer are known.
    pub codec: Option<AudioCodec>,
    /// Packets handed to the transport.
    pub packets_sent: u64,
    /// Packets that the transport did not take.
    pub packets_refused: u64,
    /// Packets of audio received, without duplicates.
    pub packets_received: u64,
    /// Packets that never came, by their sequence numbers.
    pub packets_lost: u64,
    /// Packets that came too late to be played.
    pub packets_late: u64,
    /// Packets left out: too old after a stall, or more than the queues hold.
    pub packets_discarded: u64,
    /// Packets of a payload type that nobody had agreed on.
    pub packets_unknown: u64,
    /// Packets of telephone events (RFC 4733), which do not go to the decoder.
    pub telephone_events: u64,
    /// Audio recovered from redundancy.
    pub recovered: Duration,
    /// Audio invented in place of packets that were not there in time.
    pub concealed: Duration,
    /// Audio cut out or repeated in order to follow the network and the other side's clock.
    pub stretched: Duration,
    /// Interarrival jitter of what is received (RFC 3550 section 6.4.1).
    pub jitter: Duration,
    /// How long packets are to be held back beyond the fastest one.
    pub jitter_target: Duration,
    /// How long the packet played last was held back beyond the fastest one.
    pub jitter_delay: Duration,
    /// Round-trip time by RTCP, once known.
    pub round_trip: Option<Duration>,
    /// Share of our packets that the other side loses, smoothed, 0.0–1.0.
    pub remote_loss: f32,
    /// Level of what is heard and of what is sent, root mean square over about 200 ms in dB of full scale; −127 is
    /// silence.
    pub level_in_dbfs: f32,
    /// See `level_in_dbfs`.
    pub level_out_dbfs: f32,
    /// Payload buffers that had to be allocated because the transport still held all of the pool.
    pub payload_allocations: u64,
    /// The figures of video; all others are those of audio.
    pub video: VideoStats,
}

struct Inner {
    id: u64,
    shared: Arc<Shared>,
    transport: Transport,
    codec: CodecSettings,
    /// What was handed to the worker last.
    route: Mutex<Option<NegotiatedAudio>>,
    recorder: Option<WavRecorder>,
    /// Of the runtime that the leg was made on.
    runtime: Handle,
    video_sink: VideoSink,
    reports: SyncSender<Report>,
    /// Kept so that the owner's function is not dropped on an audio thread.
    events: Arc<dyn Fn(LegEvent) + Send + Sync>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The worker lets go of its half at its next tick, the video task at once; the transport closes itself with its
        // last handle.
        self.shared.closing.store(true, Ordering::Release);
        self.shared.video.wake.notify_one();
    }
}

/// A handle of one leg of a call. Clones are the same leg; when the last one is dropped the leg ends, without waiting
/// and without the guarantees of [`Leg::close`].
#[derive(Clone)]
pub struct Leg {
    inner: Arc<Inner>,
}

/// A leg that others may let go of.
pub(crate) struct WeakLeg(Weak<Inner>);

impl WeakLeg {
    pub(crate) fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }

    pub(crate) fn upgrade(&self) -> Option<Leg> {
        self.0.upgrade().map(|inner| Leg { inner })
    }
}

impl Leg {
    /// Makes a leg. Must be called inside a tokio runtime, which must outlive it.
    ///
    /// `events` is called on the engine's reporting thread, one event after the other; all legs of the process share
    /// that thread, so it should hand the event on and return. It is not called after [`Leg::close`] has returned.
    ///
    /// # Errors
    /// [`MediaError::Source`] when source or sink cannot be had (the text names the file), [`MediaError::Transport`]
    /// when the connection or a codec cannot be set up.
    pub async fn new(config: LegConfig, events: impl Fn(LegEvent) + Send + Sync + 'static) -> Result<Leg, MediaError> {
        let (leg, work) = Leg::unserved(config, events).await?;
        Engine::global().add(work);
        Ok(leg)
    }

    /// A leg and its worker half, which the caller gives to the engine or to a room.
    pub(crate) async fn unserved(
        config: LegConfig,
        events: impl Fn(LegEvent) + Send + Sync + 'static,
    ) -> Result<(Leg, Box<LegWork>), MediaError> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let id = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let feed = Feed::open(&config.source, id)?;
        let drain = Drain::open(&config.sink, id)?;
        let video = config.video_source.as_ref().map(VideoFeed::open).transpose()?;
        let runtime = Handle::try_current().map_err(|_| MediaError::Transport("a leg needs a tokio runtime".into()))?;
        let reports = Engine::global().reports()?;
        let shared = Arc::new(Shared::new());
        shared.video.order(|orders| orders.feed = Some(video));
        let settings =
            TransportConfig { ice: config.ice, audio_codecs: config.audio_codecs, video_codecs: config.video_codecs };
        let transport = Transport::new(settings, Arc::new(Receiver(shared.clone()))).await?;
        let events: Arc<dyn Fn(LegEvent) + Send + Sync> = Arc::new(events);
        let work = LegWork::new(LegParts {
            shared: shared.clone(),
            out: Box::new(transport.clone()),
            feed,
            drain,
            events: events.clone(),
            reports: reports.clone(),
            ssrc: transport.ssrc(Medium::Audio),
            interrupted_after_us: i64::try_from(config.interrupted_after.as_micros()).unwrap_or(i64::MAX),
            seed: RandomState::new().build_hasher().finish(),
        })?;
        let recorder = match config.sink {
            AudioSink::Recorder(recorder) => Some(recorder),
            AudioSink::Discard | AudioSink::Pcm(_) => None,
        };
        let route = Mutex::new(None);
        let (codec, video_sink) = (config.codec, config.video_sink);
        let inner = Inner { id, shared, transport, codec, route, recorder, runtime, video_sink, reports, events };
        Ok((Leg { inner: Arc::new(inner) }, Box::new(work)))
    }

    /// A reference that does not keep the leg.
    pub(crate) fn downgrade(&self) -> WeakLeg {
        WeakLeg(Arc::downgrade(&self.inner))
    }

    /// A complete offer: all candidates are in it.
    ///
    /// # Errors
    /// [`MediaError::Closed`], [`MediaError::Transport`].
    pub async fn create_offer(&self) -> Result<String, MediaError> {
        self.open()?;
        self.inner.transport.create_offer().await
    }

    /// A complete offer to another party than the present one, who is heard on until the other one is connected.
    ///
    /// # Errors
    /// As [`Leg::create_offer`].
    pub async fn create_offer_for_another(&self) -> Result<String, MediaError> {
        self.open()?;
        self.inner.transport.create_offer_for_another().await
    }

    /// The other party does not come: what was agreed with the present one holds again. Without another party nothing
    /// happens.
    ///
    /// # Errors
    /// [`MediaError::Transport`] when the other party is connected already, [`MediaError::Closed`].
    pub async fn keep_party(&self) -> Result<(), MediaError> {
        self.open()?;
        self.inner.transport.keep_party().await?;
        if self.inner.transport.negotiated().is_some() { self.adopt() } else { Ok(()) }
    }

    /// Takes the other side's offer and gives the complete answer to it.
    ///
    /// # Errors
    /// [`MediaError::Sdp`] for an offer that cannot be read or contains nothing we can use, [`MediaError::Closed`],
    /// [`MediaError::Transport`].
    pub async fn answer_offer(&self, offer: &str) -> Result<String, MediaError> {
        self.open()?;
        let answer = self.inner.transport.answer_offer(offer).await?;
        self.adopt()?;
        Ok(answer)
    }

    /// Takes the other side's answer to our offer.
    ///
    /// # Errors
    /// As [`Leg::answer_offer`].
    pub async fn apply_answer(&self, answer: &str) -> Result<(), MediaError> {
        self.open()?;
        self.inner.transport.apply_answer(answer).await?;
        self.adopt()
    }

    /// The direction that the audio of the next offer or answer is to have, e.g. for a hold.
    pub fn set_direction(&self, direction: Direction) {
        self.inner.transport.set_direction(Medium::Audio, direction);
    }

    /// Early media: the sink begins to take what is heard. Silence is sent until [`Leg::activate`]. A second call changes
    /// nothing.
    pub fn listen(&self) {
        self.inner.shared.listening.store(true, Ordering::Release);
    }

    /// Whether the next offer or answer is to have video, and in which direction; a new leg has none. Stays wished for.
    ///
    /// `None`: video is not offered, and refused (port 0) where the other side offers it; video that is in use stays in
    /// our offers as an `inactive` section, so that a later wish finds it again. What both sides have agreed upon stands
    /// in [`Leg::negotiated`]; sending begins with it, from the source's beginning, if the direction says so.
    pub fn set_video(&self, wish: Option<Direction>) {
        let inner = &self.inner;
        if wish.is_some() && inner.shared.video.start() {
            inner.runtime.spawn(video::attend(video::Parts {
                leg: inner.id,
                shared: inner.shared.clone(),
                transport: inner.transport.clone(),
                sink: inner.video_sink.clone(),
                reports: inner.reports.clone(),
                events: inner.events.clone(),
            }));
        }
        inner.transport.set_video(wish);
    }

    /// Sends video from another source, from its beginning, or none any more; the old one is let go. The direction is not
    /// changed by it.
    ///
    /// # Errors
    /// [`MediaError::Source`] when it cannot be had (the old one goes on), [`MediaError::Closed`].
    pub fn set_video_source(&self, source: Option<VideoSource>) -> Result<(), MediaError> {
        self.open()?;
        let feed = source.as_ref().map(VideoFeed::open).transpose()?;
        self.inner.shared.video.order(|orders| orders.feed = Some(feed));
        Ok(())
    }

    /// Asks the other side for a key frame (PLI), at most ten times a second. Not needed after a loss: then it is asked
    /// for without this. Without video that comes in nothing happens.
    pub fn request_key_frame(&self) {
        let video = &self.inner.shared.video;
        video.signal(&video.ask_for_key_frame);
    }

    /// The call is connected: the sink begins to take what is heard, and the source begins as soon as the path is up, so
    /// that the other side hears it from its start. Until then silence is sent and, without [`Leg::listen`], nothing is
    /// recorded. A second call changes nothing.
    pub fn activate(&self) {
        self.inner.shared.listening.store(true, Ordering::Release);
        self.inner.shared.active.store(true, Ordering::Release);
        self.inner.shared.video.wake.notify_one();
    }

    /// While muted, silence is sent; packets go on, and so does the source, unheard.
    pub fn set_muted(&self, muted: bool) {
        self.inner.shared.muted.store(muted, Ordering::Relaxed);
    }

    /// Appends keys and pauses to those that are still to be sent as telephone events (RFC 4733). Each key is told by
    /// [`LegEvent::ToneBegan`] and [`LegEvent::ToneEnded`], a pause by the latter. While a tone is sent, audio is not; a muted
    /// source does not matter. While the direction lets nothing be sent (the other side holds), tones wait, and half a second more,
    /// in which the other side learns that it may listen; one that a hold cuts off counts as sent. When the other side takes no telephone events, [`LegEvent::TonesRefused`] ends all that wait.
    ///
    /// # Errors
    /// [`MediaError::Transport`] when more than [`MOST_TONES`] would wait: then none is appended. [`MediaError::Closed`].
    pub fn send_tones(&self, tones: &[Tone]) -> Result<(), MediaError> {
        self.open()?;
        let shared = &self.inner.shared;
        shared.order(|orders| {
            let waiting = shared.tones.load(Ordering::Acquire);
            if waiting + tones.len() > MOST_TONES {
                return Err(MediaError::Transport("too many tones wait".into()));
            }
            shared.tones.fetch_add(tones.len(), Ordering::AcqRel);
            orders.tones.extend_from_slice(tones);
            Ok(())
        })
    }

    /// Sends from another source, from its beginning; the old one is let go.
    ///
    /// # Errors
    /// [`MediaError::Source`] when it cannot be had (the old one goes on), [`MediaError::Closed`].
    pub fn set_source(&self, source: AudioSource) -> Result<(), MediaError> {
        self.open()?;
        let feed = Feed::open(&source, self.inner.id)?;
        self.inner.shared.order(|orders| orders.feed = Some(feed));
        Ok(())
    }

    /// State of the path.
    #[must_use]
    pub fn transport_state(&self) -> TransportState {
        self.inner.transport.state()
    }

    /// What offer and answer agreed upon.
    #[must_use]
    pub fn negotiated(&self) -> Option<Negotiated> {
        self.inner.transport.negotiated()
    }

    /// The figures of now. Cheap: a few reads of memory.
    #[must_use]
    pub fn stats(&self) -> LegStats {
        let shared = &self.inner.shared;
        let figures = &shared.figures;
        let count = |place: &AtomicU64| place.load(Ordering::Relaxed);
        let micros = |place: &AtomicU32| Duration::from_micros(u64::from(place.load(Ordering::Relaxed)));
        let audio =
            |place: &AtomicU64| Duration::from_micros(count(place).saturating_mul(1_000_000) / u64::from(SAMPLE_RATE));
        let decibels =
            |place: &AtomicU32| (10.0 * f32::from_bits(place.load(Ordering::Relaxed)).max(1e-13).log10()).max(-127.0);
        LegStats {
            codec: shared.codec(),
            packets_sent: count(&figures.packets_sent),
            packets_refused: count(&figures.packets_refused),
            packets_received: count(&figures.packets_received),
            packets_lost: count(&figures.packets_lost),
            packets_late: count(&figures.packets_late),
            packets_discarded: count(&figures.packets_discarded) + count(&shared.inbox_dropped),
            packets_unknown: count(&figures.packets_unknown),
            telephone_events: count(&figures.telephone_events),
            recovered: audio(&figures.samples_recovered),
            concealed: audio(&figures.samples_concealed),
            stretched: audio(&figures.samples_stretched),
            jitter: micros(&figures.jitter_us),
            jitter_target: micros(&figures.target_us),
            jitter_delay: micros(&figures.delay_us),
            round_trip: shared.round_trip(),
            remote_loss: f32::from(shared.remote_loss.load(Ordering::Relaxed)) / 100.0,
            level_in_dbfs: decibels(&figures.level_in),
            level_out_dbfs: decibels(&figures.level_out),
            payload_allocations: count(&figures.payload_allocations),
            video: shared.video.stats(),
        }
    }

    /// Ends the leg: no event and no packet comes after it, and a recorder has every sample in its file. Closing again
    /// does nothing more. Takes some 20 ms; never longer than a few seconds, whatever the network and the disk do.
    ///
    /// Must not be awaited inside the function that takes the leg's events.
    pub async fn close(&self) {
        let inner = &self.inner;
        inner.shared.closing.store(true, Ordering::Release);
        inner.shared.video.wake.notify_one();
        let mut ended = inner.shared.ended.subscribe();
        if tokio::time::timeout(CLOSE_PATIENCE, ended.wait_for(|ended| *ended)).await.is_err() {
            log::warn!("the audio of a call did not end in time");
        }
        if tokio::time::timeout(CLOSE_PATIENCE, inner.shared.video.ended()).await.is_err() {
            log::warn!("the video of a call did not end in time");
        }
        inner.transport.close().await;
        if let Some(recorder) = inner.recorder.clone() {
            match tokio::task::spawn_blocking(move || recorder.flush()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => log::warn!("a recording is not complete: {error}"),
                Err(_) => log::warn!("a recording could not be completed"),
            }
        }
        if let VideoSink::Ivf(recorder) = inner.video_sink.clone()
            && let Ok(Err(error)) = tokio::task::spawn_blocking(move || recorder.flush()).await
        {
            log::warn!("a recording of video is not complete: {error}");
        }
    }

    fn open(&self) -> Result<(), MediaError> {
        if self.inner.shared.closing.load(Ordering::Acquire) { Err(MediaError::Closed) } else { Ok(()) }
    }

    /// Hands to the worker what was agreed upon.
    fn adopt(&self) -> Result<(), MediaError> {
        let Some(negotiated) = self.inner.transport.negotiated() else {
            return Err(MediaError::Sdp("offer and answer have no audio in common".into()));
        };
        let Negotiated { audio, video } = negotiated;
        self.inner.shared.video.order(|orders| orders.route = Some(video));
        let mut last = self.inner.route.lock().unwrap_or_else(PoisonError::into_inner);
        let same_codec = last.is_some_and(|old| old.codec == audio.codec);
        let encoder = if same_codec { None } else { Some(codec::encoder(audio.codec, &self.inner.codec)?) };
        *last = Some(audio);
        self.inner.shared.order(|orders| {
            // An encoder that was ordered and not yet taken is the right one if the codec is still the same.
            let kept = orders.route.take().and_then(|route| route.encoder).filter(|e| e.codec() == audio.codec);
            orders.route = Some(Route { audio, encoder: encoder.or(kept) });
        });
        Ok(())
    }
}
