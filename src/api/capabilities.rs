//! What this library can do on this machine: the counterpart of the namespace `browser` (`hasWebRTC`, `getBrowserSupport`,
//! `isNetworkConnected`).
//!
//! Owns: [`Capabilities`], [`Support`], [`is_network_connected`]. Lives on: any thread; listing the network interfaces takes a
//! system call or two, nothing is sent. Must not import: `runtime`, `signal`, `core`'s machines.

use super::config::PhoneConfig;
use ewebrtc_media::transport::{AudioCodec, VideoCodec};
use serde_json::{Value, json};
use std::fmt;
use std::net::IpAddr;

/// Systems and processors on which the library's tests are run.
const SUPPORTED: &[(&str, &str)] = &[("linux", "x86_64")];

/// Where the audio of a call may come from: the words of `localMedia`.
const SOURCES: &[&str] = &["silence", "tone", "wav", "pcm"];

/// Where it may go: the words of `remoteMedia`.
const SINKS: &[&str] = &["discard", "wav", "pcm"];

/// Where the video of a call may come from: the words after `;video=` in `localMedia`.
const VIDEO_SOURCES: &[&str] = &["ivf", "frames"];

/// Where it may go: the words after `;video=` in `remoteMedia`.
const VIDEO_SINKS: &[&str] = &["discard", "ivf", "frames"];

/// Ways to find a path through NAT and firewalls, as the URLs of ICE servers name them.
const ICE_SERVERS: &[&str] = &["stun:", "turn:?transport=udp", "turn:?transport=tcp", "turns:?transport=tcp"];

/// Whether calls work here, as `hasWebRTC` answers it. The third answer of the Phone API, "Not Supported", cannot occur: where
/// the library does not work it cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// The library's tests are run on such machines.
    Supported,
    /// It was compiled for this machine, and nobody has tested that.
    NotCertified,
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Support::Supported => "Supported",
            Support::NotCertified => "Not Certified",
        })
    }
}

/// A report of what this library can do on this machine, at the moment it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Version of the library.
    pub version: &'static str,
    /// Operating system it was compiled for, e.g. `linux`.
    pub os: &'static str,
    /// Processor it was compiled for, e.g. `x86_64`.
    pub arch: &'static str,
    /// Whether calls work here.
    pub support: Support,
    /// Codecs for audio, best first, by their names in a session description.
    pub audio_codecs: Vec<&'static str>,
    /// Codecs for video, best first, by their names in a session description.
    pub video_codecs: Vec<&'static str>,
    /// Words of `localMedia`.
    pub sources: &'static [&'static str],
    /// Words of `remoteMedia`.
    pub sinks: &'static [&'static str],
    /// Words after `;video=` in `localMedia`.
    pub video_sources: &'static [&'static str],
    /// Words after `;video=` in `remoteMedia`.
    pub video_sinks: &'static [&'static str],
    /// URLs of ICE servers that are understood.
    pub ice_servers: &'static [&'static str],
    /// Parts that may be compiled in and are, e.g. `gateway`.
    pub features: Vec<&'static str>,
    /// This machine has an IPv4 address with which it reaches others.
    pub ipv4: bool,
    /// This machine has an IPv6 address with which it reaches others.
    pub ipv6: bool,
}

impl Capabilities {
    /// Looks at the library and at the machine.
    pub fn now() -> Self {
        let (ipv4, ipv6) = families();
        let PhoneConfig { audio_codecs, video_codecs, .. } = PhoneConfig::new("");
        Self {
            version: crate::VERSION,
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            support: support(std::env::consts::OS, std::env::consts::ARCH),
            audio_codecs: audio_codecs.into_iter().map(AudioCodec::name).collect(),
            video_codecs: video_codecs.into_iter().map(VideoCodec::name).collect(),
            sources: SOURCES,
            sinks: SINKS,
            video_sources: VIDEO_SOURCES,
            video_sinks: VIDEO_SINKS,
            ice_servers: ICE_SERVERS,
            features: if cfg!(feature = "gateway") { vec!["gateway"] } else { Vec::new() },
            ipv4,
            ipv6,
        }
    }

    /// There is a network besides loopback (`isNetworkConnected`). Calls through a gateway on the same machine need none.
    pub fn network_connected(&self) -> bool {
        self.ipv4 || self.ipv6
    }

    /// Operating systems and processors that are [`Support::Supported`] (`getBrowserSupport`).
    pub fn supported_platforms() -> &'static [(&'static str, &'static str)] {
        SUPPORTED
    }

    /// The report as one JSON object: `version`, `target` (`os`, `arch`), `hasWebRTC`, `supported` (a list of targets),
    /// `audioCodecs`, `videoCodecs`, `sources`, `sinks`, `videoSources`, `videoSinks`, `iceServers`, `features`, `ipv4`, `ipv6`,
    /// `isNetworkConnected`.
    pub fn to_json(&self) -> Value {
        let target = |(os, arch): &(&str, &str)| json!({"os": os, "arch": arch});
        json!({
            "version": self.version,
            "target": target(&(self.os, self.arch)),
            "hasWebRTC": self.support.to_string(),
            "supported": Self::supported_platforms().iter().map(target).collect::<Vec<_>>(),
            "audioCodecs": self.audio_codecs,
            "videoCodecs": self.video_codecs,
            "sources": self.sources,
            "sinks": self.sinks,
            "videoSources": self.video_sources,
            "videoSinks": self.video_sinks,
            "iceServers": self.ice_servers,
            "features": self.features,
            "ipv4": self.ipv4,
            "ipv6": self.ipv6,
            "isNetworkConnected": self.network_connected(),
        })
    }
}

