//! What goes into the core and what comes out.
//!
//! Owns: the plain types at the core's edge. Lives on: any thread. Must not import: anything but `ewebrtc_wire`.

use ewebrtc_wire::{DeleteReason, RequestError, Secret};

use super::Id;
use super::anchor::{AnchorTask, Ticket};
use super::mixing::{MixerNews, MixerTask, Service};

/// Number of a poll or of a socket, given by the shell, never used twice.
pub type PollId = u64;

/// Whose session a request is about, and the token it came with.
#[derive(Debug, Clone)]
pub struct Auth {
    /// Session id of the path.
    pub session: String,
    /// Token of the `Authorization` header; `None` when the header is missing or no bearer.
    pub token: Option<Secret>,
}

/// A client's request. Bodies are read by the shell; `None` is a missing member.
#[derive(Debug, Clone)]
pub enum Request {
    /// Development mode: another token of this user, who exists from now on.
    IssueToken {
        /// Any spelling of D-24.
        user: String,
    },
    /// Checks session and token only, before a body is looked at.
    Authorise {
        /// Session and token.
        auth: Auth,
    },
    /// Checks a token only, before a body is looked at.
    CheckToken {
        /// Bearer token.
        token: Option<Secret>,
    },
    /// Section 2.1.
    Associate {
        /// Bearer token.
        token: Option<Secret>,
        /// Any spelling of D-24.
        user_id: String,
    },
    /// Section 2.2.
    CreateSession {
        /// Bearer token.
        token: Option<Secret>,
        /// Header `x-e911Id`.
        e911_id: Option<String>,
    },
    /// Section 2.3.
    RefreshSession {
        /// Session and token.
        auth: Auth,
    },
    /// Section 2.5.
    AssociateE911 {
        /// Session and token.
        auth: Auth,
        /// Member `e911Id` of the body.
        e911_id: Option<String>,
    },
    /// Section 2.4.
    DeleteSession {
        /// Session and token.
        auth: Auth,
    },
    /// Section 2.6.1. The answer comes as [`Output::Poll`].
    Poll {
        /// Session and token.
        auth: Auth,
        /// Names the poll in [`Output::Poll`].
        poll: PollId,
        /// `?after=N`: the client asks for event numbers and has every event up to `N`.
        after: Option<u64>,
    },
    /// Section 2.6.2, D-38: asks for the one-time id of a socket.
    OpenSocket {
        /// Session and token.
        auth: Auth,
        /// `?after=N`: as in [`Request::Poll`].
        after: Option<u64>,
    },
    /// The socket itself: its one-time id stands for the token. Events come as [`Output::Frame`].
    JoinSocket {
        /// Session id of the path.
        session: String,
        /// The one-time id.
        ticket: String,
        /// Names the socket in outputs and inputs.
        socket: PollId,
    },
    /// Section 2.7.1.
    CreateCall {
        /// Session and token.
        auth: Auth,
        /// Member `calledParty`.
        called_party: Option<String>,
        /// Member `sdp`.
        sdp: Option<String>,
    },
    /// Section 2.7.3.
    AnswerCall {
        /// Session and token.
        auth: Auth,
        /// Call id of the path.
        leg: String,
        /// Member `sdp`.
        sdp: Option<String>,
    },
    /// Hold, resume, upgrade, downgrade (sections 2.7.4, 2.7.5, 2.7.7); the description says which.
    ModifyCall {
        /// Session and token.
        auth: Auth,
        /// Call id of the path.
        leg: String,
        /// Member `sdp`.
        sdp: Option<String>,
    },
    /// Section 2.7.6.
    MoveCall {
        /// Session and token.
        auth: Auth,
        /// Call id of the path.
        leg: String,
        /// Member `sdp`.
        sdp: Option<String>,
    },
    /// Section 2.7.8.
    AcceptModification {
        /// Session and token.
        auth: Auth,
        /// Call id of the path.
        leg: String,
        /// Header `x-modId`.
        mod_id: Option<String>,
        /// Member `sdp`.
        sdp: Option<String>,
    },
    /// Section 2.7.9, D-15.
    RejectModification {
        /// Session and token.
        auth: Auth,
        /// Call id of the path.
        leg: String,
        /// Header `x-modId`.
        mod_id: Option<String>,
    },
    /// Section 2.7.10.
    TransferCall {
        /// Session and token.
        auth: Auth,
        /// Call id of the path: the held call.
        leg: String,
        /// Header `x-transferTargetCallId`: the other call.
        target: Option<String>,
        /// Member `sdp`.
        sdp: Option<String>,
    },
    /// Section 2.7.11.
    EndCall {
        /// Session and token.
        auth: Auth,
        /// Call id of the path.
        leg: String,
        /// Header `x-delete-reason`.
        reason: DeleteReason,
    },
    /// Section 2.7.2.
    CreateConference {
        /// Session and token.
        auth: Auth,
        /// Member `sdp`.
        sdp: Option<String>,
    },
    /// Section 2.7.3 on a conference.
    JoinConference {
        /// Session and token.
        auth: Auth,
        /// Conference id of the path.
        leg: String,
        /// Member `sdp`.
        sdp: Option<String>,
    },
    /// Hold and resume of a conference's leg.
    ModifyConference {
        /// Session and token.
        auth: Auth,
        /// Conference id of the path.
        leg: String,
        /// Member `sdp`.
        sdp: Option<String>,
    },
    /// Section 2.7.12.
    Invite {
        /// Session and token.
        auth: Auth,
        /// Conference id of the path.
        leg: String,
        /// Whom, from the path.
        uri: String,
    },
    /// Section 2.7.13.
    Expel {
        /// Session and token.
        auth: Auth,
        /// Conference id of the path.
        leg: String,
        /// Whom, from the path.
        uri: String,
    },
    /// Section 2.7.11 on a conference.
    LeaveConference {
        /// Session and token.
        auth: Auth,
        /// Conference id of the path.
        leg: String,
        /// Header `x-delete-reason`.
        reason: DeleteReason,
    },
}

