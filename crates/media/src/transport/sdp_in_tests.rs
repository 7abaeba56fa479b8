//! Tests of reading foreign descriptions, the recorded ones of browsers and the faulty ones of old clients.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::super::codecs::answered;
use super::super::types::{AudioCodec, TransportConfig, VideoCodec};
use super::*;

fn recorded() -> Vec<(PathBuf, String)> {
    let mut list = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../wire/data/transcripts/sdp")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the recorded descriptions are in the project") {
            let path = entry.expect("readable folder").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "sdp") {
                let text = std::fs::read_to_string(&path).expect("readable file");
                list.push((path, text));
            }
        }
    }
    assert!(list.len() > 100, "only {} recorded descriptions found", list.len());
    list
}

fn plain() -> String {
    let fingerprint = ["AB"; 32].join(":");
    format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE a v\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111 0 126\r\nc=IN IP4 0.0.0.0\r\na=mid:a\r\na=sendrecv\r\na=setup:actpass\r\n\
         a=ice-ufrag:AbCd\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 {fingerprint}\r\na=rtcp-mux\r\n\
         a=rtpmap:111 opus/48000/2\r\na=rtpmap:126 telephone-event/8000\r\na=ssrc:5 cname:x\r\na=ssrc:6 cname:y\r\n\
         a=candidate:1 1 UDP 2130706431 192.0.2.7 5000 typ host\r\na=candidate:1 2 udp 2130706430 192.0.2.7 5001 typ host\r\n\
         a=candidate:2 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active\r\n\
         a=candidate:3 1 udp 2130706431 some-name.local 5002 typ host\r\n\
         a=candidate:4 1 udp 1694498815 198.51.100.9 6000 typ srflx raddr 192.0.2.7 rport 5000\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\na=sendrecv\r\na=ice-ufrag:OTHR\r\n"
    )
}

#[test]
fn every_recorded_description_is_read_as_offer_and_as_answer() {
    for (path, text) in recorded() {
        for half in [Half::Offer, Half::Answer(0, None)] {
            let remote = read(&text, half).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(!remote.payloads.is_empty(), "{}", path.display());
            assert_eq!(remote.fingerprints.len(), 1, "{}", path.display());
        }
    }
}

#[test]
fn what_is_shown_is_one_live_audio_section_whatever_was_written() {
    let remote = read(&plain(), Half::Offer).expect("readable");
    let shown = remote.shown(&answered(&TransportConfig::default(), &remote.payloads), "actpass", "0");
    assert_eq!(shown.matches("m=").count(), 1, "{shown}");
    assert!(shown.contains("a=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\n"), "{shown}");
    assert!(shown.contains("m=audio 9 UDP/TLS/RTP/SAVPF 111 0 126\r\n"), "{shown}");
    assert!(shown.contains("a=rtpmap:0 PCMU/8000\r\n"), "{shown}");
    assert_eq!(shown.matches("a=candidate:").count(), 2, "{shown}");
    assert!(shown.contains("a=ssrc:5 ") && !shown.contains("a=ssrc:6 "), "{shown}");
    assert_eq!(remote.layout.places.len(), 2);
    assert_eq!(remote.layout.places[1].mid.as_deref(), Some("v"));
}

