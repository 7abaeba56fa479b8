//! A session description cut into lines and sections, with no opinion about what they mean (RFC 8866).
//!
//! Owns: the bounded reading of hostile text. Lives on any thread. Must not import anything but std and the error type:
//! meaning is given in `sdp_in`.

use crate::MediaError;

/// More than any real description has: those of browsers with audio, video and data are below 20 kB. Longer text is
/// refused before it is looked at.
pub(super) const MAX_BYTES: usize = 64 * 1024;

/// Browsers write one section per track; 32 leaves room for everything seen and bounds the answer.
const MAX_SECTIONS: usize = 32;

/// The lines of one section, or those before the first section.
#[derive(Debug, Default, Clone)]
pub(super) struct Block<'a> {
    lines: Vec<(char, &'a str)>,
}

impl<'a> Block<'a> {
    /// The values of all attributes of this name; an attribute without value gives an empty text.
    pub(super) fn attributes<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'a str> + 'b {
        self.lines.iter().filter_map(move |(kind, value)| {
            if *kind != 'a' {
                return None;
            }
            let (key, rest) = value.split_once(':').unwrap_or((value, ""));
            (key == name).then_some(rest.trim())
        })
    }

    /// The first attribute of this name.
    pub(super) fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes(name).next()
    }

    /// Whether the attribute is there, with or without a value.
    pub(super) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }
}

/// One `m=` line and what follows it.
#[derive(Debug, Clone)]
pub(super) struct Section<'a> {
    /// `audio`, `video`, `application`, …
    pub(super) media: &'a str,
    /// 0 means refused.
    pub(super) port: u16,
    /// E.g. `UDP/TLS/RTP/SAVPF`.
    pub(super) protocol: &'a str,
    /// Payload types, or other formats.
    pub(super) formats: Vec<&'a str>,
    /// Its other lines.
    pub(super) block: Block<'a>,
}

/// A description cut into pieces.
#[derive(Debug, Clone)]
pub(super) struct Text<'a> {
    /// Lines before the first section.
    pub(super) session: Block<'a>,
    /// The sections in order.
    pub(super) sections: Vec<Section<'a>>,
}

impl<'a> Text<'a> {
    /// Cuts a text. Lines may end in CRLF or LF; lines that are not `letter=value` are left out, as are missing `v=`,
    /// `o=`, `s=` and `t=` lines and the order of lines within the session part.
    pub(super) fn cut(text: &'a str) -> Result<Text<'a>, MediaError> {
        if text.len() > MAX_BYTES {
            return Err(MediaError::Sdp(format!("longer than {MAX_BYTES} bytes")));
        }
        let mut session = Block::default();
        let mut sections: Vec<Section<'a>> = Vec::new();
        for line in text.split('\n') {
            let line = line.trim_end();
            let mut letters = line.chars();
            let (Some(kind), Some('=')) = (letters.next(), letters.next()) else { continue };
            let value = letters.as_str().trim();
            if kind == 'm' {
                if sections.len() == MAX_SECTIONS {
                    return Err(MediaError::Sdp(format!("more than {MAX_SECTIONS} sections")));
                }
                sections.push(Text::section(value)?);
            } else {
                let block = sections.last_mut().map_or(&mut session, |section| &mut section.block);
                block.lines.push((kind, value));
            }
        }
        if sections.is_empty() {
            return Err(MediaError::Sdp("no section".into()));
        }
        Ok(Text { session, sections })
    }

    fn section(value: &'a str) -> Result<Section<'a>, MediaError> {
        let unreadable = || MediaError::Sdp("unreadable m= line".into());
        let mut words = value.split_ascii_whitespace();
        let media = words.next().ok_or_else(unreadable)?;
        let port = words.next().ok_or_else(unreadable)?;
        let protocol = words.next().ok_or_else(unreadable)?;
        // "port/number of ports" (RFC 8866 section 5.14): the first one counts.
        let port = port.split('/').next().unwrap_or(port).parse().map_err(|_| unreadable())?;
        let token = |word: &str| word.chars().all(|c| c.is_ascii_graphic()) && word.len() <= 64;
        if !token(media) || !token(protocol) {
            return Err(unreadable());
        }
        let formats: Vec<&str> = words.filter(|word| token(word)).take(64).collect();
        if formats.is_empty() {
            return Err(unreadable());
        }
        Ok(Section { media, port, protocol, formats, block: Block::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_newlines_missing_lines_and_unknown_line_types_are_read() {
        let text =
            Text::cut("v=0\ny=what\nnonsense\nm=audio 9 UDP/TLS/RTP/SAVPF 0\na=sendonly\na=mid:x").expect("readable");
        assert_eq!(text.sections.len(), 1);
        assert!(text.sections[0].block.has("sendonly"));
        assert_eq!(text.sections[0].block.attribute("mid"), Some("x"));
    }

    #[test]
    fn too_long_or_too_many_is_an_error() {
        assert!(Text::cut(&"a".repeat(MAX_BYTES + 1)).is_err());
        assert!(Text::cut(&"m=audio 9 RTP/AVP 0\n".repeat(MAX_SECTIONS + 1)).is_err());
        assert!(Text::cut("").is_err());
        assert!(Text::cut("m=audio x RTP/AVP 0").is_err());
    }
}
