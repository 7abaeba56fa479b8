//! The tone that a caller hears while the other side rings.
//!
//! Owns: its shape, that of most of Europe: 425 Hz, one second in five. Lives as a task of the anchor's runtime until the
//! call is answered or the anchor is gone. Must not import the engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::lane::Lane;
use crate::codec::{self, AudioEncoder, CodecSettings, FRAME_SAMPLES, MAX_ENCODED_BYTES, SAMPLE_RATE};
use crate::transport::WeakTransport;

/// Frequency of the tone: whole periods in a second, so that it begins and ends without a click.
const HZ: f64 = 425.0;
/// Frames of the tone, and of tone and pause together.
const TONE_FRAMES: u64 = 50;
const PERIOD_FRAMES: u64 = 250;
/// Peak of the tone: a quarter of full scale, −12 dB.
const PEAK: f64 = 8_192.0;
/// Time of a frame.
const FRAME: Duration = Duration::from_millis(20);

/// Sends the tone through `lane` until `open` says that the parties talk.
pub(super) async fn ring(caller: WeakTransport, lane: Arc<Lane>, open: Arc<AtomicBool>) {
    let mut encoder: Option<Box<dyn AudioEncoder>> = None;
    let mut clock = tokio::time::interval(FRAME);
    let mut number = 0;
    loop {
        clock.tick().await;
        let Some(caller) = caller.upgrade().filter(|_| !open.load(Ordering::Acquire)) else { return };
        let Some(audio) = caller.negotiated().map(|agreed| agreed.audio) else { continue };
        if encoder.as_ref().is_none_or(|encoder| encoder.codec() != audio.codec) {
            // A tone needs no effort of Opus. Without an encoder there is nothing but silence, which the caller takes for ringing without a tone.
            let settings = CodecSettings { complexity: 0, ..CodecSettings::default() };
            let Ok(made) = codec::encoder(audio.codec, &settings) else { return };
            encoder = Some(made);
        }
        let Some(encoder) = encoder.as_mut() else { continue };
        let mut encoded = [0; MAX_ENCODED_BYTES];
        let bytes = encoder.encode(&frame(number), &mut encoded).unwrap_or(0);
        let payload = Bytes::copy_from_slice(&encoded[..bytes]);
        // The tone begins when there is somebody to hear it.
        if bytes > 0 && lane.say(number, audio.codec, audio.payload_type, payload, &caller, Instant::now()) {
            number += 1;
        }
    }
}

/// The samples of a frame, counted from the beginning of the first tone.
fn frame(number: u64) -> [i16; FRAME_SAMPLES] {
    let place = number % PERIOD_FRAMES;
    if place >= TONE_FRAMES {
        return [0; FRAME_SAMPLES];
    }
    let first = place * FRAME_SAMPLES as u64;
    std::array::from_fn(|n| {
        let time = (first + n as u64) as f64 / f64::from(SAMPLE_RATE);
        (((time * HZ).fract() * std::f64::consts::TAU).sin() * PEAK) as i16
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::tone_level;

    #[test]
    fn it_sounds_for_one_second_in_five() {
        let second = |from: u64| (from..from + 50).flat_map(frame).collect::<Vec<i16>>();
        assert!(tone_level(&second(0), SAMPLE_RATE, HZ) > 0.2);
        for silent in [50, 100, 200] {
            assert!(second(silent).iter().all(|sample| *sample == 0));
        }
        assert_eq!(second(250), second(0));
    }
}
