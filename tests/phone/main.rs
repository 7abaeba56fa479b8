//! The phone over real sockets: calls, refusals, faults of the network and of the gateway, and the program `ewebrtc-phone`.
//!
//! Owns: what all of them share. Uses the library's public interface only. Every wait has a deadline.

mod calls;
mod changes;
mod conferences;
mod dtmf;
mod ear;
mod errors;
mod faults;
mod focus;
mod mixed;
mod notices;
mod party;
mod pictures;
mod program;
mod ringback;
mod sessions;
mod sockets;
mod stub;
mod video;
mod words;
