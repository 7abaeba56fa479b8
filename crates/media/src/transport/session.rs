//! The state behind a transport's handles: which connection carries the media, what was agreed, what was counted.
//!
//! Owns: the current connection, the one it takes over from, and the gates for packets in both directions. Any thread
//! may read and send; connections are exchanged by the negotiation and the attendant. Must not import anything of the
//! engine above.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use super::connection::{Connection, Inlet, Link};
use super::negotiation::Negotiation;
use super::types::{
    Direction, Medium, Negotiated, RemoteReport, RtpPacket, TransportConfig, TransportEvents, TransportState,
    TransportStats,
};
use crate::MediaError;

/// Shared by the handles, the attendant and the connections' tasks.
pub(super) struct Shared {
    pub(super) config: TransportConfig,
    pub(super) events: Arc<dyn TransportEvents>,
    pub(super) ssrc: u32,
    pub(super) video_ssrc: u32,
    pub(super) cname: String,
    /// Offers and answers of one transport come one after the other.
    pub(super) negotiation: tokio::sync::Mutex<Negotiation>,
    /// Something may have changed that the attendant has to look at.
    pub(super) wake: Arc<Notify>,
    pub(super) closing: watch::Sender<bool>,
    finished: watch::Receiver<bool>,
    links: Mutex<Links>,
    /// Where packets leave; the sending side takes it with `try_read` and never waits.
    outlet: RwLock<Option<Arc<Connection>>>,
    wish: AtomicU8,
    /// [`NO_VIDEO`], or as `wish`.
    video_wish: AtomicU8,
    agreed: RwLock<Option<Negotiated>>,
    audio: Gates,
    video: Gates,
    state: Mutex<TransportState>,
    /// Number of the latest connection that a packet has come from; older ones are not listened to any more.
    heard: AtomicU64,
    counts: Counts,
    report: Mutex<Option<RemoteReport>>,
}

/// What may pass of a medium, and how many packets of it have left.
#[derive(Default)]
struct Gates {
    may_send: AtomicBool,
    may_receive: AtomicBool,
    sequence: AtomicU16,
}

impl Gates {
    fn open(&self, direction: Direction) {
        self.may_send.store(direction.sends(), Ordering::Release);
        self.may_receive.store(direction.receives(), Ordering::Release);
    }
}

/// The wish for no video at all.
const NO_VIDEO: u8 = u8::MAX;

/// The connections of a transport.
#[derive(Default)]
pub(super) struct Links {
    pub(super) current: Option<Arc<Connection>>,
    /// Carries the media until the current one is connected.
    pub(super) retiring: Option<Arc<Connection>>,
    /// Why the connection with this number was given up.
    pub(super) failure: Option<(u64, String)>,
    closed: bool,
}

/// Who counts the packets that leave.
#[derive(Clone, Copy)]
enum Numbers {
    Ours,
    Given,
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    sent_bytes: AtomicU64,
    dropped: AtomicU64,
    received: AtomicU64,
    received_bytes: AtomicU64,
}

impl Shared {
    /// The state of a new transport, and the sign that its attendant gives when it has finished.
    pub(super) fn new(config: TransportConfig, events: Arc<dyn TransportEvents>) -> (Shared, watch::Sender<bool>) {
        let (finish, finished) = watch::channel(false);
        let random = rtc::shared::util::math_rand_alpha(16);
        let seed = u64::from_le_bytes(random.as_bytes().get(..8).and_then(|b| b.try_into().ok()).unwrap_or_default());
        let ssrc = random_number();
        let shared = Shared {
            config,
            events,
            ssrc,
            // Two streams of one transport must not have the same number.
            video_ssrc: (ssrc ^ 0x4000_0000).max(1),
            cname: random,
            negotiation: tokio::sync::Mutex::new(Negotiation::new(seed)),
            wake: Arc::new(Notify::new()),
            closing: watch::Sender::new(false),
            finished,
            links: Mutex::default(),
            outlet: RwLock::new(None),
            wish: AtomicU8::new(pack(Direction::SendRecv)),
            video_wish: AtomicU8::new(NO_VIDEO),
            agreed: RwLock::new(None),
            audio: Gates::default(),
            video: Gates::default(),
            state: Mutex::new(TransportState::New),
            heard: AtomicU64::new(0),
            counts: Counts::default(),
            report: Mutex::new(None),
        };
        (shared, finish)
    }

    /// The connections; the lock is held for a few instructions only.
    pub(super) fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that descriptions are about.
    pub(super) fn current(&self) -> Option<Arc<Connection>> {
        self.links().current.clone()
    }

    /// An error once the transport is being closed.
    pub(super) fn check_open(&self) -> Result<(), MediaError> {
        if *self.closing.borrow() { Err(MediaError::Closed) } else { Ok(()) }
    }

