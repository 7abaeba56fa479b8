//! What a leg's handle, its transport and its media worker share.
//!
//! Owns: [`Shared`]. Written and read on any thread; the media worker takes a lock only when a flag says that there is
//! something new, which happens a few times in a call.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::codec::AudioEncoder;
use crate::dtmf::Tone;
use crate::ring::{PacketHead, PacketRing};
use crate::source::Feed;
use crate::transport::{AudioCodec, Medium, NegotiatedAudio, RemoteReport, RtpPacket, TransportEvents, TransportState};
use crate::video::VideoLink;

/// Eight-byte words for packets between two ticks, 32 kB: a burst of 3 s of Opus at 32 kbit/s or of G.711 fits. More is
/// dropped and counted.
const INBOX_WORDS: usize = 4_096;
/// "Not known" in the figures.
const UNKNOWN: u32 = u32::MAX;

/// What happens to a leg. Reported in this order of time by a thread of the engine, never by the audio itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegEvent {
    /// The path to the other side is up and packets are sent.
    TransportConnected,
    /// The first packet of the other side was really decoded; silence counts.
    FirstAudio,
    /// No packet has come for [`LegConfig::interrupted_after`](crate::LegConfig::interrupted_after), though some had
    /// before and the direction lets us receive.
    Interrupted,
    /// Packets come again after [`LegEvent::Interrupted`].
    Recovered,
    /// A key of [`Leg::send_tones`](crate::Leg::send_tones) begins to sound at the other side.
    ToneBegan(char),
    /// A key has been sent to its end, or a pause (a comma) is over.
    ToneEnded(char),
    /// The tones that were given and not sent will not be: the other side takes none.
    TonesRefused,
    /// The other side has pressed a key; told once for each.
    ToneReceived(char),
    /// The first complete picture of the other side has come.
    FirstVideo,
    /// The other side cannot show our video until a key frame comes; told when the source is the program's pictures
    /// ([`VideoSource::Frames`](crate::VideoSource::Frames)), also when video begins. It may come many times for one loss,
    /// at most ten times a second.
    KeyFrameWanted,
    /// Final: the path is lost or was never found. The text is for a person.
    Failed(String),
}

/// How the audio is to be encoded and sent.
pub(crate) struct Route {
    pub(crate) audio: NegotiatedAudio,
    /// None: go on with the encoder in use.
    pub(crate) encoder: Option<Box<dyn AudioEncoder>>,
}

/// What the handle wants the worker to change; a newer wish replaces an older one, except for tones.
#[derive(Default)]
pub(crate) struct Orders {
    pub(crate) route: Option<Route>,
    pub(crate) feed: Option<Feed>,
    /// Tones to append; these do not replace each other.
    pub(crate) tones: Vec<Tone>,
    /// What the worker has put away, to be freed by somebody with time.
    pub(crate) spent_feed: Option<Feed>,
    pub(crate) spent_encoder: Option<Box<dyn AudioEncoder>>,
}

/// Counters and values of a leg, written by the worker every tick.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) packets_sent: AtomicU64,
    pub(crate) packets_refused: AtomicU64,
    pub(crate) packets_received: AtomicU64,
    pub(crate) packets_lost: AtomicU64,
    pub(crate) packets_late: AtomicU64,
    pub(crate) packets_discarded: AtomicU64,
    pub(crate) packets_unknown: AtomicU64,
    pub(crate) telephone_events: AtomicU64,
    pub(crate) samples_recovered: AtomicU64,
    pub(crate) samples_concealed: AtomicU64,
    pub(crate) samples_stretched: AtomicU64,
    pub(crate) jitter_us: AtomicU32,
    pub(crate) target_us: AtomicU32,
    pub(crate) delay_us: AtomicU32,
    pub(crate) level_in: AtomicU32,
    pub(crate) level_out: AtomicU32,
    pub(crate) payload_allocations: AtomicU64,
}

/// See the head of the file.
pub(crate) struct Shared {
    /// The origin of all microseconds of this leg.
    pub(crate) origin: Instant,
    inbox: PacketRing,
    /// Whoever brings packets; never the worker. The transport may change the task that does.
    bringing: Mutex<()>,
    pub(crate) inbox_dropped: AtomicU64,
    /// The sink takes what is heard.
    pub(crate) listening: AtomicBool,
    /// The source is heard.
    pub(crate) active: AtomicBool,
    pub(crate) muted: AtomicBool,
    /// Tones given and not yet sent, pauses included.
    pub(crate) tones: AtomicUsize,
    pub(crate) closing: AtomicBool,
    pub(crate) up: AtomicBool,
    pub(crate) failed: AtomicBool,
    failure: Mutex<String>,
    /// Per cent of our packets that the other side loses, smoothed.
    pub(crate) remote_loss: AtomicU8,
    round_trip_us: AtomicI64,
    orders: Mutex<Orders>,
    has_orders: AtomicBool,
    codec: AtomicU32,
    pub(crate) figures: Figures,
    pub(crate) video: VideoLink,
    /// Becomes true when the worker has let the leg go and its last event was reported.
    pub(crate) ended: watch::Sender<bool>,
}

