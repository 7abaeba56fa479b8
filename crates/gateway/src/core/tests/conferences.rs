//! Conferences under a clock of the test's own: who hears what, and random sequences in which every leg ends once and every
//! seat is given back.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const PATIENCE: Duration = Duration::from_secs(15);

/// Phones of a conference.
struct Party {
    w: World,
    host: Auth,
    leg: String,
}

impl World {
    pub(in crate::core) fn confer(&mut self, who: &Auth) -> String {
        match self.ask(Request::CreateConference { auth: who.clone(), sdp: Some(OFFER.into()) }) {
            Ok(Answer::Call { delivery, location }) => {
                self.tell(Input::Written(delivery));
                self.pass(HOLD_BACK);
                item_id_of(&location).expect("an id").to_owned()
            }
            other => panic!("no conference: {other:?}"),
        }
    }

    /// The mixer does the oldest thing that it was asked to do, well or not.
    fn mix(&mut self, well: bool) {
        let Some(task) = self.mixer_asked.pop_front() else { panic!("the mixer was asked nothing") };
        let sdp = || well.then(|| OFFER.to_owned());
        let news = match task {
            MixerTask::Answer { room, seat, .. }
            | MixerTask::Offer { room, seat }
            | MixerTask::Modify { room, seat, .. } => MixerNews::Described { room, seat, sdp: sdp() },
            MixerTask::Accept { room, seat, .. } => MixerNews::Accepted { room, seat, taken: well },
            MixerTask::Leave { .. } => unreachable!("is not kept"),
        };
        self.tell(Input::Mixer(news));
    }

    fn invite(&mut self, who: &Auth, leg: &str, user: &str) -> Result<Id, Refusal> {
        let uri = format!("sip:{user}@test");
        match self.ask(Request::Invite { auth: who.clone(), leg: leg.into(), uri })? {
            Answer::Invited { delivery, mod_id } => {
                self.tell(Input::Written(delivery));
                self.pass(HOLD_BACK);
                Ok(mod_id)
            }
            other => panic!("not invited: {other:?}"),
        }
    }

    fn sit_down(&mut self, who: &Auth, leg: &str) -> Result<(), Refusal> {
        let request = Request::JoinConference { auth: who.clone(), leg: leg.into(), sdp: Some(OFFER.into()) };
        let answer = self.ask(request);
        self.respond(answer)
    }

    fn leave(&mut self, who: &Auth, leg: &str, reason: DeleteReason) {
        let answer = self.ask(Request::LeaveConference { auth: who.clone(), leg: leg.into(), reason });
        self.respond(answer).expect("ending is never refused");
    }

    fn expel(&mut self, who: &Auth, leg: &str, user: &str) -> Result<(), Refusal> {
        let uri = format!("sip:{user}@test");
        let answer = self.ask(Request::Expel { auth: who.clone(), leg: leg.into(), uri });
        self.respond(answer)
    }

    /// The only event: state, who it is from, the modification and the reason.
    fn news(&mut self, who: &Auth) -> (EventState, String, Option<String>, Option<String>) {
        let mut events = self.events(who);
        assert_eq!(events.len(), 1, "{events:?}");
        let event = events.remove(0).event;
        assert_eq!(event.kind, Kind::Conference);
        (event.state, event.from.unwrap_or_default(), event.mod_id, event.reason)
    }
}

impl Party {
    fn new(limits: Limits) -> Self {
        let mut w = World::new(CoreConfig { limits, ..config() });
        let host = w.login("host");
        let leg = w.confer(&host);
        w.mix(true);
        assert_eq!(w.news(&host).0, EventState::SessionOpen);
        Self { w, host, leg }
    }

    /// Invites somebody, whose phone rings: the invitation and the leg.
    fn rings(&mut self, who: &Auth, user: &str) -> (Id, String) {
        let mod_id = self.w.invite(&self.host, &self.leg, user).expect("invited");
        self.w.mix(true);
        (mod_id, self.w.invited(who))
    }

    /// The same, and the phone joins.
    fn joins(&mut self, who: &Auth, user: &str) -> String {
        let (mod_id, leg) = self.rings(who, user);
        self.w.sit_down(who, &leg).expect("it rings");
        self.w.mix(true);
        assert_eq!(self.w.news(who).0, EventState::SessionModified);
        assert_eq!(self.w.news(&self.host), self.outcome(user, &mod_id, reason::SUCCESS));
        leg
    }

    fn outcome(&self, user: &str, mod_id: &str, why: &str) -> (EventState, String, Option<String>, Option<String>) {
        (EventState::ModTerminated, format!("sip:{user}@test"), Some(mod_id.to_owned()), Some(why.to_owned()))
    }

