//! What conferences have that calls have not: startConference, the invitation and removal of parties, and the news of them
//! (phone-behaviour.md sections 12, 21, P-28 to P-30; rest-protocol.md sections 2.7.2, 2.7.12, 2.7.13, 3.4, 5.12).
//!
//! Owns: these flows of the phone. Lives on: the phone's actor. Must not import: anything but the other machines of the
//! core. The lists stand in `conference`; joining is an answer (`second`), hold and resume are changes (`changes`).

use super::call::{Call, Phase, Until, Waiting};
use super::changes::NO_REASON;
use super::conference::{News, Roster};
use super::errors::{Problem, ProblemKind, header};
use super::events;
use super::io::{Event, Handle, HttpResponse};
use super::methods::option;
use super::phone::{PhoneCore, Turn};
use super::requests::{Draft, Purpose};
use ewebrtc_wire::{Address, EventObject, Kind, called_party, header as names, parse_user_id, party_key, reason};
use serde_json::{Value, json};

/// `x-state` with which the gateway takes an invitation and a removal; any other word is a refusal (sections 2.7.12, 2.7.13).
const ADD_PENDING: &str = "add-pending";
const REMOVE_PENDING: &str = "remove-pending";

/// Longest id of an invitation that is believed, in bytes, as of calls and conferences.
const MAX_ID: usize = 256;

/// A party as a method names it.
pub(super) struct Party {
    /// Key in the lists.
    pub(super) key: String,
    /// What goes out.
    pub(super) uri: String,
    pub(super) address: Option<Address>,
}

impl Party {
    /// The party that this text names for this conference; `None`: the text is no destination.
    pub(super) fn named(text: &str, domain: &str, roster: &Roster) -> Option<Self> {
        let uri = called_party(text, domain).ok()?;
        let address = parse_user_id(&uri, domain);
        let key = roster.key_of(party_key(&uri, domain), address.as_ref());
        Some(Self { key, uri, address })
    }
}

impl PhoneCore {
    // ---- methods -----------------------------------------------------------------------------------------------------

    /// startConference: with a call in the foreground the conference waits until that is held, as an added call does.
    pub(super) fn start_conference(&mut self, t: &mut Turn<'_>, tag: Option<String>, options: &Value) -> Value {
        self.remember_targets(options);
        let handle = self.take_handle();
        let mut call = Call::hosted(handle, self.slots.next_index());
        (call.local_media, call.remote_media) = self.targets();
        call.media = call.wanted_media(options);
        call.phase = Phase::Queued;
        call.cause.clone_from(&tag);
        call.waiting.push(Waiting { tag: tag.clone(), until: Until::Connected, code: "3100" });
        self.slots.insert_pending(call);
        if self.slots.foreground().is_some() {
            self.clear_the_line(t, &tag);
        } else {
            self.start_pending(t);
        }
        json!({ "conference": handle })
    }

    /// addParticipant: one party; the outcome of its invitation comes later and changes the lists.
    pub(super) fn add_participant(&mut self, t: &mut Turn<'_>, tag: Option<String>, options: &Value) {
        let Some((handle, party, number)) = self.ask_party(options, &tag, "3600") else { return };
        let Some(sid) = self.session.id.clone() else { return };
        let Some(call) = self.slots.get(handle) else { return };
        let Some(id) = &call.id else { return };
        let draft = Draft::invite(&sid, id, &party.uri);
        t.event(Event { tag, ..events::invitation_sending(call, &party.uri) });
        let Party { key, address, .. } = party;
        let purpose = Purpose::Invite { item: handle, number, key, address: address.map(Box::new) };
        self.requests.send(draft, purpose, t.out);
    }

    /// removeParticipant: of whom the list does not know the gateway may still know.
    pub(super) fn remove_participant(&mut self, t: &mut Turn<'_>, tag: Option<String>, options: &Value) {
        let Some((handle, party, number)) = self.ask_party(options, &tag, "3700") else { return };
        let Some(sid) = self.session.id.clone() else { return };
        let Some(id) = self.slots.get(handle).and_then(|call| call.id.as_deref()) else { return };
        let draft = Draft::expel(&sid, id, &party.uri);
        self.requests.send(draft, Purpose::Expel { item: handle, number, key: party.key }, t.out);
    }

    /// The party of the foreground conference that the options name, and the command that waits for the gateway's word.
    fn ask_party(&mut self, options: &Value, tag: &Option<String>, code: &'static str) -> Option<(Handle, Party, u64)> {
        let text = option(options, "participant")?;
        let domain = self.domain().to_owned();
        let handle = self.slots.foreground()?.handle;
        let call = self.slots.get_mut(handle)?;
        let roster = call.breed.roster_mut()?;
        let party = Party::named(&text, &domain, roster)?;
        let number = roster.ask();
        call.waiting.push(Waiting { tag: tag.clone(), until: Until::Answered(number), code });
        Some((handle, party, number))
    }

