//! Adaptive jitter buffer: from packets that come when they like to samples every 10 ms.
//!
//! Owns: order of the packets, the moment at which each is decoded, concealment, use of redundancy, stretching of time.
//! Lives on a media worker; nothing here allocates after construction, takes a lock or reads a clock: every time is an
//! argument, in microseconds from an origin that the caller chooses. Must not import the transport, sources or sinks.
//!
//! The idea: the *lag* at which the next sample would be played now (now minus its own time) is compared with the lag
//! that the statistics of arrival ask for (`target`); small differences are corrected by cutting out or repeating
//! whole pitch periods (`stretch`), great ones by leaving out what is too old. The number of waiting packets plays no
//! part, since it jumps with every re-ordering. Time is RTP time, not sequence numbers, so that pauses of the sender
//! and packets of any length are what they are.

use crate::codec::{self, CONCEAL_STEP, Decoders, FRAME_SAMPLES, MAX_PACKET_SAMPLES, SAMPLE_RATE, TICK_SAMPLES};
use crate::error::MediaError;
use crate::ring::MAX_PAYLOAD;
use crate::transport::AudioCodec;

mod store;
mod stretch;
mod target;

use store::{Entry, Store};
use target::Target;

/// Room for the samples that are decoded but not yet played: what is left of a tick, the longest packet, one stretch.
const DECODED: usize = TICK_SAMPLES + MAX_PACKET_SAMPLES + stretch::LONGEST;
/// Without any packet for so long (1 s) the stream is taken as stopped; the next packet begins anew.
const STOPPED: i64 = SAMPLE_RATE as i64;
/// What is invented has its full level for 100 ms and is silent after 500 ms, for steady sounds do not fade by
/// themselves.
const FADE_FROM: i64 = 4_800;
const FADE_TO: i64 = 24_000;
/// An Opus packet this short says that the sender pauses: the decoder's comfort noise goes on without fading.
const PAUSE_BYTES: usize = 2;
/// What is more than this behind its time is left out instead of being caught up by stretching.
const TOO_OLD_US: i64 = 300_000;
/// From this excess on every frame may be shortened, otherwise every third.
const HURRY_US: i64 = 100_000;
/// Packets in a row that look silent and are decoded all the same: one may be the gap between two syllables.
const SILENT_LOOKS: u32 = 2;
/// Samples over which audio comes back after packets that were not decoded, 5 ms.
const RETURN: usize = 240;
/// Differences that are let be: while somebody talks and, smaller, in pauses, where stretching is not heard. Being
/// early must stay below the margin of the target, or packets come too late before anything is done.
const LATE_US: (i64, i64) = (25_000, 8_000);
const EARLY_US: (i64, i64) = (5_000, 3_000);

/// What a jitter buffer has seen and done. Samples are at 48 kHz.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JitterStats {
    /// Packets that came, without duplicates.
    pub received: u64,
    /// Packets that should have come by their sequence numbers, of all streams so far.
    pub expected: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that came after their moment.
    pub late: u64,
    /// Packets left out because they were too old or because there was no room.
    pub discarded: u64,
    /// Packets that their codec refused.
    pub corrupt: u64,
    /// Packets decoded, and those left undecoded as [`Effort`] tells.
    pub decoded: u64,
    /// Samples recovered from redundancy.
    pub recovered: u64,
    /// Samples invented.
    pub concealed: u64,
    /// Samples cut out in order to catch up.
    pub shortened: u64,
    /// Samples repeated in order to fall back.
    pub stretched: u64,
    /// New streams: changes of the SSRC and of the sender's time.
    pub restarts: u64,
    /// Interarrival jitter (RFC 3550 section 6.4.1) in microseconds.
    pub jitter_us: u32,
    /// How long packets are to be held back beyond the fastest one, in microseconds.
    pub target_us: u32,
    /// How long the packet decoded last was held back beyond the fastest one, in microseconds.
    pub delay_us: u32,
}

impl JitterStats {
    /// Packets that never came.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.received)
    }
}

/// How much is to be made of the packets. Order, time and statistics are kept in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Effort {
    /// Everything is decoded and every gap filled.
    #[default]
    Everything,
    /// What looks silent ([`codec::looks_silent`]) for more than 40 ms becomes zeros without being decoded, and so do pauses
    /// of the sender. For somebody whose audio has been below hearing for a while.
    Audible,
    /// Nothing is decoded: zeros.
    Nothing,
}

