//! The gateway in the same process, for the typed surface.
//!
//! Owns: [`Gateway`]. Lives on: any thread; starting and stopping block the caller. Must not import: `runtime`, `core`,
//! `signal`.

use super::error::PhoneError;
use super::info::DevToken;
use super::link::Link;
use super::process;
use super::waits::wait;
use crate::api;
use crate::ffi::waiting::in_callback;
use crate::ffi::waiting::wait_for;
use std::sync::{Arc, Mutex, PoisonError};

/// A gateway in this process, in development mode: every name may log in. It ends with the object.
#[derive(uniffi::Object)]
pub struct Gateway {
    inner: Mutex<Option<api::Gateway>>,
    url: String,
    link: Arc<Link>,
}

#[uniffi::export]
impl Gateway {
    /// Starts a gateway on `address:port` (default: a free port of 127.0.0.1) and waits until it listens.
    ///
    /// Errors: `Config` for what is no address and port or no domain, `System` when the address cannot be listened on.
    #[uniffi::constructor(default(listen = None, domain = None, ringback = false))]
    pub fn new(listen: Option<String>, domain: Option<String>, ringback: bool) -> Result<Arc<Self>, PhoneError> {
        let mut config = api::GatewayConfig::development();
        config.listen = listen.unwrap_or(config.listen);
        config.domain = domain.unwrap_or(config.domain);
        config.ringback = ringback;
        let inner = wait_for(api::Gateway::start(config))?;
        let url = inner.url().to_owned();
        Ok(Arc::new(Self { inner: Mutex::new(Some(inner)), url, link: process::link(None) }))
    }

    /// Address for the configuration of a phone.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// A token for this user.
    ///
    /// Errors: as the function `dev_token`.
    pub async fn dev_token(&self, user: String) -> Result<DevToken, PhoneError> {
        wait(&self.link, api::dev_token(&self.url, &user, &[])).await.map(Into::into)
    }

    /// Ends every session and stops listening. Waits at most five seconds until the port is free again; inside a callback it
    /// does not wait. May be called again.
    pub fn stop(&self) {
        let gateway = self.inner.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Dropped, it ends in the background.
        if let Some(gateway) = gateway.filter(|_| !in_callback()) {
            wait_for(gateway.stop());
        }
    }
}
