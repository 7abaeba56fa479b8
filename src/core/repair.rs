//! A new path for a call whose old one is lost: the network has changed, packets stay away, the transport has failed. The
//! call is offered to the other side anew, over a connection of its own beside the old one (rest-protocol.md section 2.7.7;
//! RFC 8445 section 2.4 for why an old path does not come back by itself).
//!
//! Owns: [`Repair`], and when a repair begins, is tried again, and is given up. Lives on: the phone's actor. Must not import:
//! anything but the other machines of the core. How the change itself goes stands in `changes`.

use super::call::{Call, CallState, Phase};
use super::errors::Problem;
use super::io::{Handle, MediaOrder};
use super::modification::{Change, Operation, Own, Side, Then};
use super::phone::{Life, PhoneCore, Turn};
use std::time::{Duration, Instant};

/// How often a path is looked for before the call is given up.
const MOST_TRIES: u32 = 4;
/// Pause after the first try that came to nothing; the second is twice as long, and so on. Where both sides try, one is
/// refused (D-14) and hears of the other's offer meanwhile.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a call is kept whose transport has failed while nothing can be done about it, the phone being without a network.
const LOST_LIMIT: Duration = Duration::from_secs(60);

/// What is to be done about the path of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Repair {
    /// A new one is wanted, as soon as no other change runs and the gateway can be asked.
    wanted: bool,
    /// Not before then.
    from: Option<Instant>,
    /// Tries since packets were known to come.
    tries: u32,
    /// The transport has failed, as this text says; until then the call is kept.
    lost: Option<(String, Instant)>,
}

impl Repair {
    /// When something is due.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let lost = self.lost.as_ref().map(|(_, until)| *until);
        self.from.filter(|_| self.wanted).into_iter().chain(lost).min()
    }
}

/// Whether an offer comes over another connection than the description before: another party, or a new path of the same. A
/// connection is known by its fingerprint (RFC 8842 section 4).
pub(super) fn comes_anew(before: Option<&str>, offer: &str) -> bool {
    fn fingerprints(sdp: &str) -> Vec<&str> {
        sdp.lines().filter(|line| line.starts_with("a=fingerprint:")).map(str::trim_end).collect()
    }
    before.is_some_and(|before| fingerprints(before) != fingerprints(offer))
}

impl Call {
    fn is_repairing(&self) -> bool {
        matches!(&self.change, Some(Change { side: Side::Own(own), .. }) if own.operation == Operation::Reconnect)
    }

    /// Established, and here to stay: a leg that was moved or transferred away is about to be ended.
    fn may_be_repaired(&self) -> bool {
        self.phase == Phase::Talking && self.leg && !matches!(self.state, CallState::Moved | CallState::Transferred)
    }

    /// The operation whose directions and word at the gateway are those of a new path: what holds already is said again.
    pub(super) fn as_it_is(&self) -> Operation {
        if self.holding { Operation::Hold } else { Operation::Resume }
    }
}

impl PhoneCore {
    /// Addresses of this machine have gone, with whatever went over them. Nothing is known of each call's own; one that goes
    /// on over the old path loses nothing by a new one.
    pub(super) fn on_addresses_gone(&mut self, t: &mut Turn<'_>) {
        if self.online && self.life == Life::Open {
            self.on_new_network(t);
        }
        let handles: Vec<Handle> =
            self.slots.iter().filter(|call| call.may_be_repaired()).map(|call| call.handle).collect();
        for handle in handles {
            if let Some(call) = self.slots.get_mut(handle) {
                call.repair.tries = 0;
            }
            self.want_repair(handle);
        }
    }

    /// A new path is wanted for this call.
    pub(super) fn want_repair(&mut self, handle: Handle) {
        let Some(call) = self.slots.get_mut(handle).filter(|call| call.may_be_repaired()) else { return };
        if !call.is_repairing() {
            call.repair.wanted = true;
        }
    }

