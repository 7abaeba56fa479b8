//! How calls and sessions meet: who is rung, who hears what.
//!
//! Owns: create, answer and end of calls (rest-protocol.md section 2.7), the destinations. Lives on: the core's thread.
//! Must not import: anything of the HTTP shell.
//!
//! Rooms for what is not here yet: modifications (hold, resume, upgrade, downgrade, move, transfer) get their own file
//! beside this one and enter at [`Core::modify_call`]; conferences enter at the HTTP shell's `conferences` and get a
//! machine beside `call`.

use std::time::Instant;

use ewebrtc_wire::{
    Address, BASE_PATH, DeleteReason, EventObject, EventState, Kind, Sdp, parse_called_party, path, reason,
};

use super::call::{Call, Effect, Happening, Party, Stage};
use super::relay::relay_sdp;
use super::session::Leg;
use super::{Answer, Auth, Core, Delivery, ECHO, Id, Output, Refusal, Timer};

/// Whom a destination reaches.
enum Reached {
    Echo,
    Sessions { free: Vec<Id>, busy: bool },
    Nobody(&'static str),
}

/// A usable description, as it is passed on.
fn description(sdp: Option<String>) -> Result<String, Refusal> {
    let text = sdp.ok_or(Refusal::invalid("sdp"))?;
    Sdp::parse(&text).map_err(|_| Refusal::service("invalid SDP format"))?;
    Ok(relay_sdp(&text))
}

fn resource(session: &Id, leg: &Id) -> String {
    format!("{BASE_PATH}{}", path::item(Kind::Call, session, leg))
}

impl Core {
    /// Section 2.7.1. An unknown user or a foreign domain is a call that ends at once (`Not found`), so that the caller's
    /// phone shows it as a call.
    ///
    /// # Errors
    /// 400 SVC0002 for missing parts and for `null` as called party, SVC0001 for a bad description, for dialing
    /// oneself (D-19) and for too many calls, SVC0004 for a text that is no address.
    pub(super) fn create_call(
        &mut self,
        now: Instant,
        auth: &Auth,
        called_party: Option<String>,
        sdp: Option<String>,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Refusal> {
        let session_id = self.authorise(now, auth)?;
        let called = called_party.filter(|c| !c.trim().is_empty()).ok_or(Refusal::invalid("calledParty"))?;
        let offer = description(sdp)?;
        let callee = parse_called_party(&called, &self.config.domain).ok_or(Refusal::bad_address())?;
        let Some(session) = self.sessions.get(&session_id) else { return Err(Refusal::unknown_session()) };
        if callee == session.user {
            return Err(Refusal::service("calling oneself"));
        }
        if session.legs.len() >= self.config.limits.legs_per_session {
            return Err(Refusal::service("too many calls"));
        }
        let caller_uri = session.user.uri();
        self.sign_of_life(now, &session_id);
        let Some(session) = self.sessions.get(&session_id) else { return Err(Refusal::unknown_session()) };
        // Whoever dials does not see the invitation that crossed its request (section 3.3.1): that leg is busy (D-21).
        let crossing: Vec<(Id, Id)> = session
            .legs
            .iter()
            .filter(|(_, l)| l.incoming && l.pending)
            .map(|(id, l)| (id.clone(), l.call.clone()))
            .collect();
        for (leg, call) in crossing {
            self.happen(now, &call, Happening::Busy { leg }, out);
        }

        let leg = self.new_id();
        let caller = Party { session: session_id.clone(), leg: leg.clone() };
        let answer = Answer::Call {
            location: resource(&session_id, &leg),
            delivery: Delivery::Response { session: session_id.clone(), leg: leg.clone() },
        };
        if let Some(session) = self.sessions.get_mut(&session_id) {
            session.outbox.hold(now, &leg);
        }
        let ring_until = now + self.config.ring;
        let stage = match self.reach(&callee) {
            Reached::Nobody(reason) => {
                let mut event =
                    EventObject::new(Kind::Call, resource(&session_id, &leg), EventState::SessionTerminated);
                event.from = Some(callee.uri());
                event.reason = Some(reason.into());
                self.post(now, &caller, event, out);
                return Ok(answer);
            }
            Reached::Echo => Stage::EchoStarting,
            Reached::Sessions { free, busy } => {
                let callees = free.into_iter().map(|session| Party { session, leg: self.new_id() }).collect();
                Stage::Ringing { callees, busy }
            }
        };
        let id = self.new_id();
        self.add_leg(&caller, &id, false);
        match &stage {
            Stage::EchoStarting => out.push(Output::EchoStart { call: id.clone(), offer }),
            Stage::Ringing { callees, .. } => {
                for party in callees {
                    self.add_leg(party, &id, true);
                    let url = resource(&party.session, &party.leg);
                    let mut event = EventObject::new(Kind::Call, url, EventState::InvitationReceived);
                    event.from = Some(caller_uri.clone());
                    event.sdp = Some(offer.clone());
                    self.post(now, party, event, out);
                }
            }
            Stage::Talking { .. } | Stage::TalkingToEcho | Stage::Over => {}
        }
        self.timers.insert((ring_until, Timer::Call(id.clone())));
        let call = Call { caller, caller_uri, callee_uri: callee.uri(), stage, ring_until };
        self.calls.insert(id, call);
        Ok(answer)
    }

    fn reach(&self, callee: &Address) -> Reached {
        if let Address::Account { user, domain } = callee
            && user == ECHO
            && *domain == self.config.domain
        {
            return Reached::Echo;
        }
        if !self.directory.knows(callee) {
            return Reached::Nobody(reason::NOT_FOUND);
        }
        let ids = self.of_user.get(callee).map_or(&[][..], Vec::as_slice);
        let alive: Vec<(&Id, bool)> = ids
            .iter()
            .filter_map(|id| Some((id, self.sessions.get(id)?)))
            .filter(|(_, s)| !s.lost)
            .map(|(id, s)| (id, s.is_busy()))
            .collect();
        let busy = alive.iter().any(|(_, busy)| *busy);
        let free: Vec<Id> = alive.into_iter().filter(|(_, busy)| !busy).map(|(id, _)| id.clone()).collect();
        match (free.is_empty(), busy) {
            (false, busy) => Reached::Sessions { free, busy },
            (true, true) => Reached::Nobody(reason::USER_BUSY),
            (true, false) => Reached::Nobody(reason::NOT_AVAILABLE),
        }
    }

    fn add_leg(&mut self, party: &Party, call: &Id, incoming: bool) {
        if let Some(session) = self.sessions.get_mut(&party.session) {
            session.legs.insert(party.leg.clone(), Leg { call: call.clone(), incoming, pending: true });
        }
    }

    /// The call of a leg of this session.
    fn call_of(&self, session: &Id, leg: &str) -> Option<Id> {
        Some(self.sessions.get(session)?.legs.get(leg)?.call.clone())
    }

    /// Section 2.7.3.
    ///
    /// # Errors
    /// 400 SVC0002 for a leg that does not ring: unknown, ended, answered on another device (D-20), answered before, or
    /// the caller's own; 400 SVC0001 for a bad description, and the leg rings on.
    pub(super) fn answer_call(
        &mut self,
        now: Instant,
        auth: &Auth,
        leg: &str,
        sdp: Option<String>,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Refusal> {
        let session_id = self.authorise(now, auth)?;
        let call_id = self.call_of(&session_id, leg).ok_or(Refusal::invalid("callId"))?;
        if !self.calls.get(&call_id).is_some_and(|c| c.is_ringing(leg)) {
            return Err(Refusal::invalid("callId"));
        }
        let answer = description(sdp)?;
        let leg: Id = leg.into();
        if let Some(session) = self.sessions.get_mut(&session_id) {
            session.outbox.hold(now, &leg);
        }
        self.happen_with(now, &call_id, Happening::Answered { leg: leg.clone() }, Some(answer), out);
        Ok(Answer::Leg { delivery: Some(Delivery::Response { session: session_id, leg }) })
    }

    /// Modifications are not built yet; see [`Request::ModifyCall`](super::Request::ModifyCall).
    pub(super) fn modify_call(&mut self, now: Instant, auth: &Auth, leg: &str) -> Result<Answer, Refusal> {
        let session_id = self.authorise(now, auth)?;
        self.call_of(&session_id, leg).ok_or(Refusal::invalid("callId"))?;
        Err(Refusal::not_built())
    }

    /// Section 2.7.11. Never refused: a leg that is not known (any more) is at its end already (D-9).
    pub(super) fn end_call(
        &mut self,
        now: Instant,
        auth: &Auth,
        leg: &str,
        how: DeleteReason,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Refusal> {
        let session_id = self.authorise(now, auth)?;
        let Some(call_id) = self.call_of(&session_id, leg) else { return Ok(Answer::Leg { delivery: None }) };
        let leg: Id = leg.into();
        let mut busy = false;
        if let Some(session) = self.sessions.get_mut(&session_id) {
            session.outbox.hold(now, &leg);
            busy = session.is_busy_besides(Some(&leg));
        }
        let rings = self.calls.get(&call_id).is_some_and(|c| c.is_ringing(&leg));
        let happening = if rings && busy {
            Happening::Busy { leg: leg.clone() }
        } else {
            Happening::Deleted { leg: leg.clone(), how }
        };
        self.happen(now, &call_id, happening, out);
        Ok(Answer::Leg { delivery: Some(Delivery::Response { session: session_id, leg }) })
    }

    pub(super) fn ring_timeout(&mut self, now: Instant, call: &Id, out: &mut Vec<Output>) {
        self.happen(now, call, Happening::RingTimeout, out);
    }

    pub(super) fn echo_answered(&mut self, now: Instant, call: &Id, answer: Option<String>, out: &mut Vec<Output>) {
        match description(answer) {
            Ok(sdp) => self.happen_with(now, call, Happening::EchoReady, Some(sdp), out),
            Err(_) => self.happen(now, call, Happening::EchoFailed, out),
        }
    }

    /// Lets something happen to a call and carries out what follows.
    pub(super) fn happen(&mut self, now: Instant, call: &Id, happening: Happening, out: &mut Vec<Output>) {
        self.happen_with(now, call, happening, None, out);
    }

    fn happen_with(
        &mut self,
        now: Instant,
        call_id: &Id,
        happening: Happening,
        mut answer: Option<String>,
        out: &mut Vec<Output>,
    ) {
        let Some(call) = self.calls.get_mut(call_id) else { return };
        let effects = call.handle(happening);
        let over = call.stage == Stage::Over;
        let (ring_until, caller) = (call.ring_until, call.caller.clone());
        let (caller_uri, callee_uri) = (call.caller_uri.clone(), call.callee_uri.clone());
        let ringing = matches!(call.stage, Stage::Ringing { .. } | Stage::EchoStarting);
        if !ringing {
            self.timers.remove(&(ring_until, Timer::Call(call_id.clone())));
        }
        if over {
            self.calls.remove(call_id);
        }
        for effect in effects {
            let (party, state, sdp, why, own) = match effect {
                Effect::Open(party) => (party, EventState::SessionOpen, answer.take(), None, false),
                Effect::Confirm(party) => (party, EventState::SessionModified, None, None, false),
                Effect::End { party, reason, own } => (party, EventState::SessionTerminated, None, reason, own),
                Effect::StopEcho => {
                    out.push(Output::EchoStop { call: call_id.clone() });
                    continue;
                }
            };
            let Some(session) = self.sessions.get_mut(&party.session) else { continue };
            if state == EventState::SessionTerminated {
                session.legs.remove(&party.leg);
                if session.outbox.withdraw(&party.leg) {
                    continue;
                }
                if own {
                    session.outbox.forget(&party.leg);
                }
            } else if let Some(leg) = session.legs.get_mut(&party.leg) {
                leg.pending = false;
            }
            let mut event = EventObject::new(Kind::Call, resource(&party.session, &party.leg), state);
            event.from = Some(if party == caller { callee_uri.clone() } else { caller_uri.clone() });
            event.sdp = sdp;
            event.reason = why.map(str::to_owned);
            self.post(now, &party, event, out);
        }
    }

    /// Queues an event for a leg and lets it go out if it may.
    fn post(&mut self, now: Instant, party: &Party, event: EventObject, out: &mut Vec<Output>) {
        let Some(session) = self.sessions.get_mut(&party.session) else { return };
        if !session.outbox.push(&party.leg, event) {
            self.doomed.push(party.session.clone());
        }
        self.settle(now, &party.session, out);
    }
}
