//! The gateway in the same process. The only file of this crate that knows `ewebrtc_gateway`.
//!
//! Owns: [`Gateway`]. Lives on: the process's runtime. Must not import: `core`, `signal`.

use super::dev::DevToken;
use super::error::Error;
use crate::runtime;

use ewebrtc_gateway::GatewayError;

pub use ewebrtc_gateway::GatewayConfig;

/// A development gateway's configuration from options by name, as programs in C give them: `listen` and `domain` are texts,
/// `ringback` is true or false, `sessionSeconds`, `ringSeconds`, `pollSeconds`, `pingSeconds` and `lostSeconds` are whole
/// numbers. What is not named has the default of [`GatewayConfig::development`].
///
/// # Errors
/// [`Error::Config`] for a name that is none of these, and for a value of another kind.
pub(crate) fn gateway_config(options: &serde_json::Map<String, serde_json::Value>) -> Result<GatewayConfig, Error> {
    let mut config = GatewayConfig::development();
    for (name, value) in options {
        let wrong =
            || Error::Config(format!("a gateway's option {name:?} is unknown, or its value {value} cannot be used"));
        match name.as_str() {
            "listen" => config.listen = value.as_str().ok_or_else(wrong)?.to_owned(),
            "domain" => config.domain = value.as_str().ok_or_else(wrong)?.to_owned(),
            "ringback" => config.ringback = value.as_bool().ok_or_else(wrong)?,
            "sessionSeconds" => config.session_seconds = value.as_u64().ok_or_else(wrong)?,
            "ringSeconds" => config.ring_seconds = value.as_u64().ok_or_else(wrong)?,
            "pollSeconds" => config.poll_seconds = value.as_u64().ok_or_else(wrong)?,
            "pingSeconds" => config.ping_seconds = value.as_u64().ok_or_else(wrong)?,
            "lostSeconds" => config.lost_seconds = value.as_u64().ok_or_else(wrong)?,
            _ => return Err(wrong()),
        }
    }
    Ok(config)
}

/// A gateway in this process: the same that the program `ewebrtc-gateway` runs. It ends when this value is dropped, or, with the
/// certainty that its port is free again, by [`Gateway::stop`].
pub struct Gateway {
    inner: Option<ewebrtc_gateway::Gateway>,
    url: String,
}

impl Gateway {
    /// Starts a gateway and listens. May be awaited on any runtime.
    ///
    /// # Errors
    /// [`Error::Config`] when the configuration cannot be used, [`Error::System`] when the address cannot be listened on.
    pub async fn start(config: GatewayConfig) -> Result<Self, Error> {
        let runtime = runtime::shared().map_err(|e| Error::System(e.to_string()))?;
        let started = runtime.spawn(ewebrtc_gateway::Gateway::start(config)).await;
        let inner = started.map_err(|e| Error::System(e.to_string()))?.map_err(|e| match &e {
            GatewayError::NoAccounts | GatewayError::Config(_) | GatewayError::Address(_) => {
                Error::Config(e.to_string())
            }
            GatewayError::Listen(..) | GatewayError::User(_) => Error::System(e.to_string()),
        })?;
        let url = inner.url().to_owned();
        Ok(Self { inner: Some(inner), url })
    }

    /// Address for [`crate::PhoneConfig::gateway`].
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A token for this user, as the development mode gives it.
    ///
    /// # Errors
    /// [`Error::System`] when the gateway is not in development mode or does not accept the name.
    pub async fn dev_token(&self, user: &str) -> Result<DevToken, Error> {
        super::dev::dev_token(&self.url, user, &[]).await
    }

    /// Ends every session and stops listening; takes at most five seconds.
    pub async fn stop(mut self) {
        if let (Some(inner), Ok(runtime)) = (self.inner.take(), runtime::shared()) {
            // The task can only fail by a panic, after which the gateway is gone as well.
            let _ = runtime.spawn(async move { inner.shutdown().await }).await;
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let (Some(inner), Ok(runtime)) = (self.inner.take(), runtime::shared()) {
            runtime.spawn(async move { inner.shutdown().await });
        }
    }
}
