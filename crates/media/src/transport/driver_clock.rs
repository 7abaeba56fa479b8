//! The runtime that the crate's drivers run on: tokio, with a clock that stands still while a driver works.
//!
//! Owns: the time that a driver sees. Lives on the threads of the tokio runtime. Must not import anything else of the
//! transport.
//!
//! A driver handles a timer that is due before it looks at its sockets, and then looks at the timers again. Where one
//! round of connectivity checks takes longer than the time between two rounds (many addresses, a slow or busy machine),
//! the next round is due as soon as one has ended, and no answer is ever read. With a clock that moves only between two
//! polls of the driver's task a timer is due once, and the sockets have their turn.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use webrtc::runtime::{
    AsyncInterval, AsyncTcpListener, AsyncTcpStream, AsyncUdpSocket, JoinHandle, Runtime, TokioRuntime,
};

thread_local! {
    /// The time at which the task that this thread polls began its turn.
    static TURN: Cell<Option<Instant>> = const { Cell::new(None) };
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Tokio, as the drivers see it.
#[derive(Debug)]
pub(super) struct DriverRuntime;

/// A task whose clock stands still during each of its turns.
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

impl Runtime for DriverRuntime {
    fn spawn(&self, future: Boxed<'static, ()>) -> Box<dyn JoinHandle> {
        TokioRuntime.spawn(Box::pin(Turns(future)))
    }

    fn now(&self) -> Instant {
        TURN.get().unwrap_or_else(Instant::now)
    }

    fn wrap_udp_socket(&self, socket: std::net::UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        TokioRuntime.wrap_udp_socket(socket)
    }

    fn wrap_tcp_listener(&self, listener: std::net::TcpListener) -> io::Result<Arc<dyn AsyncTcpListener>> {
        TokioRuntime.wrap_tcp_listener(listener)
    }

    fn connect_tcp<'a>(&'a self, remote_addr: SocketAddr) -> Boxed<'a, io::Result<Arc<dyn AsyncTcpStream>>> {
        TokioRuntime.connect_tcp(remote_addr)
    }

    fn resolve_host<'a>(&'a self, host: &'a str) -> Boxed<'a, io::Result<Vec<SocketAddr>>> {
        TokioRuntime.resolve_host(host)
    }

    fn sleep(&self, duration: Duration) -> Boxed<'static, ()> {
        TokioRuntime.sleep(duration)
    }

    fn interval(&self, period: Duration) -> Box<dyn AsyncInterval> {
        TokioRuntime.interval(period)
    }

    fn block_on(&self, future: Pin<Box<dyn Future<Output = ()> + '_>>) {
        TokioRuntime.block_on(future);
    }

    fn yield_now(&self) -> Boxed<'static, ()> {
        TokioRuntime.yield_now()
    }

    fn name(&self) -> &'static str {
        "tokio"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_clock_of_a_driver_moves_between_its_turns_only() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        DriverRuntime.spawn(Box::pin(async move {
            let begin = DriverRuntime.now();
            let long = Instant::now();
            while long.elapsed() < Duration::from_millis(5) {}
            let same_turn = DriverRuntime.now();
            tokio::task::yield_now().await;
            let _ = sender.send((same_turn - begin, DriverRuntime.now() - begin));
        }));
        let (within, after) = receiver.await.expect("the task ran");
        assert_eq!(within, Duration::ZERO);
        assert!(after >= Duration::from_millis(5), "{after:?}");
        let outside = DriverRuntime.now();
        assert!(outside.elapsed() < Duration::from_secs(1) && TURN.get().is_none());
    }
}
