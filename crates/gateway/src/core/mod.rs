//! The gateway without a network: users, tokens, sessions, calls and what waits to be delivered.
//!
//! Owns: [`Core`], the one owner of all state. Lives on: whichever thread holds the shell's lock; nothing in here blocks.
//! Must not import: anything of the HTTP shell, tokio, axum, `ewebrtc_media`; it reads no clock, time is an argument.
//!
//! Reading order: `request` for what goes in and out, `directory` (who exists), `session` (login and the event
//! channel), `socket` (the channel as a WebSocket), `outbox` (delivery rules R1 to R7); `call`, `talk` and `moving` (the
//! machine of one call: ringing, connected, moving), `describe` (descriptions made in the name of a silent phone), `anchor`
//! (calls whose media ends here); `ring`, `modify` and `transfer` (what requests do to calls), `effects` (what calls do to
//! sessions); `conference` and `confer` (the same two for conferences).
//!
//! Nothing grows without bound; every limit stands in [`Limits`] with its reason and what happens when it is reached.

mod anchor;
mod call;
mod confer;
mod conference;
mod describe;
mod directory;
mod effects;
mod lines;
mod mixing;
mod modify;
mod moving;
mod outbox;
mod relay;
mod request;
mod ring;
mod session;
mod socket;
mod talk;
#[cfg(test)]
mod tests;
mod transfer;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ewebrtc_wire::{Address, Secret};

use call::{Call, Happening};
use conference::Conference;
use directory::Directory;
use session::Session;

pub use anchor::{AnchorEnd, AnchorTask, Ticket};
pub use mixing::{MixerNews, MixerTask, Service};
pub use relay::relay_sdp;
pub use request::{Answer, Auth, Delivery, Input, Output, PollAnswer, PollId, Refusal, Request, SocketEnd, TokenGrant};

/// An id on the wire: of a session, a leg or a call. Unreserved characters only, because original clients put ids into
/// URLs without encoding them (rest-protocol.md section 1.4).
pub type Id = Arc<str>;

/// Name of the service that answers by itself and sends the caller's audio back (account `echo@<domain>`).
pub const ECHO: &str = "echo";

/// How the names of rooms begin: whoever calls `room-<name>@<domain>` meets all others who do.
pub const ROOM: &str = "room-";

/// The service behind an account's name, if there is one.
pub(crate) fn service(user: &str) -> Option<Service> {
    match user {
        ECHO => Some(Service::Echo),
        _ => user.strip_prefix(ROOM).filter(|name| !name.is_empty()).map(|_| Service::Room(user.to_owned())),
    }
}

/// What the core is told once.
#[derive(Debug, Clone)]
pub struct CoreConfig {
    /// Domain of the accounts, in lower case.
    pub domain: String,
    /// Lifetime of a session without a refresh (`x-expires`, D-2).
    pub session: Duration,
    /// How long an unanswered call rings (D-35).
    pub ring: Duration,
    /// How long a modification waits for the other side (D-17).
    pub modification: Duration,
    /// How long each step of a transfer may take (section 5.10).
    pub transfer: Duration,
    /// How long the mixer may take for a description of a conference's leg.
    pub mixer: Duration,
    /// How long a poll is held before it is answered 204 (D-4).
    pub poll: Duration,
    /// How long nobody may ask for a session's events before its phone counts as lost.
    pub lost: Duration,
    /// How long the events of a leg wait after the leg's own request was answered (D-6).
    pub hold_back: Duration,
    /// Lifetime of a token.
    pub token: Duration,
    /// Audio calls between phones get a ringback tone, for which their media ends here (section 4.10).
    pub ringback: bool,
    /// Bounds.
    pub limits: Limits,
}

