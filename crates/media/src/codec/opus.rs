//! Opus (RFC 6716, RFC 7587): a safe wrapper over libopus, 48 kHz mono.
//!
//! Owns: every unsafe call into libopus and its two states. Lives on the media workers; libopus allocates only at
//! construction. Its types and numbers must not leave this file.

use std::any::Any;
use std::ffi::c_int;
use std::ptr::NonNull;

use opusic_sys as sys;

use super::{
    AudioDecoder, AudioEncoder, CodecError, CodecSettings, FRAME_SAMPLES, MAX_ENCODED_BYTES, MAX_PACKET_SAMPLES,
    SAMPLE_RATE,
};
use crate::error::MediaError;
use crate::transport::AudioCodec;

/// A packet this short says "nothing new" (RFC 7587 section 3.1.3) and need not be sent.
const DTX_BYTES: usize = 2;
/// A packet this short is a frame of digital silence: 1.2 kbit/s hold no sound.
const SILENT_BYTES: usize = 3;
/// A frame in which the encoder found no voice is shorter than this, 16 kbit/s, unless it found something else.
const VOICELESS_BYTES: usize = 40;

fn failure(what: &str, code: c_int) -> MediaError {
    MediaError::Transport(format!("Opus {what} could not be set up (libopus says {code})"))
}

/// See [`super::looks_silent`]. In the speech modes a frame begins with the encoder's own verdict on voice activity (RFC 6716
/// section 4.2.3), which is not coded any further.
pub(super) fn looks_silent(payload: &[u8]) -> bool {
    let [toc, first, ..] = payload else { return true };
    if payload.len() <= SILENT_BYTES {
        return true;
    }
    // Configurations 0 to 15 have a speech layer; of each group of four in SILK-only mode the last two are 40 and 60 ms long
    // and have several verdicts, as have packets of several frames (RFC 6716 section 3.1). These are decoded.
    let configuration = toc >> 3;
    let one_verdict = configuration < 16 && (configuration >= 12 || configuration % 4 < 2) && toc & 0x03 == 0;
    let verdicts = if toc & 0x04 == 0 { 0x80 } else { 0xa0 };
    one_verdict && payload.len() < VOICELESS_BYTES && first & verdicts == 0
}

/// The encoder: 20 ms frames, voice mode, in-band redundancy by the measured loss.
pub struct OpusEncoder {
    state: NonNull<sys::OpusEncoder>,
    dtx: bool,
    loss: u8,
    complexity: u8,
    /// The next frame must not build upon those before it.
    alone: bool,
}

// SAFETY: the state is plain memory without ties to a thread; it is only reached through `&mut self`.
unsafe impl Send for OpusEncoder {}

impl OpusEncoder {
    /// Sets an encoder up.
    ///
    /// # Errors
    /// [`MediaError::Transport`] when libopus refuses (no memory).
    pub fn new(settings: &CodecSettings) -> Result<OpusEncoder, MediaError> {
        let mut code: c_int = 0;
        // Bots and recorders want what was said, not what sounds best over a bad line: this application keeps the wave
        // form, and still turns to the speech coder with its redundancy as soon as packets are lost.
        // SAFETY: plain values and a pointer to a live integer.
        let state =
            unsafe { sys::opus_encoder_create(SAMPLE_RATE as i32, 1, sys::OPUS_APPLICATION_AUDIO as c_int, &mut code) };
        let state = NonNull::new(state).filter(|_| code == 0).ok_or_else(|| failure("encoder", code))?;
        let complexity = settings.complexity.min(10);
        let mut encoder = OpusEncoder { state, dtx: settings.dtx, loss: 0, complexity, alone: false };
        let wishes = [
            (sys::OPUS_SET_COMPLEXITY_REQUEST, c_int::from(complexity)),
            (sys::OPUS_SET_BITRATE_REQUEST, settings.bitrate.clamp(6_000, 510_000) as c_int),
            (sys::OPUS_SET_INBAND_FEC_REQUEST, 1),
            (sys::OPUS_SET_DTX_REQUEST, c_int::from(settings.dtx)),
        ];
        for (request, value) in wishes {
            let code = encoder.control(request, value);
            if code != 0 {
                return Err(failure("encoder", code));
            }
        }
        Ok(encoder)
    }

