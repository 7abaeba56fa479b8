//! What the gateway corrects in a description before it passes it on.
//!
//! Owns: [`relay_sdp`]. Lives on: any thread. Must not import: anything of the core.
//!
//! Calls pass descriptions through end to end (D-27). Three things are put right, because original clients misread them
//! and phones of other makers leave them out; everything else stays byte for byte:
//! * lines end in CRLF (section 4.1: the original reader sees a text with bare LF as one line);
//! * every m-section says its direction (section 4.2: without it the media type is `unsupported`);
//! * a refused section (port 0) is `a=inactive` and has a `c=` line (sections 3.2 and 4.6: otherwise the original client
//!   turns the *audio* off).

const DIRECTIONS: [&str; 4] = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];

/// The description as it is passed on. Applying it twice changes nothing more.
pub fn relay_sdp(text: &str) -> String {
    let mut session: Vec<&str> = Vec::new();
    let mut sections: Vec<Vec<&str>> = Vec::new();
    for line in text.split('\n').map(|l| l.trim_end_matches('\r')).filter(|l| !l.is_empty()) {
        if line.starts_with("m=") {
            sections.push(vec![line]);
        } else if let Some(section) = sections.last_mut() {
            section.push(line);
        } else {
            session.push(line);
        }
    }
    let default = session.iter().rev().find(|l| DIRECTIONS.contains(l)).copied().unwrap_or("a=sendrecv");
    for section in &mut sections {
        let refused = section.first().and_then(|m| m.split_ascii_whitespace().nth(1)) == Some("0");
        if refused {
            if !section.iter().any(|l| l.starts_with("c=")) {
                // The title line alone comes before the connection line (RFC 8866 section 5).
                let after_title = if section.get(1).is_some_and(|l| l.starts_with("i=")) { 2 } else { 1 };
                section.insert(after_title, "c=IN IP4 0.0.0.0");
            }
            if !section.iter().filter(|l| DIRECTIONS.contains(l)).eq(["a=inactive"].iter()) {
                section.retain(|l| !DIRECTIONS.contains(l));
                section.push("a=inactive");
            }
        } else if !section.iter().any(|l| DIRECTIONS.contains(l)) {
            section.push(default);
        }
    }
    let mut out = String::with_capacity(text.len() + 64);
    for line in session.iter().chain(sections.iter().flatten()) {
        out.push_str(line);
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::relay_sdp;

    #[test]
    fn a_correct_description_stays_as_it_is() {
        let text = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=sendonly\r\na=mid:0\r\n";
        assert_eq!(relay_sdp(text), text);
    }

    #[test]
    fn what_original_clients_misread_is_put_right() {
        let text =
            "v=0\no=- 1 1 IN IP4 0\ns=-\nt=0 0\nm=audio 9 RTP/SAVPF 0\nm=video 0 RTP/SAVPF 96\na=sendrecv\na=mid:1\n";
        let fixed = relay_sdp(text);
        assert_eq!(
            fixed,
            "v=0\r\no=- 1 1 IN IP4 0\r\ns=-\r\nt=0 0\r\nm=audio 9 RTP/SAVPF 0\r\na=sendrecv\r\n\
             m=video 0 RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=inactive\r\n"
        );
        assert_eq!(relay_sdp(&fixed), fixed);
    }

    #[test]
    fn a_session_level_direction_is_kept() {
        let fixed = relay_sdp("v=0\r\na=recvonly\r\nm=audio 9 X 0\r\nm=audio 9 X 0\r\na=sendonly\r\n");
        assert!(fixed.contains("m=audio 9 X 0\r\na=recvonly\r\nm=audio 9 X 0\r\na=sendonly\r\n"), "{fixed}");
    }
}
