//! Laws over long random sequences of requests, seen from phones that behave like original clients and know only what
//! they were told: every leg ends once, nothing comes after its end, no invitation shares an answer with its end, no
//! reason that stops an original client (rest-protocol.md section 3.3.4), and nothing is left when all have gone.

use std::collections::HashMap;
use std::time::Duration;

use ewebrtc_wire::{DeleteReason, EventState, decode_events, item_id_of, reason};
use proptest::prelude::*;

use super::*;

const USERS: [&str; 5] = ["alice", "bob", "bob", "carol", "carol"];
const TARGETS: [&str; 5] = ["alice", "bob", "carol", "echo", "nobody"];

#[derive(Debug, Clone)]
enum Step {
    Dial { who: usize, to: usize },
    Answer { who: usize, leg: usize },
    End { who: usize, leg: usize, how: DeleteReason },
    Poll { who: usize },
    Respond { nth: usize, written: bool },
    Drop { who: usize },
    Pass { ms: u64 },
    Refresh { who: usize },
    Logout { who: usize },
    Echo { works: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..USERS.len();
    let how = prop::sample::select(DeleteReason::ALL.to_vec());
    prop_oneof![
        4 => (who.clone(), 0..TARGETS.len()).prop_map(|(who, to)| Step::Dial { who, to }),
        6 => (who.clone(), 0..3usize).prop_map(|(who, leg)| Step::Answer { who, leg }),
        3 => (who.clone(), 0..3usize, how).prop_map(|(who, leg, how)| Step::End { who, leg, how }),
        10 => who.clone().prop_map(|who| Step::Poll { who }),
        8 => (0..4usize, prop::bool::weighted(0.8)).prop_map(|(nth, written)| Step::Respond { nth, written }),
        1 => who.clone().prop_map(|who| Step::Drop { who }),
        6 => prop_oneof![Just(1u64), Just(75), Just(1_000), Just(20_000), Just(61_000)].prop_map(|ms| Step::Pass { ms }),
        1 => who.clone().prop_map(|who| Step::Refresh { who }),
        1 => who.prop_map(|who| Step::Logout { who }),
        2 => any::<bool>().prop_map(|works| Step::Echo { works }),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Own call, not connected.
    Dialing {
        cancelled: bool,
    },
    /// Invited.
    Ringing {
        refused: bool,
    },
    Connected {
        incoming: bool,
        answered: bool,
    },
    Ended,
}

/// What one phone knows.
struct Phone {
    user: &'static str,
    auth: Option<Auth>,
    numbered: bool,
    last: u64,
    legs: Vec<(String, Known)>,
    open: Option<PollId>,
}

struct Model {
    w: World,
    phones: Vec<Phone>,
    /// Responses to leg requests that are not written yet.
    responses: Vec<Delivery>,
    owner: HashMap<PollId, usize>,
}

impl Model {
    fn new(seed_numbered: &[bool]) -> Self {
        let mut w = World::new(config());
        let phones = USERS
            .iter()
            .zip(seed_numbered)
            .map(|(user, numbered)| Phone {
                user,
                auth: Some(w.login(user)),
                numbered: *numbered,
                last: 0,
                legs: Vec::new(),
                open: None,
            })
            .collect();
        Self { w, phones, responses: Vec::new(), owner: HashMap::new() }
    }

    fn auth(&mut self, who: usize) -> Auth {
        if let Some(auth) = &self.phones[who].auth {
            return auth.clone();
        }
        let auth = self.w.login(self.phones[who].user);
        let phone = &mut self.phones[who];
        phone.auth = Some(auth.clone());
        phone.legs.clear();
        phone.last = 0;
        phone.open = None;
        auth
    }

    /// The session turned out to be gone.
    fn gone(&mut self, who: usize, refusal: &Refusal) {
        assert_eq!((refusal.status, refusal.message_id), (404, Some("")), "{refusal:?}");
        self.phones[who].auth = None;
    }

    fn leg(&self, who: usize, nth: usize) -> Option<String> {
        let running: Vec<&String> =
            self.phones[who].legs.iter().filter(|(_, k)| *k != Known::Ended).map(|(l, _)| l).collect();
        running.get(nth).map(|l| (*l).clone())
    }

    fn note(&mut self, who: usize, leg: &str, change: impl Fn(Known) -> Known) {
        for (id, known) in &mut self.phones[who].legs {
            if id == leg {
                *known = change(*known);
            }
        }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Dial { who, to } => {
                let auth = self.auth(who);
                let called_party = Some(format!("sip:{}@test", TARGETS[to]));
                let sdp = Some(OFFER.to_owned());
                match self.w.ask(Request::CreateCall { auth, called_party, sdp }) {
                    Ok(Answer::Call { delivery, location }) => {
                        let leg = item_id_of(&location).expect("an id").to_owned();
                        self.phones[who].legs.push((leg, Known::Dialing { cancelled: false }));
                        self.responses.push(delivery);
                    }
                    Ok(other) => panic!("{other:?}"),
                    Err(r) if r.status == 404 => self.gone(who, &r),
                    Err(r) => assert_eq!((r.status, r.message_id), (400, Some("SVC0001")), "{r:?}"),
                }
            }
            Step::Answer { who, leg } => {
                let Some(leg) = self.leg(who, leg) else { return };
                let auth = self.auth(who);
                match self.w.ask(Request::AnswerCall { auth, leg: leg.clone(), sdp: Some(OFFER.into()) }) {
                    Ok(Answer::Leg { delivery: Some(delivery) }) => {
                        self.responses.push(delivery);
                        self.note(who, &leg, |_| Known::Connected { incoming: true, answered: false });
                    }
                    Ok(other) => panic!("{other:?}"),
                    Err(r) if r.status == 404 => self.gone(who, &r),
                    Err(r) => assert_eq!((r.status, r.message_id), (400, Some("SVC0002")), "{r:?}"),
                }
            }
            Step::End { who, leg, how } => {
                let Some(leg) = self.leg(who, leg) else { return };
                let auth = self.auth(who);
                match self.w.ask(Request::EndCall { auth, leg: leg.clone(), reason: how }) {
                    Ok(Answer::Leg { delivery }) => {
                        self.responses.extend(delivery);
                        self.note(who, &leg, |known| match known {
                            Known::Dialing { .. } => Known::Dialing { cancelled: true },
                            Known::Ringing { .. } => Known::Ringing { refused: true },
                            known @ (Known::Connected { .. } | Known::Ended) => known,
                        });
                    }
                    Ok(other) => panic!("{other:?}"),
                    Err(r) => self.gone(who, &r),
                }
            }
            Step::Poll { who } => self.poll(who),
            Step::Respond { nth, written } => self.respond(nth, written),
            Step::Drop { who } => {
                if let (Some(poll), Some(auth)) = (self.phones[who].open, &self.phones[who].auth)
                    && !self.w.answers.contains_key(&poll)
                {
                    self.w.tell(Input::PollDropped { session: auth.session.as_str().into(), poll });
                    self.phones[who].open = None;
                    self.owner.remove(&poll);
                }
            }
            Step::Pass { ms } => self.w.pass(Duration::from_millis(ms)),
            Step::Refresh { who } => {
                let auth = self.auth(who);
                if let Err(r) = self.w.ask(Request::RefreshSession { auth }) {
                    self.gone(who, &r);
                }
            }
            Step::Logout { who } => {
                let auth = self.auth(who);
                if let Err(r) = self.w.ask(Request::DeleteSession { auth }) {
                    self.gone(who, &r);
                }
                self.phones[who].auth = None;
            }
            Step::Echo { works } => {
                if let Some(call) = self.w.echoes.first().cloned() {
                    self.w.tell(Input::EchoAnswered { call, answer: works.then(|| OFFER.into()) });
                }
            }
        }
    }

    fn poll(&mut self, who: usize) {
        let auth = self.auth(who);
        let after = self.phones[who].numbered.then_some(self.phones[who].last);
        self.w.polls += 1;
        let poll = self.w.polls;
        match self.w.ask(Request::Poll { auth, poll, after }) {
            Ok(_) => {
                self.phones[who].open = Some(poll);
                self.owner.insert(poll, who);
            }
            Err(r) => self.gone(who, &r),
        }
    }

    /// Settles the nth response that is on its way: a request's, or a poll's.
    fn respond(&mut self, nth: usize, written: bool) {
        let report = |d| if written { Input::Written(d) } else { Input::WriteFailed(d) };
        if nth < self.responses.len() {
            let delivery = self.responses.remove(nth);
            self.w.tell(report(delivery));
            return;
        }
        let mut ready: Vec<PollId> = self.w.answers.keys().copied().collect();
        ready.sort_unstable();
        let Some(poll) = ready.into_iter().nth(nth - self.responses.len()) else { return };
        let Some(answer) = self.w.answers.remove(&poll) else { return };
        let who = self.owner.remove(&poll).expect("polls have owners");
        if self.phones[who].open == Some(poll) {
            self.phones[who].open = None;
        }
        match answer {
            PollAnswer::Empty => {}
            PollAnswer::Gone => self.phones[who].auth = None,
            PollAnswer::Events { body, delivery } => {
                let Delivery::Poll { session, .. } = &delivery else { panic!("{delivery:?}") };
                let current = self.phones[who].auth.as_ref().is_some_and(|a| *a.session == **session);
                if written && current {
                    self.read(who, &body);
                }
                self.w.tell(report(delivery));
            }
        }
    }

    /// The phone reads an answer, as an original client would.
    fn read(&mut self, who: usize, body: &str) {
        let phone = &mut self.phones[who];
        let mut seen: Vec<String> = Vec::new();
        let events = decode_events(body.as_bytes()).expect("an event list");
        assert!(!events.is_empty());
        for e in events {
            if phone.numbered {
                let seq = e.seq.expect("a number");
                if seq <= phone.last {
                    continue; // An older response that came late.
                }
                assert_eq!(seq, phone.last + 1, "no holes");
                phone.last = seq;
            } else {
                assert_eq!(e.seq, None);
            }
            let leg = item_id_of(&e.event.resource_url).expect("an id").to_owned();
            assert!(!seen.contains(&leg), "two events of a leg in one answer");
            seen.push(leg.clone());
            let at = phone.legs.iter().position(|(id, _)| *id == leg);
            let why = e.event.reason.as_deref();
            match (e.event.state, at) {
                (EventState::InvitationReceived, None) => {
                    assert!(e.event.sdp.is_some());
                    phone.legs.push((leg, Known::Ringing { refused: false }));
                }
                (EventState::SessionOpen, Some(at)) => {
                    assert!(e.event.sdp.is_some());
                    match phone.legs[at].1 {
                        Known::Dialing { cancelled: false } => {
                            phone.legs[at].1 = Known::Connected { incoming: false, answered: true };
                        }
                        // It was on its way when the phone cancelled.
                        Known::Dialing { cancelled: true } => {}
                        known => panic!("opened: {known:?}"),
                    }
                }
                (EventState::SessionModified, Some(at)) => {
                    assert_eq!(phone.legs[at].1, Known::Connected { incoming: true, answered: false });
                    assert!(e.event.sdp.is_none());
                    phone.legs[at].1 = Known::Connected { incoming: true, answered: true };
                }
                (EventState::SessionTerminated, Some(at)) => {
                    match phone.legs[at].1 {
                        Known::Dialing { cancelled } => assert!(cancelled || why != Some(reason::CALL_CANCELED)),
                        Known::Ringing { refused } => assert!(refused || why != Some(reason::USER_BUSY)),
                        Known::Connected { incoming, .. } => {
                            assert_ne!(why, Some(reason::USER_BUSY));
                            assert!(incoming || why != Some(reason::CALL_CANCELED));
                        }
                        Known::Ended => panic!("ended twice"),
                    }
                    phone.legs[at].1 = Known::Ended;
                }
                (state, _) => panic!("{state:?} of {leg}: {:?}", phone.legs),
            }
        }
    }

    /// Everybody hangs up and reads to the end; then every leg has ended. At last everybody leaves.
    fn finish(mut self) {
        while !self.responses.is_empty() || !self.w.answers.is_empty() {
            self.respond(0, true);
        }
        for _ in 0..20 {
            for who in 0..self.phones.len() {
                while self.phones[who].auth.is_some()
                    && let Some(leg) = self.phones[who]
                        .legs
                        .iter()
                        .find(|(_, k)| {
                            !matches!(
                                k,
                                Known::Ended | Known::Dialing { cancelled: true } | Known::Ringing { refused: true }
                            )
                        })
                        .map(|(l, _)| l.clone())
                {
                    let nth = self.phones[who]
                        .legs
                        .iter()
                        .filter(|(_, k)| *k != Known::Ended)
                        .position(|(l, _)| *l == leg)
                        .expect("it runs");
                    self.apply(Step::End { who, leg: nth, how: DeleteReason::Terminate });
                    if self.phones[who].legs.iter().any(|(l, k)| *l == leg && matches!(k, Known::Connected { .. })) {
                        break;
                    }
                }
            }
            while !self.responses.is_empty() || !self.w.answers.is_empty() {
                self.respond(0, true);
            }
            self.w.pass(HOLD_BACK);
            for who in 0..self.phones.len() {
                if self.phones[who].auth.is_some() && self.phones[who].open.is_none() {
                    self.poll(who);
                }
            }
            while !self.responses.is_empty() || !self.w.answers.is_empty() {
                self.respond(0, true);
            }
        }
        for phone in &self.phones {
            if phone.auth.is_some() {
                assert!(phone.legs.iter().all(|(_, k)| *k == Known::Ended), "{}: {:?}", phone.user, phone.legs);
            }
        }
        for who in 0..self.phones.len() {
            if self.phones[who].auth.is_some() {
                self.apply(Step::Logout { who });
            }
        }
        self.w.pass(Duration::from_secs(4000));
        let (sessions, calls) = (self.w.core.session_count(), self.w.core.call_count());
        assert_eq!((sessions, calls, self.w.echoes.len()), (0, 0, 0));
        assert_eq!(self.w.core.poll_timeout(), None, "no timer is left");
        assert!(self.w.core.of_user.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]
    #[test]
    fn every_leg_ends_once(
        numbered in prop::collection::vec(any::<bool>(), USERS.len()),
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut model = Model::new(&numbered);
        for step in steps {
            model.apply(step);
        }
        model.finish();
    }
}