/// One packet of audio on its way into the buffer.
#[derive(Debug, Clone, Copy)]
pub struct Arriving<'a> {
    /// What it is encoded with.
    pub codec: AudioCodec,
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP time stamp in ticks of the codec's clock.
    pub timestamp: u32,
    /// RTP source.
    pub ssrc: u32,
    /// What goes to the decoder.
    pub payload: &'a [u8],
}

/// The stream that is being received.
struct Stream {
    ssrc: u32,
    /// 48 kHz samples per tick of its clock.
    scale: i64,
    /// Newest extended sequence number and time stamp.
    sequence: i64,
    timestamp: i64,
    first_sequence: i64,
    /// The newest 64 sequence numbers that came, the newest in bit 0.
    seen: u64,
    /// Lag of the packet that came last, for the interarrival jitter.
    last_lag: i64,
}

impl Stream {
    /// Notes that a packet came: its number extended beyond 16 bits, and how far it is from the newest; none for a duplicate.
    fn see(&mut self, sequence: u16) -> Option<(i64, i64)> {
        let step = i64::from(sequence.wrapping_sub(self.sequence as u16) as i16);
        let bit = u32::try_from(-step.min(0)).ok().and_then(|back| 1u64.checked_shl(back)).unwrap_or(0);
        if step <= 0 && self.seen & bit != 0 {
            return None;
        }
        self.seen = if step > 0 {
            u32::try_from(step).ok().and_then(|by| self.seen.checked_shl(by)).unwrap_or(0) | 1
        } else {
            self.seen | bit
        };
        Some((self.sequence + step, step))
    }
}

/// The buffer of one leg, with its decoders.
pub struct JitterBuffer {
    store: Store,
    decoders: Decoders,
    target: Target,
    stream: Option<Stream>,
    /// Packets expected in earlier streams.
    expected_before: u64,
    /// Time of the sample that comes next; none while nothing is known.
    next: Option<i64>,
    /// Whether playing has begun; before, packets are collected.
    playing: bool,
    /// Samples concealed in a row, and those of them for which `next` has not moved: an empty buffer does not tell
    /// whether the packet is lost or late.
    run: i64,
    debt: i64,
    /// Length of the packet decoded last, its codec and sequence number.
    last_samples: i64,
    last_codec: AudioCodec,
    last_sequence: i64,
    /// The newest sequence number that something else than audio has used, and how many have.
    passed: (i64, u64),
    /// Whether it announced a pause.
    pausing: bool,
    effort: Effort,
    /// Packets in a row that look silent; counted while the effort asks for it.
    silent: u32,
    /// The packet before was not decoded.
    skipped: bool,
    /// Frames since the last stretch.
    rested: u32,
    decoded: Box<[i16; DECODED]>,
    from: usize,
    filled: usize,
    scratch: Box<[i16; MAX_PACKET_SAMPLES]>,
    payload: Box<[u8; MAX_PAYLOAD]>,
    stats: JitterStats,
}

fn micros(samples: i64) -> i64 {
    samples * 125 / 6
}

impl JitterBuffer {
    /// An empty buffer, about 160 kB.
    ///
    /// # Errors
    /// [`MediaError::Transport`] when a decoder cannot be set up (no memory).
    pub fn new() -> Result<JitterBuffer, MediaError> {
        Ok(JitterBuffer {
            store: Store::new(),
            decoders: Decoders::new()?,
            target: Target::new(),
            stream: None,
            expected_before: 0,
            next: None,
            playing: false,
            run: 0,
            debt: 0,
            last_samples: FRAME_SAMPLES as i64,
            last_codec: AudioCodec::Opus,
            last_sequence: 0,
            passed: (i64::MIN, 0),
            pausing: false,
            effort: Effort::Everything,
            silent: 0,
            skipped: false,
            rested: 0,
            decoded: Box::new([0; DECODED]),
            from: 0,
            filled: 0,
            scratch: Box::new([0; MAX_PACKET_SAMPLES]),
            payload: Box::new([0; MAX_PAYLOAD]),
            stats: JitterStats::default(),
        })
    }

    /// What was seen and done so far.
    #[must_use]
    pub fn stats(&self) -> JitterStats {
        let current = self.stream.as_ref().map_or(0, |s| (s.sequence - s.first_sequence + 1) as u64);
        JitterStats {
            expected: (self.expected_before + current).saturating_sub(self.passed.1),
            target_us: u32::try_from(self.target.hold_us()).unwrap_or(0),
            ..self.stats
        }
    }

    /// How much is to be made of the packets from now on.
    pub fn set_effort(&mut self, effort: Effort) {
        self.effort = effort;
    }

