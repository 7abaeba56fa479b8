//! What the other side says: its description is read, checked and turned into the one form that the crate beneath
//! understands in every case.
//!
//! Owns: every rule about foreign session descriptions. Lives on any thread. Must not import the `webrtc` or `rtc`
//! crates.
//!
//! The crate beneath is never shown the foreign text. It gets a text of ours with a single live audio section under the
//! crate's own name and `sendrecv`, whatever the other side wrote: old descriptions without `a=mid`, refused sections, sections for video
//! or data, second streams, component 2, TCP candidates and directions do not reach it. Directions are kept and obeyed
//! by us, and so is video, which goes past the crate (see `video_port`).

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use super::codecs::{Encoding, Payload};
use super::sdp_text::{Block, Section, Text};
use super::types::Direction;
use super::video_codecs::VideoPayload;
use crate::MediaError;

/// Browsers on a machine with many interfaces send some twenty candidates; more cost a connectivity check each.
const MAX_CANDIDATES: usize = 40;

/// Which half of offer/answer a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// The other side offers.
    Offer,
    /// The other side answers an offer of ours whose audio and video sections stand at these positions.
    Answer(usize, Option<usize>),
}

/// The DTLS role that a side plays (RFC 8842).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Begins the hand-shake.
    Active,
    /// Waits for it.
    Passive,
}

/// `a=setup` (RFC 4145 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setup {
    Active,
    Passive,
    Either,
}

/// A section as it must be repeated by position in every later description (RFC 3264 sections 6 and 8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) media: String,
    pub(super) protocol: String,
    pub(super) formats: Vec<String>,
    pub(super) mid: Option<String>,
}

/// The sections of a session and how they are put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) places: Vec<Place>,
    /// Position of the audio section that is in use.
    pub(super) audio: usize,
    /// Position of the video section, if there is one that neither side has refused.
    pub(super) video: Option<usize>,
    /// Whether `a=group:BUNDLE` belongs into our texts: not in answers to an offer without it (RFC 9143 section 7.3).
    pub(super) bundle: bool,
    /// Whether `a=rtcp-mux` belongs into our texts (RFC 8035).
    pub(super) multiplexed: bool,
}

impl Layout {
    /// The layout of a first offer of ours.
    pub(super) fn ours() -> Layout {
        let audio = Place {
            media: "audio".into(),
            protocol: "UDP/TLS/RTP/SAVPF".into(),
            formats: Vec::new(),
            mid: Some("0".into()),
        };
        Layout { places: vec![audio], audio: 0, video: None, bundle: true, multiplexed: true }
    }
}

/// A description of the other side, read and checked.
#[derive(Debug, Clone)]
pub(super) struct Remote {
    pub(super) layout: Layout,
    pub(super) direction: Direction,
    pub(super) setup: Setup,
    /// Every payload type of the audio section that we understand, in its order.
    pub(super) payloads: Vec<Payload>,
    /// The first video section that can be used.
    pub(super) video: Option<RemoteVideo>,
    /// All fingerprints, in one spelling; two descriptions with none in common come from different parties.
    pub(super) fingerprints: BTreeSet<String>,
    pub(super) ufrag: String,
    password: String,
    lite: bool,
    ssrc: Option<u32>,
    candidates: Vec<String>,
}

/// A video section of the other side that is in use and shares the transport of the audio.
#[derive(Debug, Clone)]
pub(super) struct RemoteVideo {
    pub(super) position: usize,
    pub(super) direction: Direction,
    /// Every payload type that we understand, in its order.
    pub(super) payloads: Vec<VideoPayload>,
}