    fn control(&mut self, request: c_int, value: c_int) -> c_int {
        // SAFETY: the state is live; each request used here takes one int.
        unsafe { sys::opus_encoder_ctl(self.state.as_ptr(), request, value) }
    }
}

impl Drop for OpusEncoder {
    fn drop(&mut self) {
        // SAFETY: created by opus_encoder_create, destroyed once.
        unsafe { sys::opus_encoder_destroy(self.state.as_ptr()) }
    }
}

impl AudioEncoder for OpusEncoder {
    fn codec(&self) -> AudioCodec {
        AudioCodec::Opus
    }

    fn encode(&mut self, pcm: &[i16; FRAME_SAMPLES], out: &mut [u8; MAX_ENCODED_BYTES]) -> Result<usize, CodecError> {
        if self.alone {
            self.control(sys::OPUS_SET_PREDICTION_DISABLED_REQUEST, 1);
        }
        // SAFETY: the lengths given are those of the arrays.
        let bytes = unsafe {
            sys::opus_encode(
                self.state.as_ptr(),
                pcm.as_ptr(),
                FRAME_SAMPLES as c_int,
                out.as_mut_ptr(),
                MAX_ENCODED_BYTES as i32,
            )
        };
        if std::mem::take(&mut self.alone) {
            self.control(sys::OPUS_SET_PREDICTION_DISABLED_REQUEST, 0);
        }
        let bytes = usize::try_from(bytes).map_err(|_| CodecError)?;
        Ok(if self.dtx && bytes <= DTX_BYTES { 0 } else { bytes })
    }

    fn set_expected_loss(&mut self, percent: u8) {
        let percent = percent.min(100);
        if percent != self.loss {
            self.loss = percent;
            // libopus writes redundancy only when it expects loss; it accepts every value from 0 to 100.
            self.control(sys::OPUS_SET_PACKET_LOSS_PERC_REQUEST, c_int::from(percent));
        }
    }

    fn continue_from(&mut self, other: &dyn AudioEncoder) -> bool {
        let any: &dyn Any = other;
        let Some(other) = any.downcast_ref::<OpusEncoder>() else { return false };
        // SAFETY: both are live states for one channel, so of this size, and not the same one, since one is borrowed mutably.
        // A state holds no pointer into itself: copying its memory is the documented way to copy it (opus.h).
        unsafe {
            let size = usize::try_from(sys::opus_encoder_get_size(1)).unwrap_or(0);
            self.state.as_ptr().cast::<u8>().copy_from_nonoverlapping(other.state.as_ptr().cast::<u8>(), size);
        }
        (self.dtx, self.loss, self.complexity, self.alone) = (other.dtx, other.loss, other.complexity, other.alone);
        true
    }

    fn refresh(&mut self) {
        self.alone = true;
    }

    fn reset(&mut self) {
        // SAFETY: the state is live; this request takes no further argument.
        unsafe {
            sys::opus_encoder_ctl(self.state.as_ptr(), sys::OPUS_RESET_STATE as c_int);
        }
    }

    fn set_complexity(&mut self, complexity: u8) {
        let complexity = complexity.min(10);
        if complexity != self.complexity {
            self.complexity = complexity;
            self.control(sys::OPUS_SET_COMPLEXITY_REQUEST, c_int::from(complexity));
        }
    }
}

/// The decoder, with concealment and use of redundancy.
pub struct OpusDecoder {
    state: NonNull<sys::OpusDecoder>,
}

// SAFETY: as for the encoder.
unsafe impl Send for OpusDecoder {}

