//! Attended transfers: joined, refused, unanswered, impossible, and everybody leaving in the middle.

use ewebrtc_wire::{DeleteReason, EventState, reason};

use super::modify::{refused, sdp};
use super::*;

/// Alice holds Bob and talks to Carol.
pub(super) struct Three {
    pub(super) w: World,
    pub(super) a: Auth,
    pub(super) b: Auth,
    pub(super) c: Auth,
    /// Alice's legs.
    pub(super) held: String,
    pub(super) active: String,
    /// Bob's and Carol's.
    pub(super) at_b: String,
    pub(super) at_c: String,
}

fn connect(w: &mut World, a: &Auth, b: &Auth, name: &str) -> (String, String) {
    let out = w.dial(a, name);
    let inc = w.invited(b);
    let request = Request::AnswerCall { auth: b.clone(), leg: inc.clone(), sdp: Some(sdp("active", &["sendrecv"])) };
    let answer = w.ask(request);
    w.respond(answer).expect("it rings");
    w.all(a);
    w.all(b);
    (out, inc)
}

fn fresh() -> String {
    sdp("actpass", &["sendrecv"]).replace("ufrag:u", "ufrag:new")
}

impl Three {
    fn new() -> Self {
        Self::with(config())
    }

    pub(super) fn with(config: CoreConfig) -> Self {
        let mut w = World::new(config);
        let (a, b, c) = (w.login("alice"), w.login("bob"), w.login("carol"));
        let (held, at_b) = connect(&mut w, &a, &b, "bob");
        w.modified((&a, &held), (&b, &at_b), &sdp("actpass", &["sendonly"]), &sdp("active", &["recvonly"]));
        let (active, at_c) = connect(&mut w, &a, &c, "carol");
        Self { w, a, b, c, held, active, at_b, at_c }
    }

    fn transfer(&mut self, leg: &str, target: Option<&str>) -> Result<(), Refusal> {
        let (auth, leg, target) = (self.a.clone(), leg.into(), target.map(str::to_owned));
        let sdp = Some(sdp("active", &["recvonly"]));
        let answer = self.w.ask(Request::TransferCall { auth, leg, target, sdp });
        self.w.respond(answer)
    }

    pub(super) fn begin(&mut self) {
        let (held, active) = (self.held.clone(), self.active.clone());
        self.transfer(&held, Some(&active)).expect("free");
    }

    /// The held call is not connected yet.
    fn begin_refused(&mut self) {
        let (held, active) = (self.held.clone(), self.active.clone());
        assert_eq!(refused(self.transfer(&held, Some(&active))), (400, Some("SVC0002")));
    }

    /// Carol is asked for an offer, and gives a fresh one; her id and what Bob was asked.
    pub(super) fn offered(&mut self) -> (String, String) {
        let (of_c, none) = self.w.asked(&self.c);
        assert_eq!(none, None);
        self.w.accept(&self.c, &self.at_c, &of_c, &fresh()).expect("asked");
        let (of_b, offer) = self.w.asked(&self.b);
        assert_eq!(offer, Some(fresh()), "as Carol made it");
        (of_c, of_b)
    }

    /// Alice heard the failure alone, keyed on the held call (D-29).
    pub(super) fn failed(&mut self, why: &str) {
        let event = self.w.one(&self.a);
        assert_eq!((event.state, event.reason.as_deref()), (EventState::TransferTerminated, Some(why)));
        assert_eq!(item_id_of(&event.resource_url), Some(self.held.as_str()));
        assert_eq!(event.transfer_to_call_id.as_deref(), Some(self.active.as_str()));
    }

    /// Both calls go on, from both sides.
    pub(super) fn usable(&mut self) {
        let Three { w, a, b, c, held, active, at_b, at_c } = self;
        for (x, y) in [((&*a, &**held), (&*b, &**at_b)), ((&*a, &**active), (&*c, &**at_c))] {
            let (offer, answer) = (sdp("actpass", &["sendrecv"]), sdp("active", &["sendrecv"]));
            w.modified(x, y, &offer, &answer);
            w.modified(y, x, &offer, &answer);
        }
    }
}

