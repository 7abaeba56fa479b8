//! One call or conference: its states, what it waits for and what the application is told (phone-behaviour.md section 4).
//!
//! Owns: [`Call`], [`CallState`], [`Phase`]. Lives on: the phone's actor. Must not import: anything but `io`, `conference`,
//! `errors` and the wire crate. The requests and orders that a transition needs are made by `signals` and `phone`.

use super::conference::{Breed, Roster};
use super::doubt::Doubt;
use super::errors::bounded;
use super::io::{ErrorObject, Handle, ItemRef};
use super::modification::{Change, Transfer};
use super::repair::Repair;
use super::tones::Row;
use ewebrtc_wire::{DeleteReason, EventObject, Kind, MediaType, Sdp, reason};
use serde_json::Value;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long the phone waits for `session-terminated` after the gateway took the DELETE. Then the call ends here anyway:
/// a gateway that forgets the event must not keep the user from the next call.
pub(super) const TERMINATION_GRACE: Duration = Duration::from_secs(5);
/// Events kept while the answer of a PUT is on its way; a leg gets at most a handful in that time.
const MAX_DEFERRED: usize = 16;
/// Commands that wait for one call; more come only from a program that repeats itself, and finish at once.
pub(super) const MAX_WAITING: usize = 64;

/// State of a call, spelled as in `call:state-changed` (section 4: fifteen values).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum CallState {
    Created,
    Connecting,
    Connected,
    ModificationInitiated,
    ModificationAccepted,
    Held,
    MoveInitiated,
    MoveFailed,
    Moved,
    Transferring,
    Transferred,
    Disconnecting,
    Disconnected,
    Canceled,
    Rejected,
}

impl CallState {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            CallState::Created => "created",
            CallState::Connecting => "connecting",
            CallState::Connected => "connected",
            CallState::ModificationInitiated => "modification-initiated",
            CallState::ModificationAccepted => "modification-accepted",
            CallState::Held => "held",
            CallState::MoveInitiated => "move-initiated",
            CallState::MoveFailed => "move-failed",
            CallState::Moved => "moved",
            CallState::Transferring => "transferring",
            CallState::Transferred => "transferred",
            CallState::Disconnecting => "disconnecting",
            CallState::Disconnected => "disconnected",
            CallState::Canceled => "canceled",
            CallState::Rejected => "rejected",
        }
    }
}

/// What the call waits for next; finer than [`CallState`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    /// Outgoing: the offer is being made.
    Offering,
    /// Outgoing: POST is in flight.
    Posting,
    /// Incoming: nobody has answered yet.
    Ringing,
    /// Waits until the foreground call is out of the way: answered with an action, or added.
    Queued,
    /// Incoming: the local description of the answer is being made.
    Preparing,
    /// Incoming: the answer is in flight.
    Answering,
    /// The gateway has the call; the other side, or its confirmation, is awaited.
    Awaiting,
    /// Established.
    Talking,
    /// DELETE is in flight.
    Ending,
    /// DELETE was taken; `session-terminated` is awaited until then.
    Grace(Instant),
}

/// Who made the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Outgoing,
    Incoming,
}

impl Flow {
    /// The text of `type` in getCalls.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Flow::Outgoing => "Outgoing",
            Flow::Incoming => "Incoming",
        }
    }
}

/// Audio or video: what events report as `mediaType` (P-6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallMedia {
    Audio,
    Video,
}

impl CallMedia {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            CallMedia::Audio => "audio",
            CallMedia::Video => "video",
        }
    }

    /// Odd types count as audio: a call always has a negotiated type here.
    pub(super) fn of(media_type: MediaType) -> Self {
        match media_type {
            MediaType::Video => CallMedia::Video,
            MediaType::Audio | MediaType::NoMedia | MediaType::Unsupported => CallMedia::Audio,
        }
    }
}

/// When a command that waits for a call is finished (design: events contract).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// dial
    Connecting,
    /// answer, joinConference, startConference
    Connected,
    /// hold, resume, move, upgrade, downgrade, acceptModification, rejectModification, switchCall, transfer
    Changed,
    /// cancel, reject, hangup, rejectConference, endConference
    Ended,
    /// addParticipant, removeParticipant: the gateway's answer to the request of this number
    Answered(u64),
}

/// A command that waits for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) tag: Option<String>,
    pub(super) until: Until,
    /// Code with which it fails when the call ends before.
    pub(super) code: &'static str,
}

