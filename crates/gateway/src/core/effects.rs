//! What a call does to the sessions of its legs.
//!
//! Owns: the way from a machine's [`Effect`]s to legs, events and timers. Lives on: the core's thread. Must not import:
//! anything of the HTTP shell.

use std::time::Instant;

use ewebrtc_wire::{BASE_PATH, EventObject, EventState, Kind, path, reason};

use super::anchor::AnchorTask;
use super::call::{Call, Effect, Fresh, Happening, News, Party, Stage};
use super::session::Leg;
use super::{Core, Id, Output, Timer};

/// Path of a leg.
pub(super) fn resource(session: &Id, leg: &Id) -> String {
    format!("{BASE_PATH}{}", path::item(Kind::Call, session, leg))
}

impl Core {
    /// Lets something happen to a call and carries out what follows.
    pub(super) fn happen(&mut self, now: Instant, call: &Id, happening: Happening, out: &mut Vec<Output>) {
        // A transfer concerns two calls, so it is ended before one of them is.
        match &happening {
            Happening::Deleted { .. } | Happening::Gone { .. } => {
                self.end_transfer(now, call, reason::CALL_TERMINATED, out);
            }
            Happening::AnchorFailed => self.end_transfer(now, call, reason::MEDIA_FAILED, out),
            Happening::Timeout => self.end_transfer(now, call, reason::NO_ANSWER, out),
            Happening::Answered { .. }
            | Happening::Busy { .. }
            | Happening::EchoReady { .. }
            | Happening::EchoFailed
            | Happening::Anchored { .. }
            | Happening::Unreachable { .. } => {}
        }
        self.with_call(now, call, out, |call, fresh, effects| call.handle(happening, fresh, effects));
    }

    /// What a modification has that begins now.
    pub(super) fn fresh(&mut self, now: Instant) -> Fresh {
        Fresh { mod_id: self.new_id(), until: now + self.config.modification }
    }

    /// Works on a call, then arms its timer, carries out what follows and forgets it when it is over.
    pub(super) fn with_call<T>(
        &mut self,
        now: Instant,
        id: &Id,
        out: &mut Vec<Output>,
        work: impl FnOnce(&mut Call, Fresh, &mut Vec<Effect>) -> T,
    ) -> Option<T> {
        let fresh = self.fresh(now);
        let call = self.calls.get_mut(id)?;
        let mut effects = Vec::new();
        let result = work(call, fresh, &mut effects);
        self.arm(id);
        self.carry_out(now, Some(id), effects, out);
        Some(result)
    }

    /// Brings the timers into line with the call's deadline; a call that is over goes.
    pub(super) fn arm(&mut self, id: &Id) {
        let Some(call) = self.calls.get_mut(id) else { return };
        let wanted = call.deadline();
        if call.armed != wanted {
            if let Some(old) = call.armed.take() {
                self.timers.remove(&(old, Timer::Call(id.clone())));
            }
            self.timers.extend(wanted.map(|at| (at, Timer::Call(id.clone()))));
            call.armed = wanted;
        }
        if matches!(call.stage, Stage::Over) {
            self.calls.remove(id);
        }
    }

    pub(super) fn call_timeout(&mut self, now: Instant, id: &Id, out: &mut Vec<Output>) {
        if let Some(call) = self.calls.get_mut(id) {
            call.armed = None;
        }
        self.happen(now, id, Happening::Timeout, out);
    }

    pub(super) fn add_leg(&mut self, party: &Party, call: &Id, incoming: bool) {
        if let Some(session) = self.sessions.get_mut(&party.session) {
            let leg = Leg { kind: Kind::Call, call: call.clone(), incoming, pending: true };
            session.legs.insert(party.leg.clone(), leg);
        }
    }

