//! Reading of SDP: sections, directions, codecs, and what the protocol concludes from them (rest-protocol.md section 4).
//!
//! Owns: [`Sdp`]. Lives on: any thread. Must not import: anything but serde_json. It never writes SDP.

use serde_json::{Map, Value, json};

/// Largest description that is read, in bytes. Chromium's video offers have 6 to 8 kB.
pub const MAX_SDP: usize = 64 * 1024;

/// Most m-sections that are read.
const MAX_SECTIONS: usize = 16;

/// Why a text is no usable description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SdpError(pub &'static str);

impl std::fmt::Display for SdpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for SdpError {}

/// Direction of a section, seen from the side that wrote it (RFC 8866 section 6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// The writer sends only.
    SendOnly,
    /// The writer receives only.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The same direction seen from the other side.
    pub fn reversed(self) -> Self {
        Self::from_flags(self.receives(), self.sends())
    }

    /// What both allow.
    pub fn intersect(self, other: Self) -> Self {
        Self::from_flags(self.sends() && other.sends(), self.receives() && other.receives())
    }

    /// The writer sends.
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// The writer receives.
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }

    /// The attribute's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }

    /// Reads the attribute's name.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "sendrecv" => Some(Direction::SendRecv),
            "sendonly" => Some(Direction::SendOnly),
            "recvonly" => Some(Direction::RecvOnly),
            "inactive" => Some(Direction::Inactive),
            _ => None,
        }
    }

    fn from_flags(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }
}

/// Media type of a description (section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// Audio only.
    Audio,
    /// Audio and video.
    Video,
    /// Nothing flows.
    NoMedia,
    /// Anything else.
    Unsupported,
}

impl MediaType {
    /// The text in events.
    pub fn as_str(self) -> &'static str {
        match self {
            MediaType::Audio => "audio",
            MediaType::Video => "video",
            MediaType::NoMedia => "nomedia",
            MediaType::Unsupported => "unsupported",
        }
    }
}

/// One `a=rtpmap`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codec {
    /// Payload type.
    pub payload: u8,
    /// Encoding name as written.
    pub name: String,
    /// Clock rate in Hz.
    pub rate: u32,
    /// Channels, where written.
    pub channels: Option<u32>,
}

/// One m-section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// `audio`, `video`, …
    pub media: String,
    /// Port; 0 means refused.
    pub port: u32,
    /// Transport profile.
    pub proto: String,
    /// Direction attribute, where written.
    pub direction: Option<Direction>,
    /// Its `a=rtpmap` lines in order.
    pub codecs: Vec<Codec>,
}

/// A description, read as far as the protocol looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sdp {
    /// Session-level direction, where written.
    pub direction: Option<Direction>,
    /// The m-sections in order.
    pub sections: Vec<Section>,
}

