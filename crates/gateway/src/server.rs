//! The server: listens, serves connections, stops.
//!
//! Owns: [`Gateway`], the accept loop, the sockets. Lives on: the tokio runtime it was started in; one task accepts, one
//! serves each connection, one keeps the core's time. Must not import: the core's inside.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::config::{GatewayConfig, GatewayError};
use crate::core::TokenGrant;
use crate::http::{Connection, app};
use crate::shell::GatewayState;

/// How long a connection may be silent between requests, or take for the head of one. Longer than clients keep idle
/// connections (90 s is usual), so that a request does not meet a connection that is being closed.
const HEAD_PATIENCE: Duration = Duration::from_secs(120);

/// How long a response may make no progress: its phone has gone, and its events must not wait for the system's own limit
/// of many minutes.
const WRITE_PATIENCE: Duration = Duration::from_secs(20);

/// How long connections may take to finish at the end; together with the rest it stays below 5 s.
const STOP_PATIENCE: Duration = Duration::from_secs(3);

/// Pause after a failed accept, which means that the process has no free file descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A running gateway. Dropping it stops it at once, without the courtesy of [`Gateway::shutdown`].
pub struct Gateway {
    state: GatewayState,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    server: Mutex<Option<JoinHandle<()>>>,
    timer: JoinHandle<()>,
}

