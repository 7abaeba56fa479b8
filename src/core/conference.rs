//! The conference as its host knows it: who was invited, who is in it, and what news of them mean (phone-behaviour.md section
//! 12, P-29, P-30; rest-protocol.md section 3.4, D-31).
//!
//! Owns: [`Breed`], [`Roster`], [`News`]. Lives on: the phone's actor, inside an item. Must not import: anything but the wire
//! crate. What a step sends and publishes is made by `conferences`; everything else about a conference is that of a call.

use ewebrtc_wire::{Address, EventObject, Kind, reason};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};

/// Most parties on the list of a conference; the mixers of gateways take far fewer.
pub(super) const MAX_PARTIES: usize = 256;
/// Requests about parties of one conference that may be in flight at a time; more come only from a program that repeats
/// itself.
pub(super) const MAX_ASKED: usize = 16;
/// Ids of replaced and removed invitations that are remembered, so that their late news do no harm.
const MAX_EARLIER: usize = 64;
/// News kept while the answer that says whose they are is on its way.
const MAX_EARLY: usize = 16;

/// Which kind an item is, and this phone's part in it.
#[derive(Debug)]
pub(super) enum Breed {
    /// Two parties.
    Call,
    /// A conference that this phone started.
    Hosted(Box<Roster>),
    /// A conference that this phone was invited to.
    Joined,
}

impl Breed {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Breed::Call => Kind::Call,
            Breed::Hosted(_) | Breed::Joined => Kind::Conference,
        }
    }

    /// The lists, which only a host has (P-28).
    pub(super) fn roster(&self) -> Option<&Roster> {
        match self {
            Breed::Hosted(roster) => Some(roster),
            Breed::Call | Breed::Joined => None,
        }
    }

    pub(super) fn roster_mut(&mut self) -> Option<&mut Roster> {
        match self {
            Breed::Hosted(roster) => Some(roster),
            Breed::Call | Breed::Joined => None,
        }
    }
}

/// How far an invitation is; the text of `status` in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Invited,
    Accepted,
    Rejected,
    Failed,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Status::Invited => "invited",
            Status::Accepted => "accepted",
            Status::Rejected => "rejected",
            Status::Failed => "failed",
        }
    }
}

#[derive(Debug)]
struct Invitation {
    /// Id at the gateway.
    id: String,
    /// The address that was invited.
    address: Option<Address>,
    status: Status,
}

/// Somebody in the conference.
#[derive(Debug)]
struct Participant {
    /// The address that was invited, and the one that accepted: a user may have several.
    addresses: [Option<Address>; 2],
}

/// What news of a conference mean for its lists. A text is the key of the party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    Accepted(String),
    /// Declined as busy.
    Rejected(String),
    /// Came to nothing in another way.
    Failed(String),
    /// A participant has left.
    Left(String),
    /// About an invitation that is settled.
    Known,
    /// About nobody on the lists.
    Unknown,
}

/// The lists of a host, by the key of the party.
#[derive(Debug, Default)]
pub(super) struct Roster {
    invitations: BTreeMap<String, Invitation>,
    participants: BTreeMap<String, Participant>,
    /// Ids of invitations that were replaced or removed, with their keys.
    earlier: VecDeque<(String, String)>,
    /// News that came before the answer to the invitation they may be about.
    early: VecDeque<EventObject>,
    /// Number of the last request about a party.
    asked: u64,
}

