//! A lossy network between two parties: a relay of UDP packets that drops some of the media, by a printed seed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// See the head of the file. Ends when dropped.
pub struct Relay {
    task: JoinHandle<()>,
    /// Packets of media that passed and that were dropped.
    pub passed: Arc<AtomicU64>,
    pub dropped: Arc<AtomicU64>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The candidate on the loopback address, one line of a description.
fn candidate(sdp: &str) -> &str {
    let local = |line: &&str| line.starts_with("a=candidate:") && line.contains(" 127.0.0.1 ");
    sdp.lines().find(local).expect("a candidate on the loopback address")
}

fn port(sdp: &str) -> u16 {
    candidate(sdp).split(' ').nth(5).and_then(|port| port.parse().ok()).expect("its port")
}

/// A description that has that candidate only, with another port.
fn moved(sdp: &str, from: u16, to: u16) -> String {
    let kept = candidate(sdp).replace(&format!(" {from} "), &format!(" {to} "));
    let change = |line: &str| match line {
        line if line == candidate(sdp) => Some(kept.clone()),
        line if line.starts_with("a=candidate:") => None,
        line => Some(line.to_owned()),
    };
    sdp.lines().filter_map(change).map(|line| line + "\r\n").collect()
}

impl Relay {
    /// A relay that drops `percent` of the media in both directions. Gives what stands in for the party behind `offer`, and
    /// what does the same with its answer later.
    pub async fn between(offer: &str, percent: u64, seed: u64) -> (String, impl FnOnce(&str) -> (String, Relay)) {
        println!("seed {seed}, {percent} % loss");
        let near = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let far = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let at = |socket: &UdpSocket| socket.local_addr().expect("its address").port();
        let offerer = port(offer);
        let (near_port, far_port) = (at(&near), at(&far));
        let shown = moved(offer, offerer, near_port);
        let begin = move |answer: &str| {
            let answerer = port(answer);
            let answer = moved(answer, answerer, far_port);
            let (passed, dropped) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
            let ends = [(near, answerer), (far, offerer)];
            let task = tokio::spawn(pass(ends, percent, seed, passed.clone(), dropped.clone()));
            (answer, Relay { task, passed, dropped })
        };
        (shown, begin)
    }
}

async fn pass(
    [(near, answerer), (far, offerer)]: [(UdpSocket, u16); 2],
    percent: u64,
    mut seed: u64,
    passed: Arc<AtomicU64>,
    dropped: Arc<AtomicU64>,
) {
    let to = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let (mut a, mut b) = ([0; 2_048], [0; 2_048]);
    loop {
        let (data, out, port) = tokio::select! {
            Ok((length, _)) = near.recv_from(&mut a) => (&a[..length], &far, offerer),
            Ok((length, _)) = far.recv_from(&mut b) => (&b[..length], &near, answerer),
        };
        // Media is told from STUN and DTLS by its first byte (RFC 7983), RTP from RTCP by its second (RFC 5761).
        let media = data.len() > 1 && (128..192).contains(&data[0]) && !(192..224).contains(&data[1]);
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if media && (seed >> 33) % 100 < percent {
            dropped.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        passed.fetch_add(u64::from(media), Ordering::Relaxed);
        let _ = out.send_to(data, to(port)).await;
    }
}
