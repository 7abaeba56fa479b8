//! Two transports speak with each other over loopback: connecting, media, hold, texts, the end.

mod transport_support;

use std::time::{Duration, Instant};

use ewebrtc_media::MediaError;
use ewebrtc_media::transport::{AddressPolicy, AudioCodec, Direction, Medium, TransportConfig, TransportState};
use transport_support::{Open, both_ways, config, direction, exchange, lines, pair, side, until, warm_up, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sides_connect_within_half_a_second_and_exchange_packets() {
    // The best of three: other tests use the same processors.
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let begin = Instant::now();
        let (_a, _b) = pair().await;
        best = best.min(begin.elapsed());
    }
    assert!(best < Duration::from_millis(500), "{best:?}");

    let (a, b) = (side(config()).await, side(config()).await);
    let (offer, answer) = exchange(&a, &b).await;
    both_ways_when_connected(&a, &b).await;

    let packet = b.log.packets.lock().expect("not poisoned").last().cloned().expect("a packet");
    assert_eq!((packet.payload_type, &packet.payload[..]), (111, &b"payload"[..]));
    assert_eq!(packet.ssrc, a.transport.ssrc(Medium::Audio));
    assert!(offer.contains(&format!("a=ssrc:{} ", packet.ssrc)));

    let agreed = a.transport.negotiated().expect("agreed").audio;
    assert_eq!((agreed.codec, agreed.payload_type), (AudioCodec::Opus, 111));
    assert_eq!(agreed.telephone_event, Some((110, 48_000)));
    assert_eq!(agreed.direction, Direction::SendRecv);
    assert_eq!(b.transport.negotiated(), a.transport.negotiated());
    assert!(offer.contains("a=setup:actpass") && answer.contains("a=setup:active"));
    assert_eq!(a.log.states().first(), Some(&TransportState::Connecting));
    assert_eq!(a.log.states().last(), Some(&TransportState::Connected));

    let stats = a.transport.stats().await;
    assert!(stats.packets_sent >= 5 && stats.packets_received >= 5 && !stats.relayed, "{stats:?}");
    a.transport.close().await;
    b.transport.close().await;
    assert_eq!(a.log.states().last(), Some(&TransportState::Closed));
    assert!(matches!(a.transport.create_offer().await, Err(MediaError::Closed)));
    assert!(!a.send());
}

