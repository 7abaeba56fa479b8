//! Telephone events (RFC 4733): the keys that we send and those that we hear.
//!
//! Owns: the queue of tones to send and the packet that is due, the memory of what was received. Lives on a media worker;
//! nothing here allocates after construction, takes a lock or reads a clock. Must not import the transport, codecs or
//! jitter buffer.

use std::collections::VecDeque;
use std::time::Duration;

/// Length of the frames at whose pace event packets go out, as those of the audio.
const FRAME_MS: u32 = 20;
/// A tone of 100 ms (P-12).
const TONE_FRAMES: u32 = 100 / FRAME_MS;
/// A comma in a row of tones: a pause of 2 s (P-12).
const PAUSE_FRAMES: u32 = 2_000 / FRAME_MS;
/// How long tones rest when sending is allowed again: the other side listens only when our answer has reached it.
const REST_FRAMES: u32 = 500 / FRAME_MS;
/// The packet that ends an event goes out so many times, for it must not be lost (RFC 4733 section 2.5.1.4).
const ENDINGS: u32 = 3;
/// Bounds of the gap between two tones: the endings need room in it; nobody waits longer than ten seconds for the next.
const GAP_MS: (u32, u32) = (ENDINGS * FRAME_MS, 10_000);
/// Tones that may wait, pauses included. Nobody types more ahead than a card number with its code.
pub const MOST_TONES: usize = 256;
/// Level of the tones, in -dBm0 (RFC 4733 section 2.3.3).
const VOLUME: u8 = 10;
/// The flag of the last packets of an event.
const END: u8 = 0x80;
/// Events remembered, so that a packet that was overtaken by those of later keys raises nothing anew.
const REMEMBERED: usize = 16;
/// An event that is too long for the field of its duration goes on in another segment (RFC 4733 section 2.5.1.3). Some senders
/// begin it where the last packet ended whose duration still fitted, others (Chromium) with the first packet whose duration
/// does not fit: a segment is as long as the field can say, give or take a frame of at most 64 ms of 48 kHz.
const SEGMENT: std::ops::RangeInclusive<u32> = 0xffff - 3_072..=0xffff + 3_072;

/// The keys by their event codes (RFC 4733 section 3.2).
const KEYS: &[u8; 16] = b"0123456789*#ABCD";

/// The code of a key: digits, `*`, `#`, and `A` to `D` in either case.
#[must_use]
pub fn event_of(key: char) -> Option<u8> {
    let key = key.to_ascii_uppercase();
    KEYS.iter().position(|known| char::from(*known) == key).and_then(|code| u8::try_from(code).ok())
}

/// The key of a code; none for what is no key.
#[must_use]
pub fn key_of(event: u8) -> Option<char> {
    KEYS.get(usize::from(event)).map(|key| char::from(*key))
}

/// A key to send, or a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tone(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Its code, and the frames of the gap behind it.
    Key(u8, u32),
    Pause,
}

impl Tone {
    /// A tone of 100 ms with a gap behind it, which is brought within 60 ms to 10 s and to whole frames of 20 ms; or, for a
    /// comma, a pause of 2 s. None for what is neither.
    #[must_use]
    pub fn new(key: char, gap: Duration) -> Option<Tone> {
        if key == ',' {
            return Some(Tone(Kind::Pause));
        }
        let (least, most) = GAP_MS;
        let gap = u32::try_from(gap.as_millis()).unwrap_or(most).clamp(least, most).div_ceil(FRAME_MS);
        Some(Tone(Kind::Key(event_of(key)?, gap)))
    }
}

/// What a frame is to carry instead of audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventPacket {
    /// The first packet of an event has the marker.
    pub(crate) marker: bool,
    /// Time stamp of the event's begin: the one that was given for its first frame.
    pub(crate) timestamp: u32,
    pub(crate) payload: [u8; 4],
}

/// What one frame means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SendStep {
    /// The packet that goes out in place of audio; none when audio is sent.
    pub(crate) packet: Option<EventPacket>,
    /// A key begins.
    pub(crate) began: Option<char>,
    /// A key has been sent, its endings included, or (a comma) a pause is over.
    pub(crate) ended: Option<char>,
}

#[derive(Debug, Clone, Copy)]
struct Sounding {
    event: u8,
    gap: u32,
    timestamp: u32,
    frames: u32,
}

/// The tones of one leg on their way out.
pub(crate) struct ToneSender {
    waiting: VecDeque<Tone>,
    sounding: Option<Sounding>,
    /// Frames that are left of a gap or a pause.
    quiet: u32,
    /// It is a pause.
    pausing: bool,
}

impl ToneSender {
    pub(crate) fn new() -> ToneSender {
        ToneSender { waiting: VecDeque::with_capacity(MOST_TONES), sounding: None, quiet: 0, pausing: false }
    }

