//! How items end: hangup, cancel, reject, failure, and the one way out of life (phone-behaviour.md sections 4, 8, P-63,
//! P-64).
//!
//! Owns: the ends of items and what follows from them. Lives on: the phone's actor. Must not import: anything but the
//! other machines of the core.

use super::call::{CallState, Flow, Phase, TERMINATION_GRACE, Until};
use super::errors::{Problem, ProblemKind, sdk};
use super::events;
use super::io::{ErrorObject, Handle, HttpResponse, MediaOrder};
use super::phone::{Life, PhoneCore, Turn};
use super::requests::{Draft, Purpose};
use super::session::SessionPhase;
use super::tones::Row;
use ewebrtc_wire::DeleteReason;

impl PhoneCore {
    /// Hangs up an established item; `quiet` for logout and action end, which publish no `call:disconnecting`.
    pub(super) fn terminate(&mut self, t: &mut Turn<'_>, handle: Handle, quiet: bool) {
        self.send_delete(t, handle, DeleteReason::Terminate);
        self.close_leg(t, handle);
        self.change_state(t, handle, CallState::Disconnecting);
        if !quiet && let Some(call) = self.slots.get(handle) {
            t.event(events::call("call:disconnecting", call, self.own.as_deref()));
        }
    }

    /// Cancels or rejects an item that is not established yet. Without an id at the gateway it ends at once; if its POST
    /// is in flight, DELETE follows the 201 (P-64).
    pub(super) fn withdraw(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        match call.flow {
            Flow::Outgoing => call.canceled = true,
            Flow::Incoming => call.rejected = true,
        }
        let reason = call.withdrawal();
        if call.id.is_none() {
            let end = call.own_end();
            self.end_call(t, handle, end, None, None);
            return;
        }
        self.send_delete(t, handle, reason);
        self.close_leg(t, handle);
    }

    /// Who hangs up is heard no more, even if the gateway takes its time.
    fn close_leg(&mut self, t: &mut Turn<'_>, handle: Handle) {
        if let Some(call) = self.slots.get_mut(handle)
            && std::mem::take(&mut call.leg)
        {
            t.media(handle, MediaOrder::Close);
        }
    }

    fn send_delete(&mut self, t: &mut Turn<'_>, handle: Handle, reason: DeleteReason) {
        let Some(sid) = self.session.id.clone() else { return };
        let Some(call) = self.slots.get_mut(handle) else { return };
        let Some(id) = call.id.clone() else { return };
        call.phase = Phase::Ending;
        call.deferred.clear();
        let draft = Draft::delete_item(call.kind(), &sid, &id, reason);
        self.requests.send(draft, Purpose::DeleteCall { item: handle, reason }, t.out);
    }

    /// Tells the gateway that an item is over here, without waiting for its word.
    pub(super) fn farewell(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let Some(call) = self.slots.get(handle).filter(|call| !call.is_ending()) else { return };
        let (kind, id, reason) = (call.kind(), call.id.clone(), call.withdrawal());
        if let Some(id) = id {
            self.tell_end(t, kind, id, reason);
        }
    }

    pub(super) fn change_state(&mut self, t: &mut Turn<'_>, handle: Handle, new: CallState) {
        let background = self.slots.is_background(handle);
        let own = self.own.clone();
        let Some(call) = self.slots.get_mut(handle) else { return };
        let old = std::mem::replace(&mut call.state, new);
        if old != new {
            t.event(events::state_changed(call, own.as_deref(), old.as_str(), new.as_str(), background));
        }
    }

