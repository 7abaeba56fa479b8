//! The core under a clock of the test's own: every time-out, hold-back and delivery rule, in no time.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use ewebrtc_wire::{
    DeleteReason, Direction, EventState, Kind, NumberedEvent, Secret, decode_events, item_id_of, reason,
};

use super::*;

mod anchor;
mod conferences;
mod laws;
mod limits;
mod modify;
mod moving;
mod socket;
mod transfer;

pub(super) const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\na=sendrecv\r\n";

pub(super) const HOLD_BACK: Duration = Duration::from_millis(75);

pub(super) fn config() -> CoreConfig {
    CoreConfig {
        domain: "test".into(),
        session: Duration::from_secs(3600),
        ring: Duration::from_secs(60),
        modification: Duration::from_secs(60),
        transfer: Duration::from_secs(20),
        mixer: Duration::from_secs(15),
        poll: Duration::from_secs(25),
        lost: Duration::from_secs(45),
        hold_back: HOLD_BACK,
        token: Duration::from_secs(172_800),
        ringback: false,
        limits: Limits::default(),
    }
}

/// A core, its clock, and what it put out.
pub(super) struct World {
    pub(super) core: Core,
    pub(super) now: Instant,
    pub(super) answers: HashMap<PollId, PollAnswer>,
    /// What sockets were given to write, in order.
    pub(super) frames: VecDeque<(PollId, String, Delivery)>,
    pub(super) closed: HashMap<PollId, SocketEnd>,
    pub(super) echoes: Vec<Id>,
    /// Which services were asked, all in all.
    pub(super) services: Vec<Service>,
    /// What the echo was asked: call and modification.
    pub(super) echo_asked: VecDeque<(Id, Id)>,
    /// Calls with an anchor, and of those the ones whose anchor has not begun.
    pub(super) anchors: Vec<Id>,
    pub(super) anchors_beginning: VecDeque<Id>,
    /// The ones that could not be made.
    anchors_failed: Vec<Id>,
    /// What the anchors were asked and have not done; and all they ever did.
    pub(super) anchor_asked: VecDeque<(Id, AnchorTask)>,
    pub(super) anchor_done: Vec<AnchorTask>,
    /// What the mixer was asked and has not done, and its seats.
    pub(super) mixer_asked: VecDeque<MixerTask>,
    pub(super) seats: BTreeSet<Id>,
    /// The room of the last task.
    pub(super) room: Option<Id>,
    polls: PollId,
}

impl World {
    pub(super) fn new(config: CoreConfig) -> Self {
        let mut n = 0;
        let ids = move || {
            n += 1;
            format!("id-{n}")
        };
        let core = Core::new(config, Box::new(ids));
        Self {
            core,
            now: Instant::now(),
            answers: HashMap::new(),
            frames: VecDeque::new(),
            closed: HashMap::new(),
            echoes: Vec::new(),
            services: Vec::new(),
            echo_asked: VecDeque::new(),
            anchors: Vec::new(),
            anchors_beginning: VecDeque::new(),
            anchors_failed: Vec::new(),
            anchor_asked: VecDeque::new(),
            anchor_done: Vec::new(),
            mixer_asked: VecDeque::new(),
            seats: BTreeSet::new(),
            room: None,
            polls: 0,
        }
    }

