//! Program video of the typed surface: encoded pictures in and out of a call.
//!
//! Owns: [`VideoFrame`], [`VideoCodec`]. Lives on: any thread; the video itself never waits for it. Must not import:
//! `runtime`, `core`, `signal`.

use super::call::Call;
use super::error::PhoneError;
use crate::api;

/// A codec for video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum VideoCodec {
    /// VP8 (RFC 6386).
    Vp8,
    /// H.264 in Annex B form.
    H264,
}

impl From<VideoCodec> for api::VideoCodec {
    fn from(codec: VideoCodec) -> Self {
        match codec {
            VideoCodec::Vp8 => Self::Vp8,
            VideoCodec::H264 => Self::H264,
        }
    }
}

impl From<api::VideoCodec> for VideoCodec {
    fn from(codec: api::VideoCodec) -> Self {
        match codec {
            api::VideoCodec::Vp8 => Self::Vp8,
            api::VideoCodec::H264 => Self::H264,
        }
    }
}

/// One encoded picture.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct VideoFrame {
    /// How it is encoded.
    pub codec: VideoCodec,
    /// When it is to be shown, in ticks of 90 kHz from an origin of the sender's choice; wraps around.
    pub timestamp: u32,
    /// Whether it can be decoded without the pictures before it.
    pub key: bool,
    /// VP8: a frame. H.264: an access unit, each NAL unit behind a start code.
    pub data: Vec<u8>,
}

#[uniffi::export]
impl Call {
    /// Gives the next encoded picture to a call whose `localMedia` has the part `;video=frames`. It is sent as it comes, when
    /// the call has video and is connected. False when it was not taken because the queue (about four seconds) is full or a
    /// picture that it needs was not taken: then only a key frame is taken next. Never waits.
    ///
    /// Errors: `Argument` for a picture that is empty or larger than 2 MiB, `NoVideo` when the source is another or the call has
    /// no media yet, `NotFound`.
    pub fn video_write(&self, codec: VideoCodec, timestamp: u32, data: Vec<u8>) -> Result<bool, PhoneError> {
        match self.video_writer()?.write(api::VideoFrame::new(codec.into(), timestamp, data)) {
            Ok(()) => Ok(true),
            Err(api::FrameRefused::Full | api::FrameRefused::AwaitingKeyFrame) => Ok(false),
            Err(refused @ api::FrameRefused::Size) => Err(PhoneError::Argument { reason: refused.to_string() }),
            Err(api::FrameRefused::Closed) => Err(PhoneError::NotFound),
        }
    }

    /// Is the next picture to be a key frame? True once after the other party, or a picture that was not taken, has asked for
    /// one, and once at the beginning.
    ///
    /// Errors: `NoVideo`, `NotFound`.
    pub fn video_key_frame_wanted(&self) -> Result<bool, PhoneError> {
        Ok(self.video_writer()?.key_frame_wanted())
    }

    /// How many pictures were written and not sent yet.
    ///
    /// Errors: `NoVideo`, `NotFound`.
    pub fn video_queued(&self) -> Result<u64, PhoneError> {
        Ok(self.video_writer()?.queued() as u64)
    }

    /// Takes the next picture of a call whose `remoteMedia` has the part `;video=frames`: complete ones only, beginning with a key
    /// frame, also after a loss; absent when none is there. Never waits. About four seconds are kept, then what comes is dropped
    /// up to the next key frame. What came before the end may be read after it, until another call of the phone begins.
    ///
    /// Errors: `NoVideo` when the sink is another or the call has no media yet, `NotFound` when it never had any.
    pub fn video_read(&self) -> Result<Option<VideoFrame>, PhoneError> {
        let frame = self.video_reader()?.try_read();
        Ok(frame.map(|frame| VideoFrame {
            codec: frame.codec.into(),
            timestamp: frame.timestamp,
            key: frame.key,
            data: frame.data.to_vec(),
        }))
    }

    /// How many pictures were dropped so far because nobody read them in time.
    ///
    /// Errors: as `video_read`.
    pub fn video_dropped(&self) -> Result<u64, PhoneError> {
        Ok(self.video_reader()?.dropped())
    }

    /// Asks the other party for a key frame, for a program that cannot go on without one. After a loss the library asks by
    /// itself.
    ///
    /// Errors: `NoVideo` before the call has media, `NotFound` after its end.
    pub fn request_key_frame(&self) -> Result<(), PhoneError> {
        self.inner().request_key_frame().map_err(|_| self.without_video())
    }
}