    /// The value of getParticipants: a copy (section 12).
    pub(super) fn participants(&self) -> Value {
        let roster = self.slots.foreground().and_then(|call| call.breed.roster());
        Value::Object(roster.map(Roster::participants).unwrap_or_default())
    }

    // ---- the answers of the gateway ----------------------------------------------------------------------------------

    pub(super) fn on_invited(
        &mut self,
        t: &mut Turn<'_>,
        handle: Handle,
        number: u64,
        party: (String, Option<Address>),
        result: Result<HttpResponse, Problem>,
    ) {
        let (key, address) = party;
        if let Some(response) = self.party_answered(t, handle, number, result, "3600", ADD_PENDING) {
            let id = header(&response, names::MOD_ID).or(header(&response, names::CONFERENCE_MOD_ID));
            match id.filter(|id| !id.is_empty() && id.len() <= MAX_ID).map(str::to_owned) {
                Some(id) => {
                    if let Some(roster) = self.roster_mut(handle) {
                        roster.invited(key, id, address);
                    }
                    self.settle_party(t, handle, number, "conference:invitation-sent", None);
                }
                None => self.party_failed(t, handle, number, &Problem::own("3600", "the answer names no invitation")),
            }
        }
        // Whose they are may be known now.
        let early = self.roster_mut(handle).map(Roster::take_early).unwrap_or_default();
        for event in early {
            self.on_item_event(t, handle, event);
        }
    }

    pub(super) fn on_expelled(
        &mut self,
        t: &mut Turn<'_>,
        handle: Handle,
        number: u64,
        key: &str,
        result: Result<HttpResponse, Problem>,
    ) {
        // Whom the gateway does not know is not in the conference: what was asked for is the case.
        let unknown = |problem: &Problem| problem.kind == ProblemKind::NotFound { session: false };
        let gone = result.as_ref().err().is_some_and(unknown)
            && self.slots.get(handle).is_some_and(|call| call.phase == Phase::Talking);
        if gone || self.party_answered(t, handle, number, result, "3700", REMOVE_PENDING).is_some() {
            if let Some(roster) = self.roster_mut(handle) {
                roster.removed(key);
            }
            self.settle_party(t, handle, number, "conference:participant-removed", Some(key));
        }
    }

    /// The answer to a request about a party, when the gateway does what was asked and the conference goes on.
    fn party_answered(
        &mut self,
        t: &mut Turn<'_>,
        handle: Handle,
        number: u64,
        result: Result<HttpResponse, Problem>,
        code: &str,
        wanted: &str,
    ) -> Option<HttpResponse> {
        match result {
            Err(problem) if problem.kind == (ProblemKind::NotFound { session: true }) => {
                self.expire(t, &problem.error);
                None
            }
            _ if self.slots.get(handle).is_none_or(|call| call.phase != Phase::Talking) => {
                // It is ending; its end finishes the command.
                None
            }
            Err(problem) => {
                self.party_failed(t, handle, number, &problem);
                None
            }
            Ok(response) => match header(&response, names::STATE) {
                Some(state) if state == wanted => Some(response),
                state => {
                    let text = format!("the gateway answered {:?} where {wanted} is meant", state.unwrap_or_default());
                    self.party_failed(t, handle, number, &Problem::own(code, &text));
                    None
                }
            },
        }
    }

    fn party_failed(&mut self, t: &mut Turn<'_>, handle: Handle, number: u64, problem: &Problem) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        let item = call.item();
        for waiting in call.finished_by(Until::Answered(number)) {
            self.publish_problem(t, problem, Some(item), waiting.tag.clone());
            t.event(events::finished(waiting.tag, Some(item), Some(problem.error.as_ref())));
        }
    }

    fn settle_party(
        &mut self,
        t: &mut Turn<'_>,
        handle: Handle,
        number: u64,
        name: &'static str,
        participant: Option<&str>,
    ) {
        let own = self.own.clone();
        let Some(call) = self.slots.get_mut(handle) else { return };
        let item = call.item();
        for waiting in call.finished_by(Until::Answered(number)) {
            let event = events::about_party(name, call, own.as_deref(), participant);
            t.event(Event { tag: waiting.tag.clone(), ..event });
            t.event(events::finished(waiting.tag, Some(item), None));
        }
    }

    fn roster_mut(&mut self, handle: Handle) -> Option<&mut Roster> {
        self.slots.get_mut(handle)?.breed.roster_mut()
    }

    // ---- news --------------------------------------------------------------------------------------------------------

