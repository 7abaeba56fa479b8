//! What the gateway corrects in a description before it passes it on.
//!
//! Owns: [`relay_sdp`]. Lives on: any thread. Must not import: anything of the core but `lines`.
//!
//! Calls pass descriptions through end to end (D-27). Three things are put right, because original clients misread them
//! and phones of other makers leave them out; everything else stays byte for byte:
//! * lines end in CRLF (section 4.1: the original reader sees a text with bare LF as one line);
//! * every m-section says its direction (section 4.2: without it the media type is `unsupported`);
//! * a refused section (port 0) is `a=inactive` and has a `c=` line (sections 3.2 and 4.6: otherwise the original client
//!   turns the *audio* off).

use ewebrtc_wire::Direction;

use super::lines::Lines;

/// The description as it is passed on. Applying it twice changes nothing more.
pub fn relay_sdp(text: &str) -> String {
    let mut lines = Lines::split(text);
    let default = lines.default_direction();
    for section in &mut lines.sections {
        if section.is_refused() {
            section.ensure_connection();
            section.set_direction(Direction::Inactive);
        } else if section.direction().is_none() {
            section.set_direction(default);
        }
    }
    lines.to_string()
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
