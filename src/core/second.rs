//! Two calls: the second one waits until the first is out of the way, calls change places, and who was held for another
//! is resumed (phone-behaviour.md section 8, P-16 to P-18).
//!
//! Owns: addCall, answer and joinConference with an action, switchCall, the resume by mark. Lives on: the phone's actor. Must not import:
//! anything but the other machines of the core.

use super::call::{Call, CallMedia, CallState, Flow, Phase, Until, Waiting};
use super::conferences::{answer_code, second_code};
use super::errors::caused_by;
use super::events;
use super::io::{ErrorObject, Handle, MediaOrder};
use super::methods::option;
use super::modification::{Operation, Then};
use super::phone::{PhoneCore, Turn};
use super::session::SessionPhase;
use super::slots::Place;
use ewebrtc_wire::{Kind, called_party};
use serde_json::{Value, json};

impl PhoneCore {
    // ---- a new item --------------------------------------------------------------------------------------------------

    /// dial: the checks have found no other item.
    pub(super) fn dial(&mut self, t: &mut Turn<'_>, tag: Option<String>, options: &Value) -> Value {
        let handle = self.new_outgoing(tag, options, "2200");
        self.start_pending(t);
        json!({ "call": handle })
    }

    /// addCall: the call waits in the pending slot until the one in the foreground is held.
    pub(super) fn add_call(&mut self, t: &mut Turn<'_>, tag: Option<String>, options: &Value) -> Value {
        let handle = self.new_outgoing(tag.clone(), options, "3900");
        self.clear_the_line(t, &tag);
        json!({ "call": handle })
    }

    fn new_outgoing(&mut self, tag: Option<String>, options: &Value, code: &'static str) -> Handle {
        self.remember_targets(options);
        let destination = option(options, "destination").unwrap_or_default();
        // The checks have passed: the text is a destination.
        let called = called_party(&destination, self.domain()).unwrap_or_default();
        let handle = self.take_handle();
        let mut call = Call::outgoing(handle, self.slots.next_index(), destination, called);
        (call.local_media, call.remote_media) = self.targets();
        call.media = call.wanted_media(options);
        call.phase = Phase::Queued;
        call.cause.clone_from(&tag);
        call.waiting.push(Waiting { tag, until: Until::Connecting, code });
        self.slots.insert_pending(call);
        handle
    }

    pub(super) fn answer(&mut self, t: &mut Turn<'_>, tag: Option<String>, options: &Value) {
        self.remember_targets(options);
        let targets = self.targets();
        let Some(handle) = self.slots.pending().map(|call| call.handle) else { return };
        if let Some(call) = self.slots.get_mut(handle) {
            (call.local_media, call.remote_media) = targets;
            let code = answer_code(call.kind());
            call.waiting.push(Waiting { tag: tag.clone(), until: Until::Connected, code });
            call.phase = Phase::Queued;
            call.audio_only = option(options, "mediaType").as_deref() == Some("audio");
        }
        self.set_cause(handle, &tag);
        let action = option(options, "action");
        let end = action.as_deref() == Some("end");
        if action.is_some() && self.slots.foreground().is_none() {
            log::warn!("answer: action is of no use without a call in the foreground");
        }
        match self.slots.foreground().map(|call| (call.handle, call.is_ending())) {
            Some((foreground, false)) if end => {
                self.set_cause(foreground, &tag);
                self.terminate(t, foreground, true);
            }
            Some((_, false)) => self.clear_the_line(t, &tag),
            Some((_, true)) => {}
            None => self.start_pending(t),
        }
    }

    /// Holds the foreground call for the item that waits; one that is held already is out of the way.
    pub(super) fn clear_the_line(&mut self, t: &mut Turn<'_>, tag: &Option<String>) {
        let Some((handle, state)) = self.slots.foreground().map(|call| (call.handle, call.state)) else { return };
        if state == CallState::Held {
            return self.start_pending(t);
        }
        self.set_cause(handle, tag);
        self.start_change(t, handle, Operation::Hold, Then::Second);
    }

    /// The item that waits begins: its way is clear.
    pub(super) fn start_pending(&mut self, t: &mut Turn<'_>) {
        let waiting = self.slots.pending().filter(|call| call.phase == Phase::Queued);
        let Some((handle, flow)) = waiting.map(|call| (call.handle, call.flow)) else { return };
        match flow {
            Flow::Incoming => self.prepare_answer(t, handle),
            Flow::Outgoing => {
                let Some(call) = self.slots.get_mut(handle) else { return };
                call.phase = Phase::Offering;
                if call.kind() == Kind::Call {
                    t.event(events::dialing(call));
                }
                let (local, remote) = (call.local_media.clone(), call.remote_media.clone());
                let order = MediaOrder::Offer { local, remote, video: call.media == CallMedia::Video };
                self.order_first(t, handle, order);
            }
        }
    }

    /// The implicit hold is done.
    pub(super) fn second_may_start(&mut self, t: &mut Turn<'_>, first: Handle) {
        self.set_cause(first, &None);
        if self.slots.pending().is_some_and(|call| call.phase == Phase::Queued) {
            self.start_pending(t);
        } else {
            // Who it was made for is gone.
            self.resume_marked(t, first);
        }
    }