/// What the shell has to report, besides requests.
#[derive(Debug, Clone)]
pub enum Input {
    /// Nobody waits for this poll any more; its answer had not been given.
    PollDropped {
        /// Session of the poll.
        session: Id,
        /// The poll.
        poll: PollId,
    },
    /// A socket is closed, or was never opened.
    SocketClosed {
        /// Session of the socket.
        session: Id,
        /// The socket.
        socket: PollId,
    },
    /// The phone at a socket has every event up to this number.
    Acknowledged {
        /// Session of the socket.
        session: Id,
        /// The socket.
        socket: PollId,
        /// The number.
        after: u64,
    },
    /// A response has been handed to the operating system completely.
    Written(Delivery),
    /// A response was lost before that.
    WriteFailed(Delivery),
    /// The echo made an answer, or could not.
    EchoAnswered {
        /// The call.
        call: Id,
        /// The answer's SDP.
        answer: Option<String>,
    },
    /// The echo answered a modification, or could not.
    EchoModified {
        /// The call.
        call: Id,
        /// The modification, as it was named to the echo.
        mod_id: Id,
        /// The answer's SDP.
        answer: Option<String>,
    },
    /// The anchor of a call has answered the caller and made an offer for the callee, or could not.
    AnchorReady {
        /// The call.
        call: Id,
        /// The answer and the offer.
        made: Option<(String, String)>,
    },
    /// The anchor has made a description, or could not.
    AnchorSaid {
        /// The call.
        call: Id,
        /// As it came with the task.
        ticket: Ticket,
        /// The description.
        sdp: Option<String>,
    },
    /// The anchor of a call cannot be used (any longer).
    AnchorFailed {
        /// The call.
        call: Id,
    },
    /// The mixer has something to say.
    Mixer(MixerNews),
    /// The gateway stops: open polls and all later ones end with 204, sockets are closed.
    Closing,
}

/// Names the response whose writing matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// Events for a poll: what is not written is delivered again (R7, D-5).
    Poll {
        /// Session of the poll.
        session: Id,
        /// The poll.
        poll: PollId,
    },
    /// A frame of a socket; likewise.
    Frame {
        /// Session of the socket.
        session: Id,
        /// The socket.
        socket: PollId,
    },
    /// The answer to a leg's own request: the leg's events wait for it (R3, R4, D-6).
    Response {
        /// Session of the leg.
        session: Id,
        /// The leg.
        leg: Id,
    },
}

