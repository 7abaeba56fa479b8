//! A telephone for programs: a [`Phone`] logs in to a gateway, dials, answers and ends calls with real WebRTC media.
//!
//! Owns: the crate's public names. Lives on: no thread of its own. Must not import: anything but its own modules.
//!
//! The path of a call is walked in order through the modules: `api` (what programs see), `runtime` (one actor and one
//! dispatcher thread per phone), `core` (what a phone is, without I/O or clock), `signal` (HTTP to the gateway), and the
//! crates `ewebrtc_wire` (the protocol) and `ewebrtc_media` (peer connections, codecs, sources and sinks).
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), ewebrtc::Error> {
//! let gateway = ewebrtc::Gateway::start(ewebrtc::GatewayConfig::development()).await?;
//! let phone = ewebrtc::Phone::new(ewebrtc::PhoneConfig::new(gateway.url()))?;
//! let token = gateway.dev_token("alice").await?.access_token;
//! phone.login(ewebrtc::LoginOptions::new(token)).await?;
//! let call = phone.dial(ewebrtc::DialOptions::new("echo")).await?;
//! call.connected().await?;
//! call.hangup().await?;
//! phone.logout().await?;
//! # Ok(()) }
//! ```

#![warn(missing_docs)]

#[cfg(feature = "uniffi")]
uniffi::setup_scaffolding!();

pub mod api;
mod audio;
#[doc(hidden)]
pub mod core;
mod ffi;
mod runtime;
mod signal;

pub use api::{
    AddressPolicy, AnswerOptions, ApiError, AudioCodec, Call, CallEnd, CallInfo, CallSettings, CallerInfo,
    Capabilities, ConferenceOptions, Credential, DevToken, DialOptions, Error, Event, EventChannel, Events,
    FrameRefused, IceConfig, IcePolicy, IceServer, JoinOptions, LegStats, LogLevel, LogLine, LogManager, Logger,
    LoginOptions, Participant, PcmReader, PcmWriter, Phone, PhoneConfig, SdkError, Subscription, Support, VideoCodec,
    VideoFrame, VideoReader, VideoStats, VideoWriter, api_errors, dev_token, ice_from_json, is_network_connected,
    sdk_errors, utility,
};
#[cfg(feature = "gateway")]
pub use api::{Gateway, GatewayConfig};
pub use ewebrtc_wire::Secret;

/// Version of the library, as `getVersion` answers it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The examples of README.md and of the guide are compiled, and that of README.md is run, with the documentation's tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/guide-rust.md")]
    struct Guide;
}