    fn carry_out(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Poll { poll, answer } => {
                    assert!(self.answers.insert(poll, answer).is_none(), "poll {poll} was answered twice");
                }
                Output::Frame { socket, body, delivery } => self.frames.push_back((socket, body, delivery)),
                Output::CloseSocket { socket, why } => {
                    assert!(self.closed.insert(socket, why).is_none(), "socket {socket} was closed twice");
                }
                Output::EchoStart { call, service, .. } => {
                    self.services.push(service);
                    self.echoes.push(call);
                }
                Output::EchoModify { call, mod_id, .. } => self.echo_asked.push_back((call, mod_id)),
                Output::EchoStop { call } => self.echoes.retain(|c| *c != call),
                Output::AnchorStart { call, .. } => {
                    self.anchors.push(call.clone());
                    self.anchors_beginning.push_back(call);
                }
                Output::Anchor { call, task } => {
                    assert!(self.anchors.contains(&call), "an anchor that is not there: {task:?}");
                    self.anchor_asked.push_back((call, task));
                }
                Output::AnchorStop { call } => {
                    assert!(self.anchors.contains(&call) || self.anchors_failed.contains(&call), "stopped twice");
                    self.anchors.retain(|c| *c != call);
                    self.anchors_beginning.retain(|c| *c != call);
                }
                Output::Mixer(MixerTask::Leave { seat, .. }) => {
                    assert!(self.seats.remove(&seat), "a seat was given back twice");
                    // A mixer that is still at it says so later all the same.
                }
                Output::Mixer(task) => {
                    if let MixerTask::Answer { room, seat, .. } | MixerTask::Offer { room, seat } = &task {
                        assert!(self.seats.insert(seat.clone()), "a seat was made twice");
                        self.room = Some(room.clone());
                    }
                    self.mixer_asked.push_back(task);
                }
            }
        }
    }

    /// The oldest thing that an anchor was asked is done, or fails. False: nothing was asked.
    pub(super) fn anchor_works(&mut self, works: bool) -> bool {
        if let Some(call) = self.anchors_beginning.pop_front() {
            if !works {
                self.anchors.retain(|c| *c != call);
                self.anchors_failed.push(call.clone());
            }
            let text = |to: AnchorEnd| anchor::says(to, Direction::SendRecv, 1);
            let made = works.then(|| (text(AnchorEnd::Caller), text(AnchorEnd::Callee)));
            self.tell(Input::AnchorReady { call, made });
            return true;
        }
        let Some((call, task)) = self.anchor_asked.pop_front() else { return false };
        self.anchor_done.push(task.clone());
        match task {
            AnchorTask::Offer { to, direction, ticket } => {
                let sdp = works.then(|| anchor::says(to, direction, 1));
                self.tell(Input::AnchorSaid { call, ticket, sdp });
            }
            AnchorTask::Answer { to, offer, direction, ticket } => {
                let sections = offer.matches("m=").count();
                let sdp = works.then(|| anchor::says(to, direction, sections));
                self.tell(Input::AnchorSaid { call, ticket, sdp });
            }
            AnchorTask::Connect { .. } if !works => self.tell(Input::AnchorFailed { call }),
            AnchorTask::Connect { .. } | AnchorTask::Answered { .. } => {}
        }
        true
    }

    pub(super) fn ask(&mut self, request: Request) -> Result<Answer, Refusal> {
        let mut out = Vec::new();
        let answer = self.core.handle(self.now, request, &mut out);
        self.carry_out(out);
        answer
    }

    pub(super) fn tell(&mut self, input: Input) {
        let mut out = Vec::new();
        self.core.input(self.now, input, &mut out);
        self.carry_out(out);
    }

    /// Lets time pass, deadline by deadline.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.core.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let mut out = Vec::new();
            self.core.handle_timeout(self.now, &mut out);
            self.carry_out(out);
        }
        self.now = end;
    }

    pub(super) fn token(&mut self, user: &str) -> Secret {
        match self.ask(Request::IssueToken { user: user.into() }) {
            Ok(Answer::Token(grant)) => grant.token,
            other => panic!("no token for {user}: {other:?}"),
        }
    }

    pub(super) fn login_with(&mut self, token: Secret) -> Auth {
        match self.ask(Request::CreateSession { token: Some(token.clone()), e911_id: None }) {
            Ok(Answer::Session { id, .. }) => Auth { session: id.to_string(), token: Some(token) },
            other => panic!("no session: {other:?}"),
        }
    }

    pub(super) fn login(&mut self, user: &str) -> Auth {
        let token = self.token(user);
        self.login_with(token)
    }

    pub(super) fn open_poll(&mut self, who: &Auth, after: Option<u64>) -> PollId {
        self.polls += 1;
        let poll = self.polls;
        self.ask(Request::Poll { auth: who.clone(), poll, after }).expect("the session is alive");
        poll
    }

    /// Polls, reports the answer as written, and returns the events; none leaves no poll open.
    pub(super) fn events(&mut self, who: &Auth) -> Vec<NumberedEvent> {
        let poll = self.open_poll(who, None);
        match self.answers.remove(&poll) {
            Some(PollAnswer::Events { body, delivery }) => {
                self.tell(Input::Written(delivery));
                decode_events(body.as_bytes()).expect("an event list")
            }
            Some(other) => panic!("{other:?}"),
            None => {
                self.tell(Input::PollDropped { session: who.session.as_str().into(), poll });
                Vec::new()
            }
        }
    }

    /// What an open poll was answered with, reported as written.
    fn answered(&mut self, poll: PollId) -> Vec<NumberedEvent> {
        match self.answers.remove(&poll) {
            Some(PollAnswer::Events { body, delivery }) => {
                self.tell(Input::Written(delivery));
                decode_events(body.as_bytes()).expect("an event list")
            }
            other => panic!("{other:?}"),
        }
    }

    /// The only event that is there: state, leg, reason.
    pub(super) fn event(&mut self, who: &Auth) -> (EventState, String, Option<String>) {
        let events = self.events(who);
        Self::only(events)
    }

    fn only(mut events: Vec<NumberedEvent>) -> (EventState, String, Option<String>) {
        assert_eq!(events.len(), 1, "{events:?}");
        let event = events.remove(0).event;
        (event.state, item_id_of(&event.resource_url).expect("an id").to_owned(), event.reason)
    }

    fn dial_raw(&mut self, who: &Auth, to: &str) -> Result<Answer, Refusal> {
        let called_party = Some(format!("sip:{to}@test"));
        self.ask(Request::CreateCall { auth: who.clone(), called_party, sdp: Some(OFFER.into()) })
    }

    /// Dials; the response is written and the hold-back over.
    pub(super) fn dial(&mut self, who: &Auth, to: &str) -> String {
        match self.dial_raw(who, to) {
            Ok(Answer::Call { delivery, location }) => {
                self.tell(Input::Written(delivery));
                while self.anchor_works(true) {}
                self.pass(HOLD_BACK);
                item_id_of(&location).expect("an id").to_owned()
            }
            other => panic!("no call: {other:?}"),
        }
    }

    fn respond(&mut self, answer: Result<Answer, Refusal>) -> Result<(), Refusal> {
        if let Answer::Leg { delivery: Some(delivery) } = answer? {
            self.tell(Input::Written(delivery));
        }
        while self.anchor_works(true) {}
        self.pass(HOLD_BACK);
        Ok(())
    }

    pub(super) fn answer(&mut self, who: &Auth, leg: &str) -> Result<(), Refusal> {
        let request = Request::AnswerCall { auth: who.clone(), leg: leg.into(), sdp: Some(OFFER.into()) };
        let answer = self.ask(request);
        self.respond(answer)
    }

    pub(super) fn end(&mut self, who: &Auth, leg: &str, reason: DeleteReason) {
        let answer = self.ask(Request::EndCall { auth: who.clone(), leg: leg.into(), reason });
        self.respond(answer).expect("ending is never refused");
    }

    /// Invitation of the only ringing call.
    fn invited(&mut self, who: &Auth) -> String {
        let (state, leg, _) = self.event(who);
        assert_eq!(state, EventState::InvitationReceived);
        leg
    }

    /// A connected call: the two legs.
    fn connect(&mut self, a: &Auth, b: &Auth, name: &str) -> (String, String) {
        let out = self.dial(a, name);
        let inc = self.invited(b);
        self.answer(b, &inc).expect("it rings");
        assert_eq!(self.event(a).0, EventState::SessionOpen);
        assert_eq!(self.event(b).0, EventState::SessionModified);
        (out, inc)
    }

    fn ended(&mut self, who: &Auth, leg: &str, why: Option<&str>) {
        let expected = (EventState::SessionTerminated, leg.to_owned(), why.map(str::to_owned));
        assert_eq!(self.event(who), expected);
    }
}

