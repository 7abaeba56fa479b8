//! Peer connections, codecs, jitter buffer, sources and sinks: one *leg* of a call, from a WAV file or a program's PCM
//! to RTP and back, and from a file or a program's encoded pictures to RTP and back.
//!
//! Owns: everything about audio between the session description and the samples, and about video between the session
//! description and the encoded pictures. It knows nobody above it: no call, no
//! session, no gateway. The path of a sample is walked in this order: `source` → `codec` → `worker` → `transport`, and
//! back `transport` → `jitter` (with `codec`) → `worker` → `sink`; `leg` puts the two ends together, `engine` is the
//! clock of all of them. `anchor` stands beside a leg: two transports whose packets are passed from one to the other. The path
//! of a picture stands at the head of `video`.
#![warn(missing_docs)]

pub mod analysis;
pub mod anchor;
pub mod codec;
pub mod dtmf;
pub mod engine;
pub mod error;
mod files;
pub mod jitter;
pub mod leg;
pub mod mixer;
pub mod pcm;
pub mod resample;
mod ring;
mod shared;
pub mod sink;
pub mod source;
mod strain;
pub mod threads;
#[cfg(test)]
mod tick_tests;
#[cfg(test)]
mod tone_tests;
pub mod transport;
pub mod video;
mod wav;
mod worker;

pub use anchor::{Anchor, End};
pub use engine::{Engine, EngineMetrics};
pub use error::MediaError;
pub use leg::{Leg, LegConfig, LegStats};
pub use mixer::{Participant, ParticipantConfig, Room, RoomEvent, RoomSettings};
pub use pcm::{PcmReader, PcmSink, PcmSource, PcmWriter, pcm_sink, pcm_source};
pub use shared::LegEvent;
pub use sink::{AudioSink, WavRecorder};
pub use source::AudioSource;
pub use strain::MOST_STRAIN;
pub use video::{
    FrameRefused, IvfRecorder, VideoFrame, VideoFrameReader, VideoFrameWriter, VideoSink, VideoSource, VideoStats,
    video_channel,
};