#[test]
fn both_calls_become_one() {
    let mut t = Three::new();
    t.begin();
    assert!(t.w.all(&t.a).is_empty() && t.w.all(&t.b).is_empty(), "only Carol is asked");
    let (held, active) = (t.held.clone(), t.active.clone());
    let hold = sdp("actpass", &["sendonly"]);
    assert_eq!(refused(t.w.modify(&t.a, &active, &hold)), (409, Some("SVC8501")), "both calls are locked");
    assert_eq!(refused(t.w.modify(&t.b, &t.at_b, &hold)), (409, Some("SVC8501")));
    let (of_c, of_b) = t.offered();
    assert!(t.w.all(&t.a).is_empty() && t.w.all(&t.c).is_empty(), "until Bob has answered");
    let answer = sdp("active", &["sendrecv"]).replace("ufrag:u", "ufrag:bob");
    t.w.accept(&t.b, &t.at_b, &of_b, &answer).expect("asked");
    assert_eq!(t.w.finished(&t.b, &of_b), None);
    assert_eq!(t.w.finished(&t.c, &of_c), Some(answer));
    let events = t.w.all(&t.a);
    let told: Vec<_> = events.iter().map(|e| (&e.state, item_id_of(&e.resource_url), e.reason.as_deref())).collect();
    let success = Some(reason::SUCCESS);
    let of = |leg: &'static EventState, id: &'_ String, why: Option<&'static str>| {
        told.iter()
            .position(|t| *t.0 == *leg && t.1 == Some(id.as_str()) && t.2 == why)
            .unwrap_or_else(|| panic!("{told:?}"))
    };
    assert!(of(&EventState::TransferInitiated, &held, None) < of(&EventState::TransferTerminated, &held, success));
    assert!(of(&EventState::TransferTerminated, &held, success) < of(&EventState::SessionTerminated, &held, None));
    of(&EventState::SessionTerminated, &active, None);
    assert_eq!((told.len(), t.w.core.call_count()), (4, 1));
    // Bob and Carol have a call like any other: they hold, and each hears the other's name.
    let (b, c) = ((&t.b, &*t.at_b), (&t.c, &*t.at_c));
    t.w.modified(b, c, &hold, &sdp("active", &["recvonly"]));
    t.w.modified(c, b, &hold, &sdp("active", &["recvonly"]));
    assert_eq!(refused(t.w.modify(&t.a, &held, &hold)), (400, Some("SVC0002")), "Alice is out");
    t.w.end(&t.b, &t.at_b, DeleteReason::Terminate);
    let end = t.w.one(&t.c);
    assert_eq!((end.from.as_deref(), end.reason.as_deref()), (Some("sip:bob@test"), Some(reason::CALL_TERMINATED)));
    t.w.ended(&t.b, &t.at_b, None);
    assert_eq!(t.w.core.call_count(), 0);
}

#[test]
fn roles_do_not_matter() {
    // Alice was called by Carol, and Bob's call is the active one after a switch.
    let mut w = World::new(config());
    let (a, b, c) = (w.login("alice"), w.login("bob"), w.login("carol"));
    let (held, at_b) = connect(&mut w, &a, &b, "bob");
    let (at_c, active) = connect(&mut w, &c, &a, "alice");
    let mut t = Three { w, a, b, c, held, active, at_b, at_c };
    t.begin();
    let (of_c, of_b) = t.offered();
    t.w.accept(&t.b, &t.at_b, &of_b, &sdp("passive", &["sendrecv"])).expect("asked");
    assert!(t.w.finished(&t.c, &of_c).is_some());
    t.w.all(&t.a);
    t.w.all(&t.b);
    t.w.end(&t.c, &t.at_c, DeleteReason::Terminate);
    t.w.ended(&t.b, &t.at_b, Some(reason::CALL_TERMINATED));
}

#[test]
fn silence_ends_it_after_twenty_seconds() {
    let mut t = Three::new();
    t.begin();
    let (of_c, _) = t.w.asked(&t.c);
    let phones = [t.a.clone(), t.b.clone(), t.c.clone()];
    t.w.wait(&phones.each_ref(), 19);
    t.w.pass(Duration::from_secs(1));
    t.failed(reason::NO_ANSWER);
    assert_eq!(t.w.finished(&t.c, &of_c), None, "she keeps what she has");
    assert!(t.w.all(&t.b).is_empty(), "Bob was not asked");
    t.usable();
    t.w.accept(&t.c, &t.at_c, &of_c, &fresh()).expect("late");
    assert_eq!(t.w.finished(&t.c, &of_c), None);
    // The transferee is silent.
    t.begin();
    let (of_c, of_b) = t.offered();
    t.w.wait(&phones.each_ref(), 20);
    t.failed(reason::NO_ANSWER);
    assert_eq!(t.w.finished(&t.c, &of_c), None);
    assert_eq!(t.w.finished(&t.b, &of_b), None);
    t.usable();
}