#[test]
fn bare_newlines_and_missing_lines_of_old_clients_make_no_difference() {
    let whole = read(&plain(), Half::Offer).expect("readable");
    let old: String = plain()
        .lines()
        .filter(|line| {
            !["s=", "t=", "a=mid", "a=group", "a=rtcp-mux", "a=setup"].iter().any(|start| line.starts_with(start))
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let read = read(&old, Half::Offer).expect("readable");
    assert_eq!(read.shown(&read.payloads, "actpass", "0"), whole.shown(&whole.payloads, "actpass", "0"));
    assert_eq!(read.layout.places[0].mid, None);
    assert!(!read.layout.bundle && !read.layout.multiplexed);
}

#[test]
fn directions_setup_and_security_are_found_at_session_level() {
    let mut lines: Vec<String> = plain().lines().map(str::to_owned).collect();
    let moved = ["a=sendrecv", "a=setup", "a=ice-ufrag:AbCd", "a=ice-pwd", "a=fingerprint"];
    let (up, rest): (Vec<String>, Vec<String>) =
        lines.drain(..).partition(|line| moved.iter().any(|start| line.starts_with(start)));
    let mut text: Vec<String> = rest;
    let at = text.iter().position(|line| line.starts_with("m=")).expect("a section");
    text.splice(at..at, up.into_iter().map(|line| line.replace("sendrecv", "sendonly").replace("actpass", "passive")));
    let remote = read(&text.join("\r\n"), Half::Offer).expect("readable");
    assert_eq!(remote.direction, Direction::SendOnly);
    assert_eq!(remote.setup, Setup::Passive);
    assert_eq!(remote.ufrag, "AbCd");
}

#[test]
fn a_refused_or_missing_audio_section_is_an_error_with_words() {
    let refused = plain().replace("m=audio 9", "m=audio 0");
    for half in [Half::Offer, Half::Answer(0, None), Half::Answer(7, None)] {
        assert!(matches!(read(&refused, half), Err(MediaError::Sdp(_))));
    }
    for gone in ["a=ice-ufrag:AbCd", "a=ice-pwd", "a=fingerprint"] {
        let text: String =
            plain().lines().filter(|line| !line.starts_with(gone)).map(|line| format!("{line}\r\n")).collect();
        assert!(matches!(read(&text, Half::Offer), Err(MediaError::Sdp(_))), "{gone}");
    }
}

#[test]
fn another_fingerprint_is_foreign_in_any_spelling_the_same_is_not() {
    let known = read(&plain(), Half::Offer).expect("readable").fingerprints;
    let same = read(&plain().replace("AB:AB", "ab:ab").replace("sha-256", "SHA-256"), Half::Offer).expect("readable");
    assert!(!same.is_foreign_to(&known));
    let other = read(&plain().replace("AB:AB", "AC:AB"), Half::Offer).expect("readable");
    assert!(other.is_foreign_to(&known));
    assert!(!other.is_foreign_to(&BTreeSet::new()));
}

#[test]
fn an_answer_without_setup_is_taken_for_active() {
    let text: String =
        plain().lines().filter(|line| !line.starts_with("a=setup")).map(|line| format!("{line}\r\n")).collect();
    assert_eq!(read(&text, Half::Answer(0, None)).expect("readable").setup, Setup::Active);
    assert_eq!(read(&text, Half::Offer).expect("readable").setup, Setup::Either);
}

#[test]
fn a_list_with_g711_only_is_answered_with_g711() {
    let text = plain().replace("SAVPF 111 0 126", "SAVPF 8 0");
    let remote = read(&text, Half::Offer).expect("readable");
    let answer = answered(&TransportConfig::default(), &remote.payloads);
    assert_eq!(answer[0].encoding, Encoding::Speech(AudioCodec::Pcmu));
    assert_eq!(answer.len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Cut, doubled, swapped and overwritten pieces of a recorded description are read or refused, never more.
    #[test]
    fn mutated_descriptions_never_panic(cuts in prop::collection::vec((0usize..4000, 0usize..200, 0u8..4, any::<u8>()), 1..6)) {
        let mut bytes = plain().into_bytes();
        for (at, length, what, byte) in cuts {
            let at = at % bytes.len().max(1);
            let end = (at + length).min(bytes.len());
            match what {
                0 => { bytes.drain(at..end); }
                1 => { let piece = bytes[at..end].to_vec(); bytes.splice(at..at, piece); }
                2 => { if at < bytes.len() { bytes[at] = byte; } }
                _ => bytes[at..end].reverse(),
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        for half in [Half::Offer, Half::Answer(0, None)] {
            if let Ok(remote) = read(&text, half) {
                let shown = remote.shown(&remote.payloads, "actpass", "0");
                prop_assert_eq!(shown.matches("\r\nm=").count(), 1);
            }
        }
    }
}

#[test]
fn video_is_used_where_it_shares_the_transport_of_the_audio() {
    let with_codec = plain() + "a=rtpmap:96 VP8/90000\r\n";
    let video = |text: &str, half: Half| read(text, half).expect("readable").video.map(|video| video.position);
    let answer = Half::Answer(0, Some(1));
    assert_eq!(video(&with_codec, Half::Offer), Some(1));
    assert_eq!(video(&with_codec, answer), Some(1));
    assert_eq!(video(&with_codec, Half::Answer(0, None)), None, "it was not offered");
    // Without the group it is on a path of its own, unless an answer says that it is not.
    let alone = with_codec.replace("a=group:BUNDLE a v\r\n", "");
    assert_eq!((video(&alone, Half::Offer), video(&alone, answer)), (None, None));
    let shared = alone.replace("a=ice-ufrag:OTHR", "a=ice-ufrag:AbCd");
    assert_eq!((video(&shared, Half::Offer), video(&shared, answer)), (None, Some(1)));
    // Refused; and alive in the bundle only, which an answer cannot be.
    let refused = with_codec.replace("m=video 9", "m=video 0");
    assert_eq!((video(&refused, Half::Offer), video(&refused, answer)), (None, None));
    let bundled = refused.clone() + "a=bundle-only\r\n";
    assert_eq!((video(&bundled, Half::Offer), video(&bundled, answer)), (Some(1), None));
    // A refused section before one in use.
    let second = with_codec.replace("m=video 9", "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:old\r\nm=video 9");
    assert_eq!(video(&second, Half::Offer), Some(2));
}

#[test]
fn the_video_of_a_browser_is_read_with_its_direction_and_its_formats() {
    let mut seen = 0;
    for (path, text) in recorded() {
        let remote = read(&text, Half::Offer).expect("readable");
        if let Some(video) = remote.video {
            seen += 1;
            let vp8 = video.payloads.iter().filter(|payload| payload.codec == VideoCodec::Vp8).count();
            assert_eq!(vp8, 1, "{}", path.display());
        }
    }
    assert!(seen > 0, "there is video among the recorded descriptions");
}