    /// `mod-terminated` on a conference of this phone: the end of an invitation, or the word that a participant has left.
    /// Gives the event back when it is neither.
    pub(super) fn take_party_news(
        &mut self,
        t: &mut Turn<'_>,
        handle: Handle,
        event: EventObject,
    ) -> Option<EventObject> {
        let inviting = |purpose: &Purpose| matches!(purpose, Purpose::Invite { item, .. } if *item == handle);
        let inviting = self.requests.any(inviting);
        let from = event.from.as_deref().and_then(|from| parse_user_id(from, self.domain()));
        let talking = self.slots.get_mut(handle).filter(|call| call.phase == Phase::Talking);
        // With a description it is about the media of this leg.
        let Some(roster) = talking.and_then(|call| call.breed.roster_mut()).filter(|_| event.sdp.is_none()) else {
            return Some(event);
        };
        let why = event.reason.as_deref().unwrap_or(NO_REASON);
        match roster.take_news(event.mod_id.as_deref(), event.reason.as_deref(), from) {
            News::Accepted(key) => self.tell_party(t, handle, "conference:invitation-accepted", &key),
            News::Rejected(key) => self.tell_party(t, handle, "conference:invitation-rejected", &key),
            News::Failed(key) | News::Left(key) => self.notify_of(t, handle, why, &key),
            News::Known => {}
            News::Unknown if inviting && event.mod_id.is_some() => roster.keep_early(event),
            News::Unknown => return Some(event),
        }
        None
    }

    fn tell_party(&self, t: &mut Turn<'_>, handle: Handle, name: &'static str, key: &str) {
        if let Some(call) = self.slots.get(handle) {
            let event = events::about_party(name, call, self.own.as_deref(), Some(key));
            t.event(Event { tag: None, ..event });
        }
    }

    /// The host hears who has gone, or could not be asked, and why (P-30, section 17).
    fn notify_of(&self, t: &mut Turn<'_>, handle: Handle, why: &str, key: &str) {
        if let Some(call) = self.slots.get(handle) {
            t.event(events::notification_of(call, self.own.as_deref(), &super::errors::bounded(why), key));
        }
    }

    /// `mod-terminated` where no change of this leg is running: of a conference the user hears that something has failed,
    /// the conference goes on (section 17, P-14).
    pub(super) fn on_stray_outcome(&self, t: &mut Turn<'_>, handle: Handle, event: &EventObject) {
        let Some(call) = self.slots.get(handle).filter(|call| call.kind() == Kind::Conference) else { return };
        let ours = event.mod_id.is_some() && event.mod_id == call.last_mod_id;
        if event.reason.as_deref() != Some(reason::SUCCESS) && !ours {
            self.notify(t, handle, event.reason.as_deref().unwrap_or(NO_REASON));
        }
    }

    // ---- checks ------------------------------------------------------------------------------------------------------

    /// Requests about parties of this conference in flight.
    pub(super) fn parties_asked(&self, handle: Handle) -> usize {
        self.requests.count(
            |purpose| matches!(purpose, Purpose::Invite { item, .. } | Purpose::Expel { item, .. } if *item == handle),
        )
    }
}

/// The code with which an answer to this kind of invitation fails on the way.
pub(super) fn answer_code(kind: Kind) -> &'static str {
    match kind {
        Kind::Call => "2300",
        Kind::Conference => "3200",
    }
}

/// The code with which a new item of this kind fails on the way, where a first one must be held for it.
pub(super) fn second_code(kind: Kind) -> &'static str {
    match kind {
        Kind::Call => "3900",
        Kind::Conference => "3100",
    }
}

/// The code with which a new item of this kind fails whose answer says nothing.
pub(super) fn create_code(kind: Kind) -> &'static str {
    match kind {
        Kind::Call => "2200",
        Kind::Conference => "3100",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_is_the_same_in_every_spelling() {
        let mut roster = Roster::default();
        let named = |roster: &Roster, text: &str| Party::named(text, "d.test", roster);
        let first = named(&roster, "Bob@D.test").expect("an address");
        assert_eq!((first.key.as_str(), first.uri.as_str()), ("Bob@D.test", "sip:Bob@D.test"));
        roster.invited(first.key, "1".into(), first.address);
        assert_eq!(named(&roster, "Bob").map(|party| party.key).as_deref(), Some("Bob@D.test"));
        assert_eq!(named(&roster, "bob").map(|party| party.key).as_deref(), Some("bob@d.test"), "another user");
        let number = named(&roster, "(555) 123-0000").expect("an address");
        assert_eq!((number.key.as_str(), number.uri.as_str()), ("15551230000", "tel:+15551230000"));
        assert!(named(&roster, "sip:bob").is_none());
    }
}
