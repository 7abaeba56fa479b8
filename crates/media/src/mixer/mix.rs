//! The mixer: from the voices of a room to what everybody in it is to be sent, 10 ms by 10 ms.
//!
//! Owns: sums, limiters and frames, and who hears which stream. Lives on a media worker or wherever its owner calls it; it reads
//! no clock, takes no lock and allocates only when somebody comes. Must not import transports or rooms.
//!
//! Everybody hears the sum of all voices that are heard, less the own one. So all who are not heard themselves hear the same,
//! which is limited and encoded once: the *common* mix. A voice that begins gets a mix of its own that continues the
//! common one: same limiter, same encoder state, so there is no seam. It goes back to the common mix when both have been the
//! same for half a second, with a frame that needs none before it.

use bytes::Bytes;

use super::limiter::Limiter;
use super::room::RoomSettings;
use super::streams::{Kind, Stream};
use super::talkers::{Voice, choose};
use crate::codec::{AudioEncoder, FRAME_SAMPLES, MAX_ENCODED_BYTES, TICK_SAMPLES};
use crate::error::MediaError;
use crate::jitter::Effort;
use crate::strain::MOST_STRAIN;
use crate::transport::AudioCodec;

/// Ticks without a sound of one's own until the own mix counts as the same as the common one, 0.5 s.
const RETURN: u32 = 50;
/// Difference of two limiters' gains that nobody hears, 0.02 dB.
const SAME: f32 = 0.002;
/// For each step of strain: the most effort of Opus, and the most voices. Encoding is nine tenths of the work, and every voice
/// that is heard costs one encode of its own.
const EASED: [(u8, usize); MOST_STRAIN as usize + 1] = [(10, usize::MAX), (5, usize::MAX), (2, 5), (0, 3)];

/// Somebody who can be sent a frame.
pub struct Listener<'a> {
    /// The codec agreed upon.
    pub codec: AudioCodec,
    /// Share of packets that this one loses, in per cent.
    pub loss: u8,
    /// An encoder of that codec, kept for this listener.
    pub encoder: &'a mut dyn AudioEncoder,
}

/// One frame for one listener.
#[derive(Debug)]
pub enum Encoded<'a> {
    /// What others get too; the memory is shared.
    Common(Bytes),
    /// What only this one hears.
    Own(&'a [u8]),
}

/// What a mixer has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MixerStats {
    /// Frames encoded for many at once.
    pub common_encodes: u64,
    /// Frames encoded for one listener.
    pub own_encodes: u64,
    /// Frames sent that somebody else had caused to be encoded already.
    pub shared: u64,
}

/// A mix on its way to the encoder.
struct Track {
    limiter: Limiter,
    frame: [i16; FRAME_SAMPLES],
    /// Mean square of the last 10 ms as a share of full scale.
    power: f32,
}

impl Track {
    fn new() -> Track {
        Track { limiter: Limiter::default(), frame: [0; FRAME_SAMPLES], power: 0.0 }
    }

    fn process(&mut self, sum: &[i32; TICK_SAMPLES], from: usize, fade_in: bool) {
        let mut out = [0i16; TICK_SAMPLES];
        self.limiter.process(sum, &mut out);
        if fade_in {
            for (i, sample) in out.iter_mut().enumerate() {
                *sample = (i32::from(*sample) * i as i32 / TICK_SAMPLES as i32) as i16;
            }
        }
        let squares: u64 = out.iter().map(|v| u64::from(v.unsigned_abs()) * u64::from(v.unsigned_abs())).sum();
        self.power = squares as f32 / (TICK_SAMPLES as f32 * 32_768.0 * 32_768.0);
        self.frame[from..from + TICK_SAMPLES].copy_from_slice(&out);
    }
}

/// Where somebody's last packet came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Last {
    Nothing,
    Own,
    Common(Kind),
}

/// The listening side of a seat.
pub(crate) struct Ear {
    track: Box<Track>,
    listening: bool,
    /// Hears the mix of `track` and not the common one.
    own: bool,
    /// The own mix begins with the next tick.
    begins: bool,
    /// Ticks since the own voice was in the sum.
    since: u32,
    last: Last,
    /// Loss of this listener as of its last common stream.
    kind: Option<Kind>,
    encoded: Box<[u8; MAX_ENCODED_BYTES]>,
}

/// Memory for one member, made by whoever has time for it.
pub(crate) struct Seat {
    voice: Voice,
    ear: Ear,
}

impl Seat {
    pub(crate) fn new() -> Seat {
        let ear = Ear {
            track: Box::new(Track::new()),
            listening: false,
            own: false,
            begins: false,
            since: 0,
            last: Last::Nothing,
            kind: None,
            encoded: Box::new([0; MAX_ENCODED_BYTES]),
        };
        Seat { voice: Voice::new(), ear }
    }
}

