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
                let gap = if source == packet.ssrc { begins.wrapping_sub(ends) } else { 0 };
                self.timestamp = self.timestamp.wrapping_add(self.waiting.len() as u32).wrapping_add(gap);
                self.waiting.clear();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16, timestamp: u32, samples: usize) -> RtpPacket {
        let payload = Bytes::from(vec![0xff; samples]);
        RtpPacket { payload_type: 0, marker: false, sequence, timestamp, ssrc: 1, payload }
    }

    #[test]
    fn frames_of_any_length_become_frames_of_20_ms_and_gaps_stay_where_they_are() {
        let mut transcoder = Transcoder::new(AudioCodec::Opus).expect("a codec");
        let mut made = Vec::new();
        let mut take = |sequence, timestamp, samples| {
            let packet = packet(sequence, timestamp, samples);
            transcoder.take(AudioCodec::Pcmu, &packet, |piece| made.push((piece.sequence, piece.timestamp)));
        };
        // 30 ms, 10 ms, then a packet is missing in the middle of a frame, one comes twice, one late.
        take(10, 8_000, 240);
        take(11, 8_240, 80);
        take(12, 8_320, 80);
        take(14, 8_480, 160);
        take(14, 8_480, 160);
        take(13, 8_400, 80);
        take(15, 8_640, 160);
        assert_eq!(made, [(0, 0), (1, 960), (3, 2_880), (4, 3_840)]);
    }

    #[test]
    fn a_packet_that_cannot_be_read_is_a_gap() {
        let mut transcoder = Transcoder::new(AudioCodec::Pcmu).expect("a codec");
        let mut made = 0;
        transcoder.take(AudioCodec::Opus, &packet(1, 0, 0), |_| made += 1);
        transcoder.take(AudioCodec::Opus, &packet(2, 960, 1_500), |_| made += 1);
        assert!(made <= 6, "{made}");
    }
}
