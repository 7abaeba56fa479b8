//! ICE restarts by the other side, and the death of a driver: what only happens when the crate beneath is told to.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::*;

#[derive(Default)]
struct Count(Mutex<usize>);

impl TransportEvents for Count {
    fn rtp(&self, _: Medium, _: RtpPacket, _: Instant) {
        *self.0.lock().expect("not poisoned") += 1;
    }
    fn state(&self, _: TransportState) {}
}

struct Side(Transport, Arc<Count>);

async fn side() -> Side {
    let addresses = AddressPolicy { ipv4: true, ipv6: false, loopback: true };
    let ice = IceConfig { addresses, ..IceConfig::default() };
    let count = Arc::new(Count::default());
    let config = TransportConfig { ice, ..TransportConfig::default() };
    Side(Transport::new(config, count.clone()).await.expect("a transport"), count)
}

async fn exchange(from: &Side, to: &Side) -> (String, String) {
    let offer = from.0.create_offer().await.expect("an offer");
    let answer = to.0.answer_offer(&offer).await.expect("an answer");
    from.0.apply_answer(&answer).await.expect("applied");
    (offer, answer)
}

/// Sends until the other side has got ten packets more.
async fn flows(from: &Side, to: &Side) {
    let count = || *to.1.0.lock().expect("not poisoned");
    let wanted = count() + 10;
    let flow = async {
        while count() < wanted {
            let payload = bytes::Bytes::from_static(b"x");
            let packet = RtpPacket { payload_type: 111, marker: false, sequence: 0, timestamp: 0, ssrc: 0, payload };
            from.0.send(Medium::Audio, packet);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), flow).await.expect("packets in time");
}

fn lines<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(start)).collect()
}

async fn restart(side: &Side) {
    let shared = &side.0.0.0;
    shared.current().expect("a connection").restart().await.expect("restarted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_by_the_other_side_gives_new_credentials_and_no_old_candidates() {
    let (a, b) = (side().await, side().await);
    let (_, first) = exchange(&a, &b).await;
    flows(&a, &b).await;
    for _ in 0..3 {
        restart(&a).await;
        let (offer, answer) = exchange(&a, &b).await;
        assert_ne!(lines(&answer, "a=ice-ufrag"), lines(&first, "a=ice-ufrag"));
        assert_eq!(lines(&answer, "a=fingerprint"), lines(&first, "a=fingerprint"));
        assert_eq!(lines(&answer, "a=candidate").len(), lines(&first, "a=candidate").len(), "{answer}");
        assert_eq!(lines(&offer, "a=candidate").len(), lines(&first, "a=candidate").len(), "{offer}");
        flows(&a, &b).await;
        flows(&b, &a).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_against_a_connection_with_fixed_credentials_gets_a_new_connection() {
    let (a, b, c) = (side().await, side().await, side().await);
    exchange(&a, &b).await;
    flows(&a, &b).await;
    // The answer comes from another party: from now on the connection of `a` keeps the credentials of its offer.
    let (first, _) = exchange(&a, &c).await;
    flows(&a, &c).await;
    flows(&c, &a).await;
    restart(&c).await;
    let (_, answer) = exchange(&c, &a).await;
    assert_ne!(lines(&answer, "a=ice-ufrag"), lines(&first, "a=ice-ufrag"));
    assert_ne!(lines(&answer, "a=fingerprint"), lines(&first, "a=fingerprint"), "a new association must begin");
    flows(&c, &a).await;
    flows(&a, &c).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_driver_is_noticed_and_replaced() {
    let (a, b, c) = (side().await, side().await, side().await);
    exchange(&a, &b).await;
    flows(&a, &b).await;
    a.0.0.0.current().expect("a connection").kill();
    let noticed = async {
        while !matches!(a.0.state(), TransportState::Failed(_)) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), noticed).await.expect("noticed in time");
    exchange(&c, &a).await;
    flows(&c, &a).await;
    flows(&a, &c).await;
}
