//! Sessions: login, refresh, logout, expiry, a lost phone, and the long poll.
//!
//! Owns: [`Session`] and the rules of sections 2.2 to 2.6 of rest-protocol.md. Lives on: the core's thread.
//! Must not import: anything of the HTTP shell.
//!
//! A session ends by logout, by expiry (`x-expires` plus a grace of one poll, D-2: original clients with a short lifetime
//! refresh exactly at its end) or when its outbox overflows. A session whose event channel nobody has asked for during
//! [`CoreConfig::lost`](super::CoreConfig::lost) has *lost its phone*: its calls end and it is not rung, but it stays; a
//! phone that comes back finds the ends of its calls in its event channel and is reachable again.

use std::collections::BTreeMap;
use std::time::Instant;

use ewebrtc_wire::{Address, EventObject, Kind, Secret, encode_events, encode_numbered_events};

use super::call::{Gone, Happening};
use super::outbox::Outbox;
use super::socket::{OpenSocket, Ticket};
use super::{Answer, Auth, Core, Delivery, Id, Output, PollAnswer, PollId, REMEMBERED, Refusal, SocketEnd, Timer};

/// One login of one phone.
pub(super) struct Session {
    pub(super) token: Secret,
    pub(super) user: Address,
    pub(super) outbox: Outbox,
    /// Running legs by their id.
    pub(super) legs: BTreeMap<Id, Leg>,
    /// Nobody asks for events any more.
    pub(super) lost: bool,
    expires_at: Instant,
    /// When the phone counts as lost; `None` while a poll or a socket is open or it is lost already.
    pub(super) lost_at: Option<Instant>,
    poll: Option<OpenPoll>,
    /// The socket that is open in place of polls.
    pub(super) socket: Option<OpenSocket>,
    /// A socket that may be opened.
    pub(super) ticket: Option<Ticket>,
    timer: Option<Instant>,
}

/// A session's part in a call or a conference.
pub(super) struct Leg {
    pub(super) kind: Kind,
    /// The call or the conference.
    pub(super) call: Id,
    pub(super) incoming: bool,
    /// Not answered yet.
    pub(super) pending: bool,
}

struct OpenPoll {
    id: PollId,
    until: Instant,
}

impl Session {
    /// D-21: a session with a pending call or with two calls is not rung.
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy_besides(None)
    }

    /// The same, without regard to one leg.
    pub(super) fn is_busy_besides(&self, except: Option<&str>) -> bool {
        let others = || self.legs.iter().filter(|(id, _)| Some(&***id) != except).map(|(_, leg)| leg);
        others().any(|l| l.pending) || others().count() >= 2
    }

    /// Somebody asks for events from now on: what asked before is over, and the phone is there.
    pub(super) fn replace(&mut self, out: &mut Vec<Output>) {
        if let Some(older) = self.poll.take() {
            out.push(Output::Poll { poll: older.id, answer: PollAnswer::Empty });
        }
        if let Some(older) = self.socket.take() {
            out.push(Output::CloseSocket { socket: older.id, why: SocketEnd::Replaced });
        }
        self.lost = false;
        self.lost_at = None;
    }

    /// The text of a portion of events, with numbers where they were asked for.
    pub(super) fn encode(&self, batch: Vec<(u64, EventObject)>) -> String {
        if self.outbox.is_numbered() {
            encode_numbered_events(&batch)
        } else {
            encode_events(&batch.into_iter().map(|(_, event)| event).collect::<Vec<_>>())
        }
    }

    fn next_deadline(&self, now: Instant) -> Instant {
        let asked = self.poll.is_some() || self.socket.as_ref().is_some_and(|s| !s.busy);
        let release = if asked { self.outbox.next_release(now) } else { None };
        let poll = self.poll.as_ref().map(|p| p.until);
        [release, poll, self.lost_at].into_iter().flatten().fold(self.expires_at, Instant::min)
    }
}

