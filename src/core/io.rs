//! The language the core speaks with the world: what goes in ([`Input`], [`Command`]) and what comes out ([`Output`]).
//!
//! Owns: data types only. Lives on: no thread of its own; values travel between the phone's actor and its workers.
//! Must not import: anything but `std`, `serde_json` and `ewebrtc_wire`; no clock, no I/O.

use ewebrtc_wire::{Direction, Secret};
use serde_json::{Map, Value};
use std::time::Duration;

/// Handle of a call or conference: never used twice, below 2^53 because it travels in JSON (design: lifetime contract).
pub type Handle = u64;

/// Number of a request that the core has asked for; its [`Input::Response`] carries the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Number of a socket that the core has asked for: that of the request whose answer named its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SocketId(pub u64);

/// How a phone hears of events (rest-protocol.md section 2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventChannel {
    /// One request after the other waits at the gateway for events: what every gateway offers.
    #[default]
    LongPoll,
    /// One WebSocket, over which events come as they happen. Where the gateway offers none, or none can be opened, the
    /// phone polls for the rest of the session.
    WebSocket,
}

/// What the core must know before it starts. Everything else arrives by commands.
#[derive(Debug, Clone)]
pub struct CoreConfig {
    /// Domain appended to names and short numbers (`bob` becomes `sip:bob@<domain>`). `None`: the domain of the address
    /// that the gateway names at login, else `ewebrtc.local`.
    pub domain: Option<String>,
    /// Value of `localMedia` where a command gives none (grammar: [`crate::core::media_target`]).
    pub local_media: String,
    /// Value of `remoteMedia` where a command gives none.
    pub remote_media: String,
    /// How to hear of events.
    pub event_channel: EventChannel,
    /// Version text of the library, sent in `x-Arg` and answered by `getVersion`.
    pub version: &'static str,
    /// Seed of the jitter in the back-off; the same seed gives the same waits.
    pub seed: u64,
    /// First handle to give out; the runtime makes handles unique within the process.
    pub first_handle: Handle,
}

/// A wish of the application: one Phone method with its options by name.
#[derive(Debug, Clone)]
pub struct Command {
    /// Text that comes back in every event this command causes.
    pub tag: Option<String>,
    /// Method name as in `methods.json`, namespace Phone (`dial`, `hangup`, ...).
    pub method: String,
    /// The item the command was called on; `None`: the Phone method, which acts on the foreground or pending item.
    pub target: Option<Handle>,
    /// Options and arguments by name. `Null` where the application passed none.
    pub options: Value,
}

/// Why a command was not accepted. [`Refusal::Sdk`] has also been published as exactly one `error` event with the tag;
/// the others are faults of the boundary and cause no event.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// A refusal with a code of `errors.json`.
    Sdk(Box<ErrorObject>),
    /// The handle is not (or no longer) that of a live item.
    NotFound,
    /// The phone has no method of this name.
    UnknownMethod(String),
    /// The phone is closed.
    Closed,
}

/// The error object of the Phone API (rest-protocol.md section 6.2); serialises with the documented field names.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ErrorObject {
    /// Object that reported the error, e.g. `phone`.
    #[serde(rename = "JSObject")]
    pub js_object: String,
    /// Method that reported it, or `*`.
    #[serde(rename = "JSMethod")]
    pub js_method: String,
    /// Code, always text: leading zeros matter.
    pub error_code: String,
    /// One sentence.
    pub error_message: String,
    /// Probable cause.
    pub cause: String,
    /// Suggested remedy.
    pub resolution: String,
    /// The gateway's own text.
    #[serde(rename = "APIError", skip_serializing_if = "Option::is_none", default)]
    pub api_error: Option<String>,
    /// `METHOD url` of the request that failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resource_method: Option<String>,
    /// HTTP status as text; `0` when no answer came at all (P-65).
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub http_status_code: Option<String>,
    /// The gateway's message id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message_id: Option<String>,
    /// Further detail.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub additional_information: Option<String>,
}

/// HTTP method of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
}

