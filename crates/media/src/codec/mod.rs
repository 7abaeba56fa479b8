//! Codecs for speech behind two small traits, so that one can be exchanged without anybody else noticing.
//!
//! Owns: the traits, the common sizes, the choice of an implementation. Lives on the media workers; nothing here
//! allocates after construction, takes a lock or reads a clock. No type of a foreign library leaves the files below.
//!
//! Inside this crate audio is always 16-bit, mono, 48 kHz; a codec with another rate converts inside.

use std::any::Any;

use crate::error::MediaError;
use crate::transport::AudioCodec;

pub mod g711;
pub mod opus;
mod rate;

/// Samples per second of all audio inside the crate.
pub const SAMPLE_RATE: u32 = 48_000;
/// Samples of one tick of the audio clock, 10 ms.
pub const TICK_SAMPLES: usize = 480;
/// Samples of one packet that we send, 20 ms (RFC 7587 section 4.2, RFC 3551 section 4.2).
pub const FRAME_SAMPLES: usize = 960;
/// Samples of the longest packet that may come, 120 ms (RFC 6716 section 3.1: a hostile packet can ask for that).
pub const MAX_PACKET_SAMPLES: usize = 5_760;
/// Bytes of the longest encoded frame (RFC 6716 section 3.4).
pub const MAX_ENCODED_BYTES: usize = 1_275;
/// Concealment is made in multiples of this: 2.5 ms, the shortest frame of Opus.
pub const CONCEAL_STEP: usize = 120;

/// A packet that a codec could not work with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodecError;

/// How audio is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodecSettings {
    /// Opus: effort, 0–10. 9 costs a fifth more than 5 and is the default.
    pub complexity: u8,
    /// Opus: bits per second; 40000 by default, the least at which speech keeps its wave form.
    pub bitrate: u32,
    /// Opus: send nothing but a sign of life every 400 ms while there is silence.
    pub dtx: bool,
}

impl Default for CodecSettings {
    fn default() -> CodecSettings {
        CodecSettings { complexity: 9, bitrate: 40_000, dtx: false }
    }
}

/// From samples to payloads. One instance serves one direction of one leg and keeps its state over the call.
pub trait AudioEncoder: Send + Any {
    /// Which codec this is.
    fn codec(&self) -> AudioCodec;
    /// Encodes 20 ms. Returns the number of bytes written, 0 when nothing needs to be sent for this frame.
    ///
    /// # Errors
    /// The codec failed inside; the frame is lost and the next one may be tried.
    fn encode(&mut self, pcm: &[i16; FRAME_SAMPLES], out: &mut [u8; MAX_ENCODED_BYTES]) -> Result<usize, CodecError>;
    /// Share of packets, 0–100 %, that the other side loses: codecs with redundancy spend bits accordingly.
    fn set_expected_loss(&mut self, percent: u8);
    /// Takes over the state of `other`, so that what this one encodes next follows in the other's stream without a seam;
    /// their settings are the same afterwards. False, and nothing is changed, when they are of different kinds.
    fn continue_from(&mut self, _other: &dyn AudioEncoder) -> bool {
        false
    }
    /// The next frame is to be decodable by somebody who has not heard those before it.
    fn refresh(&mut self) {}
    /// Forgets what was encoded before, but no setting.
    fn reset(&mut self) {}
    /// Effort, 0–10, from the next frame on. Codecs whose effort is fixed ignore it.
    fn set_complexity(&mut self, _complexity: u8) {}
}

/// From payloads to samples.
pub trait AudioDecoder: Send {
    /// Samples at 48 kHz that `payload` stands for; `None` when it cannot be a packet of this codec.
    fn packet_samples(&self, payload: &[u8]) -> Option<usize>;
    /// Decodes one packet and returns how many samples were written.
    ///
    /// # Errors
    /// The payload is corrupt; the caller conceals.
    fn decode(&mut self, payload: &[u8], out: &mut [i16; MAX_PACKET_SAMPLES]) -> Result<usize, CodecError>;
    /// Whether `payload` carries a coarse copy of the packet before it.
    fn has_redundancy(&self, payload: &[u8]) -> bool;
    /// Decodes that copy as the last `samples` (a multiple of [`CONCEAL_STEP`]) before `payload`.
    ///
    /// # Errors
    /// There is none, or it is corrupt.
    fn decode_redundancy(
        &mut self,
        payload: &[u8],
        samples: usize,
        out: &mut [i16; MAX_PACKET_SAMPLES],
    ) -> Result<usize, CodecError>;
    /// Invents `samples` (a multiple of [`CONCEAL_STEP`]) of audio that follow what was decoded last, fading away.
    /// Returns how many were written.
    fn conceal(&mut self, samples: usize, out: &mut [i16; MAX_PACKET_SAMPLES]) -> usize;
    /// Forgets the past.
    fn reset(&mut self);
}

/// A new encoder for `codec`.
///
/// # Errors
/// [`MediaError::Transport`] when the codec cannot be set up (no memory).
pub fn encoder(codec: AudioCodec, settings: &CodecSettings) -> Result<Box<dyn AudioEncoder>, MediaError> {
    Ok(match codec {
        AudioCodec::Opus => Box::new(opus::OpusEncoder::new(settings)?),
        AudioCodec::Pcmu => Box::new(g711::G711Encoder::new(g711::Law::Mu)),
        AudioCodec::Pcma => Box::new(g711::G711Encoder::new(g711::Law::A)),
    })
}

