//! A wire between two peers that loses packets of media. Each one sees the other at an address of the wire.
//!
//! Owns: [`Wire`] and its task. Must not import: the library, so that any two peers can be put to its ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::UdpSocket;

/// See the head of the file.
pub struct Wire {
    /// Where the answerer is seen by the offerer, and the other way round.
    pub answerer: SocketAddr,
    pub offerer: SocketAddr,
    every: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

/// Carries what comes to `near` out of `far`, to the peer heard there last.
struct Way<'a> {
    near: &'a UdpSocket,
    far: &'a UdpSocket,
    every: &'a AtomicUsize,
}

impl Way<'_> {
    async fn run(self, from: &std::sync::Mutex<Option<SocketAddr>>, to: &std::sync::Mutex<Option<SocketAddr>>) {
        let mut packet = [0; 2_000];
        let mut count = 0;
        while let Ok((length, sender)) = self.near.recv_from(&mut packet).await {
            *from.lock().expect("whole") = Some(sender);
            // RFC 7983 section 7 and RFC 5761 section 4: neither STUN nor DTLS nor RTCP.
            let is_media = (128..192).contains(&packet[0]) && !(192..224).contains(&packet[1]);
            count += usize::from(is_media);
            let every = self.every.load(Ordering::Relaxed);
            let peer = *to.lock().expect("whole");
            if let Some(peer) = peer.filter(|_| !is_media || every == 0 || count % every != 0) {
                let _ = self.far.send_to(&packet[..length], peer).await;
            }
        }
    }
}

impl Wire {
    pub async fn new() -> Wire {
        let bind = || UdpSocket::bind("127.0.0.1:0");
        let (to_answerer, to_offerer) = (bind().await.expect("a port"), bind().await.expect("a port"));
        let address = |socket: &UdpSocket| socket.local_addr().expect("an address");
        let (answerer, offerer) = (address(&to_answerer), address(&to_offerer));
        let every: Arc<AtomicUsize> = Arc::default();
        let lose = every.clone();
        let task = tokio::spawn(async move {
            let (a, b) = (std::sync::Mutex::new(None), std::sync::Mutex::new(None));
            let there = Way { near: &to_answerer, far: &to_offerer, every: &lose };
            let back = Way { near: &to_offerer, far: &to_answerer, every: &lose };
            tokio::join!(there.run(&a, &b), back.run(&b, &a));
        });
        Wire { answerer, offerer, every, task }
    }

    /// Of so many packets of media one is lost, each way; 0: none.
    pub fn lose_every(&self, packets: usize) {
        self.every.store(packets, Ordering::Relaxed);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A description whose only candidate is this one.
pub fn at(text: &str, address: SocketAddr) -> String {
    let mut given = false;
    let lines = text.lines().filter_map(|line| {
        if !line.starts_with("a=candidate:") {
            return Some(format!("{line}\r\n"));
        }
        let first = !std::mem::replace(&mut given, true);
        first.then(|| format!("a=candidate:1 1 udp 2130706431 {} {} typ host\r\n", address.ip(), address.port()))
    });
    lines.collect()
}
