//! The requests in flight: what each is for, and how the protocol's requests are written.
//!
//! Owns: [`Requests`], [`Purpose`]. Lives on: the phone's actor. Must not import: anything but the wire crate and `io`.

use super::io::{Handle, HttpRequest, Output, RequestId, Verb};
use ewebrtc_wire::{Address, BASE_PATH, CallAction, ConferenceAction, DeleteReason, Kind, Secret, header, path};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest wait for the answer of a poll: above the 25 to 30 s for which a gateway holds it (D-4).
pub const POLL_TIMEOUT: Duration = Duration::from_secs(40);
/// Longest wait for the answer of any other request.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// What a request in flight is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Bind the token to the user id.
    Associate,
    /// Create the session.
    CreateSession,
    /// Refresh the session.
    Refresh,
    /// Delete the session at logout or close.
    DeleteSession,
    /// Associate an e911 id; the tag of the command.
    AssociateE911 { tag: Option<String> },
    /// The poll of the event channel.
    Poll,
    /// Ask for the address of a WebSocket for the event channel.
    OpenSocket,
    /// Create a call or conference.
    CreateCall { item: Handle, kind: Kind },
    /// Answer a call, join a conference.
    AnswerCall { item: Handle },
    /// Invite a party to a conference: number of the request, key and address of the party.
    Invite { item: Handle, number: u64, key: String, address: Option<Box<Address>> },
    /// Remove a party from a conference.
    Expel { item: Handle, number: u64, key: String },
    /// A change of an item, ours or the answer to one of the peer.
    ChangeCall { item: Handle },
    /// Transfer a call.
    TransferCall { item: Handle },
    /// End an item and tell the application how it went.
    DeleteCall { item: Handle, reason: DeleteReason },
    /// A request whose outcome changes nothing: a session that nobody uses, a change that cannot be made.
    Farewell,
    /// The end of an item that is over here already.
    Owed { number: u64 },
}

#[derive(Debug)]
struct Entry {
    purpose: Purpose,
    resource: String,
}

/// A request to be sent.
pub(super) struct Draft {
    verb: Verb,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
    timeout: Duration,
}

/// Last words in flight at a time. Beyond it nothing is sent; the gateway gives up such changes by itself (D-17).
pub(super) const MAX_FAREWELLS: usize = 64;
/// Associations of an e911 id in flight at a time; a program that has more repeats itself.
pub(super) const MAX_ASSOCIATIONS: usize = 16;

const JSON: &str = "application/json";

impl Draft {
    /// A request with the headers that nearly all have (section 1.3).
    fn new(verb: Verb, path: String) -> Self {
        let headers = vec![("Content-Type", JSON.to_owned()), ("Accept", JSON.to_owned())];
        Self { verb, path, headers, body: None, timeout: REQUEST_TIMEOUT }
    }

