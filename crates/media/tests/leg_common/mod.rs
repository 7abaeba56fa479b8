//! Two legs connected over loopback, and what tests ask of them.
#![allow(dead_code)]

use std::path::PathBuf;
use std::time::Duration;

use ewebrtc_media::transport::{AddressPolicy, AudioCodec, IceConfig};
use ewebrtc_media::{AudioSink, AudioSource, Leg, LegConfig, LegEvent, PcmReader};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// Nothing on loopback takes longer, however busy the machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A leg and its events.
pub struct Party {
    pub leg: Leg,
    pub events: mpsc::UnboundedReceiver<LegEvent>,
}

pub fn config(source: AudioSource, sink: AudioSink) -> LegConfig {
    let addresses = AddressPolicy { ipv4: true, ipv6: false, loopback: true };
    LegConfig { ice: IceConfig { addresses, ..IceConfig::default() }, source, sink, ..LegConfig::default() }
}

impl Party {
    pub async fn new(config: LegConfig) -> Party {
        let (sender, events) = mpsc::unbounded_channel();
        let leg = Leg::new(config, move |event| {
            let _ = sender.send(event);
        })
        .await
        .expect("a leg");
        Party { leg, events }
    }

    /// Waits for an event, passing over others.
    pub async fn expect(&mut self, wanted: &LegEvent) {
        let wait = async {
            while let Some(event) = self.events.recv().await {
                if event == *wanted {
                    return true;
                }
            }
            false
        };
        assert!(timeout(PATIENCE, wait).await.expect("the event comes in time"), "{wanted:?} comes");
    }
}

/// Exchanges offer and answer, waits until both are connected and hear each other, and activates both.
pub async fn call(caller: &mut Party, callee: &mut Party) {
    negotiate(caller, callee).await;
    for party in [&mut *caller, &mut *callee] {
        party.expect(&LegEvent::TransportConnected).await;
        party.expect(&LegEvent::FirstAudio).await;
    }
    caller.leg.activate();
    callee.leg.activate();
}

pub async fn negotiate(caller: &Party, callee: &Party) {
    let offer = caller.leg.create_offer().await.expect("an offer");
    let answer = callee.leg.answer_offer(&offer).await.expect("an answer");
    caller.leg.apply_answer(&answer).await.expect("the answer is accepted");
}

pub async fn two(source_a: AudioSource, sink_a: AudioSink, source_b: AudioSource, sink_b: AudioSink) -> (Party, Party) {
    let mut a = Party::new(config(source_a, sink_a)).await;
    let mut b = Party::new(config(source_b, sink_b)).await;
    call(&mut a, &mut b).await;
    (a, b)
}

pub fn only(codec: AudioCodec, config: LegConfig) -> LegConfig {
    LegConfig { audio_codecs: vec![codec], ..config }
}

/// Reads until `samples` have come.
pub async fn hear(reader: &PcmReader, samples: usize) -> Vec<i16> {
    let mut heard = vec![0i16; samples];
    let mut done = 0;
    let end = Instant::now() + PATIENCE + Duration::from_secs(samples as u64 / u64::from(reader.rate()));
    while done < samples {
        done += reader.read(&mut heard[done..]);
        assert!(Instant::now() < end, "{done} of {samples} samples came in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    heard
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A file of this test alone, deleted when dropped.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        Scratch(std::env::temp_dir().join(format!("ewebrtc-leg-{}-{name}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
