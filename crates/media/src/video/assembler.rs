//! From received packets to complete pictures.
//!
//! Owns: the order of packets, what counts as lost, and when a key frame is to be asked for. Pure: times are arguments.
//! Must not import the transport but its types.
//!
//! What is missing is waited for as long as packets overtake each other, or, where the other side repeats packets, as long as
//! asking for them takes (`missing`). After a loss every picture up to the next key frame may need what was lost, so none of
//! them is handed on.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::missing::Missing;
use super::{VideoFrame, payload};
use crate::transport::{RtpPacket, VideoCodec};

/// How long a missing packet is waited for once a later one is there, when it is not repeated. Packets overtake each other by
/// less.
const PATIENCE: Duration = Duration::from_millis(50);

/// So many packets behind a missing one end the patience.
const MOST_BEYOND: usize = 512;

/// Packets kept at most: those of two of the largest pictures.
const MOST_KEPT: usize = 4_096;

/// A sequence number this far from the others begins a new stream (RFC 3550 appendix A.1).
const LONGEST_JUMP: i64 = 3_000;

/// Between two requests for the same key frame: a round trip, and the time that an encoder takes.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Between any two requests.
const ASK_PAUSE: Duration = Duration::from_millis(100);

/// Without a packet for so long nobody is asked for anything.
const SILENCE: Duration = Duration::from_secs(2);

struct Held {
    codec: VideoCodec,
    marker: bool,
    timestamp: u32,
    payload: Bytes,
    arrival: Instant,
}

/// What has come about, counted up since the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    pub(crate) received: u64,
    pub(crate) lost: u64,
    /// Packets that came after they had been asked for.
    pub(crate) recovered: u64,
    /// Complete pictures that need one which was lost.
    pub(crate) dropped: u64,
}

/// See the head of the file.
pub(crate) struct Assembler {
    ssrc: u32,
    /// Packets by their sequence numbers, which do not wrap around here.
    held: BTreeMap<i64, Held>,
    /// The first one that is not dealt with, and the highest one seen.
    next: Option<i64>,
    highest: i64,
    /// `next` is the first packet of a picture; otherwise it is somewhere inside one that is lost.
    at_beginning: bool,
    needs_key: bool,
    /// The packet that is missing first, and since when.
    gap: Option<(i64, Instant)>,
    /// The other side repeats packets; those that it is asked for.
    repeating: bool,
    missing: Missing,
    last_arrival: Option<Instant>,
    /// A key frame is wanted; when it was asked for; when any was asked for.
    wanted: bool,
    asked: Option<Instant>,
    asked_any: Option<Instant>,
    pub(crate) tally: Tally,
}

impl Assembler {
    pub(crate) fn new() -> Assembler {
        Assembler {
            ssrc: 0,
            held: BTreeMap::new(),
            next: None,
            highest: 0,
            at_beginning: false,
            needs_key: true,
            gap: None,
            repeating: false,
            missing: Missing::new(),
            last_arrival: None,
            wanted: false,
            asked: None,
            asked_any: None,
            tally: Tally::default(),
        }
    }

    /// Takes a packet.
    pub(crate) fn push(&mut self, codec: VideoCodec, packet: RtpPacket, now: Instant) {
        let distance = i64::from(packet.sequence.wrapping_sub(self.highest as u16) as i16);
        let is_other = packet.ssrc != self.ssrc || distance.abs() > LONGEST_JUMP;
        if self.next.is_none() || is_other || self.held.len() >= MOST_KEPT {
            self.begin_anew(&packet);
        }
        let number = self.highest + i64::from(packet.sequence.wrapping_sub(self.highest as u16) as i16);
        self.last_arrival = Some(now);
        if self.next.is_some_and(|next| number < next) || self.held.contains_key(&number) {
            return;
        }
        if self.missing.has_come(number, now) {
            self.tally.recovered += 1;
        } else if self.repeating && number > self.highest + 1 {
            self.missing.add(self.highest + 1, number, now);
        }
        self.highest = self.highest.max(number);
        self.tally.received += 1;
        let RtpPacket { marker, timestamp, payload, .. } = packet;
        self.held.insert(number, Held { codec, marker, timestamp, payload, arrival: now });
    }

    /// Another stream, or one that has jumped: nothing of what was continues.
    fn begin_anew(&mut self, packet: &RtpPacket) {
        self.ssrc = packet.ssrc;
        self.held.clear();
        self.missing.clear();
        self.highest = i64::from(packet.sequence);
        if self.next.replace(self.highest).is_some() {
            self.lose();
        }
        self.at_beginning = false;
        self.gap = None;
    }

    /// What comes next is of use from a key frame on only.
    pub(crate) fn restart(&mut self) {
        if self.next.is_some() {
            self.lose();
        }
    }

    /// A key frame is wanted, though nothing was lost on the way.
    pub(crate) fn want_key_frame(&mut self) {
        self.wanted = true;
    }

    /// Whether the other side repeats packets that it is asked for.
    pub(crate) fn set_repeating(&mut self, repeating: bool) {
        if self.repeating && !repeating {
            self.missing.clear();
        }
        self.repeating = repeating;
    }

