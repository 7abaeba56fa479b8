//! HTTP without a client around it, and the least that a long poll needs.
//!
//! Owns: [`Wire`], the bare long poll that figures stand beside. Lives on: the program's own runtime. Must not import: the
//! programs.

use super::{Failure, ms};
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use ewebrtc::Gateway;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};

/// One connection of HTTP/1.1 that stays open, and nothing more.
pub struct Wire {
    stream: TcpStream,
    token: String,
    buffer: Vec<u8>,
}

/// What is read of an answer.
pub struct Reply {
    /// Its `Location`, or nothing.
    pub location: String,
}

impl Wire {
    /// A connection to this gateway, with this token.
    pub async fn connect(gateway: &Gateway, token: &str) -> Result<Self, Failure> {
        let address = gateway.url().strip_prefix("http://").ok_or("no HTTP gateway")?.to_owned();
        Self::to(&address, token).await
    }

    async fn to(address: &str, token: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, token: token.to_owned(), buffer: Vec::new() })
    }

    /// Sends a request and reads the whole answer; one that is not 2xx is a failure.
    pub async fn request(&mut self, verb: &str, path: &str, body: &str) -> Result<Reply, Failure> {
        let (token, length) = (&self.token, body.len());
        let head = format!("{verb} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n");
        let text = format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}");
        self.stream.write_all(text.as_bytes()).await?;
        let head = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = self.buffer.split_off(end + 4);
                let head = std::mem::replace(&mut self.buffer, rest);
                break String::from_utf8(head)?;
            }
            self.read().await?;
        };
        let field = |name: &str| {
            let of = |line: &str| {
                line.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.to_owned())
            };
            head.lines().find_map(of)
        };
        let length = field("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        while self.buffer.len() < length {
            self.read().await?;
        }
        self.buffer.drain(..length);
        if !head.starts_with("HTTP/1.1 2") {
            return Err(format!("{verb} {path}: {}", head.lines().next().unwrap_or_default()).into());
        }
        Ok(Reply { location: field("location").unwrap_or_default() })
    }

    async fn read(&mut self) -> Result<(), Failure> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err("the connection has ended".into());
        }
        Ok(())
    }
}

/// The least that a long poll needs: what is posted is the answer of the poll that waits.
///
/// Gives the milliseconds of `count` exchanges after `warm` others: from the post sent to the poll's answer read.
pub async fn bare_polls(body: String, warm: usize, count: usize) -> Result<Vec<f64>, Failure> {
    type Slot = Arc<(mpsc::UnboundedSender<String>, Mutex<mpsc::UnboundedReceiver<String>>)>;
    let (sender, receiver) = mpsc::unbounded_channel();
    let slot: Slot = Arc::new((sender, Mutex::new(receiver)));
    let app = Router::new()
        .route("/post", post(|State(slot): State<Slot>, text: String| async move { drop(slot.0.send(text)) }))
        .route(
            "/poll",
            get(|State(slot): State<Slot>| async move { slot.1.lock().await.recv().await.unwrap_or_default() }),
        )
        .with_state(slot);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    let (seen, mut answers) = mpsc::unbounded_channel();
    let mut poller = Wire::to(&address, "none").await?;
    let polling = tokio::spawn(async move {
        while poller.request("GET", "/poll", "").await.is_ok() {
            let _ = seen.send(Instant::now());
        }
    });
    let mut poster = Wire::to(&address, "none").await?;
    let mut times = Vec::new();
    for number in 0..warm + count {
        tokio::time::sleep(Duration::from_micros(500 + number as u64 * 379 % 4_000)).await;
        let began = Instant::now();
        poster.request("POST", "/post", &body).await?;
        let at = answers.recv().await.ok_or("the poll has ended")?;
        if number >= warm {
            times.push(ms(at - began));
        }
    }
    polling.abort();
    server.abort();
    Ok(times)
}
