//! What the checks of the methods may look at, taken from the machines when a command comes.
//!
//! Owns: [`Facts`], [`ItemFacts`], [`Pending`] and how they are found. Lives on: the phone's actor. Must not import:
//! anything but the other machines of the core.

use super::call::{Call, CallMedia, CallState, Flow, Phase};
use super::conference::Roster;
use super::io::Handle;
use super::methods::Method;
use super::modification::Change;
use super::phone::PhoneCore;
use super::requests::{MAX_ASSOCIATIONS, Purpose};
use super::session::SessionPhase;
use super::slots::Place;
use ewebrtc_wire::Kind;

/// The pending item as the checks see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pending {
    Nothing,
    /// Outgoing, not yet connected.
    Outgoing,
    /// Incoming, not answered.
    Ringing,
    /// Incoming, being answered or being rejected.
    Answering,
}

/// An established item as the checks see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ItemFacts {
    pub(super) state: CallState,
    pub(super) media: CallMedia,
    pub(super) conference: bool,
    /// A change or a transfer is running.
    pub(super) changing: bool,
    /// The user is asked about a change.
    pub(super) asking: bool,
    /// It is being transferred.
    pub(super) transferring: bool,
    /// Its end is asked for.
    pub(super) ending: bool,
    /// The other side takes telephone events.
    pub(super) takes_tones: bool,
    /// Tones that have not been sent.
    pub(super) tones: usize,
}

impl ItemFacts {
    fn of(call: &Call) -> Self {
        Self {
            state: call.state,
            media: call.media,
            conference: call.kind() == Kind::Conference,
            changing: call.is_changing(),
            asking: call.change.as_ref().is_some_and(Change::is_asking),
            transferring: call.transfer.is_some(),
            ending: call.is_ending(),
            takes_tones: call.takes_tones(),
            tones: call.tones_left(),
        }
    }
}

/// What the checks may look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) online: bool,
    /// A session exists or is being made or closed.
    pub(super) login_held: bool,
    /// There is a session id.
    pub(super) session: bool,
    /// The session is open and nobody is closing it.
    pub(super) open: bool,
    pub(super) pending: Pending,
    /// The pending item is a conference.
    pub(super) pending_conference: bool,
    /// There is an item for the method to act on.
    pub(super) subject: bool,
    /// That item: the one the method was called on, else the foreground.
    pub(super) item: Option<ItemFacts>,
    pub(super) foreground: Option<ItemFacts>,
    pub(super) background: Option<ItemFacts>,
    /// The lists of the foreground item, if this phone hosts it.
    pub(super) roster: Option<&'a Roster>,
    /// Requests about its parties in flight.
    pub(super) parties_asked: usize,
    /// As many associations of an e911 id are under way as may be.
    pub(super) associating: bool,
    /// Domain for names and short numbers.
    pub(super) domain: &'a str,
    /// `localMedia` where a command gives none.
    pub(super) local_media: &'a str,
}

impl PhoneCore {
    pub(super) fn facts(&self, method: Method, target: Option<Handle>) -> Facts<'_> {
        // A handle must be that of the pending item for the methods that act on it.
        let pending = self.slots.pending().filter(|call| match method {
            Method::Cancel | Method::Reject | Method::Answer | Method::JoinConference | Method::RejectConference => {
                target.is_none_or(|handle| handle == call.handle)
            }
            Method::Login
            | Method::Logout
            | Method::AssociateE911Id
            | Method::Dial
            | Method::AddCall
            | Method::Hangup
            | Method::Hold
            | Method::Resume
            | Method::Move
            | Method::SwitchCall
            | Method::Transfer
            | Method::Upgrade
            | Method::Downgrade
            | Method::AcceptModification
            | Method::RejectModification
            | Method::Mute
            | Method::Unmute
            | Method::SendDtmfTone
            | Method::StartConference
            | Method::EndConference
            | Method::AddParticipant
            | Method::RemoveParticipant
            | Method::GetParticipants
            | Method::GetCalls
            | Method::GetMediaType
            | Method::IsCallInProgress
            | Method::GetVersion => true,
        });
        let foreground = self.slots.foreground();
        Facts {
            online: self.online,
            login_held: self.session.phase != SessionPhase::None,
            session: self.session.id.is_some(),
            open: self.session.phase == SessionPhase::Ready,
            pending_conference: pending.is_some_and(|call| call.kind() == Kind::Conference),
            pending: pending.map_or(Pending::Nothing, |call| match (call.flow, call.phase) {
                (Flow::Outgoing, _) => Pending::Outgoing,
                (Flow::Incoming, Phase::Ringing) => Pending::Ringing,
                (
                    Flow::Incoming,
                    Phase::Offering
                    | Phase::Posting
                    | Phase::Queued
                    | Phase::Preparing
                    | Phase::Answering
                    | Phase::Awaiting
                    | Phase::Talking
                    | Phase::Ending
                    | Phase::Grace(_),
                ) => Pending::Answering,
            }),
            subject: target.map_or(foreground.is_some(), |handle| self.is_subject(method, handle)),
            item: target.map_or(foreground, |handle| self.slots.get(handle)).map(ItemFacts::of),
            foreground: foreground.map(ItemFacts::of),
            background: self.slots.background().map(ItemFacts::of),
            roster: foreground.and_then(|call| call.breed.roster()),
            parties_asked: foreground.map_or(0, |call| self.parties_asked(call.handle)),
            associating: self.requests.count(|p| matches!(p, Purpose::AssociateE911 { .. })) >= MAX_ASSOCIATIONS,
            domain: self.domain(),
            local_media: self.local_media(),
        }
    }

    /// May this method be called on this item? Hangup on any, mute on an established one, changes in the foreground only.
    fn is_subject(&self, method: Method, handle: Handle) -> bool {
        match method {
            Method::Mute | Method::Unmute | Method::SendDtmfTone => self.slots.place(handle) != Place::Pending,
            Method::Hold
            | Method::Resume
            | Method::Move
            | Method::SwitchCall
            | Method::Transfer
            | Method::Upgrade
            | Method::Downgrade
            | Method::AcceptModification
            | Method::RejectModification
            | Method::AddCall
            | Method::StartConference
            | Method::EndConference
            | Method::AddParticipant
            | Method::RemoveParticipant
            | Method::GetParticipants => self.slots.place(handle) == Place::Foreground,
            Method::Login
            | Method::Logout
            | Method::AssociateE911Id
            | Method::Dial
            | Method::Answer
            | Method::JoinConference
            | Method::RejectConference
            | Method::Hangup
            | Method::Cancel
            | Method::Reject
            | Method::GetCalls
            | Method::GetMediaType
            | Method::IsCallInProgress
            | Method::GetVersion => true,
        }
    }
}