impl OpusDecoder {
    /// Sets a decoder up.
    ///
    /// # Errors
    /// [`MediaError::Transport`] when libopus refuses (no memory).
    pub fn new() -> Result<OpusDecoder, MediaError> {
        let mut code: c_int = 0;
        // SAFETY: plain values and a pointer to a live integer.
        let state = unsafe { sys::opus_decoder_create(SAMPLE_RATE as i32, 1, &mut code) };
        let state = NonNull::new(state).filter(|_| code == 0).ok_or_else(|| failure("decoder", code))?;
        Ok(OpusDecoder { state })
    }

    /// `payload` empty means: conceal.
    fn run(&mut self, payload: &[u8], samples: usize, redundancy: bool, out: &mut [i16; MAX_PACKET_SAMPLES]) -> c_int {
        let data = if payload.is_empty() { std::ptr::null() } else { payload.as_ptr() };
        let length = i32::try_from(payload.len()).unwrap_or(0);
        let samples = samples.min(MAX_PACKET_SAMPLES);
        // SAFETY: the state is live, `data` has `length` bytes (or is null, which libopus takes as "lost"), and `out`
        // has room for `samples` mono samples.
        unsafe {
            sys::opus_decode(
                self.state.as_ptr(),
                data,
                length,
                out.as_mut_ptr(),
                samples as c_int,
                c_int::from(redundancy),
            )
        }
    }
}

impl Drop for OpusDecoder {
    fn drop(&mut self) {
        // SAFETY: created by opus_decoder_create, destroyed once.
        unsafe { sys::opus_decoder_destroy(self.state.as_ptr()) }
    }
}

impl AudioDecoder for OpusDecoder {
    fn packet_samples(&self, payload: &[u8]) -> Option<usize> {
        let length = i32::try_from(payload.len()).ok()?;
        if length == 0 {
            return None;
        }
        // SAFETY: `payload` has `length` bytes and at least one.
        let samples = unsafe { sys::opus_packet_get_nb_samples(payload.as_ptr(), length, SAMPLE_RATE as i32) };
        usize::try_from(samples).ok().filter(|n| (1..=MAX_PACKET_SAMPLES).contains(n))
    }

    fn decode(&mut self, payload: &[u8], out: &mut [i16; MAX_PACKET_SAMPLES]) -> Result<usize, CodecError> {
        if payload.is_empty() {
            return Err(CodecError);
        }
        usize::try_from(self.run(payload, MAX_PACKET_SAMPLES, false, out)).map_err(|_| CodecError)
    }

    fn has_redundancy(&self, payload: &[u8]) -> bool {
        let Ok(length) = i32::try_from(payload.len()) else { return false };
        // SAFETY: `payload` has `length` bytes; libopus parses with that bound. Empty is excluded.
        length > 0 && unsafe { sys::opus_packet_has_lbrr(payload.as_ptr(), length) } == 1
    }

    fn decode_redundancy(
        &mut self,
        payload: &[u8],
        samples: usize,
        out: &mut [i16; MAX_PACKET_SAMPLES],
    ) -> Result<usize, CodecError> {
        if payload.is_empty() {
            return Err(CodecError);
        }
        usize::try_from(self.run(payload, samples, true, out)).map_err(|_| CodecError)
    }

    fn conceal(&mut self, samples: usize, out: &mut [i16; MAX_PACKET_SAMPLES]) -> usize {
        let samples = samples.min(MAX_PACKET_SAMPLES);
        match usize::try_from(self.run(&[], samples, false, out)) {
            Ok(written) => written,
            Err(_) => {
                out[..samples].fill(0);
                samples
            }
        }
    }

