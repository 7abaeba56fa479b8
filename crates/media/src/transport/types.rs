//! The plain types at the edge of the transport: packets, events, configuration, the result of a negotiation.
//!
//! Owns: nothing but data. Lives on any thread. Must not import anything of the `webrtc` or `rtc` crates, nor anything
//! else of this crate: the rest of the crate is built upon these types.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// One RTP packet (RFC 3550 section 5.1) without header extensions, contributing sources and padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpPacket {
    /// Payload type, 0–127.
    pub payload_type: u8,
    /// Marker bit: the first packet of a talk spurt or of a telephone event; the last packet of a picture.
    pub marker: bool,
    /// Sequence number; wraps around. [`Transport::send`](super::Transport::send) replaces it by its own, which counts
    /// the packets that really left, so that a packet dropped before the network looks like no loss.
    pub sequence: u16,
    /// Time stamp in ticks of the payload type's clock; wraps around.
    pub timestamp: u32,
    /// Synchronisation source. [`Transport::send`](super::Transport::send) replaces it by its own.
    pub ssrc: u32,
    /// The payload as it goes to the decoder.
    pub payload: Bytes,
}

/// A kind of media, in the sense of a section of the session description.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Medium {
    /// Sound.
    Audio,
    /// Pictures: bundled with the audio (RFC 9143), and only as long as they are wished for, see
    /// [`Transport::set_video`](super::Transport::set_video).
    Video,
}

/// Direction of a medium as seen by the side that says it (RFC 3264 section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// We send and receive.
    SendRecv,
    /// We only send: the way to put the other side on hold.
    SendOnly,
    /// We only receive.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// Whether we send.
    #[must_use]
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether we receive.
    #[must_use]
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The same agreement seen from the other side.
    #[must_use]
    pub fn reversed(self) -> Direction {
        Direction::of(self.receives(), self.sends())
    }

    /// What both directions allow, both seen from the same side.
    #[must_use]
    pub fn intersect(self, other: Direction) -> Direction {
        Direction::of(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The direction that sends and receives as told.
    #[must_use]
    pub fn of(sends: bool, receives: bool) -> Direction {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }
}

/// A codec for speech that can be offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AudioCodec {
    /// Opus, 48 kHz clock (RFC 6716, RFC 7587).
    Opus,
    /// G.711 µ-law, 8 kHz (RFC 3551 section 4.5.14).
    Pcmu,
    /// G.711 A-law, 8 kHz (RFC 3551 section 4.5.14).
    Pcma,
}

impl AudioCodec {
    /// Ticks per second of the RTP time stamp.
    #[must_use]
    pub fn clock_rate(self) -> u32 {
        match self {
            AudioCodec::Opus => 48_000,
            AudioCodec::Pcmu | AudioCodec::Pcma => 8_000,
        }
    }

    /// The name of the encoding in a session description.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            AudioCodec::Opus => "opus",
            AudioCodec::Pcmu => "PCMU",
            AudioCodec::Pcma => "PCMA",
        }
    }
}

/// State of a transport, as one line through ICE, DTLS and the crate's own life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportState {
    /// Built; offer and answer have not both been seen.
    New,
    /// Offer and answer are known; connectivity checks and the DTLS hand-shake run.
    Connecting,
    /// Media can flow.
    Connected,
    /// The other side has not been heard for some seconds; this may recover by itself.
    Disconnected,
    /// The path is lost, or was not found within [`IceConfig::connect_timeout`], or the connection broke down. The text
    /// is for a person. Only a new offer and answer can lead out of this state.
    Failed(String),
    /// Final: closed by us.
    Closed,
}

/// What the other side reported about the packets that we sent it (RTCP receiver report, RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RemoteReport {
    /// Share of our packets that was lost since the last report, 0.0–1.0.
    pub fraction_lost: f32,
    /// Interarrival jitter that the other side sees.
    pub jitter: Duration,
    /// Round-trip time, once the other side has seen a sender report of ours.
    pub round_trip: Option<Duration>,
}

