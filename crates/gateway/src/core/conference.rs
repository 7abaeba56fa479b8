//! The machine of one conference: a host, those who joined, and the invitations that are under way.
//!
//! Owns: [`Conference`] and the `reason` texts of its legs (rest-protocol.md sections 3.4, 5.12; D-31 to D-34). Lives on: the
//! core's thread; plain data, no side effect. Must not import: sessions, the outbox, the directory.
//!
//! Every leg's media ends in the mixer, at a *seat*. A seat is made by an answer (the host offers) or by an offer (whoever is
//! invited answers), and it ends with its leg. An invitation has one seat for all sessions of the invited user that ring: the
//! first that answers sits down.

use std::time::Instant;

use ewebrtc_wire::{Address, DeleteReason, EventState, reason};

use super::call::{Fresh, Gone, Party};
use super::describe::{Role, answer_for};
use super::{Id, MixerTask, Refusal, Service};

/// A leg with a seat.
pub(super) struct Member {
    pub(super) party: Party,
    pub(super) user: Address,
    seat: Id,
    /// The mixer's last description for it, and the mixer's role in DTLS.
    said: String,
    role: Option<Role>,
    /// Its own modification that the mixer is answering: its id, the offer, and the end of patience.
    modifying: Option<(Id, String, Instant)>,
}

impl Member {
    pub(super) fn new(party: Party, user: Address, seat: Id) -> Self {
        Self { party, user, seat, said: String::new(), role: None, modifying: None }
    }
}

/// How far an invitation has come.
enum Inviting {
    /// The mixer makes the offer.
    Preparing,
    /// These ring; `busy` when another session of the user could not.
    Ringing { parties: Vec<Party>, busy: bool },
    /// This one has answered, and the mixer takes the answer.
    Joining { party: Party, role: Option<Role> },
}

struct Invitation {
    mod_id: Id,
    user: Address,
    seat: Id,
    /// The mixer's offer, once made.
    offer: String,
    stage: Inviting,
    until: Instant,
}