impl Sdp {
    /// Reads a description. Lines may end in CRLF or LF; unknown lines of the form `x=…` are passed over.
    ///
    /// # Errors
    /// When it is larger than [`MAX_SDP`], does not begin with `v=0`, has a line of another form, no `o=` line, an m-line
    /// that cannot be read, or no m-section at all.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        if text.len() > MAX_SDP {
            return Err(SdpError("larger than 64 kB"));
        }
        let mut lines = text.split('\n').map(|l| l.strip_suffix('\r').unwrap_or(l)).filter(|l| !l.is_empty());
        if lines.next() != Some("v=0") {
            return Err(SdpError("does not begin with v=0"));
        }
        let mut sdp = Sdp { direction: None, sections: Vec::new() };
        let mut origin = false;
        for line in lines {
            let Some((kind, value)) = line.split_once('=').filter(|(k, _)| k.len() == 1) else {
                return Err(SdpError("a line is not of the form x=value"));
            };
            match kind {
                "o" => origin = true,
                "m" => {
                    if sdp.sections.len() == MAX_SECTIONS {
                        return Err(SdpError("too many m-sections"));
                    }
                    sdp.sections.push(section(value).ok_or(SdpError("an m-line cannot be read"))?);
                }
                "a" => sdp.attribute(value),
                _ => {}
            }
        }
        if !origin {
            return Err(SdpError("no o= line"));
        }
        if sdp.sections.is_empty() {
            return Err(SdpError("no m-section"));
        }
        Ok(sdp)
    }

    fn attribute(&mut self, value: &str) {
        let section = self.sections.last_mut();
        if let Some(direction) = Direction::parse(value) {
            match section {
                Some(section) => section.direction = Some(direction),
                None => self.direction = Some(direction),
            }
        } else if let (Some(section), Some(map)) = (section, value.strip_prefix("rtpmap:"))
            && section.codecs.len() < 256
        {
            section.codecs.extend(codec(map));
        }
    }

    /// Direction of section `n`; a session-level one counts only where there is one section (section 4.2).
    fn direction(&self, n: usize) -> Option<Direction> {
        let own = self.sections.get(n)?.direction;
        own.or(if self.sections.len() == 1 { self.direction } else { None })
    }

    /// Media type by position of the sections, as the original client sees it (section 4.2).
    pub fn media_type(&self) -> MediaType {
        use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
        match self.sections.len() {
            1 => match self.direction(0) {
                Some(SendRecv | SendOnly) => MediaType::Audio,
                Some(RecvOnly | Inactive) => MediaType::NoMedia,
                None => MediaType::Unsupported,
            },
            2 => {
                let refused = self.sections[1].port == 0;
                match (self.direction(0), self.direction(1)) {
                    (Some(SendRecv), Some(SendRecv)) if !refused => MediaType::Video,
                    (Some(SendRecv), Some(SendRecv)) => MediaType::Audio,
                    (Some(SendOnly), Some(SendRecv | SendOnly)) | (Some(SendRecv), Some(SendOnly)) => MediaType::Video,
                    (Some(SendRecv), Some(RecvOnly | Inactive)) => MediaType::Audio,
                    (Some(SendRecv), None) if refused => MediaType::Audio,
                    (Some(RecvOnly), Some(RecvOnly)) | (Some(Inactive), Some(Inactive)) => MediaType::NoMedia,
                    _ => MediaType::Unsupported,
                }
            }
            _ => MediaType::Unsupported,
        }
    }

    fn all(&self, test: impl Fn(Direction) -> bool) -> bool {
        (0..self.sections.len()).all(|n| self.direction(n).is_some_and(&test))
    }

    fn any(&self, media: &str, wanted: Direction) -> bool {
        (0..self.sections.len()).any(|n| self.sections[n].media == media && self.direction(n) == Some(wanted))
    }

    /// Every section is sendonly or inactive (section 4.3).
    pub fn is_hold(&self) -> bool {
        self.all(|d| !d.receives())
    }

    /// Every section is recvonly or inactive (section 4.3).
    pub fn is_held(&self) -> bool {
        self.all(|d| !d.sends())
    }

    /// Every section is sendrecv or recvonly (section 4.3).
    pub fn is_resume(&self) -> bool {
        self.all(Direction::receives)
    }

    /// Audio and video both sendrecv somewhere (section 4.3).
    pub fn is_upgrade(&self) -> bool {
        self.any("audio", Direction::SendRecv) && self.any("video", Direction::SendRecv)
    }

    /// Audio sendrecv and video recvonly (section 4.3).
    pub fn is_downgrade(&self) -> bool {
        self.any("audio", Direction::SendRecv) && self.any("video", Direction::RecvOnly)
    }

    /// The `codec` property of events: one entry per section that has an rtpmap (section 4.9).
    pub fn codec_list(&self) -> Value {
        let entry = |s: &Section| {
            let rtp: Vec<Value> = s
                .codecs
                .iter()
                .map(|c| {
                    let mut map = Map::new();
                    map.insert("payload".into(), c.payload.into());
                    map.insert("codec".into(), c.name.as_str().into());
                    map.insert("rate".into(), c.rate.into());
                    if let Some(channels) = c.channels {
                        map.insert("encoding".into(), channels.into());
                    }
                    Value::Object(map)
                })
                .collect();
            json!({"rtp": rtp, "type": s.media})
        };
        self.sections.iter().filter(|s| !s.codecs.is_empty()).map(entry).collect()
    }
}

fn section(value: &str) -> Option<Section> {
    let mut parts = value.split_ascii_whitespace();
    let media = parts.next()?.to_owned();
    let port = parts.next()?.split('/').next()?.parse().ok().filter(|p: &u32| *p <= 65_535)?;
    let proto = parts.next()?.to_owned();
    Some(Section { media, port, proto, direction: None, codecs: Vec::new() })
}