/// An order to the media side whose outcome is awaited. Outcomes come in the order of the orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ordered {
    /// The description of a new item.
    FirstDescription,
    /// A description for the change of this number.
    Description(u64),
    /// The first answer is put in force.
    FirstAnswer,
    /// The answer to a change is put in force.
    Answer,
}

/// One call or conference (section 1: one object for both).
#[derive(Debug)]
pub(super) struct Call {
    pub(super) handle: Handle,
    pub(super) breed: Breed,
    pub(super) index: u64,
    pub(super) flow: Flow,
    /// The dialled text, or the URI of the caller; empty for a conference of this phone.
    pub(super) peer: String,
    /// The other party as the gateway names it, once it has.
    address: Option<String>,
    /// What goes out as `calledParty`; empty for incoming calls.
    pub(super) called_party: String,
    pub(super) media: CallMedia,
    /// Codecs of the last remote description.
    pub(super) codec: Value,
    pub(super) state: CallState,
    pub(super) phase: Phase,
    /// Id at the gateway.
    pub(super) id: Option<String>,
    pub(super) muted: bool,
    pub(super) downgrade: bool,
    /// cancel() was called here.
    pub(super) canceled: bool,
    /// reject() was called here.
    pub(super) rejected: bool,
    /// answer() asked for audio only.
    pub(super) audio_only: bool,
    /// The invitation's offer; `None` when it had none and the answer carries an offer.
    pub(super) offer: Option<String>,
    /// The last local description.
    pub(super) local_sdp: Option<String>,
    /// The media side has a leg for this call, or is making it.
    pub(super) leg: bool,
    /// The last description of the other side, for a transfer (section 2.7.10).
    pub(super) remote_sdp: Option<String>,
    /// Orders to the media side whose outcome has not come.
    pub(super) ordered: VecDeque<Ordered>,
    /// The change that is running.
    pub(super) change: Option<Change>,
    /// Number of the last change.
    pub(super) changes: u64,
    /// Id of the peer's last change: the same event again starts nothing.
    pub(super) last_mod_id: Option<String>,
    /// The transfer that is running, with this call as its resource.
    pub(super) transfer: Option<Transfer>,
    /// What the gateway may have taken although it did not answer.
    pub(super) doubt: Option<Doubt>,
    /// On hold by us, as agreed with the other side.
    pub(super) holding: bool,
    /// On hold by the other side.
    pub(super) peer_held: bool,
    /// Held for another item, to be resumed when it is in the foreground again (section 8).
    pub(super) marked: bool,
    /// The resume for the mark is due as soon as the running change is over.
    pub(super) resume_due: bool,
    /// The media side was told last to send silence.
    pub(super) silent: bool,
    /// The media side was told last to send no video.
    pub(super) hidden: bool,
    /// A remote answer has been given to the media side.
    pub(super) answer_applied: bool,
    /// Early media is on its way; `call:ringback-provided` not yet published.
    pub(super) ringback_due: bool,
    /// Audio was decoded.
    pub(super) first_audio: bool,
    /// `media:established` was published.
    pub(super) established: bool,
    /// `media:interrupted` was published and not yet followed by `media:recovered`.
    pub(super) interrupted: bool,
    /// What is to be done about its path.
    pub(super) repair: Repair,
    /// The tones that have not been sent, by command, the oldest first.
    pub(super) tones: VecDeque<Row>,
    /// Keys that the other side pressed before the call was established here.
    pub(super) early_keys: String,
    /// `localMedia` and `remoteMedia` of this call.
    pub(super) local_media: String,
    pub(super) remote_media: String,
    /// Events that came before the answer of the PUT they belong to.
    pub(super) deferred: VecDeque<EventObject>,
    /// Commands that wait.
    pub(super) waiting: Vec<Waiting>,
    /// Tag of the command that causes what happens now.
    pub(super) cause: Option<String>,
    /// Why a DELETE failed.
    pub(super) failure: Option<ErrorObject>,
}

impl Call {
    fn new(handle: Handle, index: u64, flow: Flow, peer: String, phase: Phase) -> Self {
        Self {
            handle,
            breed: Breed::Call,
            index,
            flow,
            peer,
            address: None,
            called_party: String::new(),
            media: CallMedia::Audio,
            codec: Value::Array(Vec::new()),
            state: CallState::Created,
            phase,
            id: None,
            muted: false,
            downgrade: false,
            canceled: false,
            rejected: false,
            audio_only: false,
            offer: None,
            local_sdp: None,
            remote_sdp: None,
            ordered: VecDeque::new(),
            change: None,
            changes: 0,
            last_mod_id: None,
            transfer: None,
            doubt: None,
            holding: false,
            peer_held: false,
            marked: false,
            resume_due: false,
            silent: false,
            hidden: false,
            leg: false,
            answer_applied: false,
            ringback_due: false,
            first_audio: false,
            established: false,
            interrupted: false,
            repair: Repair::default(),
            tones: VecDeque::new(),
            early_keys: String::new(),
            local_media: String::new(),
            remote_media: String::new(),
            deferred: VecDeque::new(),
            waiting: Vec::new(),
            cause: None,
            failure: None,
        }
    }