impl Shared {
    pub(crate) fn new() -> Shared {
        Shared {
            origin: Instant::now(),
            inbox: PacketRing::new(INBOX_WORDS),
            bringing: Mutex::new(()),
            inbox_dropped: AtomicU64::new(0),
            listening: AtomicBool::new(false),
            active: AtomicBool::new(false),
            muted: AtomicBool::new(false),
            tones: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            up: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            failure: Mutex::default(),
            remote_loss: AtomicU8::new(0),
            round_trip_us: AtomicI64::new(-1),
            orders: Mutex::default(),
            has_orders: AtomicBool::new(false),
            codec: AtomicU32::new(UNKNOWN),
            figures: Figures::default(),
            video: VideoLink::default(),
            ended: watch::Sender::new(false),
        }
    }

    /// Microseconds from the origin to `time`.
    pub(crate) fn micros(&self, time: Instant) -> i64 {
        match time.checked_duration_since(self.origin) {
            Some(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
            None => -i64::try_from(self.origin.duration_since(time).as_micros()).unwrap_or(i64::MAX),
        }
    }

    /// Brings a packet, on a thread of the transport.
    pub(crate) fn bring(&self, head: &PacketHead, payload: &[u8]) {
        let _turn = self.bringing.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.inbox.push(head, payload) {
            self.inbox_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Worker: the next packet.
    pub(crate) fn take_packet(&self, payload: &mut [u8; crate::ring::MAX_PAYLOAD]) -> Option<(PacketHead, usize)> {
        self.inbox.pop(payload)
    }

    /// Handle: changes the orders; what the worker had put away is freed here.
    pub(crate) fn order<T>(&self, change: impl FnOnce(&mut Orders) -> T) -> T {
        let mut orders = self.lock_orders();
        let spent = (orders.spent_feed.take(), orders.spent_encoder.take());
        let outcome = change(&mut orders);
        drop(orders);
        self.has_orders.store(true, Ordering::Release);
        drop(spent);
        outcome
    }

    /// Worker: the orders, if there are new ones.
    pub(crate) fn new_orders(&self) -> Option<MutexGuard<'_, Orders>> {
        (self.has_orders.load(Ordering::Relaxed) && self.has_orders.swap(false, Ordering::Acquire))
            .then(|| self.lock_orders())
    }

    fn lock_orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_codec(&self, codec: AudioCodec) {
        let number = match codec {
            AudioCodec::Opus => 0,
            AudioCodec::Pcmu => 1,
            AudioCodec::Pcma => 2,
        };
        self.codec.store(number, Ordering::Relaxed);
    }

    pub(crate) fn codec(&self) -> Option<AudioCodec> {
        match self.codec.load(Ordering::Relaxed) {
            0 => Some(AudioCodec::Opus),
            1 => Some(AudioCodec::Pcmu),
            2 => Some(AudioCodec::Pcma),
            _ => None,
        }
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        u64::try_from(self.round_trip_us.load(Ordering::Relaxed)).ok().map(Duration::from_micros)
    }

    /// Marks the leg as failed, once.
    pub(crate) fn fail(&self, text: String) {
        if !self.failed.load(Ordering::Acquire) {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = text;
            self.failed.store(true, Ordering::Release);
        }
    }

    pub(crate) fn failure(&self) -> String {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The transport's view of a leg.
pub(crate) struct Receiver(pub(crate) std::sync::Arc<Shared>);

impl TransportEvents for Receiver {
    fn rtp(&self, medium: Medium, packet: RtpPacket, arrival: Instant) {
        match medium {
            Medium::Audio => {
                let head = PacketHead {
                    payload_type: packet.payload_type,
                    marker: packet.marker,
                    sequence: packet.sequence,
                    timestamp: packet.timestamp,
                    ssrc: packet.ssrc,
                    arrival_us: self.0.micros(arrival),
                };
                self.0.bring(&head, &packet.payload);
            }
            Medium::Video => self.0.video.bring(packet, arrival),
        }
    }

    fn rtcp(&self, report: RemoteReport) {
        // Half of the old value and half of the new one: a single bad report does not cost redundancy for long.
        let new = (report.fraction_lost.clamp(0.0, 1.0) * 100.0).ceil() as u32;
        let old = u32::from(self.0.remote_loss.load(Ordering::Relaxed));
        let smooth = if new > old { (old + new).div_ceil(2) } else { (old + new) / 2 };
        self.0.remote_loss.store(smooth.min(100) as u8, Ordering::Relaxed);
        if let Some(time) = report.round_trip {
            let micros = i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
            self.0.round_trip_us.store(micros, Ordering::Relaxed);
        }
    }

    fn key_frame_wanted(&self) {
        self.0.video.signal(&self.0.video.key_frame_wanted);
    }

    fn state(&self, state: TransportState) {
        match state {
            TransportState::Connected => self.0.up.store(true, Ordering::Release),
            TransportState::New | TransportState::Connecting => self.0.up.store(false, Ordering::Release),
            // Perhaps only one direction is broken, or the path comes back: we go on sending.
            TransportState::Disconnected => {}
            TransportState::Failed(text) => {
                self.0.up.store(false, Ordering::Release);
                self.0.fail(text);
            }
            TransportState::Closed => self.0.up.store(false, Ordering::Release),
        }
        self.0.video.wake.notify_one();
    }
}
