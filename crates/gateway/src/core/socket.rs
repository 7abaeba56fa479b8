//! The event channel as a WebSocket (rest-protocol.md section 2.6.2, D-38): one-time ids, the open socket, its frames.
//!
//! Owns: [`Ticket`], [`OpenSocket`]. Lives on: the core's thread. Must not import: anything of the HTTP shell.
//!
//! A session has one way at a time: the newest poll or socket ends what was there before. A one-time id is good for one
//! socket within [`TICKET`]; another request for one takes its place. A socket has one frame in flight, so a phone that does
//! not read keeps its events waiting in the outbox, which is bounded, and the shell closes what takes too long to write.

use std::time::{Duration, Instant};

use super::session::Session;
use super::{Answer, Auth, Core, Delivery, Id, Output, PollId, Refusal};

/// How long a one-time id is good: clients open the socket at once.
const TICKET: Duration = Duration::from_secs(30);

/// The right to open one socket.
pub(super) struct Ticket {
    id: Id,
    after: Option<u64>,
    until: Instant,
}

/// The socket of a session.
pub(super) struct OpenSocket {
    pub(super) id: PollId,
    /// A frame is being written.
    pub(super) busy: bool,
}

impl Session {
    /// Gives the socket what may go out, if it has nothing to write.
    pub(super) fn feed_socket(&mut self, now: Instant, id: &Id, out: &mut Vec<Output>) {
        let Some(socket) = self.socket.as_mut().filter(|s| !s.busy) else { return };
        let batch = self.outbox.take(now, socket.id);
        if batch.is_empty() {
            return;
        }
        socket.busy = true;
        let socket = socket.id;
        let delivery = Delivery::Frame { session: id.clone(), socket };
        out.push(Output::Frame { socket, body: self.encode(batch), delivery });
    }

    /// A frame was written, or lost.
    pub(super) fn frame_written(&mut self, now: Instant, socket: PollId, complete: bool) {
        self.outbox.written(now, socket, complete);
        // A socket that lost a frame is closed by the shell and gets no other one.
        if let Some(open) = self.socket.as_mut().filter(|open| open.id == socket && complete) {
            open.busy = false;
        }
    }
}

impl Core {
    /// Makes a one-time id. What is open stays until the socket comes.
    pub(super) fn open_socket(&mut self, now: Instant, auth: &Auth, after: Option<u64>) -> Result<Answer, Refusal> {
        let session = self.authorise(now, auth)?;
        let ticket = self.new_id();
        let Some(session) = self.sessions.get_mut(&session) else { return Err(Refusal::unknown_session()) };
        if !session.outbox.knows(after) {
            return Err(Refusal::invalid("after"));
        }
        session.ticket = Some(Ticket { id: ticket.clone(), after, until: now + TICKET });
        Ok(Answer::Ticket { ticket })
    }

    /// Opens a socket in place of what was open. An unknown session and a wrong id are answered alike.
    pub(super) fn join_socket(
        &mut self,
        now: Instant,
        session: &str,
        ticket: &str,
        socket: PollId,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Refusal> {
        if self.closing {
            return Err(Refusal::plain(503, "The gateway is stopping"));
        }
        let (id, session) = match self.sessions.get_key_value(session).map(|(id, _)| id.clone()) {
            Some(id) => (id.clone(), self.sessions.get_mut(&id)),
            None => return Err(Refusal::not_found()),
        };
        let Some(session) = session else { return Err(Refusal::not_found()) };
        let ticket = session.ticket.take_if(|t| *t.id == *ticket || t.until <= now);
        let Some(ticket) = ticket.filter(|t| t.until > now) else { return Err(Refusal::not_found()) };
        session.replace(out);
        session.outbox.opened(ticket.after);
        session.socket = Some(OpenSocket { id: socket, busy: false });
        self.settle(now, &id, out);
        Ok(Answer::Done)
    }

    pub(super) fn socket_closed(&mut self, now: Instant, id: &Id, socket: PollId, out: &mut Vec<Output>) {
        let lost = self.config.lost;
        if let Some(session) = self.sessions.get_mut(id) {
            session.outbox.written(now, socket, false);
            if session.socket.take_if(|open| open.id == socket).is_some() {
                session.lost_at = Some(now + lost);
            }
        }
        self.settle(now, id, out);
    }

    pub(super) fn acknowledged(&mut self, now: Instant, id: &Id, socket: PollId, after: u64, out: &mut Vec<Output>) {
        if let Some(session) = self.sessions.get_mut(id)
            && session.socket.as_ref().is_some_and(|open| open.id == socket)
        {
            session.outbox.acknowledged(after);
        }
        self.settle(now, id, out);
    }
}
