//! The gateway of ewebrtc: sessions, calls and the event channel of the Enhanced WebRTC protocol.
//!
//! Owns: everything a gateway is, as a library ([`Gateway`], [`app`]); the program `ewebrtc-gateway` only reads options.
//! Lives on: the tokio runtime it is started in. Must not import: the phone; it knows `ewebrtc_wire` and `ewebrtc_media`.
//!
//! The path of a request: `server` (socket) → `http` (paths, bodies, statuses) → `shell` (the lock, waiting polls) →
//! [`core`] (all decisions, no clock and no network) and back as outputs: answers of polls, echoes to start.
//!
//! Calls pass their descriptions through end to end, so media flows directly between the parties (rest-protocol.md D-27);
//! only calls to `echo` and to rooms have media here, conferences, and calls that get a ringback tone
//! ([`GatewayConfig::ringback`]).
//!
//! ```no_run
//! # async fn run() -> Result<(), ewebrtc_gateway::GatewayError> {
//! use ewebrtc_gateway::{Gateway, GatewayConfig};
//! let gateway = Gateway::start(GatewayConfig::development()).await?;
//! let token = gateway.issue_dev_token("alice")?;
//! println!("{} for {}", gateway.url(), token.address);
//! gateway.shutdown().await;
//! # Ok(()) }
//! ```

#![warn(missing_docs)]

mod anchor;
mod config;
pub mod core;
mod echo;
mod http;
mod mixer;
mod seats;
mod server;
mod shell;

pub use anchor::{AnchorCall, AnchorFactory, AnchorMade, AnchorResult, MediaAnchor};
pub use config::{GatewayConfig, GatewayError};
pub use core::{Limits, TokenGrant};
pub use echo::{EchoCall, EchoFactory, EchoResult, MediaEcho};
pub use http::app;
pub use mixer::{MediaMixer, MixerFactory, MixerSeat, SeatLost, SeatResult, Soon};
pub use server::Gateway;
pub use shell::GatewayState;
