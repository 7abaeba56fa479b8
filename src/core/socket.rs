//! The event channel as a WebSocket (rest-protocol.md section 2.6.2, D-38; phone-behaviour.md P-22, P-24, P-65): asking for
//! it, opening it, keeping it open, and polling where that does not work.
//!
//! Owns: [`Socket`] and the flows of the phone about it. Lives on: the phone's actor. Must not import: anything but the
//! other machines of the core.
//!
//! Failures are told and repeated like those of polls, with the same waits. A socket that was open and ends is no failure:
//! the request for the next one shows whether the gateway is there. What speaks for polling instead, for the rest of the
//! session: a gateway that refuses the first request as one it does not offer, and [`MISSES`] sockets in a row that the
//! gateway promised and that came to nothing.

use super::errors::{Problem, ProblemKind, header};
use super::io::{
    EventChannel, HttpResponse, NetworkFailure, NetworkFailureKind, Output, RequestId, SocketEnd, SocketId, SocketNews,
    SocketOrder,
};
use super::phone::{PhoneCore, Turn};
use super::requests::{Draft, Purpose};
use ewebrtc_wire::{decode_events, encode_acknowledgement, header as names};
use std::time::{Duration, Instant};

/// Promised sockets in a row that came to nothing before the phone polls: one may be bad luck.
const MISSES: u8 = 3;

/// A socket that was open for so long was good, even when nothing was said over it.
const GOOD_AFTER: Duration = Duration::from_secs(5);

/// Longest address that is believed.
const MAX_URL: usize = 2048;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// None is wanted: the channel polls.
    #[default]
    Off,
    /// There is none yet, or not any more.
    Closed,
    /// The gateway was asked for its address.
    Asked(RequestId),
    /// It is being opened.
    Opening(SocketId),
    /// It is open.
    Open {
        id: SocketId,
        since: Instant,
        /// A message has come over it.
        heard: bool,
    },
}

/// The WebSocket of one session.
#[derive(Debug, Default)]
pub(super) struct Socket {
    state: State,
    /// One was open in this session.
    worked: bool,
    misses: u8,
}

impl Socket {
    pub(super) fn new(channel: EventChannel) -> Self {
        let state = match channel {
            EventChannel::LongPoll => State::Off,
            EventChannel::WebSocket => State::Closed,
        };
        Self { state, ..Self::default() }
    }

    /// Events are to come over a socket rather than by polls.
    pub(super) fn is_wanted(&self) -> bool {
        self.state != State::Off
    }

    /// It is open, or on the way to be.
    pub(super) fn is_busy(&self) -> bool {
        match self.state {
            State::Off | State::Closed => false,
            State::Asked(_) | State::Opening(_) | State::Open { .. } => true,
        }
    }

    /// The socket that is open or being opened.
    fn id(&self) -> Option<SocketId> {
        match self.state {
            State::Off | State::Closed | State::Asked(_) => None,
            State::Opening(id) | State::Open { id, .. } => Some(id),
        }
    }

    /// A promised socket came to nothing; true when it is time to poll.
    fn missed(&mut self) -> bool {
        self.misses = self.misses.saturating_add(1);
        self.misses >= MISSES
    }

    /// The first request was refused as one that the gateway does not offer.
    fn is_not_offered(&self, status: u16) -> bool {
        !self.worked && matches!(status, 400 | 404 | 405 | 410 | 414 | 426 | 501)
    }
}

/// The address of a socket in this answer.
fn address(response: &HttpResponse) -> Option<String> {
    let url = header(response, names::LOCATION)?;
    let scheme = url.get(..6).unwrap_or_default().to_ascii_lowercase();
    let right = scheme.starts_with("ws://") || scheme == "wss://";
    (right && url.len() <= MAX_URL).then(|| url.to_owned())
}

impl PhoneCore {
    /// Asks for the address of a socket.
    pub(super) fn ask_for_socket(&mut self, t: &mut Turn<'_>, sid: &str) {
        let id = self.requests.send(Draft::open_socket(sid, self.channel.after()), Purpose::OpenSocket, t.out);
        self.channel.socket.state = State::Asked(id);
    }

    pub(super) fn on_socket_offered(&mut self, t: &mut Turn<'_>, id: RequestId, result: Result<HttpResponse, Problem>) {
        if self.channel.socket.state != State::Asked(id) {
            return;
        }
        self.channel.socket.state = State::Closed;
        let problem = match result.as_ref().map(address) {
            Ok(Some(url)) => {
                let id = SocketId(id.0);
                self.channel.socket.state = State::Opening(id);
                return t.out.push(Output::OpenSocket { id, url });
            }
            Ok(None) => return self.poll_instead(t),
            Err(problem) => problem,
        };
        let status = problem.error.http_status_code.as_deref().and_then(|s| s.parse().ok()).unwrap_or(0);
        if matches!(status, 400 | 414) && self.channel.refused_numbers(status) {
            return self.poll(t);
        }
        if self.channel.socket.is_not_offered(status) {
            return self.poll_instead(t);
        }
        match problem.kind {
            ProblemKind::NotFound { .. } => self.expire(t, &problem.error),
            ProblemKind::NoAnswer | ProblemKind::Unreachable => self.channel_failed(t, problem),
            ProblemKind::Refused => {
                if self.channel.socket.missed() {
                    return self.poll_instead(t);
                }
                self.channel_failed(t, problem);
            }
        }
    }

