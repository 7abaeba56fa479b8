//! One peer connection of the crate beneath, with its one sending track.
//!
//! Owns: the crate's connection object, from build to close. Its handler runs on the crate's driver task, where it only
//! stores and wakes; one task per received track hands packets on. Must not import the negotiation: what is said in
//! descriptions comes from there as text.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use rtc::rtp;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceCandidateType, RTCIceConnectionState,
    RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription, RTCStatsReportEntry, StatsSelector,
};

use super::addresses::{self, Addresses};
use super::clock::Clock;
use super::sdp_in::Role;
use super::sdp_out::{Facts, Visible};
use super::servers::{self, Servers};
use super::settings;
use super::tap::Reports;
use super::types::{IcePolicy, Medium, RtpPacket, TransportConfig};
use super::video_port::{VideoDoor, VideoPort};
use crate::MediaError;

/// Each of the crate's own steps takes milliseconds; one that takes this long never ends.
const STEP_TIME: Duration = Duration::from_secs(5);

/// How often the end of gathering is looked for; where relays are used the crate's driver is woken as often.
const GATHER_PAUSE: Duration = Duration::from_millis(10);

/// Ports of a range are looked for and then bound by the crate; another process may be faster so many times.
const BIND_ATTEMPTS: usize = 5;

/// Who gets the received packets.
pub(super) trait Inlet: Send + Sync + 'static {
    /// A packet has come in over the connection with this number. Video is told on the driver's task, audio on one of its
    /// own.
    fn received(&self, connection: u64, medium: Medium, packet: RtpPacket, arrival: Instant);
    /// The other side of this connection asks for a key frame. Told on the driver's task.
    fn key_frame_wanted(&self, connection: u64);
}

/// State of the crate's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    New,
    Connecting,
    Connected,
    Disconnected,
    Failed,
    Closed,
}

impl Link {
    fn of(state: RTCPeerConnectionState) -> Link {
        match state {
            RTCPeerConnectionState::Connecting => Link::Connecting,
            RTCPeerConnectionState::Connected => Link::Connected,
            RTCPeerConnectionState::Disconnected => Link::Disconnected,
            RTCPeerConnectionState::Failed => Link::Failed,
            RTCPeerConnectionState::Closed => Link::Closed,
            // `New` and `Unspecified`; the crate reserves the right to add others.
            _ => Link::New,
        }
    }

    fn from_number(number: u8) -> Link {
        const ALL: [Link; 6] =
            [Link::New, Link::Connecting, Link::Connected, Link::Disconnected, Link::Failed, Link::Closed];
        ALL.get(usize::from(number)).copied().unwrap_or(Link::Closed)
    }
}

/// What the handler stores and others read without waiting.
#[derive(Debug, Default)]
struct Signs {
    link: AtomicU8,
    /// The driver of the connection has stopped although nobody closed it.
    dead: AtomicBool,
    /// Packets go through a TURN server.
    relayed: AtomicBool,
    ever_connected: AtomicBool,
}

/// What a connection is built from.
pub(super) struct Plan<'a> {
    pub(super) number: u64,
    pub(super) config: &'a TransportConfig,
    pub(super) certificate: settings::Certificate,
    pub(super) ssrc: u32,
    pub(super) video_ssrc: u32,
    pub(super) cname: &'a str,
    /// Our DTLS role, should we answer.
    pub(super) answering: Role,
    /// The connection whose place this one takes under the same ICE credentials and ports: those of an offer that is
    /// already with somebody.
    pub(super) instead_of: Option<Replaced>,
}

/// What an offer has told the other side and so must come true again.
pub(super) struct Replaced {
    pub(super) ufrag: String,
    pub(super) password: String,
    pub(super) sockets: Vec<SocketAddr>,
}