/// The first DTLS message leaves with the path, not with the next round of checks (every 20 ms).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connecting_waits_for_no_timer() {
    let mut best = Duration::MAX;
    // The best of many: other tests use the same processors.
    for _ in 0..20 {
        let (a, b) = (side(config()).await, side(config()).await);
        let offer = a.transport.create_offer().await.expect("an offer");
        let answer = b.transport.answer_offer(&offer).await.expect("an answer");
        let begin = Instant::now();
        a.transport.apply_answer(&answer).await.expect("applied");
        // Polled closely: what is measured takes a few milliseconds.
        within(10, "connected", async {
            while [&a, &b].iter().any(|side| side.transport.state() != TransportState::Connected) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
        best = best.min(begin.elapsed());
    }
    println!("connected within {best:?}");
    assert!(best < Duration::from_millis(18), "{best:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_are_sent_from_a_plain_thread_and_only_while_connected() {
    let (a, b) = (side(config()).await, side(config()).await);
    assert!(!a.send(), "nothing is agreed yet");
    exchange(&a, &b).await;
    a.connected().await;
    let transport = a.transport.clone();
    let sent = std::thread::spawn(move || {
        (0..50_u32)
            .filter(|number| {
                std::thread::sleep(Duration::from_millis(2));
                let payload = bytes::Bytes::from_static(b"thread");
                let timestamp = number * 960;
                let packet = ewebrtc_media::transport::RtpPacket {
                    payload_type: 111,
                    marker: false,
                    sequence: 9,
                    timestamp,
                    ssrc: 1,
                    payload,
                };
                transport.send(Medium::Audio, packet)
            })
            .count()
    })
    .join()
    .expect("no panic");
    assert_eq!(sent, 50);
    until("all received", || b.log.received() == 50).await;
    // The numbers are the transport's own, without a hole.
    let packets = b.log.packets.lock().expect("not poisoned").clone();
    for two in packets.windows(2) {
        assert_eq!(two[1].sequence, two[0].sequence.wrapping_add(1));
    }
    assert!(!a.transport.send(Medium::Video, packets[0].clone()), "video is not sent");
    a.transport.close().await;
    assert!(!a.send());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hold_inactive_and_resume_by_either_side_are_answered_rightly() {
    use Direction::{Inactive, RecvOnly, SendOnly, SendRecv};
    let (a, b) = pair().await;
    let steps = [
        ("a", SendOnly, SendRecv),
        ("b", SendOnly, SendOnly),
        ("a", SendRecv, SendOnly),
        ("b", SendRecv, SendRecv),
        ("a", Inactive, SendRecv),
        ("a", SendRecv, SendRecv),
        ("b", SendRecv, Inactive),
        ("b", SendRecv, SendRecv),
        ("a", RecvOnly, SendRecv),
        ("a", SendRecv, SendRecv),
    ];
    for (who, wish_a, wish_b) in steps {
        a.transport.set_direction(Medium::Audio, wish_a);
        b.transport.set_direction(Medium::Audio, wish_b);
        let (offerer, answerer) = if who == "a" { (&a, &b) } else { (&b, &a) };
        let (offer, answer) = exchange(offerer, answerer).await;
        let expected = wish_a.intersect(wish_b.reversed());
        let shown = |direction: Direction| match direction {
            SendRecv => "a=sendrecv",
            SendOnly => "a=sendonly",
            RecvOnly => "a=recvonly",
            Inactive => "a=inactive",
        };
        let seen_by_answerer = if who == "a" { expected.reversed() } else { expected };
        assert_eq!(direction(&answer), shown(seen_by_answerer), "{who} {wish_a:?} {wish_b:?} {}", direction(&offer));
        assert_eq!(a.transport.negotiated().expect("agreed").audio.direction, expected);
        assert_eq!(b.transport.negotiated().expect("agreed").audio.direction, expected.reversed());
        for (from, to, flows) in [(&a, &b, expected.sends()), (&b, &a, expected.receives())] {
            if flows {
                from.heard_by(to, 3).await;
            } else {
                assert!(!from.send(), "{who} {wish_a:?} {wish_b:?}");
            }
        }
    }
    assert_eq!(a.transport.state(), TransportState::Connected);
    // A later offer has nothing to gather and does not wait for the deadline. The best of three: other tests use the same
    // processors.
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let begin = Instant::now();
        exchange(&a, &b).await;
        best = best.min(begin.elapsed());
    }
    assert!(best < Duration::from_millis(400), "{best:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dtls_role_and_the_session_stay_in_every_later_description() {
    let (a, b) = (side(config()).await, side(config()).await);
    let (first_offer, first_answer) = exchange(&a, &b).await;
    a.connected().await;
    assert!(first_answer.contains("a=setup:active\r\n"));
    let (offer, answer) = exchange(&b, &a).await;
    assert!(offer.contains("a=setup:actpass\r\n") && answer.contains("a=setup:passive\r\n"), "{answer}");
    let (_, answer) = exchange(&a, &b).await;
    assert!(answer.contains("a=setup:active\r\n"), "{answer}");
    // The same party with an old text: its roles stay too.
    let offer = b.transport.create_offer().await.expect("an offer").replace("actpass", "passive");
    let again = a.transport.answer_offer(&offer).await.expect("an answer");
    assert!(again.contains("a=setup:passive\r\n"), "{again}");
    b.transport.apply_answer(&again).await.expect("applied");
    for start in ["a=ice-ufrag", "a=ice-pwd", "a=fingerprint", "a=ssrc", "a=candidate"] {
        assert_eq!(lines(&first_offer, start), lines(&again, start));
    }
    let version = |text: &str| -> Vec<String> { lines(text, "o=")[0].split(' ').take(3).map(str::to_owned).collect() };
    let (first, last) = (version(&first_offer), version(&again));
    assert_eq!(first[..2], last[..2]);
    assert!(last[2].parse::<u64>().expect("a number") > first[2].parse::<u64>().expect("a number"));
    both_ways(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_that_wants_to_be_dtls_client_connects() {
    let (a, b) = (side(config()).await, side(config()).await);
    let offer = a.transport.create_offer().await.expect("an offer");
    let answer = b.transport.answer_offer(&offer.replace("actpass", "active")).await.expect("an answer");
    assert!(answer.contains("a=setup:passive\r\n"), "{answer}");
    a.transport.apply_answer(&answer).await.expect("applied");
    both_ways_when_connected(&a, &b).await;
}

async fn both_ways_when_connected(a: &transport_support::Side, b: &transport_support::Side) {
    a.connected().await;
    b.connected().await;
    both_ways(a, b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_clients_without_mid_group_ssrc_and_mux_are_served_in_both_directions() {
    let old = |text: &str| -> String {
        let gone = ["a=mid", "a=group", "a=rtcp-mux", "a=ssrc", "a=msid", "s=", "t=", "a=end-of"];
        text.lines()
            .filter(|line| !gone.iter().any(|start| line.starts_with(start)))
            .map(|line| format!("{line}\n"))
            .collect()
    };
    let (a, b) = (side(config()).await, side(config()).await);
    let offer = a.transport.create_offer().await.expect("an offer");
    let answer = b.transport.answer_offer(&old(&offer)).await.expect("an answer");
    assert!(!answer.contains("a=mid") && !answer.contains("a=group"), "{answer}");
    a.transport.apply_answer(&old(&answer)).await.expect("applied");
    both_ways_when_connected(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn video_and_data_are_refused_and_stay_refused() {
    let (a, b) = (side(config()).await, side(config()).await);
    let offer = a.transport.create_offer().await.expect("an offer");
    let more = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=sendrecv\r\na=rtpmap:96 VP8/90000\r\n\
                m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\na=sctp-port:5000\r\n";
    let with_more = offer.replace("BUNDLE 0", "BUNDLE 0 1 2") + more;
    let answer = b.transport.answer_offer(&with_more).await.expect("an answer");
    assert_eq!(lines(&answer, "a=group"), ["a=group:BUNDLE 0"]);
    let sections: Vec<&str> = answer.split("\r\nm=").skip(1).collect();
    assert_eq!(sections.len(), 3, "{answer}");
    assert!(
        sections[1].starts_with("video 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=inactive\r\n"),
        "{answer}"
    );
    assert!(sections[2].starts_with("application 0 UDP/DTLS/SCTP webrtc-datachannel\r\nc="), "{answer}");
    a.transport.apply_answer(&answer).await.expect("applied");
    both_ways_when_connected(&a, &b).await;
    // A later offer of ours keeps the places of the sections.
    let later = b.transport.create_offer().await.expect("an offer");
    assert_eq!(lines(&later, "m=").len(), 3, "{later}");
    assert!(lines(&later, "m=video 0").len() == 1, "{later}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payload_types_of_the_other_side_are_followed_and_g711_can_be_preferred() {
    let g711 = TransportConfig { audio_codecs: vec![AudioCodec::Pcma, AudioCodec::Opus], ..config() };
    let (a, b) = (side(config()).await, side(g711).await);
    let offer = a.transport.create_offer().await.expect("an offer");
    let other = offer
        .replace("SAVPF 111", "SAVPF 98")
        .replace(":111 ", ":98 ")
        .replace(" 126\r\n", " 101\r\n")
        .replace(":126 ", ":101 ");
    let answer = b.transport.answer_offer(&other).await.expect("an answer");
    assert!(answer.contains("m=audio ") && answer.contains("SAVPF 8 98 101\r\n"), "{answer}");
    let agreed = b.transport.negotiated().expect("agreed").audio;
    assert_eq!((agreed.codec, agreed.payload_type), (AudioCodec::Pcma, 8));
    assert_eq!(agreed.telephone_event, Some((101, 8_000)));
    assert_eq!(agreed.payload_types.codec(98), Some(AudioCodec::Opus));
    let back = answer.replace(" 98 101\r\n", " 111 126\r\n").replace(":98 ", ":111 ").replace(":101 ", ":126 ");
    a.transport.apply_answer(&back).await.expect("applied");
    a.connected().await;
    b.connected().await;
    // Speech in both codecs and a telephone event, with the numbers that each side has been told.
    both_ways(&a, &b).await;
    for payload_type in [98, 101, 8] {
        assert!(b.send_as(payload_type, b"x"));
    }
    let marked =
        || a.log.packets.lock().expect("not poisoned").iter().filter(|packet| &packet.payload[..] == b"x").count();
    until("all three", || marked() == 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_may_choose_another_codec_of_the_offer() {
    let only = TransportConfig { audio_codecs: vec![AudioCodec::Pcmu], ..config() };
    let (a, b) = (side(config()).await, side(only).await);
    exchange(&a, &b).await;
    let agreed = a.transport.negotiated().expect("agreed").audio;
    assert_eq!((agreed.codec, agreed.payload_type, agreed.telephone_event), (AudioCodec::Pcmu, 0, Some((126, 8_000))));
    both_ways_when_connected(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_answer_may_be_followed_by_the_same_or_another_final_one() {
    let (a, b) = (side(config()).await, side(config()).await);
    let offer = a.transport.create_offer().await.expect("an offer");
    let answer = b.transport.answer_offer(&offer).await.expect("an answer");
    let early = answer.replace("a=sendrecv", "a=sendonly");
    a.transport.apply_answer(&early).await.expect("applied");
    a.connected().await;
    b.heard_by(&a, 3).await;
    assert!(!a.send(), "the early answer only sends");
    a.transport.apply_answer(&early).await.expect("the same again");
    a.transport.apply_answer(&answer).await.expect("the final one");
    assert_eq!(a.transport.negotiated().expect("agreed").audio.direction, Direction::SendRecv);
    both_ways(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_that_crosses_ours_wins_and_an_unanswered_offer_may_be_repeated() {
    let (a, b) = (side(config()).await, side(config()).await);
    let _unanswered = a.transport.create_offer().await.expect("an offer");
    let offer = a.transport.create_offer().await.expect("another offer");
    let answer = b.transport.answer_offer(&offer).await.expect("an answer");
    a.transport.apply_answer(&answer).await.expect("applied");
    both_ways_when_connected(&a, &b).await;
    let _crossing = a.transport.create_offer().await.expect("an offer");
    let (_, answer) = exchange(&b, &a).await;
    assert!(a.transport.apply_answer(&answer).await.is_err(), "our offer is gone");
    both_ways(&a, &b).await;
    // And before anything was agreed.
    let (c, d) = (side(config()).await, side(config()).await);
    let _crossing = c.transport.create_offer().await.expect("an offer");
    exchange(&d, &c).await;
    both_ways_when_connected(&c, &d).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_side_reports_loss_and_round_trip_by_rtcp() {
    let (a, b) = pair().await;
    let talk = async {
        while !a.log.reports.lock().expect("not poisoned").iter().any(|report| report.round_trip.is_some()) {
            a.send();
            b.send();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    within(15, "a report with a round trip", talk).await;
    let report = *a.log.reports.lock().expect("not poisoned").last().expect("a report");
    assert!(report.fraction_lost < 0.5 && report.jitter < Duration::from_millis(200), "{report:?}");
    assert!(report.round_trip.is_some_and(|time| time < Duration::from_millis(300)), "{report:?}");
    let stats = a.transport.stats().await;
    assert!(stats.round_trip.is_some() && stats.remote_fraction_lost.is_some(), "{stats:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_after_close_or_drop() {
    // What the runtime and the crate open once for all.
    pair().await.0.transport.close().await;
    until("the first pair is gone", || tokio::runtime::Handle::current().metrics().num_alive_tasks() == 0).await;
    warm_up().await;
    let before = Open::now();
    for round in 0..10 {
        let (a, b) = pair().await;
        both_ways(&a, &b).await;
        let unfinished = side(config()).await;
        unfinished.transport.create_offer().await.expect("an offer");
        if round % 2 == 0 {
            a.transport.close().await;
            b.transport.close().await;
            unfinished.transport.close().await;
            a.transport.close().await;
        }
    }
    until("no task is left", || tokio::runtime::Handle::current().metrics().num_alive_tasks() == 0).await;
    before.nothing_more().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_addresses_of_the_allowed_family_are_offered_and_ipv6_connects() {
    for (ipv4, ipv6) in [(true, false), (false, true)] {
        let mut config = config();
        config.ice.addresses = AddressPolicy { ipv4, ipv6, loopback: true };
        let (a, b) = (side(config.clone()).await, side(config).await);
        let offer = match a.transport.create_offer().await {
            Ok(offer) => offer,
            Err(error) => {
                // A machine without IPv6 has no address to offer, and says so.
                assert!(ipv6 && std::net::UdpSocket::bind("[::1]:0").is_err(), "{error}");
                continue;
            }
        };
        for line in lines(&offer, "a=candidate") {
            let address: std::net::IpAddr = line.split(' ').nth(4).expect("an address").parse().expect("an address");
            assert_eq!((address.is_ipv4(), address.is_ipv6()), (ipv4, ipv6), "{offer}");
        }
        let family = if ipv4 { "c=IN IP4 " } else { "c=IN IP6 " };
        assert!(lines(&offer, "c=")[0].starts_with(family), "{offer}");
        let answer = b.transport.answer_offer(&offer).await.expect("an answer");
        a.transport.apply_answer(&answer).await.expect("applied");
        both_ways_when_connected(&a, &b).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_default_configuration_connects_on_the_addresses_that_the_host_has() {
    let (a, b) = (side(TransportConfig::default()).await, side(TransportConfig::default()).await);
    let (offer, _) = exchange(&a, &b).await;
    let candidates = lines(&offer, "a=candidate");
    let local = candidates.iter().filter(|line| line.contains(" 127.0.0.1 ") || line.contains(" ::1 ")).count();
    assert!(local == 0 || local == candidates.len(), "loopback only where there is nothing else: {offer}");
    both_ways_when_connected(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_answer_still_connects() {
    // Longer than a candidate pair is tried from one side.
    let (a, b) = (side(config()).await, side(config()).await);
    let offer = a.transport.create_offer().await.expect("an offer");
    let answer = b.transport.answer_offer(&offer).await.expect("an answer");
    tokio::time::sleep(Duration::from_millis(6500)).await;
    a.transport.apply_answer(&answer).await.expect("applied");
    both_ways_when_connected(&a, &b).await;
}