    /// Everything is over and given back.
    fn is_over(&self) {
        assert_eq!(self.w.core.conference_count(), 0);
        assert_eq!(self.w.seats, BTreeSet::new());
    }
}

#[test]
fn somebody_is_invited_joins_and_is_removed() {
    let mut p = Party::new(Limits::default());
    let b = p.w.login("bob");
    let leg = p.joins(&b, "bob");
    p.w.expel(&p.host.clone(), &p.leg.clone(), "bob").expect("removed");
    p.w.ended(&b, &leg, Some(reason::REMOVED));
    assert!(p.w.events(&p.host.clone()).is_empty());
    // Again, by another way out: he leaves, and the host hears of it.
    let leg = p.joins(&b, "bob");
    p.w.leave(&b, &leg, DeleteReason::Terminate);
    p.w.ended(&b, &leg, None);
    let (state, from, mod_id, why) = p.w.news(&p.host.clone());
    assert_eq!((state, from.as_str()), (EventState::ModTerminated, "sip:bob@test"));
    assert!(mod_id.is_some());
    assert_eq!(why.as_deref(), Some(reason::LEFT));
    let (host, leg) = (p.host.clone(), p.leg.clone());
    p.w.leave(&host, &leg, DeleteReason::Terminate);
    p.w.ended(&host, &leg, None);
    p.is_over();
}

#[test]
fn the_host_ends_it_for_all_also_for_those_who_ring() {
    let mut p = Party::new(Limits::default());
    let (b, c, d) = (p.w.login("bob"), p.w.login("carol"), p.w.login("dora"));
    let at_b = p.joins(&b, "bob");
    let (_, at_c) = p.rings(&c, "carol");
    let (host, leg) = (p.host.clone(), p.leg.clone());
    // The offer for the next one is being made.
    p.w.invite(&host, &leg, "dora").expect("invited");
    p.w.leave(&host, &leg, DeleteReason::Terminate);
    p.w.ended(&host, &leg, None);
    p.w.ended(&b, &at_b, Some(reason::CONFERENCE_ENDED));
    p.w.ended(&c, &at_c, Some(reason::CALL_CANCELED));
    p.w.mix(true);
    assert!(p.w.events(&d).is_empty());
    p.is_over();
    // Late requests find nothing and break nothing.
    p.w.leave(&b, &at_b, DeleteReason::Terminate);
    assert_eq!(p.w.sit_down(&c, &at_c).expect_err("over").message_id, Some("SVC0002"));
    assert_eq!(p.w.invite(&host, &leg, "dora").expect_err("over").message_id, Some("SVC0002"));
}

#[test]
fn an_invitation_is_refused_withdrawn_or_not_answered() {
    let mut p = Party::new(Limits::default());
    let (b, host, leg) = (p.w.login("bob"), p.host.clone(), p.leg.clone());
    let (mod_id, at_b) = p.rings(&b, "bob");
    p.w.leave(&b, &at_b, DeleteReason::Reject);
    p.w.ended(&b, &at_b, None);
    assert_eq!(p.w.news(&host), p.outcome("bob", &mod_id, reason::USER_BUSY));

    let (mod_id, at_b) = p.rings(&b, "bob");
    p.w.expel(&host, &leg, "bob").expect("withdrawn");
    p.w.ended(&b, &at_b, Some(reason::CALL_CANCELED));
    assert_eq!(p.w.news(&host), p.outcome("bob", &mod_id, reason::CALL_CANCELED));

    let (mod_id, at_b) = p.rings(&b, "bob");
    let waiting = p.w.open_poll(&b, None);
    let waiting_host = p.w.open_poll(&host, None);
    p.w.pass(Duration::from_secs(20));
    for poll in [waiting, waiting_host] {
        p.w.answers.remove(&poll);
    }
    p.w.events(&b);
    p.w.events(&host);
    p.w.pass(Duration::from_secs(30));
    p.w.events(&b);
    p.w.events(&host);
    p.w.pass(Duration::from_secs(10));
    p.w.ended(&b, &at_b, Some(reason::CALL_CANCELED));
    assert_eq!(p.w.news(&host), p.outcome("bob", &mod_id, reason::NO_ANSWER));
}