/// A connection; closes itself when dropped.
pub(super) struct Connection {
    pub(super) number: u64,
    /// It keeps the ICE credentials that it was given, also where the other side restarts ICE.
    pub(super) has_fixed_credentials: bool,
    pub(super) reports: Reports,
    pub(super) video: Arc<VideoDoor>,
    connection: Arc<dyn PeerConnection>,
    track: Arc<TrackLocalStaticRTP>,
    signs: Arc<Signs>,
    gathering: Arc<watch::Sender<RTCIceGatheringState>>,
    visible: Visible,
    servers: Mutex<Servers>,
    has_relays: bool,
    /// When offer and answer were both known: the connect timeout runs from here.
    began: Mutex<Option<Instant>>,
    /// What the crate calls its section; an offer that was withdrawn makes it count on.
    mid: Mutex<String>,
    closing: AtomicBool,
    clock: Arc<Clock>,
}

impl Connection {
    /// Binds the sockets and starts the driver on a lane.
    pub(super) async fn build(
        plan: Plan<'_>,
        inlet: Arc<dyn Inlet>,
        wake: Arc<Notify>,
    ) -> Result<Connection, MediaError> {
        let servers = servers::prepare(&plan.config.ice).await?;
        let addresses = addresses::of_host(plan.config.ice.addresses)?;
        let visible = Visible { loopback: addresses.loopback_shown, own: plan.config.ice.policy == IcePolicy::All };
        let signs = Arc::new(Signs::default());
        let (gathering, _) = watch::channel(RTCIceGatheringState::New);
        let gathering = Arc::new(gathering);
        let reports = Reports::default();
        let video = Arc::new(VideoDoor::default());
        let clock = Clock::new()?;
        let handler = Arc::new(Handler {
            number: plan.number,
            signs: signs.clone(),
            clock: clock.clone(),
            gathering: gathering.clone(),
            wake,
            inlet,
            runtime: clock.lane().clone(),
        });
        let mut attempt = 0;
        let connection = loop {
            attempt += 1;
            let sockets = sockets(&plan, &addresses, !servers.bridges.is_empty())?;
            let port = VideoPort::new(plan.number, plan.video_ssrc, video.clone(), handler.inlet.clone());
            match build_once(&plan, &servers, &reports, port, handler.clone(), sockets).await {
                Ok(connection) => break connection,
                Err(error) if attempt == BIND_ATTEMPTS || plan.config.ice.ports.is_none() => return Err(error),
                Err(_) => {}
            }
        };
        let track = Arc::new(settings::track(plan.ssrc, plan.cname));
        let built = Connection {
            number: plan.number,
            has_fixed_credentials: plan.instead_of.is_some(),
            reports,
            video,
            connection,
            track: track.clone(),
            signs,
            gathering,
            visible,
            has_relays: servers.relays,
            servers: Mutex::new(servers),
            began: Mutex::new(None),
            mid: Mutex::new("0".to_owned()),
            closing: AtomicBool::new(false),
            clock,
        };
        step("the sending track", built.connection.add_track(track)).await?;
        Ok(built)
    }

    /// Makes an offer the local description and waits for candidates, at most until the deadline.
    pub(super) async fn offer(&self, deadline: Duration) -> Result<Facts, MediaError> {
        let offer = step("offer", self.connection.create_offer(None)).await?;
        self.describe(offer, deadline).await
    }

    /// Shows the crate an offer, answers it and waits for candidates, at most until the deadline.
    pub(super) async fn answer(&self, shown: String, deadline: Duration) -> Result<Facts, MediaError> {
        let offer = RTCSessionDescription::offer(shown).map_err(|error| MediaError::Sdp(error.to_string()))?;
        let answer = async {
            step("remote offer", self.connection.set_remote_description(offer)).await?;
            step("answer", self.connection.create_answer(None)).await
        };
        match answer.await {
            Ok(answer) => self.describe(answer, deadline).await.map_err(as_sdp),
            Err(error) => {
                // Half applied: taken back, so that a better offer finds the connection as it was.
                if let Ok(back) = RTCSessionDescription::rollback(None) {
                    let _ = step("rollback", self.connection.set_remote_description(back)).await;
                }
                Err(as_sdp(error))
            }
        }
    }

    /// Shows the crate the answer to the offer that is out.
    pub(super) async fn accept(&self, shown: String) -> Result<(), MediaError> {
        let answer = RTCSessionDescription::answer(shown).map_err(|error| MediaError::Sdp(error.to_string()))?;
        step("remote answer", self.connection.set_remote_description(answer)).await.map_err(as_sdp)
    }

