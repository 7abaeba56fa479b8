//! The settings of a phone.
//!
//! Owns: [`PhoneConfig`]. Lives on: any thread. Must not import: `runtime`.

use crate::core::EventChannel;
use ewebrtc_media::transport::{AudioCodec, IceConfig, VideoCodec};

/// What a phone must know before it exists. Start from [`PhoneConfig::new`] and change what differs.
#[derive(Debug, Clone)]
pub struct PhoneConfig {
    /// Address of the gateway, `http://host:port` or `https://host`, without the resource base.
    pub gateway: String,
    /// Domain appended to names and short numbers. `None`: the domain of one's own address as the gateway names it at
    /// login, else `ewebrtc.local`.
    pub domain: Option<String>,
    /// `localMedia` of calls that give none, as in [`CallSettings`](super::CallSettings). Default `silence`.
    pub local_media: String,
    /// `remoteMedia` of calls that give none, as in [`CallSettings`](super::CallSettings). Default `discard`.
    pub remote_media: String,
    /// Samples per second of program PCM (16-bit mono), 8000 to 48000. Default 48000.
    pub pcm_rate: u32,
    /// STUN and TURN servers, IPv4 and IPv6, ports. Loopback candidates are offered when the gateway is on loopback,
    /// whatever this says.
    pub ice: IceConfig,
    /// How the phone hears of events. Default [`EventChannel::LongPoll`], which every gateway offers; a phone that is to use a
    /// WebSocket polls where the gateway offers none.
    pub event_channel: EventChannel,
    /// Audio codecs in order of preference. Default Opus, PCMU, PCMA.
    pub audio_codecs: Vec<AudioCodec>,
    /// Video codecs in order of preference. Default VP8, H.264. Video is sent as its source has encoded it, so both sides
    /// should know the codec of the other's source.
    pub video_codecs: Vec<VideoCodec>,
    /// Effort of the Opus encoder, 0 to 10. Default 9; 5 costs a sixth less CPU.
    pub opus_complexity: u8,
    /// Certificates in PEM that are trusted beside the operating system's, for the gateway's TLS.
    pub root_certificates: Vec<String>,
}

impl PhoneConfig {
    /// A phone for the gateway at this address, everything else by default.
    pub fn new(gateway: impl Into<String>) -> Self {
        Self {
            gateway: gateway.into(),
            domain: None,
            local_media: "silence".into(),
            remote_media: "discard".into(),
            pcm_rate: 48_000,
            event_channel: EventChannel::LongPoll,
            ice: IceConfig::default(),
            audio_codecs: vec![AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Pcma],
            video_codecs: vec![VideoCodec::Vp8, VideoCodec::H264],
            opus_complexity: 9,
            root_certificates: Vec::new(),
        }
    }
}