    /// Makes `new` the current connection. A connected one goes on carrying the media until `new` is connected.
    pub(super) fn install(&self, new: &Arc<Connection>) -> Result<(), MediaError> {
        let dropped;
        {
            let mut links = self.links();
            if links.closed {
                return Err(MediaError::Closed);
            }
            let old = links.current.replace(new.clone());
            links.failure = None;
            let carries = |old: &Arc<Connection>| matches!(old.link(), Link::Connected | Link::Disconnected);
            match old {
                Some(old) if links.retiring.is_none() && carries(&old) => {
                    links.retiring = Some(old);
                    dropped = None;
                }
                other => dropped = other,
            }
            if links.retiring.is_none() {
                self.set_outlet(Some(new.clone()));
            }
        }
        // Closes itself, outside the lock.
        drop(dropped);
        self.wake.notify_one();
        Ok(())
    }

    /// The current connection is up: packets leave there from now on. Gives the old one, to be closed.
    pub(super) fn promote(&self) -> Option<Arc<Connection>> {
        let mut links = self.links();
        let retired = links.retiring.take();
        if retired.is_some() {
            self.set_outlet(links.current.clone());
        }
        retired
    }

    /// The connection that was to take over is given up for the one that still carries the media; both, in the order of what
    /// stays and what is to be closed. Nothing happens when there is none to go back to.
    pub(super) fn step_back(&self) -> Option<(Arc<Connection>, Arc<Connection>)> {
        let mut links = self.links();
        let kept = links.retiring.take()?;
        let given_up = links.current.replace(kept.clone())?;
        links.failure = None;
        // What the given-up one may have sent is forgotten: its number was higher.
        self.heard.store(kept.number, Ordering::Release);
        self.set_outlet(Some(kept.clone()));
        Some((kept, given_up))
    }

    /// Takes all connections out; the transport gets no other one if it is being closed.
    pub(super) fn take_links(&self, closed: bool) -> [Option<Arc<Connection>>; 2] {
        let mut links = self.links();
        links.closed |= closed;
        self.set_outlet(None);
        [links.current.take(), links.retiring.take()]
    }

    fn set_outlet(&self, connection: Option<Arc<Connection>>) {
        *self.outlet.write().unwrap_or_else(PoisonError::into_inner) = connection;
    }

    /// Stores what offer and answer agreed upon and opens the gates accordingly.
    pub(super) fn agree(&self, agreed: Negotiated, connection: &Connection) {
        let Negotiated { audio, video } = agreed;
        connection.video.agree(video.as_ref());
        *self.agreed.write().unwrap_or_else(PoisonError::into_inner) = Some(agreed);
        self.audio.open(audio.direction);
        self.video.open(video.map_or(Direction::Inactive, |video| video.direction));
        connection.reports.set_clock_rate(audio.codec.clock_rate());
        connection.begin();
        self.wake.notify_one();
    }

