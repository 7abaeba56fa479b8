//! The settings of a phone.
//!
//! Owns: [`PhoneConfig`]. Lives on: any thread. Must not import: `runtime`.

use super::error::Error;
use super::ice;
use crate::core::EventChannel;
use crate::core::media_target::{LocalMedia, RemoteMedia};
use ewebrtc_media::transport::{AudioCodec, IceConfig, VideoCodec};

/// Longest name of a domain in the DNS (RFC 1035 section 2.3.4), as text.
const LONGEST_DOMAIN: usize = 253;

/// What a phone must know before it exists. Start from [`PhoneConfig::new`] and change what differs.
#[derive(Debug, Clone)]
pub struct PhoneConfig {
    /// Address of the gateway, `http://host:port` or `https://host`, without the resource base.
    pub gateway: String,
    /// Domain appended to names and short numbers. `None`: the domain of one's own address as the gateway names it at
    /// login, else `ewebrtc.local`. At most 253 bytes, no control characters.
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
    /// Certificates in PEM that are trusted beside the operating system's, for the gateway and for `turns:` servers.
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

    /// Refuses what cannot be used; the gateway's address and the certificates are read where they are used. The texts are those
    /// that every language shows.
    pub(super) fn check(&self) -> Result<(), Error> {
        let refused = |text: String| Err(Error::Config(text));
        if let Some(domain) = &self.domain
            && (domain.len() > LONGEST_DOMAIN || domain.chars().any(char::is_control))
        {
            return refused(format!(
                "domain cannot be used: it has more than {LONGEST_DOMAIN} bytes, or control characters"
            ));
        }
        if LocalMedia::parse(&self.local_media).is_err() {
            return refused(format!("local_media {:?} is no source", self.local_media));
        }
        if RemoteMedia::parse(&self.remote_media).is_err() {
            return refused(format!("remote_media {:?} is no sink", self.remote_media));
        }
        if !(8_000..=48_000).contains(&self.pcm_rate) {
            return refused(format!("pcm_rate {} is not within 8000 to 48000", self.pcm_rate));
        }
        if self.audio_codecs.is_empty() {
            return refused("audio_codecs is empty".into());
        }
        if self.video_codecs.is_empty() {
            return refused("video_codecs is empty".into());
        }
        if self.opus_complexity > 10 {
            return refused(format!("opus_complexity {} is not within 0 to 10", self.opus_complexity));
        }
        ice::check(&self.ice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ewebrtc_media::transport::IceServer;
    use std::ops::RangeInclusive;

    fn refusal(change: impl FnOnce(&mut PhoneConfig)) -> String {
        let mut config = PhoneConfig::new("http://127.0.0.1:1");
        config.check().expect("the defaults can be used");
        change(&mut config);
        match config.check() {
            Err(Error::Config(text)) => text,
            other => panic!("{config:?}: {other:?}"),
        }
    }

    fn server(url: &str) -> IceServer {
        let urls = Some(url).filter(|url| !url.is_empty()).map(str::to_owned).into_iter().collect();
        IceServer { urls, username: String::new(), credential: "secret".into() }
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_a_text_that_names_it() {
        for ports in [0..=0, 0..=9, RangeInclusive::new(9, 8)] {
            let text = refusal(|config| config.ice.ports = Some(ports.clone()));
            assert_eq!(text, format!("ports {} to {} are no UDP ports", ports.start(), ports.end()));
        }
        let text = refusal(|config| (config.ice.addresses.ipv4, config.ice.addresses.ipv6) = (false, false));
        assert_eq!(text, "neither IPv4 nor IPv6 addresses are allowed");
        for url in ["", "http:secret", "turn:secret:no port"] {
            let text = refusal(|config| config.ice.servers = vec![server("stun:127.0.0.1"), server(url)]);
            assert_eq!(text, "ICE server 2 has no URL, or one that cannot be read");
        }
        for domain in ["a\0b", "a\nb", &"a".repeat(254)] {
            let text = refusal(|config| config.domain = Some(domain.to_owned()));
            assert_eq!(text, "domain cannot be used: it has more than 253 bytes, or control characters");
        }
        assert_eq!(refusal(|config| config.pcm_rate = 7_999), "pcm_rate 7999 is not within 8000 to 48000");
        assert_eq!(refusal(|config| config.opus_complexity = 11), "opus_complexity 11 is not within 0 to 10");
        assert_eq!(refusal(|config| config.audio_codecs.clear()), "audio_codecs is empty");
        assert_eq!(refusal(|config| config.video_codecs.clear()), "video_codecs is empty");
        assert_eq!(refusal(|config| config.local_media = "song".into()), "local_media \"song\" is no source");
        assert_eq!(refusal(|config| config.remote_media = "tone:9".into()), "remote_media \"tone:9\" is no sink");
    }
}