    /// Takes a packet that arrived at `arrival_us`.
    pub fn insert(&mut self, packet: Arriving<'_>, arrival_us: i64) {
        let Some(samples) = self.decoders.of(packet.codec).packet_samples(packet.payload) else {
            self.stats.corrupt += 1;
            return;
        };
        let samples = samples as i64;
        let Some((sequence, timestamp, in_order)) = self.place(&packet) else { return };
        let scale = i64::from(SAMPLE_RATE / packet.codec.clock_rate());
        let time = timestamp * scale;
        let lag = arrival_us - micros(time);
        let newer = self.note_stream(sequence, timestamp, lag);
        if newer && self.target.is_jump(lag) {
            self.begin_anew();
            self.stats.restarts += 1;
            self.target.anchor(lag, arrival_us);
        } else if !self.playing && newer && self.next.is_some() && self.target.above_base(lag) < -micros(samples) / 2 {
            // While nothing is played yet, packets that were held up on their way tell the real lag one by one.
            self.target.anchor(lag, arrival_us);
        }
        self.target.note_arrival(lag, arrival_us, micros(samples), in_order);
        if let Some(next) = self.next {
            if self.playing && time + samples <= next {
                self.stats.late += 1;
                return;
            }
            if !self.playing {
                self.next = Some(next.min(time));
            } else if self.debt > 0 {
                // What was concealed while waiting turns out to be lost, or a pause of the sender; not late.
                if self.store.len() == 0 {
                    self.next = Some(next + self.debt.min((time - next).max(0)));
                }
                self.debt = 0;
            }
        } else {
            self.next = Some(time);
        }
        if !self.store.insert((time, sequence, samples), packet.codec, packet.payload) {
            self.stats.discarded += 1;
        }
    }

    /// Extends sequence number and time stamp beyond their 16 and 32 bits; none for a duplicate.
    fn place(&mut self, packet: &Arriving<'_>) -> Option<(i64, i64, bool)> {
        let scale = i64::from(SAMPLE_RATE / packet.codec.clock_rate());
        let same = self.stream.as_ref().is_some_and(|s| s.ssrc == packet.ssrc && s.scale == scale);
        if !same {
            if let Some(old) = self.stream.take() {
                self.expected_before += (old.sequence - old.first_sequence + 1) as u64;
                self.stats.restarts += 1;
                if old.ssrc != packet.ssrc {
                    self.decoders.of(packet.codec).reset();
                }
            }
            // Nothing that was learnt about its time holds, what was learnt about the path does.
            self.begin_anew();
            self.passed.0 = i64::MIN;
            self.target.lose_time();
        }
        let Some(stream) = &mut self.stream else {
            let (sequence, timestamp) = (i64::from(packet.sequence), i64::from(packet.timestamp));
            self.stream = Some(Stream {
                ssrc: packet.ssrc,
                scale,
                sequence,
                timestamp,
                first_sequence: sequence,
                seen: 1,
                last_lag: i64::MIN,
            });
            self.stats.received += 1;
            return Some((sequence, timestamp, false));
        };
        let timestamp = stream.timestamp + i64::from(packet.timestamp.wrapping_sub(stream.timestamp as u32) as i32);
        let Some((sequence, step)) = stream.see(packet.sequence) else {
            self.stats.duplicates += 1;
            return None;
        };
        stream.first_sequence = stream.first_sequence.min(sequence);
        self.stats.received += 1;
        Some((sequence, timestamp, step == 1))
    }

    /// Tells of a packet of this stream that is not audio (a telephone event): its number is not that of a lost one.
    pub fn pass(&mut self, ssrc: u32, sequence: u16) {
        let Some(stream) = self.stream.as_mut().filter(|stream| stream.ssrc == ssrc) else { return };
        let Some((sequence, step)) = stream.see(sequence) else { return };
        if sequence < stream.first_sequence {
            return;
        }
        stream.sequence += step.max(0);
        self.passed = (self.passed.0.max(sequence), self.passed.1 + 1);
    }

    /// Moves the stream's newest values on and measures the jitter; whether the packet is newer than all before.
    fn note_stream(&mut self, sequence: i64, timestamp: i64, lag: i64) -> bool {
        let Some(stream) = &mut self.stream else { return true };
        if stream.last_lag != i64::MIN {
            let change = (lag - stream.last_lag).abs().min(10_000_000);
            let jitter = i64::from(self.stats.jitter_us);
            self.stats.jitter_us = (jitter + (change - jitter) / 16).max(0) as u32;
        }
        stream.last_lag = lag;
        let newer = sequence >= stream.sequence;
        if newer {
            stream.sequence = sequence;
            stream.timestamp = timestamp;
        }
        newer
    }