/// Whether `payload` can be taken for silence without decoding it: a sign of life in a pause, an Opus frame whose encoder found
/// no voice, a G.711 packet around zero. A cheap look that errs only for sounds without voice: ask it about somebody who has
/// been silent for a while, not about somebody who is heard.
#[must_use]
pub fn looks_silent(codec: AudioCodec, payload: &[u8]) -> bool {
    match codec {
        AudioCodec::Opus => opus::looks_silent(payload),
        AudioCodec::Pcmu => g711::looks_silent(g711::Law::Mu, payload),
        AudioCodec::Pcma => g711::looks_silent(g711::Law::A, payload),
    }
}

/// One decoder of each kind, since the sender may change the codec with every packet.
pub struct Decoders {
    opus: opus::OpusDecoder,
    pcmu: g711::G711Decoder,
    pcma: g711::G711Decoder,
}

impl Decoders {
    /// Sets all of them up.
    ///
    /// # Errors
    /// [`MediaError::Transport`] when a codec cannot be set up (no memory).
    pub fn new() -> Result<Decoders, MediaError> {
        Ok(Decoders {
            opus: opus::OpusDecoder::new()?,
            pcmu: g711::G711Decoder::new(g711::Law::Mu),
            pcma: g711::G711Decoder::new(g711::Law::A),
        })
    }

    /// The decoder of `codec`.
    pub fn of(&mut self, codec: AudioCodec) -> &mut dyn AudioDecoder {
        match codec {
            AudioCodec::Opus => &mut self.opus,
            AudioCodec::Pcmu => &mut self.pcmu,
            AudioCodec::Pcma => &mut self.pcma,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Payloads of something that lasts a second.
    fn payloads(codec: AudioCodec, sound: impl Fn(usize) -> i16) -> Vec<Vec<u8>> {
        let mut encoder = encoder(codec, &CodecSettings::default()).unwrap();
        // Half of the time over a lossy path, where Opus uses its speech modes.
        (0..50)
            .map(|frame| {
                encoder.set_expected_loss(if frame < 25 { 0 } else { 10 });
                let pcm = std::array::from_fn(|i| sound(frame * FRAME_SAMPLES + i));
                let mut out = [0; MAX_ENCODED_BYTES];
                let bytes = encoder.encode(&pcm, &mut out).unwrap();
                out[..bytes].to_vec()
            })
            .collect()
    }

    #[test]
    fn silence_is_known_by_its_looks_and_a_voice_is_never_taken_for_it() {
        // Swelling and fading like syllables, with overtones.
        let voice = |peak: f64| {
            move |i: usize| {
                let t = i as f64 / f64::from(SAMPLE_RATE) * std::f64::consts::TAU;
                let swell = 0.6 + 0.4 * (t * 4.0).sin();
                ((1..8).map(|n| (t * 140.0 * f64::from(n)).sin() / f64::from(n)).sum::<f64>() * swell * peak) as i16
            }
        };
        for codec in [AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Pcma] {
            let looks = |payloads: &[Vec<u8>]| payloads.iter().filter(|p| looks_silent(codec, p)).count();
            let silent = payloads(codec, |_| 0);
            let lengths: Vec<usize> = silent.iter().map(Vec::len).collect();
            println!("{codec:?}: silence looks silent in {} of 50, {lengths:?} bytes", looks(&silent));
            assert!(looks(&silent) >= 45, "{codec:?}: {}", looks(&silent));
            for peak in [300.0, 3_000.0, 15_000.0] {
                let voiced = payloads(codec, voice(peak));
                let lengths: Vec<usize> = voiced.iter().filter(|p| looks_silent(codec, p)).map(Vec::len).collect();
                assert!(lengths.is_empty(), "{codec:?}, {peak}: {lengths:?} bytes");
            }
        }
        assert!(looks_silent(AudioCodec::Opus, &[]) && looks_silent(AudioCodec::Opus, &[0xf8, 0xff, 0xfe]));
    }

    #[test]
    fn an_encoder_continues_the_stream_of_another() {
        let tone = |frame: usize| -> [i16; FRAME_SAMPLES] {
            std::array::from_fn(|i| {
                let t = (frame * FRAME_SAMPLES + i) as f64 / f64::from(SAMPLE_RATE);
                ((t * 333.0 * std::f64::consts::TAU).sin() * 9_000.0) as i16
            })
        };
        for codec in [AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Pcma] {
            let new = || encoder(codec, &CodecSettings::default()).unwrap();
            let (mut first, mut second) = (new(), new());
            let (mut a, mut b) = ([0; MAX_ENCODED_BYTES], [0; MAX_ENCODED_BYTES]);
            for frame in 0..20 {
                first.encode(&tone(frame), &mut a).unwrap();
            }
            assert!(second.continue_from(&*first));
            for frame in 20..40 {
                let bytes = first.encode(&tone(frame), &mut a).unwrap();
                assert_eq!(second.encode(&tone(frame), &mut b), Ok(bytes));
                assert_eq!(a[..bytes], b[..bytes], "{codec:?}, frame {frame}");
            }
        }
        let mut opus = encoder(AudioCodec::Opus, &CodecSettings::default()).unwrap();
        let pcmu = encoder(AudioCodec::Pcmu, &CodecSettings::default()).unwrap();
        assert!(!opus.continue_from(&*pcmu));
    }
}
