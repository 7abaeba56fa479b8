//! The runtime that a connection's driver runs on: a lane's, with a way to have its timeouts handled at once.
//!
//! Owns: the connection's place on a lane, and the sleep of the driver's loop. Lives on the connection's driver task.
//! Must not import anything of this crate but the lanes.
//!
//! Why the latter: with the path, the crate makes its first DTLS message, but hands it out only when timeouts are handled the next
//! time, which would be with the next round of ICE checks. The driver sleeps by this runtime until its next timeout, so
//! a sleep that ends early is all that is needed; timeouts that are not due do nothing.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime, TokioRuntime,
};

use super::lanes::Place;
use crate::MediaError;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One for each connection.
#[derive(Debug)]
pub(super) struct Clock {
    tokio: TokioRuntime,
    place: Place,
    hurry: AtomicBool,
    #[cfg(test)]
    driver: std::sync::Mutex<Option<tokio::task::AbortHandle>>,
}

impl Clock {
    /// # Errors
    /// As [`Place::take`].
    pub(super) fn new() -> Result<Arc<Clock>, MediaError> {
        Ok(Arc::new(Clock {
            tokio: TokioRuntime,
            place: Place::take()?,
            hurry: AtomicBool::new(false),
            #[cfg(test)]
            driver: std::sync::Mutex::default(),
        }))
    }

    /// The runtime of the connection's lane.
    pub(super) fn lane(&self) -> &Handle {
        self.place.handle()
    }

    /// Ends the driver as a fault inside it would.
    #[cfg(test)]
    pub(super) fn kill(&self) {
        if let Some(driver) = self.driver.lock().expect("not poisoned").take() {
            driver.abort();
        }
    }

    /// The driver's next sleep ends at once. To be called on the driver's task: a sleep that has begun goes on.
    pub(super) fn hurry(&self) {
        self.hurry.store(true, Ordering::Relaxed);
    }
}

struct Task(tokio::task::JoinHandle<()>);

impl JoinHandle for Task {
    fn detach(&self) {}

    fn abort(&self) {
        self.0.abort();
    }

    fn is_finished(&self) -> bool {
        self.0.is_finished()
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
        let task = self.place.handle().spawn(future);
        #[cfg(test)]
        self.driver.lock().expect("not poisoned").replace(task.abort_handle());
        Box::new(Task(task))
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
