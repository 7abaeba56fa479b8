//! Who talks, how loudly, and who of them is heard.
//!
//! Owns: the level of each voice and the choice among them. Lives on a media worker; nothing allocates, time is counted in
//! ticks of 10 ms. Must not import codecs or transports.

use crate::codec::TICK_SAMPLES;

/// Below its threshold for so long, somebody has stopped talking: 0.5 s, longer than the gaps between words.
const HANG: u32 = 50;
/// How much louder than the threshold of silence somebody must be to begin, 3 dB as a ratio of powers, so that noise around
/// the threshold does not come and go.
const BEGIN: f32 = 2.0;
/// Ticks over which the loudness of a voice is smoothed for the choice, 0.3 s: a syllable and the gap after it.
const SMOOTH: f32 = 30.0;
/// Somebody who is heard stays so for this many ticks, 0.3 s, before a louder one may take the place.
const TENURE: u32 = 30;
/// How much louder that one must be: 3 dB.
const LOUDER: f32 = 2.0;

/// One voice of a room and its present 10 ms.
pub(super) struct Voice {
    /// What is said; after [`Voice::fade`] what it adds to the mix.
    pub(super) pcm: [i16; TICK_SAMPLES],
    /// Mean square as a share of full scale, smoothed.
    pub(super) loudness: f32,
    quiet: u32,
    /// Talks, or has until a moment ago.
    pub(super) talking: bool,
    /// Has a place among those who are heard, for this many ticks.
    heard: Option<u32>,
    /// Must not be heard: muted by the owner, or on the way out.
    pub(super) barred: bool,
    /// Volume in the mix at the end of the tick, 0 or 1 but for ticks in which it changes.
    gain: f32,
    /// `pcm` is added to the mix of this tick.
    pub(super) sounds: bool,
}

impl Voice {
    pub(super) fn new() -> Voice {
        Voice {
            pcm: [0; TICK_SAMPLES],
            loudness: 0.0,
            quiet: HANG,
            talking: false,
            heard: None,
            barred: false,
            gain: 0.0,
            sounds: false,
        }
    }

    /// Takes the 10 ms of this tick; `silence` is the power below which nobody talks.
    pub(super) fn say(&mut self, pcm: &[i16; TICK_SAMPLES], silence: f32) {
        // Whole numbers: a sum of floats must be taken one by one, in order.
        let squares: u64 = pcm.iter().map(|v| u64::from(v.unsigned_abs()) * u64::from(v.unsigned_abs())).sum();
        let power = squares as f32 / (TICK_SAMPLES as f32 * 32_768.0 * 32_768.0);
        self.loudness += (power - self.loudness) / SMOOTH;
        if self.loudness < 1e-13 {
            self.loudness = 0.0;
        }
        self.quiet = if power < silence { self.quiet.saturating_add(1) } else { 0 };
        self.talking = !self.barred && (power > silence * BEGIN || (self.talking && self.quiet < HANG));
        if self.talking || self.gain > 0.0 {
            self.pcm.copy_from_slice(pcm);
        }
    }

    /// Whether it is part of the mix, or is fading out of it.
    pub(super) fn is_audible(&self) -> bool {
        self.gain > 0.0 || self.heard.is_some()
    }

    /// Whether it has a place among those who are heard.
    pub(super) fn is_heard(&self) -> bool {
        self.heard.is_some()
    }

    /// Brings the volume to where the choice wants it, within this tick.
    pub(super) fn fade(&mut self) {
        let target = if self.heard.is_some() { 1.0 } else { 0.0 };
        self.sounds = self.gain > 0.0 || target > 0.0;
        if self.gain == target {
            return;
        }
        let step = (target - self.gain) / TICK_SAMPLES as f32;
        for (i, sample) in self.pcm.iter_mut().enumerate() {
            *sample = (f32::from(*sample) * (self.gain + step * (i + 1) as f32)) as i16;
        }
        self.gain = target;
    }
}

/// Decides who is heard in this tick, at most `limit`.
///
/// Whoever talks is heard at once while there are places. When there are more talkers than places, the loudest have them; a
/// louder one takes the place of the softest only if clearly louder, and not from somebody who has just begun.
pub(super) fn choose(voices: &mut [Voice], limit: usize) {
    let mut count = 0;
    for voice in voices.iter_mut() {
        voice.heard = voice.heard.filter(|_| voice.talking && !voice.barred).map(|ticks| ticks.saturating_add(1));
        count += usize::from(voice.heard.is_some());
    }
    while count > limit {
        let Some(softest) = softest(voices, 0) else { break };
        voices[softest].heard = None;
        count -= 1;
    }
    while let Some(loudest) = loudest(voices) {
        if count < limit {
            voices[loudest].heard = Some(0);
            count += 1;
            continue;
        }
        // One change in a tick is enough.
        if let Some(softest) = softest(voices, TENURE)
            && voices[loudest].loudness > voices[softest].loudness * LOUDER
        {
            voices[softest].heard = None;
            voices[loudest].heard = Some(0);
        }
        break;
    }
}

/// The loudest of those who talk and are not heard.
fn loudest(voices: &[Voice]) -> Option<usize> {
    let waits = |index: &usize| voices[*index].talking && !voices[*index].barred && voices[*index].heard.is_none();
    (0..voices.len()).filter(waits).max_by(|a, b| voices[*a].loudness.total_cmp(&voices[*b].loudness))
}

/// The softest of those who have been heard for at least `ticks`.
fn softest(voices: &[Voice], ticks: u32) -> Option<usize> {
    let settled = |index: &usize| voices[*index].heard.is_some_and(|heard| heard >= ticks);
    (0..voices.len()).filter(settled).min_by(|a, b| voices[*a].loudness.total_cmp(&voices[*b].loudness))
}