/// Texts that original clients send for "none" count as absent (D-26).
fn given(e911_id: Option<String>) -> bool {
    e911_id.is_some_and(|id| !matches!(id.trim(), "" | "null" | "undefined"))
}

impl Core {
    /// Sessions of this user, oldest first.
    pub(super) fn sessions_of(&self, user: &Address) -> impl Iterator<Item = &Session> {
        self.of_user.get(user).into_iter().flatten().filter_map(|id| self.sessions.get(id))
    }

    /// The session of a request, if the token may use it. The session is looked up before the token (D-9), so that a
    /// phone learns after a restart of the gateway that its session is gone.
    pub(super) fn authorise(&self, now: Instant, auth: &Auth) -> Result<Id, Refusal> {
        let token = auth.token.as_ref().ok_or(Refusal::bad_token())?;
        let (id, session) = self.sessions.get_key_value(auth.session.as_str()).ok_or(Refusal::unknown_session())?;
        self.directory.user_of(now, token).ok_or(Refusal::bad_token())?;
        if session.token != *token {
            return Err(Refusal::foreign_session());
        }
        Ok(id.clone())
    }

    pub(super) fn create_session(
        &mut self,
        now: Instant,
        token: Option<Secret>,
        e911_id: Option<String>,
    ) -> Result<Answer, Refusal> {
        let token = token.ok_or(Refusal::bad_token())?;
        let user = self.directory.user_of(now, &token).ok_or(Refusal::bad_token())?.clone();
        match (&user, given(e911_id)) {
            (Address::Account { .. }, true) => return Err(Refusal::e911_forbidden()),
            (Address::Number(_), false) => return Err(Refusal::e911_missing()),
            (Address::Account { .. }, false) | (Address::Number(_), true) => {}
        }
        let limits = &self.config.limits;
        if self.sessions_of(&user).count() >= limits.sessions_per_user
            || self.sessions_of(&user).filter(|s| s.token == token).count() >= limits.sessions_per_token
        {
            return Err(Refusal::too_many_sessions());
        }
        if self.sessions.len() >= limits.sessions {
            return Err(Refusal::overloaded());
        }
        let id = self.new_id();
        let session = Session {
            token,
            user: user.clone(),
            outbox: Outbox::new(self.config.hold_back, self.config.limits.events_per_session),
            legs: BTreeMap::new(),
            lost: false,
            expires_at: self.expiry(now),
            lost_at: Some(now + self.config.lost),
            poll: None,
            socket: None,
            ticket: None,
            timer: None,
        };
        self.sessions.insert(id.clone(), session);
        self.of_user.entry(user.clone()).or_default().push(id.clone());
        self.settle(now, &id, &mut Vec::new());
        Ok(Answer::Session { id, expires: self.config.session.as_secs(), user: user.uri() })
    }

    fn expiry(&self, now: Instant) -> Instant {
        now + self.config.session + self.config.poll.min(self.config.session)
    }

    pub(super) fn refresh_session(
        &mut self,
        now: Instant,
        auth: &Auth,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Refusal> {
        let id = self.authorise(now, auth)?;
        let expires_at = self.expiry(now);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.expires_at = expires_at;
        }
        self.settle(now, &id, out);
        Ok(Answer::Refreshed { expires: self.config.session.as_secs() })
    }

    /// Section 2.5. In development mode every non-empty id of a number is valid.
    pub(super) fn associate_e911(
        &mut self,
        now: Instant,
        auth: &Auth,
        e911_id: Option<String>,
    ) -> Result<Answer, Refusal> {
        let id = self.authorise(now, auth)?;
        if e911_id.is_none() {
            return Err(Refusal::invalid("e911Id"));
        }
        match self.sessions.get(&id).map(|s| (&s.user, given(e911_id))) {
            Some((Address::Account { .. }, _)) => Err(Refusal::e911_forbidden()),
            Some((Address::Number(_), false)) => Err(Refusal::e911_invalid()),
            Some((Address::Number(_), true)) | None => Ok(Answer::Done),
        }
    }