/// Bounds of everything that a client can make grow.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Users known in development mode. When full, a token for a new user is refused with 503.
    pub users: usize,
    /// Valid tokens of all users. When full, a new token is refused with 503.
    pub tokens: usize,
    /// Valid tokens of one user. When full, the oldest token without a session is forgotten (its next use is 401).
    pub tokens_per_user: usize,
    /// Sessions of one token (D-11). When full, 403 POL1100.
    pub sessions_per_token: usize,
    /// Sessions of one user over all tokens: all of them ring for each call. When full, 403 POL1100.
    pub sessions_per_user: usize,
    /// Sessions of the gateway. When full, 503 without a RequestError (D-40).
    pub sessions: usize,
    /// Running legs of one session; original clients have at most two, bots may have more. When full, 400 SVC0001.
    pub legs_per_session: usize,
    /// Conferences of the gateway. When full, 503 without a RequestError (D-40).
    pub conferences: usize,
    /// Participants of one conference beside its host, invited ones among them. When full, 403 POL0003.
    pub conference_participants: usize,
    /// Invitations of one conference that nobody has answered yet. When full, 403 POL0003.
    pub conference_invitations: usize,
    /// Events of one session that wait or are not acknowledged. A phone that lets so many pile up does not read its
    /// channel: when full, the session ends as if it had expired.
    pub events_per_session: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            users: 10_000,
            tokens: 100_000,
            tokens_per_user: 200,
            sessions_per_token: 10,
            sessions_per_user: 32,
            sessions: 20_000,
            legs_per_session: 16,
            conferences: 1_000,
            conference_participants: 50,
            conference_invitations: 20,
            events_per_session: 256,
        }
    }
}

/// A deadline belongs to a session, to a call or to a conference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Session(Id),
    Call(Id),
    Conference(Id),
}

/// Makes ids; unpredictable in production, counted in tests.
pub type IdSource = Box<dyn FnMut() -> String + Send>;

/// All state of a gateway.
///
/// Feed it with [`Core::handle`] (requests of clients), [`Core::input`] (facts from the shell) and, when
/// [`Core::poll_timeout`] has come, [`Core::handle_timeout`]; carry out the [`Output`]s in order.
pub struct Core {
    config: CoreConfig,
    ids: IdSource,
    directory: Directory,
    sessions: HashMap<Id, Session>,
    of_user: HashMap<Address, Vec<Id>>,
    calls: HashMap<Id, Call>,
    conferences: HashMap<Id, Conference>,
    /// The conferences of seats that services have.
    service_seats: HashMap<Id, Id>,
    timers: BTreeSet<(Instant, Timer)>,
    /// Sessions deleted a short while ago, so that a repeated DELETE is answered 204 (section 2.4).
    deleted: VecDeque<(Id, Secret)>,
    /// Sessions whose outbox overflowed while another one was served.
    doomed: Vec<Id>,
    closing: bool,
}

/// Deleted sessions that are remembered: enough for a repetition within seconds, no more.
const REMEMBERED: usize = 1024;

impl Core {
    /// An empty gateway.
    pub fn new(config: CoreConfig, ids: IdSource) -> Self {
        Self {
            config,
            ids,
            directory: Directory::default(),
            sessions: HashMap::new(),
            of_user: HashMap::new(),
            calls: HashMap::new(),
            conferences: HashMap::new(),
            service_seats: HashMap::new(),
            timers: BTreeSet::new(),
            deleted: VecDeque::new(),
            doomed: Vec::new(),
            closing: false,
        }
    }