/// See the head of the file. In each tick of 10 ms: [`Mixer::say`] for everybody, then [`Mixer::mix`]. When that has completed
/// a frame of 20 ms: [`Mixer::prepare`] for everybody, then [`Mixer::encode`], at the latest before the next tick's `mix`.
pub struct Mixer {
    settings: RoomSettings,
    silence: f32,
    voices: Vec<Voice>,
    ears: Vec<Ear>,
    sum: [i32; TICK_SAMPLES],
    common: Track,
    streams: [Stream; Kind::ALL.len()],
    filled: usize,
    strain: u8,
    stats: MixerStats,
}

impl Mixer {
    /// A mixer without members.
    ///
    /// # Errors
    /// [`MediaError::Transport`] when a codec cannot be set up (no memory).
    pub fn new(settings: &RoomSettings) -> Result<Mixer, MediaError> {
        let stream = |kind| Stream::new(kind, &settings.codec);
        let [opus, lossy, pcmu, pcma] = Kind::ALL;
        Ok(Mixer {
            settings: settings.clone(),
            silence: 10f32.powf(settings.silence_dbfs.clamp(-127.0, 0.0) / 10.0),
            voices: Vec::with_capacity(64),
            ears: Vec::with_capacity(64),
            sum: [0; TICK_SAMPLES],
            common: Track::new(),
            streams: [stream(opus)?, stream(lossy)?, stream(pcmu)?, stream(pcma)?],
            filled: 0,
            strain: 0,
            stats: MixerStats::default(),
        })
    }

    /// Somebody comes; gives the number of the seat: the members before it.
    pub fn add(&mut self) -> usize {
        self.seat(Seat::new())
    }

    pub(crate) fn seat(&mut self, seat: Seat) -> usize {
        self.voices.push(seat.voice);
        self.ears.push(seat.ear);
        self.voices.len() - 1
    }

    /// The member of a seat goes; the last one takes the seat, as with [`Vec::swap_remove`]. Whoever may still be audible is
    /// barred first, see [`Mixer::set_barred`].
    pub fn remove(&mut self, seat: usize) {
        if seat < self.voices.len() {
            self.voices.swap_remove(seat);
            self.ears.swap_remove(seat);
        }
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.voices.len()
    }

