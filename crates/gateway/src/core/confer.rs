//! How conferences and sessions meet: what requests do to conferences, what conferences do to sessions.
//!
//! Owns: rest-protocol.md sections 2.7.2, 2.7.12, 2.7.13 and the verbs of 2.7 on `conferences`. Lives on: the core's thread.
//! Must not import: anything of the HTTP shell.

use std::time::Instant;

use ewebrtc_wire::{Address, BASE_PATH, DeleteReason, EventObject, EventState, Kind, parse_called_party, path, reason};

use super::call::{Gone, Party};
use super::conference::{Conference, Effect, Member};
use super::ring::description;
use super::session::Leg;
use super::{Answer, Auth, Core, Id, MixerNews, Output, Refusal, Service, Timer, service};

/// Path of a conference's leg.
fn resource(session: &Id, leg: &Id) -> String {
    format!("{BASE_PATH}{}", path::item(Kind::Conference, session, leg))
}

fn event(party: &Party, state: EventState, from: String) -> EventObject {
    let mut event = EventObject::new(Kind::Conference, resource(&party.session, &party.leg), state);
    event.from = Some(from);
    event
}

impl Core {
    /// Section 2.7.2. The host hears the mixer's answer as `session-open`.
    ///
    /// # Errors
    /// 400 SVC0002 for a missing description, SVC0001 for a bad one and for too many items of the session; 503 when the
    /// gateway has no room for another conference.
    pub(super) fn create_conference(
        &mut self,
        now: Instant,
        auth: &Auth,
        sdp: Option<String>,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Refusal> {
        let session_id = self.authorise(now, auth)?;
        let offer = description(sdp)?;
        let Some(session) = self.sessions.get(&session_id) else { return Err(Refusal::unknown_session()) };
        if session.legs.len() >= self.config.limits.legs_per_session {
            return Err(Refusal::service("too many calls"));
        }
        if self.conferences.len() >= self.config.limits.conferences {
            return Err(Refusal::overloaded());
        }
        let user = session.user.clone();
        self.sign_of_life(now, &session_id);
        self.make_busy(now, &session_id, out);
        let leg = self.new_id();
        let (leg, delivery) = self.hold_leg(now, &session_id, &leg);
        let answer = Answer::Call { location: resource(&session_id, &leg), delivery };
        let (id, seat) = (self.new_id(), self.new_id());
        let party = Party { session: session_id, leg };
        self.seat_leg(&party, &id, false);
        let host = Member::new(party, user, seat);
        let mut effects = Vec::new();
        let conference = Conference::new(id.clone(), host, offer, now + self.config.mixer, &mut effects);
        self.conferences.insert(id.clone(), conference);
        self.settle_conference(now, &id, effects, out);
        Ok(answer)
    }

    fn seat_leg(&mut self, party: &Party, conference: &Id, incoming: bool) {
        if let Some(session) = self.sessions.get_mut(&party.session) {
            let leg = Leg { kind: Kind::Conference, call: conference.clone(), incoming, pending: true };
            session.legs.insert(party.leg.clone(), leg);
        }
    }

    /// The conference of a leg of this session.
    fn conference_of(&self, session: &Id, leg: &str) -> Option<Id> {
        let leg = self.sessions.get(session)?.legs.get(leg)?;
        (leg.kind == Kind::Conference).then(|| leg.call.clone())
    }

    /// The leg of a request, its conference and its session.
    fn conference_leg(&self, now: Instant, auth: &Auth, leg: &str) -> Result<(Id, Id), Refusal> {
        let session = self.authorise(now, auth)?;
        let conference = self.conference_of(&session, leg).ok_or(Refusal::invalid("conferenceId"))?;
        Ok((session, conference))
    }

    /// Works on a conference and carries out what follows.
    fn with_conference<T>(
        &mut self,
        now: Instant,
        id: &Id,
        out: &mut Vec<Output>,
        work: impl FnOnce(&mut Conference, &mut Vec<Effect>) -> T,
    ) -> Option<T> {
        let conference = self.conferences.get_mut(id)?;
        let mut effects = Vec::new();
        let result = work(conference, &mut effects);
        self.settle_conference(now, id, effects, out);
        Some(result)
    }

    /// Brings the timers into line, forgets a conference that is over, and carries out effects in order.
    fn settle_conference(&mut self, now: Instant, id: &Id, effects: Vec<Effect>, out: &mut Vec<Output>) {
        if let Some(conference) = self.conferences.get_mut(id) {
            let wanted = conference.deadline().filter(|_| !conference.is_over());
            if conference.armed != wanted {
                if let Some(old) = conference.armed.take() {
                    self.timers.remove(&(old, Timer::Conference(id.clone())));
                }
                self.timers.extend(wanted.map(|at| (at, Timer::Conference(id.clone()))));
                conference.armed = wanted;
            }
            if conference.is_over() {
                self.conferences.remove(id);
            }
        }
        for effect in effects {
            match effect {
                Effect::Invite { party, from, sdp } => {
                    self.seat_leg(&party, id, true);
                    let mut event = event(&party, EventState::InvitationReceived, from);
                    event.sdp = Some(sdp);
                    self.post(now, &party, event, None, out);
                }
                Effect::Tell { party, from, state, mod_id, sdp, reason } => {
                    let opens = matches!(state, EventState::SessionOpen | EventState::SessionModified);
                    if opens && let Some(leg) = self.leg_mut(&party) {
                        leg.pending = false;
                    }
                    let mut event = event(&party, state, from);
                    event.mod_id = mod_id.map(|id| id.to_string());
                    event.sdp = sdp;
                    event.reason = reason;
                    self.post(now, &party, event, None, out);
                }
                Effect::End { party, from, reason, own } => {
                    let mut event = event(&party, EventState::SessionTerminated, from);
                    event.reason = reason.map(str::to_owned);
                    self.end_leg(now, &party, event, own, out);
                }
                Effect::Mixer(task) => out.push(Output::Mixer(task)),
                Effect::AskService { seat, service, offer } => {
                    self.service_seats.insert(seat.clone(), id.clone());
                    out.push(Output::EchoStart { call: seat, service, offer });
                }
                Effect::StopService { seat } => {
                    self.service_seats.remove(&seat);
                    out.push(Output::EchoStop { call: seat });
                }
            }
        }
    }

    fn leg_mut(&mut self, party: &Party) -> Option<&mut Leg> {
        self.sessions.get_mut(&party.session)?.legs.get_mut(&party.leg)
    }

    /// Section 2.7.3 on a conference.
    ///
    /// # Errors
    /// As for a call: 400 SVC0002 for a leg that does not ring, SVC0001 for a bad description.
    pub(super) fn join_conference(
        &mut self,
        now: Instant,
        auth: &Auth,
        leg: &str,
        sdp: Option<String>,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Refusal> {
        let (session, id) = self.conference_leg(now, auth, leg)?;
        if !self.conferences.get(&id).is_some_and(|c| c.is_ringing(leg)) {
            return Err(Refusal::invalid("conferenceId"));
        }
        let answer = description(sdp)?;
        let (leg, delivery) = self.hold_leg(now, &session, leg);
        if let Some(leg) = self.leg_mut(&Party { session, leg: leg.clone() }) {
            leg.pending = false;
        }
        let until = now + self.config.mixer;
        self.with_conference(now, &id, out, |conference, effects| conference.answered(&leg, answer, until, effects));
        Ok(Answer::Leg { delivery: Some(delivery) })
    }

    /// Hold and resume of a conference's leg (sections 2.7.4, 2.7.5).
    ///
    /// # Errors
    /// 400 SVC0002 for a leg that has no seat, SVC0001 for a bad description, 409 SVC8501 (D-14).
    pub(super) fn modify_conference(
        &mut self,
        now: Instant,
        auth: &Auth,
        leg: &str,
        sdp: Option<String>,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Refusal> {
        let (session, id) = self.conference_leg(now, auth, leg)?;
        let offer = description(sdp)?;
        let mut fresh = self.fresh(now);
        fresh.until = now + self.config.mixer;
        let mut effects = Vec::new();
        let Some(conference) = self.conferences.get_mut(&id) else { return Err(Refusal::invalid("conferenceId")) };
        conference.modify(leg, offer, fresh, &mut effects)?;
        let (_, delivery) = self.hold_leg(now, &session, leg);
        self.settle_conference(now, &id, effects, out);
        Ok(Answer::Leg { delivery: Some(delivery) })
    }

    /// The participant that a host's request names.
    fn participant(&self, now: Instant, auth: &Auth, leg: &str, uri: &str) -> Result<(Id, Id, Address), Refusal> {
        let (session, id) = self.conference_leg(now, auth, leg)?;
        if !self.conferences.get(&id).is_some_and(|c| c.is_host(leg)) {
            return Err(Refusal::host_only());
        }
        let user = parse_called_party(uri, &self.config.domain).ok_or(Refusal::bad_participant())?;
        Ok((session, id, user))
    }

    /// Section 2.7.12. What is wrong with the person comes as a failing `mod-terminated` (D-34).
    ///
    /// # Errors
    /// 403 POL0001 for anybody but the host, 400 SVC0004 for a text that is no address, 403 POL0003 when the conference is
    /// full or has too many invitations in flight.
    pub(super) fn invite(
        &mut self,
        now: Instant,
        auth: &Auth,
        leg: &str,
        uri: &str,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Refusal> {
        let (session, id, user) = self.participant(now, auth, leg, uri)?;
        let (mod_id, seat, until) = (self.new_id(), self.new_id(), now + self.config.mixer);
        let known = self.service_of(&user).is_some() || self.directory.knows(&user);
        let limits = &self.config.limits;
        let Some(conference) = self.conferences.get_mut(&id) else { return Err(Refusal::invalid("conferenceId")) };
        let mut effects = Vec::new();
        if conference.has(&user) {
            conference.decline(&user, mod_id.clone(), reason::ALREADY_IN, &mut effects);
        } else if !known {
            conference.decline(&user, mod_id.clone(), reason::NOT_FOUND, &mut effects);
        } else if !conference.invite_again(&user, &mod_id) {
            if conference.size() >= limits.conference_participants {
                return Err(Refusal::too_many("participants"));
            }
            if conference.invitations() >= limits.conference_invitations {
                return Err(Refusal::too_many("invitations in flight"));
            }
            conference.invite(user, mod_id.clone(), seat, until, &mut effects);
        }
        let (_, delivery) = self.hold_leg(now, &session, leg);
        self.settle_conference(now, &id, effects, out);
        Ok(Answer::Invited { delivery, mod_id })
    }

    /// Section 2.7.13. An invitation that is under way is withdrawn.
    ///
    /// # Errors
    /// 403 POL0001 for anybody but the host, 400 SVC0004 for a text that is no address, 400 SVC0002 for somebody who is not
    /// in the conference.
    pub(super) fn expel(
        &mut self,
        now: Instant,
        auth: &Auth,
        leg: &str,
        uri: &str,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Refusal> {
        let (session, id, user) = self.participant(now, auth, leg, uri)?;
        let (_, delivery) = self.hold_leg(now, &session, leg);
        match self.with_conference(now, &id, out, |conference, effects| conference.remove(&user, effects)) {
            Some(true) => Ok(Answer::Leg { delivery: Some(delivery) }),
            Some(false) | None => {
                self.delivered(now, &delivery, true, out);
                Err(Refusal::invalid("participant"))
            }
        }
    }

    /// Section 2.7.11 on a conference: the host ends it for all (D-33), a participant leaves, an invitation is refused.
    ///
    /// # Errors
    /// Only those of session and token: a leg that is not known (any more) is at its end already (D-9).
    pub(super) fn leave_conference(
        &mut self,
        now: Instant,
        auth: &Auth,
        leg: &str,
        how: DeleteReason,
        out: &mut Vec<Output>,
    ) -> Result<Answer, Refusal> {
        let session = self.authorise(now, auth)?;
        let Some(id) = self.conference_of(&session, leg) else { return Ok(Answer::Leg { delivery: None }) };
        let (leg, delivery) = self.hold_leg(now, &session, leg);
        let busy = self.sessions.get(&session).is_some_and(|s| s.is_busy_besides(Some(&leg)));
        self.with_conference(now, &id, out, |conference, effects| conference.deleted(&leg, how, busy, effects));
        Ok(Answer::Leg { delivery: Some(delivery) })
    }

    pub(super) fn conference_busy(&mut self, now: Instant, id: &Id, leg: &str, out: &mut Vec<Output>) {
        self.with_conference(now, id, out, |conference, effects| conference.busy(leg, effects));
    }

    pub(super) fn conference_gone(&mut self, now: Instant, id: &Id, leg: &str, why: Gone, out: &mut Vec<Output>) {
        self.with_conference(now, id, out, |conference, effects| conference.gone(leg, why, effects));
    }

    pub(super) fn conference_timeout(&mut self, now: Instant, id: &Id, out: &mut Vec<Output>) {
        if let Some(conference) = self.conferences.get_mut(id) {
            conference.armed = None;
        }
        self.with_conference(now, id, out, |conference, effects| conference.timeout(now, effects));
    }

    /// What the mixer has to say.
    pub(super) fn mixer_news(&mut self, now: Instant, news: MixerNews, out: &mut Vec<Output>) {
        match news {
            MixerNews::Described { room, seat, sdp } => {
                let sdp = sdp.and_then(|sdp| description(Some(sdp)).ok());
                let invited = self.conferences.get(&room).and_then(|c| c.prepares(&seat));
                match (invited, sdp) {
                    (Some(user), Some(offer)) => self.ring_invited(now, &room, &seat, &user, &offer, out),
                    (Some(_) | None, sdp) => {
                        self.with_conference(now, &room, out, |c, effects| c.described(&seat, sdp, effects));
                    }
                }
            }
            MixerNews::Accepted { room, seat, taken } => {
                self.with_conference(now, &room, out, |c, effects| c.seated(&seat, taken, effects));
            }
            MixerNews::Lost { room, seat } => {
                self.with_conference(now, &room, out, |c, effects| c.lost(&seat, effects));
            }
        }
    }

    /// The service at this address.
    fn service_of(&self, user: &Address) -> Option<Service> {
        match user {
            Address::Account { user, domain } if *domain == self.config.domain => service(user),
            Address::Account { .. } | Address::Number(_) => None,
        }
    }

    /// A service was asked for a seat and has answered. False: the seat is none.
    pub(super) fn service_answered(
        &mut self,
        now: Instant,
        seat: &Id,
        answer: Option<String>,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(id) = self.service_seats.get(seat).cloned() else { return false };
        let answer = answer.and_then(|sdp| description(Some(sdp)).ok());
        let until = now + self.config.mixer;
        self.with_conference(now, &id, out, |c, effects| c.service_answered(seat, answer, until, effects));
        true
    }

    fn ring_invited(&mut self, now: Instant, id: &Id, seat: &Id, user: &Address, offer: &str, out: &mut Vec<Output>) {
        if let Some(service) = self.service_of(user) {
            let (offer, until) = (offer.to_owned(), now + self.config.mixer);
            self.with_conference(now, id, out, |c, effects| c.ask(seat, offer, service, until, effects));
            return;
        }
        let besides = self.conferences.get(id).map(Conference::sessions).unwrap_or_default();
        let (free, busy) = self.reachable(user, &besides);
        let parties: Vec<Party> = free.into_iter().map(|session| Party { session, leg: self.new_id() }).collect();
        let until = now + self.config.ring;
        self.with_conference(now, id, out, |c, effects| c.ring(seat, offer, parties, busy, until, effects));
    }
}
