//! Peer connections, codecs, jitter buffer, sources and sinks: one *leg* of a call, from a WAV file or a program's PCM
//! to RTP and back, and from a file or a program's encoded pictures to RTP and back.
//!
//! Owns: everything about audio between the session description and the samples, and about video between the session
//! description and the encoded pictures. It knows nobody above it: no call, no
//! session, no gateway. The path of a sample is walked in this order: `source` → `codec` → `worker` → `transport`, and
//! back `transport` → `jitter` (with `codec`) → `worker` → `sink`; `leg` puts the two ends together, `engine` is the
//! clock of all of them. The path of a picture stands at the head of `video`.
#![warn(missing_docs)]

pub mod analysis;
pub mod codec;
pub mod engine;
pub mod error;
mod files;
pub mod jitter;
pub mod leg;
pub mod pcm;
pub mod resample;
mod ring;
mod shared;
pub mod sink;
pub mod source;
pub mod threads;
#[cfg(test)]
mod tick_tests;
pub mod transport;
pub mod video;
mod wav;
mod worker;

pub use engine::{Engine, EngineMetrics};
pub use error::MediaError;
pub use leg::{Leg, LegConfig, LegStats};
pub use pcm::{PcmReader, PcmSink, PcmSource, PcmWriter, pcm_sink, pcm_source};
pub use shared::LegEvent;
pub use sink::{AudioSink, WavRecorder};
pub use source::AudioSource;
pub use video::{
    FrameRefused, IvfRecorder, VideoFrame, VideoFrameReader, VideoFrameWriter, VideoSink, VideoSource, VideoStats,
    video_channel,
};
