//! Tests of the texts that we write: what the crate beneath says is cleaned, what the protocol demands is there.

use super::super::codecs::offered;
use super::super::sdp_in::{Half, Place, read};
use super::super::types::TransportConfig;
use super::*;

const SHOW_ALL: Visible = Visible { loopback: true, own: true };

/// A text with the faults of the crate beneath: everything twice, component 2, a candidate of an earlier generation.
const INNER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:AbCd\r\na=ice-pwd:0123456789012345678901\r\n\
    a=fingerprint:sha-256 AA:BB\r\n\
    a=candidate:1 1 udp 2130706431 192.0.2.7 5000 typ host ufrag AbCd\r\n\
    a=candidate:1 2 udp 2130706431 192.0.2.7 5000 typ host ufrag AbCd\r\n\
    a=candidate:1 1 udp 2130706431 192.0.2.7 5000 typ host ufrag AbCd\r\n\
    a=candidate:9 1 udp 2130706431 192.0.2.7 4000 typ host ufrag OLDx\r\n\
    a=candidate:2 1 udp 2130706431 127.0.0.1 5001 typ host ufrag AbCd\r\n\
    a=candidate:3 1 udp 1694498815 198.51.100.9 6000 typ srflx raddr 192.0.2.7 rport 5000\r\n\
    a=candidate:4 1 udp 16777215 203.0.113.1 7000 typ relay raddr 192.0.2.7 rport 5000\r\n";

fn answer(facts: &Facts, layout: &Layout, role: Option<Role>, direction: Direction) -> String {
    Description {
        session: 42,
        version: 3,
        layout,
        facts,
        payloads: &offered(&TransportConfig::default(), &[], &[]),
        direction,
        role,
        ssrc: 77,
        video: None,
        cname: "name",
    }
    .text()
}

#[test]
fn component_2_doubles_and_stale_candidates_are_dropped() {
    let facts = Facts::read(INNER, SHOW_ALL).expect("readable");
    let kinds: Vec<(&str, u16)> = facts.candidates.iter().map(|c| (c.kind.as_str(), c.address.port())).collect();
    assert_eq!(kinds, [("host", 5001), ("host", 5000), ("srflx", 6000), ("relay", 7000)]);
    assert_eq!(facts.sockets().len(), 2);
}

#[test]
fn hidden_addresses_stay_hidden() {
    let facts = Facts::read(INNER, Visible { loopback: false, own: true }).expect("readable");
    assert!(!answer(&facts, &Layout::ours(), None, Direction::SendRecv).contains("127.0.0.1 5001"));
    let facts = Facts::read(INNER, Visible { loopback: true, own: false }).expect("readable");
    let text = answer(&facts, &Layout::ours(), None, Direction::SendRecv);
    assert!(!text.contains("192.0.2.7") && !text.contains("198.51.100.9"), "{text}");
    assert!(text.contains("203.0.113.1 7000 typ relay raddr 0.0.0.0 rport 0"), "{text}");
}

#[test]
fn every_section_has_its_own_lines_and_a_refused_one_is_dead() {
    let facts = Facts::read(INNER, SHOW_ALL).expect("readable");
    let mut layout = Layout::ours();
    layout.places.push(Place {
        media: "video".into(),
        protocol: "UDP/TLS/RTP/SAVPF".into(),
        formats: vec!["96".into(), "97".into()],
        mid: Some("1".into()),
    });
    let text = answer(&facts, &layout, Some(Role::Active), Direction::RecvOnly);
    assert!(text.contains("a=group:BUNDLE 0\r\n"), "{text}");
    let sections: Vec<&str> = text.split("m=").skip(1).collect();
    assert_eq!(sections.len(), 2);
    assert!(
        sections[0].starts_with("audio 7000 UDP/TLS/RTP/SAVPF 111 0 8 110 126\r\nc=IN IP4 203.0.113.1\r\n"),
        "{text}"
    );
    assert!(sections[0].contains("a=recvonly\r\n"));
    assert!(
        sections[1].starts_with("video 0 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=inactive\r\n"),
        "{text}"
    );
    for section in sections {
        for line in ["a=setup:active\r\n", "a=ice-ufrag:AbCd\r\n", "a=ice-pwd:", "a=fingerprint:sha-256 "] {
            assert!(section.contains(line), "{line} in {section}");
        }
    }
}