impl Invitation {
    /// Legs that have been told of it and are not members yet.
    fn parties(&self) -> &[Party] {
        match &self.stage {
            Inviting::Preparing => &[],
            Inviting::Ringing { parties, .. } => parties,
            Inviting::Joining { party, .. } => std::slice::from_ref(party),
        }
    }
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// The leg rings from now on.
    Invite { party: Party, from: String, sdp: String },
    /// The leg is told something while it goes on.
    Tell {
        party: Party,
        from: String,
        state: EventState,
        mod_id: Option<Id>,
        sdp: Option<String>,
        reason: Option<String>,
    },
    /// The leg ends; `own`: its phone did it, so what it has not read yet is void.
    End { party: Party, from: String, reason: Option<&'static str>, own: bool },
    /// The mixer has something to do.
    Mixer(MixerTask),
    /// A service is asked to answer the offer of its seat.
    AskService { seat: Id, service: Service, offer: String },
    /// The service of this seat is wanted no longer.
    StopService { seat: Id },
}

/// One conference.
pub(super) struct Conference {
    id: Id,
    host: Member,
    /// The host has its answer.
    open: bool,
    /// When the mixer has had time enough for it.
    starting: Option<Instant>,
    members: Vec<Member>,
    invitations: Vec<Invitation>,
    /// Seats of services, which have no phone that could be told anything.
    services: Vec<Id>,
    over: bool,
    /// The deadline that stands in the core's timers.
    pub(super) armed: Option<Instant>,
}

impl Conference {
    /// The host's offer goes to the mixer.
    pub(super) fn new(id: Id, host: Member, offer: String, until: Instant, effects: &mut Vec<Effect>) -> Self {
        effects.push(Effect::Mixer(MixerTask::Answer { room: id.clone(), seat: host.seat.clone(), offer }));
        Self {
            id,
            host,
            open: false,
            starting: Some(until),
            members: Vec::new(),
            invitations: Vec::new(),
            services: Vec::new(),
            over: false,
            armed: None,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn is_host(&self, leg: &str) -> bool {
        *self.host.party.leg == *leg
    }

    /// Whether this leg rings here.
    pub(super) fn is_ringing(&self, leg: &str) -> bool {
        self.invitations.iter().any(|invitation| match &invitation.stage {
            Inviting::Ringing { parties, .. } => parties.iter().any(|p| *p.leg == *leg),
            Inviting::Preparing | Inviting::Joining { .. } => false,
        })
    }

    /// Members and those who may become one, without the host.
    pub(super) fn size(&self) -> usize {
        self.members.len() + self.invitations.len()
    }

    pub(super) fn invitations(&self) -> usize {
        self.invitations.len()
    }

    /// Sessions that have a leg here.
    pub(super) fn sessions(&self) -> Vec<Id> {
        let ringing = self.invitations.iter().flat_map(Invitation::parties);
        let members = self.members.iter().chain([&self.host]).map(|member| &member.party);
        members.chain(ringing).map(|party| party.session.clone()).collect()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let modifying = self.members.iter().chain([&self.host]).filter_map(|m| m.modifying.as_ref()).map(|m| m.2);
        self.invitations.iter().map(|i| i.until).chain(self.starting).chain(modifying).min()
    }

    fn uri(&self) -> String {
        self.host.user.uri()
    }

    fn mixer(&self, task: impl FnOnce(Id) -> MixerTask, effects: &mut Vec<Effect>) {
        effects.push(Effect::Mixer(task(self.id.clone())));
    }

    fn leave(&mut self, seat: &Id, effects: &mut Vec<Effect>) {
        if let Some(place) = self.services.iter().position(|service| service == seat) {
            self.services.remove(place);
            effects.push(Effect::StopService { seat: seat.clone() });
        }
        self.mixer(|room| MixerTask::Leave { room, seat: seat.clone() }, effects);
    }

    /// The host hears how an invitation ended, or that somebody left (D-31).
    fn tell_host(&self, from: &Address, mod_id: Id, reason: &str, effects: &mut Vec<Effect>) {
        effects.push(Effect::Tell {
            party: self.host.party.clone(),
            from: from.uri(),
            state: EventState::ModTerminated,
            mod_id: Some(mod_id),
            sdp: None,
            reason: Some(reason.to_owned()),
        });
    }

    /// Somebody is invited under this id; the mixer makes an offer for him.
    pub(super) fn invite(&mut self, user: Address, mod_id: Id, seat: Id, until: Instant, effects: &mut Vec<Effect>) {
        self.mixer(|room| MixerTask::Offer { room, seat: seat.clone() }, effects);
        let (offer, stage) = (String::new(), Inviting::Preparing);
        self.invitations.push(Invitation { mod_id, user, seat, offer, stage, until });
    }

    /// Somebody is invited who rings already: the same invitation goes on under the new id, because a phone forgets the old
    /// one (phone-behaviour.md section 12). False: he does not ring.
    pub(super) fn invite_again(&mut self, user: &Address, mod_id: &Id) -> bool {
        let invitation = self.invitations.iter_mut().find(|i| i.user == *user);
        if let Some(invitation) = invitation {
            invitation.mod_id = mod_id.clone();
            return true;
        }
        false
    }

    /// Whether this user is in the conference.
    pub(super) fn has(&self, user: &Address) -> bool {
        self.host.user == *user || self.members.iter().any(|m| m.user == *user)
    }

    /// The host is told that an invitation failed before it began.
    pub(super) fn decline(&self, user: &Address, mod_id: Id, reason: &'static str, effects: &mut Vec<Effect>) {
        self.tell_host(user, mod_id, reason, effects);
    }

    /// The user for whom this seat is being prepared.
    pub(super) fn prepares(&self, seat: &str) -> Option<Address> {
        let mut waiting = self.invitations.iter().filter(|i| matches!(i.stage, Inviting::Preparing));
        waiting.find(|i| *i.seat == *seat).map(|i| i.user.clone())
    }

    /// The offer for an invitation is there: its user's free sessions ring. Nobody free is the end of it.
    pub(super) fn ring(
        &mut self,
        seat: &str,
        offer: &str,
        parties: Vec<Party>,
        busy: bool,
        until: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let from = self.uri();
        let Some(place) = self.invitations.iter().position(|i| *i.seat == *seat) else { return };
        if parties.is_empty() {
            let why = if busy { reason::USER_BUSY } else { reason::NOT_AVAILABLE };
            return self.fail_invitation(place, why, effects);
        }
        let invite = |party: &Party| Effect::Invite { party: party.clone(), from: from.clone(), sdp: offer.to_owned() };
        effects.extend(parties.iter().map(invite));
        let invitation = &mut self.invitations[place];
        invitation.offer = offer.to_owned();
        invitation.until = until;
        invitation.stage = Inviting::Ringing { parties, busy };
    }

    /// The offer for a service is there, which answers by itself. Its leg is called like its seat and belongs to no session.
    pub(super) fn ask(
        &mut self,
        seat: &Id,
        offer: String,
        service: Service,
        until: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let Some(invitation) = self.invitations.iter_mut().find(|i| i.seat == *seat) else { return };
        let party = Party { session: seat.clone(), leg: seat.clone() };
        invitation.offer.clone_from(&offer);
        invitation.until = until;
        invitation.stage = Inviting::Ringing { parties: vec![party], busy: false };
        self.services.push(seat.clone());
        effects.push(Effect::AskService { seat: seat.clone(), service, offer });
    }

    /// A service has answered, or could not.
    pub(super) fn service_answered(
        &mut self,
        seat: &Id,
        answer: Option<String>,
        until: Instant,
        effects: &mut Vec<Effect>,
    ) {
        match (answer, self.invitations.iter().position(|i| i.seat == *seat)) {
            (Some(answer), Some(_)) => self.answered(seat, answer, until, effects),
            (None, Some(place)) => self.fail_invitation(place, reason::NOT_AVAILABLE, effects),
            (_, None) => {}
        }
    }

    /// Ends an invitation: its legs stop ringing, the host hears why.
    fn fail_invitation(&mut self, place: usize, why: &str, effects: &mut Vec<Effect>) {
        let invitation = self.invitations.remove(place);
        self.withdraw(&invitation, |_| true, effects);
        self.leave(&invitation.seat, effects);
        self.tell_host(&invitation.user, invitation.mod_id, why, effects);
    }

    fn withdraw(&self, invitation: &Invitation, which: impl Fn(&Party) -> bool, effects: &mut Vec<Effect>) {
        for party in invitation.parties().iter().filter(|p| which(p)) {
            let (from, party) = (self.uri(), party.clone());
            effects.push(Effect::End { party, from, reason: Some(reason::CALL_CANCELED), own: false });
        }
    }

    /// A ringing leg answers: the others stop ringing, the mixer takes the answer.
    pub(super) fn answered(&mut self, leg: &str, answer: String, until: Instant, effects: &mut Vec<Effect>) {
        let Some((place, party)) = self.ringing(leg) else { return };
        self.withdraw(&self.invitations[place], |p| *p.leg != *leg, effects);
        let invitation = &mut self.invitations[place];
        let role = Role::of_answer(&answer).map(Role::opposite);
        invitation.stage = Inviting::Joining { party, role };
        invitation.until = until;
        let seat = invitation.seat.clone();
        self.mixer(|room| MixerTask::Accept { room, seat, answer }, effects);
    }

    fn ringing(&self, leg: &str) -> Option<(usize, Party)> {
        self.invitations.iter().enumerate().find_map(|(place, invitation)| match &invitation.stage {
            Inviting::Ringing { parties, .. } => {
                parties.iter().find(|p| *p.leg == *leg).map(|party| (place, party.clone()))
            }
            Inviting::Preparing | Inviting::Joining { .. } => None,
        })
    }

    /// The mixer has taken an answer, or could not.
    pub(super) fn seated(&mut self, seat: &str, taken: bool, effects: &mut Vec<Effect>) {
        let Some(place) = self.invitations.iter().position(|i| *i.seat == *seat) else { return };
        let Inviting::Joining { party, role } = &self.invitations[place].stage else { return };
        let (party, role) = (party.clone(), *role);
        if !taken {
            let invitation = self.invitations.remove(place);
            effects.push(Effect::End { party, from: self.uri(), reason: Some(reason::MEDIA_FAILED), own: false });
            self.leave(&invitation.seat, effects);
            return self.tell_host(&invitation.user, invitation.mod_id, reason::MEDIA_FAILED, effects);
        }
        let Invitation { mod_id, user, seat, offer, .. } = self.invitations.remove(place);
        effects.push(Effect::Tell {
            party: party.clone(),
            from: self.uri(),
            state: EventState::SessionModified,
            mod_id: None,
            sdp: None,
            reason: None,
        });
        self.tell_host(&user, mod_id, reason::SUCCESS, effects);
        self.members.push(Member { said: offer, role, ..Member::new(party, user, seat) });
    }

    /// The mixer has a description for this seat, or none: the answer to the host, to a hold or a resume. An offer for an
    /// invitation goes to [`Conference::ring`].
    pub(super) fn described(&mut self, seat: &str, sdp: Option<String>, effects: &mut Vec<Effect>) {
        if *self.host.seat == *seat && !self.open {
            let Some(sdp) = sdp else { return self.end(Some(reason::NOT_AVAILABLE), false, effects) };
            self.open = true;
            self.starting = None;
            self.host.role = Role::of_answer(&sdp);
            self.host.said.clone_from(&sdp);
            effects.push(Effect::Tell {
                party: self.host.party.clone(),
                from: self.uri(),
                state: EventState::SessionOpen,
                mod_id: None,
                sdp: Some(sdp),
                reason: None,
            });
            return;
        }
        if let Some(place) = self.invitations.iter().position(|i| *i.seat == *seat) {
            if sdp.is_none() {
                self.fail_invitation(place, reason::NOT_AVAILABLE, effects);
            }
            return;
        }
        let from = self.uri();
        let member = self.members.iter_mut().chain([&mut self.host]).find(|m| *m.seat == *seat);
        if let Some(member) = member
            && let Some((mod_id, offer, _)) = member.modifying.take()
        {
            // D-16: a modification does not fail on the wire.
            let answer = sdp.unwrap_or_else(|| answer_for(&member.said, member.role, &offer));
            member.said.clone_from(&answer);
            effects.push(Effect::Tell {
                party: member.party.clone(),
                from,
                state: EventState::ModTerminated,
                mod_id: Some(mod_id),
                sdp: Some(answer),
                reason: Some(reason::SUCCESS.to_owned()),
            });
        }
    }

    /// Hold or resume by a member: its description says which, and the mixer answers.
    ///
    /// # Errors
    /// 409 SVC8501 while another one of this leg runs (D-14), 400 SVC0002 for a leg that has no seat yet.
    pub(super) fn modify(
        &mut self,
        leg: &str,
        offer: String,
        fresh: Fresh,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refusal> {
        let open = self.open;
        let id = self.id.clone();
        let host = self.is_host(leg);
        let member = self.members.iter_mut().chain([&mut self.host]).find(|m| *m.party.leg == *leg);
        let member = member.filter(|_| open || !host).ok_or(Refusal::invalid("conferenceId"))?;
        if member.modifying.is_some() {
            return Err(Refusal::modification_running());
        }
        member.modifying = Some((fresh.mod_id, offer.clone(), fresh.until));
        let seat = member.seat.clone();
        effects.push(Effect::Mixer(MixerTask::Modify { room: id, seat, offer }));
        Ok(())
    }

    /// The phone of this leg ends it.
    pub(super) fn deleted(&mut self, leg: &str, how: DeleteReason, busy: bool, effects: &mut Vec<Effect>) {
        if self.is_host(leg) {
            let canceled = !self.open && how == DeleteReason::Cancel;
            return self.end(canceled.then_some(reason::CALL_CANCELED), true, effects);
        }
        if let Some((place, party)) = self.ringing(leg) {
            effects.push(Effect::End { party, from: self.uri(), reason: None, own: true });
            self.forget(place, leg, busy);
            // A refusal on one device ends the ringing on all; a busy one only its own (D-20).
            if !busy || self.invitations[place].parties().is_empty() {
                self.fail_invitation(place, reason::USER_BUSY, effects);
            }
            return;
        }
        self.member_ends(leg, None, true, effects);
    }

    /// A leg does not ring any more.
    fn forget(&mut self, place: usize, leg: &str, was_busy: bool) {
        if let Inviting::Ringing { parties, busy } = &mut self.invitations[place].stage {
            parties.retain(|p| *p.leg != *leg);
            *busy |= was_busy;
        }
    }

    /// A ringing leg cannot take the invitation because its session has begun something else (D-21).
    pub(super) fn busy(&mut self, leg: &str, effects: &mut Vec<Effect>) {
        let Some((place, party)) = self.ringing(leg) else { return };
        effects.push(Effect::End { party, from: self.uri(), reason: Some(reason::CALL_CANCELED), own: false });
        self.forget(place, leg, true);
        if self.invitations[place].parties().is_empty() {
            self.fail_invitation(place, reason::USER_BUSY, effects);
        }
    }

    /// The session of this leg is out of the game (D-36); a lost phone is told, an ended session cannot be.
    pub(super) fn gone(&mut self, leg: &str, why: Gone, effects: &mut Vec<Effect>) {
        let told = why == Gone::PhoneLost;
        if self.is_host(leg) {
            if !told {
                self.close(reason::SESSION_ENDED, effects);
            } else {
                self.end(Some(reason::PHONE_LOST), false, effects);
            }
            return;
        }
        if let Some((place, party)) = self.ringing(leg) {
            if told {
                effects.push(Effect::End { party, from: self.uri(), reason: Some(reason::CALL_CANCELED), own: false });
            }
            self.forget(place, leg, false);
            if let Inviting::Ringing { parties, busy } = &self.invitations[place].stage
                && parties.is_empty()
            {
                let why = if *busy { reason::USER_BUSY } else { reason::NOT_AVAILABLE };
                self.fail_invitation(place, why, effects);
            }
            return;
        }
        let reason = if told { reason::PHONE_LOST } else { reason::SESSION_ENDED };
        self.member_gone(leg, told.then_some(reason), false, reason, effects);
    }

    /// The mixer has lost the connection of this seat.
    pub(super) fn lost(&mut self, seat: &str, effects: &mut Vec<Effect>) {
        if *self.host.seat == *seat {
            return self.end(Some(reason::MEDIA_FAILED), false, effects);
        }
        let member = self.members.iter().find(|m| *m.seat == *seat).map(|m| m.party.leg.clone());
        match member {
            Some(leg) => self.member_gone(&leg, Some(reason::MEDIA_FAILED), false, reason::MEDIA_FAILED, effects),
            None => self.seated(seat, false, effects),
        }
    }

    /// The host removes a participant, or withdraws an invitation. False: there is no such participant.
    pub(super) fn remove(&mut self, user: &Address, effects: &mut Vec<Effect>) -> bool {
        if let Some(place) = self.members.iter().position(|m| m.user == *user) {
            let member = self.members.remove(place);
            self.leave(&member.seat, effects);
            let from = self.uri();
            effects.push(Effect::End { party: member.party, from, reason: Some(reason::REMOVED), own: false });
            return true;
        }
        if let Some(place) = self.invitations.iter().position(|i| i.user == *user) {
            self.fail_invitation(place, reason::CALL_CANCELED, effects);
            return true;
        }
        false
    }

    /// A member or a leg that is sitting down leaves by itself.
    fn member_ends(&mut self, leg: &str, reason: Option<&'static str>, own: bool, effects: &mut Vec<Effect>) {
        self.member_gone(leg, reason, own, reason::LEFT, effects);
    }

    /// A member's leg ends, and the host is told why (D-31). Without a `reason` and not by itself, the leg is not told.
    fn member_gone(
        &mut self,
        leg: &str,
        reason: Option<&'static str>,
        own: bool,
        why: &'static str,
        effects: &mut Vec<Effect>,
    ) {
        let from = self.uri();
        let told = own || reason.is_some();
        if let Some(place) = self.members.iter().position(|m| *m.party.leg == *leg) {
            let member = self.members.remove(place);
            if told {
                effects.push(Effect::End { party: member.party, from, reason, own });
            }
            self.leave(&member.seat, effects);
            // The id of a modification that nobody knows: what counts is the text (D-31).
            return self.tell_host(&member.user, member.seat, why, effects);
        }
        let joining = |i: &Invitation| matches!(&i.stage, Inviting::Joining { party, .. } if *party.leg == *leg);
        if let Some(place) = self.invitations.iter().position(joining) {
            let Invitation { mod_id, user, seat, stage, .. } = self.invitations.remove(place);
            if let Inviting::Joining { party, .. } = stage
                && told
            {
                effects.push(Effect::End { party, from, reason, own });
            }
            self.leave(&seat, effects);
            self.tell_host(&user, mod_id, why, effects);
        }
    }

    /// What is due: the host's answer, invitations nobody answered, modifications.
    pub(super) fn timeout(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        if self.starting.is_some_and(|at| at <= now) {
            return self.end(Some(reason::NOT_AVAILABLE), false, effects);
        }
        while let Some(place) = self.invitations.iter().position(|i| i.until <= now) {
            let invitation = &self.invitations[place];
            match &invitation.stage {
                Inviting::Joining { .. } => {
                    let seat = invitation.seat.clone();
                    self.seated(&seat, false, effects);
                }
                Inviting::Ringing { .. } => self.fail_invitation(place, reason::NO_ANSWER, effects),
                Inviting::Preparing => self.fail_invitation(place, reason::NOT_AVAILABLE, effects),
            }
        }
        let late = self.members.iter().chain([&self.host]).filter(|m| m.modifying.as_ref().is_some_and(|m| m.2 <= now));
        let late: Vec<Id> = late.map(|m| m.seat.clone()).collect();
        for seat in late {
            self.described(&seat, None, effects);
        }
    }

    /// The conference ends for all; the host's leg is told.
    fn end(&mut self, reason: Option<&'static str>, own: bool, effects: &mut Vec<Effect>) {
        let (party, from) = (self.host.party.clone(), self.uri());
        effects.push(Effect::End { party, from, reason, own });
        self.close(reason::CONFERENCE_ENDED, effects);
    }

    /// The conference ends for everybody but the host.
    fn close(&mut self, reason: &'static str, effects: &mut Vec<Effect>) {
        let from = self.uri();
        for member in std::mem::take(&mut self.members) {
            effects.push(Effect::End { party: member.party, from: from.clone(), reason: Some(reason), own: false });
            self.leave(&member.seat, effects);
        }
        for invitation in std::mem::take(&mut self.invitations) {
            self.withdraw(&invitation, |_| true, effects);
            self.leave(&invitation.seat, effects);
        }
        let seat = self.host.seat.clone();
        self.leave(&seat, effects);
        self.starting = None;
        self.host.modifying = None;
        self.over = true;
    }
}