/// A token of development mode.
#[derive(Debug, Clone)]
pub struct TokenGrant {
    /// The token.
    pub token: Secret,
    /// Lifetime in seconds.
    pub expires_in: u64,
    /// The user as asked for.
    pub user: String,
    /// `ACCOUNT_ID` or `VIRTUAL_NUMBER` (section 1.5).
    pub kind: &'static str,
    /// `sip:user@domain` or `tel:+1…`.
    pub address: String,
}

/// A request that was carried out.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Nothing to tell.
    Done,
    /// A new token.
    Token(TokenGrant),
    /// A new session.
    Session {
        /// Its id.
        id: Id,
        /// Lifetime in seconds.
        expires: u64,
        /// Address of its user.
        user: String,
    },
    /// A refreshed session.
    Refreshed {
        /// Lifetime in seconds.
        expires: u64,
    },
    /// The poll's answer follows as [`Output::Poll`].
    Polling,
    /// A socket may be opened with this one-time id.
    Ticket {
        /// The id.
        ticket: Id,
    },
    /// A new call.
    Call {
        /// Session and id of its leg; to be reported when the response is written.
        delivery: Delivery,
        /// Path of the leg.
        location: String,
    },
    /// Somebody was invited into a conference.
    Invited {
        /// To be reported when the response is written.
        delivery: Delivery,
        /// Names the invitation in the events that follow.
        mod_id: Id,
    },
    /// A request about an existing leg was carried out.
    Leg {
        /// To be reported when the response is written; `None` when no leg is known.
        delivery: Option<Delivery>,
    },
}

/// What the shell has to do.
#[derive(Debug, Clone)]
pub enum Output {
    /// Answer a poll.
    Poll {
        /// The poll.
        poll: PollId,
        /// Its answer.
        answer: PollAnswer,
    },
    /// Send this text over a socket; the next one comes when it was reported as written.
    Frame {
        /// The socket.
        socket: PollId,
        /// JSON text.
        body: String,
        /// To be reported when written or lost.
        delivery: Delivery,
    },
    /// Close a socket; nothing is owed about it any more.
    CloseSocket {
        /// The socket.
        socket: PollId,
        /// Why.
        why: SocketEnd,
    },
    /// Let a service answer this offer; from then on it is the call's echo.
    EchoStart {
        /// The call.
        call: Id,
        /// Which.
        service: Service,
        /// The caller's offer.
        offer: String,
    },
    /// Let the echo answer this later offer.
    EchoModify {
        /// The call.
        call: Id,
        /// Names the modification.
        mod_id: Id,
        /// The other side's offer.
        offer: String,
    },
    /// The call is over; drop the echo's connection.
    EchoStop {
        /// The call.
        call: Id,
    },
    /// Make an anchor for a call that begins: a ringback tone for the caller, an offer for the callee.
    AnchorStart {
        /// The call.
        call: Id,
        /// The caller's offer.
        offer: String,
    },
    /// Let the anchor of a call do something, after what it was asked before.
    Anchor {
        /// The call.
        call: Id,
        /// What.
        task: AnchorTask,
    },
    /// The call is over or needs its anchor no more; drop it when it has done what it was asked before. May also come for a
    /// call whose anchor could not be made.
    AnchorStop {
        /// The call.
        call: Id,
    },
    /// The mixer has something to do.
    Mixer(MixerTask),
}

/// How a poll ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PollAnswer {
    /// 200 with this body; its writing is to be reported as this delivery.
    Events {
        /// JSON text.
        body: String,
        /// To be reported when written or lost.
        delivery: Delivery,
    },
    /// 204.
    Empty,
    /// 404: the session expired.
    Gone,
}

/// Why a socket is closed by the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketEnd {
    /// Another socket or a poll of the session has taken its place.
    Replaced,
    /// The session was deleted.
    Ended,
    /// The session expired.
    Expired,
    /// The gateway stops.
    Stopping,
}

/// A refused request: status and error body (section 6). Only pairs of section 6.4 are ever used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Message id; `None`: no RequestError, because the table has no pair for the status.
    pub message_id: Option<&'static str>,
    /// One sentence; `%1` stands for `variables`.
    pub text: &'static str,
    /// Name of the part at fault.
    pub variables: &'static str,
}

