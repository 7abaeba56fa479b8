//! A leg that sits in a conference room: the room asks it for what it hears and gives it what it is to send.
//!
//! Owns: nothing besides the leg. Runs on the media worker that serves the room. The receiving side is that of every leg;
//! source and sink stay unused. The rules of a tick are those of the parent.

use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;

use super::LegWork;
use crate::codec::TICK_SAMPLES;
use crate::engine::Work;
use crate::jitter::Effort;
use crate::mixer::Listener;
use crate::transport::RtpPacket;

impl Work for LegWork {
    fn tick(&mut self, now: Instant, _strain: u8) -> bool {
        LegWork::tick(self, now)
    }

    fn post(&mut self) {
        LegWork::post(self);
    }

    fn abandon(&mut self) {
        LegWork::abandon(self);
    }

    fn legs(&self) -> usize {
        1
    }
}

impl LegWork {
    /// Whether the owner has let the leg go.
    pub(crate) fn is_leaving(&self) -> bool {
        self.parts.shared.closing.load(Ordering::Acquire)
    }

    /// Whether the owner has muted it.
    pub(crate) fn is_muted(&self) -> bool {
        self.parts.shared.muted.load(Ordering::Relaxed)
    }

    /// Takes orders and packets, and gives the 10 ms that are due at `now`.
    pub(crate) fn listen(&mut self, now: Instant, effort: Effort) -> [i16; TICK_SAMPLES] {
        self.take_orders();
        self.observe();
        self.jitter.set_effort(effort);
        self.receive(self.parts.shared.micros(now))
    }

    /// Where a frame would go now; none while nothing may be sent: before the connection and during a hold.
    pub(crate) fn outlet(&mut self) -> Option<Listener<'_>> {
        let (route, shared) = (self.route?, &self.parts.shared);
        if !route.direction.sends() || !shared.up.load(Ordering::Acquire) {
            return None;
        }
        let loss = shared.remote_loss.load(Ordering::Relaxed);
        Some(Listener { codec: route.codec, loss, encoder: self.encoder.as_deref_mut()? })
    }

    /// Memory for a payload that only this leg sends.
    pub(crate) fn keep(&mut self, encoded: &[u8]) -> Bytes {
        self.payloads.take(encoded)
    }

    /// A frame is over, for which `payload` is to be sent, if anything. [`Work::post`] hands it over.
    pub(crate) fn frame(&mut self, payload: Option<Bytes>) {
        let Some(route) = self.route else { return };
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(route.codec.clock_rate() / 50);
        let Some(payload) = payload else {
            self.spurt = true;
            return;
        };
        self.ready = Some(RtpPacket {
            payload_type: route.payload_type,
            marker: std::mem::replace(&mut self.spurt, false),
            sequence: self.sequence,
            timestamp,
            ssrc: self.parts.ssrc,
            payload,
        });
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Tells events and figures; `power` is that of the 10 ms that the other side is to hear, as a share of full scale.
    pub(crate) fn settle(&mut self, power: f32) {
        self.level_out += (power - self.level_out) / 20.0;
        self.report();
        self.publish();
    }

    /// Tells what is left to tell; true when the leg can be let go.
    pub(crate) fn dismiss(&mut self) -> bool {
        self.finish()
    }
}
