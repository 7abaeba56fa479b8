//! Peer connections, codecs, jitter buffer, sources and sinks: one *leg* of a call, from a WAV file or a program's PCM
//! to RTP and back.
//!
//! Owns: everything about audio between the session description and the samples. It knows nobody above it: no call, no
//! session, no gateway. The path of a sample is walked in this order: `source` → `codec` → `worker` → `transport`, and
//! back `transport` → `jitter` (with `codec`) → `worker` → `sink`; `leg` puts the two ends together, `engine` is the
//! clock of all of them.
#![warn(missing_docs)]

pub mod analysis;
pub mod codec;
pub mod error;
pub mod jitter;
pub mod resample;
mod ring;
pub mod transport;
mod wav;

pub use error::MediaError;
