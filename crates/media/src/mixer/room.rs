//! Rooms and participants: what the owner of a conference holds in hand.
//!
//! Owns: the handles, and what they share with the worker. The asynchronous functions run on the tokio runtime, the others on
//! any thread; the mixing is done by the engine's own threads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::mix::{Mixer, MixerStats, Seat};
use super::work::{Member, RoomWork};
use crate::codec::CodecSettings;
use crate::engine::Engine;
use crate::error::MediaError;
use crate::leg::{Leg, LegConfig, LegStats, WeakLeg};
use crate::shared::LegEvent;
use crate::transport::{AudioCodec, Direction, IceConfig, Negotiated, TransportState};

/// How a room mixes.
///
/// When a worker of the engine cannot keep up (see [`EngineMetrics::quality_step`](crate::EngineMetrics::quality_step)), its
/// rooms go below these settings, step by step and back: Opus complexity 5; complexity 2 and five voices; complexity 0 and
/// three voices. No participant is dropped for it.
#[derive(Debug, Clone, PartialEq)]
pub struct RoomSettings {
    /// How many voices are heard at once; of more talkers, the loudest are. At least 1; 10 by default.
    pub voices: usize,
    /// Nobody talks who is softer than this, in dB of full scale; −55 by default. Somebody begins to be heard 3 dB above it, at
    /// once, and is heard until softer for half a second.
    pub silence_dbfs: f32,
    /// How what is heard is encoded. With discontinuous transmission, silence in the room is hardly sent.
    pub codec: CodecSettings,
}

impl Default for RoomSettings {
    fn default() -> RoomSettings {
        RoomSettings { voices: 10, silence_dbfs: -55.0, codec: CodecSettings::default() }
    }
}

/// How a participant is connected.
#[derive(Debug, Clone)]
pub struct ParticipantConfig {
    /// How a path to the participant is looked for.
    pub ice: IceConfig,
    /// Codecs in order of preference; every participant of a room may have another one.
    pub audio_codecs: Vec<AudioCodec>,
    /// Without a packet for so long, [`LegEvent::Interrupted`] is reported; 5 s by default.
    pub interrupted_after: Duration,
}

impl Default for ParticipantConfig {
    fn default() -> ParticipantConfig {
        let LegConfig { ice, audio_codecs, interrupted_after, .. } = LegConfig::default();
        ParticipantConfig { ice, audio_codecs, interrupted_after }
    }
}

/// What happens in a room as a whole. Reported on the engine's reporting thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomEvent {
    /// A participant has begun or ceased to talk. Told after half a second of silence, at once at the beginning.
    Talking {
        /// The number of the participant, [`Participant::number`].
        participant: u64,
        /// Whether he talks now.
        talking: bool,
    },
}

/// Somebody who talks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Talker {
    /// The number of the participant.
    pub participant: u64,
    /// Level over about 0.3 s in dB of full scale; −127 is silence.
    pub level_dbfs: f32,
    /// False when louder ones have all the places, see [`RoomSettings::voices`].
    pub heard: bool,
}

/// Figures of a room since it was made; at most one tick old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RoomStats {
    /// Participants, connected or not.
    pub participants: usize,
    /// What was encoded.
    pub mixer: MixerStats,
    /// How many steps of quality the room gives up at present, see [`RoomSettings`].
    pub quality_step: u8,
}

/// What the worker tells about a participant.
#[derive(Default)]
pub(crate) struct Seen {
    loudness: AtomicU32,
    talking: AtomicBool,
    heard: AtomicBool,
}

impl Seen {
    pub(crate) fn put(&self, loudness: f32, talking: bool, heard: bool) {
        self.loudness.store(loudness.to_bits(), Ordering::Relaxed);
        self.talking.store(talking, Ordering::Relaxed);
        self.heard.store(heard, Ordering::Relaxed);
    }

    pub(super) fn level_dbfs(&self) -> f32 {
        let power = f32::from_bits(self.loudness.load(Ordering::Relaxed));
        (10.0 * power.max(1e-13).log10()).max(-127.0)
    }
}

/// What the handles and the worker of a room share.
#[derive(Default)]
pub(crate) struct RoomShared {
    fresh: Mutex<Vec<(Member, Seat)>>,
    pub(crate) has_fresh: AtomicBool,
    closed: AtomicBool,
    common_encodes: AtomicU64,
    own_encodes: AtomicU64,
    shared: AtomicU64,
    strain: AtomicU8,
}

