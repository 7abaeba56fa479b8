//! From pictures to packets that leave one after the other.
//!
//! Owns: the packets that wait, and how fast they leave. A key frame has fifty packets and more; sent at once they overflow
//! the small queues of routers and hold up the audio behind them. Pure: times are arguments. Congestion control would decide
//! here how much leaves at a time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{VideoFrame, payload};
use crate::transport::RtpPacket;

/// Between two bursts.
const PAUSE: Duration = Duration::from_millis(5);

/// Packets of a burst at least: two a millisecond are 17 Mbit/s.
const SMALLEST_BURST: usize = 8;

/// Bursts for what waits at most: it has left before the next picture comes at 30 a second.
const MOST_BURSTS: usize = 6;

/// A packet on its way out.
pub(crate) struct Outgoing {
    pub(crate) packet: RtpPacket,
    /// The last one of a picture; true if that is a key frame.
    pub(crate) ends: Option<bool>,
}

/// See the head of the file.
#[derive(Default)]
pub(crate) struct Pacer {
    waiting: VecDeque<Outgoing>,
    burst: usize,
    /// When the next burst may leave, and what is left of the present one.
    next: Option<Instant>,
    left: usize,
    pictures: u16,
}

impl Pacer {
    /// Cuts a picture into packets. False if there is nothing in it that could be sent.
    pub(crate) fn push(&mut self, frame: &VideoFrame, payload_type: u8, timestamp: u32) -> bool {
        let payloads = payload::packets(frame, self.pictures);
        self.pictures = self.pictures.wrapping_add(1);
        let last = payloads.len().wrapping_sub(1);
        for (number, payload) in payloads.into_iter().enumerate() {
            let ends = (number == last).then_some(frame.key);
            let packet = Pacer::packet(payload_type, timestamp, payload, ends.is_some());
            self.waiting.push_back(Outgoing { packet, ends });
        }
        self.burst = self.burst.max(self.waiting.len().div_ceil(MOST_BURSTS)).max(SMALLEST_BURST);
        last != usize::MAX
    }

    fn packet(payload_type: u8, timestamp: u32, payload: Bytes, marker: bool) -> RtpPacket {
        // The transport puts in the sequence number and the stream.
        RtpPacket { payload_type, marker, sequence: 0, timestamp, ssrc: 0, payload }
    }

    /// The next packet that may leave now.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Outgoing> {
        if self.left == 0 {
            if self.waiting.is_empty() || self.next.is_some_and(|next| next > now) {
                return None;
            }
            self.left = self.burst;
            self.next = Some(now + PAUSE);
        }
        let packet = self.waiting.pop_front();
        self.left = if packet.is_some() { self.left - 1 } else { 0 };
        if self.waiting.is_empty() {
            self.burst = 0;
            self.left = 0;
        }
        packet
    }

    /// When the next packet may leave.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.next.filter(|_| !self.waiting.is_empty())
    }

    /// Drops what waits.
    pub(crate) fn clear(&mut self) {
        *self = Pacer { pictures: self.pictures, ..Pacer::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::VideoCodec;

    #[test]
    fn a_key_frame_is_spread_over_some_thirty_milliseconds_and_nothing_waits_longer() {
        let begin = Instant::now();
        for packets in [1usize, 8, 60, 900] {
            let mut pacer = Pacer::default();
            let frame = VideoFrame::new(VideoCodec::Vp8, 0, vec![0u8; packets * 1_096]);
            assert!(pacer.push(&frame, 96, 7));
            let (mut now, mut bursts) = (begin, Vec::new());
            let mut ends = Vec::new();
            loop {
                let mut burst = 0;
                while let Some(out) = pacer.pop(now) {
                    burst += 1;
                    assert_eq!(out.packet.marker, out.ends.is_some());
                    ends.extend(out.ends);
                }
                bursts.push(burst);
                assert!(pacer.pop(now).is_none());
                match pacer.deadline() {
                    Some(at) => now = at,
                    None => break,
                }
            }
            assert_eq!(bursts.iter().sum::<usize>(), packets);
            assert_eq!(ends, [true], "one end, of a key frame");
            assert!(now.duration_since(begin) <= PAUSE * 6, "{packets}: {bursts:?}");
            assert!(
                bursts.iter().all(|burst| *burst <= SMALLEST_BURST.max(packets.div_ceil(MOST_BURSTS))),
                "{bursts:?}"
            );
        }
    }
}