    fn reset(&mut self) {
        // SAFETY: the state is live; this request takes no further argument.
        unsafe {
            sys::opus_decoder_ctl(self.state.as_ptr(), sys::OPUS_RESET_STATE as c_int);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(frame: usize) -> [i16; FRAME_SAMPLES] {
        std::array::from_fn(|i| {
            let t = (frame * FRAME_SAMPLES + i) as f32 / 48_000.0;
            ((t * 300.0 * std::f32::consts::TAU).sin() * 8_000.0) as i16
        })
    }

    fn energy(pcm: &[i16]) -> f64 {
        pcm.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / pcm.len() as f64
    }

    #[test]
    fn a_tone_survives_and_a_lost_frame_is_concealed() {
        let mut encoder = OpusEncoder::new(&CodecSettings::default()).unwrap();
        let mut decoder = OpusDecoder::new().unwrap();
        let mut out = [0i16; MAX_PACKET_SAMPLES];
        let mut payload = [0u8; MAX_ENCODED_BYTES];
        for frame in 0..20 {
            let bytes = encoder.encode(&tone(frame), &mut payload).unwrap();
            assert_eq!(decoder.packet_samples(&payload[..bytes]), Some(FRAME_SAMPLES));
            assert_eq!(decoder.decode(&payload[..bytes], &mut out), Ok(FRAME_SAMPLES));
        }
        let heard = energy(&out[..FRAME_SAMPLES]);
        assert!((heard / 3.2e7 - 1.0).abs() < 0.3, "energy {heard}");
        assert_eq!(decoder.conceal(FRAME_SAMPLES, &mut out), FRAME_SAMPLES);
        assert!(energy(&out[..FRAME_SAMPLES]) > heard / 4.0, "the first concealed frame goes on with the tone");
    }

    #[test]
    fn redundancy_is_there_when_loss_is_expected_and_only_then() {
        let mut encoder = OpusEncoder::new(&CodecSettings::default()).unwrap();
        let mut decoder = OpusDecoder::new().unwrap();
        let mut out = [0i16; MAX_PACKET_SAMPLES];
        let mut payload = [0u8; MAX_ENCODED_BYTES];
        let mut carrying = [0, 0];
        for (run, percent) in [(0, 0u8), (1, 20)] {
            encoder.set_expected_loss(percent);
            for frame in 0..50 {
                let bytes = encoder.encode(&tone(frame), &mut payload).unwrap();
                if decoder.has_redundancy(&payload[..bytes]) {
                    carrying[run] += 1;
                    assert_eq!(
                        decoder.decode_redundancy(&payload[..bytes], FRAME_SAMPLES, &mut out),
                        Ok(FRAME_SAMPLES)
                    );
                }
                decoder.decode(&payload[..bytes], &mut out).unwrap();
            }
        }
        assert_eq!(carrying[0], 0, "nobody pays for redundancy on a clean path");
        assert!(carrying[1] > 15, "redundancy in {} of 50 packets", carrying[1]);
    }

    #[test]
    fn silence_is_not_sent_with_dtx() {
        let settings = CodecSettings { dtx: true, ..CodecSettings::default() };
        let mut encoder = OpusEncoder::new(&settings).unwrap();
        let mut payload = [0u8; MAX_ENCODED_BYTES];
        let sent = (0..250).filter(|_| encoder.encode(&[0; FRAME_SAMPLES], &mut payload).unwrap_or(1) > 0).count();
        assert!((5..50).contains(&sent), "{sent} of 250 packets were sent");
    }

    #[test]
    fn hostile_packets_are_refused_without_harm() {
        let mut decoder = OpusDecoder::new().unwrap();
        let mut out = [0i16; MAX_PACKET_SAMPLES];
        assert_eq!(decoder.decode(&[], &mut out), Err(CodecError));
        assert_eq!(decoder.packet_samples(&[]), None);
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        for length in 1..400usize {
            let junk: Vec<u8> = (0..length)
                .map(|_| {
                    seed ^= seed << 13;
                    seed ^= seed >> 7;
                    seed ^= seed << 17;
                    seed as u8
                })
                .collect();
            if decoder.packet_samples(&junk).is_some() {
                let _ = decoder.decode(&junk, &mut out);
                let _ = decoder.has_redundancy(&junk);
                let _ = decoder.decode_redundancy(&junk, FRAME_SAMPLES, &mut out);
            }
        }
        decoder.reset();
        assert_eq!(decoder.conceal(FRAME_SAMPLES, &mut out), FRAME_SAMPLES);
    }
}