/// Reads a description of the other side.
pub(super) fn read(text: &str, half: Half) -> Result<Remote, MediaError> {
    let text = Text::cut(text)?;
    let position = match half {
        Half::Offer => text.sections.iter().position(|section| section.media == "audio" && section.port != 0),
        Half::Answer(position, _) => Some(position),
    };
    let audio = position.and_then(|position| text.sections.get(position));
    let (Some(position), Some(section)) = (position, audio) else {
        return Err(MediaError::Sdp("no audio section in use".into()));
    };
    if section.media != "audio" || section.port == 0 {
        return Err(MediaError::Sdp("the other side refuses audio".into()));
    }
    let either = |name: &'static str| section.block.attribute(name).or_else(|| text.session.attribute(name));
    let ufrag = credential(either("ice-ufrag"), "ICE user fragment")?;
    let password = credential(either("ice-pwd"), "ICE password")?;
    let fingerprints = fingerprints(&section.block, &text.session);
    if fingerprints.is_empty() {
        return Err(MediaError::Sdp("no readable DTLS fingerprint".into()));
    }
    let setup = match either("setup") {
        Some("active") => Setup::Active,
        Some("passive") => Setup::Passive,
        // `holdconn` is not used with DTLS; RFC 8842 section 5.2 takes its absence for `active` in an answer.
        Some(_) | None => match half {
            Half::Offer => Setup::Either,
            Half::Answer(..) => Setup::Active,
        },
    };
    Ok(Remote {
        layout: layout(&text, position),
        direction: direction_of(section, &text),
        setup,
        payloads: payloads(section),
        video: video(&text, position, half, &ufrag),
        fingerprints,
        ufrag,
        password,
        lite: text.session.has("ice-lite") || section.block.has("ice-lite"),
        ssrc: section.block.attributes("ssrc").find_map(|value| value.split_ascii_whitespace().next()?.parse().ok()),
        candidates: candidates(&section.block),
    })
}

impl Remote {
    /// Whether this comes from another party than the one with `known` fingerprints.
    pub(super) fn is_foreign_to(&self, known: &BTreeSet<String>) -> bool {
        !known.is_empty() && self.fingerprints.is_disjoint(known)
    }

    /// The text that the crate beneath is shown: `payloads` are the ones to agree upon, `setup` is our choice,
    /// `mid` the crate's own name for the section.
    pub(super) fn shown(&self, payloads: &[Payload], setup: &str, mid: &str) -> String {
        let mut out = String::with_capacity(1024);
        let _ = write!(out, "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {mid}\r\n");
        if self.lite {
            out.push_str("a=ice-lite\r\n");
        }
        out.push_str("m=audio 9 UDP/TLS/RTP/SAVPF");
        for payload in payloads {
            let _ = write!(out, " {}", payload.number);
        }
        let _ = write!(
            out,
            "\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=sendrecv\r\na=rtcp-mux\r\na=setup:{setup}\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\n",
            self.ufrag, self.password
        );
        if let Some(fingerprint) = best(&self.fingerprints) {
            let _ = write!(out, "a=fingerprint:{fingerprint}\r\n");
        }
        for payload in payloads {
            let _ = write!(out, "a=rtpmap:{} {}\r\n", payload.number, payload.encoding.map());
            if let Some(parameters) = payload.encoding.parameters() {
                let _ = write!(out, "a=fmtp:{} {parameters}\r\n", payload.number);
            }
        }
        // One stream name for every SSRC: an SSRC that changes from one description to the next continues the track.
        if let Some(ssrc) = self.ssrc {
            let _ =
                write!(out, "a=msid:remote audio\r\na=ssrc:{ssrc} cname:remote\r\na=ssrc:{ssrc} msid:remote audio\r\n");
        }
        for candidate in &self.candidates {
            let _ = write!(out, "a=candidate:{candidate}\r\n");
        }
        out
    }
}

fn layout(text: &Text<'_>, audio: usize) -> Layout {
    let places = text.sections.iter().map(|section| Place {
        media: section.media.into(),
        protocol: section.protocol.into(),
        formats: section.formats.iter().map(|format| (*format).into()).collect(),
        mid: section
            .block
            .attribute("mid")
            .filter(|mid| !mid.is_empty() && mid.len() <= 64 && mid.chars().all(|c| c.is_ascii_graphic()))
            .map(Into::into),
    });
    Layout {
        places: places.collect(),
        audio,
        video: None,
        bundle: text.session.attributes("group").any(|group| group.starts_with("BUNDLE")),
        multiplexed: text.sections[audio].block.has("rtcp-mux") || text.session.has("rtcp-mux"),
    }
}

