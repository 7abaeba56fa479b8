//! Changes that this phone makes, from the offer to the outcome, and what they share with those of the peer
//! (rest-protocol.md sections 3.3.6, 3.3.7; phone-behaviour.md sections 4, 7, 9, 10, P-11, P-14, P-15, P-17, P-27).
//!
//! Owns: the flows of the phone about an [`Own`] change. Lives on: the phone's actor. Must not import: anything but the
//! other machines of the core. The rules stand in `modification`, the peer's changes in `peer`, what follows an implicit
//! hold in `second`.

use super::call::{Call, CallMedia, CallState, Ordered, Phase, Until, Waiting};
use super::doubt::Doubt;
use super::errors::{Problem, ProblemKind, bounded, sdk};
use super::events;
use super::io::{ErrorObject, Handle, HttpResponse, MediaOrder};
use super::modification::{Change, OUTCOME_LIMIT, Operation, Own, OwnStage, PeerStage, Side, Then, offer_directions};
use super::phone::{PhoneCore, Turn};
use super::requests::{Draft, Purpose};
use ewebrtc_wire::{CallAction, EventObject, Kind, Sdp, reason};

/// The only status with which the gateway takes a change of ours (sections 2.7.4 to 2.7.7).
const TAKEN: u16 = 204;

/// Why a change of ours came to nothing.
pub(super) enum Failure<'a> {
    /// A request or the media side failed: `error`.
    Problem(&'a Problem),
    /// The gateway ended it: `notification`, unless it said busy (section 17).
    Refused(Option<&'a str>),
}

/// The text of a failure that the gateway gave no reason for.
pub(super) const NO_REASON: &str = "The gateway gave no reason.";

impl PhoneCore {
    // ---- ours --------------------------------------------------------------------------------------------------------

    /// A change that a method asks for: it finishes with its final state.
    pub(super) fn change_by_command(
        &mut self,
        t: &mut Turn<'_>,
        handle: Option<Handle>,
        operation: Operation,
        tag: Option<String>,
    ) {
        let Some(call) = handle.and_then(|handle| self.slots.get_mut(handle)) else { return };
        let handle = call.handle;
        if operation == Operation::Upgrade && !call.has_video_source() {
            return self.refuse_video(t, handle, tag);
        }
        call.cause.clone_from(&tag);
        call.waiting.push(Waiting { tag, until: Until::Changed, code: operation.code() });
        self.start_change(t, handle, operation, Then::Nothing);
    }

    /// No source of video: as a refused camera, and nothing else changes (section 18).
    pub(super) fn refuse_video(&self, t: &mut Turn<'_>, handle: Handle, tag: Option<String>) {
        let Some(item) = self.slots.get(handle).map(Call::item) else { return };
        let error = sdk("0020", Some("there is no source of video".into()));
        t.event(events::error(&error, Some(item), tag.clone()));
        t.event(events::finished(tag, Some(item), Some(&error)));
    }

    pub(super) fn start_change(&mut self, t: &mut Turn<'_>, handle: Handle, operation: Operation, then: Then) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        // A new path changes nothing: what holds is said again.
        let said = if operation == Operation::Reconnect { call.as_it_is() } else { operation };
        let (audio, video) = offer_directions(said, call.peer_held, call.media);
        match then {
            Then::Nothing => {}
            // Only an implicit hold sets the mark (section 8).
            Then::Second | Then::Switch => call.marked = true,
        }
        let own = Own { operation, stage: OwnStage::Offering, then };
        let number = call.begin(Side::Own(own));
        call.ordered.push_back(Ordered::Description(number));
        self.follow_silence(t, handle);
        t.media(handle, Self::offer_order(own, audio, video));
    }

    /// Sends silence while muted, on hold by us, or while a hold or a move of ours is under way (section 13). Video stops
    /// for the same reasons but the first.
    pub(super) fn follow_silence(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        let off = call.holding || call.change.as_ref().is_some_and(Change::silences);
        let (silent, hidden) = (call.muted || off, off && call.media == CallMedia::Video);
        if call.leg && call.silent != silent {
            call.silent = silent;
            t.media(handle, MediaOrder::Mute(silent));
        }
        if call.leg && call.hidden != hidden {
            call.hidden = hidden;
            t.media(handle, MediaOrder::Hide(hidden));
        }
    }

    /// The description for the change of this number is complete; for one that is over it is of no use.
    pub(super) fn on_change_description(&mut self, t: &mut Turn<'_>, handle: Handle, number: u64, sdp: String) {
        let Some(sid) = self.session.id.clone() else { return };
        let Some(call) = self.slots.get_mut(handle) else { return };
        let Some(id) = call.id.clone() else { return };
        let (kind, as_it_is) = (call.kind(), call.as_it_is());
        let Some(change) = call.change.as_mut().filter(|change| change.number == number) else { return };
        let draft = match &mut change.side {
            Side::Own(own) if own.stage == OwnStage::Offering => {
                own.stage = OwnStage::Requested;
                // Of a conference there is no other word for a description that changes nothing.
                let plain = own.operation == Operation::Reconnect && kind == Kind::Conference;
                let said = if plain { as_it_is } else { own.operation };
                Draft::action(kind, &sid, &id, said.action(), None, &sdp)
            }
            Side::Peer(peer) if peer.stage == PeerStage::Answering => {
                peer.stage = PeerStage::Accepting;
                peer.ours = Some(sdp.clone());
                Draft::action(kind, &sid, &id, CallAction::AcceptModification, peer.mod_id.as_deref(), &sdp)
            }
            Side::Own(_) | Side::Peer(_) => return,
        };
        call.local_sdp = Some(sdp);
        match draft {
            Some(draft) => drop(self.requests.send(draft, Purpose::ChangeCall { item: handle }, t.out)),
            // The methods refuse it before.
            None => self.undo_change(t, handle, &Failure::Refused(Some("Conferences have no such change."))),
        }
    }

    /// The media side cannot make the description for the change of this number.
    pub(super) fn change_media_failed(&mut self, t: &mut Turn<'_>, handle: Handle, number: u64, problem: &Problem) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        let Some(change) = call.change.as_ref().filter(|change| change.number == number) else { return };
        match &change.side {
            Side::Own(_) => self.undo_change(t, handle, &Failure::Problem(problem)),
            Side::Peer(_) => self.decline_change(t, handle, problem),
        }
    }

    // ---- the answer of the gateway -----------------------------------------------------------------------------------

    pub(super) fn on_changed(&mut self, t: &mut Turn<'_>, handle: Handle, result: Result<HttpResponse, Problem>) {
        if let Err(problem) = &result
            && problem.kind == (ProblemKind::NotFound { session: true })
        {
            return self.expire(t, &problem.error);
        }
        let call = self.slots.get(handle).filter(|call| call.phase == Phase::Talking);
        let Some(change) = call.and_then(|call| call.change.as_ref()).filter(|change| change.in_flight()) else {
            return;
        };
        let ours = matches!(change.side, Side::Own(_));
        let unheard = result.as_ref().is_err_and(Problem::is_unheard);
        let taken = match &result {
            Ok(response) => !ours || response.status == TAKEN,
            Err(_) => unheard && call.is_some_and(Call::outcome_is_here),
        };
        let doubt = Doubt::about_change(t.now, change).filter(|_| ours && unheard && !taken);
        if let Some(call) = self.slots.get_mut(handle).filter(|_| doubt.is_some()) {
            call.doubt = doubt;
        }
        match (ours, result) {
            (true, _) if taken => self.own_taken(t, handle),
            (false, _) if taken => self.peer_taken(t, handle),
            (_, Ok(response)) => {
                let text = format!("the gateway answered {} where {TAKEN} takes a change", response.status);
                self.undo_change(t, handle, &Failure::Problem(&Problem::own("0001", &text)));
            }
            (true, Err(problem)) => self.undo_change(t, handle, &Failure::Problem(&problem)),
            (false, Err(problem)) => self.peer_not_taken(t, handle, &problem),
        }
        self.replay_deferred(t, handle);
    }

    pub(super) fn own_taken(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let now = t.now;
        let Some(call) = self.slots.get_mut(handle) else { return };
        let Some(change) = call.change.as_mut() else { return };
        change.until = Some(now + OUTCOME_LIMIT);
        if let Side::Own(own) = &mut change.side {
            own.stage = OwnStage::Pending;
            // At once (section 9).
            call.media = own.operation.media().unwrap_or(call.media);
            call.downgrade &= call.media == CallMedia::Audio;
        }
        self.change_state(t, handle, CallState::ModificationInitiated);
        self.tell(t, handle, "call:modification-in-progress");
    }

    /// Events that came while the gateway's answer was awaited, in order.
    pub(super) fn replay_deferred(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        for event in std::mem::take(&mut call.deferred) {
            self.on_item_event(t, handle, event);
        }
    }

    // ---- the outcome of ours -----------------------------------------------------------------------------------------

    /// `mod-terminated` (section 3.3.6).
    pub(super) fn on_mod_terminated(&mut self, t: &mut Turn<'_>, handle: Handle, event: &EventObject) {
        let Some(call) = self.slots.get(handle).filter(|call| call.phase == Phase::Talking) else { return };
        if call.change.is_none() && !self.was_in_doubt(t, handle, event) {
            return self.on_stray_outcome(t, handle, event);
        }
        let Some(change) = self.slots.get(handle).and_then(|call| call.change.as_ref()) else { return };
        let success = event.reason.as_deref() == Some(reason::SUCCESS);
        match &change.side {
            Side::Own(own) if own.stage == OwnStage::Pending && own.operation != Operation::Move => {
                let answer = event.sdp.as_deref().filter(|_| success);
                match answer.map(|text| (text, Sdp::parse(text))) {
                    Some((text, Ok(sdp))) => self.settle_own(t, handle, text, &sdp),
                    // Without an answer that can be put in force nothing has changed here.
                    Some((_, Err(_))) | None => {
                        let why = event.reason.as_deref().filter(|_| !success);
                        self.undo_change(t, handle, &Failure::Refused(why));
                    }
                }
            }
            Side::Own(_) => log::debug!("call {handle}: the end of a change that is not awaited"),
            Side::Peer(peer) => {
                let other = |id: &String| peer.mod_id.as_ref().is_some_and(|ours| ours != id);
                if event.mod_id.as_ref().is_some_and(other) {
                    return;
                }
                match peer.stage {
                    PeerStage::Accepted => self.settle_peer(t, handle, success, event),
                    PeerStage::Unheard if success => {
                        self.peer_taken(t, handle);
                        // In a conference that is all.
                        if self.slots.get(handle).is_some_and(|call| call.change.is_some()) {
                            self.settle_peer(t, handle, success, event);
                        }
                    }
                    PeerStage::Asking | PeerStage::Answering | PeerStage::Unheard => {
                        self.withdraw_peer_change(t, handle);
                        self.after_change(t, handle);
                    }
                    PeerStage::Accepting => {}
                }
            }
        }
    }

    fn settle_own(&mut self, t: &mut Turn<'_>, handle: Handle, text: &str, sdp: &Sdp) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        let Some(Change { side: Side::Own(own), previous, .. }) = call.change else { return };
        self.put_in_force(t, handle, text, sdp);
        let Some(call) = self.slots.get_mut(handle) else { return };
        let (state, event) = match own.operation {
            Operation::Hold => (CallState::Held, Some("call:held")),
            Operation::Resume => (CallState::Connected, Some("call:resumed")),
            Operation::Upgrade | Operation::Downgrade | Operation::Move => (CallState::Connected, None),
            Operation::Reconnect => (previous, None),
        };
        call.holding = state == CallState::Held;
        call.doubt = None;
        self.change_state(t, handle, state);
        if let Some(name) = event {
            self.tell(t, handle, name);
        }
        if own.operation == Operation::Reconnect {
            self.path_is_agreed(handle);
        }
        self.close_change(t, handle);
        match own.then {
            Then::Nothing => self.finish_changed(t, handle, None),
            Then::Second => self.second_may_start(t, handle),
            Then::Switch => self.switch(t, handle),
        }
        self.after_change(t, handle);
    }

    /// Takes an answer of the peer to an offer of ours.
    pub(super) fn put_in_force(&mut self, t: &mut Turn<'_>, handle: Handle, text: &str, sdp: &Sdp) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        call.codec = sdp.codec_list();
        call.remote_sdp = Some(text.to_owned());
        call.ordered.push_back(Ordered::Answer);
        t.media(handle, MediaOrder::ApplyAnswer { sdp: text.to_owned() });
    }

    /// A change of ours came to nothing: state, media type and tracks are as before (P-14, P-15), and what was to follow
    /// does not (P-17).
    pub(super) fn undo_change(&mut self, t: &mut Turn<'_>, handle: Handle, failure: &Failure<'_>) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        let Some(Change { side: Side::Own(own), previous, previous_media, .. }) = call.change else { return };
        if own.operation == Operation::Reconnect {
            return self.undo_reconnection(t, handle, previous);
        }
        let (item, cause) = (call.item(), call.cause.clone());
        call.media = previous_media;
        let error = match failure {
            Failure::Problem(problem) => problem.error.as_ref().clone(),
            Failure::Refused(why) => sdk(own.operation.code(), Some(bounded(why.unwrap_or(NO_REASON)))),
        };
        self.change_state(t, handle, previous);
        match failure {
            Failure::Problem(problem) => {
                // With something to follow it is the method's own error that is published (P-17).
                if own.then == Then::Nothing || problem.kind == ProblemKind::Unreachable {
                    self.publish_problem(t, problem, Some(item), cause);
                }
            }
            // P-27: a move that fails is an error always.
            Failure::Refused(_) if own.operation == Operation::Move => {
                t.event(events::error(&error, Some(item), cause))
            }
            Failure::Refused(Some(reason::USER_BUSY)) => {}
            Failure::Refused(why) => self.notify(t, handle, why.unwrap_or(NO_REASON)),
        }
        self.close_change(t, handle);
        match own.then {
            Then::Nothing => self.finish_changed(t, handle, Some(&error)),
            Then::Second => self.second_may_not_start(t, handle, &error),
            Then::Switch => self.switch_failed(t, handle, &error),
        }
        self.after_change(t, handle);
    }

    /// The user did not ask for a new path, so nobody is told that none was found.
    fn undo_reconnection(&mut self, t: &mut Turn<'_>, handle: Handle, previous: CallState) {
        self.change_state(t, handle, previous);
        self.close_change(t, handle);
        t.media(handle, MediaOrder::Withdraw);
        self.path_is_refused(t, handle);
        self.after_change(t, handle);
    }

    // ---- move --------------------------------------------------------------------------------------------------------

    /// `move-terminated` (section 3.3.7).
    pub(super) fn on_move_terminated(&mut self, t: &mut Turn<'_>, handle: Handle, event: &EventObject) {
        let now = t.now;
        let Some(call) = self.slots.get(handle).filter(|call| call.phase == Phase::Talking) else { return };
        if call.change.is_none() && !self.was_in_doubt(t, handle, event) {
            return;
        }
        let Some(call) = self.slots.get_mut(handle) else { return };
        let Some(change) = &mut call.change else { return };
        let Side::Own(own) = &mut change.side else { return };
        if own.operation != Operation::Move || own.stage != OwnStage::Pending {
            return;
        }
        if event.reason.as_deref() == Some(reason::SUCCESS) {
            own.stage = OwnStage::MoveInitiated;
            change.until = None;
            return self.change_state(t, handle, CallState::MoveInitiated);
        }
        own.stage = OwnStage::MoveFailed;
        change.until = Some(now + OUTCOME_LIMIT);
        let error = sdk("4000", Some(bounded(event.reason.as_deref().unwrap_or(NO_REASON))));
        let (item, cause) = (call.item(), call.cause.clone());
        self.change_state(t, handle, CallState::MoveFailed);
        t.event(events::error(&error, Some(item), cause));
        self.finish_changed(t, handle, Some(&error));
    }

    /// `session-modified` of an established call: the end of a move (section 3.3.3). Elsewhere it changes nothing.
    pub(super) fn on_session_modified(&mut self, t: &mut Turn<'_>, handle: Handle, event: &EventObject) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        let Some(Change { side: Side::Own(own), .. }) = &mut call.change else { return };
        match own.stage {
            OwnStage::MoveInitiated => {
                own.stage = OwnStage::Moved;
                self.change_state(t, handle, CallState::Moved);
                self.tell(t, handle, "call:moved");
                self.finish_changed(t, handle, None);
            }
            OwnStage::MoveFailed => {
                if let Some((text, Ok(sdp))) = event.sdp.as_deref().map(|text| (text, Sdp::parse(text))) {
                    self.put_in_force(t, handle, text, &sdp);
                }
                self.end_failed_move(t, handle);
            }
            OwnStage::Offering | OwnStage::Requested | OwnStage::Pending | OwnStage::Moved => {}
        }
    }

    pub(super) fn end_failed_move(&mut self, t: &mut Turn<'_>, handle: Handle) {
        self.change_state(t, handle, CallState::Connected);
        self.close_change(t, handle);
        self.after_change(t, handle);
    }

    // ---- ends --------------------------------------------------------------------------------------------------------

    /// The outcome of a change has not come in time.
    pub(super) fn change_overdue(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let Some(call) = self.slots.get_mut(handle).filter(|call| call.phase == Phase::Talking) else { return };
        let Some(change) = &mut call.change else { return };
        change.until = None;
        match &change.side {
            Side::Own(own) if own.stage == OwnStage::MoveFailed => self.end_failed_move(t, handle),
            Side::Own(_) => {
                let why = "The gateway did not say how the change ended.";
                self.undo_change(t, handle, &Failure::Refused(Some(why)));
            }
            Side::Peer(peer) if peer.stage == PeerStage::Unheard => self.tell_answer_again(t, handle),
            Side::Peer(_) => {
                self.close_peer_change(t, handle, true, None);
                self.after_change(t, handle);
            }
        }
    }

    /// From here on no change is running.
    pub(super) fn close_change(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let change = self.slots.get_mut(handle).and_then(|call| call.change.take());
        if let Some(Change { side: Side::Peer(peer), .. }) = change
            && peer.offer.is_none()
            && !peer.answered
        {
            t.media(handle, MediaOrder::Withdraw);
        }
        self.follow_silence(t, handle);
    }

    /// Finishes the command whose change this was.
    pub(super) fn finish_changed(&mut self, t: &mut Turn<'_>, handle: Handle, error: Option<&ErrorObject>) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        let item = call.item();
        for waiting in call.finished_by(Until::Changed) {
            if call.cause == waiting.tag {
                call.cause = None;
            }
            t.event(events::finished(waiting.tag, Some(item), error));
        }
    }

    /// What was waiting for the end of a change: events in order, and the resume of a call that came to the foreground.
    pub(super) fn after_change(&mut self, t: &mut Turn<'_>, handle: Handle) {
        self.replay_deferred(t, handle);
        if self.slots.get(handle).is_some_and(|call| call.resume_due) {
            self.resume_marked(t, handle);
        }
    }

    /// Publishes an event about an item with the full payload. The progress of a change is told of calls only (section 12).
    pub(super) fn tell(&self, t: &mut Turn<'_>, handle: Handle, name: &'static str) {
        let told = |call: &&Call| call.kind() == Kind::Call || name != "call:modification-in-progress";
        if let Some(call) = self.slots.get(handle).filter(told) {
            t.event(events::call(name, call, self.own.as_deref()));
        }
    }

    pub(super) fn notify(&self, t: &mut Turn<'_>, handle: Handle, text: &str) {
        if let Some(call) = self.slots.get(handle) {
            t.event(events::notification(call, self.own.as_deref(), &bounded(text)));
        }
    }
}

impl Call {
    /// Begins a change and returns its number.
    pub(super) fn begin(&mut self, side: Side) -> u64 {
        self.changes += 1;
        let (previous, previous_media) = (self.state, self.media);
        self.change = Some(Change { number: self.changes, previous, previous_media, until: None, side });
        self.changes
    }

    /// The media of this call can be video.
    pub(super) fn has_video_source(&self) -> bool {
        super::media_target::names_video(&self.local_media)
    }

    /// A change or a transfer is running.
    pub(super) fn is_changing(&self) -> bool {
        self.change.is_some() || self.transfer.is_some()
    }

    /// The type of a call that is made from here.
    pub(super) fn default_media(&self) -> CallMedia {
        if self.has_video_source() { CallMedia::Video } else { CallMedia::Audio }
    }
}