    /// A call that this phone dials.
    pub(super) fn outgoing(handle: Handle, index: u64, dialled: String, called_party: String) -> Self {
        Self { called_party, ..Self::new(handle, index, Flow::Outgoing, dialled, Phase::Offering) }
    }

    /// A conference that this phone starts.
    pub(super) fn hosted(handle: Handle, index: u64) -> Self {
        let breed = Breed::Hosted(Box::<Roster>::default());
        Self { breed, ..Self::new(handle, index, Flow::Outgoing, String::new(), Phase::Offering) }
    }

    /// A call or conference that this phone is invited to.
    pub(super) fn incoming(
        kind: Kind,
        handle: Handle,
        index: u64,
        id: String,
        from: String,
        offer: Option<String>,
    ) -> Self {
        let mut call = Self {
            breed: match kind {
                Kind::Call => Breed::Call,
                Kind::Conference => Breed::Joined,
            },
            id: Some(id),
            address: Some(from.clone()),
            remote_sdp: offer.clone(),
            offer,
            ..Self::new(handle, index, Flow::Incoming, from, Phase::Ringing)
        };
        if let Some(sdp) = call.offer.as_deref().and_then(|text| Sdp::parse(text).ok()) {
            call.media = CallMedia::of(sdp.media_type());
            call.codec = sdp.codec_list();
        }
        call
    }

    /// Takes down how the gateway names the other party in an event. After a transfer that is somebody else (D-28), who is
    /// the party of the call once `settled`.
    pub(super) fn named(&mut self, from: Option<&str>, settled: bool) {
        // The news of a conference come from any of its parties.
        let named = from.filter(|from| !from.is_empty() && self.kind() == Kind::Call);
        let Some(from) = named else { return };
        match &self.address {
            None => self.address = Some(bounded(from)),
            Some(known) if settled && known != from => {
                self.peer = bounded(from);
                self.address = Some(self.peer.clone());
            }
            Some(_) => {}
        }
    }