fn status(result: Result<Answer, Refusal>) -> (u16, Option<&'static str>) {
    match result {
        Ok(answer) => panic!("accepted: {answer:?}"),
        Err(refusal) => (refusal.status, refusal.message_id),
    }
}

#[test]
fn a_call_is_answered_and_ended() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let (out, inc) = w.connect(&a, &b, "bob");
    w.end(&a, &out, DeleteReason::Terminate);
    w.ended(&a, &out, None);
    w.ended(&b, &inc, Some(reason::CALL_TERMINATED));
    assert_eq!(w.core.call_count(), 0);
}

#[test]
fn events_of_a_leg_wait_for_its_own_response_and_75_ms_more() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let waiting = w.open_poll(&a, None);
    let Ok(Answer::Call { delivery, .. }) = w.dial_raw(&a, "nobody") else { panic!("a call") };
    w.pass(Duration::from_secs(1));
    assert!(!w.answers.contains_key(&waiting), "the response is not written yet");
    w.tell(Input::Written(delivery));
    w.pass(HOLD_BACK - Duration::from_millis(1));
    assert!(!w.answers.contains_key(&waiting));
    w.pass(Duration::from_millis(1));
    assert!(matches!(w.answers.get(&waiting), Some(PollAnswer::Events { body, .. }) if body.contains("Not found")));
    assert_eq!(w.answered(waiting).len(), 1);
    // The other party is told at once.
    let ringing = w.open_poll(&b, None);
    let Ok(Answer::Call { .. }) = w.dial_raw(&a, "bob") else { panic!("a call") };
    assert!(w.answers.contains_key(&ringing));
    // A response that is never reported does not hold events for ever.
    let waiting = w.open_poll(&a, None);
    let Ok(Answer::Call { .. }) = w.dial_raw(&a, "nobody") else { panic!("a call") };
    w.pass(Duration::from_secs(5));
    assert!(w.answers.contains_key(&waiting));
}

