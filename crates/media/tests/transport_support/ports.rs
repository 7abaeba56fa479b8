//! Ports for servers that must be told theirs before they start.
//!
//! Owns: which have been given out by this process. Must not import: anything but the standard library.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};

/// A free port, of UDP and of TCP; the one after it is free, too, since SIP takes that for TLS. Below those that the system itself
/// gives to sockets, or another test's socket would take it before the server does.
pub fn free() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    for _ in 0..5_000 {
        // Processes that run at the same time look in different places.
        let number = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id().wrapping_mul(101));
        let port = 10_000 + (number % 5_000) as u16 * 2;
        let is_free = |port| {
            let everywhere = (Ipv4Addr::UNSPECIFIED, port);
            UdpSocket::bind(everywhere).is_ok() && TcpListener::bind(everywhere).is_ok()
        };
        if is_free(port) && is_free(port + 1) {
            return port;
        }
    }
    panic!("no port is free");
}