impl RoomShared {
    pub(crate) fn lock_fresh(&self) -> MutexGuard<'_, Vec<(Member, Seat)>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody else is let in; the room ends when it is empty.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Nobody else comes.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire) && !self.has_fresh.load(Ordering::Acquire)
    }

    pub(crate) fn put(&self, stats: &MixerStats, strain: u8) {
        self.common_encodes.store(stats.common_encodes, Ordering::Relaxed);
        self.own_encodes.store(stats.own_encodes, Ordering::Relaxed);
        self.shared.store(stats.shared, Ordering::Relaxed);
        self.strain.store(strain, Ordering::Relaxed);
    }
}

/// Who is in a room; kept as long as its leg lives.
struct Entry {
    leg: WeakLeg,
    seen: Arc<Seen>,
}

struct Inner {
    settings: RoomSettings,
    shared: Arc<RoomShared>,
    entries: Mutex<BTreeMap<u64, Entry>>,
    numbers: AtomicU64,
    /// Kept so that the owner's function is not dropped on an audio thread.
    _events: Arc<dyn Fn(RoomEvent) + Send + Sync>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// A handle of a conference room. Clones are the same room. Participants keep it open; it ends when the last handle and the last
/// participant are dropped, or with [`Room::close`].
#[derive(Clone)]
pub struct Room {
    inner: Arc<Inner>,
}

impl Room {
    /// Makes an empty room. It is served by the worker that has the fewest legs now, and stays there.
    ///
    /// `events` is called on the engine's reporting thread, which all rooms and legs of the process share, so it should hand the
    /// event on and return.
    ///
    /// # Errors
    /// [`MediaError::Transport`] when the system gives no thread or a codec cannot be set up.
    pub fn new(settings: RoomSettings, events: impl Fn(RoomEvent) + Send + Sync + 'static) -> Result<Room, MediaError> {
        let engine = Engine::global();
        let reports = engine.reports()?;
        let mixer = Mixer::new(&settings)?;
        let shared = Arc::new(RoomShared::default());
        let events: Arc<dyn Fn(RoomEvent) + Send + Sync> = Arc::new(events);
        engine.add(Box::new(RoomWork::new(shared.clone(), mixer, events.clone(), reports)));
        let inner = Inner { settings, shared, entries: Mutex::default(), numbers: AtomicU64::new(1), _events: events };
        Ok(Room { inner: Arc::new(inner) })
    }

    /// Brings a participant in, who takes part as soon as offer and answer have been exchanged and the path is up. Must be
    /// called inside a tokio runtime, which must outlive the participant.
    ///
    /// `events` is called as told at [`Leg::new`]. Telephone events of the participant (RFC 4733) are treated as in any other
    /// leg and are not part of the mix: nobody hears the keys of others. Video is not taken part in.
    ///
    /// # Errors
    /// [`MediaError::Closed`] after [`Room::close`], [`MediaError::Transport`] when the connection or a codec cannot be set up.
    pub async fn join(
        &self,
        config: ParticipantConfig,
        events: impl Fn(LegEvent) + Send + Sync + 'static,
    ) -> Result<Participant, MediaError> {
        let inner = &self.inner;
        let ParticipantConfig { ice, audio_codecs, interrupted_after } = config;
        let codec = inner.settings.codec;
        let config = LegConfig { ice, audio_codecs, interrupted_after, codec, ..LegConfig::default() };
        let (leg, work) = Leg::unserved(config, events).await?;
        let number = inner.numbers.fetch_add(1, Ordering::Relaxed);
        let seen = Arc::new(Seen::default());
        let member = Member::new(number, work, seen.clone());
        {
            // Under this lock nobody can close the room and overlook the newcomer.
            let mut entries = self.entries();
            if inner.shared.closed.load(Ordering::Acquire) {
                return Err(MediaError::Closed);
            }
            entries.retain(|_, entry| entry.leg.is_alive());
            entries.insert(number, Entry { leg: leg.downgrade(), seen: seen.clone() });
            inner.shared.lock_fresh().push((member, Seat::new()));
            inner.shared.has_fresh.store(true, Ordering::Release);
        }
        Ok(Participant { leg, number, seen, room: self.clone() })
    }

    /// Who talks, the loudest first.
    #[must_use]
    pub fn talkers(&self) -> Vec<Talker> {
        let entries = self.entries();
        let talks = entries.iter().filter(|(_, entry)| entry.seen.talking.load(Ordering::Relaxed));
        let mut talkers: Vec<Talker> = talks
            .map(|(number, Entry { seen, .. })| Talker {
                participant: *number,
                level_dbfs: seen.level_dbfs(),
                heard: seen.heard.load(Ordering::Relaxed),
            })
            .collect();
        talkers.sort_by(|a, b| b.level_dbfs.total_cmp(&a.level_dbfs));
        talkers
    }