#[test]
fn numbered_polls_have_no_pause_and_lose_or_double_nothing() {
    let mut w = World::new(config());
    let a = w.login("alice");
    let waiting = w.open_poll(&a, Some(0));
    let Ok(Answer::Call { delivery, .. }) = w.dial_raw(&a, "nobody") else { panic!("a call") };
    assert!(!w.answers.contains_key(&waiting));
    w.tell(Input::Written(delivery));
    let Some(PollAnswer::Events { body, delivery }) = w.answers.remove(&waiting) else { panic!("at once") };
    let seq = |body: &str| decode_events(body.as_bytes()).expect("a list").iter().map(|e| e.seq).collect::<Vec<_>>();
    assert_eq!(seq(&body), [Some(1)]);
    // Written or not, it comes again until it is acknowledged.
    w.tell(Input::Written(delivery));
    let again = w.open_poll(&a, Some(0));
    let Some(PollAnswer::Events { body, .. }) = w.answers.remove(&again) else { panic!("at once") };
    assert_eq!(seq(&body), [Some(1)]);
    let acknowledged = w.open_poll(&a, Some(1));
    assert!(!w.answers.contains_key(&acknowledged));
    let next = w.open_poll(&a, Some(1));
    w.dial(&a, "nobody");
    let Some(PollAnswer::Events { body, .. }) = w.answers.remove(&next) else { panic!("at once") };
    assert_eq!(seq(&body), [Some(2)]);
    let future = Request::Poll { auth: a, poll: 99, after: Some(3) };
    assert_eq!(status(w.ask(future)), (400, Some("SVC0002")));
}