    /// Takes back the offer that is out.
    pub(super) async fn withdraw(&self) -> Result<(), MediaError> {
        let back = RTCSessionDescription::rollback(None).map_err(|error| MediaError::Transport(error.to_string()))?;
        step("rollback", self.connection.set_local_description(back)).await
    }

    async fn describe(&self, description: RTCSessionDescription, deadline: Duration) -> Result<Facts, MediaError> {
        self.gathering.send_replace(RTCIceGatheringState::New);
        let mut gathering = self.gathering.subscribe();
        // The text inside the crate must stay as the crate wrote it.
        step("local description", self.connection.set_local_description(description)).await?;
        let begin = Instant::now();
        let facts = loop {
            let complete = gathering.wait_for(|state| *state == RTCIceGatheringState::Complete);
            let complete = tokio::time::timeout(GATHER_PAUSE, complete).await.is_ok();
            let waited = begin.elapsed();
            if !complete && waited < deadline {
                if self.has_relays {
                    self.poke();
                }
                continue;
            }
            let facts = self.facts().await?;
            // A silent server holds up the end of gathering for seconds; what is there by the deadline goes out. A text
            // without any candidate (relayed ones only, and a slow server) would be of no use, so that waits longer.
            if complete || !facts.candidates.is_empty() || waited >= STEP_TIME {
                break facts;
            }
        };
        self.mid.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&facts.mid);
        Ok(facts)
    }

    async fn facts(&self) -> Result<Facts, MediaError> {
        let local = tokio::time::timeout(STEP_TIME, self.connection.local_description())
            .await
            .map_err(|_| MediaError::Timeout("local description".into()))?
            .ok_or_else(|| MediaError::Transport("no local description".into()))?;
        Facts::read(&local.sdp, self.visible)
    }

    /// The name under which the crate knows its section; texts shown to it must use the same.
    pub(super) fn mid(&self) -> String {
        self.mid.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes the next offer one with new ICE credentials.
    #[cfg(test)]
    pub(super) async fn restart(&self) -> Result<(), MediaError> {
        step("ICE restart", self.connection.restart_ice()).await
    }

    /// Ends the driver as a fault inside it would.
    #[cfg(test)]
    pub(super) fn kill(&self) {
        self.clock.kill();
    }

    /// Offer and answer are known now; the first call counts.
    pub(super) fn begin(&self) {
        let mut began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
        began.get_or_insert_with(Instant::now);
    }

    /// When offer and answer became known.
    pub(super) fn began(&self) -> Option<Instant> {
        *self.began.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state that the crate reported last; a driver that died reports nothing, so that counts as failed.
    pub(super) fn link(&self) -> Link {
        if self.closing.load(Ordering::Acquire) {
            return Link::Closed;
        }
        if self.signs.dead.load(Ordering::Acquire) {
            return Link::Failed;
        }
        Link::from_number(self.signs.link.load(Ordering::Acquire))
    }

    /// Whether the driver stopped by itself.
    pub(super) fn is_dead(&self) -> bool {
        self.signs.dead.load(Ordering::Acquire)
    }

    /// Whether it was connected at any time.
    pub(super) fn was_connected(&self) -> bool {
        self.signs.ever_connected.load(Ordering::Acquire)
    }

    /// Whether packets go through a TURN server.
    pub(super) fn is_relayed(&self) -> bool {
        self.signs.relayed.load(Ordering::Acquire)
    }

    /// Whether a TURN server is configured.
    pub(super) fn has_relays(&self) -> bool {
        self.has_relays
    }

    /// Hands a packet to the driver without waiting; false if it was not taken. Callable from any thread.
    pub(super) fn write(&self, packet: RtpPacket) -> bool {
        let taken = match self.track.write_rtp(sent(packet)).now_or_never() {
            Some(Ok(())) => true,
            // The text of this error contains the packet.
            Some(Err(_)) => {
                self.signs.dead.store(true, Ordering::Release);
                false
            }
            // The driver's queue is full.
            None => false,
        };
        if self.is_relayed() {
            self.poke();
        }
        taken
    }

    /// As [`Connection::write`], for a packet of video.
    pub(super) fn write_video(&self, packet: RtpPacket) -> bool {
        let taken = self.video.put(sent(packet));
        self.ring();
        taken
    }

    /// Asks the other side for a key frame; `ours` is the stream that we send. False when no video was heard.
    pub(super) fn ask_for_key_frame(&self, ours: u32) -> bool {
        let asked = self.video.ask_for_key_frame(ours);
        self.ring();
        asked
    }

    /// Asks the other side to send packets again; `ours` is the stream that we send. False when no video was heard.
    pub(super) fn ask_for_packets(&self, ours: u32, missing: &[u16]) -> bool {
        let asked = self.video.ask_for_packets(ours, missing);
        self.ring();
        asked
    }

    fn ring(&self) {
        if self.video.ring() {
            if !self.poke() {
                self.video.unring();
            }
            // The first time puts the packets into the relay's queue, the second time they leave.
            if self.is_relayed() {
                self.poke();
            }
        }
    }

    /// Wakes the driver; nothing goes to the network. The crate holds a relayed packet back until its driver wakes the
    /// next time. False if the driver did not take it: it is busy, or dead (see [`Connection::is_dead`]).
    pub(super) fn poke(&self) -> bool {
        match self.track.write_rtcp(Vec::new()).now_or_never() {
            Some(Ok(())) => true,
            Some(Err(_)) => {
                self.signs.dead.store(true, Ordering::Release);
                false
            }
            None => false,
        }
    }

    /// Calls the driver dead: it has not taken anything for too long.
    pub(super) fn give_up(&self) {
        self.signs.dead.store(true, Ordering::Release);
    }

    /// Asks the crate which path is in use: the round trip by ICE. Also renews [`Connection::is_relayed`].
    pub(super) async fn look_at_path(&self) -> Option<Duration> {
        let report = self.connection.get_stats(Instant::now(), StatsSelector::None);
        let report = tokio::time::timeout(STEP_TIME, report).await.ok()?;
        let selected = report.iter().find_map(|entry| match entry {
            RTCStatsReportEntry::Transport(transport) => Some(transport.selected_candidate_pair_id.as_str()),
            _ => None,
        })?;
        let pair = report.iter().find_map(|entry| match entry {
            RTCStatsReportEntry::IceCandidatePair(pair) if pair.stats.id == selected => Some(pair),
            _ => None,
        })?;
        let relayed = report.iter().any(|entry| match entry {
            // The candidate's own id has a prefix that the pair leaves out.
            RTCStatsReportEntry::LocalCandidate(candidate) => {
                candidate.stats.id.ends_with(&pair.local_candidate_id)
                    && candidate.candidate_type == RTCIceCandidateType::Relay
            }
            _ => false,
        });
        self.signs.relayed.store(relayed, Ordering::Release);
        Duration::try_from_secs_f64(pair.current_round_trip_time).ok().filter(|time| !time.is_zero())
    }

    /// Ends the connection: sockets are closed, TURN allocations released, received tracks ended. Twice does no harm.
    pub(super) async fn close(&self) {
        if !self.closing.swap(true, Ordering::AcqRel) {
            close(self.connection.clone(), self.take_servers()).await;
        }
    }

    fn take_servers(&self) -> Servers {
        std::mem::take(&mut *self.servers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Without `close` the crate's driver, its sockets and its memory would stay for ever.
impl Drop for Connection {
    fn drop(&mut self) {
        if !self.closing.swap(true, Ordering::AcqRel) {
            self.clock.lane().spawn(close(self.connection.clone(), self.take_servers()));
        }
    }
}

/// Bridges stay open until the connection has released its allocations through them.
async fn close(connection: Arc<dyn PeerConnection>, servers: Servers) {
    if let Err(error) = step("close", connection.close()).await {
        log::debug!("closing a connection: {error}");
    }
    drop(servers);
}

fn sockets(plan: &Plan<'_>, addresses: &Addresses, has_bridges: bool) -> Result<Vec<SocketAddr>, MediaError> {
    if let Some(replaced) = &plan.instead_of
        && !replaced.sockets.is_empty()
    {
        return Ok(replaced.sockets.clone());
    }
    let mut list = addresses::with_ports(&addresses.list, plan.config.ice.ports.as_ref())?;
    // Linux lets a socket bound to an outer address reach a bridge on the loopback address; other systems do not. The
    // candidate of this socket is left out of our texts.
    if has_bridges && !cfg!(target_os = "linux") && !addresses.list.iter().any(std::net::IpAddr::is_loopback) {
        let ipv4 = plan.config.ice.addresses.ipv4;
        list.push(if ipv4 {
            SocketAddr::from(([127, 0, 0, 1], 0))
        } else {
            SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 0))
        });
    }
    Ok(list)
}

async fn build_once(
    plan: &Plan<'_>,
    servers: &Servers,
    reports: &Reports,
    video: VideoPort,
    handler: Arc<Handler>,
    sockets: Vec<SocketAddr>,
) -> Result<Arc<dyn PeerConnection>, MediaError> {
    let (media, registry) = settings::media(plan.config, plan.ssrc, reports, video)?;
    let credentials = plan.instead_of.as_ref().map(|replaced| (replaced.ufrag.clone(), replaced.password.clone()));
    let build = PeerConnectionBuilder::new()
        .with_configuration(settings::configuration(&plan.config.ice, servers.list.clone(), plan.certificate.clone()))
        .with_media_engine(media)
        .with_setting_engine(settings::engine(plan.answering, credentials))
        .with_interceptor_registry(registry)
        .with_runtime(handler.clock.clone())
        .with_handler(handler)
        .with_udp_addrs(sockets)
        // The driver runs where the handler's clock puts it, on a lane, not on threads of the crate.
        .with_dedicated_reactor_pool_size(0)
        .build();
    let connection = step("peer connection", build).await?;
    Ok(Arc::new(connection))
}

/// Runs one of the crate's operations with an end.
async fn step<T, E: std::fmt::Display>(
    what: &str,
    operation: impl Future<Output = Result<T, E>>,
) -> Result<T, MediaError> {
    match tokio::time::timeout(STEP_TIME, operation).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(MediaError::Transport(format!("{what}: {error}"))),
        Err(_) => Err(MediaError::Timeout(what.to_owned())),
    }
}

/// What the crate refuses about a foreign description is a fault of the description.
fn as_sdp(error: MediaError) -> MediaError {
    match error {
        MediaError::Transport(text) => MediaError::Sdp(text),
        other => other,
    }
}

/// The crate's events. They come on the driver task: a method that waits holds up all media, one that panics ends it.
struct Handler {
    number: u64,
    signs: Arc<Signs>,
    clock: Arc<Clock>,
    gathering: Arc<watch::Sender<RTCIceGatheringState>>,
    wake: Arc<Notify>,
    inlet: Arc<dyn Inlet>,
    runtime: Handle,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.gathering.send_replace(state);
    }

    async fn on_ice_connection_state_change(&self, _: RTCIceConnectionState) {
        // There may be a path now, and a first DTLS message that waits for it.
        self.clock.hurry();
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let link = Link::of(state);
        if link == Link::Connected {
            self.signs.ever_connected.store(true, Ordering::Release);
        }
        self.signs.link.store(link as u8, Ordering::Release);
        self.wake.notify_one();
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let (inlet, number) = (self.inlet.clone(), self.number);
        // Ends with the connection: then `poll` gives nothing any more.
        self.runtime.spawn(async move {
            while let Some(event) = track.poll().await {
                if let TrackRemoteEvent::OnRtpPacket(packet) = event {
                    let arrival = Instant::now();
                    inlet.received(number, Medium::Audio, received(packet), arrival);
                }
            }
        });
    }
}

fn sent(packet: RtpPacket) -> rtp::Packet {
    let header = rtp::header::Header {
        version: 2,
        marker: packet.marker,
        payload_type: packet.payload_type,
        sequence_number: packet.sequence,
        timestamp: packet.timestamp,
        ssrc: packet.ssrc,
        ..Default::default()
    };
    rtp::Packet { header, payload: packet.payload }
}

fn received(packet: rtp::Packet) -> RtpPacket {
    RtpPacket {
        payload_type: packet.header.payload_type,
        marker: packet.header.marker,
        sequence: packet.header.sequence_number,
        timestamp: packet.header.timestamp,
        ssrc: packet.header.ssrc,
        payload: packet.payload,
    }
}
