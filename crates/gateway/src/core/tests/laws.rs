//! Laws over long random sequences of requests, seen from phones that behave like original clients and know only what
//! they were told: every leg ends once, nothing comes after its end, no invitation shares an answer with its end, no
//! reason that stops an original client (rest-protocol.md section 3.3.4), every modification has one end of the right
//! shape (section 3.3.6), after any error every call can be modified again, and nothing is left when all have gone.

mod phone;
mod socket;

use std::collections::HashMap;
use std::time::Duration;

use ewebrtc_wire::{DeleteReason, decode_events, item_id_of};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::*;
use phone::{Known, Line, Phone, Work};

const USERS: [&str; 5] = ["alice", "bob", "bob", "carol", "carol"];
const TARGETS: [&str; 5] = ["alice", "bob", "carol", "echo", "nobody"];

#[derive(Debug, Clone, Copy)]
enum Verb {
    Modify,
    Move,
    Transfer,
}

#[derive(Debug, Clone, Copy)]
enum Reply {
    Accept,
    Reject,
    /// The latest thing it was asked, once more.
    Again,
    /// An id nobody gave.
    Wrong,
}

#[derive(Debug, Clone)]
enum Step {
    Dial {
        who: usize,
        to: usize,
    },
    Answer {
        who: usize,
        leg: usize,
    },
    Change {
        who: usize,
        leg: usize,
        verb: Verb,
    },
    Reply {
        who: usize,
        leg: usize,
        reply: Reply,
    },
    End {
        who: usize,
        leg: usize,
        how: DeleteReason,
    },
    Poll {
        who: usize,
    },
    Socket {
        who: usize,
    },
    /// Everything on its way arrives; phones that ring or were asked answer, or not.
    Settle {
        answer: bool,
    },
    Respond {
        nth: usize,
        written: bool,
    },
    Drop {
        who: usize,
    },
    Pass {
        ms: u64,
    },
    Refresh {
        who: usize,
    },
    Logout {
        who: usize,
    },
    Echo {
        works: bool,
    },
    /// The media of calls with a ringback tone.
    Anchor {
        works: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..USERS.len();
    let how = prop::sample::select(DeleteReason::ALL.to_vec());
    let verb = prop_oneof![4 => Just(Verb::Modify), 2 => Just(Verb::Move), 4 => Just(Verb::Transfer)];
    let reply = prop_oneof![
        12 => Just(Reply::Accept), 1 => Just(Reply::Reject), 1 => Just(Reply::Again), 1 => Just(Reply::Wrong)
    ];
    prop_oneof![
        4 => (who.clone(), 0..TARGETS.len()).prop_map(|(who, to)| Step::Dial { who, to }),
        8 => (who.clone(), 0..3usize).prop_map(|(who, leg)| Step::Answer { who, leg }),
        8 => (who.clone(), 0..3usize, verb).prop_map(|(who, leg, verb)| Step::Change { who, leg, verb }),
        12 => (who.clone(), 0..3usize, reply).prop_map(|(who, leg, reply)| Step::Reply { who, leg, reply }),
        1 => (who.clone(), 0..3usize, how).prop_map(|(who, leg, how)| Step::End { who, leg, how }),
        8 => who.clone().prop_map(|who| Step::Poll { who }),
        3 => who.clone().prop_map(|who| Step::Socket { who }),
        8 => any::<bool>().prop_map(|answer| Step::Settle { answer }),
        10 => (0..4usize, prop::bool::weighted(0.9)).prop_map(|(nth, written)| Step::Respond { nth, written }),
        1 => who.clone().prop_map(|who| Step::Drop { who }),
        8 => prop_oneof![3 => Just(1u64), 6 => Just(75), 3 => Just(1_000), 1 => Just(21_000), 1 => Just(61_000)]
            .prop_map(|ms| Step::Pass { ms }),
        1 => who.clone().prop_map(|who| Step::Refresh { who }),
        1 => who.prop_map(|who| Step::Logout { who }),
        2 => any::<bool>().prop_map(|works| Step::Echo { works }),
        10 => prop::bool::weighted(0.97).prop_map(|works| Step::Anchor { works }),
    ]
}

struct Model {
    w: World,
    phones: Vec<Phone>,
    /// Responses to leg requests that are not written yet.
    responses: Vec<Delivery>,
    owner: HashMap<PollId, usize>,
    /// Whose every socket was.
    sockets: HashMap<PollId, usize>,
    connections: u64,
    /// When the sequence began.
    begun: Instant,
    /// How often something worth testing was reached.
    reached: HashMap<&'static str, u64>,
}

impl Model {
    fn new(numbered: &[bool], ringback: bool) -> Self {
        let mut w = World::new(CoreConfig { ringback, ..config() });
        let begun = w.now;
        let phone = |(user, numbered): (&&'static str, &bool)| Phone {
            user,
            auth: Some(w.login(user)),
            numbered: *numbered,
            last: 0,
            lines: Vec::new(),
            open: None,
            crossed: Vec::new(),
        };
        let phones = USERS.iter().zip(numbered).map(phone).collect();
        Self {
            w,
            phones,
            responses: Vec::new(),
            owner: HashMap::new(),
            sockets: HashMap::new(),
            connections: 0,
            begun,
            reached: HashMap::new(),
        }
    }