    /// A request without `Content-Type`: association of a token, poll, address of a socket.
    fn bare(verb: Verb, path: String) -> Self {
        Self { verb, path, headers: vec![("Accept", JSON.to_owned())], body: None, timeout: REQUEST_TIMEOUT }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn json(mut self, body: &impl Serialize) -> Self {
        // Serialising plain structs of texts cannot fail; an empty body would be refused by the gateway with a clear error.
        self.body = Some(serde_json::to_string(body).unwrap_or_default());
        self
    }

    /// Section 2.1.
    pub(super) fn associate(user_id: &str) -> Self {
        Self::bare(Verb::Put, path::user_id(user_id))
    }

    /// Section 2.2.
    pub(super) fn create_session(e911_id: &str, version: &str) -> Self {
        Self::new(Verb::Post, path::sessions())
            .with(header::E911_ID, e911_id)
            .with(header::ARG, format!("ClientSDK=ewebrtc-{version}"))
            .json(&ewebrtc_wire::SessionCreate::default())
    }

    /// Section 2.3.
    pub(super) fn refresh(sid: &str) -> Self {
        Self::new(Verb::Put, path::session(sid))
    }

    /// Section 2.4. Without `x-e911Id`: the original sends the word `undefined` there, which says nothing.
    pub(super) fn delete_session(sid: &str) -> Self {
        Self::new(Verb::Delete, path::session(sid))
    }

    /// Section 2.5.
    pub(super) fn associate_e911(sid: &str, e911_id: &str) -> Self {
        let association = ewebrtc_wire::E911Body { e911_id: Some(e911_id.to_owned()) };
        Self::new(Verb::Put, path::session(sid)).json(&ewebrtc_wire::E911Association { association })
    }

    /// Section 2.6.1; `after` asks for numbered events beyond this number (our extension).
    pub(super) fn poll(sid: &str, after: Option<u64>) -> Self {
        let mut path = path::events(sid);
        if let Some(n) = after {
            path.push_str(&format!("?after={n}"));
        }
        let mut draft = Self::bare(Verb::Get, path);
        draft.timeout = POLL_TIMEOUT;
        draft
    }

    /// Section 2.6.2; `after` as for a poll.
    pub(super) fn open_socket(sid: &str, after: Option<u64>) -> Self {
        let mut path = path::sockets(sid);
        if let Some(n) = after {
            path.push_str(&format!("?after={n}"));
        }
        Self::bare(Verb::Post, path)
    }

    /// Section 2.7.1.
    pub(super) fn create_call(sid: &str, called_party: &str, sdp: &str) -> Self {
        let call = ewebrtc_wire::CallBody { called_party: Some(called_party.to_owned()), sdp: Some(sdp.to_owned()) };
        Self::new(Verb::Post, path::items(Kind::Call, sid)).json(&ewebrtc_wire::CallCreate { call })
    }

    /// Sections 2.7.3 to 2.7.9. `type` goes with hold, resume and move only.
    pub(super) fn call_action(sid: &str, id: &str, action: CallAction, mod_id: Option<&str>, sdp: &str) -> Self {
        let mut draft =
            Self::new(Verb::Put, path::item(Kind::Call, sid, id)).with(header::CALLS_ACTION, action.header_value());
        if let Some(mod_id) = mod_id {
            draft = draft.with(header::MOD_ID, mod_id);
        }
        let kind = match action {
            CallAction::Hold | CallAction::Resume | CallAction::Move => Some("offer".to_owned()),
            CallAction::Answer
            | CallAction::Modify
            | CallAction::AcceptModification
            | CallAction::RejectModification
            | CallAction::Transfer => None,
        };
        let modification = ewebrtc_wire::MediaModification { sdp: Some(sdp.to_owned()), kind };
        draft.json(&ewebrtc_wire::CallsModification { modification })
    }

    /// Section 2.7.2.
    pub(super) fn create_conference(sid: &str, sdp: &str) -> Self {
        let conference = ewebrtc_wire::ConferenceBody { sdp: Some(sdp.to_owned()) };
        Self::new(Verb::Post, path::items(Kind::Conference, sid)).json(&ewebrtc_wire::ConferenceCreate { conference })
    }

    /// What a call does by `action`, for an item of either kind; `None`: conferences have no such action.
    pub(super) fn action(
        kind: Kind,
        sid: &str,
        id: &str,
        action: CallAction,
        mod_id: Option<&str>,
        sdp: &str,
    ) -> Option<Self> {
        let action = match (kind, action) {
            (Kind::Call, action) => return Some(Self::call_action(sid, id, action, mod_id, sdp)),
            (Kind::Conference, CallAction::Answer) => ConferenceAction::Answer,
            (Kind::Conference, CallAction::Hold) => ConferenceAction::Hold,
            (Kind::Conference, CallAction::Resume) => ConferenceAction::Resume,
            (Kind::Conference, CallAction::AcceptModification) => ConferenceAction::AcceptModification,
            (
                Kind::Conference,
                CallAction::Move | CallAction::Modify | CallAction::RejectModification | CallAction::Transfer,
            ) => return None,
        };
        let mut draft =
            Self::new(Verb::Put, path::item(kind, sid, id)).with(header::CONFERENCE_ACTION, action.header_value());
        if let Some(mod_id) = mod_id {
            draft = draft.with(header::CONFERENCE_MOD_ID, mod_id);
        }
        let kind = match action {
            ConferenceAction::Hold | ConferenceAction::Resume => Some("offer".to_owned()),
            ConferenceAction::Answer | ConferenceAction::AcceptModification => None,
        };
        let modification = ewebrtc_wire::MediaModification { sdp: Some(sdp.to_owned()), kind };
        Some(draft.json(&ewebrtc_wire::ConferenceModification { modification }))
    }

    /// Section 2.7.12.
    pub(super) fn invite(sid: &str, id: &str, uri: &str) -> Self {
        Self::new(Verb::Put, path::participant(sid, id, uri))
    }

    /// Section 2.7.13.
    pub(super) fn expel(sid: &str, id: &str, uri: &str) -> Self {
        Self::new(Verb::Delete, path::participant(sid, id, uri))
    }

    /// Section 2.7.10: the resource is the held call, `sdp` its last remote description.
    pub(super) fn transfer(sid: &str, id: &str, target: &str, sdp: &str) -> Self {
        Self::call_action(sid, id, CallAction::Transfer, None, sdp).with(header::TRANSFER_TARGET, target)
    }

    /// Section 2.7.11.
    pub(super) fn delete_item(kind: Kind, sid: &str, id: &str, reason: DeleteReason) -> Self {
        Self::new(Verb::Delete, path::item(kind, sid, id)).with(header::DELETE_REASON, reason.header_value())
    }
}

/// Requests in flight, by number.
#[derive(Debug, Default)]
pub(super) struct Requests {
    last: u64,
    in_flight: BTreeMap<RequestId, Entry>,
    token: Secret,
}

impl Requests {
    /// The token of every request from now on.
    pub(super) fn set_token(&mut self, token: Secret) {
        self.token = token;
    }

