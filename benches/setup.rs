//! How long a call takes to come about: from dial to ringing, and from the answer to the first audio at each side.
//!
//! Two phones and a gateway in one process, one call after the other over loopback; times are taken in the handlers.
//! Beside it stands the same with nothing but two transports. Writes `setup.json`.
//! Lives on: the program's own runtime. Must not import: the other programs.

mod support;

use bytes::Bytes;
use ewebrtc::{DialOptions, Gateway, GatewayConfig};
use ewebrtc_media::transport::{
    AddressPolicy, AudioCodec, IceConfig, Medium, RemoteReport, RtpPacket, Transport, TransportConfig, TransportEvents,
    TransportState,
};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use support::party::Party;
use support::wire::bare_polls;
use support::{Failure, Figure, ms, percentile, publish};
use tokio::sync::oneshot;

/// Calls that are measured, and those before them that warm caches and connections up.
const CALLS: usize = 200;
const WARM: usize = 5;
/// Bare connections for the baseline.
const BARE: usize = 50;
/// What is aimed at, median.
const AIM_MS: f64 = 50.0;

#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    if !support::asked() {
        return ExitCode::SUCCESS;
    }
    match run().await {
        Ok(figures) => match publish("setup", &figures) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error),
        },
        Err(error) => failed(&error),
    }
}

fn failed(error: &Failure) -> ExitCode {
    eprintln!("setup: {error}");
    ExitCode::FAILURE
}

/// The times of all calls in milliseconds.
#[derive(Default)]
struct Times {
    ringing: Vec<f64>,
    at_callee: Vec<f64>,
    at_caller: Vec<f64>,
}

async fn run() -> Result<Vec<Figure>, Failure> {
    let gateway = Gateway::start(GatewayConfig::development()).await?;
    let mut alice = Party::login(&gateway, "alice", |config| config.local_media = "tone:440".into()).await?;
    let mut bob = Party::login(&gateway, "bob", |config| config.local_media = "tone:660".into()).await?;
    let mut times = Times::default();
    for number in 0..WARM + CALLS {
        let mut one = Times::default();
        call(&mut alice, &mut bob, &mut one).await?;
        if number >= WARM {
            times.ringing.append(&mut one.ringing);
            times.at_callee.append(&mut one.at_callee);
            times.at_caller.append(&mut one.at_caller);
        }
        // Calls begin at any phase of the audio clock.
        tokio::time::sleep(Duration::from_micros(10_000 + number as u64 * 7_919 % 20_000)).await;
    }
    let load = support::load();
    alice.leave().await?;
    bob.leave().await?;
    gateway.stop().await;

    // A dial cannot do without an offer and its way to the other side, an answer not without a connection.
    let polls = bare_polls("v=0".repeat(500), WARM, BARE).await?;
    let (mut dialled, mut answered, mut connected) = (Vec::new(), Vec::new(), Vec::new());
    for poll in polls {
        let bare = connection().await?;
        dialled.push(ms(bare.offer) + poll);
        answered.push(ms(bare.answering));
        connected.push(ms(bare.offering));
    }

    let invited = "a bare transport's offer, and a bare long poll";
    let beside = "two bare transports: offer taken to first packet";
    let mut figures = Vec::new();
    for (name, values, baseline, beside) in [
        ("dial to call:incoming at the other phone", &times.ringing, &dialled, invited),
        ("answer to first audio at the callee", &times.at_callee, &answered, beside),
        ("answer to first audio at the caller", &times.at_caller, &connected, beside),
    ] {
        for percent in [50.0, 99.0] {
            let mut figure = Figure::new(format!("{name}, p{percent}"), percentile(values, percent), "ms")
                .beside(percentile(baseline, percent), beside);
            if percent < 99.0 {
                figure = figure.aim(AIM_MS);
            }
            figure.load = load;
            figures.push(figure);
        }
    }
    Ok(figures)
}

async fn call(alice: &mut Party, bob: &mut Party, times: &mut Times) -> Result<(), Failure> {
    let dialled = Instant::now();
    let call = alice.phone.dial(DialOptions::new("bob")).await?;
    let (_, ringing) = bob.until("call:incoming").await?;
    times.ringing.push(ms(ringing - dialled));
    bob.phone.invoke_async("answer", serde_json::json!({}), None).await?;
    let answered = Instant::now();
    let (_, audio) = bob.until("media:established").await?;
    times.at_callee.push(ms(audio.saturating_duration_since(answered)));
    let (_, audio) = alice.until("media:established").await?;
    times.at_caller.push(ms(audio.saturating_duration_since(answered)));
    call.hangup().await?;
    bob.until("call:disconnected").await?;
    alice.until("call:disconnected").await?;
    Ok(())
}

/// Sends packets as soon as the path is up, and tells when the first one has come.
struct Ear(Mutex<Option<oneshot::Sender<Instant>>>);

impl TransportEvents for Ear {
    fn rtp(&self, _: Medium, _: RtpPacket, arrival: Instant) {
        if let Some(first) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = first.send(arrival);
        }
    }

    fn rtcp(&self, _: RemoteReport) {}

    fn state(&self, _: TransportState) {}
}

/// What a connection takes without gateway and audio.
struct Bare {
    /// From nothing to a complete offer.
    offer: Duration,
    /// From the offer given to the answering side to the first packet there, and at the offering side.
    answering: Duration,
    offering: Duration,
}

async fn connection() -> Result<Bare, Failure> {
    let addresses = AddressPolicy { loopback: true, ..AddressPolicy::default() };
    let config = TransportConfig {
        ice: IceConfig { addresses, ..IceConfig::default() },
        audio_codecs: vec![AudioCodec::Opus],
        ..TransportConfig::default()
    };
    let (first_a, at_a) = oneshot::channel();
    let (first_b, at_b) = oneshot::channel();
    let b = Transport::new(config.clone(), Arc::new(Ear(Mutex::new(Some(first_b))))).await?;
    let began = Instant::now();
    let a = Transport::new(config, Arc::new(Ear(Mutex::new(Some(first_a))))).await?;
    let offer = a.create_offer().await?;
    let offered = began.elapsed();
    let began = Instant::now();
    let answer = b.answer_offer(&offer).await?;
    a.apply_answer(&answer).await?;
    let sending = tokio::spawn({
        let (a, b) = (a.clone(), b.clone());
        async move {
            let mut timestamp = 0;
            loop {
                for side in [&a, &b] {
                    side.send(Medium::Audio, packet(timestamp));
                }
                timestamp += 48;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    let limit = Duration::from_secs(15);
    let first = tokio::time::timeout(limit, async { Ok::<_, Failure>((at_b.await?, at_a.await?)) }).await;
    sending.abort();
    let (answering, offering) = first??;
    a.close().await;
    b.close().await;
    Ok(Bare { offer: offered, answering: answering - began, offering: offering - began })
}

fn packet(timestamp: u32) -> RtpPacket {
    RtpPacket {
        payload_type: 111,
        marker: false,
        sequence: 0,
        timestamp,
        ssrc: 0,
        payload: Bytes::from_static(&[0; 60]),
    }
}