#[test]
fn whom_nobody_can_invite_is_said_in_an_event() {
    let mut p = Party::new(Limits::default());
    let (b, host, leg) = (p.w.login("bob"), p.host.clone(), p.leg.clone());
    p.w.token("absent");
    let at_b = p.joins(&b, "bob");
    for (user, why) in [("host", reason::ALREADY_IN), ("bob", reason::ALREADY_IN), ("stranger", reason::NOT_FOUND)] {
        let mod_id = p.w.invite(&host, &leg, user).expect("taken");
        assert_eq!(p.w.news(&host), p.outcome(user, &mod_id, why));
    }
    let mod_id = p.w.invite(&host, &leg, "absent").expect("taken");
    p.w.mix(true);
    assert_eq!(p.w.news(&host), p.outcome("absent", &mod_id, reason::NOT_AVAILABLE));
    // A stranger cannot be removed, and a participant is no host.
    assert_eq!(p.w.expel(&host, &leg, "stranger").expect_err("not there").message_id, Some("SVC0002"));
    assert_eq!(p.w.invite(&b, &at_b, "absent").expect_err("no host").message_id, Some("POL0001"));
    assert_eq!(p.w.expel(&b, &at_b, "host").expect_err("no host").message_id, Some("POL0001"));
    let odd = Request::Invite { auth: host.clone(), leg: leg.clone(), uri: "\u{7}".into() };
    assert_eq!(status(p.w.ask(odd)), (400, Some("SVC0004")));
    // Invited twice while it rings: one invitation, under the newer id.
    let c = p.w.login("carol");
    let (_, at_c) = p.rings(&c, "carol");
    let mod_id = p.w.invite(&host, &leg, "carol").expect("again");
    assert!(p.w.events(&c).is_empty());
    p.w.sit_down(&c, &at_c).expect("rings still");
    p.w.mix(true);
    assert_eq!(p.w.news(&host), p.outcome("carol", &mod_id, reason::SUCCESS));
}

#[test]
fn bounds_are_refused_with_their_code() {
    let limits = Limits { conference_participants: 2, conference_invitations: 1, conferences: 1, ..Limits::default() };
    let mut p = Party::new(limits);
    let (b, c, host, leg) = (p.w.login("bob"), p.w.login("carol"), p.host.clone(), p.leg.clone());
    p.w.token("dora");
    let (_, at_b) = p.rings(&b, "bob");
    assert_eq!(p.w.invite(&host, &leg, "carol").expect_err("one at a time").message_id, Some("POL0003"));
    p.w.sit_down(&b, &at_b).expect("rings");
    p.w.mix(true);
    p.w.events(&host);
    p.w.events(&b);
    p.joins(&c, "carol");
    assert_eq!(p.w.invite(&host, &leg, "dora").expect_err("full").message_id, Some("POL0003"));
    let other = p.w.login("other");
    let refused = p.w.ask(Request::CreateConference { auth: other, sdp: Some(OFFER.into()) });
    assert_eq!(status(refused), (503, None));
}

#[test]
fn a_mixer_that_fails_ends_what_it_concerns_and_nothing_else() {
    let mut w = World::new(config());
    let host = w.login("host");
    let leg = w.confer(&host);
    w.mix(false);
    w.ended(&host, &leg, Some(reason::NOT_AVAILABLE));
    assert_eq!(w.core.conference_count(), 0);
    // No word from it at all.
    let leg = w.confer(&host);
    w.pass(PATIENCE);
    w.ended(&host, &leg, Some(reason::NOT_AVAILABLE));
    w.mixer_asked.clear();

    let mut p = Party::new(Limits::default());
    let (b, host, leg) = (p.w.login("bob"), p.host.clone(), p.leg.clone());
    let mod_id = p.w.invite(&host, &leg, "bob").expect("invited");
    p.w.mix(false);
    assert_eq!(p.w.news(&host), p.outcome("bob", &mod_id, reason::NOT_AVAILABLE));
    let (mod_id, at_b) = p.rings(&b, "bob");
    p.w.sit_down(&b, &at_b).expect("rings");
    p.w.mix(false);
    p.w.ended(&b, &at_b, Some(reason::MEDIA_FAILED));
    assert_eq!(p.w.news(&host), p.outcome("bob", &mod_id, reason::MEDIA_FAILED));
    // A connection that is lost without a word.
    let before = p.w.seats.clone();
    let at_b = p.joins(&b, "bob");
    let seat = p.w.seats.difference(&before).next().cloned().expect("a seat");
    let room = p.w.room.clone().expect("a room");
    p.w.tell(Input::Mixer(MixerNews::Lost { room, seat }));
    p.w.ended(&b, &at_b, Some(reason::MEDIA_FAILED));
    assert_eq!(p.w.news(&host).3.as_deref(), Some(reason::MEDIA_FAILED));
    assert_eq!(p.w.seats.len(), 1);
}