    pub(super) fn negotiated(&self) -> Option<Negotiated> {
        *self.agreed.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wish(&self) -> Direction {
        unpack(self.wish.load(Ordering::Acquire))
    }

    pub(super) fn set_wish(&self, wish: Direction) {
        self.wish.store(pack(wish), Ordering::Release);
    }

    /// The direction wished for video, none for no video at all.
    pub(super) fn video_wish(&self) -> Option<Direction> {
        let wish = self.video_wish.load(Ordering::Acquire);
        (wish != NO_VIDEO).then(|| unpack(wish))
    }

    pub(super) fn set_video_wish(&self, wish: Option<Direction>) {
        self.video_wish.store(wish.map_or(NO_VIDEO, pack), Ordering::Release);
    }

    /// See [`Transport::send`](super::Transport::send).
    pub(super) fn send(&self, medium: Medium, packet: RtpPacket) -> bool {
        self.send_numbered(medium, packet, Numbers::Ours)
    }

    /// See [`Transport::forward`](super::Transport::forward).
    pub(super) fn forward(&self, medium: Medium, packet: RtpPacket) -> bool {
        self.send_numbered(medium, packet, Numbers::Given)
    }

    fn send_numbered(&self, medium: Medium, packet: RtpPacket, numbers: Numbers) -> bool {
        let bytes = packet.payload.len() as u64;
        let (gates, ssrc, write): (_, _, fn(&Connection, RtpPacket) -> bool) = match medium {
            Medium::Audio => (&self.audio, self.ssrc, Connection::write),
            Medium::Video => (&self.video, self.video_ssrc, Connection::write_video),
        };
        let sent = self.send_by(gates, RtpPacket { ssrc, ..packet }, numbers, write);
        if sent {
            self.counts.sent.fetch_add(1, Ordering::Relaxed);
            self.counts.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
        } else {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
        sent
    }

    fn send_by(
        &self,
        gates: &Gates,
        mut packet: RtpPacket,
        numbers: Numbers,
        write: fn(&Connection, RtpPacket) -> bool,
    ) -> bool {
        if !gates.may_send.load(Ordering::Acquire) {
            return false;
        }
        // Held by a writer only in the instant of an exchange; the connection is not cloned, so that nobody else ever
        // drops the last handle while a packet is on its way.
        let Ok(outlet) = self.outlet.try_read() else { return false };
        let Some(connection) = outlet.as_ref() else { return false };
        // A path that has been silent for some seconds is still worth trying.
        if !matches!(connection.link(), Link::Connected | Link::Disconnected) {
            return false;
        }
        // Counted here, not by the caller: over a change of connection and a hold the numbers run on without a hole.
        match numbers {
            Numbers::Ours => packet.sequence = gates.sequence.fetch_add(1, Ordering::Relaxed),
            Numbers::Given => {}
        }
        let taken = write(connection, packet);
        if connection.is_dead() {
            self.wake.notify_one();
        }
        taken
    }

    /// See [`Transport::request_key_frame`](super::Transport::request_key_frame).
    pub(super) fn request_key_frame(&self) -> bool {
        self.ask(|connection| connection.ask_for_key_frame(self.video_ssrc))
    }

    /// See [`Transport::request_packets`](super::Transport::request_packets).
    pub(super) fn request_packets(&self, missing: &[u16]) -> bool {
        self.ask(|connection| connection.ask_for_packets(self.video_ssrc, missing))
    }

    /// Asks the other side for something of its video.
    fn ask(&self, question: impl FnOnce(&Connection) -> bool) -> bool {
        if !self.video.may_receive.load(Ordering::Acquire) {
            return false;
        }
        let outlet = self.outlet.read().unwrap_or_else(PoisonError::into_inner);
        outlet.as_deref().is_some_and(question)
    }

    pub(super) fn state(&self) -> TransportState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells a change of state. Called by the attendant only, so that changes are told in their order.
    pub(super) fn tell_state(&self, new: &TransportState) {
        let changed = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let changed = *state != *new;
            if changed {
                *state = new.clone();
            }
            changed
        };
        if changed {
            self.events.state(new.clone());
        }
    }

    /// Keeps and tells a report of the other side.
    pub(super) fn tell_report(&self, report: RemoteReport) {
        {
            let mut latest = self.report.lock().unwrap_or_else(PoisonError::into_inner);
            let round_trip = report.round_trip.or(latest.and_then(|latest| latest.round_trip));
            *latest = Some(RemoteReport { round_trip, ..report });
        }
        self.events.rtcp(report);
    }

    pub(super) async fn stats(&self) -> TransportStats {
        let current = self.current();
        let by_ice: Option<Duration> = match &current {
            Some(connection) => connection.look_at_path().await,
            None => None,
        };
        let report = *self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TransportStats {
            packets_sent: count(&self.counts.sent),
            bytes_sent: count(&self.counts.sent_bytes),
            packets_dropped: count(&self.counts.dropped),
            packets_received: count(&self.counts.received),
            bytes_received: count(&self.counts.received_bytes),
            round_trip: report.and_then(|report| report.round_trip).or(by_ice),
            remote_fraction_lost: report.map(|report| report.fraction_lost),
            remote_jitter: report.map(|report| report.jitter),
            relayed: current.is_some_and(|connection| connection.is_relayed()),
        }
    }

    /// Asks the attendant to close everything; does not wait.
    pub(super) fn begin_close(&self) {
        self.closing.send_replace(true);
    }

    /// Waits until the attendant has closed everything, or is gone together with its runtime.
    pub(super) async fn closed(&self) {
        let mut finished = self.finished.clone();
        let _ = finished.wait_for(|finished| *finished).await;
    }
}

/// Hands received packets on as long as the transport lives; connections do not keep it alive.
pub(super) struct WeakInlet(pub(super) Weak<Shared>);

impl Inlet for WeakInlet {
    fn received(&self, connection: u64, medium: Medium, packet: RtpPacket, arrival: Instant) {
        let Some(shared) = self.0.upgrade() else { return };
        let gates = match medium {
            Medium::Audio => &shared.audio,
            Medium::Video => &shared.video,
        };
        // After the first packet of a new connection, what the old party still sends is not heard any more.
        let latest = shared.heard.fetch_max(connection, Ordering::AcqRel);
        if connection < latest || !gates.may_receive.load(Ordering::Acquire) || *shared.closing.borrow() {
            return;
        }
        shared.counts.received.fetch_add(1, Ordering::Relaxed);
        shared.counts.received_bytes.fetch_add(packet.payload.len() as u64, Ordering::Relaxed);
        shared.events.rtp(medium, packet, arrival);
    }

    fn key_frame_wanted(&self, connection: u64) {
        let Some(shared) = self.0.upgrade() else { return };
        let is_heard = connection >= shared.heard.load(Ordering::Acquire);
        if is_heard && shared.video.may_send.load(Ordering::Acquire) && !*shared.closing.borrow() {
            shared.events.key_frame_wanted();
        }
    }
}

fn pack(direction: Direction) -> u8 {
    u8::from(direction.sends()) | u8::from(direction.receives()) << 1
}

fn unpack(bits: u8) -> Direction {
    Direction::of(bits & 1 != 0, bits & 2 != 0)
}

/// A number that is never zero: some receivers take an SSRC of zero for none.
fn random_number() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    let number = RandomState::new().hash_one(Instant::now());
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or(1).max(1)
}