fn credential(value: Option<&str>, what: &str) -> Result<String, MediaError> {
    match value {
        Some(value) if (4..=256).contains(&value.len()) && value.chars().all(|c| c.is_ascii_graphic()) => {
            Ok(value.into())
        }
        Some(_) => Err(MediaError::Sdp(format!("unreadable {what}"))),
        None => Err(MediaError::Sdp(format!("no {what}"))),
    }
}

/// The video section that can be used: the first one in use of an offer, or the one that answers ours. It must share the
/// transport of the audio (RFC 9143), by the group or, in an answer, by the same ICE credentials.
fn video(text: &Text<'_>, audio: usize, half: Half, ufrag: &str) -> Option<RemoteVideo> {
    let in_use = |section: &Section<'_>| {
        // A section that exists in the bundle only has port 0 in a first offer (RFC 9143 section 7.2).
        let alive = section.port != 0 || half == Half::Offer && section.block.has("bundle-only");
        section.media == "video" && alive
    };
    let position = match half {
        Half::Offer => text.sections.iter().position(in_use)?,
        Half::Answer(_, position) => position?,
    };
    let section = text.sections.get(position).filter(|section| in_use(section))?;
    let name = |position: usize| text.sections.get(position).and_then(|section| section.block.attribute("mid"));
    let (ours, theirs) = (name(audio), name(position));
    let is_grouped = text.session.attributes("group").any(|group| {
        let mut words = group.split_ascii_whitespace();
        let names: Vec<&str> = if words.next() == Some("BUNDLE") { words.collect() } else { Vec::new() };
        [ours, theirs].into_iter().all(|name| name.is_some_and(|name| names.contains(&name)))
    });
    let shares = || {
        let own = section.block.attribute("ice-ufrag").or_else(|| text.session.attribute("ice-ufrag"));
        half != Half::Offer && own.is_none_or(|own| own == ufrag)
    };
    if !is_grouped && !shares() {
        return None;
    }
    Some(RemoteVideo { position, direction: direction_of(section, text), payloads: video_payloads(section) })
}

fn direction_of(section: &Section<'_>, text: &Text<'_>) -> Direction {
    direction(&section.block).or_else(|| direction(&text.session)).unwrap_or(Direction::SendRecv)
}

fn direction(block: &Block<'_>) -> Option<Direction> {
    let names = [
        ("sendrecv", Direction::SendRecv),
        ("sendonly", Direction::SendOnly),
        ("recvonly", Direction::RecvOnly),
        ("inactive", Direction::Inactive),
    ];
    names.into_iter().find(|(name, _)| block.has(name)).map(|(_, direction)| direction)
}

/// The fingerprints of the section, else of the session, as `sha-256 AB:CD:…`.
fn fingerprints(section: &Block<'_>, session: &Block<'_>) -> BTreeSet<String> {
    let read =
        |block: &Block<'_>| -> BTreeSet<String> { block.attributes("fingerprint").filter_map(fingerprint).collect() };
    let own = read(section);
    if own.is_empty() { read(session) } else { own }
}

fn fingerprint(value: &str) -> Option<String> {
    let (algorithm, bytes) = value.split_once(' ')?;
    let algorithm = algorithm.to_ascii_lowercase();
    let length = match algorithm.as_str() {
        "sha-1" => 20,
        "sha-224" => 28,
        "sha-256" => 32,
        "sha-384" => 48,
        "sha-512" => 64,
        _ => return None,
    };
    let bytes = bytes.trim().to_ascii_uppercase();
    let octet = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let good = bytes.split(':').count() == length && bytes.split(':').all(octet);
    good.then(|| format!("{algorithm} {bytes}"))
}

/// The one fingerprint to check the other side's certificate by: SHA-256 is understood everywhere.
fn best(fingerprints: &BTreeSet<String>) -> Option<&String> {
    fingerprints.iter().find(|value| value.starts_with("sha-256 ")).or_else(|| fingerprints.last())
}

