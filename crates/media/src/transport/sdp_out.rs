//! What we say: offers and answers as they go to the other side (rest-protocol.md sections 4.1 to 4.4 and 4.8).
//!
//! Owns: every rule about our own session descriptions. Lives on any thread. Must not import the `webrtc` or `rtc`
//! crates.
//!
//! The text inside the crate beneath stays as the crate wrote it; only its ICE credentials, fingerprint and candidates
//! are taken from there. The text on the wire is written here from nothing, so that each section has its own `c=` line,
//! direction, `a=setup`, ICE credentials and fingerprint, and refused sections have port 0, `a=inactive` and `c=`.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::codecs::Payload;
use super::sdp_in::{Layout, Role};
use super::sdp_text::Text;
use super::types::Direction;
use super::video_codecs::VideoPayload;
use crate::MediaError;

/// What the crate beneath has to say in a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    /// The crate's name for its section; the name on the wire is that of the layout.
    pub(super) mid: String,
    pub(super) ufrag: String,
    pub(super) password: String,
    pub(super) fingerprint: String,
    pub(super) candidates: Vec<Candidate>,
}

/// A candidate of ours (RFC 8839 section 5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    foundation: String,
    priority: u32,
    pub(super) address: SocketAddr,
    pub(super) kind: String,
    base: Option<SocketAddr>,
}

/// Which candidates may be told to the other side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visible {
    /// Loopback addresses.
    pub(super) loopback: bool,
    /// Our own addresses at all; if not, only relayed ones and no base addresses.
    pub(super) own: bool,
}

impl Facts {
    /// Reads the crate's own text. Candidates of component 2 and those written twice are left out; so are candidates of
    /// an earlier generation, which name another user fragment.
    pub(super) fn read(text: &str, visible: Visible) -> Result<Facts, MediaError> {
        let text = Text::cut(text)?;
        let section = &text.sections[0].block;
        let value = |name: &'static str| {
            let value = section.attribute(name).or_else(|| text.session.attribute(name));
            value.map(str::to_owned).ok_or_else(|| MediaError::Transport(format!("local description without {name}")))
        };
        let ufrag = value("ice-ufrag")?;
        let mut candidates: Vec<Candidate> = Vec::new();
        for line in section.attributes("candidate") {
            if let Some(candidate) = Candidate::read(line, &ufrag, visible)
                && !candidates.iter().any(|known| known.address == candidate.address && known.kind == candidate.kind)
            {
                candidates.push(candidate);
            }
        }
        // The crate's order changes from time to time.
        candidates.sort_by_key(|candidate| (std::cmp::Reverse(candidate.priority), candidate.address));
        Ok(Facts {
            mid: section.attribute("mid").unwrap_or("0").to_owned(),
            password: value("ice-pwd")?,
            fingerprint: value("fingerprint")?,
            ufrag,
            candidates,
        })
    }

    /// The addresses that the sockets of the connection are bound to.
    pub(super) fn sockets(&self) -> Vec<SocketAddr> {
        self.candidates.iter().filter(|candidate| candidate.kind == "host").map(|candidate| candidate.address).collect()
    }
}

impl Candidate {
    fn read(line: &str, ufrag: &str, visible: Visible) -> Option<Candidate> {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [foundation, "1", protocol, priority, address, port, "typ", kind, rest @ ..] = words.as_slice() else {
            return None;
        };
        let after = |name: &str| rest.iter().position(|word| *word == name).and_then(|at| rest.get(at + 1)).copied();
        if !protocol.eq_ignore_ascii_case("udp") || after("ufrag").is_some_and(|other| other != ufrag) {
            return None;
        }
        let address = SocketAddr::new(address.parse().ok()?, port.parse().ok()?);
        let shown =
            if *kind == "relay" { true } else { visible.own && (visible.loopback || !address.ip().is_loopback()) };
        if !shown || address.ip().is_unspecified() || address.port() == 0 {
            return None;
        }
        let base = match (after("raddr"), after("rport")) {
            (Some(base), Some(port)) => Some(SocketAddr::new(base.parse().ok()?, port.parse().ok()?)),
            _ => None,
        };
        let nowhere = SocketAddr::new(IpAddr::from([0, 0, 0, 0]), 0);
        Some(Candidate {
            foundation: (*foundation).into(),
            priority: priority.parse().ok()?,
            address,
            kind: (*kind).into(),
            base: if *kind == "host" { None } else { Some(base.filter(|_| visible.own).unwrap_or(nowhere)) },
        })
    }

    fn line(&self) -> String {
        let mut line = format!(
            "a=candidate:{} 1 udp {} {} {} typ {}",
            self.foundation,
            self.priority,
            self.address.ip(),
            self.address.port(),
            self.kind
        );
        if let Some(base) = self.base {
            let _ = write!(line, " raddr {} rport {}", base.ip(), base.port());
        }
        line.push_str(" generation 0\r\n");
        line
    }
}

/// Everything that a description of ours is made of.
pub(super) struct Description<'a> {
    /// Session id and version of the `o=` line; the id stays, the version grows with every text.
    pub(super) session: u64,
    pub(super) version: u64,
    pub(super) layout: &'a Layout,
    pub(super) facts: &'a Facts,
    pub(super) payloads: &'a [Payload],
    pub(super) direction: Direction,
    /// `None` in an offer (`actpass`).
    pub(super) role: Option<Role>,
    pub(super) ssrc: u32,
    /// What is said in the video section of the layout; there is none without it.
    pub(super) video: Option<VideoLines<'a>>,
    /// Canonical name, stream name and track name (RFC 3550 section 6.5.1, RFC 8830).
    pub(super) cname: &'a str,
}