    pub(super) fn item(&self) -> ItemRef {
        match self.kind() {
            Kind::Call => ItemRef::Call(self.handle),
            Kind::Conference => ItemRef::Conference(self.handle),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        self.breed.kind()
    }

    /// A conference that this phone started.
    pub(super) fn is_hosted(&self) -> bool {
        self.breed.roster().is_some()
    }

    /// Takes codecs and media type from a remote description before the event that follows it is published (P-53).
    pub(super) fn take_remote(&mut self, sdp: &Sdp) {
        self.codec = sdp.codec_list();
        match sdp.media_type() {
            MediaType::Audio => {
                if self.flow == Flow::Outgoing && self.media == CallMedia::Video {
                    self.downgrade = true;
                }
                self.media = CallMedia::Audio;
            }
            MediaType::Video => self.media = CallMedia::Video,
            // The negotiated type stays (P-6).
            MediaType::NoMedia | MediaType::Unsupported => {}
        }
    }

    /// Keeps an event until the PUT is answered; what exceeds the bound is dropped (the gateway then is not ours).
    pub(super) fn defer(&mut self, event: EventObject) {
        if self.deferred.len() < MAX_DEFERRED {
            self.deferred.push_back(event);
        } else {
            log::warn!("call {}: too many events before the answer was confirmed", self.handle);
        }
    }

    /// Events wait until the gateway has answered a request that they may be about.
    pub(super) fn defers_events(&self) -> bool {
        self.phase == Phase::Answering
            || self.change.as_ref().is_some_and(Change::defers_events)
            || self.transfer == Some(Transfer::Requested)
    }

    /// Takes the order to the media side that has now had its outcome.
    pub(super) fn description_came(&mut self) -> Option<Ordered> {
        // Outcomes come in order: what was ordered before a description is done.
        while let Some(order) = self.ordered.pop_front() {
            match order {
                Ordered::FirstDescription | Ordered::Description(_) => return Some(order),
                Ordered::FirstAnswer | Ordered::Answer => {}
            }
        }
        None
    }

    /// Is the end of this call already asked for?
    pub(super) fn is_ending(&self) -> bool {
        match self.phase {
            Phase::Ending | Phase::Grace(_) => true,
            Phase::Offering
            | Phase::Posting
            | Phase::Ringing
            | Phase::Queued
            | Phase::Preparing
            | Phase::Answering
            | Phase::Awaiting
            | Phase::Talking => false,
        }
    }

    /// Final state and message for a `session-terminated` (section 4.1, first match wins).
    pub(super) fn classify(&self, cause: Option<&str>) -> (CallState, Option<String>) {
        match cause {
            // Nobody can decline what this phone hosts: `conference:invitation-rejected` there is about an invitee.
            Some(reason::USER_BUSY) if !self.is_hosted() => (CallState::Rejected, None),
            _ if self.rejected => (CallState::Rejected, None),
            Some(reason::CALL_CANCELED) => (CallState::Canceled, None),
            _ if self.canceled => (CallState::Canceled, None),
            Some(text) => (CallState::Disconnected, Some(super::errors::bounded(text))),
            None => match self.state {
                CallState::Created => (CallState::Canceled, None),
                CallState::Connecting
                | CallState::Connected
                | CallState::ModificationInitiated
                | CallState::ModificationAccepted
                | CallState::Held
                | CallState::MoveInitiated
                | CallState::MoveFailed
                | CallState::Moved
                | CallState::Transferring
                | CallState::Transferred
                | CallState::Disconnecting
                | CallState::Disconnected
                | CallState::Canceled
                | CallState::Rejected => (CallState::Disconnected, None),
            },
        }
    }

    /// Final state when this side ends the call itself because the gateway's word never came or came as an error.
    pub(super) fn own_end(&self) -> CallState {
        if self.rejected {
            CallState::Rejected
        } else if self.canceled {
            CallState::Canceled
        } else {
            CallState::Disconnected
        }
    }

    /// The reason to give the gateway when this item ends here in its present state (section 2.7.11). A leg whose answer is
    /// on its way may be established at the gateway already, so it is terminated.
    pub(super) fn withdrawal(&self) -> DeleteReason {
        match (self.flow, self.phase) {
            (_, Phase::Talking) | (Flow::Incoming, Phase::Answering | Phase::Awaiting) => DeleteReason::Terminate,
            (
                Flow::Outgoing,
                Phase::Offering
                | Phase::Posting
                | Phase::Ringing
                | Phase::Queued
                | Phase::Preparing
                | Phase::Answering
                | Phase::Awaiting
                | Phase::Ending
                | Phase::Grace(_),
            ) => DeleteReason::Cancel,
            (
                Flow::Incoming,
                Phase::Offering
                | Phase::Posting
                | Phase::Ringing
                | Phase::Queued
                | Phase::Preparing
                | Phase::Ending
                | Phase::Grace(_),
            ) => DeleteReason::Reject,
        }
    }

    /// Final state when the phone is closed.
    pub(super) fn closing_end(&self) -> CallState {
        match self.state {
            CallState::Created | CallState::Connecting => match self.flow {
                Flow::Outgoing => CallState::Canceled,
                Flow::Incoming => CallState::Rejected,
            },
            CallState::Connected
            | CallState::ModificationInitiated
            | CallState::ModificationAccepted
            | CallState::Held
            | CallState::MoveInitiated
            | CallState::MoveFailed
            | CallState::Moved
            | CallState::Transferring
            | CallState::Transferred
            | CallState::Disconnecting
            | CallState::Disconnected
            | CallState::Canceled
            | CallState::Rejected => CallState::Disconnected,
        }
    }

    /// Until when `session-terminated` is awaited.
    pub(super) fn grace(&self) -> Option<Instant> {
        match self.phase {
            Phase::Grace(until) => Some(until),
            Phase::Offering
            | Phase::Posting
            | Phase::Ringing
            | Phase::Queued
            | Phase::Preparing
            | Phase::Answering
            | Phase::Awaiting
            | Phase::Talking
            | Phase::Ending => None,
        }
    }

    /// Until when the outcome of a change or a transfer is awaited; an ending call awaits none.
    pub(super) fn outcome_limit(&self) -> Option<Instant> {
        let running = self.phase == Phase::Talking;
        let limit = self.transfer.and_then(Transfer::until).or(self.change.as_ref().and_then(|change| change.until));
        limit.filter(|_| running)
    }

    /// Takes the commands that are finished by reaching `until`.
    pub(super) fn finished_by(&mut self, until: Until) -> Vec<Waiting> {
        let (done, rest) = std::mem::take(&mut self.waiting).into_iter().partition(|w| w.until == until);
        self.waiting = rest;
        done
    }
}
