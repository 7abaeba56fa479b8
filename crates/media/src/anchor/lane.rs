//! The way to one party of an anchored call: whatever is sent to it, from whichever source, is one stream.
//!
//! Owns: sequence numbers and time stamps of that stream, the choice between passing on and encoding again. Used by the
//! task that receives from the other party, and before the answer by the one that rings; the lock is held for one packet.
//! Must not import the parts of a leg.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::transcode::Transcoder;
use crate::transport::{AudioCodec, Medium, NegotiatedAudio, RtpPacket, Transport};

/// Shortest payload of a telephone event (RFC 4733 section 2.3).
const EVENT_BYTES: usize = 4;

/// See the head of the file.
pub(super) struct Lane(Mutex<Inside>);

struct Inside {
    line: Line,
    transcoder: Option<Transcoder>,
}

impl Lane {
    pub(super) fn new() -> Lane {
        let seed = RandomState::new().build_hasher().finish();
        Lane(Mutex::new(Inside { line: Line::new(seed), transcoder: None }))
    }

    /// Passes a packet on that came under the agreement `from` to the party with the agreement `to`.
    pub(super) fn pass(
        &self,
        packet: RtpPacket,
        from: &NegotiatedAudio,
        to: &NegotiatedAudio,
        out: &Transport,
        now: Instant,
    ) {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Inside { line, transcoder } = &mut *inside;
        if let Some((number, clock)) = from.telephone_event
            && number == packet.payload_type
        {
            // Whoever has no telephone events could do nothing with them.
            let Some((payload_type, to_clock)) = to.telephone_event else { return };
            let payload = rescaled(packet.payload.clone(), clock, to_clock);
            line.send(Piece { payload_type, payload, clocks: (clock, to_clock), ..Piece::of(&packet) }, out, now);
            return;
        }
        let Some(codec) = from.payload_types.codec(packet.payload_type) else { return };
        if let Some(payload_type) = to.payload_types.payload_type(codec) {
            let clock = codec.clock_rate();
            let payload = packet.payload.clone();
            line.send(Piece { payload_type, payload, clocks: (clock, clock), ..Piece::of(&packet) }, out, now);
            return;
        }
        if transcoder.as_ref().is_none_or(|t| t.codec() != to.codec) {
            *transcoder = Transcoder::new(to.codec);
        }
        let Some(transcoder) = transcoder else { return };
        let clocks = (crate::codec::SAMPLE_RATE, to.codec.clock_rate());
        transcoder.take(codec, &packet, |piece| {
            line.send(Piece { payload_type: to.payload_type, clocks, ..piece }, out, now);
        });
    }

    /// Sends 20 ms of speech that were made here. False: the party is not connected.
    pub(super) fn say(
        &self,
        number: u64,
        codec: AudioCodec,
        payload_type: u8,
        payload: Bytes,
        out: &Transport,
        now: Instant,
    ) -> bool {
        let clock = codec.clock_rate();
        let piece = Piece {
            source: None,
            sequence: number as u16,
            timestamp: (number as u32).wrapping_mul(clock / 50),
            marker: false,
            payload_type,
            payload,
            clocks: (clock, clock),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).line.send(piece, out, now)
    }
}

/// A packet on its way, with the numbers of its source.
pub(super) struct Piece {
    /// SSRC of who sent it; none for what is made here.
    pub(super) source: Option<u32>,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) payload_type: u8,
    pub(super) payload: Bytes,
    /// Clock rates of the time stamp that came and of the one to be sent.
    pub(super) clocks: (u32, u32),
}

impl Piece {
    fn of(packet: &RtpPacket) -> Piece {
        Piece {
            source: Some(packet.ssrc),
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            marker: packet.marker,
            payload_type: packet.payload_type,
            payload: Bytes::new(),
            clocks: (0, 0),
        }
    }
}

/// Where the numbers of the stream stand.
struct Line {
    /// The packet passed on last; none after one that was not taken, so that a hold leaves no hole in the numbers.
    last: Option<Last>,
    /// The highest number that was sent, its time stamp, and when.
    top: (u16, u32, Option<Instant>),
}

#[derive(Clone, Copy)]
struct Last {
    source: Option<u32>,
    clocks: (u32, u32),
    came: (u16, u32),
    went: (u16, u32),
}

impl Line {
    fn new(seed: u64) -> Line {
        // The upper half is left out so that a receiver sees no early wrap (RFC 3711 section 3.3.1).
        Line { last: None, top: ((seed & 0x7fff) as u16, (seed >> 16) as u32, None) }
    }

    fn send(&mut self, piece: Piece, out: &Transport, now: Instant) -> bool {
        let before = self.top;
        let (sequence, timestamp, first) = self.place(piece.source, piece.sequence, piece.timestamp, piece.clocks, now);
        let Piece { payload_type, payload, marker, .. } = piece;
        let packet = RtpPacket { payload_type, marker: marker || first, sequence, timestamp, ssrc: 0, payload };
        let taken = out.forward(Medium::Audio, packet);
        if !taken {
            (self.last, self.top) = (None, before);
        }
        taken
    }

