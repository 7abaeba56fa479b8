//! What programs see: phones, calls, events, errors, the utilities, and the gateway in the same process.
//!
//! Owns: the public types. Lives on: any thread; only handlers run on a phone's dispatcher thread.
//! Must not import: `ffi`; nothing of `ewebrtc_gateway` outside `gateway.rs`.

mod call;
mod capabilities;
mod changes;
mod conferences;
mod config;
mod dev;
mod error;
mod event;
#[cfg(feature = "gateway")]
mod gateway;
mod ice;
mod log_line;
mod logging;
mod named;
mod numbers;
mod options;
mod phone;
mod settings;

pub use call::{Call, CallEnd, CallInfo};
pub use capabilities::{Capabilities, Support, is_network_connected};
pub use conferences::Participant;
pub use config::PhoneConfig;
pub use dev::{DevToken, dev_token};
pub use error::Error;
pub use event::{Event, Events};
#[cfg(feature = "gateway")]
pub(crate) use gateway::gateway_config;
#[cfg(feature = "gateway")]
pub use gateway::{Gateway, GatewayConfig};
pub use ice::ice_from_json;
pub use log_line::{LogLevel, LogLine};
pub use logging::{LogManager, Logger};
pub use named::utility;
pub use options::{AnswerOptions, CallSettings, ConferenceOptions, DialOptions, JoinOptions, LoginOptions};
pub use phone::{Phone, Subscription};

pub use crate::audio::{VideoReader, VideoWriter};
pub use crate::core::io::{ErrorObject, EventChannel};
pub use ewebrtc_media::transport::{
    AddressPolicy, AudioCodec, Credential, IceConfig, IcePolicy, IceServer, VideoCodec,
};
pub use ewebrtc_media::{FrameRefused, LegStats, PcmReader, PcmWriter, VideoFrame, VideoStats};
pub use ewebrtc_wire::{ApiError, CallerInfo, SdkError, api_errors, sdk_errors};