    pub(super) fn delete_session(
        &mut self,
        now: Instant,
        auth: &Auth,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Refusal> {
        let repeated = |(id, token): &(Id, Secret)| **id == *auth.session && Some(token) == auth.token.as_ref();
        if self.deleted.iter().any(repeated) {
            return Ok(Answer::Done);
        }
        let id = self.authorise(now, auth)?;
        if let Some(session) = self.end_session(now, &id, PollAnswer::Empty, out) {
            if self.deleted.len() >= REMEMBERED {
                self.deleted.pop_front();
            }
            self.deleted.push_back((id, session.token));
        }
        Ok(Answer::Done)
    }

    /// Removes a session; its calls end and their other parties are told (D-36).
    fn end_session(&mut self, now: Instant, id: &Id, poll: PollAnswer, out: &mut Vec<Output>) -> Option<Session> {
        let mut session = self.sessions.remove(id)?;
        if let Some(at) = session.timer.take() {
            self.timers.remove(&(at, Timer::Session(id.clone())));
        }
        if let Some(ids) = self.of_user.get_mut(&session.user) {
            ids.retain(|other| other != id);
            if ids.is_empty() {
                self.of_user.remove(&session.user);
            }
        }
        if let Some(open) = session.socket.take() {
            let why = if poll == PollAnswer::Gone { SocketEnd::Expired } else { SocketEnd::Ended };
            out.push(Output::CloseSocket { socket: open.id, why });
        }
        if let Some(open) = session.poll.take() {
            out.push(Output::Poll { poll: open.id, answer: poll });
        }
        for (leg, entry) in &session.legs {
            self.leg_gone(now, leg, entry.kind, &entry.call, Gone::SessionEnded, out);
        }
        Some(session)
    }

    pub(super) fn end_doomed(&mut self, now: Instant, out: &mut Vec<Output>) {
        while let Some(id) = self.doomed.pop() {
            self.end_session(now, &id, PollAnswer::Gone, out);
        }
    }

    /// Opens a poll. The newest one wins: an older open one ends with 204 (D-5), a socket is closed (D-38).
    pub(super) fn poll(
        &mut self,
        now: Instant,
        auth: &Auth,
        poll: PollId,
        after: Option<u64>,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Refusal> {
        let id = self.authorise(now, auth)?;
        let until = now + self.config.poll;
        let closing = self.closing;
        let Some(session) = self.sessions.get_mut(&id) else { return Err(Refusal::unknown_session()) };
        if !session.outbox.polled(after) {
            return Err(Refusal::invalid("after"));
        }
        session.replace(out);
        session.poll = Some(OpenPoll { id: poll, until });
        if closing {
            self.end_poll(now, &id, PollAnswer::Empty, out);
        }
        self.settle(now, &id, out);
        Ok(Answer::Polling)
    }

    /// Answers the open poll; from now on the phone is expected to ask again.
    fn end_poll(&mut self, now: Instant, id: &Id, answer: PollAnswer, out: &mut Vec<Output>) {
        let lost = self.config.lost;
        let Some(session) = self.sessions.get_mut(id) else { return };
        if let Some(open) = session.poll.take() {
            session.lost_at = Some(now + lost);
            out.push(Output::Poll { poll: open.id, answer });
        }
    }

    pub(super) fn poll_dropped(&mut self, now: Instant, id: &Id, poll: PollId, out: &mut Vec<Output>) {
        let lost = self.config.lost;
        if let Some(session) = self.sessions.get_mut(id)
            && session.poll.as_ref().is_some_and(|open| open.id == poll)
        {
            session.poll = None;
            session.lost_at = Some(now + lost);
        }
        self.settle(now, id, out);
    }

    pub(super) fn delivered(&mut self, now: Instant, delivery: &Delivery, complete: bool, out: &mut Vec<Output>) {
        let id = match delivery {
            Delivery::Poll { session: id, poll } => {
                if let Some(session) = self.sessions.get_mut(id) {
                    session.outbox.written(now, *poll, complete);
                }
                id
            }
            Delivery::Frame { session: id, socket } => {
                if let Some(session) = self.sessions.get_mut(id) {
                    session.frame_written(now, *socket, complete);
                }
                id
            }
            Delivery::Response { session: id, leg } => {
                if let Some(session) = self.sessions.get_mut(id) {
                    session.outbox.answered(now, leg);
                }
                id
            }
        };
        self.settle(now, id, out);
    }

    /// A lost session that makes a call is there again; it is given up once more when it goes on without asking for
    /// events, so that its call does not outlive it.
    pub(super) fn sign_of_life(&mut self, now: Instant, id: &Id) {
        let lost = self.config.lost;
        if let Some(session) = self.sessions.get_mut(id)
            && session.lost
        {
            session.lost = false;
            session.lost_at = Some(now + lost);
        }
    }

    /// Gives the open poll or socket what may go out, and arms the session's timer.
    pub(super) fn settle(&mut self, now: Instant, id: &Id, out: &mut Vec<Output>) {
        let lost = self.config.lost;
        let Some(session) = self.sessions.get_mut(id) else { return };
        if let Some(open) = session.poll.take() {
            let batch = session.outbox.take(now, open.id);
            if batch.is_empty() {
                session.poll = Some(open);
            } else {
                session.lost_at = Some(now + lost);
                let body = session.encode(batch);
                let delivery = Delivery::Poll { session: id.clone(), poll: open.id };
                out.push(Output::Poll { poll: open.id, answer: PollAnswer::Events { body, delivery } });
            }
        }
        session.feed_socket(now, id, out);
        let next = session.next_deadline(now);
        if session.timer != Some(next) {
            if let Some(old) = session.timer.replace(next) {
                self.timers.remove(&(old, Timer::Session(id.clone())));
            }
            self.timers.insert((next, Timer::Session(id.clone())));
        }
    }

    pub(super) fn session_timeout(&mut self, now: Instant, id: &Id, out: &mut Vec<Output>) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.timer = None;
        if session.expires_at <= now {
            self.end_session(now, id, PollAnswer::Gone, out);
            return;
        }
        if session.lost_at.is_some_and(|at| at <= now) {
            session.lost_at = None;
            session.lost = true;
            let legs: Vec<(Id, Kind, Id)> =
                session.legs.iter().map(|(leg, entry)| (leg.clone(), entry.kind, entry.call.clone())).collect();
            for (leg, kind, call) in legs {
                self.leg_gone(now, &leg, kind, &call, Gone::PhoneLost, out);
            }
        }
        // Events that have just become free go out rather than a 204.
        self.settle(now, id, out);
        if self.sessions.get(id).and_then(|s| s.poll.as_ref()).is_some_and(|open| open.until <= now) {
            self.end_poll(now, id, PollAnswer::Empty, out);
        }
        self.settle(now, id, out);
    }

    /// The session of a leg is out of the game.
    fn leg_gone(&mut self, now: Instant, leg: &Id, kind: Kind, item: &Id, why: Gone, out: &mut Vec<Output>) {
        match kind {
            Kind::Call => self.happen(now, item, Happening::Gone { leg: leg.clone(), why }, out),
            Kind::Conference => self.conference_gone(now, item, leg, why, out),
        }
    }

    /// The gateway stops: nobody waits any longer.
    pub(super) fn close(&mut self, out: &mut Vec<Output>) {
        self.closing = true;
        for session in self.sessions.values_mut() {
            if let Some(open) = session.poll.take() {
                out.push(Output::Poll { poll: open.id, answer: PollAnswer::Empty });
            }
            if let Some(open) = session.socket.take() {
                out.push(Output::CloseSocket { socket: open.id, why: SocketEnd::Stopping });
            }
        }
    }
}
