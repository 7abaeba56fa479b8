//! A description as lines, for the few places that change one.
//!
//! Owns: [`Lines`]: splitting and joining. Lives on: any thread. Must not import: anything of the core.
//!
//! What is split and joined again stays byte for byte, save line ends (always CRLF) and empty lines (dropped).

use std::fmt;

use ewebrtc_wire::Direction;

/// The direction that this line says, if it says one.
fn direction(line: &str) -> Option<Direction> {
    line.strip_prefix("a=").and_then(Direction::parse)
}

fn attribute(direction: Direction) -> String {
    format!("a={}", direction.as_str())
}

/// The lines of one m-section, its m-line first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SectionLines(Vec<String>);

impl SectionLines {
    /// Port 0: refused, or stopped.
    pub(super) fn is_refused(&self) -> bool {
        self.part(1) == Some("0")
    }

    /// Word `n` of the m-line: media, port, protocol, then the formats.
    fn part(&self, n: usize) -> Option<&str> {
        self.0.first()?.split_ascii_whitespace().nth(n)
    }

    /// The direction it says itself.
    pub(super) fn direction(&self) -> Option<Direction> {
        self.0.iter().rev().find_map(|l| direction(l))
    }

    /// Says this direction once. A line that says it already stays where it is.
    pub(super) fn set_direction(&mut self, wanted: Direction) {
        let said: Vec<Direction> = self.0.iter().filter_map(|l| direction(l)).collect();
        if said == [wanted] {
            return;
        }
        self.0.retain(|l| direction(l).is_none());
        self.0.push(attribute(wanted));
    }

    /// A `c=` line exists from now on.
    pub(super) fn ensure_connection(&mut self) {
        if self.0.iter().any(|l| l.starts_with("c=")) {
            return;
        }
        // The title line alone comes before the connection line (RFC 8866 section 5).
        let after_title = if self.0.get(1).is_some_and(|l| l.starts_with("i=")) { 2 } else { 1 };
        self.0.insert(after_title, "c=IN IP4 0.0.0.0".into());
    }

    /// The same section, refused: port 0, `c=`, `a=inactive`, and its `mid`, by which it is found (section 3.2).
    pub(super) fn refused(&self) -> Self {
        let mut words = self.0.first().map_or("", String::as_str).split_ascii_whitespace();
        let (media, _, rest) = (words.next().unwrap_or("m=audio"), words.next(), words.collect::<Vec<_>>().join(" "));
        let mut lines = vec![format!("{media} 0 {rest}"), "c=IN IP4 0.0.0.0".into()];
        lines.extend(self.0.iter().filter(|l| l.starts_with("a=mid:")).cloned());
        lines.push(attribute(Direction::Inactive));
        Self(lines)
    }

    /// Value of the first attribute of this name.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        value(&self.0, name)
    }

    /// Gives every attribute of this name this value.
    pub(super) fn set_value(&mut self, name: &str, wanted: &str) {
        set_value(&mut self.0, name, wanted);
    }
}

fn value<'a>(lines: &'a [String], name: &str) -> Option<&'a str> {
    lines.iter().find_map(|l| l.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'))
}

fn set_value(lines: &mut [String], name: &str, wanted: &str) {
    let head = format!("a={name}:");
    lines.iter_mut().filter(|l| l.starts_with(&head)).for_each(|l| *l = format!("{head}{wanted}"));
}

/// The lines of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lines {
    session: Vec<String>,
    pub(super) sections: Vec<SectionLines>,
}

impl Lines {
    pub(super) fn split(text: &str) -> Self {
        let mut session: Vec<String> = Vec::new();
        let mut sections: Vec<SectionLines> = Vec::new();
        for line in text.split('\n').map(|l| l.trim_end_matches('\r')).filter(|l| !l.is_empty()) {
            if line.starts_with("m=") {
                sections.push(SectionLines(vec![line.into()]));
            } else if let Some(section) = sections.last_mut() {
                section.0.push(line.into());
            } else {
                session.push(line.into());
            }
        }
        Self { session, sections }
    }

    /// Direction of the sections that say none.
    pub(super) fn default_direction(&self) -> Direction {
        self.session.iter().rev().find_map(|l| direction(l)).unwrap_or(Direction::SendRecv)
    }

    /// Value of the first attribute of this name, wherever it stands.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        value(&self.session, name).or_else(|| self.sections.iter().find_map(|s| s.value(name)))
    }

    /// Gives every attribute of this name this value, wherever it stands.
    pub(super) fn set_value(&mut self, name: &str, wanted: &str) {
        set_value(&mut self.session, name, wanted);
        self.sections.iter_mut().for_each(|s| s.set_value(name, wanted));
    }

    /// Raises the version in the `o=` line; one that is no number stays.
    pub(super) fn raise_version(&mut self, by: u64) {
        let Some(origin) = self.session.iter_mut().find(|l| l.starts_with("o=")) else { return };
        let mut words: Vec<String> = origin.split(' ').map(str::to_owned).collect();
        if let Some(version) = words.get(2).and_then(|v| v.parse::<u64>().ok()) {
            words[2] = version.saturating_add(by).to_string();
            *origin = words.join(" ");
        }
    }
}

impl fmt::Display for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in self.session.iter().chain(self.sections.iter().flat_map(|s| &s.0)) {
            write!(f, "{line}\r\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_direction_is_written_as_it_is_read() {
        for wanted in [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive] {
            assert_eq!(direction(&attribute(wanted)), Some(wanted));
        }
    }

    #[test]
    fn versions_rise_and_nonsense_stays() {
        let mut lines = Lines::split("v=0\no=- 7 4 IN IP4 x\ns=-\n");
        lines.raise_version(2);
        assert_eq!(lines.to_string(), "v=0\r\no=- 7 6 IN IP4 x\r\ns=-\r\n");
        let mut lines = Lines::split("v=0\r\no=- 7 x\r\n");
        lines.raise_version(2);
        assert_eq!(lines.to_string(), "v=0\r\no=- 7 x\r\n");
    }

    #[test]
    fn a_refused_section_keeps_its_name() {
        let lines = Lines::split("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\na=sendrecv\r\na=ssrc:1 x\r\n");
        let mut refused = lines.clone();
        refused.sections[0] = lines.sections[0].refused();
        assert_eq!(
            refused.to_string(),
            "v=0\r\nm=video 0 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=inactive\r\n"
        );
    }
}
