//! Video of a leg: encoded pictures from a file or a program to packets, and back.
//!
//! Owns: what a picture is ([`VideoFrame`]), where pictures come from and go to ([`VideoSource`], [`VideoSink`]).
//! Nothing is encoded, decoded or scaled here. The path of a picture is walked in this order: `ivf` or `channel` →
//! `player` (when it is due) → `vp8` or `h264` (packets) → `pacer` → the transport, and back `assembler` (order, loss)
//! → `vp8` or `h264` → `ivf` or `channel`. `task` puts the ends together. Video never runs on the audio workers: it has
//! a task of the leg's own tokio runtime, begun when a leg wants video for the first time. Must not import codecs or
//! jitter buffer of the audio.

use std::path::PathBuf;

use bytes::Bytes;

use crate::transport::VideoCodec;

mod assembler;
mod channel;
mod h264;
mod h264_size;
mod ivf;
mod link;
mod missing;
mod pacer;
mod payload;
mod player;
mod task;
mod vp8;

pub use channel::{FrameRefused, VideoFrameReader, VideoFrameWriter, video_channel};
pub use ivf::IvfRecorder;
pub(crate) use link::{VideoFeed, VideoLink};
pub(crate) use task::{Parts, attend};

/// Largest encoded picture in bytes. Key frames of 1080p have a tenth of it; what is larger is refused at every door, so
/// that nobody can make us keep it.
pub const LARGEST_FRAME: usize = 2 * 1024 * 1024;

/// One encoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoFrame {
    /// How it is encoded.
    pub codec: VideoCodec,
    /// When it is to be shown, in ticks of 90 kHz from an origin of the sender's choice; wraps around.
    pub timestamp: u32,
    /// Whether it can be decoded without any picture before it.
    pub key: bool,
    /// VP8: a frame (RFC 6386 section 9). H.264: an access unit in Annex B form, each NAL unit behind a start code.
    pub data: Bytes,
}

impl VideoFrame {
    /// A picture; whether it is a key frame is read from `data`.
    #[must_use]
    pub fn new(codec: VideoCodec, timestamp: u32, data: impl Into<Bytes>) -> VideoFrame {
        let data = data.into();
        let key = match codec {
            VideoCodec::Vp8 => vp8_is_key(&data),
            VideoCodec::H264 => h264_is_key(&data),
        };
        VideoFrame { codec, timestamp, key, data }
    }
}

/// Where the pictures that go out come from.
#[derive(Debug, Clone)]
pub enum VideoSource {
    /// An IVF file with VP8 or H.264 (Annex B) in it, in its own time. It begins anew whenever video begins to be sent, and
    /// repeats. A request of the other side for a key frame makes it go on with its next one, or with the first one.
    Ivf(PathBuf),
    /// What the program writes, sent as it comes. Requests for key frames become
    /// [`LegEvent::KeyFrameWanted`](crate::LegEvent::KeyFrameWanted).
    Frames(VideoFrameReader),
}

/// Where the pictures that come in go. Only complete ones are handed over, from a key frame on. Packets that are
/// lost are asked for again where both sides can do that; after a loss that stays nothing more is handed over until the next key
/// frame, which is asked for.
#[derive(Debug, Clone, Default)]
pub enum VideoSink {
    /// Nowhere; they are put together and counted all the same.
    #[default]
    Discard,
    /// Into an IVF file.
    Ivf(IvfRecorder),
    /// To the program.
    Frames(VideoFrameWriter),
}

/// Figures of a leg's video since the leg was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VideoStats {
    /// Pictures sent, all their packets handed over for sending.
    pub frames_sent: u64,
    /// Key frames among them.
    pub key_frames_sent: u64,
    /// Pictures of the source that were not sent: of a codec that was not agreed upon, or in need of one that was not
    /// sent.
    pub frames_skipped: u64,
    /// Packets handed to the transport.
    pub packets_sent: u64,
    /// Packets that the transport did not take.
    pub packets_refused: u64,
    /// Complete pictures received and handed to the sink.
    pub frames_received: u64,
    /// Key frames among them.
    pub key_frames_received: u64,
    /// Complete pictures that were not handed on, because they need one that was lost.
    pub frames_dropped: u64,
    /// Packets received, without duplicates.
    pub packets_received: u64,
    /// Packets that never came, by their sequence numbers.
    pub packets_lost: u64,
    /// Packets that came after they had been asked for again.
    pub packets_recovered: u64,
    /// Key frames that we asked the other side for.
    pub key_frames_requested: u64,
    /// Times that the other side asked for one.
    pub key_frame_requests: u64,
}

/// The frame tag's lowest bit (RFC 6386 section 9.1).
fn vp8_is_key(data: &[u8]) -> bool {
    data.first().is_some_and(|tag| tag & 1 == 0)
}

/// Width and height of a key frame, as far as they can be read without decoding (VP8: RFC 6386 section 9.1).
fn size_of(frame: &VideoFrame) -> Option<(u16, u16)> {
    match (frame.codec, frame.data.get(..10)) {
        (VideoCodec::Vp8, Some([_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1])) if frame.key => {
            Some((u16::from_le_bytes([*w0, *w1]) & 0x3fff, u16::from_le_bytes([*h0, *h1]) & 0x3fff))
        }
        (VideoCodec::Vp8, _) => None,
        (VideoCodec::H264, _) => {
            h264::units(&frame.data).find(|unit| h264::kind(unit) == h264::SEQUENCE).and_then(h264_size::size)
        }
    }
}

/// Whether the first slice belongs to an instantaneous decoding refresh (ITU-T H.264 table 7-1, type 5).
fn h264_is_key(data: &[u8]) -> bool {
    h264::units(data).map(h264::kind).find(|kind| (1..=5).contains(kind)) == Some(5)
}
