//! The runtime that a connection's driver runs on: tokio, with a way to have its timeouts handled at once.
//!
//! Owns: the sleep of the driver's loop. Lives on the connection's driver task. Must not import anything of this crate.
//!
//! Why: with the path, the crate makes its first DTLS message, but hands it out only when timeouts are handled the next
//! time, which would be with the next round of ICE checks. The driver sleeps by this runtime until its next timeout, so
//! a sleep that ends early is all that is needed; timeouts that are not due do nothing.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime, TokioRuntime,
};

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One for each connection.
#[derive(Debug)]
pub(super) struct Clock {
    tokio: TokioRuntime,
    hurry: AtomicBool,
}

impl Clock {
    pub(super) fn new() -> Arc<Clock> {
        Arc::new(Clock { tokio: TokioRuntime, hurry: AtomicBool::new(false) })
    }

    /// The driver's next sleep ends at once. To be called on the driver's task: a sleep that has begun goes on.
    pub(super) fn hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
    }
}

impl Runtime for Clock {
    fn sleep(&self, duration: Duration) -> Boxed<'static, ()> {
        if self.hurry.swap(false, Ordering::Relaxed) {
            Box::pin(std::future::ready(()))
        } else {
            self.tokio.sleep(duration)
        }
    }

    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        self.tokio.spawn(future)
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        self.tokio.wrap_udp_socket(socket)
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        self.tokio.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(&'a self, remote: SocketAddr) -> Boxed<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        self.tokio.connect_tcp(remote)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        self.tokio.resolve_host(host)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        self.tokio.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        self.tokio.block_on(future);
    }

    fn yield_now(&self) -> Boxed<'static, ()> {
        self.tokio.yield_now()
    }

    fn name(&self) -> &'static str {
        self.tokio.name()
    }
}