    /// The sender counts anew, or the path was down: what waits is of no use.
    fn begin_anew(&mut self) {
        self.store.clear();
        self.next = None;
        self.playing = false;
        self.run = 0;
        self.debt = 0;
    }

    /// Writes the 10 ms that are to be played at `now_us`. Before the first packet, and when none has come for long,
    /// that is silence.
    pub fn pull(&mut self, out: &mut [i16; TICK_SAMPLES], now_us: i64) {
        while self.filled < TICK_SAMPLES {
            if self.from > 0 {
                self.decoded.copy_within(self.from..self.from + self.filled, 0);
                self.from = 0;
            }
            self.fill(now_us);
        }
        out.copy_from_slice(&self.decoded[self.from..self.from + TICK_SAMPLES]);
        self.from += TICK_SAMPLES;
        self.filled -= TICK_SAMPLES;
    }

    /// Appends silence up to one tick.
    fn silence(&mut self) {
        self.decoded[self.filled..TICK_SAMPLES].fill(0);
        self.filled = TICK_SAMPLES;
    }

    /// Appends `samples` of the scratch buffer.
    fn append(&mut self, samples: usize) {
        let samples = samples.min(DECODED - self.filled);
        self.decoded[self.filled..self.filled + samples].copy_from_slice(&self.scratch[..samples]);
        self.filled += samples;
    }

    /// Appends something. Called with less than a tick of samples left, which begin at 0.
    fn fill(&mut self, now_us: i64) {
        let Some(next) = self.next else { return self.silence() };
        let mut lag = now_us + micros(self.filled as i64) - micros(next);
        if !self.playing {
            if lag < self.target.start() {
                return self.silence();
            }
            self.playing = true;
            self.target.has_begun();
        }
        if lag > self.target.aim() + TOO_OLD_US {
            lag = self.leave_out(lag);
        }
        let next = self.next.unwrap_or(next);
        match self.store.front().copied() {
            Some(entry) if entry.time < next + CONCEAL_STEP as i64 => self.play(entry, lag),
            Some(entry) => self.bridge(entry, next),
            None => self.wait(),
        }
    }

    /// Leaves out the oldest packets until the next one is in time, or the last one; returns the new lag.
    fn leave_out(&mut self, mut lag: i64) -> i64 {
        while lag > self.target.aim() && self.store.len() > 1 {
            let old = self.next.unwrap_or(0);
            self.store.remove_front();
            self.stats.discarded += 1;
            let Some(entry) = self.store.front() else { break };
            lag -= micros(entry.time - old);
            self.next = Some(entry.time);
        }
        lag
    }

    /// Decodes the first packet and corrects the lag by stretching.
    fn play(&mut self, entry: Entry, lag: i64) {
        let length = self.store.copy_front(&mut self.payload);
        self.store.remove_front();
        let payload = &self.payload[..length];
        self.silent = match self.effort {
            Effort::Audible if codec::looks_silent(entry.codec, payload) => self.silent.saturating_add(1),
            Effort::Everything | Effort::Audible | Effort::Nothing => 0,
        };
        if self.skips() {
            return self.skip(entry, lag);
        }
        let back = std::mem::take(&mut self.skipped);
        let samples = match self.decoders.of(entry.codec).decode(payload, &mut self.scratch) {
            Ok(samples) => {
                self.stats.decoded += 1;
                samples
            }
            Err(_) => {
                self.stats.corrupt += 1;
                self.stats.concealed += entry.samples as u64;
                let whole = entry.samples as usize / CONCEAL_STEP * CONCEAL_STEP;
                self.decoders.of(entry.codec).conceal(whole.max(CONCEAL_STEP), &mut self.scratch)
            }
        };
        if back {
            for (i, sample) in self.scratch[..samples.min(RETURN)].iter_mut().enumerate() {
                *sample = (i32::from(*sample) * i as i32 / RETURN as i32) as i16;
            }
        }
        self.pausing = entry.codec == AudioCodec::Opus && length <= PAUSE_BYTES;
        self.played(entry, samples, lag);
    }

    /// Whether the packet at hand becomes zeros.
    fn skips(&self) -> bool {
        match self.effort {
            Effort::Everything => false,
            Effort::Audible => self.silent > SILENT_LOOKS,
            Effort::Nothing => true,
        }
    }

    /// Plays zeros in place of the packet.
    fn skip(&mut self, entry: Entry, lag: i64) {
        if self.effort == Effort::Nothing && !self.skipped {
            // When decoding goes on one day, what was said before must not sound on.
            self.decoders.of(entry.codec).reset();
        }
        self.skipped = true;
        self.pausing = false;
        self.stats.decoded += 1;
        let samples = entry.samples as usize;
        self.scratch[..samples].fill(0);
        self.played(entry, samples, lag);
    }

