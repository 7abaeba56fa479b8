//! The event channel as a WebSocket (rest-protocol.md section 2.6.2, D-38): its address, its handshake, its frames.
//!
//! Owns: the open socket. Lives on: a task of its own for each socket. Must not import: the core's inside.
//!
//! The gateway pings; a socket from which nothing was heard for a whole interval after a ping is dead. What a client sends is
//! read within narrow bounds and means nothing, save `{"after":N}`, which acknowledges numbered events.

use std::time::Duration;

use axum::extract::FromRequestParts as _;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, header, request::Parts};
use axum::response::{IntoResponse, Response};
use tokio::time::{MissedTickBehavior, interval, timeout};

use ewebrtc_wire::{BASE_PATH, decode_acknowledgement, path};

use super::reply;
use crate::core::{Refusal, SocketEnd};
use crate::shell::{GatewayState, Line, Say};

/// Largest message of a client: acknowledgements are a few bytes.
const MAX_HEARD: usize = 4096;

/// Buffers of one socket: small, because there may be as many as sessions and they are idle most of the time. A larger
/// message has a larger buffer while it is written.
const BUFFER: usize = 4096;

/// How long a frame may take until the operating system has it: as long as any answer may make no progress.
const WRITE_PATIENCE: Duration = Duration::from_secs(20);

/// How long the end of a socket may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// Longest `Host` that is repeated in an address.
const MAX_HOST: usize = 256;

/// The address of a socket: the host that the client has asked, with TLS where a proxy in front of the gateway says so.
///
/// # Errors
/// 400 SVC0002 when the request names no usable host.
pub(super) fn url(headers: &HeaderMap, session: &str, ticket: &str) -> Result<String, Refusal> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let usable = |host: &&str| {
        let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        !host.is_empty() && host.len() <= MAX_HOST && host.chars().all(letter)
    };
    let host = text("host").filter(usable).ok_or(Refusal::invalid("Host"))?;
    let secure = text("x-forwarded-proto").is_some_and(|proto| proto.eq_ignore_ascii_case("https"));
    let scheme = if secure { "wss" } else { "ws" };
    Ok(format!("{scheme}://{host}{BASE_PATH}{}?{ticket}", path::sockets(session)))
}

/// The handshake. The query is the one-time id.
pub(super) async fn open(state: &GatewayState, session: String, mut parts: Parts) -> Result<Response, Refusal> {
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await else {
        let refusal = Refusal::plain(426, "A WebSocket handshake is needed here").into_response();
        let refusal = reply::with(refusal, header::UPGRADE.as_str(), "websocket");
        return Ok(reply::with(refusal, header::SEC_WEBSOCKET_VERSION.as_str(), "13"));
    };
    let line = state.join(session, parts.uri.query().unwrap_or_default().to_owned())?;
    let ping = state.ping();
    let upgrade = upgrade.read_buffer_size(BUFFER).write_buffer_size(BUFFER);
    let upgrade = upgrade.max_message_size(MAX_HEARD).max_frame_size(MAX_HEARD);
    Ok(upgrade.on_upgrade(move |socket| serve(socket, line, ping)))
}

/// Serves a socket until either side ends it.
async fn serve(mut socket: WebSocket, mut line: Line, ping: Duration) {
    let mut pings = interval(ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings.reset();
    let mut heard = true;
    loop {
        tokio::select! {
            say = line.next() => match say {
                Say::Frame(text, receipt) => {
                    if !send(&mut socket, Message::Text(text.into())).await {
                        return;
                    }
                    receipt.written();
                }
                Say::Close(why) => return close(socket, why).await,
            },
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    heard = true;
                    match decode_acknowledgement(&text) {
                        Some(after) => line.acknowledged(after),
                        None => log::debug!("a client said something over its socket that means nothing"),
                    }
                }
                Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_))) => heard = true,
                Some(Ok(Message::Close(_))) | None => return,
                Some(Err(error)) => return log::debug!("a socket failed: {error}"),
            },
            _ = pings.tick() => {
                if !heard {
                    return log::debug!("nothing was heard over a socket since it was pinged");
                }
                heard = false;
                if !send(&mut socket, Message::Ping(Default::default())).await {
                    return;
                }
            }
        }
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> bool {
    matches!(timeout(WRITE_PATIENCE, socket.send(message)).await, Ok(Ok(())))
}

/// Says good-bye and waits a moment for the other side's, so that the last frame is not cut off by a reset.
async fn close(mut socket: WebSocket, why: Option<SocketEnd>) {
    let (code, reason) = match why {
        None => return,
        Some(SocketEnd::Replaced) => (1000, "another channel of the session was opened"),
        Some(SocketEnd::Ended) => (1000, "the session was deleted"),
        Some(SocketEnd::Expired) => (1008, "the session has expired"),
        Some(SocketEnd::Stopping) => (1001, "the gateway stops"),
    };
    let farewell = async {
        if socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    let _ = timeout(CLOSE_PATIENCE, farewell).await;
}