    /// Appends a tone. The caller keeps to [`MOST_TONES`]; what is beyond is left out.
    pub(crate) fn push(&mut self, tone: Tone) {
        if self.waiting.len() < MOST_TONES {
            self.waiting.push_back(tone);
        }
    }

    /// Tones and pauses that have not ended.
    pub(crate) fn owed(&self) -> usize {
        self.waiting.len() + usize::from(self.sounding.is_some()) + usize::from(self.pausing)
    }

    /// Whether nothing is owed and no gap is running.
    pub(crate) fn is_idle(&self) -> bool {
        self.owed() == 0 && self.quiet == 0
    }

    /// What the frame with this time stamp carries. `clock` is the clock rate of the events: the duration counts with it,
    /// while the time stamp is the one that the audio would have. `begin`: a waiting tone may begin.
    pub(crate) fn frame(&mut self, timestamp: u32, clock: u32, begin: bool) -> SendStep {
        let mut step = SendStep::default();
        if self.quiet > 0 {
            self.quiet -= 1;
            if self.quiet == 0 && std::mem::take(&mut self.pausing) {
                step.ended = Some(',');
            }
            return step;
        }
        if self.sounding.is_none() {
            if !begin {
                return step;
            }
            match self.waiting.pop_front().map(|tone| tone.0) {
                None => return step,
                Some(Kind::Pause) => {
                    self.pausing = true;
                    self.quiet = PAUSE_FRAMES - 1;
                    return step;
                }
                Some(Kind::Key(event, gap)) => {
                    step.began = key_of(event);
                    self.sounding = Some(Sounding { event, gap, timestamp, frames: 0 });
                }
            }
        }
        let Some(sounding) = &mut self.sounding else { return step };
        sounding.frames += 1;
        let length = sounding.frames.min(TONE_FRAMES);
        let duration = u16::try_from(length * FRAME_MS * (clock / 1_000)).unwrap_or(u16::MAX);
        let end = if sounding.frames >= TONE_FRAMES { END } else { 0 };
        let [high, low] = duration.to_be_bytes();
        step.packet = Some(EventPacket {
            marker: sounding.frames == 1,
            timestamp: sounding.timestamp,
            payload: [sounding.event, end | VOLUME, high, low],
        });
        if sounding.frames + 1 == TONE_FRAMES + ENDINGS {
            step.ended = self.cut();
        }
        step
    }

    /// Ends the tone that sounds, as when its packets cannot go on as they began; gives its key.
    pub(crate) fn cut(&mut self) -> Option<char> {
        let sounding = self.sounding.take()?;
        // The first ending falls into the tone, the others into the gap.
        self.quiet = sounding.gap.saturating_sub(ENDINGS - 1);
        key_of(sounding.event)
    }

    /// The other side may not listen yet.
    pub(crate) fn rest(&mut self) {
        self.quiet = self.quiet.max(REST_FRAMES);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        (self.sounding, self.quiet, self.pausing) = (None, 0, false);
    }
}

/// An event that was received, or a segment of one.
#[derive(Debug, Clone, Copy)]
struct Heard {
    ssrc: u32,
    timestamp: u32,
    event: u8,
    /// The longest duration told.
    duration: u16,
    ended: bool,
}

/// The keys that the other side presses: each once, by source and time stamp (RFC 4733 section 2.5.1.2), however many of its
/// packets come and in whatever order. Another party has another source, so nothing of the one before matters to it.
#[derive(Default)]
pub(crate) struct ToneReceiver {
    heard: [Option<Heard>; REMEMBERED],
    next: usize,
}

impl ToneReceiver {
    /// Takes a packet of telephone events; the key when it is a new one. What cannot be understood raises nothing.
    pub(crate) fn receive(&mut self, ssrc: u32, marker: bool, timestamp: u32, payload: &[u8]) -> Option<char> {
        let [event, flags, high, low] = *payload.first_chunk::<4>()?;
        let key = key_of(event)?;
        let (duration, ended) = (u16::from_be_bytes([high, low]), flags & END != 0);
        let known = |heard: &&mut Heard| (heard.ssrc, heard.timestamp) == (ssrc, timestamp);
        if let Some(heard) = self.heard.iter_mut().flatten().find(known) {
            heard.duration = heard.duration.max(duration);
            heard.ended |= ended;
            return None;
        }
        // Every packet but the marked one of a segment may be lost, and so may the longest of the segment before.
        let goes_on = !marker
            && self.heard.iter().flatten().any(|heard| {
                let since = timestamp.wrapping_sub(heard.timestamp);
                (heard.ssrc, heard.event, heard.ended) == (ssrc, event, false)
                    && since >= u32::from(heard.duration)
                    && SEGMENT.contains(&since)
            });
        self.heard[self.next] = Some(Heard { ssrc, timestamp, event, duration, ended });
        self.next = (self.next + 1) % REMEMBERED;
        (!goes_on).then_some(key)
    }
}

#[cfg(test)]
#[path = "dtmf_tests.rs"]
mod tests;
