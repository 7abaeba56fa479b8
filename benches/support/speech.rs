//! Speech for long calls, and what it costs to encode, protect, unprotect and decode it without anything around.
//!
//! Owns: the speech file in `target/bench` and the floor. Lives on: the program's own thread.
//! Must not import: the phone; it knows the codecs of the media crate and the SRTP of `rtc`, the same as the product uses.

use super::{Failure, folder, thread_time};
use bytes::Bytes;
use ewebrtc_media::analysis::read_wav;
use ewebrtc_media::codec::{
    AudioEncoder, CodecSettings, Decoders, FRAME_SAMPLES, MAX_ENCODED_BYTES, MAX_PACKET_SAMPLES, SAMPLE_RATE, encoder,
};
use ewebrtc_media::resample::resample_all;
use ewebrtc_media::transport::AudioCodec;
use rtc::crypto::default_provider;
use rtc::rtp::header::Header;
use rtc::shared::marshal::{Marshal, Unmarshal};
use rtc::srtp::context::Context;
use rtc::srtp::protection_profile::ProtectionProfile;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A spoken sentence (examples/speech/README.md).
const SENTENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/speech/hello.wav");

/// Longer than any case takes: 200 calls set up one after the other, and three measurements.
const LENGTH: Duration = Duration::from_secs(120);

/// The sentence at 48 kHz.
///
/// # Errors
/// The file cannot be read.
pub fn sentence() -> Result<Vec<i16>, Failure> {
    let (samples, rate) = read_wav(Path::new(SENTENCE))?;
    Ok(resample_all(&samples, rate, SAMPLE_RATE))
}

/// Writes a file in which the sentence is said over and over: a file source plays its file once.
///
/// # Errors
/// The file cannot be written.
pub fn long_file() -> Result<PathBuf, Failure> {
    let sentence = sentence()?;
    std::fs::create_dir_all(folder())?;
    let path = folder().join("speech.wav");
    let format = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(&path, format)?;
    let samples = LENGTH.as_secs() as usize * SAMPLE_RATE as usize;
    for sample in sentence.iter().cycle().take(samples) {
        writer.write_sample(*sample)?;
    }
    writer.finalize()?;
    Ok(path)
}

/// The bare work of one endpoint: it encodes and protects what it says, unprotects and decodes what it hears.
struct Bare {
    encoder: Box<dyn AudioEncoder>,
    decoders: Decoders,
    sending: Context,
    receiving: Context,
    at: usize,
    header: Header,
}

impl Bare {
    fn new(codec: AudioCodec, complexity: u8, at: usize) -> Result<Self, Failure> {
        let provider = default_provider()?;
        // What the product's connections agree upon with each other; key and salt may be any.
        let profile = ProtectionProfile::AeadAes128Gcm;
        let (key, salt) = ([7; 16], [9; 12]);
        let context = || Context::new(&key, &salt, profile, None, None, provider.crypto());
        Ok(Self {
            encoder: encoder(codec, &CodecSettings { complexity, ..CodecSettings::default() })?,
            decoders: Decoders::new()?,
            sending: context()?,
            receiving: context()?,
            at,
            header: Header { version: 2, ssrc: 1, payload_type: 111, ..Header::default() },
        })
    }

    fn frame(&mut self, speech: &[i16], pcm: &mut [i16; MAX_PACKET_SAMPLES]) -> Result<(), Failure> {
        let mut frame = [0; FRAME_SAMPLES];
        let next = self.at + FRAME_SAMPLES;
        if next > speech.len() {
            self.at = 0;
            return self.frame(speech, pcm);
        }
        frame.copy_from_slice(&speech[self.at..next]);
        self.at = next;
        let mut encoded = [0; MAX_ENCODED_BYTES];
        let codec = self.encoder.codec();
        let length = self.encoder.encode(&frame, &mut encoded).map_err(|_| "the encoder failed")?;
        self.header.sequence_number = self.header.sequence_number.wrapping_add(1);
        let packet =
            rtc::rtp::Packet { header: self.header.clone(), payload: Bytes::copy_from_slice(&encoded[..length]) };
        let plain = packet.marshal()?;
        let protected = self.sending.encrypt_rtp_with_header(&plain, &packet.header)?;
        let opened = self.receiving.decrypt_rtp(&protected)?;
        let packet = rtc::rtp::Packet::unmarshal(&mut opened.freeze())?;
        self.decoders.of(codec).decode(&packet.payload, pcm).map_err(|_| "the decoder failed")?;
        Ok(())
    }
}

/// Per cent of a core that one endpoint costs at least. As many endpoints as the product serves take turns, frame by
/// frame, so that their states compete for the caches as the product's do.
///
/// # Errors
/// A codec or a cipher fails.
pub fn floor(codec: AudioCodec, complexity: u8, endpoints: usize, audio: Duration) -> Result<f64, Failure> {
    let speech = sentence()?;
    let mut all = Vec::new();
    for number in 0..endpoints {
        // Each says another part of the sentence at the same time.
        all.push(Bare::new(codec, complexity, number * speech.len() / endpoints / FRAME_SAMPLES * FRAME_SAMPLES)?);
    }
    let mut pcm = [0; MAX_PACKET_SAMPLES];
    let frames = (audio.as_millis() / 20) as usize;
    let began = thread_time();
    for _ in 0..frames {
        for endpoint in &mut all {
            endpoint.frame(&speech, &mut pcm)?;
        }
    }
    let used = thread_time() - began;
    Ok(used.as_secs_f64() / (frames * endpoints) as f64 / 0.020 * 100.0)
}
