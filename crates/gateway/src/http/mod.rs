//! The REST interface: paths, methods, bodies in; statuses, headers, error bodies out.
//!
//! Owns: [`app`] and everything of HTTP that is not a socket. Lives on: the gateway's runtime, one task a connection.
//! Must not import: sockets; the state is reached through [`GatewayState`] only.
//!
//! # Statuses
//! Refusals use the pairs of rest-protocol.md section 6.4 only. Statuses without a pair there (405, 408, 413, 501, 503)
//! have a plain text and no RequestError, and 404 has an empty message id: original clients stop for ever on anything
//! else (section 6.3). Every response, an error too, carries the CORS headers of section 1.6.
//!
//! # Extension: event numbers
//! `GET …/sessions/{sid}/events?after=N` asks for event numbers. Events of a session are numbered 1, 2, 3 … without holes,
//! in the order in which they are first delivered. The answer (200) contains events with numbers greater than `N`,
//! oldest first, at most one of each call and at least one; each element of `eventList` has a member `seq` beside
//! `eventObject`. The request acknowledges all events up to `N`: they are dropped. Events that are not acknowledged are
//! answered at once, so a response lost on its way is repeated, and a client that compares `seq` with the last number
//! it has seen takes nothing twice. A session begins with `after=0`. With nothing new the answer is 204 after the usual
//! time. `N` beyond the last number given is 400 SVC0002 (`after`). The newest poll wins, as without numbers. There is no
//! pause after the response to a request of one's own (D-6): the client must keep events of a call it does not know
//! until the response that names the call has arrived. A client that never sends `after` sees the plain protocol.
//!
//! # The event channel as a WebSocket
//! `POST …/sessions/{sid}/websockets` (or `websocket`) is answered 201 with `Location: ws://…?<one-time id>`; the handshake
//! there needs no token and no sub-protocol. Text frames carry what answers to polls carry. With `?after=N` in the request
//! its events are numbered; the client acknowledges with text frames `{"after":N}`, and asks with the last number it has
//! when it opens the next socket. Of polls and sockets of a session the newest is served, the others end.
//!
//! # Extension: own address
//! The response that creates a session has the header `x-ewebrtc-user` with the address of its user.

mod body;
mod conferences;
mod cors;
mod handlers;
mod reply;
mod socket;
mod tracked;

use axum::Router;
use axum::routing::any;

use crate::shell::GatewayState;

pub(crate) use tracked::Connection;

/// The gateway as a router, for any server and for tests without a socket.
///
/// Without the gateway's own server a response counts as written as soon as it was read from the router. Requests must
/// be served inside a tokio runtime; [`GatewayState::spawn_timer`] must run for anything to expire.
pub fn app(state: GatewayState) -> Router {
    Router::new()
        .route("/dev/tokens", any(handlers::dev_tokens))
        .route("/RTC/v1/userIds/{user}", any(handlers::user_id))
        .route("/RTC/v1/sessions", any(handlers::sessions))
        .route("/RTC/v1/sessions/{session}", any(handlers::session))
        .route("/RTC/v1/sessions/{session}/events", any(handlers::events))
        .route("/RTC/v1/sessions/{session}/websockets", any(handlers::websocket))
        .route("/RTC/v1/sessions/{session}/websocket", any(handlers::websocket))
        .route("/RTC/v1/sessions/{session}/calls", any(handlers::calls))
        .route("/RTC/v1/sessions/{session}/calls/{item}", any(handlers::call))
        .route("/RTC/v1/sessions/{session}/conferences", any(conferences::conferences))
        .route("/RTC/v1/sessions/{session}/conferences/{item}", any(conferences::conference))
        .route("/RTC/v1/sessions/{session}/conferences/{item}/participants/{uri}", any(conferences::participant))
        .fallback(handlers::unknown_path)
        .layer(axum::middleware::from_fn(cors::layer))
        .with_state(state)
}