fn payloads(section: &Section<'_>) -> Vec<Payload> {
    let mut list: Vec<Payload> = Vec::new();
    for number in numbers(section) {
        let encoding =
            described(section, "rtpmap", number).map_or_else(|| Encoding::of_static(number), Encoding::parse);
        if let Some(encoding) = encoding
            && !list.iter().any(|payload| payload.number == number || payload.encoding == encoding)
        {
            list.push(Payload { number, encoding });
        }
    }
    list
}

fn video_payloads(section: &Section<'_>) -> Vec<VideoPayload> {
    let mut list: Vec<VideoPayload> = Vec::new();
    for number in numbers(section) {
        let map = described(section, "rtpmap", number);
        let payload = map.and_then(|map| {
            VideoPayload::read(number, map, described(section, "fmtp", number), repeats(section, number))
        });
        list.extend(payload.filter(|payload| list.iter().all(|known| known.number != payload.number)));
    }
    list
}

/// Whether packets of this payload type are repeated; `*` stands for all (RFC 4585 section 4.2).
fn repeats(section: &Section<'_>, number: u8) -> bool {
    section
        .block
        .attributes("rtcp-fb")
        .filter_map(|value| value.split_once(' '))
        .any(|(payload, feedback)| feedback.trim() == "nack" && (payload == "*" || payload.parse() == Ok(number)))
}

fn numbers<'a>(section: &'a Section<'_>) -> impl Iterator<Item = u8> + 'a {
    section.formats.iter().filter_map(|format| format.parse::<u8>().ok()).filter(|number| *number < 128)
}

/// The value of an attribute that begins with a payload type, without it.
fn described<'a>(section: &Section<'a>, name: &str, number: u8) -> Option<&'a str> {
    section.block.attributes(name).find_map(|value| {
        let (payload, rest) = value.split_once(' ')?;
        (payload.parse() == Ok(number)).then_some(rest)
    })
}

/// The candidates that we can reach: component 1, UDP, a literal address. Names (mDNS) are left to the other side's
/// checks, which reach us and make its address known.
fn candidates(block: &Block<'_>) -> Vec<String> {
    let mut list: Vec<String> = Vec::new();
    for value in block.attributes("candidate") {
        if let Some(candidate) = candidate(value)
            && !list.contains(&candidate)
        {
            list.push(candidate);
            if list.len() == MAX_CANDIDATES {
                break;
            }
        }
    }
    list
}

fn candidate(value: &str) -> Option<String> {
    let words: Vec<&str> = value.split_ascii_whitespace().take(16).collect();
    let [foundation, component, protocol, priority, address, port, "typ", kind, rest @ ..] = words.as_slice() else {
        return None;
    };
    let foundation_is_good =
        foundation.len() <= 32 && foundation.chars().all(|c| c.is_ascii_alphanumeric() || "+/".contains(c));
    let address: IpAddr = address.parse().ok()?;
    let port: u16 = port.parse().ok()?;
    let priority: u32 = priority.parse().ok()?;
    let usable = foundation_is_good
        && *component == "1"
        && protocol.eq_ignore_ascii_case("udp")
        && port != 0
        && !address.is_unspecified()
        && !address.is_multicast()
        && matches!(*kind, "host" | "srflx" | "prflx" | "relay");
    if !usable {
        return None;
    }
    let mut candidate = format!("{foundation} 1 udp {priority} {address} {port} typ {kind}");
    if *kind != "host" {
        let (base, base_port) = match rest {
            ["raddr", base, "rport", base_port, ..] => (base.parse().ok(), base_port.parse().ok()),
            _ => (None, None),
        };
        let base: IpAddr = base.unwrap_or(IpAddr::from([0, 0, 0, 0]));
        let base_port: u16 = base_port.unwrap_or(0);
        let _ = write!(candidate, " raddr {base} rport {base_port}");
    }
    Some(candidate)
}

#[cfg(test)]
#[path = "sdp_in_tests.rs"]
mod tests;
