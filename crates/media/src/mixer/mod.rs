//! Conferences: rooms in which everybody hears the sum of the others.
//!
//! The path of a sample: a participant's transport → its jitter buffer and decoder (those of every leg, `worker`) →
//! `talkers`, which decides who is heard → `mix`, which sums, takes everyone's own voice out and lets `limiter` keep the rest
//! within bounds → `streams`, which encodes what many hear once for all of them → the participants' transports. `work` does that
//! every 10 ms on a media worker, `room` is what the owner holds in hand.
//!
//! Owns: nothing by itself. The files below live on a media worker, but for `room`. Must not import sources, sinks, or anything
//! that reads a clock.

mod limiter;
mod mix;
mod room;
#[cfg(test)]
mod strain_tests;
mod streams;
mod talkers;
#[cfg(test)]
mod tests;
mod work;
#[cfg(test)]
mod work_tests;

pub use limiter::{CEILING, LOOK_AHEAD, Limiter};
pub use mix::{Encoded, Listener, Mixer, MixerStats};
pub use room::{Participant, ParticipantConfig, Room, RoomEvent, RoomSettings, RoomStats, Talker};
