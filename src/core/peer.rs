//! Changes that the peer makes: its offer, the user's decision where one is needed, our answer, the outcome
//! (rest-protocol.md sections 3.3.5, 3.3.6, 2.7.8; phone-behaviour.md sections 7, 9, P-10, P-13, P-50).
//!
//! Owns: the flows of the phone about a [`Peer`] change. Lives on: the phone's actor. Must not import: anything but the
//! other machines of the core. Our own changes, and what both kinds share, stand in `changes`.

use super::call::{Call, CallMedia, CallState, Ordered, Phase, Until, Waiting};
use super::changes::{Failure, NO_REASON};
use super::doubt::Doubt;
use super::errors::{Problem, sdk};
use super::events;
use super::io::{Handle, MediaOrder};
use super::modification::{
    Change, OUTCOME_LIMIT, Operation, OwnStage, Peer, PeerStage, Side, answer_directions, operation_of, peer_outcome,
};
use super::phone::{PhoneCore, Turn};
use super::repair::comes_anew;
use super::requests::{Draft, Purpose};
use ewebrtc_wire::{CallAction, EventObject, Kind, Sdp};
use std::time::Duration;

/// Pause before an answer that was not heard is sent again, and for how long that is done: then the gateway has given up.
const PAUSE: Duration = Duration::from_secs(2);
const LONGEST_UNHEARD: Duration = Duration::from_secs(60);

/// Orders to the media side without an outcome, beyond which an offer of the peer is refused: one that asks faster than
/// descriptions can be made is not ours to keep up with.
const MAX_AWAITED: usize = 8;

impl PhoneCore {
    /// `mod-received` (section 3.3.5).
    pub(super) fn on_mod_received(&mut self, t: &mut Turn<'_>, handle: Handle, event: EventObject) {
        let Some(call) = self.slots.get(handle).filter(|call| call.phase == Phase::Talking) else { return };
        if event.mod_id.is_some() && event.mod_id == call.last_mod_id {
            return log::debug!("call {handle}: the same change again");
        }
        self.make_room(t, handle);
        let Some(call) = self.slots.get_mut(handle) else { return };
        if !matches!(call.state, CallState::Connected | CallState::Held) || call.change.is_some() {
            return log::debug!("call {handle}: a change of the peer that comes too late");
        }
        call.last_mod_id.clone_from(&event.mod_id);
        // One change at a time: what was in doubt is over.
        call.doubt = None;
        let sdp = match event.sdp.as_deref().map(Sdp::parse) {
            Some(Err(_)) => return self.refuse_offer(t, handle, event.mod_id.as_deref()),
            Some(Ok(_)) | None if call.ordered.len() >= MAX_AWAITED => {
                return self.refuse_offer(t, handle, event.mod_id.as_deref());
            }
            Some(Ok(sdp)) => Some(sdp),
            None => None,
        };
        let operation = sdp.as_ref().and_then(|sdp| operation_of(sdp, call.state, call.media, call.peer_held));
        // In a conference nobody is asked: the media stay what they are.
        let operation = operation.filter(|asked| call.kind() == Kind::Call || asked.media().is_none());
        let anew = event.sdp.as_deref().is_some_and(|offer| comes_anew(call.remote_sdp.as_deref(), offer));
        if let Some(sdp) = &sdp {
            call.codec = sdp.codec_list();
            call.remote_sdp.clone_from(&event.sdp);
        }
        let wanted = operation.and_then(Operation::media);
        let stage = if wanted.is_some() { PeerStage::Asking } else { PeerStage::Answering };
        let EventObject { mod_id, sdp: offer, .. } = event;
        call.begin(Side::Peer(Peer {
            operation,
            stage,
            mod_id,
            offer,
            anew,
            ours: None,
            unheard: None,
            answered: false,
            accepted: None,
        }));
        match wanted {
            Some(media) => t.event(events::media_modification(call, self.own.as_deref(), media)),
            None => self.answer_peer(t, handle),
        }
    }

    /// The gateway runs one change at a time (D-14), so what stands in the way of a new one is over there.
    fn make_room(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let Some(call) = self.slots.get(handle) else { return };
        match call.change.as_ref().map(|change| &change.side) {
            Some(Side::Own(own)) => match own.stage {
                OwnStage::Pending => {
                    let why = "The other party began a change before the outcome of this one was known.";
                    self.undo_change(t, handle, &Failure::Refused(Some(why)));
                }
                OwnStage::MoveFailed => self.end_failed_move(t, handle),
                OwnStage::Offering | OwnStage::Requested | OwnStage::MoveInitiated | OwnStage::Moved => {}
            },
            Some(Side::Peer(peer)) => match peer.stage {
                PeerStage::Asking | PeerStage::Answering | PeerStage::Unheard => self.withdraw_peer_change(t, handle),
                PeerStage::Accepted => self.close_peer_change(t, handle, true, None),
                PeerStage::Accepting => {}
            },
            None => {}
        }
    }

