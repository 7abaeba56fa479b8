//! Reading of request bodies, within bounds.
//!
//! Owns: the size and time limits of bodies. Lives on: the connection's task. Must not import: the state.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use ewebrtc_wire::MAX_BODY;

use crate::core::Refusal;

/// A body beyond the limit is still read up to here, so that its sender gets to see the 413 instead of a reset.
const DRAIN: usize = 16 * MAX_BODY;

/// Longest time for a body.
const PATIENCE: Duration = Duration::from_secs(30);

const TOO_LARGE: Refusal = Refusal::plain(413, "The body is larger than 1 MB");

/// Reads a body.
///
/// # Errors
/// 413 beyond [`MAX_BODY`], 408 after half a minute, 400 when it breaks off; none has a RequestError.
pub(super) async fn read(body: Body) -> Result<Bytes, Refusal> {
    match tokio::time::timeout(PATIENCE, collect(body)).await {
        Ok(result) => result,
        Err(_) => Err(Refusal::plain(408, "The body took too long")),
    }
}

async fn collect(body: Body) -> Result<Bytes, Refusal> {
    let mut stream = body.into_data_stream();
    let mut kept = Vec::new();
    let mut seen: usize = 0;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| Refusal::plain(400, "The body broke off"))?;
        seen = seen.saturating_add(chunk.len());
        if seen > DRAIN {
            return Err(TOO_LARGE);
        }
        if seen <= MAX_BODY {
            kept.extend_from_slice(&chunk);
        } else {
            kept = Vec::new();
        }
    }
    if seen > MAX_BODY { Err(TOO_LARGE) } else { Ok(kept.into()) }
}

/// Reads JSON of a known shape.
///
/// # Errors
/// 400 SVC0002 naming `body` when it is no JSON, `part` when its shape is wrong.
pub(super) fn json<T: DeserializeOwned>(bytes: &[u8], part: &'static str) -> Result<T, Refusal> {
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|_| Refusal::invalid("body"))?;
    serde_json::from_value(value).map_err(|_| Refusal::invalid(part))
}
