//! Functions that belong to no object: version, tables of errors, tokens from a gateway elsewhere.
//!
//! Owns: [`ErrorEntry`], [`DevToken`], [`Capabilities`]. Lives on: any thread. Must not import: `runtime`, `core`, `signal`.

use super::error::PhoneError;
use super::process;
use super::waits::wait;
use crate::api;

/// An entry of the catalogue of errors; names as in the Phone API, in the spelling of the language.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct ErrorEntry {
    /// `ErrorCode`.
    pub error_code: String,
    /// `JSObject`.
    pub js_object: String,
    /// `JSMethod`.
    pub js_method: String,
    /// `ErrorMessage`.
    pub error_message: String,
    /// `Cause`.
    pub cause: String,
    /// `Resolution`.
    pub resolution: String,
    /// `MessageId`, of errors of the gateway.
    pub message_id: Option<String>,
    /// `HttpStatusCode`, of errors of the gateway that have one.
    pub http_status_code: Option<String>,
}

/// What the development mode of a gateway gives for a name.
#[derive(Clone, uniffi::Record)]
pub struct DevToken {
    /// Token for `login`.
    pub access_token: String,
    /// Seconds until it ends.
    pub expires_in: u64,
    /// Kind of the user: an account id or a virtual number.
    pub kind: String,
    /// Address under which others reach the user.
    pub address: String,
}

impl From<api::DevToken> for DevToken {
    fn from(token: api::DevToken) -> Self {
        Self {
            access_token: token.access_token.expose().to_owned(),
            expires_in: token.expires_in,
            kind: token.kind,
            address: token.address,
        }
    }
}

/// What this library can do on this machine, at the moment it was asked.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct Capabilities {
    /// Version of the library.
    pub version: String,
    /// Operating system it was compiled for.
    pub os: String,
    /// Processor it was compiled for.
    pub arch: String,
    /// Whether calls work here (`hasWebRTC`): `Supported`, or `Not Certified` where the library's tests are not run.
    pub support: String,
    /// Codecs for audio, best first, by their names in a session description.
    pub audio_codecs: Vec<String>,
    /// Codecs for video.
    pub video_codecs: Vec<String>,
    /// Words of `localMedia`.
    pub sources: Vec<String>,
    /// Words of `remoteMedia`.
    pub sinks: Vec<String>,
    /// URLs of ICE servers that are understood.
    pub ice_servers: Vec<String>,
    /// Parts that may be compiled in and are, e.g. `gateway`.
    pub features: Vec<String>,
    /// This machine has an IPv4 address with which it reaches others.
    pub ipv4: bool,
    /// This machine has an IPv6 address with which it reaches others.
    pub ipv6: bool,
    /// All of it and the supported systems, as one JSON object.
    pub json: String,
}

/// Looks at the library and at the machine (`browser`).
#[uniffi::export]
pub fn capabilities() -> Capabilities {
    let report = api::Capabilities::now();
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Capabilities {
        version: report.version.into(),
        os: report.os.into(),
        arch: report.arch.into(),
        support: report.support.to_string(),
        audio_codecs: list(&report.audio_codecs),
        video_codecs: list(&report.video_codecs),
        sources: list(report.sources),
        sinks: list(report.sinks),
        ice_servers: list(report.ice_servers),
        features: list(&report.features),
        ipv4: report.ipv4,
        ipv6: report.ipv6,
        json: report.to_json().to_string(),
    }
}

/// True when there is a network besides loopback (`isNetworkConnected`).
#[uniffi::export]
pub fn is_network_connected() -> bool {
    api::is_network_connected()
}

/// Version of the library.
#[uniffi::export]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// The errors that the phone raises by itself.
#[uniffi::export]
pub fn sdk_errors() -> Vec<ErrorEntry> {
    let entry = |e: &api::SdkError| ErrorEntry {
        error_code: e.code.into(),
        js_object: e.js_object.into(),
        js_method: e.js_method.into(),
        error_message: e.message.into(),
        cause: e.cause.into(),
        resolution: e.resolution.into(),
        message_id: None,
        http_status_code: None,
    };
    api::sdk_errors().iter().map(entry).collect()
}

/// The errors that the gateway reports.
#[uniffi::export]
pub fn api_errors() -> Vec<ErrorEntry> {
    let entry = |e: &api::ApiError| ErrorEntry {
        error_code: e.code.into(),
        js_object: e.js_object.into(),
        js_method: e.js_method.into(),
        error_message: e.message.into(),
        cause: e.cause.into(),
        resolution: e.resolution.into(),
        message_id: Some(e.message_id.into()),
        http_status_code: e.http_status.map(|status| status.to_string()),
    };
    api::api_errors().iter().map(entry).collect()
}

/// Asks the gateway at this address for a token of `user`, who exists from then on. It must be in development mode. A name is
/// an account id, 10 or 11 digits are a number.
///
/// Errors: `Config` for an unusable address, 0002 when no answer comes, the gateway's code when it does not accept the name,
/// `System` when it is not in development mode.
#[uniffi::export(default(root_certificates = []))]
pub async fn dev_token(gateway: String, user: String, root_certificates: Vec<String>) -> Result<DevToken, PhoneError> {
    wait(&process::common(), api::dev_token(&gateway, &user, &root_certificates)).await.map(Into::into)
}
