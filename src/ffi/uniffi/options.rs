//! Settings and options as records with defaults. An absent value means the library's own default, which is stated once, in
//! `api`.
//!
//! Owns: the records. Lives on: any thread. Must not import: `runtime`, `core`, `signal`.

use super::video::VideoCodec;
use crate::api;
use std::time::Duration;

/// A STUN or TURN server with one account.
#[derive(Clone, uniffi::Record)]
pub struct IceServer {
    /// `stun:host[:port]`, `turn:host[:port][?transport=udp|tcp]` or `turns:host[:port][?transport=tcp]`.
    pub urls: Vec<String>,
    /// User name for TURN.
    #[uniffi(default = "")]
    pub username: String,
    /// Password for TURN.
    #[uniffi(default = "")]
    pub credential: String,
}

/// A codec for speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum AudioCodec {
    /// Opus, 48 kHz.
    Opus,
    /// G.711 µ-law, 8 kHz.
    Pcmu,
    /// G.711 A-law, 8 kHz.
    Pcma,
}

impl From<AudioCodec> for api::AudioCodec {
    fn from(codec: AudioCodec) -> Self {
        match codec {
            AudioCodec::Opus => Self::Opus,
            AudioCodec::Pcmu => Self::Pcmu,
            AudioCodec::Pcma => Self::Pcma,
        }
    }
}

/// How a phone hears of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum EventChannel {
    /// One request after the other waits at the gateway for events: what every gateway offers.
    LongPoll,
    /// One WebSocket, over which events come as they happen. The phone polls where the gateway offers none or none can be
    /// opened.
    WebSocket,
}

impl From<EventChannel> for api::EventChannel {
    fn from(channel: EventChannel) -> Self {
        match channel {
            EventChannel::LongPoll => Self::LongPoll,
            EventChannel::WebSocket => Self::WebSocket,
        }
    }
}

/// UDP ports, both ends included.
#[derive(Debug, Clone, Copy, uniffi::Record)]
pub struct PortRange {
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
}

/// What a phone must know before it exists.
#[derive(Clone, uniffi::Record)]
pub struct PhoneConfig {
    /// Address of the gateway, `http://host:port` or `https://host`.
    pub gateway: String,
    /// Domain appended to names and short numbers; absent: that of one's own address as the gateway names it.
    #[uniffi(default = None)]
    pub domain: Option<String>,
    /// `localMedia` of calls that give none: `silence` (default), `tone:HZ`, `wav:PATH` or `pcm`.
    #[uniffi(default = None)]
    pub local_media: Option<String>,
    /// `remoteMedia` of calls that give none: `discard` (default), `wav:PATH` or `pcm`.
    #[uniffi(default = None)]
    pub remote_media: Option<String>,
    /// Samples per second of program audio, 8000 to 48000; default 48000.
    #[uniffi(default = None)]
    pub pcm_rate: Option<u32>,
    /// STUN and TURN servers.
    #[uniffi(default = [])]
    pub ice_servers: Vec<IceServer>,
    /// Only paths through a TURN server, so that one's own addresses stay hidden.
    #[uniffi(default = false)]
    pub relay_only: bool,
    /// Offer IPv4 addresses.
    #[uniffi(default = true)]
    pub ipv4: bool,
    /// Offer IPv6 addresses.
    #[uniffi(default = true)]
    pub ipv6: bool,
    /// Offer loopback addresses also when the gateway is not on loopback.
    #[uniffi(default = false)]
    pub loopback: bool,
    /// UDP ports for media; absent: the system chooses.
    #[uniffi(default = None)]
    pub ports: Option<PortRange>,
    /// A description goes out this many milliseconds after gathering began; default 500.
    #[uniffi(default = None)]
    pub gather_ms: Option<u32>,
    /// A connection that is not up after this many milliseconds fails; default 15000.
    #[uniffi(default = None)]
    pub connect_ms: Option<u32>,
    /// How the phone hears of events; absent: by long polling.
    #[uniffi(default = None)]
    pub event_channel: Option<EventChannel>,
    /// Audio codecs in order of preference; absent: Opus, PCMU, PCMA.
    #[uniffi(default = None)]
    pub audio_codecs: Option<Vec<AudioCodec>>,
    /// Video codecs in order of preference; absent: VP8, H.264.
    #[uniffi(default = None)]
    pub video_codecs: Option<Vec<VideoCodec>>,
    /// Effort of the Opus encoder, 0 to 10; default 9.
    #[uniffi(default = None)]
    pub opus_complexity: Option<u8>,
    /// Certificates in PEM that are trusted beside the operating system's, for the gateway and for `turns:` servers.
    #[uniffi(default = [])]
    pub root_certificates: Vec<String>,
}