/// A request of the REST protocol, ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpRequest {
    /// HTTP method.
    pub verb: Verb,
    /// Path below the resource base (`/sessions/abc/events`), already percent-encoded.
    pub path: String,
    /// Header fields in the protocol's spelling, without `Authorization`.
    pub headers: Vec<(&'static str, String)>,
    /// Token of the `Authorization: Bearer` header.
    pub token: Secret,
    /// JSON body; `None`: no body.
    pub body: Option<String>,
    /// Longest wait for the complete answer.
    pub timeout: Duration,
}

/// A complete answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HttpResponse {
    /// HTTP status.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body, bounded by the sender of this value.
    pub body: Vec<u8>,
}

/// Why no HTTP answer came at all (P-65: refused, reset, timed out, TLS refused).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkFailure {
    /// What kind of failure it was.
    pub kind: NetworkFailureKind,
    /// Detail for `AdditionalInformation`; contains no token.
    pub text: String,
}

/// Kinds of [`NetworkFailure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkFailureKind {
    /// No connection: refused, unreachable, name not found.
    Connect,
    /// The TLS handshake or the certificate was refused.
    Tls,
    /// The connection broke before the answer was complete.
    Reset,
    /// [`HttpRequest::timeout`] elapsed.
    Timeout,
    /// The answer was larger than allowed, or no HTTP.
    Malformed,
}

/// Something that happened outside.
#[derive(Debug, Clone)]
pub enum Input {
    /// The outcome of a request, exactly one for each that was not cancelled.
    Response {
        /// The request.
        id: RequestId,
        /// Its answer, or why there is none.
        result: Result<HttpResponse, NetworkFailure>,
    },
    /// News of a socket; nothing follows [`SocketNews::Closed`].
    Socket {
        /// The socket.
        id: SocketId,
        /// The news.
        news: SocketNews,
    },
    /// News of an item's media leg.
    Media {
        /// The item.
        item: Handle,
        /// The news.
        report: MediaReport,
    },
    /// The operating system's (or the host's) word on connectivity.
    Connectivity {
        /// True: online.
        online: bool,
    },
    /// Addresses that this machine had, other than loopback, are gone.
    AddressesGone,
    /// The application closes the phone: end everything without waiting for the gateway beyond a short grace period.
    Close,
}

/// What a socket has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketNews {
    /// The handshake is done.
    Opened,
    /// A message, bounded by the sender of this value.
    Message(Vec<u8>),
    /// It is over, or never came to be.
    Closed(SocketEnd),
}

/// How a socket ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketEnd {
    /// The handshake was answered with this HTTP status.
    Refused(u16),
    /// It could not be opened.
    Failed(NetworkFailure),
    /// It was open, and was closed by the other side, broke, or went silent.
    Ended,
}

/// What the core wants done with a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketOrder {
    /// Send this text.
    Send(String),
    /// Find out whether the other side is still there: the socket ends when nothing is heard from it.
    Probe,
    /// Close it; nothing more is to be told of it.
    Close,
}

/// What the media side tells about one item.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaReport {
    /// The local description asked for by the oldest order for one is complete.
    LocalDescription {
        /// Complete SDP.
        sdp: String,
    },
    /// The remote answer of [`MediaOrder::ApplyAnswer`] is in force.
    Applied,
    /// The oldest order that has an outcome and has not reported it failed. A later order is carried out all the same.
    Failed {
        /// Which code the failure has.
        kind: MediaFailure,
        /// Detail for `AdditionalInformation`.
        text: String,
    },
    /// The first audio was really decoded.
    FirstAudio,
    /// No packet came for five seconds.
    Interrupted,
    /// Packets come again after [`MediaReport::Interrupted`].
    Recovered,
    /// A key of the oldest [`MediaOrder::Tones`] begins to sound.
    ToneBegan {
        /// The key.
        key: char,
    },
    /// It has been sent to its end, or was cut off by a change; or a pause, which does not begin, is over.
    ToneEnded,
    /// No tone that was ordered and has not ended will be sent.
    TonesRefused {
        /// Detail for `AdditionalInformation`.
        text: String,
    },
    /// The other side has pressed a key; once for each.
    KeyHeard {
        /// The key.
        key: char,
    },
    /// The transport is lost for good.
    Lost {
        /// Detail.
        text: String,
    },
}

/// Kinds of media failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaFailure {
    /// The source or sink cannot be had: error 0020.
    Denied,
    /// The description or the transport: the error 0000 of the catalogue.
    Internal,
}