/// What a transport tells its owner.
///
/// The methods are called on a thread of the tokio runtime and hold up every connection of that worker while they
/// run: they must neither block nor wait. They are never called with a lock of the transport held; calling the
/// transport's synchronous methods from inside is allowed. The implementor must not own a
/// [`Transport`](super::Transport) (hold it weakly or elsewhere): a transport ends with its last handle.
pub trait TransportEvents: Send + Sync + 'static {
    /// A packet has arrived and was decrypted; `arrival` is the moment at which it was taken from the connection.
    fn rtp(&self, medium: Medium, packet: RtpPacket, arrival: Instant);
    /// The other side has reported on our packets of audio.
    fn rtcp(&self, _report: RemoteReport) {}
    /// The other side cannot show our video and asks for a key frame (PLI, RFC 4585 section 6.3.1, or FIR, RFC 5104
    /// section 4.3.1). It may ask many times for one loss.
    fn key_frame_wanted(&self) {}
    /// The state has changed. `Closed` is the last one; no packet is told after it, save one that is being handed over at
    /// that moment. States that follow each other faster than they can be
    /// told may be left out; the latest one never is.
    fn state(&self, state: TransportState);
}

/// A secret text, e.g. the password of a TURN server. `Debug` prints its length only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credential(String);

impl Credential {
    /// Keeps `text` from the logs.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Credential {
        Credential(text.into())
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({} bytes)", self.0.len())
    }
}

impl From<&str> for Credential {
    fn from(text: &str) -> Credential {
        Credential::new(text)
    }
}

impl From<String> for Credential {
    fn from(text: String) -> Credential {
        Credential::new(text)
    }
}

/// A STUN or TURN server with one account (RFC 8489, RFC 8656).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:host[:port]`, `turn:host[:port][?transport=udp|tcp]` (RFC 7064, RFC 7065) or
    /// `turns:host[:port][?transport=tcp]`.
    pub urls: Vec<String>,
    /// User name for TURN; empty for STUN.
    pub username: String,
    /// Password for TURN.
    pub credential: Credential,
}

impl IceServer {
    /// True when there is a URL, and all of them can be read (RFC 7064, RFC 7065). Whether somebody answers there is not looked
    /// at.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        !self.urls.is_empty() && self.urls.iter().all(|url| super::servers::is_readable(url))
    }
}

/// Which paths may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum IcePolicy {
    /// Every path.
    #[default]
    All,
    /// Only through a TURN server: our own addresses stay hidden.
    Relay,
    /// No path: a connection is refused when it is built.
    None,
}

/// Which local addresses are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressPolicy {
    /// Offer IPv4 addresses.
    pub ipv4: bool,
    /// Offer IPv6 addresses (no link-local ones).
    pub ipv6: bool,
    /// Offer loopback addresses as well. Without it they are offered only when the host has no other address.
    pub loopback: bool,
}

impl Default for AddressPolicy {
    fn default() -> AddressPolicy {
        AddressPolicy { ipv4: true, ipv6: true, loopback: false }
    }
}

/// How a path to the other side is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceConfig {
    /// STUN and TURN servers.
    pub servers: Vec<IceServer>,
    /// Which paths may be used.
    pub policy: IcePolicy,
    /// Which local addresses are offered.
    pub addresses: AddressPolicy,
    /// UDP ports to take; `None` lets the system choose.
    pub ports: Option<RangeInclusive<u16>>,
    /// An offer or answer goes out this long after gathering began, with the candidates found by then; without any, it
    /// waits up to five seconds for the first one.
    pub gather_deadline: Duration,
    /// A connection that is not up this long after offer and answer are known fails.
    pub connect_timeout: Duration,
    /// Root certificates (PEM) that are trusted for `turns:` besides those of the system.
    pub extra_root_certificates_pem: Vec<String>,
}

impl Default for IceConfig {
    fn default() -> IceConfig {
        IceConfig {
            servers: Vec::new(),
            policy: IcePolicy::All,
            addresses: AddressPolicy::default(),
            ports: None,
            gather_deadline: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(15),
            extra_root_certificates_pem: Vec::new(),
        }
    }
}

/// A codec for video that can be offered. Pictures go through as they were encoded; none is encoded or decoded here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// VP8 (RFC 6386), in packets by RFC 7741.
    Vp8,
    /// H.264, in packets by RFC 6184 with packetization mode 1; offered as constrained baseline, level 3.1.
    H264,
}

impl VideoCodec {
    /// Ticks per second of the RTP time stamp, the same for all video codecs.
    pub const CLOCK_RATE: u32 = 90_000;

    /// The name of the encoding in a session description.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            VideoCodec::Vp8 => "VP8",
            VideoCodec::H264 => "H264",
        }
    }
}

/// What a transport is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportConfig {
    /// How a path is looked for.
    pub ice: IceConfig,
    /// Codecs in order of preference; a codec given twice counts once, an empty list means the default one.
    pub audio_codecs: Vec<AudioCodec>,
    /// Codecs for video in order of preference; a codec given twice counts once. With an empty list video is neither
    /// offered nor accepted.
    pub video_codecs: Vec<VideoCodec>,
}