    /// The one way out of life for an item: state-changed, its terminal event, the end of every command that waits for
    /// it, and what was waiting for its place.
    pub(super) fn end_call(
        &mut self,
        t: &mut Turn<'_>,
        handle: Handle,
        end: CallState,
        message: Option<String>,
        error: Option<&ErrorObject>,
    ) {
        self.close_leg(t, handle);
        let (background, place) = (self.slots.is_background(handle), self.slots.place(handle));
        let Some(mut call) = self.slots.remove(handle) else { return };
        if let Some(id) = call.id.clone() {
            self.channel.remember_ended(id);
        }
        let own = self.own.as_deref();
        let old = std::mem::replace(&mut call.state, end);
        t.event(events::state_changed(&call, own, old.as_str(), end.as_str(), background));
        let name = match end {
            CallState::Canceled => "call:canceled",
            CallState::Rejected => "call:rejected",
            CallState::Disconnected
            | CallState::Created
            | CallState::Connecting
            | CallState::Connected
            | CallState::ModificationInitiated
            | CallState::ModificationAccepted
            | CallState::Held
            | CallState::MoveInitiated
            | CallState::MoveFailed
            | CallState::Moved
            | CallState::Transferring
            | CallState::Transferred
            | CallState::Disconnecting => "call:disconnected",
        };
        let mut event = events::call(name, &call, own);
        if end == CallState::Disconnected {
            if let Some(message) = &message {
                event.data.insert("message".into(), message.as_str().into());
            }
            if background {
                event.data.insert("background".into(), true.into());
            }
        }
        t.event(event);
        for row in std::mem::take(&mut call.tones) {
            let unsent = error.cloned().unwrap_or_else(|| Row::unsent(&format!("the call was {}", end.as_str())));
            t.event(events::finished(row.tag, Some(call.item()), Some(&unsent)));
        }
        for waiting in std::mem::take(&mut call.waiting) {
            let unmet = || {
                let text = message.clone().unwrap_or_else(|| format!("the call was {}", end.as_str()));
                error.cloned().unwrap_or_else(|| sdk(waiting.code, Some(text)))
            };
            let outcome = match waiting.until {
                Until::Connecting | Until::Connected | Until::Changed | Until::Answered(_) => Some(unmet()),
                Until::Ended => call.failure.clone(),
            };
            t.event(events::finished(waiting.tag, Some(call.item()), outcome.as_ref()));
        }
        // With the session everything ends; nobody takes the place.
        if self.life == Life::Open && self.session.phase != SessionPhase::None {
            self.place_is_free(t, &call, place);
            self.advance_logout(t);
        }
    }

    /// An item cannot go on: the error, a last word to the gateway, and the end (P-63).
    pub(super) fn fail_call(&mut self, t: &mut Turn<'_>, handle: Handle, problem: &Problem, end: CallState) {
        let Some((item, cause)) = self.slots.get(handle).map(|call| (call.item(), call.cause.clone())) else { return };
        self.publish_problem(t, problem, Some(item), cause);
        self.farewell(t, handle);
        let message = problem.error.error_message.clone();
        self.end_call(t, handle, end, Some(message), Some(problem.error.as_ref()));
    }

    pub(super) fn on_deleted(
        &mut self,
        t: &mut Turn<'_>,
        handle: Handle,
        reason: DeleteReason,
        result: Result<HttpResponse, Problem>,
    ) {
        let Some(call) = self.slots.get_mut(handle).filter(|call| call.phase == Phase::Ending) else { return };
        let problem = match result {
            Ok(_) => {
                call.phase = Phase::Grace(t.now + TERMINATION_GRACE);
                return;
            }
            Err(problem) => problem,
        };
        if problem.kind == (ProblemKind::NotFound { session: true }) {
            return self.expire(t, &problem.error);
        }
        call.failure = Some(problem.error.as_ref().clone());
        let (kind, id) = (call.kind(), call.id.clone());
        let (item, cause, end) = (call.item(), call.cause.clone(), call.own_end());
        self.publish_problem(t, &problem, Some(item), cause);
        self.end_call(t, handle, end, Some(problem.error.error_message.clone()), Some(problem.error.as_ref()));
        if let Some(id) = id.filter(|_| problem.is_unheard()) {
            self.owe(t.now, kind, id, reason);
        }
    }
}
