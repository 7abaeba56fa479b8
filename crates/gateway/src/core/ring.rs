//! How calls and sessions meet: who is rung, who hears what.
//!
//! Owns: create, answer and end of calls (rest-protocol.md section 2.7), the destinations. Lives on: the core's thread.
//! Must not import: anything of the HTTP shell.
//!
//! What connected legs ask for (hold, upgrade, move …) enters in `modify`, conferences enter in `confer`.

use std::time::Instant;

use ewebrtc_wire::{Address, DeleteReason, Kind, parse_called_party, reason};

use super::anchor::only_audio;
use super::call::{Call, Effect, Happening, Party, Stage};
use super::describe::usable;
use super::effects::resource;
use super::talk::Side;
use super::{Answer, Auth, Core, Delivery, Id, Output, Refusal, Service, service};

/// Whom a destination reaches.
pub(super) enum Reached {
    Service(Service),
    Sessions { free: Vec<Id>, busy: bool },
    Nobody(&'static str),
}

/// A usable description, as it is passed on.
pub(super) fn description(sdp: Option<String>) -> Result<String, Refusal> {
    let text = sdp.ok_or(Refusal::invalid("sdp"))?;
    usable(&text).ok_or(Refusal::service("invalid SDP format"))
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
        self.make_busy(now, &session_id, out);
        let leg = self.new_id();
        let (leg, delivery) = self.hold_leg(now, &session_id, &leg);
        let answer = Answer::Call { location: resource(&session_id, &leg), delivery };
        let caller = Party { session: session_id, leg };
        let until = now + self.config.ring;
        let callee_uri = callee.uri();
        let side = Side::new(Some(caller.clone()), caller_uri.clone(), offer.clone());
        let mut asked = None;
        let stage = match self.reach(&callee) {
            Reached::Nobody(reason) => {
                let end = Effect::End { party: caller, from: callee_uri, reason: Some(reason), own: false };
                self.carry_out(now, None, vec![end], out);
                return Ok(answer);
            }
            Reached::Service(service) => {
                asked = Some(service);
                Stage::EchoStarting { caller: side, callee_uri, until }
            }
            // Who rings is decided when the anchor is there.
            Reached::Sessions { .. } if self.config.ringback && only_audio(&offer) => {
                Stage::Anchoring { caller: side, callee, until }
            }
            Reached::Sessions { free, busy } => {
                let callees = free.into_iter().map(|session| Party { session, leg: self.new_id() }).collect();
                Stage::Ringing { caller: side, callee_uri, callees, busy, until, anchored: false }
            }
        };
        let id = self.new_id();
        self.add_leg(&caller, &id, false);
        let mut effects = Vec::new();
        match &stage {
            Stage::EchoStarting { .. } => {
                out.extend(asked.map(|service| Output::EchoStart { call: id.clone(), service, offer }));
            }
            Stage::Anchoring { .. } => out.push(Output::AnchorStart { call: id.clone(), offer }),
            Stage::Ringing { callees, .. } => {
                let sdp = Some(offer);
                let invite =
                    |party: &Party| Effect::Invite { party: party.clone(), from: caller_uri.clone(), sdp: sdp.clone() };
                effects.extend(callees.iter().map(invite));
            }
            Stage::Talking(_) | Stage::Over => {}
        }
        self.calls.insert(id.clone(), Call { stage, armed: None });
        self.arm(&id);
        self.carry_out(now, Some(&id), effects, out);
        Ok(answer)
    }

    /// Whoever dials does not see the invitation that crossed its request (section 3.3.1): that leg is busy (D-21).
    pub(super) fn make_busy(&mut self, now: Instant, session: &Id, out: &mut Vec<Output>) {
        let Some(session) = self.sessions.get(session) else { return };
        let crossing: Vec<(Id, Kind, Id)> = session
            .legs
            .iter()
            .filter(|(_, l)| l.incoming && l.pending)
            .map(|(id, l)| (id.clone(), l.kind, l.call.clone()))
            .collect();
        for (leg, kind, item) in crossing {
            match kind {
                Kind::Call => self.happen(now, &item, Happening::Busy { leg }, out),
                Kind::Conference => self.conference_busy(now, &item, &leg, out),
            }
        }
    }

