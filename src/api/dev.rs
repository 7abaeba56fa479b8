//! Tokens from a gateway in development mode, which needs no account anywhere.
//!
//! Owns: [`dev_token`]. Lives on: the caller's task. Must not import: `core`'s machines.

use super::error::Error;
use crate::core::errors;
use crate::{runtime, signal};
use ewebrtc_wire::Secret;
use serde_json::{Value, json};
use std::time::Duration;

/// The resource of the development mode.
const PATH: &str = "/dev/tokens";

/// Longest wait for the gateway.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What the gateway's development mode gives for a name.
#[derive(Debug, Clone)]
pub struct DevToken {
    /// Token for `login`.
    pub access_token: Secret,
    /// Seconds until it ends.
    pub expires_in: u64,
    /// Kind of the user: an account id or a virtual number.
    pub kind: String,
    /// Address under which others reach the user.
    pub address: String,
}

impl DevToken {
    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        Some(Self {
            access_token: Secret::from(text("access_token").filter(|t| !t.is_empty())?),
            expires_in: value.get("expires_in").and_then(Value::as_u64).unwrap_or_default(),
            kind: text("kind").unwrap_or_default().to_owned(),
            address: text("address").unwrap_or_default().to_owned(),
        })
    }
}

/// Asks the gateway at `gateway` for a token of `user` (`POST /dev/tokens`). The user exists from then on: a name is an account
/// id, 10 or 11 digits (or `vtn:` and digits) are a virtual number. `root_certificates` as in
/// [`crate::PhoneConfig::root_certificates`].
///
/// # Errors
/// [`Error::Config`] for an unusable address; 0002 when no answer comes; the gateway's code when it does not accept the name;
/// [`Error::System`] when it is not in development mode.
pub async fn dev_token(gateway: &str, user: &str, root_certificates: &[String]) -> Result<DevToken, Error> {
    let client = signal::Client::new(gateway, root_certificates).map_err(Error::Config)?;
    ask(client, user).await
}

/// As [`dev_token`], with a client that is there.
pub(super) async fn ask(client: signal::Client, user: &str) -> Result<DevToken, Error> {
    let resource = format!("POST {}{PATH}", client.endpoint());
    let runtime = runtime::shared().map_err(|e| Error::System(e.to_string()))?;
    let body = json!({"user": user}).to_string();
    let request = async move { client.post_json(PATH, body, TIMEOUT).await };
    let answer = runtime.spawn(request).await.map_err(|e| Error::System(e.to_string()))?;
    let response = answer.map_err(|failure| Error::Phone(Box::new(errors::no_answer(&resource, &failure))))?;
    match response.status {
        200 => serde_json::from_slice(&response.body)
            .ok()
            .and_then(|value| DevToken::from_json(&value))
            .ok_or_else(|| Error::System("no token from the gateway: its answer is not understood".into())),
        404 => Err(Error::System("no token from the gateway: it is not in development mode".into())),
        _ => Err(Error::Phone(Box::new(errors::refused(&resource, &response)))),
    }
}
