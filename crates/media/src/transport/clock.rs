//! The runtime that a connection's driver runs on: a lane's, with a clock of the driver's own.
//!
//! Owns: the connection's place on a lane, the sleep of the driver's loop and the time it sees. Lives on the connection's
//! driver task. Must not import anything of this crate but the lanes and the error.
//!
//! With the path, the crate makes its first DTLS message, but hands it out only when timeouts are handled the next time,
//! which would be with the next round of ICE checks. The driver sleeps by this runtime until its next timeout, so a sleep
//! that ends early is all that is needed; timeouts that are not due do nothing.
//!
//! A driver handles a timeout that is due before it looks at its sockets, and then looks at the timeouts again. Where one
//! round of checks takes longer than the time between two rounds (many addresses, a slow or busy machine), the next one is
//! due as soon as one has ended, and no answer would ever be read. So the time stands still during a turn of the driver's
//! task: a timeout is due once, and the sockets have their turn.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime, TokioRuntime,
};

use super::lanes::Place;
use crate::MediaError;

thread_local! {
    /// When the driver that this thread polls began its turn.
    static TURN: Cell<Option<Instant>> = const { Cell::new(None) };
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One for each connection.
#[derive(Debug)]
pub(super) struct Clock {
    tokio: TokioRuntime,
    place: Place,
    hurry: Arc<AtomicBool>,
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
            hurry: Arc::default(),
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

/// A task during each of whose turns the time stands still.
struct Turns(Boxed<'static, ()>);

/// Gives the thread back its own time, also after a panic.
struct Restore(Option<Instant>);

impl Drop for Restore {
    fn drop(&mut self) {
        TURN.set(self.0);
    }
}

impl Future for Turns {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let _restore = Restore(TURN.replace(Some(Instant::now())));
        self.0.as_mut().poll(context)
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
    fn now(&self) -> Instant {
        TURN.get().unwrap_or_else(Instant::now)
    }

    fn sleep(&self, duration: Duration) -> Boxed<'static, ()> {
        let hurry = self.hurry.clone();
        let mut timer = self.tokio.sleep(duration);
        // Asked at every look, not once: the driver waits for its sockets as well and takes one thing at a time, in no
        // particular order, so that a sleep which has ended may be dropped unseen.
        Box::pin(std::future::poll_fn(move |context| {
            if hurry.swap(false, Ordering::Relaxed) { Poll::Ready(()) } else { timer.as_mut().poll(context) }
        }))
    }

    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        let task = self.place.handle().spawn(Turns(future));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_time_of_a_driver_moves_between_its_turns_only() {
        let clock = Clock::new().expect("a lane");
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let inside = clock.clone();
        clock.spawn(Box::pin(async move {
            let (begin, long) = (inside.now(), Instant::now());
            while long.elapsed() < Duration::from_millis(5) {}
            let same_turn = inside.now();
            tokio::task::yield_now().await;
            let _ = sender.send((same_turn - begin, inside.now() - begin));
        }));
        let (within, after) = receiver.await.expect("the task ran");
        assert_eq!(within, Duration::ZERO);
        assert!(after >= Duration::from_millis(5), "{after:?}");
        assert!(TURN.get().is_none());
    }
}