#[test]
fn an_invitation_and_its_end_are_never_in_one_answer() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    // Not delivered yet: both go.
    let out = w.dial(&a, "bob");
    w.end(&a, &out, DeleteReason::Cancel);
    w.ended(&a, &out, Some(reason::CALL_CANCELED));
    assert!(w.events(&b).is_empty());
    // Delivered but not yet written: the end follows in an answer of its own.
    let poll = w.open_poll(&b, None);
    let out = w.dial(&a, "bob");
    let Some(PollAnswer::Events { body, delivery }) = w.answers.remove(&poll) else { panic!("rings") };
    w.end(&a, &out, DeleteReason::Cancel);
    let inc =
        item_id_of(&decode_events(body.as_bytes()).expect("a list")[0].event.resource_url).expect("id").to_owned();
    let next = w.open_poll(&b, None);
    assert!(!w.answers.contains_key(&next), "nothing while a response is being written");
    w.tell(Input::WriteFailed(delivery));
    let Some(PollAnswer::Events { body, delivery }) = w.answers.remove(&next) else { panic!("rings again") };
    assert_eq!(decode_events(body.as_bytes()).expect("a list").len(), 1);
    assert!(body.contains("invitation-received"));
    w.tell(Input::Written(delivery));
    w.ended(&b, &inc, Some(reason::CALL_CANCELED));
}

#[test]
fn an_invitation_does_not_overtake_the_end_of_an_own_call() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let waiting = w.open_poll(&a, None);
    let Ok(Answer::Call { delivery, .. }) = w.dial_raw(&a, "nobody") else { panic!("a call") };
    w.dial(&b, "alice");
    assert!(!w.answers.contains_key(&waiting), "alice's phone still believes that it dials");
    w.tell(Input::Written(delivery));
    w.pass(HOLD_BACK);
    let Some(PollAnswer::Events { body, .. }) = w.answers.get(&waiting) else { panic!("events") };
    let states: Vec<EventState> =
        decode_events(body.as_bytes()).expect("a list").into_iter().map(|e| e.event.state).collect();
    assert_eq!(states, [EventState::SessionTerminated, EventState::InvitationReceived]);
}

#[test]
fn calls_that_cross_do_not_leave_anybody_ringing() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let from_a = w.dial(&a, "bob");
    let from_b = w.dial(&b, "alice");
    let mut told = w.events(&a);
    let rings = told.pop().expect("two events").event;
    assert_eq!(rings.state, EventState::InvitationReceived);
    assert_eq!(World::only(told), (EventState::SessionTerminated, from_a, Some(reason::USER_BUSY.into())));
    let inc = item_id_of(&rings.resource_url).expect("an id").to_owned();
    w.answer(&a, &inc).expect("it rings");
    assert_eq!(w.event(&b), (EventState::SessionOpen, from_b, None));
    assert_eq!(w.core.call_count(), 1);
}

#[test]
fn the_newest_poll_wins() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let old = w.open_poll(&b, None);
    let new = w.open_poll(&b, None);
    assert_eq!(w.answers.remove(&old), Some(PollAnswer::Empty));
    w.dial(&a, "bob");
    assert!(matches!(w.answers.get(&new), Some(PollAnswer::Events { .. })));
    let idle = w.open_poll(&a, None);
    w.pass(Duration::from_millis(24_999));
    assert!(!w.answers.contains_key(&idle));
    w.pass(Duration::from_millis(1));
    assert_eq!(w.answers.remove(&idle), Some(PollAnswer::Empty));
}

#[test]
fn nobody_answers() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let out = w.dial(&a, "bob");
    let inc = w.invited(&b);
    w.open_poll(&a, None);
    w.open_poll(&b, None);
    w.answers.clear();
    w.pass(Duration::from_secs(20));
    w.open_poll(&a, None);
    w.open_poll(&b, None);
    w.pass(Duration::from_millis(39_925));
    w.ended(&a, &out, Some(reason::NO_ANSWER));
    w.ended(&b, &inc, Some(reason::CALL_CANCELED));
    assert_eq!(status(w.answer(&b, &inc).map(|()| Answer::Done)), (400, Some("SVC0002")));
}