#[test]
fn host_and_participant_hold_and_resume() {
    let mut p = Party::new(Limits::default());
    let b = p.w.login("bob");
    let at_b = p.joins(&b, "bob");
    for (who, leg) in [(p.host.clone(), p.leg.clone()), (b.clone(), at_b.clone())] {
        for well in [true, false] {
            let hold = || Request::ModifyConference { auth: who.clone(), leg: leg.clone(), sdp: Some(OFFER.into()) };
            let answer = p.w.ask(hold());
            assert_eq!(status(p.w.ask(hold())), (409, Some("SVC8501")));
            p.w.respond(answer).expect("taken");
            p.w.mix(well);
            let mut events = p.w.events(&who);
            let event = events.remove(0).event;
            assert_eq!((event.state, event.reason.as_deref()), (EventState::ModTerminated, Some(reason::SUCCESS)));
            assert!(event.sdp.is_some() && event.mod_id.is_some());
            assert_eq!(event.from.as_deref(), Some("sip:host@test"));
        }
    }
    assert!(p.w.events(&b).is_empty());
}

#[test]
fn several_devices_ring_and_the_first_joins() {
    let mut p = Party::new(Limits::default());
    let (one, two) = (p.w.login("bob"), p.w.login("bob"));
    p.w.invite(&p.host.clone(), &p.leg.clone(), "bob").expect("invited");
    p.w.mix(true);
    let (at_one, at_two) = (p.w.invited(&one), p.w.invited(&two));
    p.w.sit_down(&two, &at_two).expect("rings");
    p.w.ended(&one, &at_one, Some(reason::CALL_CANCELED));
    assert_eq!(p.w.sit_down(&one, &at_one).expect_err("too late").message_id, Some("SVC0002"));
    p.w.mix(true);
    assert_eq!(p.w.news(&two).0, EventState::SessionModified);
}

/// A small generator of numbers, the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % sides
    }
}

/// Random steps of a host, four phones and a mixer: every leg that begins ends exactly once, every seat is given back, every
/// invitation has one outcome, and no timer is left.
#[test]
fn every_leg_ends_once_and_every_seat_is_given_back() {
    let given = std::env::var("EWEBRTC_TEST_SEED").ok().and_then(|text| text.parse::<u64>().ok());
    let seed = given.unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    println!("EWEBRTC_TEST_SEED={seed}");
    let mut dice = Dice(seed);
    let mut joined = 0;
    for _ in 0..1_500 {
        joined += sequence(&mut dice);
    }
    assert!(joined > 1_000, "hardly anybody joined: {joined}");
}

fn sequence(dice: &mut Dice) -> usize {
    let names = ["ann", "bob", "cyd", "dan"];
    let mut w = World::new(config());
    let phones: Vec<Auth> = names.iter().map(|name| w.login(name)).collect();
    // Legs by phone: how often each has begun and ended, as its events say.
    let mut begun: BTreeMap<String, (usize, bool)> = BTreeMap::new();
    let mut ended: BTreeMap<String, usize> = BTreeMap::new();
    let mut invited: BTreeSet<String> = BTreeSet::new();
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    let mut joined = 0;
    for _ in 0..100 {
        let who = dice.roll(phones.len());
        let auth = phones[who].clone();
        let legs: Vec<(String, bool)> = begun
            .iter()
            .filter(|(leg, (owner, _))| *owner == who && !ended.contains_key(*leg))
            .map(|(leg, (_, host))| (leg.clone(), *host))
            .collect();
        let leg = if legs.is_empty() { None } else { Some(legs[dice.roll(legs.len())].clone()) };
        match (dice.roll(12), leg) {
            (0, _) if legs.len() < 2 => {
                let leg = w.confer(&auth);
                begun.insert(leg, (who, true));
            }
            (1..=3, Some((leg, true))) => {
                if let Ok(mod_id) = w.invite(&auth, &leg, names[dice.roll(names.len())]) {
                    invited.insert(mod_id.to_string());
                }
            }
            (1..=4 | 10 | 11, Some((leg, false))) if w.mixer_asked.is_empty() => drop(w.sit_down(&auth, &leg)),
            (5, Some((leg, _))) if dice.roll(3) == 0 => {
                let reason = [DeleteReason::Reject, DeleteReason::Cancel, DeleteReason::Terminate][dice.roll(3)];
                w.leave(&auth, &leg, reason);
            }
            (6, Some((leg, true))) => drop(w.expel(&auth, &leg, names[dice.roll(names.len())])),
            (7, Some((leg, _))) => {
                let answer = w.ask(Request::ModifyConference { auth, leg, sdp: Some(OFFER.into()) });
                drop(w.respond(answer));
            }
            (8, _) if dice.roll(4) == 0 => {
                if let (Some(room), Some(seat)) = (w.room.clone(), w.seats.iter().next().cloned()) {
                    w.tell(Input::Mixer(MixerNews::Lost { room, seat }));
                }
            }
            (9, _) => w.pass(Duration::from_secs([1, 8, 20][dice.roll(3)])),
            _ => {
                if !w.mixer_asked.is_empty() {
                    let well = dice.roll(5) > 0;
                    w.mix(well);
                }
            }
        }
        // Everybody reads everything, so that nobody is lost.
        for (who, phone) in phones.iter().enumerate() {
            joined += read(&mut w, who, phone, &mut begun, &mut ended, &invited, &mut outcomes);
        }
    }
    for phone in &phones {
        let _ = w.ask(Request::DeleteSession { auth: phone.clone() });
    }
    w.pass(Duration::from_secs(120));
    assert_eq!((w.core.conference_count(), w.core.session_count()), (0, 0));
    assert_eq!(w.seats, BTreeSet::new(), "a seat was kept");
    assert_eq!(w.core.poll_timeout(), None, "no timer is left");
    assert!(ended.values().all(|n| *n == 1), "a leg ended twice: {ended:?}");
    assert!(outcomes.values().all(|n| *n == 1), "an invitation ended twice: {outcomes:?}");
    joined
}