/// True when there is a network besides loopback: an interface that is up and has an address with which it reaches others
/// (`isNetworkConnected`). False as well when the system does not list its interfaces.
pub fn is_network_connected() -> bool {
    families() != (false, false)
}

fn support(os: &str, arch: &str) -> Support {
    if SUPPORTED.contains(&(os, arch)) { Support::Supported } else { Support::NotCertified }
}

/// Whether this machine has IPv4 and IPv6 addresses of use.
fn families() -> (bool, bool) {
    match if_addrs::get_if_addrs() {
        Ok(interfaces) => families_of(interfaces.iter().map(|interface| (interface.ip(), interface.is_oper_up()))),
        Err(error) => {
            log::warn!("the network interfaces cannot be listed: {error}");
            (false, false)
        }
    }
}

/// Those of interfaces that are up, loopback and link-local ones left out: such are not offered in calls either.
fn families_of(found: impl Iterator<Item = (IpAddr, bool)>) -> (bool, bool) {
    found.filter(|(_, up)| *up).fold((false, false), |(ipv4, ipv6), (address, _)| match address {
        _ if address.is_loopback() || address.is_unspecified() => (ipv4, ipv6),
        IpAddr::V4(address) => (ipv4 || !address.is_link_local(), ipv6),
        IpAddr::V6(address) => (ipv4, ipv6 || !address.is_unicast_link_local()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::media_target::{LocalMedia, RemoteMedia};

    #[test]
    fn only_addresses_that_reach_others_count_as_a_network() {
        let seen = |list: &[(&str, bool)]| {
            families_of(list.iter().map(|(address, up)| (address.parse().expect("an address"), *up)))
        };
        assert_eq!(seen(&[]), (false, false));
        assert_eq!(
            seen(&[("127.0.0.1", true), ("::1", true), ("169.254.3.4", true), ("fe80::1", true)]),
            (false, false)
        );
        assert_eq!(seen(&[("192.0.2.5", false), ("2001:db8::5", false)]), (false, false));
        assert_eq!(seen(&[("127.0.0.1", true), ("192.0.2.5", true)]), (true, false));
        assert_eq!(seen(&[("2001:db8::5", true), ("192.0.2.5", false)]), (false, true));
    }

    #[test]
    fn platforms_are_told_apart() {
        assert_eq!(support("linux", "x86_64").to_string(), "Supported");
        assert_eq!(support("plan9", "mips").to_string(), "Not Certified");
    }

    #[test]
    fn sources_and_sinks_are_the_words_that_can_be_opened() {
        let file = std::env::temp_dir().join(format!("ewebrtc-capabilities-{}.wav", std::process::id()));
        let target = |word: &str| match word {
            "tone" => "tone:440".to_owned(),
            "wav" => format!("wav:{}", file.display()),
            word => word.to_owned(),
        };
        let mut studio = crate::audio::Studio::new(48_000);
        let mut open = |source: &str, sink: &str| {
            let (source, sink) = (LocalMedia::parse(&target(source)), RemoteMedia::parse(&target(sink)));
            studio.open(&source.expect("a source"), &sink.expect("a sink")).is_ok()
        };
        for word in ["silence", "tone", "wav", "pcm", "device"] {
            assert_eq!(open(word, "discard"), SOURCES.contains(&word), "{word}");
        }
        for word in ["discard", "wav", "pcm", "device"] {
            assert_eq!(open("silence", word), SINKS.contains(&word), "{word}");
        }
        let film = file.with_extension("ivf");
        let part = |word: &str| match word {
            "ivf" => format!("silence;video=ivf:{}", film.display()),
            word => format!("silence;video={word}"),
        };
        let mut open = |source: &str, sink: &str| {
            let (source, sink) = (LocalMedia::parse(source), RemoteMedia::parse(sink));
            source.ok().zip(sink.ok()).is_some_and(|(source, sink)| studio.open(&source, &sink).is_ok())
        };
        for word in ["discard", "ivf", "frames", "device"] {
            assert_eq!(open(&part(word), "discard"), VIDEO_SOURCES.contains(&word), "{word}");
            let sink = part(word).replace("silence", "discard");
            assert_eq!(open("silence", &sink), VIDEO_SINKS.contains(&word), "{word}");
        }
        drop(studio);
        for begun in [file, film] {
            std::fs::remove_file(begun).expect("the recording was begun");
        }
    }
}