    pub(super) fn on_socket(&mut self, t: &mut Turn<'_>, id: SocketId, news: SocketNews) {
        // News of a socket that was given up may still be on its way.
        if self.channel.socket.id() != Some(id) {
            return;
        }
        match news {
            SocketNews::Opened => self.socket_opened(t, id),
            SocketNews::Message(body) => {
                self.socket_opened(t, id);
                self.on_socket_message(t, id, &body);
            }
            SocketNews::Closed(end) => self.on_socket_closed(t, end),
        }
    }

    fn socket_opened(&mut self, t: &mut Turn<'_>, id: SocketId) {
        let socket = &mut self.channel.socket;
        if socket.state == State::Opening(id) {
            socket.state = State::Open { id, since: t.now, heard: false };
            socket.worked = true;
            self.channel_works(t);
        }
    }

    fn on_socket_message(&mut self, t: &mut Turn<'_>, id: SocketId, body: &[u8]) {
        let events = match decode_events(body) {
            Ok(events) => events,
            Err(error) => {
                // As a poll answer that cannot be read: it counts as no answer.
                self.close_socket(t);
                let failure = NetworkFailure { kind: NetworkFailureKind::Malformed, text: error.to_string() };
                return self.socket_failed(t, &failure);
            }
        };
        let socket = &mut self.channel.socket;
        socket.misses = 0;
        if let State::Open { heard, .. } = &mut socket.state {
            *heard = true;
        }
        let events = self.channel.take_events(events);
        if let Some(after) = self.channel.after().filter(|_| self.channel.has_numbers()) {
            let order = SocketOrder::Send(encode_acknowledgement(after));
            t.out.push(Output::Socket { id, order });
        }
        self.take_events(t, events);
    }

    fn on_socket_closed(&mut self, t: &mut Turn<'_>, end: SocketEnd) {
        let was = std::mem::replace(&mut self.channel.socket.state, State::Closed);
        if !self.online {
            // The channel goes on at connectivity:on.
            return;
        }
        match (was, end) {
            (State::Open { since, heard, .. }, _) if heard || t.now.duration_since(since) >= GOOD_AFTER => {
                self.channel.socket.misses = 0;
                self.poll(t);
            }
            (_, SocketEnd::Failed(failure)) => self.socket_failed(t, &failure),
            (_, SocketEnd::Refused(status @ (502 | 503))) => {
                let response = HttpResponse { status, ..HttpResponse::default() };
                self.channel_failed(t, &Problem::refused("GET websockets", &response));
            }
            (_, SocketEnd::Refused(_) | SocketEnd::Ended) => {
                if self.channel.socket.missed() {
                    return self.poll_instead(t);
                }
                // The gateway is there, as the answer to the request has shown: nothing to tell.
                let doublings = u32::from(self.channel.socket.misses.saturating_sub(1));
                let at = t.now + self.jitter.around(super::backoff::FIRST_WAIT.saturating_mul(1 << doublings));
                self.poll_at(t, at);
            }
        }
    }

    fn socket_failed(&mut self, t: &mut Turn<'_>, failure: &NetworkFailure) {
        if self.channel.socket.missed() {
            return self.poll_instead(t);
        }
        self.channel_failed(t, &Problem::no_answer("GET websockets", failure));
    }

    /// No socket can be had: the channel polls for the rest of the session.
    fn poll_instead(&mut self, t: &mut Turn<'_>) {
        log::info!("the gateway offers no WebSocket that works; the phone polls for events");
        self.channel.socket.state = State::Off;
        self.poll(t);
    }

    /// The network may be another one. True when a socket is what the channel has: an open one is tried, anything before
    /// that begins anew.
    pub(super) fn renew_socket(&mut self, t: &mut Turn<'_>) -> bool {
        match self.channel.socket.state {
            State::Off | State::Closed => return false,
            State::Open { id, .. } => t.out.push(Output::Socket { id, order: SocketOrder::Probe }),
            State::Asked(id) => {
                self.requests.take(id);
                t.out.push(Output::CancelRequest { id });
                self.channel.socket.state = State::Closed;
                self.poll(t);
            }
            State::Opening(_) => {
                self.close_socket(t);
                self.poll(t);
            }
        }
        true
    }

    /// Closes the socket, if there is one.
    pub(super) fn close_socket(&mut self, t: &mut Turn<'_>) {
        if let Some(id) = self.channel.socket.id() {
            self.channel.socket.state = State::Closed;
            t.out.push(Output::Socket { id, order: SocketOrder::Close });
        }
    }
}