    /// Carries out effects in order; `call` is whose legs they are, `None` when there is no call.
    pub(super) fn carry_out(&mut self, now: Instant, call: Option<&Id>, effects: Vec<Effect>, out: &mut Vec<Output>) {
        for effect in effects {
            match effect {
                Effect::Invite { party, from, sdp } => {
                    if let Some(call) = call {
                        self.add_leg(&party, call, true);
                    }
                    let mut event = event(&party, EventState::InvitationReceived, from);
                    event.sdp = sdp;
                    self.post(now, &party, event, None, out);
                }
                Effect::Tell { party, from, news } => self.tell(now, &party, from, news, None, out),
                Effect::Describe { party, from, news, to, direction, offer } => {
                    let Some(call) = call else { continue };
                    let ticket = self.ticket(&party);
                    let id = ticket.id.clone();
                    let task = match offer {
                        Some(offer) => AnchorTask::Answer { to, offer, direction, ticket },
                        None => AnchorTask::Offer { to, direction, ticket },
                    };
                    out.push(Output::Anchor { call: call.clone(), task });
                    self.tell(now, &party, from, news, Some(id), out);
                }
                Effect::Anchor(task) => out.extend(call.map(|call| Output::Anchor { call: call.clone(), task })),
                Effect::StopAnchor => out.extend(call.map(|call| Output::AnchorStop { call: call.clone() })),
                Effect::End { party, from, reason, own } => {
                    let mut event = event(&party, EventState::SessionTerminated, from);
                    event.reason = reason.map(str::to_owned);
                    self.end_leg(now, &party, event, own, out);
                }
                Effect::AskEcho { mod_id, offer } => {
                    out.extend(call.map(|call| Output::EchoModify { call: call.clone(), mod_id, offer }));
                }
                Effect::StopEcho => out.extend(call.map(|call| Output::EchoStop { call: call.clone() })),
            }
        }
    }

    /// Queues what a leg is told; with a ticket, the description is still to come.
    fn tell(
        &mut self,
        now: Instant,
        party: &Party,
        from: String,
        news: News,
        ticket: Option<Id>,
        out: &mut Vec<Output>,
    ) {
        let mut event = event(party, EventState::SessionOpen, from);
        match news {
            News::Early { sdp } => {
                event.sdp = Some(sdp);
                event.provisional_sdp = true;
            }
            News::Open { sdp } => {
                event.sdp = sdp;
                if let Some(leg) = self.sessions.get_mut(&party.session).and_then(|s| s.legs.get_mut(&party.leg)) {
                    leg.pending = false;
                }
            }
            News::Modified { sdp } => {
                event.state = EventState::SessionModified;
                event.sdp = sdp;
            }
            News::ModReceived { mod_id, sdp } => {
                event.state = EventState::ModReceived;
                event.mod_id = Some(mod_id.to_string());
                event.sdp = sdp;
            }
            News::ModOver { mod_id } => {
                if let Some(session) = self.sessions.get_mut(&party.session) {
                    session.outbox.take_back(&party.leg, &mod_id);
                }
                return;
            }
            News::ModTerminated { mod_id, sdp } => {
                let outbox = self.sessions.get_mut(&party.session).map(|s| &mut s.outbox);
                if sdp.is_none() && outbox.is_some_and(|o| o.take_back(&party.leg, &mod_id)) {
                    return;
                }
                event.state = EventState::ModTerminated;
                event.mod_id = Some(mod_id.to_string());
                event.sdp = sdp;
                event.reason = Some(reason::SUCCESS.into());
            }
            News::MoveTerminated { reason } => {
                event.state = EventState::MoveTerminated;
                event.reason = Some(reason.into());
            }
            News::TransferInitiated { target } => {
                event.state = EventState::TransferInitiated;
                event.transfer_to_call_id = Some(target.to_string());
            }
            News::TransferTerminated { target, reason } => {
                event.state = EventState::TransferTerminated;
                event.transfer_to_call_id = Some(target.to_string());
                event.reason = Some(reason.into());
            }
        }
        if ticket.is_some() {
            event.sdp = None;
        }
        self.post(now, party, event, ticket, out);
    }

    /// A leg ends with this event; `own`: its phone did it, so what it has not read yet is void. An invitation that has not
    /// gone out ends without a word.
    pub(super) fn end_leg(
        &mut self,
        now: Instant,
        party: &Party,
        event: EventObject,
        own: bool,
        out: &mut Vec<Output>,
    ) {
        let Some(session) = self.sessions.get_mut(&party.session) else { return };
        session.legs.remove(&party.leg);
        session.outbox.drop_undescribed(&party.leg);
        if session.outbox.withdraw(&party.leg) {
            return;
        }
        if own {
            session.outbox.forget(&party.leg);
        }
        self.post(now, party, event, None, out);
    }

    /// Queues an event for a leg and lets it go out if it may.
    pub(super) fn post(
        &mut self,
        now: Instant,
        party: &Party,
        event: EventObject,
        ticket: Option<Id>,
        out: &mut Vec<Output>,
    ) {
        let Some(session) = self.sessions.get_mut(&party.session) else { return };
        if !session.outbox.push(&party.leg, event, ticket) {
            self.doomed.push(party.session.clone());
        }
        self.settle(now, &party.session, out);
    }
}

fn event(party: &Party, state: EventState, from: String) -> EventObject {
    let mut event = EventObject::new(Kind::Call, resource(&party.session, &party.leg), state);
    event.from = Some(from);
    event
}