    /// The packets that are to be asked for now, by their sequence numbers.
    pub(crate) fn missing(&mut self, now: Instant) -> Vec<u16> {
        self.missing.due(now)
    }

    fn patience(&self) -> Duration {
        if self.repeating { self.missing.patience() } else { PATIENCE }
    }

    fn lose(&mut self) {
        self.needs_key = true;
        self.wanted = true;
    }

    /// The next complete picture that can be decoded.
    pub(crate) fn next_picture(&mut self, now: Instant) -> Option<VideoFrame> {
        loop {
            let next = self.next?;
            let (&first, held) = self.held.first_key_value()?;
            if first > next {
                if !self.give_up(next, now) {
                    return None;
                }
                continue;
            }
            if held.payload.is_empty() && !held.marker {
                // Padding between two pictures.
                self.skip_to(first + 1);
                continue;
            }
            if !self.at_beginning && !payload::begins(held.codec, &held.payload) {
                self.at_beginning = held.marker;
                self.wanted = true;
                self.skip_to(first + 1);
                continue;
            }
            self.at_beginning = true;
            match self.end(first) {
                Ok(end) => {
                    if let Some(frame) = self.join(end) {
                        return Some(frame);
                    }
                }
                Err(missing) => {
                    if !self.give_up(missing, now) {
                        return None;
                    }
                }
            }
        }
    }

    /// Where the picture that begins with the packet `first` ends, or which packet is missing before its end.
    fn end(&self, first: i64) -> Result<i64, i64> {
        let mut expected = first;
        let mut timestamp = None;
        for (&number, held) in self.held.range(first..) {
            if number != expected {
                return Err(expected);
            }
            if *timestamp.get_or_insert(held.timestamp) != held.timestamp {
                // The marker is not set by everybody.
                return Ok(number);
            }
            expected += 1;
            if held.marker {
                return Ok(expected);
            }
        }
        Err(expected)
    }

    /// Whether a missing packet is lost by now; then everything before the next one is left behind.
    fn give_up(&mut self, missing: i64, now: Instant) -> bool {
        let Some((&beyond, next)) = self.held.range(missing..).next() else {
            // Only the end is missing: it is on its way.
            self.gap = None;
            return false;
        };
        let since = match self.gap {
            Some((known, since)) if known == missing => since,
            // Missing since a later one came, also where another one was waited for first.
            _ => next.arrival.min(now),
        };
        self.gap = Some((missing, since));
        let many = self.held.range(missing..).nth(MOST_BEYOND).is_some();
        if now.saturating_duration_since(since) < self.patience() && !many {
            return false;
        }
        self.tally.lost += u64::try_from(beyond - missing).unwrap_or_default();
        self.skip_to(beyond);
        self.at_beginning = false;
        self.gap = None;
        self.lose();
        true
    }

    fn skip_to(&mut self, number: i64) {
        self.held = self.held.split_off(&number);
        self.missing.forget_before(number);
        self.next = Some(number);
    }

    /// Takes the packets before `end` for a picture.
    fn join(&mut self, end: i64) -> Option<VideoFrame> {
        let behind = self.held.split_off(&end);
        let picture = std::mem::replace(&mut self.held, behind);
        self.next = Some(end);
        self.gap = None;
        let (_, first) = picture.first_key_value()?;
        let (codec, timestamp) = (first.codec, first.timestamp);
        let is_one = picture.values().all(|held| held.codec == codec);
        let payloads = picture.values().map(|held| &held.payload).filter(|payload| !payload.is_empty());
        let data = payload::join(codec, payloads).filter(|data| is_one && data.len() <= super::LARGEST_FRAME);
        let Some(data) = data else {
            self.lose();
            return None;
        };
        let frame = VideoFrame::new(codec, timestamp, data);
        if frame.key {
            self.needs_key = false;
            self.wanted = false;
            self.asked = None;
        } else if self.needs_key {
            self.tally.dropped += 1;
            self.wanted = true;
            return None;
        }
        Some(frame)
    }

    /// Whether a key frame is to be asked for now.
    pub(crate) fn asks(&mut self, now: Instant) -> bool {
        let due = self.ask_at(now).is_some_and(|at| at <= now);
        if due {
            self.asked = Some(now);
            self.asked_any = Some(now);
        }
        due
    }

    fn ask_at(&self, now: Instant) -> Option<Instant> {
        let hears = self.last_arrival.is_some_and(|arrival| now.saturating_duration_since(arrival) < SILENCE);
        if !self.wanted || !hears {
            return None;
        }
        let again = self.asked.map(|asked| asked + ASK_AGAIN);
        let pause = self.asked_any.map(|asked| asked + ASK_PAUSE);
        Some(again.max(pause).unwrap_or(now))
    }

    /// When something is to be done without a packet having come.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        let gap = self.gap.map(|(_, since)| since + self.patience());
        [gap, self.ask_at(now), self.missing.deadline()].into_iter().flatten().min()
    }
}

#[cfg(test)]
#[path = "assembler_tests.rs"]
mod tests;
