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