#[test]
fn a_session_expires_after_its_time_and_a_grace() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    w.pass(Duration::from_secs(3000));
    w.ask(Request::RefreshSession { auth: a.clone() }).expect("alive");
    assert!(w.events(&a).is_empty() && w.events(&b).is_empty());
    let (_, inc) = w.connect(&b, &a, "alice");
    let a_leg = inc;
    // Polls do not extend a session.
    let (mut of_a, mut of_b) = (0, 0);
    for _ in 0..25 {
        assert_ne!(w.answers.get(&of_b), Some(&PollAnswer::Gone));
        (of_a, of_b) = (w.open_poll(&a, None), w.open_poll(&b, None));
        w.pass(Duration::from_secs(25));
    }
    assert_eq!(w.answers.remove(&of_b), Some(PollAnswer::Gone), "3600 s and a grace of 25 s");
    let expected = (EventState::SessionTerminated, a_leg, Some(reason::SESSION_ENDED.into()));
    assert_eq!(World::only(w.answered(of_a)), expected);
    assert_eq!(status(w.ask(Request::RefreshSession { auth: b })), (404, Some("")));
    assert_eq!(w.core.session_count(), 1);
}

#[test]
fn a_lost_phone_ends_its_calls_and_may_come_back() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let (out, inc) = w.connect(&a, &b, "bob");
    w.open_poll(&a, None);
    w.pass(Duration::from_secs(25));
    let poll = w.open_poll(&a, None);
    w.pass(Duration::from_millis(19_999));
    assert!(!w.answers.contains_key(&poll), "bob's phone has asked less than 45 s ago");
    w.pass(Duration::from_millis(1));
    let expected = (EventState::SessionTerminated, out, Some(reason::PHONE_LOST.into()));
    assert_eq!(World::only(w.answered(poll)), expected);
    let again = w.dial(&a, "bob");
    w.ended(&a, &again, Some(reason::NOT_AVAILABLE));
    w.ended(&b, &inc, Some(reason::PHONE_LOST));
    w.dial(&a, "bob");
    w.invited(&b);
}

#[test]
fn a_lost_phone_that_calls_is_given_up_again() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    w.pass(Duration::from_secs(40));
    w.open_poll(&b, None);
    w.pass(Duration::from_secs(25));
    // Alice is lost by now. She dials all the same, Bob answers, and she never asks for an event.
    w.dial(&a, "bob");
    let inc = w.invited(&b);
    w.answer(&b, &inc).expect("it rings");
    for _ in 0..6 {
        w.open_poll(&b, None);
        w.pass(Duration::from_secs(10));
    }
    w.open_poll(&b, None);
    assert_eq!(w.core.call_count(), 0, "the call of a phone that is gone does not go on");
}

#[test]
fn logout_ends_calls_on_both_sides_of_them() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let poll = w.open_poll(&a, None);
    w.dial(&a, "bob");
    let inc = w.invited(&b);
    w.ask(Request::DeleteSession { auth: a.clone() }).expect("logged out");
    assert_eq!(w.answers.remove(&poll), Some(PollAnswer::Empty));
    w.ended(&b, &inc, Some(reason::CALL_CANCELED));
    w.ask(Request::DeleteSession { auth: a.clone() }).expect("a repetition is fine");
    assert_eq!(status(w.ask(Request::RefreshSession { auth: a })), (404, Some("")));
    let a = w.login("alice");
    let out = w.dial(&a, "bob");
    w.invited(&b);
    w.ask(Request::DeleteSession { auth: b }).expect("logged out");
    w.ended(&a, &out, Some(reason::NOT_AVAILABLE));
    assert_eq!(w.core.call_count(), 0);
}