    /// Orders our description; the user's decision, if one was needed, is known.
    fn answer_peer(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        let Some(Change { number, side: Side::Peer(peer), .. }) = &mut call.change else { return };
        peer.stage = PeerStage::Answering;
        let (audio, video) = answer_directions(peer, call.holding, call.media);
        let order = match peer.offer.clone() {
            Some(offer) => MediaOrder::AnswerAgain { offer, audio, video },
            None => MediaOrder::OfferToAnother { audio, video },
        };
        call.ordered.push_back(Ordered::Description(*number));
        t.media(handle, order);
    }

    /// acceptModification and rejectModification: both answer, the latter with the media of before (P-50).
    pub(super) fn decide(&mut self, t: &mut Turn<'_>, handle: Option<Handle>, accept: bool, tag: Option<String>) {
        let Some(call) = handle.and_then(|handle| self.slots.get_mut(handle)) else { return };
        let handle = call.handle;
        let source = call.has_video_source();
        let Some(Change { side: Side::Peer(peer), .. }) = &mut call.change else { return };
        if accept && peer.operation == Some(Operation::Upgrade) && !source {
            return self.refuse_video(t, handle, tag);
        }
        peer.accepted = Some(accept);
        let code = if accept { "4300" } else { "4400" };
        call.cause.clone_from(&tag);
        call.waiting.push(Waiting { tag, until: Until::Changed, code });
        self.answer_peer(t, handle);
    }

    /// The offer cannot be answered: the peer is refused at the gateway (section 2.7.9, D-15), the call goes on.
    fn refuse_offer(&mut self, t: &mut Turn<'_>, handle: Handle, mod_id: Option<&str>) {
        let Some(sid) = self.session.id.clone() else { return };
        self.notify(t, handle, "The other party asked for a change that cannot be made; the call goes on unchanged.");
        let Some(call) = self.slots.get(handle) else { return };
        if let (Some(id), Some(mod_id), Some(sdp)) = (&call.id, mod_id, &call.local_sdp) {
            // Of a conference there is no such word; the gateway gives up by itself (D-17).
            if let Some(draft) = Draft::action(call.kind(), &sid, id, CallAction::RejectModification, Some(mod_id), sdp)
            {
                self.requests.send_farewell(draft, t.out);
            }
        }
    }

