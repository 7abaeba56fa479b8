//! How long an event takes from the gateway to the callback of a phone.
//!
//! Another user's request, sent over an open connection without any client around it, causes the event: an invitation,
//! and its withdrawal. The time runs from the sending of the request, so the gateway's reading of it is in the figure.
//! Beside it stands a bare long poll over the same crates. Writes `events.json`.
//! Lives on: the program's own runtime. Must not import: the other programs.

mod support;

use ewebrtc::{Gateway, GatewayConfig};
use ewebrtc_media::transport::{Transport, TransportConfig, TransportEvents};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::party::Party;
use support::wire::{Wire, bare_polls};
use support::{Failure, Figure, ms, percentile, publish};

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

    let bare = bare_polls(body, WARM, INVITATIONS).await?;
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
