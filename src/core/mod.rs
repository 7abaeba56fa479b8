//! The sans-IO phone: what a phone knows and decides, as plain state machines.
//!
//! Owns: session, calls, event channel, error rules, events and the table of methods. Lives on: the phone's actor, by
//! value. Must not import: anything but `std`, `serde`/`serde_json`, `log` and `ewebrtc_wire`; it reads no clock (every
//! entry point is told the time) and does no I/O (everything it wants done is an [`Output`]).
//!
//! The rules are those of `phone-behaviour.md` (cited by section and P-n) and `rest-protocol.md` (section and D-n).

pub mod backoff;
mod call;
mod changes;
mod channel;
mod checks;
mod conference;
mod conference_checks;
mod conferences;
mod doubt;
mod ends;
pub(crate) mod errors;
mod events;
mod facts;
pub mod io;
mod media;
pub mod media_target;
mod methods;
mod modification;
mod owed;
mod peer;
mod phone;
mod repair;
mod requests;
mod second;
mod session;
mod signals;
mod slots;
mod socket;
mod tones;
mod transfer;

pub use io::{
    Command, CoreConfig, ErrorObject, Event, EventChannel, Handle, HttpRequest, HttpResponse, Input, ItemRef,
    MediaFailure, MediaOrder, MediaReport, NetworkFailure, NetworkFailureKind, Output, Refusal, RequestId, SocketEnd,
    SocketId, SocketNews, SocketOrder, Verb,
};
pub use phone::PhoneCore;
pub use requests::{POLL_TIMEOUT, REQUEST_TIMEOUT};