impl Roster {
    /// Number for the next request about a party.
    pub(super) fn ask(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    /// The key under which this party is listed, whatever the spelling it was given in.
    pub(super) fn key_of(&self, key: String, address: Option<&Address>) -> String {
        let same = |entry: &Invitation| address.is_some() && entry.address.as_ref() == address;
        let listed = self.invitations.iter().find(|(_, entry)| same(entry)).map(|(key, _)| key);
        listed.or(self.participant_at(address)).cloned().unwrap_or(key)
    }

    /// Is this party in the conference?
    pub(super) fn has(&self, key: &str) -> bool {
        self.participants.contains_key(key)
    }

    /// No room for another party.
    pub(super) fn is_full(&self) -> bool {
        self.invitations.len() >= MAX_PARTIES
    }

    fn participant_at(&self, address: Option<&Address>) -> Option<&String> {
        let wanted = address?;
        let known = |entry: &Participant| entry.addresses.iter().flatten().any(|known| known == wanted);
        self.participants.iter().find(|(_, entry)| known(entry)).map(|(key, _)| key)
    }

    /// The gateway has taken an invitation; an earlier one of the same party counts no more.
    pub(super) fn invited(&mut self, key: String, id: String, address: Option<Address>) {
        let entry = Invitation { id, address, status: Status::Invited };
        if let Some(replaced) = self.invitations.insert(key.clone(), entry) {
            self.remember(replaced.id, key);
        }
    }

    fn remember(&mut self, id: String, key: String) {
        if self.earlier.len() >= MAX_EARLIER {
            self.earlier.pop_front();
        }
        self.earlier.push_back((id, key));
    }

    /// The party is off both lists.
    pub(super) fn removed(&mut self, key: &str) {
        self.participants.remove(key);
        if let Some(invitation) = self.invitations.remove(key) {
            self.remember(invitation.id, key.to_owned());
        }
    }

    /// Keeps news until an invitation in flight is answered.
    pub(super) fn keep_early(&mut self, event: EventObject) {
        if self.early.len() < MAX_EARLY {
            self.early.push_back(event);
        } else {
            log::warn!("too many news of a conference before an invitation was confirmed");
        }
    }

    pub(super) fn take_early(&mut self) -> VecDeque<EventObject> {
        std::mem::take(&mut self.early)
    }

    /// Takes the end of an invitation, or the word that somebody has left. `from` is whom the news are from. Who leaves is
    /// told with an id of its own (D-31), so that the sender says who it was.
    pub(super) fn take_news(&mut self, id: Option<&str>, why: Option<&str>, from: Option<Address>) -> News {
        let success = why == Some(reason::SUCCESS);
        let same = |known: &str| id == Some(known);
        let invitation = self.invitations.iter_mut().find(|(_, invitation)| same(&invitation.id));
        if let Some((key, invitation)) = invitation {
            let key = key.clone();
            return match invitation.status {
                Status::Invited if success => self.accepted(key, from),
                Status::Invited if why == Some(reason::USER_BUSY) => {
                    invitation.status = Status::Rejected;
                    News::Rejected(key)
                }
                Status::Invited => {
                    invitation.status = Status::Failed;
                    News::Failed(key)
                }
                Status::Accepted if !success => self.left(key),
                Status::Accepted | Status::Rejected | Status::Failed => News::Known,
            };
        }
        if let Some((_, key)) = self.earlier.iter().find(|(known, _)| same(known)) {
            let key = key.clone();
            let waits = self.invitations.get(&key).is_some_and(|invitation| invitation.status == Status::Invited);
            // Asked twice, the party has taken the first.
            return if success && waits { self.accepted(key, from) } else { News::Known };
        }
        match self.participant_at(from.as_ref()).filter(|_| !success && why.is_some()) {
            Some(key) => self.left(key.clone()),
            None => News::Unknown,
        }
    }

    fn accepted(&mut self, key: String, from: Option<Address>) -> News {
        if let Some(invitation) = self.invitations.get_mut(&key) {
            invitation.status = Status::Accepted;
            let addresses = [invitation.address.clone(), from];
            self.participants.insert(key.clone(), Participant { addresses });
        }
        News::Accepted(key)
    }

    fn left(&mut self, key: String) -> News {
        self.removed(&key);
        News::Left(key)
    }

    /// The list of invitations as events carry it.
    pub(super) fn invitations(&self) -> Map<String, Value> {
        let entry = |(key, invitation): (&String, &Invitation)| {
            (key.clone(), json!({"invitee": key, "id": invitation.id, "status": invitation.status.as_str()}))
        };
        self.invitations.iter().map(entry).collect()
    }

    /// The list of participants as events and getParticipants carry it.
    pub(super) fn participants(&self) -> Map<String, Value> {
        self.participants.keys().map(|key| (key.clone(), json!({"participant": key, "status": "active"}))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ewebrtc_wire::parse_user_id;

    fn address(text: &str) -> Option<Address> {
        parse_user_id(text, "d.test")
    }

    fn with(ids: &[(&str, &str)]) -> Roster {
        let mut roster = Roster::default();
        for (key, id) in ids {
            roster.invited((*key).into(), (*id).into(), address(key));
        }
        roster
    }

    fn status(roster: &Roster, key: &str) -> String {
        roster.invitations()[key]["status"].as_str().unwrap_or_default().to_owned()
    }

    #[test]
    fn an_invitation_is_settled_once() {
        let mut roster = with(&[("a@d", "1"), ("b@d", "2"), ("c@d", "3")]);
        let key = |key: &str| key.to_owned();
        assert_eq!(roster.take_news(Some("1"), Some("success"), None), News::Accepted(key("a@d")));
        assert_eq!(roster.take_news(Some("2"), Some("User busy"), None), News::Rejected(key("b@d")));
        assert_eq!(roster.take_news(Some("3"), None, None), News::Failed(key("c@d")));
        assert_eq!(["a@d", "b@d", "c@d"].map(|k| status(&roster, k)), ["accepted", "rejected", "failed"]);
        for (id, why) in [("1", "success"), ("2", "User busy"), ("2", "success"), ("3", "No answer")] {
            assert_eq!(roster.take_news(Some(id), Some(why), None), News::Known);
        }
        assert_eq!(roster.participants().keys().collect::<Vec<_>>(), ["a@d"]);
        assert_eq!(roster.take_news(Some("9"), Some("success"), None), News::Unknown);
        assert_eq!(roster.take_news(None, Some("no"), None), News::Unknown);
    }

    #[test]
    fn who_leaves_is_off_the_lists_and_may_be_asked_again() {
        let mut roster = with(&[("a@d.test", "1"), ("b@d.test", "2")]);
        roster.take_news(Some("1"), Some("success"), address("sip:other@d.test"));
        roster.take_news(Some("2"), Some("success"), None);
        assert!(roster.has("a@d.test") && roster.has(&roster.key_of("x".into(), address("a").as_ref())));
        // By either of the party's addresses, or by the id of the invitation.
        let gone = roster.take_news(Some("8"), Some("Call terminated"), address("sip:OTHER@d.test"));
        assert_eq!(gone, News::Unknown, "the user part is compared as it is");
        let gone = roster.take_news(Some("8"), Some("Call terminated"), address("sip:other@D.TEST"));
        assert_eq!(gone, News::Left("a@d.test".into()));
        assert_eq!(roster.take_news(Some("2"), Some("Phone lost"), None), News::Left("b@d.test".into()));
        assert!(roster.participants().is_empty() && roster.invitations().is_empty());
        assert_eq!(roster.take_news(Some("1"), Some("success"), None), News::Known, "late");
        roster.invited("a@d.test".into(), "3".into(), address("a"));
        assert_eq!(roster.take_news(Some("3"), Some("success"), None), News::Accepted("a@d.test".into()));
    }

    #[test]
    fn an_invitation_that_was_repeated_is_taken_by_either() {
        let mut roster = with(&[("a@d", "1"), ("a@d", "2")]);
        assert_eq!(roster.take_news(Some("1"), Some("No answer"), None), News::Known);
        assert_eq!(status(&roster, "a@d"), "invited");
        assert_eq!(roster.take_news(Some("1"), Some("success"), None), News::Accepted("a@d".into()));
        assert_eq!(roster.take_news(Some("2"), Some("success"), None), News::Known);
        let mut roster = with(&[("a@d", "1")]);
        roster.removed("a@d");
        assert_eq!(roster.take_news(Some("1"), Some("success"), None), News::Known, "removed before it accepted");
        assert!(roster.participants().is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut roster = Roster::default();
        for n in 0..1000 {
            roster.invited("a@d".into(), n.to_string(), None);
            roster.keep_early(EventObject::new(Kind::Conference, "x", ewebrtc_wire::EventState::ModTerminated));
        }
        assert_eq!((roster.earlier.len(), roster.take_early().len()), (MAX_EARLIER, MAX_EARLY));
    }
}