fn codec(map: &str) -> Option<Codec> {
    let (payload, rest) = map.split_once(' ')?;
    let mut parts = rest.trim().split('/');
    Some(Codec {
        payload: payload.trim().parse().ok()?,
        name: parts.next().filter(|n| !n.is_empty())?.to_owned(),
        rate: parts.next()?.trim().parse().ok()?,
        channels: parts.next().and_then(|c| c.trim().parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{fs, path::PathBuf};

    fn with(sections: &[(&str, u32, &str)]) -> Sdp {
        let mut text = String::from("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n");
        for (media, port, direction) in sections {
            text += &format!("m={media} {port} UDP/TLS/RTP/SAVPF 0\r\na={direction}\r\n");
        }
        Sdp::parse(&text).expect("well formed")
    }

    #[test]
    fn media_types_follow_the_table() {
        let audio = |d| with(&[("audio", 9, d)]).media_type();
        assert_eq!(audio("sendrecv"), MediaType::Audio);
        assert_eq!(audio("sendonly"), MediaType::Audio);
        assert_eq!(audio("recvonly"), MediaType::NoMedia);
        let pair = |a, v, port| with(&[("audio", 9, a), ("video", port, v)]).media_type();
        assert_eq!(pair("sendrecv", "sendrecv", 9), MediaType::Video);
        assert_eq!(pair("sendrecv", "sendrecv", 0), MediaType::Audio);
        assert_eq!(pair("sendonly", "sendonly", 0), MediaType::Video);
        assert_eq!(pair("sendrecv", "inactive", 0), MediaType::Audio);
        assert_eq!(pair("inactive", "inactive", 9), MediaType::NoMedia);
        assert_eq!(pair("recvonly", "sendrecv", 9), MediaType::Unsupported);
        assert_eq!(
            with(&[("audio", 9, "x"), ("video", 9, "y"), ("video", 9, "z")]).media_type(),
            MediaType::Unsupported
        );
    }

    #[test]
    fn predicates_look_at_every_section() {
        assert!(with(&[("audio", 9, "sendonly"), ("video", 0, "inactive")]).is_hold());
        assert!(!with(&[("audio", 9, "sendonly"), ("video", 0, "sendrecv")]).is_hold());
        assert!(with(&[("audio", 9, "recvonly")]).is_held());
        assert!(with(&[("audio", 9, "sendrecv"), ("video", 9, "recvonly")]).is_downgrade());
        assert!(with(&[("audio", 9, "sendrecv"), ("video", 9, "sendrecv")]).is_upgrade());
        assert!(with(&[("audio", 9, "sendrecv")]).is_resume());
    }

    #[test]
    fn directions_reverse_and_intersect() {
        assert_eq!(Direction::SendOnly.reversed(), Direction::RecvOnly);
        assert_eq!(Direction::SendRecv.intersect(Direction::RecvOnly), Direction::RecvOnly);
        assert_eq!(Direction::SendOnly.intersect(Direction::RecvOnly), Direction::Inactive);
    }

    #[test]
    fn every_recorded_description_is_read() {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/transcripts/sdp");
        let mut count = 0;
        for folder in fs::read_dir(root).expect("recorded descriptions") {
            for file in fs::read_dir(folder.expect("entry").path()).expect("folder") {
                let path = file.expect("entry").path();
                let sdp = Sdp::parse(&fs::read_to_string(&path).expect("text"));
                let sdp = sdp.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                assert!(!sdp.codec_list().as_array().expect("a list").is_empty(), "{}", path.display());
                count += 1;
            }
        }
        assert!(count > 200, "only {count} descriptions found");
    }

    #[test]
    fn garbage_is_refused() {
        for text in [
            "",
            "hello",
            "v=0",
            "v=0\r\no=x\r\n",
            "v=0\r\no=x\r\nm=audio\r\n",
            "v=0\r\nnonsense\r\n",
            "v=0\r\nm=audio 70000 x\r\no=\r\n",
        ] {
            assert!(Sdp::parse(text).is_err(), "{text:?}");
        }
        assert!(Sdp::parse(&format!("v=0\r\no=x\r\n{}", "a=x\r\n".repeat(20_000))).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(v=0\r\n)?([a-z]=[ -~]{0,30}\r\n){0,20}\\PC{0,40}") {
            if let Ok(sdp) = Sdp::parse(&text) {
                let _ = (sdp.media_type(), sdp.is_hold(), sdp.is_upgrade(), sdp.codec_list());
            }
        }
    }
}