#[test]
fn both_may_refuse() {
    let mut t = Three::new();
    t.begin();
    let (of_c, _) = t.w.asked(&t.c);
    t.w.reject(&t.c, &t.at_c, &of_c).expect("asked");
    t.failed(reason::FORBIDDEN);
    assert_eq!(t.w.finished(&t.c, &of_c), None);
    t.usable();
    // An original client answers with what it said last.
    t.begin();
    let (of_c, _) = t.w.asked(&t.c);
    t.w.accept(&t.c, &t.at_c, &of_c, &sdp("active", &["sendrecv"])).expect("asked");
    t.failed(reason::FORBIDDEN);
    assert_eq!(t.w.finished(&t.c, &of_c), None);
    t.usable();
    t.begin();
    let (of_c, of_b) = t.offered();
    assert_eq!(refused(t.w.accept(&t.c, &t.at_c, &of_b, &fresh())), (400, Some("SVC0002")), "Bob's id");
    t.w.reject(&t.b, &t.at_b, &of_b).expect("asked");
    t.failed(reason::FORBIDDEN);
    assert_eq!(t.w.finished(&t.c, &of_c), None);
    assert_eq!(t.w.finished(&t.b, &of_b), None);
    t.usable();
}

#[test]
fn everybody_may_leave_in_the_middle() {
    let leave: [fn(&mut Three); 8] = [
        |t| t.w.end(&t.a, &t.held, DeleteReason::Terminate),
        |t| t.w.end(&t.a, &t.active, DeleteReason::Terminate),
        |t| t.w.end(&t.b, &t.at_b, DeleteReason::Terminate),
        |t| t.w.end(&t.c, &t.at_c, DeleteReason::Terminate),
        |t| drop(t.w.ask(Request::DeleteSession { auth: t.b.clone() })),
        |t| drop(t.w.ask(Request::DeleteSession { auth: t.c.clone() })),
        |t| drop(t.w.ask(Request::DeleteSession { auth: t.a.clone() })),
        |t| t.w.pass(Duration::from_secs(50)),
    ];
    for (n, leave) in leave.into_iter().enumerate() {
        for step in 0..2 {
            let mut t = Three::new();
            t.begin();
            if step == 1 {
                t.offered();
            }
            leave(&mut t);
            // The call that nobody left goes on, and can be modified.
            let left = match n {
                0 | 2 | 4 => Some((t.a.clone(), t.active.clone(), t.c.clone(), t.at_c.clone())),
                1 | 3 | 5 => Some((t.a.clone(), t.held.clone(), t.b.clone(), t.at_b.clone())),
                _ => None,
            };
            assert_eq!(t.w.core.call_count(), usize::from(left.is_some()), "{n} {step}");
            for phone in [t.a.clone(), t.b.clone(), t.c.clone()] {
                if t.w.ask(Request::Authorise { auth: phone.clone() }).is_ok() {
                    t.w.all(&phone);
                }
            }
            if let Some((one, at_one, other, at_other)) = left {
                let (offer, answer) = (sdp("actpass", &["sendrecv"]), sdp("active", &["sendrecv"]));
                t.w.modified((&one, &at_one), (&other, &at_other), &offer, &answer);
                t.w.modified((&other, &at_other), (&one, &at_one), &offer, &answer);
            }
        }
    }
}