    /// Whom a call to this address reaches now.
    pub(super) fn reach(&self, callee: &Address) -> Reached {
        if let Address::Account { user, domain } = callee
            && *domain == self.config.domain
            && let Some(service) = service(user)
        {
            return Reached::Service(service);
        }
        if !self.directory.knows(callee) {
            return Reached::Nobody(reason::NOT_FOUND);
        }
        let (free, busy) = self.reachable(callee, &[]);
        match (free.is_empty(), busy) {
            (false, busy) => Reached::Sessions { free, busy },
            (true, true) => Reached::Nobody(reason::USER_BUSY),
            (true, false) => Reached::Nobody(reason::NOT_AVAILABLE),
        }
    }

    /// Sessions of this session's user that may ring for a call of it, or why there is none (D-21, D-30). `besides` are
    /// the sessions that are in the call already.
    pub(super) fn others_of(&self, session: &Id, besides: &[Id]) -> Result<Vec<Id>, &'static str> {
        let Some(user) = self.sessions.get(session).map(|s| &s.user) else { return Err(reason::NOT_AVAILABLE) };
        let (free, busy) = self.reachable(user, besides);
        match (free.is_empty(), busy) {
            (false, _) => Ok(free),
            (true, true) => Err(reason::USER_BUSY),
            (true, false) => Err(reason::NO_OTHER_SESSION),
        }
    }

    /// The free sessions of this user, and whether others are busy.
    pub(super) fn reachable(&self, user: &Address, besides: &[Id]) -> (Vec<Id>, bool) {
        let ids = self.of_user.get(user).map_or(&[][..], Vec::as_slice);
        let alive = ids
            .iter()
            .filter(|id| !besides.contains(id))
            .filter_map(|id| Some((id, self.sessions.get(id)?)))
            .filter(|(_, s)| !s.lost);
        let (busy, free): (Vec<_>, Vec<_>) = alive.partition(|(_, s)| s.is_busy());
        (free.into_iter().map(|(id, _)| id.clone()).collect(), !busy.is_empty())
    }

    /// The call of a leg of this session.
    pub(super) fn call_of(&self, session: &Id, leg: &str) -> Option<Id> {
        let leg = self.sessions.get(session)?.legs.get(leg)?;
        (leg.kind == Kind::Call).then(|| leg.call.clone())
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
        let (leg, delivery) = self.hold_leg(now, &session_id, leg);
        if let Some(leg) = self.sessions.get_mut(&session_id).and_then(|s| s.legs.get_mut(&leg)) {
            leg.pending = false;
        }
        self.happen(now, &call_id, Happening::Answered { leg, sdp: answer }, out);
        Ok(Answer::Leg { delivery: Some(delivery) })
    }

    /// The request of a leg is being answered: its events wait for the response (R3, R4).
    pub(super) fn hold_leg(&mut self, now: Instant, session: &Id, leg: &str) -> (Id, Delivery) {
        let leg: Id = leg.into();
        if let Some(session) = self.sessions.get_mut(session) {
            session.outbox.hold(now, &leg);
        }
        (leg.clone(), Delivery::Response { session: session.clone(), leg })
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
        let (leg, delivery) = self.hold_leg(now, &session_id, leg);
        let busy = self.sessions.get(&session_id).is_some_and(|s| s.is_busy_besides(Some(&leg)));
        let rings = self.calls.get(&call_id).is_some_and(|c| c.is_ringing(&leg));
        let happening = if rings && busy { Happening::Busy { leg } } else { Happening::Deleted { leg, how } };
        self.happen(now, &call_id, happening, out);
        Ok(Answer::Leg { delivery: Some(delivery) })
    }

    pub(super) fn echo_answered(&mut self, now: Instant, call: &Id, answer: Option<String>, out: &mut Vec<Output>) {
        if self.service_answered(now, call, answer.clone(), out) {
            return;
        }
        let happening = match description(answer) {
            Ok(sdp) => Happening::EchoReady { sdp },
            Err(_) => Happening::EchoFailed,
        };
        self.happen(now, call, happening, out);
    }
}