    /// Carries out a client's request.
    ///
    /// # Errors
    /// A [`Refusal`] with status and message id; nothing has changed then.
    pub fn handle(&mut self, now: Instant, request: Request, out: &mut Vec<Output>) -> Result<Answer, Refusal> {
        let answer = match request {
            Request::IssueToken { user } => self.issue_token(now, &user),
            Request::Authorise { auth } => self.authorise(now, &auth).map(|_| Answer::Done),
            Request::CheckToken { token } => self.check_token(now, token),
            Request::Associate { token, user_id } => self.associate(now, token, &user_id),
            Request::CreateSession { token, e911_id } => self.create_session(now, token, e911_id),
            Request::RefreshSession { auth } => self.refresh_session(now, &auth, out),
            Request::AssociateE911 { auth, e911_id } => self.associate_e911(now, &auth, e911_id),
            Request::DeleteSession { auth } => self.delete_session(now, &auth, out),
            Request::Poll { auth, poll, after } => self.poll(now, &auth, poll, after, out),
            Request::OpenSocket { auth, after } => self.open_socket(now, &auth, after),
            Request::JoinSocket { session, ticket, socket } => self.join_socket(now, &session, &ticket, socket, out),
            Request::CreateCall { auth, called_party, sdp } => self.create_call(now, &auth, called_party, sdp, out),
            Request::AnswerCall { auth, leg, sdp } => self.answer_call(now, &auth, &leg, sdp, out),
            Request::ModifyCall { auth, leg, sdp } => self.modify_call(now, &auth, &leg, sdp, out),
            Request::MoveCall { auth, leg, sdp } => self.move_call(now, &auth, &leg, sdp, out),
            Request::AcceptModification { auth, leg, mod_id, sdp } => {
                self.accept_modification(now, &auth, &leg, mod_id, Some(sdp), out)
            }
            Request::RejectModification { auth, leg, mod_id } => {
                self.accept_modification(now, &auth, &leg, mod_id, None, out)
            }
            Request::TransferCall { auth, leg, target, sdp } => self.transfer_call(now, &auth, &leg, target, sdp, out),
            Request::EndCall { auth, leg, reason } => self.end_call(now, &auth, &leg, reason, out),
            Request::CreateConference { auth, sdp } => self.create_conference(now, &auth, sdp, out),
            Request::JoinConference { auth, leg, sdp } => self.join_conference(now, &auth, &leg, sdp, out),
            Request::ModifyConference { auth, leg, sdp } => self.modify_conference(now, &auth, &leg, sdp, out),
            Request::Invite { auth, leg, uri } => self.invite(now, &auth, &leg, &uri, out),
            Request::Expel { auth, leg, uri } => self.expel(now, &auth, &leg, &uri, out),
            Request::LeaveConference { auth, leg, reason } => self.leave_conference(now, &auth, &leg, reason, out),
        };
        self.end_doomed(now, out);
        answer
    }

    /// Takes note of a fact: a poll that nobody waits for any more, a socket that closed, a response written or lost, an
    /// answer of the echo or of an anchor.
    pub fn input(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::PollDropped { session, poll } => self.poll_dropped(now, &session, poll, out),
            Input::SocketClosed { session, socket } => self.socket_closed(now, &session, socket, out),
            Input::Acknowledged { session, socket, after } => self.acknowledged(now, &session, socket, after, out),
            Input::Written(delivery) => self.delivered(now, &delivery, true, out),
            Input::WriteFailed(delivery) => self.delivered(now, &delivery, false, out),
            Input::EchoAnswered { call, answer } => self.echo_answered(now, &call, answer, out),
            Input::EchoModified { call, mod_id, answer } => self.echo_modified(now, &call, &mod_id, answer, out),
            Input::AnchorReady { call, made } => self.anchor_ready(now, &call, made, out),
            Input::AnchorSaid { call, ticket, sdp } => self.anchor_said(now, &call, &ticket, sdp, out),
            Input::AnchorFailed { call } => self.happen(now, &call, Happening::AnchorFailed, out),
            Input::Mixer(news) => self.mixer_news(now, news, out),
            Input::Closing => self.close(out),
        }
        self.end_doomed(now, out);
    }

    /// When [`Core::handle_timeout`] has something to do next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Lets everything happen that is due: releases, polls to answer, calls nobody answered, sessions that ended.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Output>) {
        while let Some((at, timer)) = self.timers.first().cloned() {
            if at > now {
                break;
            }
            self.timers.remove(&(at, timer.clone()));
            match timer {
                Timer::Session(id) => self.session_timeout(now, &id, out),
                Timer::Call(id) => self.call_timeout(now, &id, out),
                Timer::Conference(id) => self.conference_timeout(now, &id, out),
            }
        }
        self.end_doomed(now, out);
    }

    /// Running sessions, for logs and tests.
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Running calls, for logs and tests.
    pub fn call_count(&self) -> usize {
        self.calls.len()
    }

    /// Running conferences, for logs and tests.
    pub fn conference_count(&self) -> usize {
        self.conferences.len()
    }

    /// True when the call is running; the shell asks before it keeps an echo's connection.
    pub fn has_call(&self, call: &Id) -> bool {
        self.calls.contains_key(call)
    }

    fn new_id(&mut self) -> Id {
        (self.ids)().into()
    }
}