    /// The implicit hold has failed (P-17): an added call ends before it began, a ringing one goes on ringing.
    pub(super) fn second_may_not_start(&mut self, t: &mut Turn<'_>, first: Handle, cause: &ErrorObject) {
        self.set_cause(first, &None);
        if let Some(call) = self.slots.get_mut(first) {
            call.marked = false;
        }
        let waiting = self.slots.pending().filter(|call| call.phase == Phase::Queued);
        let waiting = waiting.map(|call| (call.handle, call.flow, call.kind(), call.cause.clone()));
        let Some((handle, flow, kind, tag)) = waiting else { return };
        let code = match flow {
            Flow::Outgoing => second_code(kind),
            Flow::Incoming => answer_code(kind),
        };
        let error = caused_by(code, cause);
        let Some(call) = self.slots.get_mut(handle) else { return };
        let item = call.item();
        t.event(events::error(&error, Some(item), tag));
        match flow {
            Flow::Outgoing => {
                let message = error.error_message.clone();
                self.end_call(t, handle, CallState::Disconnected, Some(message), Some(&error));
            }
            Flow::Incoming => {
                call.phase = Phase::Ringing;
                call.cause = None;
                for waiting in call.finished_by(Until::Connected) {
                    t.event(events::finished(waiting.tag, Some(item), Some(&error)));
                }
            }
        }
    }

    // ---- switching ---------------------------------------------------------------------------------------------------

    pub(super) fn switch_by_command(&mut self, t: &mut Turn<'_>, tag: Option<String>) {
        let Some((handle, state)) = self.slots.foreground().map(|call| (call.handle, call.state)) else { return };
        if let Some(call) = self.slots.get_mut(handle) {
            call.cause.clone_from(&tag);
            call.waiting.push(Waiting { tag, until: Until::Changed, code: "4200" });
        }
        if state == CallState::Held {
            self.switch(t, handle);
        } else {
            self.start_change(t, handle, Operation::Hold, Then::Switch);
        }
    }

    /// The foreground call is held: the other one takes its place and is resumed if it was held for this one. The command
    /// goes with it and finishes when that is done.
    pub(super) fn switch(&mut self, t: &mut Turn<'_>, from: Handle) {
        let Some(to) = self.slots.background().map(|call| call.handle) else {
            return self.finish_changed(t, from, None);
        };
        self.slots.bring_forward(to);
        let Some(call) = self.slots.get_mut(from) else { return };
        let cause = call.cause.take();
        let commands = call.finished_by(Until::Changed);
        self.tell_switched(t, from, to, cause.clone());
        if let Some(call) = self.slots.get_mut(to) {
            call.cause = cause;
            call.waiting.extend(commands);
        }
        if !self.resume_marked(t, to) {
            self.finish_changed(t, to, None);
        }
    }

    /// The implicit hold of a switch has failed: nobody changes places.
    pub(super) fn switch_failed(&mut self, t: &mut Turn<'_>, handle: Handle, cause: &ErrorObject) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        call.marked = false;
        let error = caused_by("4200", cause);
        t.event(events::error(&error, Some(call.item()), call.cause.clone()));
        self.finish_changed(t, handle, Some(&error));
    }

    fn tell_switched(&self, t: &mut Turn<'_>, from: Handle, to: Handle, tag: Option<String>) {
        if let (Some(from), Some(to)) = (self.slots.get(from), self.slots.get(to)) {
            t.event(events::switched((&self.name_of(from), from.index), (&self.name_of(to), to.index), tag));
        }
    }

    /// Who an item is with: the other party, of a conference its host (P-5: always filled).
    fn name_of(&self, call: &Call) -> String {
        if call.is_hosted() { self.own.clone().unwrap_or_default() } else { call.peer.clone() }
    }

    /// A second call is connected: it is in the foreground now.
    pub(super) fn second_connected(
        &self,
        t: &mut Turn<'_>,
        first: Option<Handle>,
        second: Handle,
        tag: Option<String>,
    ) {
        if let Some(first) = first.filter(|first| *first != second) {
            self.tell_switched(t, first, second, tag);
        }
    }

    /// An item is over. Whoever waited for its place goes on.
    pub(super) fn place_is_free(&mut self, t: &mut Turn<'_>, ended: &Call, place: Place) {
        let foreground = self.slots.foreground().map(|call| (call.handle, self.name_of(call), call.index));
        let Some((next, peer, index)) = foreground else { return self.start_pending(t) };
        match place {
            Place::Foreground => {
                t.event(events::switched((&self.name_of(ended), ended.index), (&peer, index), None));
                self.resume_marked(t, next);
            }
            // A second item that ended before it was connected (P-16).
            Place::Pending => {
                self.resume_marked(t, next);
            }
            Place::Background => {}
        }
    }

    /// Resumes the foreground call if it was held for another item; while a change is running, after that. Returns whether
    /// the resume has begun.
    pub(super) fn resume_marked(&mut self, t: &mut Turn<'_>, handle: Handle) -> bool {
        let open = self.session.phase == SessionPhase::Ready;
        let foreground = self.slots.foreground().is_some_and(|call| call.handle == handle);
        let Some(call) = self.slots.get_mut(handle).filter(|call| call.phase == Phase::Talking) else { return false };
        call.resume_due = false;
        if !open || !foreground || !call.marked {
            return false;
        }
        if call.is_changing() {
            call.resume_due = true;
            return false;
        }
        if call.state != CallState::Held {
            return false;
        }
        call.marked = false;
        self.start_change(t, handle, Operation::Resume, Then::Nothing);
        true
    }
}

impl Call {
    /// The media type that the options ask for, by default video where there is a source of it (P-37).
    pub(super) fn wanted_media(&self, options: &Value) -> CallMedia {
        match option(options, "mediaType").as_deref() {
            Some("audio") => CallMedia::Audio,
            Some("video") => CallMedia::Video,
            Some(_) | None => self.default_media(),
        }
    }
}
