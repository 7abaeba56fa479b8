//! Speech from one codec to another, packet by packet.
//!
//! Owns: [`Transcoder`], for one way of an anchored call whose parties have no codec in common in that direction. Runs on the
//! task that receives. Must not import the jitter buffer: what is missing here is missing at the receiver, who conceals it.

use bytes::Bytes;

use super::lane::Piece;
use crate::codec::{
    self, AudioEncoder, CodecSettings, Decoders, FRAME_SAMPLES, MAX_ENCODED_BYTES, MAX_PACKET_SAMPLES, SAMPLE_RATE,
};
use crate::transport::{AudioCodec, RtpPacket};

/// Effort of Opus where one runtime thread works for many calls.
const COMPLEXITY: u8 = 5;

/// Samples of more than this that wait for the rest of their frame belong together with nothing.
const MOST_WAITING: usize = MAX_PACKET_SAMPLES + FRAME_SAMPLES;

/// See the head of the file.
pub(super) struct Transcoder {
    decoders: Decoders,
    encoder: Box<dyn AudioEncoder>,
    /// Samples at 48 kHz that do not fill a frame yet.
    waiting: Vec<i16>,
    /// SSRC, sequence number and time stamp (in 48 kHz) of the end of what came last.
    last: Option<(u32, u16, u32)>,
    /// Numbers of what is made.
    sequence: u16,
    timestamp: u32,
}

impl Transcoder {
    /// To this codec; `None` when it cannot be set up.
    pub(super) fn new(to: AudioCodec) -> Option<Transcoder> {
        let settings = CodecSettings { complexity: COMPLEXITY, ..CodecSettings::default() };
        Some(Transcoder {
            decoders: Decoders::new().ok()?,
            encoder: codec::encoder(to, &settings).ok()?,
            waiting: Vec::with_capacity(MOST_WAITING),
            last: None,
            sequence: 0,
            timestamp: 0,
        })
    }

    /// What it encodes to.
    pub(super) fn codec(&self) -> AudioCodec {
        self.encoder.codec()
    }

    /// Takes a packet and gives every frame of 20 ms that is complete.
    pub(super) fn take(&mut self, codec: AudioCodec, packet: &RtpPacket, mut give: impl FnMut(Piece)) {
        let scale = SAMPLE_RATE / codec.clock_rate().max(1);
        let begins = packet.timestamp.wrapping_mul(scale);
        if let Some((source, sequence, ends)) = self.last {
            let ahead = packet.sequence.wrapping_sub(sequence);
            if source == packet.ssrc && (ahead == 0 || ahead >= 0x8000) {
                // Doubled or overtaken: the decoder is past it.
                return;
            }
            if source != packet.ssrc || begins != ends {
                // The receiver shall see the gap, in time and, where packets are missing, in the numbers.
                self.waiting.clear();
                let gap = if source == packet.ssrc { begins.wrapping_sub(ends) } else { 0 };
                self.timestamp = self.timestamp.wrapping_add(gap);
                self.sequence = self.sequence.wrapping_add(if source == packet.ssrc { ahead - 1 } else { 0 });
            }
        }
        let mut pcm = [0; MAX_PACKET_SAMPLES];
        let Ok(samples) = self.decoders.of(codec).decode(&packet.payload, &mut pcm) else { return };
        self.last = Some((packet.ssrc, packet.sequence, begins.wrapping_add(samples as u32)));
        self.waiting.extend_from_slice(&pcm[..samples]);
        let mut taken = 0;
        while let Some(frame) = self.waiting.get(taken..).and_then(|rest| rest.first_chunk::<FRAME_SAMPLES>()) {
            taken += FRAME_SAMPLES;
            let mut encoded = [0; MAX_ENCODED_BYTES];
            let bytes = self.encoder.encode(frame, &mut encoded).unwrap_or(0);
            if bytes > 0 {
                give(Piece {
                    source: Some(packet.ssrc),
                    sequence: self.sequence,
                    timestamp: self.timestamp,
                    marker: packet.marker,
                    payload_type: 0,
                    payload: Bytes::copy_from_slice(&encoded[..bytes]),
                    clocks: (0, 0),
                });
                self.sequence = self.sequence.wrapping_add(1);
            }
            self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        }
        self.waiting.drain(..taken);
    }
}