    /// Whether nobody is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.voices.is_empty()
    }

    /// What was done so far.
    #[must_use]
    pub fn stats(&self) -> MixerStats {
        self.stats
    }

    /// How much quality to give up, 0 to [`MOST_STRAIN`](crate::MOST_STRAIN).
    pub fn set_strain(&mut self, step: u8) {
        self.strain = step.min(MOST_STRAIN);
    }

    fn complexity(&self) -> u8 {
        self.settings.codec.complexity.min(EASED[usize::from(self.strain)].0)
    }

    /// Keeps a member from being heard, as mute and leaving do: it fades out within 10 ms.
    pub fn set_barred(&mut self, seat: usize, barred: bool) {
        if let Some(voice) = self.voices.get_mut(seat) {
            voice.barred = barred;
        }
    }

    /// Whether a member's voice is part of the mix, or still fading out of it.
    #[must_use]
    pub fn is_audible(&self, seat: usize) -> bool {
        self.voices.get(seat).is_some_and(|voice| voice.is_audible())
    }

    /// Whether a member talks: louder than the threshold now or within the last half second, and not barred.
    #[must_use]
    pub fn is_talking(&self, seat: usize) -> bool {
        self.voices.get(seat).is_some_and(|voice| voice.talking)
    }

    /// Whether a member has a place among those who are heard.
    #[must_use]
    pub fn is_heard(&self, seat: usize) -> bool {
        self.voices.get(seat).is_some_and(|voice| voice.is_heard())
    }

    /// Mean square of what a member says as a share of full scale, smoothed over 0.3 s.
    #[must_use]
    pub fn loudness(&self, seat: usize) -> f32 {
        self.voices.get(seat).map_or(0.0, |voice| voice.loudness)
    }

    /// Mean square of the last 10 ms that a member hears, as a share of full scale.
    #[must_use]
    pub fn power_for(&self, seat: usize) -> f32 {
        match self.ears.get(seat) {
            Some(ear) if ear.own => ear.track.power,
            Some(ear) if ear.listening => self.common.power,
            _ => 0.0,
        }
    }

    /// How much of a member's packets needs to be decoded.
    #[must_use]
    pub fn effort_for(&self, seat: usize) -> Effort {
        match self.voices.get(seat) {
            Some(voice) if voice.is_audible() => Effort::Everything,
            Some(voice) if voice.barred => Effort::Nothing,
            Some(voice) if voice.talking => Effort::Everything,
            _ => Effort::Audible,
        }
    }

    /// Takes the 10 ms that a member says.
    pub fn say(&mut self, seat: usize, pcm: &[i16; TICK_SAMPLES]) {
        if let Some(voice) = self.voices.get_mut(seat) {
            voice.say(pcm, self.silence);
        }
    }

    /// Mixes 10 ms. True when that completes a frame.
    pub fn mix(&mut self) -> bool {
        let limit = self.settings.voices.max(1).min(EASED[usize::from(self.strain)].1);
        choose(&mut self.voices, limit);
        self.sum.fill(0);
        for voice in &mut self.voices {
            voice.fade();
            if voice.sounds {
                for (sum, value) in self.sum.iter_mut().zip(&voice.pcm) {
                    *sum += i32::from(*value);
                }
            }
        }
        let from = self.filled;
        for (ear, voice) in self.ears.iter_mut().zip(&self.voices) {
            if !ear.listening {
                continue;
            }
            ear.since = if voice.sounds { 0 } else { ear.since.saturating_add(1) };
            if voice.sounds && !ear.own {
                // Until now both mixes were the same.
                ear.own = true;
                ear.track.limiter.clone_from(&self.common.limiter);
                ear.track.frame[..from].copy_from_slice(&self.common.frame[..from]);
            }
            if !ear.own {
                continue;
            }
            let mut rest = self.sum;
            if voice.sounds {
                for (sum, value) in rest.iter_mut().zip(&voice.pcm) {
                    *sum -= i32::from(*value);
                }
            }
            ear.track.process(&rest, from, std::mem::take(&mut ear.begins));
        }
        self.common.process(&self.sum, from, false);
        self.filled = (from + TICK_SAMPLES) % FRAME_SAMPLES;
        if self.filled == 0 {
            self.streams.iter_mut().for_each(Stream::begin);
            let gain = self.common.limiter.gain();
            for ear in self.ears.iter_mut().filter(|ear| ear.own && ear.since >= RETURN) {
                ear.own = (ear.track.limiter.gain() - gain).abs() > SAME;
            }
        }
        self.filled == 0
    }

    /// Settles from which stream a member gets the frame that was just completed; `listener` is none for one who can be sent
    /// nothing now.
    pub fn prepare(&mut self, seat: usize, listener: Option<Listener<'_>>) {
        let Some(ear) = self.ears.get_mut(seat) else { return };
        let Some(listener) = listener else {
            (ear.listening, ear.own, ear.last) = (false, false, Last::Nothing);
            return;
        };
        if !ear.listening {
            // Whoever begins to hear gets a mix that fades in, from the next frame on.
            (ear.listening, ear.own, ear.begins, ear.since) = (true, true, true, 0);
            *ear.track = Track::new();
            listener.encoder.reset();
            return;
        }
        if ear.own {
            if let Last::Common(kind) = ear.last {
                listener.encoder.continue_from(&*self.streams[kind as usize].encoder);
            }
            return;
        }
        let kind = Kind::of(listener.codec, listener.loss, ear.kind);
        ear.kind = Some(kind);
        if ear.last != Last::Common(kind) {
            // A stream that nobody heard goes on where its first listener comes from; one that others hear must be entered.
            let taken = match ear.last {
                Last::Own => self.streams[kind as usize].take_over(listener.encoder),
                Last::Common(old) => match self.streams.get_disjoint_mut([kind as usize, old as usize]) {
                    Ok([stream, old]) => stream.take_over(&*old.encoder),
                    Err(_) => false,
                },
                Last::Nothing => false,
            };
            self.streams[kind as usize].joined |= !taken;
        }
        let stream = &mut self.streams[kind as usize];
        stream.loss = stream.loss.max(listener.loss);
    }

    /// The frame for a member; none when there is nothing to send.
    pub fn encode(&mut self, seat: usize, listener: Listener<'_>) -> Option<Encoded<'_>> {
        let complexity = self.complexity();
        let ear = self.ears.get_mut(seat)?;
        if !ear.listening || ear.begins {
            return None;
        }
        if ear.own {
            ear.last = Last::Own;
            listener.encoder.set_complexity(complexity);
            listener.encoder.set_expected_loss(listener.loss);
            self.stats.own_encodes += 1;
            let bytes = listener.encoder.encode(&ear.track.frame, &mut ear.encoded).unwrap_or(0);
            return (bytes > 0).then(|| Encoded::Own(&ear.encoded[..bytes]));
        }
        let kind = ear.kind?;
        ear.last = Last::Common(kind);
        let (payload, fresh) = self.streams[kind as usize].payload(&self.common.frame, complexity);
        if fresh {
            self.stats.common_encodes += 1;
        } else {
            self.stats.shared += 1;
        }
        payload.map(Encoded::Common)
    }
}
