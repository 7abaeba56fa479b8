//! Another party takes over (another DTLS fingerprint), a path is not found: what lies beneath changes or breaks, and the
//! transport says so or goes on.

mod transport_support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ewebrtc_media::MediaError;
use ewebrtc_media::transport::{IceConfig, IceServer, Medium, Transport, TransportConfig, TransportState};
use transport_support::{Log, both_ways, config, exchange, lines, loopback, pair, side, until, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_of_another_party_is_answered_on_a_new_connection_while_the_old_one_plays_on() {
    let (a, b) = pair().await;
    both_ways(&a, &b).await;
    let c = side(config()).await;
    let offer = c.transport.create_offer().await.expect("an offer");
    let answer = a.transport.answer_offer(&offer).await.expect("an answer");
    // The new party does not know the answer yet: the old one still hears us, and we it.
    assert_eq!(a.transport.state(), TransportState::Connected);
    both_ways(&a, &b).await;
    let before = b.log.packets.lock().expect("not poisoned").last().cloned().expect("a packet");
    c.transport.apply_answer(&answer).await.expect("applied");
    c.connected().await;
    both_ways(&a, &c).await;
    // The old connection was closed: nothing more arrives there.
    let heard = b.log.received();
    a.heard_by(&c, 20).await;
    assert_eq!(b.log.received(), heard, "the old party hears nothing any more");
    // SSRC and sequence numbers run on without a hole.
    let after = c.log.packets.lock().expect("not poisoned").first().cloned().expect("a packet");
    assert_eq!(after.ssrc, before.ssrc);
    assert!(after.sequence.wrapping_sub(before.sequence) < 200, "{} then {}", before.sequence, after.sequence);
    // No gap was told.
    let told = a.log.states();
    let connected = told.iter().position(|state| *state == TransportState::Connected).expect("connected");
    assert_eq!(told[connected..], [TransportState::Connected]);
    // And it goes on with the new one as with any.
    exchange(&a, &c).await;
    exchange(&c, &a).await;
    both_ways(&a, &c).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_of_another_party_to_our_later_offer_replaces_the_connection() {
    let (a, b) = pair().await;
    let c = side(config()).await;
    let offer = a.transport.create_offer().await.expect("an offer");
    let answer = c.transport.answer_offer(&offer).await.expect("an answer");
    a.transport.apply_answer(&answer).await.expect("applied");
    c.connected().await;
    a.connected().await;
    both_ways(&a, &c).await;
    let heard = b.log.received();
    a.heard_by(&c, 10).await;
    assert_eq!(b.log.received(), heard);
    // Everything that the offer said is still true.
    let again = a.transport.create_offer().await.expect("an offer");
    for start in ["a=ice-ufrag", "a=ice-pwd", "a=fingerprint", "a=ssrc", "a=candidate"] {
        assert_eq!(lines(&offer, start), lines(&again, start));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_s_final_answer_after_the_early_one_of_another_device_connects() {
    let (a, early, last) = (side(config()).await, side(config()).await, side(config()).await);
    let offer = a.transport.create_offer().await.expect("an offer");
    let first = early.transport.answer_offer(&offer).await.expect("an answer");
    let second = last.transport.answer_offer(&offer).await.expect("an answer");
    a.transport.apply_answer(&first).await.expect("applied");
    a.connected().await;
    both_ways(&a, &early).await;
    a.transport.apply_answer(&second).await.expect("applied");
    last.connected().await;
    both_ways(&a, &last).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dtls_role_is_kept_for_a_new_party() {
    let (a, b) = pair().await;
    // The first answer came from the other side: we are passive, and stay it for the next party.
    let c = side(config()).await;
    let offer = c.transport.create_offer().await.expect("an offer");
    let answer = a.transport.answer_offer(&offer).await.expect("an answer");
    assert!(answer.contains("a=setup:passive\r\n"), "{answer}");
    c.transport.apply_answer(&answer).await.expect("applied");
    c.connected().await;
    both_ways(&a, &c).await;
    drop(b);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_party_that_is_not_there_is_given_up_in_time() {
    let quick = TransportConfig {
        ice: IceConfig { connect_timeout: Duration::from_millis(700), ..loopback() },
        ..TransportConfig::default()
    };
    let (a, b) = (side(quick).await, side(config()).await);
    let offer = a.transport.create_offer().await.expect("an offer");
    let answer = b.transport.answer_offer(&offer).await.expect("an answer");
    b.transport.close().await;
    let begin = Instant::now();
    a.transport.apply_answer(&answer).await.expect("applied");
    until("failed", || matches!(a.transport.state(), TransportState::Failed(_))).await;
    assert!(begin.elapsed() >= Duration::from_millis(600) && begin.elapsed() < Duration::from_secs(3));
    assert!(!a.send());
    // A new offer finds a way out.
    let c = side(config()).await;
    let offer = c.transport.create_offer().await.expect("an offer");
    let answer = a.transport.answer_offer(&offer).await.expect("an answer");
    c.transport.apply_answer(&answer).await.expect("applied");
    a.connected().await;
    both_ways(&a, &c).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_fingerprint_never_connects_and_is_given_up() {
    let quick = TransportConfig {
        ice: IceConfig { connect_timeout: Duration::from_secs(2), ..loopback() },
        ..TransportConfig::default()
    };
    let (a, b) = (side(quick).await, side(config()).await);
    let offer = a.transport.create_offer().await.expect("an offer");
    let answer = b.transport.answer_offer(&offer).await.expect("an answer");
    let fingerprint = lines(&answer, "a=fingerprint")[0];
    let wrong = format!("a=fingerprint:sha-256 {}", ["AB"; 32].join(":"));
    a.transport.apply_answer(&answer.replace(fingerprint, &wrong)).await.expect("applied");
    until("failed", || matches!(a.transport.state(), TransportState::Failed(_))).await;
    assert!(!a.log.states().contains(&TransportState::Connected));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_stun_server_delays_the_offer_by_the_deadline_only() {
    // A socket that takes everything and answers nothing.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let url = format!("stun:127.0.0.1:{}", silent.local_addr().expect("its address").port());
    let ice = IceConfig { servers: vec![IceServer { urls: vec![url], ..IceServer::default() }], ..loopback() };
    let (a, b) = (side(TransportConfig { ice, ..config() }).await, side(config()).await);
    let begin = Instant::now();
    let offer = a.transport.create_offer().await.expect("an offer");
    // The deadline is half a second; without it the server would be asked for some ten.
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(offer.contains(" typ host"), "{offer}");
    let answer = b.transport.answer_offer(&offer).await.expect("an answer");
    a.transport.apply_answer(&answer).await.expect("applied");
    a.connected().await;
    both_ways(&a, &b).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_range_of_ports_is_kept_and_exhausted_with_an_error() {
    let port = transport_support::ports::free();
    // One port for each address of the host, on loopback too.
    let ice = IceConfig { ports: Some(port..=port), ..loopback() };
    let a = side(TransportConfig { ice: ice.clone(), ..config() }).await;
    let offer = a.transport.create_offer().await.expect("an offer");
    let ports: Vec<&str> = lines(&offer, "a=candidate").iter().filter_map(|line| line.split(' ').nth(5)).collect();
    assert!(!ports.is_empty() && ports.iter().all(|found| *found == port.to_string()), "{offer}");
    let b = side(TransportConfig { ice, ..config() }).await;
    assert!(matches!(b.transport.create_offer().await, Err(MediaError::Transport(_))));
    // Free again at once after close.
    a.transport.close().await;
    b.transport.create_offer().await.expect("an offer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_handle_closes_and_a_path_that_falls_silent_is_told() {
    let (a, b) = pair().await;
    both_ways(&a, &b).await;
    let log: Arc<Log> = b.log.clone();
    drop(b);
    until("closed by the drop", || log.states().last() == Some(&TransportState::Closed)).await;
    // Nobody tells us; the path falls silent and the state says so within some seconds.
    within(15, "disconnected", async {
        while a.transport.state() == TransportState::Connected {
            a.send();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(a.transport.state(), TransportState::Disconnected);
}

#[test]
fn a_runtime_that_ends_under_a_transport_leaves_no_hang() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let log = Arc::new(Log::default());
    let transport = runtime.block_on(async {
        let transport = Transport::new(config(), log.clone()).await.expect("a transport");
        transport.create_offer().await.expect("an offer");
        transport
    });
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    other.block_on(within(5, "close", transport.close()));
    let packet = ewebrtc_media::transport::RtpPacket {
        payload_type: 111,
        marker: false,
        sequence: 0,
        timestamp: 0,
        ssrc: 0,
        payload: bytes::Bytes::new(),
    };
    assert!(!transport.send(Medium::Audio, packet));
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let log = Arc::new(Log::default());
    let made = futures_util::FutureExt::now_or_never(Transport::new(config(), log));
    assert!(matches!(made, Some(Err(MediaError::Transport(_)))));
}

/// The target of a transfer: its offer is for somebody else than the party it talks to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offer_for_another_party_leaves_the_present_one_until_that_one_is_connected() {
    let (a, b) = pair().await;
    let c = side(config()).await;
    let known = a.transport.create_offer().await.expect("an offer");
    let offer = a.transport.create_offer_for_another().await.expect("an offer");
    for start in ["a=ice-ufrag", "a=fingerprint"] {
        assert_ne!(lines(&offer, start), lines(&known, start), "nothing of the present party's");
    }
    both_ways(&a, &b).await;
    let answer = c.transport.answer_offer(&offer).await.expect("an answer");
    both_ways(&a, &b).await;
    a.transport.apply_answer(&answer).await.expect("applied");
    c.connected().await;
    both_ways(&a, &c).await;
    let heard = b.log.received();
    a.heard_by(&c, 20).await;
    assert_eq!(b.log.received(), heard, "the former party hears nothing any more");
    assert!(matches!(a.transport.keep_party().await, Err(MediaError::Transport(_))), "there is no way back");
    exchange(&a, &c).await;
    exchange(&c, &a).await;
    both_ways(&a, &c).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_present_party_stays_when_the_other_one_does_not_come() {
    let (a, b) = pair().await;
    a.transport.keep_party().await.expect("nothing to do");
    for round in 0..3 {
        let c = side(config()).await;
        if round % 2 == 0 {
            a.transport.create_offer_for_another().await.expect("an offer");
        } else {
            let offer = c.transport.create_offer().await.expect("an offer");
            a.transport.answer_offer(&offer).await.expect("an answer");
        }
        both_ways(&a, &b).await;
        a.transport.keep_party().await.expect("back");
        both_ways(&a, &b).await;
        // And changes with that party are what they always were.
        exchange(&a, &b).await;
        exchange(&b, &a).await;
        both_ways(&a, &b).await;
    }
    // After all that another party can still come.
    let c = side(config()).await;
    let offer = a.transport.create_offer_for_another().await.expect("an offer");
    let answer = c.transport.answer_offer(&offer).await.expect("an answer");
    a.transport.apply_answer(&answer).await.expect("applied");
    both_ways(&a, &c).await;
}