impl Default for TransportConfig {
    fn default() -> TransportConfig {
        TransportConfig {
            ice: IceConfig::default(),
            audio_codecs: vec![AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Pcma],
            video_codecs: vec![VideoCodec::Vp8, VideoCodec::H264],
        }
    }
}

/// What offer and answer agreed upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Negotiated {
    /// The audio section.
    pub audio: NegotiatedAudio,
    /// The video section, if there is one that neither side has refused. Its direction may still be
    /// [`Direction::Inactive`]: video that is taken away in a call stays as an inactive section.
    pub video: Option<NegotiatedVideo>,
}

/// What offer and answer agreed upon for video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NegotiatedVideo {
    /// The first codec of the answer.
    pub codec: VideoCodec,
    /// The payload type to send it with.
    pub payload_type: u8,
    /// Who sends and receives now, seen from our side.
    pub direction: Direction,
    /// Every payload type that either side may send video with, and its codec.
    pub payload_types: PayloadTypes<VideoCodec>,
    /// Both sides send a packet again that the other one asks for (generic NACK, RFC 4585 section 6.2.1).
    pub repeats: bool,
}

/// What offer and answer agreed upon for audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NegotiatedAudio {
    /// The codec to send; the first one of the answer.
    pub codec: AudioCodec,
    /// The payload type to send it with.
    pub payload_type: u8,
    /// Payload type and clock rate of telephone events (RFC 4733), if both sides have them. The clock rate is that of
    /// the codec if the other side offers it so.
    pub telephone_event: Option<(u8, u32)>,
    /// Every payload type that the other side may send telephone events with; there are two clock rates.
    pub telephone_events: [Option<u8>; 2],
    /// Who sends and receives now, seen from our side.
    pub direction: Direction,
    /// Every payload type that the other side may send speech with, and its codec.
    pub payload_types: PayloadTypes,
}

/// Payload types and what they stand for in one direction of one negotiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadTypes<C = AudioCodec> {
    // One place per codec that we know; there are no more than three of a medium.
    entries: [Option<(u8, C)>; 3],
}

impl<C> Default for PayloadTypes<C> {
    fn default() -> PayloadTypes<C> {
        PayloadTypes { entries: [None, None, None] }
    }
}

impl<C: Copy + PartialEq> PayloadTypes<C> {
    /// The table with these entries; a codec that comes twice keeps its first payload type.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = (u8, C)>) -> PayloadTypes<C> {
        let mut table = PayloadTypes::default();
        for (payload_type, codec) in entries {
            if table.payload_type(codec).is_none()
                && let Some(free) = table.entries.iter_mut().find(|entry| entry.is_none())
            {
                *free = Some((payload_type, codec));
            }
        }
        table
    }

    /// The codec of a payload type.
    #[must_use]
    pub fn codec(&self, payload_type: u8) -> Option<C> {
        self.entries.iter().flatten().find(|(number, _)| *number == payload_type).map(|(_, codec)| *codec)
    }

    /// The payload type of a codec.
    #[must_use]
    pub fn payload_type(&self, codec: C) -> Option<u8> {
        self.entries.iter().flatten().find(|(_, known)| *known == codec).map(|(number, _)| *number)
    }

    /// The payload types in the order in which they were agreed upon.
    pub fn numbers(&self) -> impl Iterator<Item = u8> + '_ {
        self.entries.iter().flatten().map(|(number, _)| *number)
    }
}

/// Figures of a transport since it was made, audio and video together; they run on over a change of the connection
/// beneath.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TransportStats {
    /// Packets handed to the network.
    pub packets_sent: u64,
    /// Payload bytes of those.
    pub bytes_sent: u64,
    /// Packets that [`Transport::send`](super::Transport::send) dropped: not connected, not allowed by the direction,
    /// or the queue was full.
    pub packets_dropped: u64,
    /// Packets received.
    pub packets_received: u64,
    /// Payload bytes of those.
    pub bytes_received: u64,
    /// Round-trip time by RTCP, or by ICE as long as there is no report.
    pub round_trip: Option<Duration>,
    /// Share of our packets lost, as in the last report of the other side.
    pub remote_fraction_lost: Option<f32>,
    /// Jitter that the other side sees, as in its last report.
    pub remote_jitter: Option<Duration>,
    /// Whether our packets go through a TURN server.
    pub relayed: bool,
}