#[test]
fn telephone_events_are_written_once_each_and_every_codec_has_its_map() {
    let facts = Facts::read(INNER, SHOW_ALL).expect("readable");
    let text = answer(&facts, &Layout::ours(), None, Direction::SendRecv);
    for map in
        ["111 opus/48000/2", "0 PCMU/8000", "8 PCMA/8000", "110 telephone-event/48000", "126 telephone-event/8000"]
    {
        assert_eq!(text.matches(&format!("a=rtpmap:{map}\r\n")).count(), 1, "{text}");
    }
    assert!(text.contains("a=fmtp:111 minptime=10;useinbandfec=1\r\n"));
    assert!(text.contains("a=setup:actpass\r\n"));
}

#[test]
fn an_answer_to_an_old_client_has_no_mid_and_no_group() {
    let facts = Facts::read(INNER, SHOW_ALL).expect("readable");
    let offer = INNER
        .replace("a=group:BUNDLE 0\r\n", "")
        .replace("sha-256 AA:BB", &format!("sha-256 {}", ["AB"; 32].join(":")));
    let layout = read(&offer, Half::Offer).expect("readable").layout;
    let text = answer(&facts, &layout, Some(Role::Active), Direction::SendRecv);
    assert!(!text.contains("a=mid") && !text.contains("a=group") && !text.contains("a=rtcp-mux"), "{text}");
}

#[test]
fn a_live_video_section_is_in_the_bundle_with_its_stream_and_its_feedback() {
    let facts = Facts::read(INNER, SHOW_ALL).expect("readable");
    let config = TransportConfig::default();
    let payloads = offered(&config, &[], &[]);
    let pictures = super::super::video_codecs::offered(&config, &[], &payloads);
    let mut layout = Layout::ours();
    let place = |mid: &str| Place {
        media: "video".into(),
        protocol: "UDP/TLS/RTP/SAVPF".into(),
        formats: vec!["96".into()],
        mid: Some(mid.into()),
    };
    layout.places.extend([place("old"), place("new")]);
    layout.video = Some(2);
    let text = |video: Option<VideoLines<'_>>| {
        Description {
            session: 42,
            version: 3,
            layout: &layout,
            facts: &facts,
            payloads: &payloads,
            direction: Direction::SendRecv,
            role: None,
            ssrc: 77,
            video,
            cname: "name",
        }
        .text()
    };
    let with = text(Some(VideoLines { payloads: &pictures, direction: Direction::RecvOnly, ssrc: 78 }));
    assert!(with.contains("a=group:BUNDLE 0 new\r\n"), "{with}");
    let sections: Vec<&str> = with.split("\r\nm=").collect();
    assert!(sections[2].starts_with("video 0 ") && sections[2].contains("a=inactive"), "{with}");
    let video = sections[3];
    assert!(video.starts_with("video 7000 UDP/TLS/RTP/SAVPF 96 102\r\nc=IN IP4 203.0.113.1\r\n"), "{video}");
    for line in [
        "a=mid:new",
        "a=recvonly",
        "a=setup:actpass",
        "a=rtcp-mux",
        "a=rtpmap:96 VP8/90000",
        "a=rtcp-fb:96 nack",
        "a=rtcp-fb:96 nack pli",
        "a=rtcp-fb:102 ccm fir",
        "a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
        "a=msid:name name-video",
        "a=ssrc:78 msid:name name-video",
    ] {
        assert!(video.lines().any(|own| own == line), "{line} in {video}");
    }
    assert!(!video.contains("a=candidate"), "those of the audio section are the bundle's: {video}");
    let without = text(None);
    assert!(without.contains("a=group:BUNDLE 0\r\n") && without.matches("m=video 0 ").count() == 2, "{without}");
    // What we write is what we read.
    let with = with.replace("AA:BB", &["AA"; 32].join(":"));
    let read = read(&with, Half::Offer).expect("readable").video.expect("in use");
    assert_eq!((read.position, read.payloads, read.direction), (2, pictures, Direction::RecvOnly));
}