    /// The figures of now.
    #[must_use]
    pub fn stats(&self) -> RoomStats {
        let shared = &self.inner.shared;
        let count = |place: &AtomicU64| place.load(Ordering::Relaxed);
        RoomStats {
            participants: self.entries().values().filter(|entry| entry.leg.is_alive()).count(),
            mixer: MixerStats {
                common_encodes: count(&shared.common_encodes),
                own_encodes: count(&shared.own_encodes),
                shared: count(&shared.shared),
            },
            quality_step: shared.strain.load(Ordering::Relaxed),
        }
    }

    /// Ends the room: everybody leaves as with [`Participant::leave`], nobody can join any more. Closing again does nothing more.
    ///
    /// Must not be awaited inside a function that takes events.
    pub async fn close(&self) {
        let legs: Vec<Leg> = {
            let entries = self.entries();
            self.inner.shared.close();
            entries.values().filter_map(|entry| entry.leg.upgrade()).collect()
        };
        let leaving: Vec<_> = legs.into_iter().map(|leg| tokio::spawn(async move { leg.close().await })).collect();
        for left in leaving {
            let _ = left.await;
        }
        self.entries().clear();
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.inner.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle of one participant of a room. Clones are the same participant; when the last one is dropped he leaves, without the
/// guarantees of [`Participant::leave`].
#[derive(Clone)]
pub struct Participant {
    leg: Leg,
    number: u64,
    seen: Arc<Seen>,
    room: Room,
}

impl Participant {
    /// What he is called in [`RoomEvent`] and [`Talker`]; never used twice in a room.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The room that he is in.
    #[must_use]
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// As [`Leg::create_offer`].
    ///
    /// # Errors
    /// As there.
    pub async fn create_offer(&self) -> Result<String, MediaError> {
        self.leg.create_offer().await
    }

    /// As [`Leg::answer_offer`]: the first offer of a participant or a later one (hold, resume, another device).
    ///
    /// # Errors
    /// As there.
    pub async fn answer_offer(&self, offer: &str) -> Result<String, MediaError> {
        self.leg.answer_offer(offer).await
    }

    /// As [`Leg::apply_answer`].
    ///
    /// # Errors
    /// As there.
    pub async fn apply_answer(&self, answer: &str) -> Result<(), MediaError> {
        self.leg.apply_answer(answer).await
    }

    /// The direction, as seen from the room, that the next offer or answer is to have: one that does not send keeps the mix from
    /// the participant, one that does not receive keeps the participant from the mix.
    pub fn set_direction(&self, direction: Direction) {
        self.leg.set_direction(direction);
    }

    /// While muted he is not heard and does not count as talking; he hears the others. His packets are not decoded.
    pub fn set_muted(&self, muted: bool) {
        self.leg.set_muted(muted);
    }

    /// Level of what he says over about 0.3 s in dB of full scale; −127 for silence and while muted.
    #[must_use]
    pub fn level_dbfs(&self) -> f32 {
        self.seen.level_dbfs()
    }

    /// Whether he talks, see [`RoomSettings::silence_dbfs`].
    #[must_use]
    pub fn is_talking(&self) -> bool {
        self.seen.talking.load(Ordering::Relaxed)
    }

    /// Whether the others hear him: he talks and is among the loudest.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.seen.heard.load(Ordering::Relaxed)
    }

    /// State of the path.
    #[must_use]
    pub fn transport_state(&self) -> TransportState {
        self.leg.transport_state()
    }

    /// What offer and answer agreed upon.
    #[must_use]
    pub fn negotiated(&self) -> Option<Negotiated> {
        self.leg.negotiated()
    }

    /// The figures of now. `level_in_dbfs` is what he says, `level_out_dbfs` the mix that he hears.
    #[must_use]
    pub fn stats(&self) -> LegStats {
        self.leg.stats()
    }

    /// Leaves the room: he fades out within 10 ms, and no event comes after it. Leaving again does nothing more. Takes some
    /// 30 ms; never longer than a few seconds. Somebody whose path is lost stays until then, silently: the owner may find
    /// another path with a new offer.
    ///
    /// Must not be awaited inside the function that takes his events.
    pub async fn leave(&self) {
        self.leg.close().await;
        self.room.entries().remove(&self.number);
    }
}