impl Gateway {
    /// Starts a gateway in the current tokio runtime and returns when it listens.
    ///
    /// # Errors
    /// [`GatewayError::NoAccounts`] without development mode, [`GatewayError::Config`] for a value out of range,
    /// [`GatewayError::Address`] for a text that is no address and port, [`GatewayError::Listen`] when it cannot be had.
    pub async fn start(config: GatewayConfig) -> Result<Gateway, GatewayError> {
        let state = GatewayState::new(&config)?;
        let is_place = |(host, port): (&str, &str)| {
            // An address of IPv6 stands in brackets, or its last part would be taken for the port.
            let is_host = !host.is_empty() && (!host.contains(':') || host.starts_with('[') && host.ends_with(']'));
            is_host && port.parse::<u16>().is_ok()
        };
        if !config.listen.rsplit_once(':').is_some_and(is_place) {
            return Err(GatewayError::Address(config.listen));
        }
        let refused = |error| GatewayError::Listen(config.listen.clone(), error);
        let listener = TcpListener::bind(&config.listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let timer = state.spawn_timer();
        let (stop, stopping) = watch::channel(false);
        let server = tokio::spawn(accept(listener, app(state.clone()), stopping, config.connections));
        log::info!("the gateway listens on port {}", address.port());
        if config.dev && !address.ip().is_loopback() {
            log::warn!("development mode: whoever reaches this port may log in as anybody");
        }
        Ok(Gateway { state, address, stop, server: Mutex::new(Some(server)), timer })
    }

    /// Base address, such as `http://127.0.0.1:8080`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Address it listens on; the port is the real one.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The state, for counts and for a second router.
    pub fn state(&self) -> &GatewayState {
        &self.state
    }

    /// A new token of this user, as `POST /dev/tokens` gives it.
    ///
    /// # Errors
    /// [`GatewayError::User`] when the text is no user of this gateway.
    pub fn issue_dev_token(&self, user: &str) -> Result<TokenGrant, GatewayError> {
        self.state.issue_dev_token(user)
    }

    /// Stops: open polls end with 204, sockets are closed, running requests are finished, connections closed, all within 5 s. A second call
    /// returns at once.
    pub async fn shutdown(&self) {
        self.state.close();
        self.stop.send_replace(true);
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(server) = server
            && server.await.is_err()
        {
            log::warn!("the server did not end in order");
        }
        self.timer.abort();
        self.state.drop_sockets();
        self.state.close_media();
        log::info!("the gateway has stopped");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.timer.abort();
        if let Some(server) = self.server.lock().unwrap_or_else(PoisonError::into_inner).take() {
            server.abort();
        }
        self.state.drop_sockets();
        self.state.close_media();
    }
}

async fn accept(listener: TcpListener, router: Router, mut stopping: watch::Receiver<bool>, most: usize) {
    let mut connections = JoinSet::new();
    while !*stopping.borrow() {
        tokio::select! {
            _ = stopping.changed() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < most.max(1) => match accepted {
                Ok((stream, _)) => {
                    // Small answers must not wait for more.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(serve(stream, router.clone(), stopping.clone()));
                }
                Err(error) => {
                    log::warn!("a connection was not accepted: {error}");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
    drop(listener);
    let deadline = Instant::now() + STOP_PATIENCE;
    loop {
        tokio::select! {
            joined = connections.join_next() => if joined.is_none() { return },
            () = sleep_until(deadline) => break,
        }
    }
    connections.shutdown().await;
}

/// Serves one connection to its end; as a WebSocket it is served by a task of its own and counts until that has ended.
async fn serve<S>(stream: S, router: Router, mut stopping: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (alive, gone) = oneshot::channel::<Infallible>();
    let ledger = Connection::default();
    let stream = Stream { stream, ledger: ledger.clone(), stalled: None, _alive: alive };
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ledger.clone());
        inner.call(request.map(Body::new))
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE);
    {
        let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let result = tokio::select! {
            result = connection.as_mut() => result,
            _ = async { stopping.wait_for(|stop| *stop).await.is_ok() } => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            log::debug!("a connection ended early: {error}");
        }
    }
    // An error: the stream is dropped.
    let _ = gone.await;
}

/// A stream that tells its ledger what was written.
struct Stream<S> {
    stream: S,
    ledger: Connection,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Dropped with the stream, wherever it has gone.
    _alive: oneshot::Sender<Infallible>,
}

impl<S> Stream<S> {
    /// Takes note of how a write went; one that waits too long fails.
    fn noted<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(Ok(value)) => {
                self.stalled = None;
                Poll::Ready(Ok(value))
            }
            Poll::Ready(Err(error)) => {
                self.ledger.broken();
                Poll::Ready(Err(error))
            }
            Poll::Pending => {
                let timer = self.stalled.get_or_insert_with(|| Box::pin(sleep(WRITE_PATIENCE)));
                ready!(timer.as_mut().poll(cx));
                self.ledger.broken();
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.noted(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.noted(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if let Poll::Ready(Ok(())) = flushed {
            self.ledger.flushed();
        }
        self.noted(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S> Drop for Stream<S> {
    fn drop(&mut self) {
        self.ledger.broken();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const BIG: usize = 32 * 1024;

    fn offer() -> String {
        let head = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=sendrecv\r\n";
        format!("{head}a=x-{}\r\n", "x".repeat(BIG))
    }

    /// A gateway whose connections carry `buffer` bytes that nobody has read, and no more.
    struct Pipes {
        state: GatewayState,
        stopping: watch::Receiver<bool>,
        _stop: watch::Sender<bool>,
    }

    impl Pipes {
        fn connect(&self, buffer: usize) -> DuplexStream {
            let (ours, theirs) = duplex(buffer);
            tokio::spawn(serve(theirs, app(self.state.clone()), self.stopping.clone()));
            ours
        }

        async fn send(&self, request: String, body: &str) -> String {
            let mut stream = self.connect(1 << 20);
            let length = body.len();
            let text = format!("{request}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}");
            stream.write_all(text.as_bytes()).await.expect("sends");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("an answer");
            answer
        }

        async fn login(&self, user: &str) -> (String, String) {
            let token = self.state.issue_dev_token(user).expect("a token").token.expose().to_owned();
            let auth = format!("Host: x\r\nAuthorization: Bearer {token}\r\n");
            let answer = self.send(format!("POST /RTC/v1/sessions HTTP/1.1\r\n{auth}"), r#"{"session":{}}"#).await;
            let location = answer.lines().find_map(|l| l.strip_prefix("location: ")).expect("Location").to_owned();
            (location, auth)
        }
    }

    /// The answer to a poll is stuck half-way, and the connection breaks: the event comes with the next poll. When it was
    /// written completely it does not come again.
    #[tokio::test]
    async fn an_answer_that_was_not_written_completely_comes_again() {
        let config = GatewayConfig { poll_seconds: 1, ..GatewayConfig::development() };
        let state = GatewayState::new(&config).expect("a state");
        state.spawn_timer();
        let (stop, stopping) = watch::channel(false);
        let pipes = Pipes { state, stopping, _stop: stop };
        let (alice, alice_auth) = pipes.login("alice").await;
        let (bob, bob_auth) = pipes.login("bob").await;
        let poll = format!("GET {bob}/events HTTP/1.1\r\n{bob_auth}");

        let mut narrow = pipes.connect(1024);
        narrow.write_all(format!("{poll}\r\n").as_bytes()).await.expect("sends");
        let call = serde_json::json!({"call": {"calledParty": "sip:bob@ewebrtc.local", "sdp": offer()}}).to_string();
        let answer = pipes.send(format!("POST {alice}/calls HTTP/1.1\r\n{alice_auth}"), &call).await;
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        let mut some = [0; 512];
        narrow.read_exact(&mut some).await.expect("the beginning");
        assert!(some.starts_with(b"HTTP/1.1 200"));
        drop(narrow);

        let again = pipes.send(poll.clone(), "").await;
        assert!(again.starts_with("HTTP/1.1 200") && again.contains("invitation-received"), "{again:.200}");
        assert!(again.len() > BIG);
        let nothing = pipes.send(poll, "").await;
        assert!(nothing.starts_with("HTTP/1.1 204"), "{nothing:.200}");
    }

    /// A frame is stuck half-way because the socket is not read: nobody else waits for it, and when the connection breaks
    /// the event comes with the next way of asking. When it was written completely it does not come again.
    #[tokio::test]
    async fn a_socket_that_is_not_read_holds_up_nobody_and_loses_nothing() {
        let config = GatewayConfig { poll_seconds: 1, ..GatewayConfig::development() };
        let state = GatewayState::new(&config).expect("a state");
        state.spawn_timer();
        let (stop, stopping) = watch::channel(false);
        let pipes = Pipes { state, stopping, _stop: stop };
        let (alice, alice_auth) = pipes.login("alice").await;
        let (bob, bob_auth) = pipes.login("bob").await;
        let ticket = pipes.send(format!("POST {bob}/websockets HTTP/1.1\r\n{bob_auth}"), "").await;
        let url = ticket.lines().find_map(|l| l.strip_prefix("location: ws://x")).expect("Location");

        let mut narrow = pipes.connect(1024);
        let upgrade = "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
        narrow.write_all(format!("GET {url} HTTP/1.1\r\n{upgrade}").as_bytes()).await.expect("sends");
        let call = serde_json::json!({"call": {"calledParty": "sip:bob@ewebrtc.local", "sdp": offer()}}).to_string();
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") {
            seen.push(narrow.read_u8().await.expect("the handshake"));
        }
        assert!(seen.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&seen));
        for _ in 0..3 {
            let answer = pipes.send(format!("POST {alice}/calls HTTP/1.1\r\n{alice_auth}"), &call).await;
            assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        }
        let mut some = [0; 512];
        narrow.read_exact(&mut some).await.expect("the beginning of a frame");
        assert_eq!(some[0], 0x81, "a text");
        drop(narrow);

        let poll = format!("GET {bob}/events HTTP/1.1\r\n{bob_auth}");
        let again = pipes.send(poll.clone(), "").await;
        assert!(again.starts_with("HTTP/1.1 200") && again.contains("invitation-received"), "{again:.200}");
        assert!(again.len() > BIG);
        while !pipes.send(poll.clone(), "").await.starts_with("HTTP/1.1 204") {}
    }
}