    /// Number and time stamp of a packet, and whether it is the first one of its source: that one follows what was sent
    /// before, by the time that has passed.
    fn place(
        &mut self,
        source: Option<u32>,
        sequence: u16,
        timestamp: u32,
        clocks: (u32, u32),
        now: Instant,
    ) -> (u16, u32, bool) {
        let last = self.last.filter(|last| last.source == source && last.clocks == clocks);
        let went = match last {
            Some(Last { came, went, .. }) => {
                // Both may go back: packets overtake each other.
                let ticks = i64::from(timestamp.wrapping_sub(came.1) as i32);
                let ticks = ticks * i64::from(clocks.1) / i64::from(clocks.0.max(1));
                (went.0.wrapping_add(sequence.wrapping_sub(came.0)), went.1.wrapping_add(ticks as u32))
            }
            None => {
                let passed = self.top.2.map_or(0, |at| now.saturating_duration_since(at).as_millis().min(3_600_000));
                let ticks = passed as u64 * u64::from(clocks.1) / 1000;
                (self.top.0.wrapping_add(1), self.top.1.wrapping_add(ticks as u32))
            }
        };
        self.last = Some(Last { source, clocks, came: (sequence, timestamp), went });
        if went.0.wrapping_sub(self.top.0) < 0x8000 {
            self.top = (went.0, went.1, Some(now));
        }
        (went.0, went.1, last.is_none())
    }
}

/// The payload of a telephone event with its duration in ticks of another clock.
fn rescaled(payload: Bytes, from: u32, to: u32) -> Bytes {
    if from == to || from == 0 || payload.len() < EVENT_BYTES {
        return payload;
    }
    let duration = u64::from(u16::from_be_bytes([payload[2], payload[3]])) * u64::from(to) / u64::from(from);
    let mut payload = BytesMut::from(&payload[..]);
    payload[2..EVENT_BYTES].copy_from_slice(&u16::try_from(duration).unwrap_or(u16::MAX).to_be_bytes());
    payload.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn line() -> (Line, Instant) {
        (Line { last: None, top: (99, 5_000, None) }, Instant::now())
    }

    #[test]
    fn losses_stay_visible_and_overtaking_packets_keep_their_places() {
        let (mut line, now) = line();
        let mut place = |sequence, timestamp| line.place(Some(7), sequence, timestamp, (48_000, 48_000), now);
        assert_eq!(place(65_534, 960), (100, 5_000, true));
        assert_eq!(place(65_535, 1_920), (101, 5_960, false));
        assert_eq!(place(1, 3_840), (103, 7_880, false), "one is missing");
        assert_eq!(place(0, 2_880), (102, 6_920, false), "it was late");
        assert_eq!(place(2, 4_800), (104, 8_840, false));
    }

    #[test]
    fn another_source_follows_by_the_time_that_has_passed() {
        let (mut line, now) = line();
        let same = (8_000, 8_000);
        line.place(None, 0, 0, same, now);
        line.place(None, 1, 160, same, now + Duration::from_millis(20));
        let (sequence, timestamp, first) = line.place(Some(9), 40_000, 777, same, now + Duration::from_millis(120));
        assert_eq!((sequence, timestamp, first), (102, 5_000 + 160 + 800, true));
        // Another clock in the same stream.
        let (sequence, timestamp, first) =
            line.place(Some(9), 40_001, 937, (48_000, 48_000), now + Duration::from_millis(140));
        assert_eq!((sequence, timestamp, first), (103, 5_960 + 960, true));
    }

    #[test]
    fn time_stamps_change_their_clock() {
        let (mut line, now) = line();
        assert_eq!(line.place(Some(1), 5, 0, (48_000, 8_000), now).1, 5_000);
        assert_eq!(line.place(Some(1), 6, 960, (48_000, 8_000), now).1, 5_160);
        assert_eq!(line.place(Some(1), 7, 1_920, (48_000, 8_000), now).1, 5_320);
    }

    #[test]
    fn the_duration_of_a_telephone_event_follows_its_clock() {
        let event = Bytes::from_static(&[5, 0x8a, 0x12, 0xc0]);
        assert_eq!(rescaled(event.clone(), 48_000, 8_000)[..], [5, 0x8a, 0x03, 0x20]);
        assert_eq!(rescaled(event.clone(), 8_000, 48_000)[2..], [0x70, 0x80]);
        assert_eq!(rescaled(event.clone(), 8_000, 8_000), event);
        assert_eq!(rescaled(Bytes::from_static(&[1]), 48_000, 8_000)[..], [1]);
    }
}
