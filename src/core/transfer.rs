//! The attended transfer: the call in the foreground is the target, the held one in the background the transferee, and the
//! request goes out on the latter (phone-behaviour.md section 10, P-27; rest-protocol.md sections 2.7.10, 3.3.8, 5.10).
//!
//! Owns: the flows of the phone about [`Transfer`]. Lives on: the phone's actor. Must not import: anything but the other
//! machines of the core. What the other two parties do in it is an ordinary change of theirs (`changes`).

use super::call::{Call, CallState, Phase, Until, Waiting};
use super::doubt::Doubt;
use super::errors::{Problem, ProblemKind, bounded};
use super::io::{Handle, HttpResponse};
use super::modification::{OUTCOME_LIMIT, Transfer};
use super::phone::{PhoneCore, Turn};
use super::requests::{Draft, Purpose};
use ewebrtc_wire::{EventObject, EventState, reason};

impl PhoneCore {
    pub(super) fn transfer(&mut self, t: &mut Turn<'_>, tag: Option<String>) {
        let Some(sid) = self.session.id.clone() else { return };
        let Some(target) = self.slots.foreground().and_then(|call| call.id.clone()) else { return };
        let Some(handle) = self.slots.background().map(|call| call.handle) else { return };
        let Some(call) = self.slots.get_mut(handle) else { return };
        let Some(id) = call.id.clone() else { return };
        call.transfer = Some(Transfer::Requested);
        call.cause.clone_from(&tag);
        call.waiting.push(Waiting { tag, until: Until::Changed, code: "4100" });
        let draft = Draft::transfer(&sid, &id, &target, call.remote_sdp.as_deref().unwrap_or_default());
        self.requests.send(draft, Purpose::TransferCall { item: handle }, t.out);
    }

    pub(super) fn on_transfer_answered(
        &mut self,
        t: &mut Turn<'_>,
        handle: Handle,
        result: Result<HttpResponse, Problem>,
    ) {
        if let Err(problem) = &result
            && problem.kind == (ProblemKind::NotFound { session: true })
        {
            return self.expire(t, &problem.error);
        }
        let call = self.slots.get_mut(handle).filter(|call| call.phase == Phase::Talking);
        let Some(call) = call.filter(|call| call.transfer == Some(Transfer::Requested)) else { return };
        match result {
            Ok(_) => {
                call.transfer = Some(Transfer::Pending(t.now + OUTCOME_LIMIT));
                self.replay_deferred(t, handle);
            }
            Err(problem) if problem.is_unheard() && self.transfer_was_taken(t, handle) => {}
            Err(problem) => {
                if problem.is_unheard()
                    && let Some(call) = self.slots.get_mut(handle)
                {
                    call.doubt = Some(Doubt::about_transfer(t.now));
                }
                self.transfer_failed(t, handle, &problem);
            }
        }
    }

    /// The answer of the gateway does not come, or would be too late, since it ends the leg. Where it has told how the transfer
    /// ended it has taken it all the same, and that is so now; true then.
    pub(super) fn transfer_was_taken(&mut self, t: &mut Turn<'_>, handle: Handle) -> bool {
        let requested = |call: &&mut Call| call.transfer == Some(Transfer::Requested);
        let Some(call) = self.slots.get_mut(handle).filter(requested) else { return false };
        if !call.deferred.iter().any(|event| event.state == EventState::TransferTerminated) {
            return false;
        }
        call.transfer = Some(Transfer::Pending(t.now + OUTCOME_LIMIT));
        self.replay_deferred(t, handle);
        true
    }

    pub(super) fn on_transfer_initiated(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let Some(call) = self.slots.get_mut(handle).filter(|call| call.phase == Phase::Talking) else { return };
        let Some(Transfer::Pending(until)) = call.transfer else { return };
        call.transfer = Some(Transfer::Initiated(until));
        self.change_state(t, handle, CallState::Transferring);
        self.tell(t, handle, "call:transferring");
    }

    pub(super) fn on_transfer_terminated(&mut self, t: &mut Turn<'_>, handle: Handle, event: &EventObject) {
        let Some(call) = self.slots.get(handle).filter(|call| call.phase == Phase::Talking) else { return };
        if call.transfer.is_none() {
            self.was_in_doubt(t, handle, event);
        }
        let Some(call) = self.slots.get(handle) else { return };
        match call.transfer {
            Some(Transfer::Pending(_) | Transfer::Initiated(_)) => {}
            Some(Transfer::Requested | Transfer::Done) | None => return,
        }
        if event.reason.as_deref() != Some(reason::SUCCESS) {
            let why = bounded(event.reason.as_deref().unwrap_or("The gateway gave no reason."));
            return self.transfer_failed(t, handle, &Problem::own("4100", &why));
        }
        // Success without transfer-initiated: the application sees the states in their order all the same.
        self.on_transfer_initiated(t, handle);
        if let Some(call) = self.slots.get_mut(handle) {
            call.transfer = Some(Transfer::Done);
        }
        self.change_state(t, handle, CallState::Transferred);
        self.tell(t, handle, "call:transferred");
        self.finish_changed(t, handle, None);
        // A change of the peer cannot follow any more.
        if let Some(call) = self.slots.get_mut(handle) {
            call.deferred.clear();
        }
    }

    /// The gateway has not said in time how it ended.
    pub(super) fn transfer_overdue(&mut self, t: &mut Turn<'_>, handle: Handle) {
        self.transfer_failed(t, handle, &Problem::own("4100", "The gateway did not say how the transfer ended."));
    }

    /// Both calls stay usable, the background call is held as before (P-27).
    fn transfer_failed(&mut self, t: &mut Turn<'_>, handle: Handle, problem: &Problem) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        call.transfer = None;
        let (item, cause, state) = (call.item(), call.cause.clone(), call.state);
        self.publish_problem(t, problem, Some(item), cause);
        if state == CallState::Transferring {
            self.change_state(t, handle, CallState::Held);
        }
        self.finish_changed(t, handle, Some(problem.error.as_ref()));
        self.after_change(t, handle);
    }
}
