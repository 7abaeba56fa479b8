//! Packets of video that were sent, for the other side to ask for again (RFC 4585 section 6.2.1).
//!
//! Owns: [`Repeats`]. Runs on the connection's driver task. Pure: times are arguments. Must not import the session above it.
//!
//! A packet is sent again as it was, in its own stream: the same bytes under the same number of SRTP, so nothing is said twice
//! that differs. A stream of its own for repeats (RFC 4588) is not offered.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rtc::rtp;

/// Packets kept: two seconds and a half at 4 Mbit/s. Their bytes are those of the pictures.
const MOST: usize = 1_024;

/// A packet is not sent again within so long: the other side asks once a round trip, and may ask for one that is on its way.
const PAUSE: Duration = Duration::from_millis(20);

/// Repeats at once at most; every packet that is sent for the first time allows one more. So nobody can make us send more than
/// twice of what we send.
const MOST_AT_ONCE: usize = 256;

struct Sent {
    packet: rtp::Packet,
    repeated: Option<Instant>,
}

/// See the head of the file.
pub(super) struct Repeats {
    sent: VecDeque<Sent>,
    allowed: usize,
}

impl Repeats {
    pub(super) fn new() -> Repeats {
        Repeats { sent: VecDeque::new(), allowed: MOST_AT_ONCE }
    }

    /// This one leaves. Packets leave in the order of their numbers.
    pub(super) fn keep(&mut self, packet: &rtp::Packet) {
        if self.sent.len() == MOST {
            self.sent.pop_front();
        }
        self.allowed = (self.allowed + 1).min(MOST_AT_ONCE);
        self.sent.push_back(Sent { packet: packet.clone(), repeated: None });
    }

    /// The packet of this number, if it is to be sent again now.
    pub(super) fn again(&mut self, sequence: u16, now: Instant) -> Option<rtp::Packet> {
        let first = self.sent.front()?.packet.header.sequence_number;
        let distance = |packet: &rtp::Packet| packet.header.sequence_number.wrapping_sub(first);
        let wanted = sequence.wrapping_sub(first);
        let place = self.sent.binary_search_by_key(&wanted, |sent| distance(&sent.packet)).ok()?;
        let sent = self.sent.get_mut(place)?;
        let resting = sent.repeated.is_some_and(|repeated| now.saturating_duration_since(repeated) < PAUSE);
        if resting || self.allowed == 0 {
            return None;
        }
        self.allowed -= 1;
        sent.repeated = Some(now);
        Some(sent.packet.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16) -> rtp::Packet {
        rtp::Packet {
            header: rtp::header::Header { sequence_number: sequence, ..Default::default() },
            payload: vec![sequence as u8; 3].into(),
        }
    }

    #[test]
    fn what_was_sent_is_sent_again_until_it_is_too_old() {
        let (mut repeats, start) = (Repeats::new(), Instant::now());
        assert_eq!(repeats.again(7, start), None);
        // One number was never sent.
        let numbers = (0..2_000u16).map(|n| n.wrapping_add(65_000)).filter(|n| *n != 65_535);
        numbers.for_each(|number| repeats.keep(&packet(number)));
        for (number, there) in [(65_000, false), (66_999u32 as u16, true), (65_535, false), (440, true), (438, false)] {
            assert_eq!(
                repeats.again(number, start).map(|p| p.header.sequence_number),
                there.then_some(number),
                "{number}"
            );
        }
        assert_eq!(repeats.again(440, start + PAUSE / 2), None, "it is on its way");
        assert_eq!(repeats.again(440, start + PAUSE).map(|p| p.payload), Some(packet(440).payload));
    }

    #[test]
    fn who_asks_for_everything_all_the_time_gets_no_more_than_twice() {
        let (mut repeats, mut now) = (Repeats::new(), Instant::now());
        let mut again = 0;
        for number in 0..5_000u16 {
            repeats.keep(&packet(number));
            now += PAUSE;
            again += (0..=number).rev().take(64).filter(|n| repeats.again(*n, now).is_some()).count();
        }
        assert!(again <= 5_000 + MOST_AT_ONCE, "{again}");
    }
}