/// What the core wants the media side to do with one item's leg. Orders of one item are carried out in order.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaOrder {
    /// Make the leg and a complete offer.
    Offer {
        /// Validated `localMedia`.
        local: String,
        /// Validated `remoteMedia`.
        remote: String,
        /// With video, which `localMedia` names a source for.
        video: bool,
    },
    /// Make the leg and a complete answer to this offer.
    Answer {
        /// The offer.
        offer: String,
        /// Validated `localMedia`.
        local: String,
        /// Validated `remoteMedia`.
        remote: String,
        /// With video; without, video in the offer is refused.
        video: bool,
    },
    /// Make a complete offer on the leg that is there. Until its answer comes, everything stays as agreed before; a later
    /// order for a description replaces it.
    OfferAgain {
        /// Direction of the audio.
        audio: Direction,
        /// Direction of the video; `None`: the call has none and gets none.
        video: Option<Direction>,
    },
    /// Make a complete offer for a party that is not known yet, by a connection of its own beside the one that is there
    /// (section 5.10: the target of a transfer). The old one carries the media until the answer is in force and the new
    /// connection is up.
    OfferToAnother {
        /// Direction of the audio.
        audio: Direction,
        /// Direction of the video; `None`: the call has none and gets none.
        video: Option<Direction>,
    },
    /// The offer of [`MediaOrder::OfferToAnother`] came to nothing: what was made for it goes, the old connection stays.
    Withdraw,
    /// Make a complete answer to a later offer on the leg that is there. The offer may be that of another party than before.
    AnswerAgain {
        /// The offer.
        offer: String,
        /// What we are willing to do with audio; the answer keeps to what the offer allows of it.
        audio: Direction,
        /// The same for video; `None`: video in the offer is refused.
        video: Option<Direction>,
    },
    /// Put the remote answer in force.
    ApplyAnswer {
        /// The answer.
        sdp: String,
    },
    /// Early media: the sink starts. The source does not, since the other side has not answered.
    Listen,
    /// The call is connected: the source starts, and the sink unless it has started.
    Activate,
    /// Send silence instead of the source, or the source again.
    Mute(bool),
    /// Send no video, or the source again from its beginning.
    Hide(bool),
    /// Append these keys and pauses to what is still to be sent as telephone events. Each is reported; while nothing may be
    /// sent (a hold), they wait.
    Tones {
        /// `0-9`, `A-D`, `*`, `#`, and `,` for a pause.
        keys: String,
        /// The pause between two keys.
        gap: Duration,
    },
    /// End the leg.
    Close,
}

/// What the core wants done, in order.
#[derive(Debug, Clone)]
pub enum Output {
    /// Send this request and answer with [`Input::Response`].
    Request {
        /// Number for the response.
        id: RequestId,
        /// The request.
        request: HttpRequest,
    },
    /// Nobody waits for this request any more; no response is expected.
    CancelRequest {
        /// The request.
        id: RequestId,
    },
    /// Open a WebSocket and tell of it by [`Input::Socket`].
    OpenSocket {
        /// Number for the news.
        id: SocketId,
        /// Its address as the gateway named it, `ws:` or `wss:`.
        url: String,
    },
    /// An order for a socket; one that has ended has nothing to do.
    Socket {
        /// The socket.
        id: SocketId,
        /// The order.
        order: SocketOrder,
    },
    /// An order for an item's media.
    Media {
        /// The item.
        item: Handle,
        /// The order.
        order: MediaOrder,
    },
    /// Publish this event. `event`, `seq` and `timestamp` are added by the runtime.
    Event(Event),
    /// The phone has closed; the event `phone:closed` precedes this. Nothing follows.
    Closed,
}

/// A fact that has happened, as the application will see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Name as in `events.json`, or one of our own additions.
    pub name: &'static str,
    /// The item it is about.
    pub item: Option<ItemRef>,
    /// Tag of the command that caused it.
    pub tag: Option<String>,
    /// Properties, spelled as documented.
    pub data: Map<String, Value>,
    /// How long before its publication the thing happened that `timestamp` is to be that of.
    pub age: Duration,
}

/// Kind and handle of the item an event is about; becomes the member `call` or `conference`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemRef {
    /// A call of two parties.
    Call(Handle),
    /// A conference.
    Conference(Handle),
}