/// What a description says about video.
#[derive(Clone, Copy)]
pub(super) struct VideoLines<'a> {
    pub(super) payloads: &'a [VideoPayload],
    pub(super) direction: Direction,
    pub(super) ssrc: u32,
}

impl Description<'_> {
    /// The text, with CRLF line ends.
    pub(super) fn text(&self) -> String {
        let mut out = String::with_capacity(2048);
        let _ = write!(out, "v=0\r\no=- {} {} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n", self.session, self.version);
        let live = |position: usize| {
            position == self.layout.audio || self.video.is_some() && Some(position) == self.layout.video
        };
        let names = self.layout.places.iter().enumerate().filter(|(position, _)| live(*position));
        let names: Vec<&str> = names.filter_map(|(_, place)| place.mid.as_deref()).collect();
        if self.layout.bundle && !names.is_empty() {
            let _ = write!(out, "a=group:BUNDLE {}\r\n", names.join(" "));
        }
        let _ = write!(out, "a=msid-semantic: WMS {}\r\n", self.cname);
        for (position, place) in self.layout.places.iter().enumerate() {
            let is_audio = position == self.layout.audio;
            let video = self.video.filter(|_| Some(position) == self.layout.video);
            let direction = match video {
                _ if is_audio => self.direction,
                Some(video) => video.direction,
                None => Direction::Inactive,
            };
            if is_audio || video.is_some() {
                // Sections of a bundle have the same address (RFC 9143 section 7.3.3).
                let default = self.default_address();
                let _ = write!(out, "m={} {} {}", place.media, default.port(), place.protocol);
                let numbers = self.payloads.iter().filter(|_| is_audio).map(|payload| payload.number);
                let pictures = video.iter().flat_map(|video| video.payloads).map(|payload| payload.number);
                for number in numbers.chain(pictures) {
                    let _ = write!(out, " {number}");
                }
                let family = if default.is_ipv6() { "IP6" } else { "IP4" };
                let _ = write!(out, "\r\nc=IN {family} {}\r\na=rtcp:9 IN IP4 0.0.0.0\r\n", default.ip());
            } else {
                // RFC 3264 section 6: a refused section repeats at least one format, here all of them.
                let formats = place.formats.join(" ");
                let _ = write!(out, "m={} 0 {} {formats}\r\nc=IN IP4 0.0.0.0\r\n", place.media, place.protocol);
            }
            if let Some(mid) = &place.mid {
                let _ = write!(out, "a=mid:{mid}\r\n");
            }
            let _ = write!(out, "a={}\r\na=setup:{}\r\n", attribute(direction), self.setup());
            let facts = self.facts;
            let _ = write!(out, "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", facts.ufrag, facts.password);
            let _ = write!(out, "a=fingerprint:{}\r\n", facts.fingerprint);
            if is_audio {
                self.audio_lines(&mut out);
            }
            if let Some(video) = video {
                self.video_lines(&mut out, video);
            }
        }
        out
    }

    fn audio_lines(&self, out: &mut String) {
        if self.layout.multiplexed {
            out.push_str("a=rtcp-mux\r\n");
        }
        for payload in self.payloads {
            let _ = write!(out, "a=rtpmap:{} {}\r\n", payload.number, payload.encoding.map());
            if let Some(parameters) = payload.encoding.parameters() {
                let _ = write!(out, "a=fmtp:{} {parameters}\r\n", payload.number);
            }
        }
        self.stream_lines(out, "audio", self.ssrc);
        for candidate in &self.facts.candidates {
            out.push_str(&candidate.line());
        }
        out.push_str("a=end-of-candidates\r\n");
    }

    /// No candidates: those of the audio section are the bundle's.
    fn video_lines(&self, out: &mut String, video: VideoLines<'_>) {
        out.push_str("a=rtcp-mux\r\n");
        for payload in video.payloads {
            let _ = write!(out, "a=rtpmap:{} {}\r\n", payload.number, payload.map());
            for feedback in payload.feedback() {
                let _ = write!(out, "a=rtcp-fb:{} {feedback}\r\n", payload.number);
            }
            if let Some(parameters) = payload.parameters() {
                let _ = write!(out, "a=fmtp:{} {parameters}\r\n", payload.number);
            }
        }
        self.stream_lines(out, "video", video.ssrc);
    }

    fn stream_lines(&self, out: &mut String, medium: &str, ssrc: u32) {
        let name = self.cname;
        let _ = write!(
            out,
            "a=msid:{name} {name}-{medium}\r\na=ssrc:{ssrc} cname:{name}\r\na=ssrc:{ssrc} msid:{name} {name}-{medium}\r\n"
        );
    }

    fn setup(&self) -> &'static str {
        match self.role {
            None => "actpass",
            Some(Role::Active) => "active",
            Some(Role::Passive) => "passive",
        }
    }

    /// RFC 8839 section 4.2.1.2: the candidate most likely to work without ICE, a relayed one if there is one.
    fn default_address(&self) -> SocketAddr {
        let rank = |candidate: &&Candidate| {
            let kind = match candidate.kind.as_str() {
                "relay" => 0,
                "srflx" => 1,
                _ => 2,
            };
            let address = candidate.address;
            (kind, address.ip().is_loopback(), address.is_ipv6(), std::cmp::Reverse(candidate.priority))
        };
        let best = self.facts.candidates.iter().min_by_key(rank).map(|candidate| candidate.address);
        best.unwrap_or(SocketAddr::new(IpAddr::from([0, 0, 0, 0]), 9))
    }
}

fn attribute(direction: Direction) -> &'static str {
    match direction {
        Direction::SendRecv => "sendrecv",
        Direction::SendOnly => "sendonly",
        Direction::RecvOnly => "recvonly",
        Direction::Inactive => "inactive",
    }
}

#[cfg(test)]
#[path = "sdp_out_tests.rs"]
mod tests;
