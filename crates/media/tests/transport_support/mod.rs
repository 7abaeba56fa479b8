//! What the transport tests share: a transport that writes down what it is told, and waiting with a deadline.
#![allow(dead_code, reason = "each test program uses its part")]

pub mod ports;

use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ewebrtc_media::transport::{
    AddressPolicy, IceConfig, Medium, RemoteReport, RtpPacket, Transport, TransportConfig, TransportEvents,
    TransportState,
};

/// Everything a transport has told.
#[derive(Default)]
pub struct Log {
    pub packets: Mutex<Vec<RtpPacket>>,
    pub states: Mutex<Vec<TransportState>>,
    pub reports: Mutex<Vec<RemoteReport>>,
}

impl TransportEvents for Log {
    fn rtp(&self, medium: Medium, packet: RtpPacket, _: Instant) {
        assert_eq!(medium, Medium::Audio);
        self.packets.lock().expect("not poisoned").push(packet);
    }

    fn rtcp(&self, report: RemoteReport) {
        self.reports.lock().expect("not poisoned").push(report);
    }

    fn state(&self, state: TransportState) {
        self.states.lock().expect("not poisoned").push(state);
    }
}

impl Log {
    pub fn received(&self) -> usize {
        self.packets.lock().expect("not poisoned").len()
    }

    pub fn states(&self) -> Vec<TransportState> {
        self.states.lock().expect("not poisoned").clone()
    }
}

/// A transport and its log.
pub struct Side {
    pub transport: Transport,
    pub log: Arc<Log>,
    next: Mutex<u32>,
}

pub fn loopback() -> IceConfig {
    // IPv4 loopback alone: the tests do not depend on the network of the machine. A host has other addresses as well,
    // but connections over loopback come up first.
    IceConfig { addresses: AddressPolicy { ipv4: true, ipv6: false, loopback: true }, ..IceConfig::default() }
}

pub fn config() -> TransportConfig {
    TransportConfig { ice: loopback(), ..TransportConfig::default() }
}

pub async fn side(config: TransportConfig) -> Side {
    let log = Arc::new(Log::default());
    let transport = Transport::new(config, log.clone()).await.expect("a transport");
    Side { transport, log, next: Mutex::new(1000) }
}

impl Side {
    /// Sends one packet with the agreed payload type.
    pub fn send(&self) -> bool {
        let payload_type = self.transport.negotiated().map_or(111, |agreed| agreed.audio.payload_type);
        self.send_as(payload_type, b"payload")
    }

    pub fn send_as(&self, payload_type: u8, payload: &'static [u8]) -> bool {
        let mut next = self.next.lock().expect("not poisoned");
        *next += 960;
        let packet = RtpPacket {
            payload_type,
            marker: false,
            sequence: 0,
            timestamp: *next,
            ssrc: 0,
            payload: Bytes::from_static(payload),
        };
        self.transport.send(Medium::Audio, packet)
    }

    pub async fn connected(&self) {
        until("connected", || self.transport.state() == TransportState::Connected).await;
    }

    /// Sends every 5 ms until the other side has received `count` packets more.
    pub async fn heard_by(&self, other: &Side, count: usize) {
        let wanted = other.log.received() + count;
        let flow = async {
            while other.log.received() < wanted {
                self.send();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        within(10, "packets", flow).await;
    }

    /// Sends for a while and tells how many packets the other side got.
    pub async fn sent_for(&self, time: Duration, other: &Side) -> usize {
        let before = other.log.received();
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.send();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        other.log.received() - before
    }
}

/// One exchange of offer and answer; gives both texts.
pub async fn exchange(from: &Side, to: &Side) -> (String, String) {
    let offer = from.transport.create_offer().await.expect("an offer");
    let answer = to.transport.answer_offer(&offer).await.expect("an answer");
    from.transport.apply_answer(&answer).await.expect("applied");
    (offer, answer)
}

/// Two sides that are connected.
pub async fn pair() -> (Side, Side) {
    let (a, b) = (side(config()).await, side(config()).await);
    exchange(&a, &b).await;
    a.connected().await;
    b.connected().await;
    (a, b)
}

pub async fn both_ways(a: &Side, b: &Side) {
    a.heard_by(b, 5).await;
    b.heard_by(a, 5).await;
}

/// Waits for a future, at most so many seconds.
pub async fn within<T>(seconds: u64, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(seconds), future).await {
        Ok(value) => value,
        Err(_) => panic!("not in {seconds} s: {what}"),
    }
}

/// Waits until something is true, at most 10 s.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    within(10, what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// The lines of a text that begin so.
pub fn lines<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(start)).collect()
}

/// The first direction line.
pub fn direction(text: &str) -> &str {
    let names = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];
    text.lines().find(|line| names.contains(line)).unwrap_or("none")
}

/// Starts what the first connection of the process starts and what stays for the others.
pub async fn warm_up() {
    let first = side(config()).await;
    first.transport.create_offer().await.expect("an offer");
    first.transport.close().await;
}

/// Sockets that this process has open (Linux), by their names, of which none comes again: a count would also tell of the tests
/// that run at the same time.
pub struct Open(BTreeSet<PathBuf>);

impl Open {
    /// All there are now.
    pub fn now() -> Open {
        let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        Open(names.filter(|name| name.to_string_lossy().starts_with("socket:")).collect())
    }

    /// Waits until each socket that was opened since and is open now was closed. Some may belong to other tests, which end in
    /// their own time.
    pub async fn nothing_more(&self) {
        let mut left = &Open::now().0 - &self.0;
        within(60, "no socket is left", async {
            while !left.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
                left = &left & &Open::now().0;
            }
        })
        .await;
    }
}