impl Refusal {
    const fn new(status: u16, message_id: &'static str, text: &'static str, variables: &'static str) -> Self {
        Self { status, message_id: Some(message_id), text, variables }
    }

    /// A status without a RequestError: section 6.4 has no entry for it.
    pub const fn plain(status: u16, text: &'static str) -> Self {
        Self { status, message_id: None, text, variables: "" }
    }

    /// 404 with an empty id: no such session (D-9).
    pub const fn unknown_session() -> Self {
        Self::new(404, "", "Session id not found", "")
    }

    /// 404 with an empty id: no such resource.
    pub const fn not_found() -> Self {
        Self::new(404, "", "Resource not found", "")
    }

    /// 401 POL0001: token missing or unknown (D-10).
    pub const fn bad_token() -> Self {
        Self::new(401, "POL0001", "The access token is missing, invalid or expired", "")
    }

    /// 403 POL1102: another token's session (D-10).
    pub const fn foreign_session() -> Self {
        Self::new(403, "POL1102", "The session does not belong to this access token", "")
    }

    /// 403 POL1100: too many sessions (D-11).
    pub const fn too_many_sessions() -> Self {
        Self::new(403, "POL1100", "The user has too many sessions", "")
    }

    /// 400 SVC0002: a part is missing or malformed.
    pub const fn invalid(part: &'static str) -> Self {
        Self::new(400, "SVC0002", "Invalid input value for message part %1", part)
    }

    /// 400 SVC0003: a value outside its enumeration.
    pub const fn outside(part: &'static str) -> Self {
        Self::new(400, "SVC0003", "Invalid input value for message part %1, not one of the valid values", part)
    }

    /// 400 SVC0001: a service error.
    pub const fn service(what: &'static str) -> Self {
        Self::new(400, "SVC0001", "A service error has occurred, error code is %1", what)
    }

    /// 400 SVC0004: no address.
    pub const fn bad_address() -> Self {
        Self::new(400, "SVC0004", "No valid addresses provided in message part %1", "calledParty")
    }

    /// 400 SVC0004: no address of a participant.
    pub const fn bad_participant() -> Self {
        Self::new(400, "SVC0004", "No valid addresses provided in message part %1", "participant")
    }

    /// 403 POL0001: only the host invites and removes (phone-behaviour.md section 22, D28).
    pub const fn host_only() -> Self {
        Self::new(403, "POL0001", "Only the host of a conference may do this", "")
    }

    /// 403 POL0003: a bound of a conference is reached.
    pub const fn too_many(what: &'static str) -> Self {
        Self::new(403, "POL0003", "Too many %1", what)
    }

    /// 409 SVC8501: one modification of a call at a time (D-14).
    pub const fn modification_running() -> Self {
        Self::new(409, "SVC8501", "A modification of the call is in progress", "")
    }

    /// 404 SVC8514: no such user id.
    pub const fn unknown_user() -> Self {
        Self::new(404, "SVC8514", "The user id is not known", "userId")
    }

    /// 400 SVC8510: e911 id given for an account (D-26).
    pub const fn e911_forbidden() -> Self {
        Self::new(400, "SVC8510", "An e911 id must not be given for this user", "x-e911Id")
    }

    /// 400 SVC8511: e911 id missing (D-26).
    pub const fn e911_missing() -> Self {
        Self::new(400, "SVC8511", "An e911 id must be given for this user", "x-e911Id")
    }

    /// 400 SVC0019: e911 id invalid (D-26).
    pub const fn e911_invalid() -> Self {
        Self::new(400, "SVC0019", "The e911 id is not valid", "e911Id")
    }

    /// 503 without a RequestError: a limit of the whole gateway is reached (D-40).
    pub const fn overloaded() -> Self {
        Self::plain(503, "The gateway is full, try again later")
    }

    /// 501 without a RequestError: part of the protocol, but not of this gateway yet.
    pub const fn not_built() -> Self {
        Self::plain(501, "This gateway does not offer the requested operation")
    }

    /// The error body, where there is one.
    pub fn body(&self) -> Option<String> {
        self.message_id.map(|id| RequestError::new(id, self.text, self.variables).to_json())
    }
}