fn read(
    w: &mut World,
    who: usize,
    phone: &Auth,
    begun: &mut BTreeMap<String, (usize, bool)>,
    ended: &mut BTreeMap<String, usize>,
    invited: &BTreeSet<String>,
    outcomes: &mut BTreeMap<String, usize>,
) -> usize {
    let mut joined = 0;
    loop {
        let events = w.events(phone);
        if events.is_empty() {
            return joined;
        }
        for event in events {
            let event = event.event;
            let leg = item_id_of(&event.resource_url).expect("an id").to_owned();
            match event.state {
                EventState::InvitationReceived => {
                    assert!(begun.insert(leg, (who, false)).is_none(), "a leg began twice");
                }
                EventState::SessionTerminated => {
                    assert!(begun.contains_key(&leg), "an end without a beginning");
                    *ended.entry(leg).or_default() += 1;
                }
                state => {
                    assert!(
                        begun.contains_key(&leg) && !ended.contains_key(&leg),
                        "{state:?} of a leg that is not there"
                    );
                    joined += usize::from(state == EventState::SessionModified);
                    if let Some(mod_id) = event.mod_id.filter(|id| invited.contains(id)) {
                        *outcomes.entry(mod_id).or_default() += 1;
                    }
                }
            }
        }
    }
}

#[test]
fn rooms_answer_by_themselves_and_are_no_users() {
    let mut w = World::new(config());
    let a = w.login("alice");
    w.dial(&a, "room-lounge");
    w.dial(&a, "echo");
    assert_eq!(w.services, [Service::Room("room-lounge".into()), Service::Echo]);
    let refused = w.ask(Request::IssueToken { user: "room-lounge".into() });
    assert!(refused.is_err());
    let leg = w.dial(&a, "room-");
    let events: Vec<_> = w.events(&a).into_iter().map(|e| (e.event.state, e.event.resource_url)).collect();
    assert!(events.iter().any(|(state, url)| *state == EventState::SessionTerminated && url.ends_with(&leg)));
}

#[test]
fn a_service_is_invited_and_answers_by_itself() {
    let mut p = Party::new(Limits::default());
    let (host, leg) = (p.host.clone(), p.leg.clone());
    for answer in [None, Some(OFFER.to_owned())] {
        let mod_id = p.w.invite(&host, &leg, "echo").expect("invited");
        p.w.mix(true);
        let seat = p.w.echoes.last().cloned().expect("the echo was asked");
        let answers = answer.is_some();
        p.w.tell(Input::EchoAnswered { call: seat, answer });
        if answers {
            p.w.mix(true);
            assert_eq!(p.w.news(&host), p.outcome("echo", &mod_id, reason::SUCCESS));
        } else {
            assert_eq!(p.w.news(&host), p.outcome("echo", &mod_id, reason::NOT_AVAILABLE));
            assert!(p.w.echoes.is_empty());
        }
    }
    p.w.expel(&host, &leg, "echo").expect("removed");
    assert!(p.w.echoes.is_empty(), "the echo goes with its seat");
    p.w.invite(&host, &leg, "room-lounge").expect("invited");
    p.w.mix(true);
    p.w.leave(&host, &leg, DeleteReason::Terminate);
    assert!(p.w.echoes.is_empty());
    p.is_over();
}
