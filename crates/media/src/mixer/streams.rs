//! What many hear alike is encoded once: one stream for each codec, and another one for Opus over lossy paths.
//!
//! Owns: the encoders that belong to nobody in particular and the payload of the present frame. Lives on a media worker;
//! nothing allocates after construction. Must not import transports.

use bytes::Bytes;

use crate::codec::{self, AudioEncoder, CodecSettings, FRAME_SAMPLES, MAX_ENCODED_BYTES};
use crate::error::MediaError;
use crate::transport::AudioCodec;
use crate::worker::Payloads;

/// From this share of lost packets on, in per cent, a listener gets the stream with redundancy; below the second one no longer.
/// Those without loss need not pay for it with quality.
const LOSSY: u8 = 3;
const CLEAN: u8 = 1;

/// Which of the common streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Opus,
    OpusLossy,
    Pcmu,
    Pcma,
}

impl Kind {
    pub(super) const ALL: [Kind; 4] = [Kind::Opus, Kind::OpusLossy, Kind::Pcmu, Kind::Pcma];

    /// The stream for a listener with this codec and this loss in per cent, who had `before`.
    pub(super) fn of(codec: AudioCodec, loss: u8, before: Option<Kind>) -> Kind {
        match codec {
            AudioCodec::Opus if loss >= LOSSY => Kind::OpusLossy,
            AudioCodec::Opus if loss > CLEAN && before == Some(Kind::OpusLossy) => Kind::OpusLossy,
            AudioCodec::Opus => Kind::Opus,
            AudioCodec::Pcmu => Kind::Pcmu,
            AudioCodec::Pcma => Kind::Pcma,
        }
    }

    fn codec(self) -> AudioCodec {
        match self {
            Kind::Opus | Kind::OpusLossy => AudioCodec::Opus,
            Kind::Pcmu => AudioCodec::Pcmu,
            Kind::Pcma => AudioCodec::Pcma,
        }
    }
}

/// One common stream.
pub(super) struct Stream {
    pub(super) encoder: Box<dyn AudioEncoder>,
    /// The greatest loss of its listeners in this frame.
    pub(super) loss: u8,
    /// Somebody joins it with this frame.
    pub(super) joined: bool,
    /// The frame is encoded; so was the one before it, or what it follows was taken over.
    done: bool,
    flowing: bool,
    payload: Option<Bytes>,
    encoded: Box<[u8; MAX_ENCODED_BYTES]>,
    payloads: Payloads,
}

impl Stream {
    /// # Errors
    /// [`MediaError::Transport`] when the codec cannot be set up.
    pub(super) fn new(kind: Kind, settings: &CodecSettings) -> Result<Stream, MediaError> {
        Ok(Stream {
            encoder: codec::encoder(kind.codec(), settings)?,
            loss: 0,
            joined: false,
            done: false,
            flowing: false,
            payload: None,
            encoded: Box::new([0; MAX_ENCODED_BYTES]),
            payloads: Payloads::new(),
        })
    }

    /// Another frame begins.
    pub(super) fn begin(&mut self) {
        self.flowing = self.done;
        (self.loss, self.joined, self.done, self.payload) = (0, false, false, None);
    }

    /// Continues the stream of `encoder`, if this one has no listener. Whether it does.
    pub(super) fn take_over(&mut self, encoder: &dyn AudioEncoder) -> bool {
        let taken = !self.flowing && self.encoder.continue_from(encoder);
        self.flowing |= taken;
        taken
    }

    /// The payload of this frame, encoded by whoever asks first; nothing when nothing needs to be sent. Whether it was encoded
    /// just now.
    pub(super) fn payload(&mut self, frame: &[i16; FRAME_SAMPLES], complexity: u8) -> (Option<Bytes>, bool) {
        let fresh = !self.done;
        if fresh {
            self.done = true;
            if self.joined {
                self.encoder.refresh();
            }
            self.encoder.set_complexity(complexity);
            self.encoder.set_expected_loss(self.loss);
            let bytes = self.encoder.encode(frame, &mut self.encoded).unwrap_or(0);
            self.payload = (bytes > 0).then(|| self.payloads.take(&self.encoded[..bytes]));
        }
        (self.payload.clone(), fresh)
    }
}