#[test]
fn several_sessions_ring_and_the_first_answer_wins() {
    let mut w = World::new(config());
    let (a, b1, b2) = (w.login("alice"), w.login("bob"), w.login("bob"));
    let out = w.dial(&a, "bob");
    let (i1, i2) = (w.invited(&b1), w.invited(&b2));
    w.answer(&b2, &i2).expect("it rings");
    w.ended(&b1, &i1, Some(reason::CALL_CANCELED));
    assert_eq!(status(w.answer(&b1, &i1).map(|()| Answer::Done)), (400, Some("SVC0002")));
    assert_eq!(w.event(&a), (EventState::SessionOpen, out.clone(), None));
    assert_eq!(w.event(&b2).0, EventState::SessionModified);
    w.end(&a, &out, DeleteReason::Terminate);
    // A refusal on one device ends the ringing on all.
    w.ended(&a, &out, None);
    w.ended(&b2, &i2, Some(reason::CALL_TERMINATED));
    let out = w.dial(&a, "bob");
    let (i1, i2) = (w.invited(&b1), w.invited(&b2));
    w.end(&b1, &i1, DeleteReason::Reject);
    w.ended(&b1, &i1, None);
    w.ended(&b2, &i2, Some(reason::CALL_CANCELED));
    w.ended(&a, &out, Some(reason::USER_BUSY));
}

#[test]
fn busy_sessions_are_not_rung() {
    let mut w = World::new(config());
    let (a, b1, b2, c) = (w.login("alice"), w.login("bob"), w.login("bob"), w.login("carol"));
    // One session has a pending call of its own: only the other rings.
    w.dial(&b1, "carol");
    w.invited(&c);
    let out = w.dial(&a, "bob");
    assert!(w.events(&b1).is_empty());
    let i2 = w.invited(&b2);
    // Carol has a pending call and no other session.
    let d = w.login("dave");
    let busy = w.dial(&d, "carol");
    w.ended(&d, &busy, Some(reason::USER_BUSY));
    // One call is not busy, two are.
    w.answer(&b2, &i2).expect("it rings");
    assert_eq!(w.event(&a), (EventState::SessionOpen, out, None));
    w.event(&b2);
    let second = w.dial(&d, "alice");
    let inc = w.invited(&a);
    w.answer(&a, &inc).expect("a second call");
    assert_eq!(w.event(&d), (EventState::SessionOpen, second, None));
    let e = w.login("eve");
    let third = w.dial(&e, "alice");
    w.ended(&e, &third, Some(reason::USER_BUSY));
}

#[test]
fn a_busy_phone_declines_for_itself_alone() {
    let mut w = World::new(config());
    let (a, b1, b2) = (w.login("alice"), w.login("bob"), w.login("bob"));
    w.dial(&a, "bob");
    let (i1, i2) = (w.invited(&b1), w.invited(&b2));
    // It dials at the moment in which it is called, and then refuses what it could not take.
    w.dial(&b1, "nobody");
    w.end(&b1, &i1, DeleteReason::Reject);
    w.answer(&b2, &i2).expect("it rings on");
}

#[test]
fn the_echo_answers_and_stops() {
    let mut w = World::new(config());
    let a = w.login("alice");
    let out = w.dial(&a, "echo");
    let call = w.echoes[0].clone();
    w.tell(Input::EchoAnswered { call, answer: Some(OFFER.into()) });
    assert_eq!(w.event(&a), (EventState::SessionOpen, out.clone(), None));
    w.end(&a, &out, DeleteReason::Terminate);
    assert!(w.echoes.is_empty());
    w.ended(&a, &out, None);
    let out = w.dial(&a, "echo");
    let call = w.echoes[0].clone();
    w.tell(Input::EchoAnswered { call, answer: None });
    w.ended(&a, &out, Some(reason::NOT_AVAILABLE));
    let failed = w.core.call_count();
    assert_eq!((failed, w.echoes.len()), (0, 0));
}
