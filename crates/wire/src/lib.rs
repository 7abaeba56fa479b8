//! The REST protocol of Enhanced WebRTC ("RTC v1") as Rust types, stated once and used by both sides.
//!
//! Owns: names, paths, bodies, events, error bodies, addresses, numbers and the reading of SDP; the tables of `data/`.
//! Lives on: the caller's thread; everything here is plain data and pure functions.
//! Must not import: any other crate of this workspace, any I/O, any clock.
//!
//! The text of the protocol is `data/rest-protocol.md`; sections and decisions (D-n) cited in comments are its own.

#![warn(missing_docs)]

mod address;
mod errors;
mod event;
mod numbers;
#[cfg(test)]
mod numbers_tests;
mod rest;
mod sdp;
mod secret;
mod tables;

pub use address::{Address, AddressError, DEFAULT_DOMAIN, called_party, parse_called_party, parse_user_id, party_key};
pub use errors::{
    ApiError, ErrorClass, RequestError, SdkError, api_error, api_error_for, api_errors, sdk_error, sdk_errors,
};
pub use event::{
    EventObject, EventState, NumberedEvent, decode_acknowledgement, decode_events, encode_acknowledgement,
    encode_events, encode_numbered_events, reason,
};
pub use numbers::{CallerInfo, MAX_NUMBER_TEXT, TooLong, caller_info, clean_phone_number, format_number};
pub use rest::{
    BASE_PATH, CallAction, CallBody, CallCreate, CallsModification, ConferenceAction, ConferenceBody, ConferenceCreate,
    ConferenceModification, DeleteReason, E911Association, E911Body, Kind, MAX_BODY, MediaModification, SessionBody,
    SessionCreate, WireError, header, item_id_of, path, session_id_of,
};
pub use sdp::{Codec, Direction, MAX_SDP, MediaType, Sdp, SdpError, Section};
pub use secret::Secret;
pub use tables::{
    EventInfo, MethodInfo, OWN_EVENTS, PropertyInfo, event_info, events, is_event_name, method_info, methods,
};