    /// Packets stay away. On hold they do so on purpose.
    pub(super) fn on_silence(&mut self, handle: Handle) {
        if self.slots.get(handle).is_some_and(|call| !call.holding && !call.peer_held) {
            self.want_repair(handle);
        }
    }

    /// Packets come again.
    pub(super) fn path_is_back(&mut self, handle: Handle) {
        if let Some(call) = self.slots.get_mut(handle) {
            call.repair = Repair::default();
        }
    }

    /// The transport has failed. True: the call is kept for now, because a new path may be found.
    pub(super) fn outlives_loss(&mut self, now: Instant, handle: Handle, text: &str) -> bool {
        let Some(call) = self.slots.get_mut(handle) else { return false };
        if !call.may_be_repaired() || call.repair.tries >= MOST_TRIES {
            return false;
        }
        call.repair.lost.get_or_insert_with(|| (text.to_owned(), now + LOST_LIMIT));
        self.want_repair(handle);
        true
    }

    /// Begins what is wanted and possible. Called at the end of every turn.
    pub(super) fn repair_calls(&mut self, t: &mut Turn<'_>) {
        if !self.may_ask_gateway() {
            return;
        }
        let startable = |call: &&Call| {
            let stable = matches!(call.state, CallState::Connected | CallState::Held);
            let idle = !call.is_changing() && call.ordered.is_empty();
            call.repair.wanted && call.repair.from.is_none() && stable && idle && call.may_be_repaired()
        };
        let handles: Vec<Handle> = self.slots.iter().filter(startable).map(|call| call.handle).collect();
        for handle in handles {
            if let Some(call) = self.slots.get_mut(handle) {
                call.repair.wanted = false;
                call.repair.tries += 1;
                self.start_change(t, handle, Operation::Reconnect, Then::Nothing);
            }
        }
    }

    /// Runs what is due by now.
    pub(super) fn repairs_due(&mut self, t: &mut Turn<'_>) {
        let now = t.now;
        let due = |call: &&Call| call.repair.due_at().is_some_and(|at| at <= now);
        let handles: Vec<Handle> = self.slots.iter().filter(due).map(|call| call.handle).collect();
        for handle in handles {
            let Some(call) = self.slots.get_mut(handle) else { continue };
            if call.repair.from.is_some_and(|at| at <= now) {
                call.repair.from = None;
            }
            if call.repair.lost.as_ref().is_some_and(|(_, until)| *until <= now) {
                self.give_up(t, handle);
            }
        }
    }

    /// Both sides have a new connection, whose fate is its own from here on.
    pub(super) fn path_is_agreed(&mut self, handle: Handle) {
        if let Some(call) = self.slots.get_mut(handle) {
            call.repair.wanted = false;
            call.repair.from = None;
            call.repair.lost = None;
        }
    }

    /// A try came to nothing: the old connection stays, and after a pause another one is made.
    pub(super) fn path_is_refused(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let now = t.now;
        let Some(call) = self.slots.get_mut(handle) else { return };
        if call.repair.tries < MOST_TRIES {
            call.repair.wanted = true;
            call.repair.from = Some(now + PAUSE * call.repair.tries);
        } else if call.repair.lost.is_some() {
            self.give_up(t, handle);
        }
    }

    /// A call that is lost ends as one whose transport fails.
    fn give_up(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        let repair = std::mem::take(&mut call.repair);
        let Some((text, _)) = repair.lost else { return };
        self.media_failed(t, handle, &Problem::own("0000", &text), false);
    }

    /// The order for the offer of a change of ours.
    pub(super) fn offer_order(
        own: Own,
        audio: ewebrtc_wire::Direction,
        video: Option<ewebrtc_wire::Direction>,
    ) -> MediaOrder {
        match own.operation {
            Operation::Reconnect => MediaOrder::OfferToAnother { audio, video },
            Operation::Hold | Operation::Resume | Operation::Move | Operation::Upgrade | Operation::Downgrade => {
                MediaOrder::OfferAgain { audio, video }
            }
        }
    }
}