#[test]
fn the_transferor_hears_of_every_impossible_wish() {
    let mut t = Three::new();
    let d = t.w.login("dave");
    let (foreign, _) = connect(&mut t.w, &d, &t.b.clone(), "bob");
    let held = t.held.clone();
    for missing in [None, Some("")] {
        assert_eq!(refused(t.transfer(&held, missing)), (400, Some("SVC0002")));
    }
    let active = t.active.clone();
    assert_eq!(refused(t.transfer("unknown", Some(&active))), (400, Some("SVC0002")));
    for (target, why) in [
        ("unknown", reason::NOT_FOUND),
        (foreign.as_str(), reason::NOT_FOUND),
        (held.as_str(), reason::FORBIDDEN),
        (t.at_c.clone().as_str(), reason::NOT_FOUND),
    ] {
        t.transfer(&held, Some(target)).expect("D-29");
        let event = t.w.one(&t.a);
        assert_eq!((event.state, event.reason.as_deref()), (EventState::TransferTerminated, Some(why)), "{target}");
    }
    let garbage = Request::TransferCall {
        auth: t.a.clone(),
        leg: held.clone(),
        target: Some(active.clone()),
        sdp: Some("garbage".into()),
    };
    assert_eq!(super::status(t.w.ask(garbage)), (400, Some("SVC0001")));
    // A modification runs on either call.
    t.w.modify(&t.a, &active, &sdp("actpass", &["sendonly"])).expect("free");
    t.begin();
    t.failed(reason::MODIFICATION_RUNNING);
    let (id, _) = t.w.asked(&t.c);
    t.w.accept(&t.c, &t.at_c, &id, &sdp("active", &["recvonly"])).expect("asked");
    t.w.all(&t.a);
    t.w.all(&t.c);
    // A second wish while the first one runs.
    t.begin();
    t.begin();
    t.failed(reason::MODIFICATION_RUNNING);
    let (of_c, of_b) = t.offered();
    t.w.accept(&t.b, &t.at_b, &of_b, &sdp("passive", &["sendrecv"])).expect("asked");
    assert!(t.w.finished(&t.c, &of_c).is_some(), "the first one is not disturbed");
}

#[test]
fn the_echo_can_be_given_away_but_not_be_called_in() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let (active, at_b) = connect(&mut w, &a, &b, "bob");
    let held = w.dial(&a, "echo");
    let call = w.echoes[0].clone();
    let mut t = Three { w, c: b.clone(), a, b, held, active, at_b: String::new(), at_c: at_b };
    t.begin_refused();
    t.w.tell(Input::EchoAnswered { call, answer: Some(sdp("active", &["sendrecv"])) });
    t.w.all(&t.a);
    std::mem::swap(&mut t.held, &mut t.active);
    t.begin();
    t.failed(reason::NOT_AVAILABLE);
    std::mem::swap(&mut t.held, &mut t.active);
    t.begin();
    let (of_b, _) = t.w.asked(&t.c);
    t.w.accept(&t.c, &t.at_c, &of_b, &fresh()).expect("asked");
    let answer = sdp("active", &["sendrecv"]);
    t.w.echo_says(Some(answer.clone()));
    assert_eq!(t.w.finished(&t.c, &of_b), Some(answer));
    assert_eq!((t.w.all(&t.a).len(), t.w.core.call_count(), t.w.echoes.len()), (4, 1, 1));
    t.w.end(&t.c, &t.at_c, DeleteReason::Terminate);
    t.w.ended(&t.c, &t.at_c, None);
    assert!(t.w.echoes.is_empty());
}

#[test]
fn one_phone_alone_cannot_be_joined_with_itself() {
    let mut t = Three::new();
    let (a, b) = (t.a.clone(), t.b.clone());
    t.w.end(&a, &t.active, DeleteReason::Terminate);
    t.w.all(&a);
    (t.at_c, t.active) = connect(&mut t.w, &b, &a, "alice");
    t.c = b;
    t.begin();
    t.failed(reason::FORBIDDEN);
    t.usable();
}

#[test]
fn a_call_does_not_move_to_a_session_that_is_in_it() {
    let mut w = World::new(config());
    let (a, b, c) = (w.login("bob"), w.login("alice"), w.login("alice"));
    let (held, at_b) = connect(&mut w, &a, &b, "alice");
    w.all(&c);
    let active = w.dial(&a, "alice");
    let (ringing, at_c) = (w.invited(&b), w.invited(&c));
    w.answer(&c, &at_c).expect("it rings");
    w.ended(&b, &ringing, Some(reason::CALL_CANCELED));
    let mut t = Three { w, a, b, c, held, active, at_b, at_c };
    for phone in [t.a.clone(), t.c.clone()] {
        t.w.all(&phone);
    }
    t.begin();
    let (_, of_b) = t.offered();
    t.w.accept(&t.b, &t.at_b, &of_b, &sdp("active", &["sendrecv"])).expect("asked");
    t.w.all(&t.b);
    let offer = Some(sdp("actpass", &["sendonly"]));
    let request = Request::MoveCall { auth: t.b.clone(), leg: t.at_b.clone(), sdp: offer };
    let answer = t.w.ask(request);
    t.w.respond(answer).expect("204 all the same");
    let told = t.w.told(&t.b);
    assert_eq!(told[0], (EventState::MoveTerminated, Some(reason::NO_OTHER_SESSION.into())));
}
