//! Changes and transfers whose request was not answered. The gateway may have taken them all the same; then it says how they
//! ended, and what is so there becomes so here, although the command has failed with 0002 (P-65).
//!
//! Owns: [`Doubt`]. Lives on: the phone's actor, inside a call. Must not import: anything but the other machines of the core.

use super::call::{Call, CallState, Phase};
use super::io::Handle;
use super::modification::{Change, OUTCOME_LIMIT, Operation, Own, OwnStage, Peer, PeerStage, Side, Then, Transfer};
use super::phone::{PhoneCore, Turn};
use ewebrtc_wire::{EventObject, EventState, reason};
use std::time::Instant;

/// What the gateway may have taken.
#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Own(Own),
    Peer(Peer),
    Transfer,
}

/// What the gateway may have taken, and until when its outcome counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doubt {
    what: What,
    until: Instant,
}

impl Doubt {
    /// A change of which nobody knows whether the gateway has taken it. A reconnection is tried again in any case.
    pub(super) fn about_change(now: Instant, change: &Change) -> Option<Self> {
        let what = match &change.side {
            Side::Own(own) if own.operation == Operation::Reconnect => return None,
            Side::Own(own) => What::Own(*own),
            Side::Peer(peer) => What::Peer(peer.clone()),
        };
        Some(Self { what, until: now + OUTCOME_LIMIT })
    }

    pub(super) fn about_transfer(now: Instant) -> Self {
        Self { what: What::Transfer, until: now + OUTCOME_LIMIT }
    }

    /// Whether this event says how it ended.
    fn is_settled_by(&self, event: &EventObject) -> bool {
        match &self.what {
            What::Own(own) => is_outcome_of_ours(own.operation, event),
            What::Peer(peer) => is_outcome_of_theirs(peer, event),
            What::Transfer => event.state == EventState::TransferTerminated,
        }
    }
}

fn is_outcome_of_ours(operation: Operation, event: &EventObject) -> bool {
    match operation {
        Operation::Move => event.state == EventState::MoveTerminated,
        Operation::Hold | Operation::Resume | Operation::Upgrade | Operation::Downgrade | Operation::Reconnect => {
            event.state == EventState::ModTerminated && event.sdp.is_some()
        }
    }
}

fn is_outcome_of_theirs(peer: &Peer, event: &EventObject) -> bool {
    event.state == EventState::ModTerminated && event.mod_id.is_some() && event.mod_id == peer.mod_id
}

impl Call {
    /// The outcome of the running change has come before the answer of its request: the gateway has taken it.
    pub(super) fn outcome_is_here(&self) -> bool {
        let Some(change) = &self.change else { return false };
        // What comes after an offer of the peer is about that one.
        let mut before = self.deferred.iter().take_while(|event| event.state != EventState::ModReceived);
        before.any(|event| match &change.side {
            Side::Own(own) => is_outcome_of_ours(own.operation, event),
            Side::Peer(peer) => is_outcome_of_theirs(peer, event),
        })
    }
}

impl PhoneCore {
    /// No change is running, and the gateway says how one ended. True: it is one that was in doubt, which is running from here
    /// on, so that this event settles it.
    pub(super) fn was_in_doubt(&mut self, t: &mut Turn<'_>, handle: Handle, event: &EventObject) -> bool {
        let now = t.now;
        let Some(call) = self.slots.get_mut(handle) else { return false };
        let stable = matches!(call.state, CallState::Connected | CallState::Held) && !call.is_changing();
        let failed = event.state == EventState::ModTerminated && event.reason.as_deref() != Some(reason::SUCCESS);
        if stable && failed {
            // Whichever change it is about: there is one at a time, and it is over.
            call.doubt = None;
        }
        if call.phase != Phase::Talking || !stable || !call.doubt.as_ref().is_some_and(|d| d.is_settled_by(event)) {
            return false;
        }
        let Some(doubt) = call.doubt.take().filter(|doubt| doubt.until >= now) else { return false };
        if event.reason.as_deref() != Some(reason::SUCCESS) {
            return false;
        }
        match doubt.what {
            What::Own(own) => {
                // Held for an item that has not come to be: it is resumed at once.
                let then = match own.then {
                    Then::Nothing => Then::Nothing,
                    Then::Second | Then::Switch => Then::Second,
                };
                call.marked |= then != Then::Nothing;
                call.begin(Side::Own(Own { stage: OwnStage::Requested, then, ..own }));
                self.own_taken(t, handle);
            }
            What::Peer(peer) => {
                call.begin(Side::Peer(Peer { stage: PeerStage::Accepting, ..peer }));
                self.peer_taken(t, handle);
            }
            What::Transfer => call.transfer = Some(Transfer::Pending(now + OUTCOME_LIMIT)),
        }
        true
    }
}