    pub(super) fn decline_change(&mut self, t: &mut Turn<'_>, handle: Handle, problem: &Problem) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        let mod_id = match call.change.take() {
            Some(Change { side: Side::Peer(peer), .. }) => peer.mod_id,
            Some(Change { side: Side::Own(_), .. }) | None => None,
        };
        if call.waiting.iter().any(|waiting| waiting.until == Until::Changed) {
            let (item, cause) = (call.item(), call.cause.clone());
            self.publish_problem(t, problem, Some(item), cause);
        }
        self.refuse_offer(t, handle, mod_id.as_deref());
        self.finish_changed(t, handle, Some(problem.error.as_ref()));
        self.after_change(t, handle);
    }

    /// Our answer was not taken. Where nobody knows whether the gateway has got it, it is sent again: the other side waits for
    /// it for a minute (D-17).
    pub(super) fn peer_not_taken(&mut self, t: &mut Turn<'_>, handle: Handle, problem: &Problem) {
        let now = t.now;
        let Some(call) = self.slots.get_mut(handle) else { return };
        let Some(Change { side: Side::Peer(peer), until, .. }) = &mut call.change else { return };
        let again = peer.unheard.is_some();
        if problem.is_unheard() && now < *peer.unheard.get_or_insert(now) + LONGEST_UNHEARD {
            (peer.stage, *until) = (PeerStage::Unheard, Some(now + PAUSE));
            return;
        }
        // A refusal may mean that it had been taken before.
        if again {
            call.doubt = call.change.as_ref().and_then(|change| Doubt::about_change(now, change));
        }
        let asked = call.waiting.iter().any(|waiting| waiting.until == Until::Changed);
        if problem.is_unheard() || asked || !again {
            let (item, cause) = (call.item(), call.cause.clone());
            self.publish_problem(t, problem, Some(item), cause);
        }
        self.drop_peer_change(t, handle, problem);
    }

    /// The pause is over.
    pub(super) fn tell_answer_again(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let now = t.now;
        let may_ask = self.may_ask_gateway();
        let sid = self.session.id.clone().unwrap_or_default();
        let Some(call) = self.slots.get_mut(handle) else { return };
        let (kind, id) = (call.kind(), call.id.clone().unwrap_or_default());
        let Some(Change { side: Side::Peer(peer), until, .. }) = &mut call.change else { return };
        let sdp = peer.ours.as_deref().unwrap_or_default();
        let draft = Draft::action(kind, &sid, &id, CallAction::AcceptModification, peer.mod_id.as_deref(), sdp);
        match draft.filter(|_| may_ask) {
            Some(draft) => {
                peer.stage = PeerStage::Accepting;
                self.requests.send(draft, Purpose::ChangeCall { item: handle }, t.out);
            }
            None if peer.unheard.is_some_and(|since| now < since + LONGEST_UNHEARD) => *until = Some(now + PAUSE),
            None => {
                let problem = Problem::own("0002", "the answer to a change could not be told to the gateway");
                let (item, cause) = (call.item(), call.cause.clone());
                self.publish_problem(t, &problem, Some(item), cause);
                self.drop_peer_change(t, handle, &problem);
            }
        }
    }

    /// The gateway did not take our answer. State and flags stay (section 2.7.8).
    fn drop_peer_change(&mut self, t: &mut Turn<'_>, handle: Handle, problem: &Problem) {
        self.close_change(t, handle);
        self.finish_changed(t, handle, Some(problem.error.as_ref()));
        self.after_change(t, handle);
    }

    /// The change is over before it was answered: there is nothing to decide any more.
    pub(super) fn withdraw_peer_change(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let Some(call) = self.slots.get(handle) else { return };
        let code = call.waiting.iter().find(|waiting| waiting.until == Until::Changed).map(|waiting| waiting.code);
        self.close_change(t, handle);
        if let Some(code) = code {
            let error = sdk(code, Some("the change was withdrawn".into()));
            let item = self.slots.get(handle).map(Call::item);
            let cause = self.slots.get(handle).and_then(|call| call.cause.clone());
            t.event(events::error(&error, item, cause));
            self.finish_changed(t, handle, Some(&error));
        }
    }

    pub(super) fn settle_peer(&mut self, t: &mut Turn<'_>, handle: Handle, success: bool, event: &EventObject) {
        let answer = event.sdp.as_deref().map(|text| (text, Sdp::parse(text)));
        let answer = answer.and_then(|(text, sdp)| Some((text, sdp.ok()?)));
        if !success {
            self.notify(t, handle, event.reason.as_deref().unwrap_or(NO_REASON));
        } else if let Some(call) = self.slots.get_mut(handle) {
            call.named(event.from.as_deref(), true);
        }
        self.close_peer_change(t, handle, success, answer);
        self.after_change(t, handle);
    }

    /// The end of a change of the peer that we answered: by our own answer we know what it was (section 3.3.6). Where we
    /// gave an offer, it counts when the peer's answer is there.
    pub(super) fn close_peer_change(
        &mut self,
        t: &mut Turn<'_>,
        handle: Handle,
        success: bool,
        answer: Option<(&str, Sdp)>,
    ) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        let Some(Change { side: Side::Peer(peer), previous, previous_media, .. }) = call.change.clone() else { return };
        let offered = peer.offer.is_none();
        let counts = success && (!offered || answer.is_some());
        let ours = peer.ours.as_deref().and_then(|text| Sdp::parse(text).ok()).filter(|_| counts);
        let outcome = ours.map(|sdp| peer_outcome(&sdp, previous, call.peer_held));
        if let Some(outcome) = outcome {
            call.peer_held = outcome.peer_held;
        }
        if !success {
            call.media = previous_media;
        }
        if let Some((text, sdp)) = answer.filter(|_| offered && success) {
            if let Some(Change { side: Side::Peer(peer), .. }) = &mut call.change {
                peer.answered = true;
            }
            self.put_in_force(t, handle, text, &sdp);
        }
        if peer.anew && success {
            self.path_is_agreed(handle);
        }
        let quiet = call_is_conference(self.slots.get(handle));
        self.change_state(t, handle, previous);
        if let Some(name) = outcome.and_then(|outcome| outcome.event).filter(|_| !quiet) {
            self.tell(t, handle, name);
        }
        self.close_change(t, handle);
        let failed = sdk("4300", Some("the gateway ended the change".into()));
        self.finish_changed(t, handle, (!success).then_some(&failed));
    }

    pub(super) fn peer_taken(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let now = t.now;
        let Some(call) = self.slots.get_mut(handle) else { return };
        let Some(change) = call.change.as_mut() else { return };
        change.until = Some(now + OUTCOME_LIMIT);
        let mut decided = false;
        let mut offered = false;
        if let Side::Peer(peer) = &mut change.side {
            peer.stage = PeerStage::Accepted;
            offered = peer.offer.is_none();
            decided = peer.accepted.is_some();
            if peer.accepted == Some(true) {
                call.media = peer.operation.and_then(Operation::media).unwrap_or(call.media);
                call.downgrade &= call.media == CallMedia::Audio;
            }
        }
        if call_is_conference(self.slots.get(handle)) {
            // Its state does not change (section 3.4). Only an answer to an offer of ours is still awaited.
            if !offered {
                self.close_peer_change(t, handle, true, None);
                self.after_change(t, handle);
            }
            return;
        }
        self.change_state(t, handle, CallState::ModificationAccepted);
        if decided {
            // P-10: on the side that was asked as well.
            self.tell(t, handle, "call:modification-in-progress");
        }
    }
}

/// What others do in a conference is not told to its participants (section 12).
fn call_is_conference(call: Option<&Call>) -> bool {
    call.is_some_and(|call| call.kind() == Kind::Conference)
}
