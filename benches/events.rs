//! How long an event takes from the gateway to the callback of a phone.
//!
//! Another user's request, sent over an open connection without any client around it, causes the event: an invitation,
//! and its withdrawal. The time runs from the sending of the request, so the gateway's reading of it is in the figure.
//! Beside it stands a bare long poll over the same crates. Writes `events.json`.
//! Lives on: the program's own runtime. Must not import: the other programs.

mod support;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use ewebrtc::{Gateway, GatewayConfig};
use ewebrtc_media::transport::{Transport, TransportConfig, TransportEvents};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::party::Party;
use support::{Failure, Figure, ms, percentile, publish};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};

/// Invitations that are measured, each withdrawn again, and those before them.
const INVITATIONS: usize = 500;
const WARM: usize = 20;
/// What is aimed at.
const AIM_P50_MS: f64 = 2.0;
const AIM_P99_MS: f64 = 10.0;

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    if !support::asked() {
        return ExitCode::SUCCESS;
    }
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("events: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let gateway = Gateway::start(GatewayConfig::development()).await?;
    let mut bob = Party::login(&gateway, "bob", |_| {}).await?;
    let token = gateway.dev_token("alice").await?.access_token;
    let mut wire = Wire::connect(&gateway, token.expose()).await?;
    let session = wire.request("POST", "/RTC/v1/sessions", r#"{"session":{}}"#).await?.location;
    let reader = Wire::connect(&gateway, token.expose()).await?;
    let reading = tokio::spawn(read_events(reader, format!("{session}/events")));

    let (mut invited, mut withdrawn) = (Vec::new(), Vec::new());
    let body = serde_json::json!({"call": {"calledParty": "sip:bob@ewebrtc.local", "sdp": offer().await?}}).to_string();
    for number in 0..WARM + INVITATIONS {
        let began = Instant::now();
        let call = wire.request("POST", &format!("{session}/calls"), &body).await?.location;
        let (_, at) = bob.until("call:incoming").await?;
        if number >= WARM {
            invited.push(ms(at - began));
        }
        let began = Instant::now();
        wire.request("DELETE", &call, "").await?;
        let (_, at) = bob.until("call:canceled").await?;
        if number >= WARM {
            withdrawn.push(ms(at - began));
        }
        tokio::time::sleep(Duration::from_micros(500 + number as u64 * 379 % 4_000)).await;
    }
    let load = support::load();
    reading.abort();
    bob.leave().await?;
    gateway.stop().await;

    let bare = bare(body).await?;
    let mut figures = Vec::new();
    for (name, values) in [("invitation to call:incoming", &invited), ("withdrawal to call:canceled", &withdrawn)] {
        for (percent, aim) in [(50.0, AIM_P50_MS), (99.0, AIM_P99_MS)] {
            let mut figure = Figure::new(format!("{name}, p{percent}"), percentile(values, percent), "ms")
                .beside(percentile(&bare, percent), "bare long poll: POST sent to answer read")
                .aim(aim);
            figure.load = load;
            figures.push(figure);
        }
    }
    publish("events", &figures)
}

/// An offer as a phone would make it.
async fn offer() -> Result<String, Failure> {
    struct Deaf;
    impl TransportEvents for Deaf {
        fn rtp(&self, _: ewebrtc_media::transport::Medium, _: ewebrtc_media::transport::RtpPacket, _: Instant) {}
        fn rtcp(&self, _: ewebrtc_media::transport::RemoteReport) {}
        fn state(&self, _: ewebrtc_media::transport::TransportState) {}
    }
    let mut config = TransportConfig::default();
    config.ice.addresses.loopback = true;
    let transport = Transport::new(config, Arc::new(Deaf)).await?;
    let offer = transport.create_offer().await?;
    transport.close().await;
    Ok(offer)
}

/// Takes the events of the other user, so that they do not pile up.
async fn read_events(mut wire: Wire, path: String) -> Result<(), Failure> {
    loop {
        wire.request("GET", &path, "").await?;
    }
}

/// One connection of HTTP/1.1 that stays open, and nothing more.
struct Wire {
    stream: TcpStream,
    token: String,
    buffer: Vec<u8>,
}

struct Reply {
    location: String,
}

impl Wire {
    async fn connect(gateway: &Gateway, token: &str) -> Result<Self, Failure> {
        let address = gateway.url().strip_prefix("http://").ok_or("no HTTP gateway")?.to_owned();
        Self::to(&address, token).await
    }

    async fn to(address: &str, token: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, token: token.to_owned(), buffer: Vec::new() })
    }

    async fn request(&mut self, verb: &str, path: &str, body: &str) -> Result<Reply, Failure> {
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
async fn bare(body: String) -> Result<Vec<f64>, Failure> {
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
    for number in 0..WARM + INVITATIONS {
        tokio::time::sleep(Duration::from_micros(500 + number as u64 * 379 % 4_000)).await;
        let began = Instant::now();
        poster.request("POST", "/post", &body).await?;
        let at = answers.recv().await.ok_or("the poll has ended")?;
        if number >= WARM {
            times.push(ms(at - began));
        }
    }
    polling.abort();
    server.abort();
    Ok(times)
}