    /// Appends what was made of `entry` and corrects the lag.
    fn played(&mut self, entry: Entry, samples: usize, lag: i64) {
        self.next = Some(entry.time + entry.samples);
        self.run = 0;
        self.debt = 0;
        self.last_samples = entry.samples;
        self.last_codec = entry.codec;
        self.last_sequence = entry.sequence;
        self.target.note_loss(false);
        self.stats.delay_us = self.target.above_base(lag).clamp(0, i64::from(u32::MAX)) as u32;
        let start = self.filled;
        self.append(samples);
        self.correct(start, lag - self.target.aim());
    }

    /// Shortens or stretches what was appended at `start` when it is `excess` microseconds behind (or ahead).
    fn correct(&mut self, start: usize, excess: i64) {
        self.rested = self.rested.saturating_add(1);
        let Some(fresh) = self.decoded.get(start..self.filled) else { return };
        let quiet = stretch::is_quiet(fresh);
        let bound = |(loud, soft): (i64, i64)| if quiet { soft } else { loud };
        if self.rested < 3 && excess < HURRY_US {
            return;
        }
        let change = if excess > bound(LATE_US) {
            stretch::shorten(&mut self.decoded[start..], self.filled - start, quiet)
        } else if excess < -bound(EARLY_US) {
            stretch::lengthen(&mut self.decoded[start..], self.filled - start, quiet)
        } else {
            return;
        };
        let Some(length) = change else { return };
        self.rested = 0;
        let before = self.filled;
        self.filled = start + length;
        self.stats.shortened += before.saturating_sub(self.filled) as u64;
        self.stats.stretched += self.filled.saturating_sub(before) as u64;
    }

    /// Fills the gap before `entry`, frame by frame: by its redundancy if that reaches, else by invention.
    fn bridge(&mut self, entry: Entry, next: i64) {
        let step = CONCEAL_STEP as i64;
        let gap = entry.time - next;
        let lost = entry.sequence > self.last_sequence + 1 && entry.sequence != self.passed.0 + 1;
        self.target.note_loss(lost);
        let usual = self.last_samples.clamp(TICK_SAMPLES as i64, FRAME_SAMPLES as i64);
        let length = self.store.copy_front(&mut self.payload);
        let payload = &self.payload[..length];
        let redundant = lost
            && !self.skipped
            && entry.codec == self.last_codec
            && self.decoders.of(entry.codec).has_redundancy(payload);
        if redundant && gap <= entry.samples {
            let wanted = (gap / step * step) as usize;
            if let Ok(samples) = self.decoders.of(entry.codec).decode_redundancy(payload, wanted, &mut self.scratch) {
                self.stats.recovered += samples as u64;
                self.next = Some(entry.time);
                self.run = 0;
                return self.append(samples);
            }
        }
        let before = if redundant && gap > entry.samples { gap - entry.samples } else { gap };
        let wanted = (before.min(usual) / step * step).max(step);
        self.conceal(wanted);
        self.next = Some(next + wanted);
    }

    /// Nothing is there. Whether it is lost or late will be known when the next packet comes.
    fn wait(&mut self) {
        let usual = self.last_samples.clamp(TICK_SAMPLES as i64, FRAME_SAMPLES as i64);
        self.conceal(usual / CONCEAL_STEP as i64 * CONCEAL_STEP as i64);
        self.debt += usual;
        if self.run >= STOPPED {
            self.next = None;
            self.playing = false;
            self.run = 0;
            self.debt = 0;
        }
    }

    fn conceal(&mut self, wanted: i64) {
        // What is not listened to needs no invention, and silence goes on as silence.
        let pause = self.effort == Effort::Audible && self.pausing;
        if self.skipped || pause || self.effort == Effort::Nothing {
            self.scratch[..wanted as usize].fill(0);
            self.run += wanted;
            return self.append(wanted as usize);
        }
        let samples = self.decoders.of(self.last_codec).conceal(wanted as usize, &mut self.scratch);
        if !self.pausing && self.run + samples as i64 > FADE_FROM {
            for (i, sample) in self.scratch[..samples].iter_mut().enumerate() {
                let left = (FADE_TO - self.run - i as i64).clamp(0, FADE_TO - FADE_FROM);
                *sample = (i64::from(*sample) * left / (FADE_TO - FADE_FROM)) as i16;
            }
        }
        self.stats.concealed += samples as u64;
        self.run += samples as i64;
        self.append(samples);
    }
}

#[cfg(test)]
mod tests;