    /// Sends a request.
    pub(super) fn send(&mut self, draft: Draft, purpose: Purpose, out: &mut Vec<Output>) -> RequestId {
        self.last += 1;
        let id = RequestId(self.last);
        let verb = match draft.verb {
            Verb::Get => "GET",
            Verb::Post => "POST",
            Verb::Put => "PUT",
            Verb::Delete => "DELETE",
        };
        self.in_flight.insert(id, Entry { purpose, resource: format!("{verb} {BASE_PATH}{}", draft.path) });
        let request = HttpRequest {
            verb: draft.verb,
            path: draft.path,
            headers: draft.headers,
            token: self.token.clone(),
            body: draft.body,
            timeout: draft.timeout,
        };
        out.push(Output::Request { id, request });
        id
    }

    /// The purpose and `METHOD path` of a request whose outcome has come; `None`: nobody waits for it.
    pub(super) fn take(&mut self, id: RequestId) -> Option<(Purpose, String)> {
        self.in_flight.remove(&id).map(|entry| (entry.purpose, entry.resource))
    }

    /// Cancels every request that `unwanted` names and returns their purposes.
    pub(super) fn cancel(&mut self, unwanted: impl Fn(&Purpose) -> bool, out: &mut Vec<Output>) -> Vec<Purpose> {
        let ids: Vec<RequestId> =
            self.in_flight.iter().filter(|(_, entry)| unwanted(&entry.purpose)).map(|(id, _)| *id).collect();
        ids.into_iter()
            .filter_map(|id| {
                out.push(Output::CancelRequest { id });
                self.in_flight.remove(&id).map(|entry| entry.purpose)
            })
            .collect()
    }

    /// Sends a last word, unless too many are under way.
    pub(super) fn send_farewell(&mut self, draft: Draft, out: &mut Vec<Output>) {
        if self.count(|purpose| *purpose == Purpose::Farewell) < MAX_FAREWELLS {
            self.send(draft, Purpose::Farewell, out);
        } else {
            log::warn!("too many last words to the gateway are under way; one is left out");
        }
    }

    /// Is a request of this kind in flight?
    pub(super) fn any(&self, wanted: impl Fn(&Purpose) -> bool) -> bool {
        self.count(wanted) > 0
    }

    /// How many requests of this kind are in flight?
    pub(super) fn count(&self, wanted: impl Fn(&Purpose) -> bool) -> usize {
        self.in_flight.values().filter(|entry| wanted(&entry.purpose)).count()
    }
}