impl From<PhoneConfig> for api::PhoneConfig {
    fn from(given: PhoneConfig) -> Self {
        let mut config = Self::new(given.gateway);
        config.domain = given.domain;
        set(&mut config.local_media, given.local_media);
        set(&mut config.remote_media, given.remote_media);
        set(&mut config.pcm_rate, given.pcm_rate);
        set(&mut config.opus_complexity, given.opus_complexity);
        set(&mut config.event_channel, given.event_channel.map(Into::into));
        set(&mut config.audio_codecs, given.audio_codecs.map(|list| list.into_iter().map(Into::into).collect()));
        set(&mut config.video_codecs, given.video_codecs.map(|list| list.into_iter().map(Into::into).collect()));
        let ice = &mut config.ice;
        ice.servers = given.ice_servers.into_iter().map(Into::into).collect();
        if given.relay_only {
            ice.policy = api::IcePolicy::Relay;
        }
        ice.addresses = api::AddressPolicy { ipv4: given.ipv4, ipv6: given.ipv6, loopback: given.loopback };
        ice.ports = given.ports.map(|ports| ports.first..=ports.last);
        set(&mut ice.gather_deadline, given.gather_ms.map(|ms| Duration::from_millis(ms.into())));
        set(&mut ice.connect_timeout, given.connect_ms.map(|ms| Duration::from_millis(ms.into())));
        config.root_certificates = given.root_certificates;
        config
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

impl From<IceServer> for api::IceServer {
    fn from(server: IceServer) -> Self {
        Self { urls: server.urls, username: server.username, credential: server.credential.into() }
    }
}

/// Options of `login`.
#[derive(Clone, uniffi::Record)]
pub struct LoginOptions {
    /// Access token of the user.
    pub token: String,
    /// User id to bind the token to before the session is made.
    #[uniffi(default = None)]
    pub user_id: Option<String>,
    /// Emergency address identifier; needed by numbers, forbidden for account ids.
    #[uniffi(default = None)]
    pub e911_id: Option<String>,
}

impl From<LoginOptions> for api::LoginOptions {
    fn from(given: LoginOptions) -> Self {
        let mut options = Self::new(given.token);
        (options.user_id, options.e911_id) = (given.user_id, given.e911_id);
        options
    }
}

/// Options of `dial`.
#[derive(Debug, Clone, uniffi::Record)]
pub struct DialOptions {
    /// Name, `user@domain` or number.
    pub destination: String,
    /// `audio` or `video`; absent: `video` where there is a source of it.
    #[uniffi(default = None)]
    pub media_type: Option<String>,
    /// Where audio and video come from; absent: as in the call before, at first as in the phone's settings.
    #[uniffi(default = None)]
    pub local_media: Option<String>,
    /// Where they go; absent: as `local_media`.
    #[uniffi(default = None)]
    pub remote_media: Option<String>,
}

impl From<DialOptions> for api::DialOptions {
    fn from(given: DialOptions) -> Self {
        let mut options = Self::new(given.destination);
        options.media_type = given.media_type;
        options.media = api::CallSettings { local_media: given.local_media, remote_media: given.remote_media };
        options
    }
}

/// Options of `answer`.
#[derive(Debug, Clone, uniffi::Record)]
pub struct AnswerOptions {
    /// As in [`DialOptions`].
    #[uniffi(default = None)]
    pub local_media: Option<String>,
    /// As in [`DialOptions`].
    #[uniffi(default = None)]
    pub remote_media: Option<String>,
    /// `audio`: answer a video call with audio only; absent: as it was offered, where there is a source of video.
    #[uniffi(default = None)]
    pub media_type: Option<String>,
    /// What to do with the call in the foreground: `end` or `hold`.
    #[uniffi(default = None)]
    pub action: Option<String>,
}

impl From<AnswerOptions> for api::AnswerOptions {
    fn from(given: AnswerOptions) -> Self {
        let media = api::CallSettings { local_media: given.local_media, remote_media: given.remote_media };
        Self { media, media_type: given.media_type, action: given.action }
    }
}