    /// Some calls of alice's that are connected already: transfers need two.
    fn prepare(&mut self, calls: usize) {
        for to in [1, 2].into_iter().take(calls) {
            self.apply(Step::Dial { who: 0, to });
            self.apply(Step::Settle { answer: true });
        }
    }

    fn auth(&mut self, who: usize) -> Auth {
        if let Some(auth) = &self.phones[who].auth {
            return auth.clone();
        }
        let auth = self.w.login(self.phones[who].user);
        let phone = &mut self.phones[who];
        phone.auth = Some(auth.clone());
        phone.lines.clear();
        phone.last = 0;
        phone.open = None;
        auth
    }

    /// A description of a new connection.
    fn description(&mut self) -> Option<String> {
        self.connections += 1;
        Some(format!("{OFFER}a=ice-ufrag:u{}\r\n", self.connections))
    }

    /// Carries out a request about a leg; true when it was accepted. A refusal is one of those expected, or says that the
    /// session is gone.
    fn request(&mut self, who: usize, request: Request, expected: &[(u16, &'static str)]) -> bool {
        match self.w.ask(request) {
            Ok(Answer::Leg { delivery }) => {
                self.responses.extend(delivery);
                true
            }
            Ok(other) => panic!("{other:?}"),
            Err(r) if r.status == 404 => {
                self.gone(who, &r);
                false
            }
            Err(r) => {
                assert!(expected.contains(&(r.status, r.message_id.unwrap_or_default())), "{r:?}");
                false
            }
        }
    }

    /// The session turned out to be gone.
    fn gone(&mut self, who: usize, refusal: &Refusal) {
        assert_eq!((refusal.status, refusal.message_id), (404, Some("")), "{refusal:?}");
        self.phones[who].auth = None;
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Dial { who, to } => {
                let auth = self.auth(who);
                let called_party = Some(format!("sip:{}@test", TARGETS[to]));
                let sdp = self.description();
                match self.w.ask(Request::CreateCall { auth, called_party, sdp }) {
                    Ok(Answer::Call { delivery, location }) => {
                        let id = item_id_of(&location).expect("an id").to_owned();
                        self.phones[who].lines.push(Line::new(id, Known::Dialing { cancelled: false }));
                        self.responses.push(delivery);
                    }
                    Ok(other) => panic!("{other:?}"),
                    Err(r) if r.status == 404 => self.gone(who, &r),
                    Err(r) => assert_eq!((r.status, r.message_id), (400, Some("SVC0001")), "{r:?}"),
                }
            }
            Step::Answer { who, leg } => {
                let Some(leg) = self.phones[who].running(leg) else { return };
                let (auth, sdp) = (self.auth(who), self.description());
                let request = Request::AnswerCall { auth, leg: leg.clone(), sdp };
                if self.request(who, request, &[(400, "SVC0002")])
                    && let Some(line) = self.phones[who].line(&leg)
                {
                    let Known::Ringing { moved, .. } = line.known else { panic!("{line:?} answered") };
                    line.known = Known::Connected { incoming: true, confirmed: false, moved };
                }
            }
            Step::Change { who, leg, verb } => self.change(who, leg, verb),
            Step::Reply { who, leg, reply } => self.reply(who, leg, reply),
            Step::End { who, leg, how } => {
                let Some(leg) = self.phones[who].running(leg) else { return };
                let auth = self.auth(who);
                if self.request(who, Request::EndCall { auth, leg: leg.clone(), reason: how }, &[])
                    && let Some(line) = self.phones[who].line(&leg)
                {
                    line.known = match line.known {
                        Known::Dialing { .. } => Known::Dialing { cancelled: true },
                        Known::Ringing { moved, .. } => Known::Ringing { refused: true, moved },
                        known @ (Known::Connected { .. } | Known::Ended) => known,
                    };
                }
            }
            Step::Poll { who } => self.poll(who),
            Step::Socket { who } => self.open_socket(who),
            Step::Settle { answer } => {
                self.read_on(2);
                if answer {
                    self.answer_all();
                    self.read_on(2);
                }
            }
            Step::Respond { nth, written } => self.respond(nth, written),
            Step::Drop { who } => {
                if self.drop_socket(who) {
                    return;
                }
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
            Step::Anchor { works } => {
                if self.w.anchor_works(works) {
                    *self.reached.entry(if works { "anchored" } else { "not anchored" }).or_default() += 1;
                }
            }
            Step::Echo { works } => {
                let answer = self.description().filter(|_| works);
                if let Some((call, mod_id)) = self.w.echo_asked.pop_front() {
                    self.w.tell(Input::EchoModified { call, mod_id, answer });
                } else if let Some(call) = self.w.echoes.first().cloned() {
                    self.w.tell(Input::EchoAnswered { call, answer });
                }
            }
        }
    }

    /// What is on its way to a phone: it will read it in whatever state it is then.
    fn note_crossing(&mut self, who: usize) {
        self.note_crossing_frames(who);
        for (poll, answer) in &self.w.answers {
            if self.owner.get(poll) == Some(&who)
                && let PollAnswer::Events { body, .. } = answer
            {
                let events = decode_events(body.as_bytes()).expect("an event list");
                self.phones[who].crossed.extend(events.into_iter().filter_map(|e| e.event.mod_id));
            }
        }
    }

    fn change(&mut self, who: usize, leg: usize, verb: Verb) {
        let phone = &self.phones[who];
        let Some(leg) = phone.running(leg) else { return };
        let Some(line) = phone.lines.iter().find(|l| l.id == leg) else { return };
        // An original client asks for nothing while it is busy with the call (section 3.3); being asked does not stop it.
        if !matches!(line.work, Work::Idle | Work::Asked { .. }) {
            return;
        }
        let others = phone.lines.iter().filter(|l| l.id != leg && l.is_connected() && l.work == Work::Idle);
        let target = others.map(|l| l.id.clone()).next();
        let connected = line.is_connected();
        let (auth, sdp) = (self.auth(who), self.description());
        let (request, work) = match verb {
            Verb::Modify => (Request::ModifyCall { auth, leg: leg.clone(), sdp }, Work::Offering),
            Verb::Move => (Request::MoveCall { auth, leg: leg.clone(), sdp }, Work::Moving(None)),
            Verb::Transfer => {
                if target.is_none() || line_of(&self.phones[who], &leg).is_none_or(|l| l.work != Work::Idle) {
                    return;
                }
                (
                    Request::TransferCall { auth, leg: leg.clone(), target, sdp },
                    Work::Transferring { initiated: false, asked: None },
                )
            }
        };
        self.note_crossing(who);
        if self.request(who, request, &[(400, "SVC0002"), (409, "SVC8501")]) {
            assert!(connected || self.phones[who].line(&leg).is_some_and(|l| l.known != Known::Ended));
            if let Some(line) = self.phones[who].line(&leg) {
                line.work = work;
            }
        }
    }

    fn reply(&mut self, who: usize, leg: usize, reply: Reply) {
        let phone = &self.phones[who];
        let Some(leg) = phone.running(leg) else { return };
        let Some(line) = line_of(phone, &leg).filter(|l| l.is_connected()) else { return };
        let asked = match &line.work {
            Work::Asked { id, for_offer } => Some((id.clone(), *for_offer)),
            Work::Idle | Work::Offering | Work::Moving(_) | Work::Answered { .. } | Work::Transferring { .. } => None,
        };
        let latest = line.asked.last().cloned();
        let (auth, sdp) = (self.auth(who), self.description());
        let late = self.w.now.duration_since(self.begun) >= config().transfer;
        let refused: &[(u16, &'static str)] = &[(400, "SVC0002")];
        match (reply, asked) {
            (Reply::Accept, Some((id, with_offer))) => {
                let request = Request::AcceptModification { auth, leg: leg.clone(), mod_id: Some(id.clone()), sdp };
                if self.request(who, request, refused)
                    && let Some(line) = self.phones[who].line(&leg)
                {
                    (line.work, line.late) = (Work::Answered { id, with_offer }, late);
                }
            }
            (Reply::Reject, Some((id, _))) => {
                let request = Request::RejectModification { auth, leg: leg.clone(), mod_id: Some(id.clone()) };
                if self.request(who, request, refused)
                    && let Some(line) = self.phones[who].line(&leg)
                {
                    (line.work, line.late) = (Work::Answered { id, with_offer: false }, late);
                }
            }
            // It may be too old to be remembered.
            (Reply::Again, None) if latest.is_some() => {
                self.request(who, Request::AcceptModification { auth, leg, mod_id: latest, sdp }, refused);
            }
            (Reply::Wrong, _) => {
                let request = Request::AcceptModification { auth, leg, mod_id: Some("undefined".into()), sdp };
                assert!(!self.request(who, request, refused), "nobody gave this id");
            }
            (Reply::Accept | Reply::Reject, None) | (Reply::Again, _) => {}
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
        let nth = nth - self.responses.len();
        let Some(poll) = ready.get(nth).copied() else { return self.respond_frame(nth - ready.len(), written) };
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
                let events = decode_events(body.as_bytes()).expect("an event list");
                if written && current {
                    for e in &events {
                        *self.reached.entry(key(&e.event)).or_default() += 1;
                    }
                    self.phones[who].read(events);
                } else if current {
                    // It comes again, whatever the phone does until then.
                    self.phones[who].crossed.extend(events.into_iter().filter_map(|e| e.event.mod_id));
                }
                self.w.tell(report(delivery));
            }
        }
    }

    /// All responses arrive.
    fn flush(&mut self) {
        while !self.responses.is_empty() || !self.w.answers.is_empty() || !self.w.frames.is_empty() {
            self.respond(0, true);
        }
    }

    /// Everybody reads everything that can be read, for as long as anything comes.
    fn read_on(&mut self, rounds: usize) {
        for _ in 0..rounds {
            self.flush();
            while self.w.anchor_works(true) {}
            self.w.pass(HOLD_BACK);
            self.sockets_closed();
            for who in 0..self.phones.len() {
                if self.phones[who].auth.is_some() && self.phones[who].open.is_none() {
                    self.poll(who);
                }
            }
            self.flush();
        }
    }

    /// Everybody answers what it was asked, and what rings.
    fn answer_all(&mut self) {
        while !self.w.echo_asked.is_empty() {
            self.apply(Step::Echo { works: true });
        }
        for who in 0..self.phones.len() {
            for leg in 0..self.phones[who].lines.len() {
                let ringing =
                    self.phones[who].running(leg).and_then(|id| line_of(&self.phones[who], &id).map(|l| l.known));
                if matches!(ringing, Some(Known::Ringing { refused: false, .. })) {
                    self.apply(Step::Answer { who, leg });
                }
                self.reply(who, leg, Reply::Accept);
            }
        }
    }

    /// Connected legs of phones that are logged in.
    fn connected(&self) -> Vec<(usize, usize)> {
        let mut all = Vec::new();
        for (who, phone) in self.phones.iter().enumerate().filter(|(_, p)| p.auth.is_some()) {
            let running = phone.lines.iter().filter(|l| l.known != Known::Ended);
            all.extend(running.enumerate().filter(|(_, l)| l.is_connected()).map(|(leg, _)| (who, leg)));
        }
        all
    }

    /// Whatever happened: after the longest time-out every call is free, and every side can modify it.
    fn everything_is_usable(&mut self) {
        for _ in 0..8 {
            self.read_on(3);
            self.w.pass(Duration::from_secs(20));
        }
        self.answer_all();
        self.read_on(3);
        self.answer_all();
        self.read_on(3);
        for (who, leg) in self.connected() {
            let line = self.phones[who].running(leg).expect("it runs");
            let before = line_of(&self.phones[who], &line).map(|l| l.work.clone());
            assert!(matches!(before, Some(Work::Idle)), "{line} of {who} is stuck: {before:?}");
            self.change(who, leg, Verb::Modify);
            let work = line_of(&self.phones[who], &line).map(|l| l.work.clone());
            assert!(self.phones[who].auth.is_none() || work == Some(Work::Offering), "{line} of {who} is locked");
            self.read_on(3);
            self.answer_all();
            self.read_on(3);
            let after = line_of(&self.phones[who], &line).map(|l| l.work.clone());
            assert!(self.phones[who].auth.is_none() || after == Some(Work::Idle), "{line} of {who}: {after:?}");
        }
    }

    /// Everybody hangs up and reads to the end; then every leg has ended. At last everybody leaves.
    fn finish(&mut self) {
        self.everything_is_usable();
        for who in 0..self.phones.len() {
            let running: Vec<String> =
                self.phones[who].lines.iter().filter(|l| l.known != Known::Ended).map(|l| l.id.clone()).collect();
            for leg in running {
                let Some(auth) = self.phones[who].auth.clone() else { break };
                let how = DeleteReason::Terminate;
                self.request(who, Request::EndCall { auth, leg: leg.clone(), reason: how }, &[]);
                if let Some(line) = self.phones[who].line(&leg) {
                    line.known = match line.known {
                        Known::Dialing { .. } => Known::Dialing { cancelled: true },
                        Known::Ringing { moved, .. } => Known::Ringing { refused: true, moved },
                        known @ (Known::Connected { .. } | Known::Ended) => known,
                    };
                }
            }
        }
        self.read_on(8);
        for phone in self.phones.iter().filter(|p| p.auth.is_some()) {
            assert!(phone.lines.iter().all(|l| l.known == Known::Ended), "{}: {:?}", phone.user, phone.lines);
        }
        for who in 0..self.phones.len() {
            if self.phones[who].auth.is_some() {
                self.apply(Step::Logout { who });
            }
        }
        self.w.pass(Duration::from_secs(4000));
        let (sessions, calls) = (self.w.core.session_count(), self.w.core.call_count());
        assert_eq!((sessions, calls, self.w.echoes.len(), self.w.anchors.len()), (0, 0, 0, 0));
        assert_eq!(self.w.core.poll_timeout(), None, "no timer is left");
        assert!(self.w.core.of_user.is_empty());
    }
}

fn line_of<'a>(phone: &'a Phone, id: &str) -> Option<&'a Line> {
    phone.lines.iter().find(|l| l.id == id)
}

/// Name under which an event is counted.
fn key(event: &ewebrtc_wire::EventObject) -> &'static str {
    use EventState::*;
    match (&event.state, event.reason.as_deref() == Some(reason::SUCCESS), event.sdp.is_some()) {
        (ModTerminated, _, true) => "modified",
        (MoveTerminated, true, _) => "moved",
        (MoveTerminated, false, _) => "not moved",
        (TransferTerminated, true, _) => "transferred",
        (TransferTerminated, false, _) => "not transferred",
        (InvitationReceived, _, false) => "asked to take over",
        _ => "other",
    }
}

/// Steps of one run of the laws; `EWEBRTC_LAW_STEPS` asks for more.
const STEPS: u64 = 1_000_000;

/// Half of the steps each, at the same time.
#[test]
fn every_leg_ends_once_and_every_modification_too() {
    random_sequences(0);
}

#[test]
fn every_leg_ends_once_and_every_modification_too_in_other_sequences() {
    random_sequences(1);
}

/// The seed is new in every run and printed; `EWEBRTC_TEST_SEED` repeats one.
fn random_sequences(half: u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = number("EWEBRTC_TEST_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0);
    let wanted = number("EWEBRTC_LAW_STEPS").unwrap_or(STEPS) / 2;
    println!("seed {seed} (EWEBRTC_TEST_SEED repeats it), {wanted} steps");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8] = u8::from(half == 1);
    let config = ProptestConfig {
        // A sequence has more than 100 steps in the mean.
        cases: u32::try_from(wanted / 100).unwrap_or(u32::MAX),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let steps = std::cell::Cell::new(0);
    let reached = std::cell::RefCell::new(HashMap::<&'static str, u64>::new());
    let numbered = prop::collection::vec(any::<bool>(), USERS.len());
    let input = (0..3usize, numbered, any::<bool>(), prop::collection::vec(step(), 40..180));
    let result = runner.run(&input, |(calls, numbered, ringback, list)| {
        steps.set(steps.get() + list.len());
        let mut model = Model::new(&numbered, ringback);
        model.prepare(calls);
        for step in list {
            model.apply(step);
            let core = &model.w.core;
            assert!(core.timers.len() <= core.session_count() + core.call_count(), "a timer was left behind");
        }
        model.finish();
        for (name, count) in model.reached {
            *reached.borrow_mut().entry(name).or_default() += count;
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("seed {seed}: {error}");
    }
    println!("{} steps: {:?}", steps.get(), reached.borrow());
    assert!(steps.get() as u64 >= wanted);
    for name in [
        "modified",
        "moved",
        "not moved",
        "transferred",
        "not transferred",
        "asked to take over",
        "over a socket",
        "over a socket, numbered",
        "anchored",
        "not anchored",
    ] {
        assert!(reached.borrow().get(name).is_some_and(|n| *n >= 10), "{name} was hardly reached: {reached:?}");
    }
}
