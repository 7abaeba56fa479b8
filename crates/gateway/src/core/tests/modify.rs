//! Modifications under a clock of the test's own: every outcome, every silence, every end in the middle.

use ewebrtc_wire::{DeleteReason, Direction, EventObject, EventState, Sdp, reason};

use super::*;

/// A description: the DTLS role, then one m-section for each direction, audio first.
pub(super) fn sdp(setup: &str, directions: &[&str]) -> String {
    let mut text = String::from("v=0\r\no=- 4 7 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n");
    for (n, direction) in directions.iter().enumerate() {
        let media = if n == 0 { "audio" } else { "video" };
        text += &format!(
            "m={media} 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=setup:{setup}\r\na=mid:{n}\r\n\
             a=ice-ufrag:u{n}\r\na={direction}\r\n"
        );
    }
    text
}

/// Port 0 or direction of every section.
pub(super) fn shape(text: &str) -> Vec<Option<Direction>> {
    let sdp = Sdp::parse(text).expect("readable");
    sdp.sections.iter().map(|s| s.direction.filter(|_| s.port != 0)).collect()
}

impl World {
    /// Everything that is there for this phone, read to the end.
    pub(super) fn all(&mut self, who: &Auth) -> Vec<EventObject> {
        let mut all = Vec::new();
        loop {
            let events = self.events(who);
            if events.is_empty() {
                return all;
            }
            all.extend(events.into_iter().map(|e| e.event));
        }
    }

    /// The only event that is there.
    pub(super) fn one(&mut self, who: &Auth) -> EventObject {
        let mut all = self.all(who);
        assert_eq!(all.len(), 1, "{all:?}");
        all.remove(0)
    }

    /// States and reasons of everything that is there.
    pub(super) fn told(&mut self, who: &Auth) -> Vec<(EventState, Option<String>)> {
        self.all(who).into_iter().map(|e| (e.state, e.reason)).collect()
    }

    pub(super) fn modify(&mut self, who: &Auth, leg: &str, offer: &str) -> Result<(), Refusal> {
        let request = Request::ModifyCall { auth: who.clone(), leg: leg.into(), sdp: Some(offer.into()) };
        let answer = self.ask(request);
        self.respond(answer)
    }

    pub(super) fn accept(&mut self, who: &Auth, leg: &str, mod_id: &str, answer: &str) -> Result<(), Refusal> {
        let (auth, leg, mod_id) = (who.clone(), leg.into(), Some(mod_id.into()));
        let answer = self.ask(Request::AcceptModification { auth, leg, mod_id, sdp: Some(answer.into()) });
        self.respond(answer)
    }

    pub(super) fn reject(&mut self, who: &Auth, leg: &str, mod_id: &str) -> Result<(), Refusal> {
        let (auth, leg, mod_id) = (who.clone(), leg.into(), Some(mod_id.into()));
        let answer = self.ask(Request::RejectModification { auth, leg, mod_id });
        self.respond(answer)
    }

    /// What this phone was asked: id and description.
    pub(super) fn asked(&mut self, who: &Auth) -> (String, Option<String>) {
        let event = self.one(who);
        assert_eq!((&event.state, &event.reason), (&EventState::ModReceived, &None), "{event:?}");
        (event.mod_id.expect("an id"), event.sdp)
    }

    /// The end of a modification, of either shape.
    pub(super) fn finished(&mut self, who: &Auth, mod_id: &str) -> Option<String> {
        let event = self.one(who);
        assert_eq!(event.state, EventState::ModTerminated, "{event:?}");
        assert_eq!((event.reason.as_deref(), event.mod_id.as_deref()), (Some(reason::SUCCESS), Some(mod_id)));
        event.sdp
    }

    /// A whole modification: what the initiator hears.
    pub(super) fn modified(&mut self, a: (&Auth, &str), b: (&Auth, &str), offer: &str, answer: &str) -> String {
        self.modify(a.0, a.1, offer).expect("free");
        let (id, _) = self.asked(b.0);
        self.accept(b.0, b.1, &id, answer).expect("asked");
        assert_eq!(self.finished(b.0, &id), None);
        self.finished(a.0, &id).expect("an answer")
    }

    /// Keeps these phones alive for so many seconds; nobody hears anything.
    pub(super) fn wait(&mut self, phones: &[&Auth], seconds: u64) {
        for _ in 0..seconds {
            for who in phones {
                assert!(self.events(who).is_empty());
            }
            self.pass(Duration::from_secs(1));
        }
    }
}

pub(super) fn refused(result: Result<(), Refusal>) -> (u16, Option<&'static str>) {
    super::status(result.map(|()| Answer::Done))
}

const BAD: (u16, Option<&str>) = (400, Some("SVC0002"));
const RUNNING: (u16, Option<&str>) = (409, Some("SVC8501"));

#[test]
fn hold_and_resume_on_both_sides() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let (out, inc) = w.connect(&a, &b, "bob");
    // The table of section 5.5: descriptions pass byte for byte, and each side hears its own shape of the end.
    for (own, offer, answer) in [
        (false, "sendonly", "recvonly"),
        (true, "inactive", "inactive"),
        (true, "recvonly", "sendonly"),
        (false, "sendrecv", "sendrecv"),
    ] {
        let (x, y) = if own { ((&a, &*out), (&b, &*inc)) } else { ((&b, &*inc), (&a, &*out)) };
        let (offer, answer) = (sdp("actpass", &[offer]), sdp("active", &[answer]));
        w.modify(x.0, x.1, &offer).expect("free");
        let event = w.one(y.0);
        assert_eq!((event.state, event.sdp.as_ref()), (EventState::ModReceived, Some(&offer)));
        let from = if own { "sip:alice@test" } else { "sip:bob@test" };
        assert_eq!(event.from.as_deref(), Some(from));
        let id = event.mod_id.expect("an id");
        w.accept(y.0, y.1, &id, &answer).expect("asked");
        assert_eq!(w.finished(x.0, &id), Some(answer));
        assert_eq!(w.finished(y.0, &id), None);
    }
}

#[test]
fn the_end_follows_the_response_of_the_own_request() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let (out, inc) = w.connect(&a, &b, "bob");
    let (at_a, at_b) = (w.open_poll(&a, None), w.open_poll(&b, None));
    let request = |sdp: String| Request::ModifyCall { auth: a.clone(), leg: out.clone(), sdp: Some(sdp) };
    let Ok(Answer::Leg { delivery: Some(mine) }) = w.ask(request(sdp("actpass", &["sendonly"]))) else { panic!() };
    let id = w.answered(at_b)[0].event.mod_id.clone().expect("the other side is asked at once");
    let at_b = w.open_poll(&b, None);
    let accept = Request::AcceptModification {
        auth: b.clone(),
        leg: inc,
        mod_id: Some(id),
        sdp: Some(sdp("active", &["recvonly"])),
    };
    let Ok(Answer::Leg { delivery: Some(theirs) }) = w.ask(accept) else { panic!() };
    w.pass(Duration::from_secs(1));
    assert!(!w.answers.contains_key(&at_a) && !w.answers.contains_key(&at_b), "no response is written yet");
    w.tell(Input::Written(theirs));
    w.pass(HOLD_BACK);
    assert!(w.answers.contains_key(&at_b) && !w.answers.contains_key(&at_a));
    w.tell(Input::Written(mine));
    w.pass(HOLD_BACK);
    assert!(w.answers.contains_key(&at_a));
}

#[test]
fn one_modification_at_a_time() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let (out, inc) = w.connect(&a, &b, "bob");
    let (hold, held) = (sdp("actpass", &["sendonly"]), sdp("active", &["recvonly"]));
    w.modify(&a, &out, &hold).expect("free");
    assert_eq!(refused(w.modify(&a, &out, &hold)), RUNNING, "doubled");
    assert_eq!(refused(w.modify(&b, &inc, &hold)), RUNNING, "glare");
    let (id, _) = w.asked(&b);
    assert_eq!(refused(w.modify(&b, &inc, &hold)), RUNNING, "asked, and wants to ask");
    w.accept(&b, &inc, &id, &held).expect("asked");
    // Both ends are queued, so the next one is in order.
    w.modify(&a, &out, &sdp("actpass", &["sendrecv"])).expect("free");
    let told = w.told(&b);
    assert_eq!(told[0], (EventState::ModTerminated, Some(reason::SUCCESS.into())));
    assert_eq!(told[1], (EventState::ModReceived, None));
}

#[test]
fn only_connected_legs_are_modified() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let hold = sdp("actpass", &["sendonly"]);
    let out = w.dial(&a, "bob");
    let inc = w.invited(&b);
    for (who, leg) in [(&a, out.as_str()), (&b, inc.as_str()), (&a, "unknown"), (&b, out.as_str())] {
        assert_eq!(refused(w.modify(who, leg, &hold)), BAD, "{leg}");
        assert_eq!(refused(w.accept(who, leg, "x", &hold)), BAD, "{leg}");
        assert_eq!(refused(w.reject(who, leg, "x")), BAD, "{leg}");
    }
    w.answer(&b, &inc).expect("it rings on");
    w.all(&a);
    w.all(&b);
    // A description that cannot be read changes nothing.
    assert_eq!(refused(w.modify(&a, &out, "garbage")), (400, Some("SVC0001")));
    w.modify(&a, &out, &hold).expect("free");
    let (id, _) = w.asked(&b);
    assert_eq!(refused(w.accept(&b, &inc, &id, "garbage")), (400, Some("SVC0001")));
    for wrong in ["", "undefined", "id-1"] {
        assert_eq!(refused(w.accept(&b, &inc, wrong, &hold)), BAD, "{wrong}");
    }
    assert_eq!(refused(w.accept(&a, &out, &id, &hold)), BAD, "the initiator was not asked");
    let none = Request::AcceptModification { auth: b.clone(), leg: inc.clone(), mod_id: None, sdp: Some(hold) };
    assert_eq!(super::status(w.ask(none)), BAD);
    w.accept(&b, &inc, &id, &sdp("active", &["recvonly"])).expect("it still waits");
    assert!(w.finished(&a, &id).is_some());
}

#[test]
fn a_refusal_is_an_answer() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let (out, inc) = w.connect(&a, &b, "bob");
    let upgrade = sdp("actpass", &["sendrecv", "sendrecv"]);
    // As the original client refuses: passed on as it is (section 4.7).
    let declined = sdp("active", &["sendrecv", "recvonly"]);
    assert_eq!(w.modified((&a, &out), (&b, &inc), &upgrade, &declined), declined);
    // By `rejectCancel-call-mod` (D-15), in a call whose sections Bob knows by now.
    w.modify(&a, &out, &upgrade).expect("free");
    let (id, _) = w.asked(&b);
    w.reject(&b, &inc, &id).expect("asked");
    assert_eq!(w.finished(&b, &id), None);
    let answer = w.finished(&a, &id).expect("an answer");
    assert_eq!(shape(&answer), [Some(Direction::SendRecv), Some(Direction::RecvOnly)], "what Bob last said");
    w.modified((&b, &inc), (&a, &out), &sdp("actpass", &["sendonly", "inactive"]), &declined);
}

#[test]
fn a_silent_side_is_answered_for() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let (out, inc) = w.connect(&a, &b, "bob");
    w.modify(&a, &out, &sdp("actpass", &["sendrecv", "sendrecv"])).expect("free");
    let (id, _) = w.asked(&b);
    w.wait(&[&a, &b], 59);
    w.pass(Duration::from_secs(1));
    let refusal = w.finished(&a, &id).expect("a refusing answer");
    assert_eq!(shape(&refusal), [Some(Direction::SendRecv), None]);
    assert!(refusal.contains("m=video 0 ") && refusal.contains("a=inactive"), "{refusal}");
    // Bob's hold is shown to Alice with the section that she has and he has not.
    w.modify(&b, &inc, &sdp("actpass", &["sendonly"])).expect("free");
    let (hold, offer) = w.asked(&a);
    assert_eq!(shape(&offer.expect("an offer")), [Some(Direction::SendOnly), None]);
    w.accept(&a, &out, &hold, &sdp("passive", &["recvonly", "inactive"])).expect("asked");
    assert_eq!(shape(&w.finished(&b, &hold).expect("an answer")), [Some(Direction::RecvOnly)], "his own sections");
    w.all(&a);
    // His late answer is taken, and says nothing new after the hold.
    w.accept(&b, &inc, &id, &sdp("active", &["sendrecv", "sendrecv"])).expect("late");
    assert_eq!(w.finished(&b, &id), None);
    assert!(w.all(&a).is_empty());
}

#[test]
fn a_late_answer_brings_the_initiator_into_line() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let (out, inc) = w.connect(&a, &b, "bob");
    w.modify(&a, &out, &sdp("actpass", &["sendrecv", "sendrecv"])).expect("free");
    let (id, _) = w.asked(&b);
    w.wait(&[&a, &b], 60);
    w.finished(&a, &id).expect("a refusing answer");
    let yes = sdp("active", &["sendrecv", "sendrecv"]);
    w.accept(&b, &inc, &id, &yes).expect("late");
    assert_eq!(w.finished(&b, &id), None);
    let (align, offer) = w.asked(&a);
    let offer = offer.expect("Bob's answer as an offer");
    assert_eq!(shape(&offer), [Some(Direction::SendRecv), Some(Direction::SendRecv)]);
    assert!(offer.contains("a=setup:actpass") && !offer.contains("a=setup:active"));
    assert!(offer.contains("o=- 4 9 "), "a version beyond those made before: {offer}");
    assert_eq!(refused(w.modify(&b, &inc, &yes)), RUNNING);
    w.accept(&a, &out, &align, &sdp("passive", &["sendrecv", "sendrecv"])).expect("asked");
    assert_eq!(w.finished(&a, &align), None);
    assert!(w.all(&b).is_empty(), "Bob has heard his end");
    w.modify(&b, &inc, &yes).expect("free");
    let (next, offer) = w.asked(&a);
    assert!(offer.expect("an offer").contains("o=- 4 9 "), "raised by what the gateway made");
    // Once more it is too late, but now the answer says what was given.
    w.wait(&[&a, &b], 60);
    assert_eq!(shape(&w.finished(&b, &next).expect("given"))[1], Some(Direction::SendRecv));
    w.accept(&a, &out, &next, &sdp("passive", &["sendrecv", "sendrecv"])).expect("late");
    assert_eq!(w.finished(&a, &next), None);
    assert!(w.all(&b).is_empty());
}

#[test]
fn what_was_refused_is_not_promised_later() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let (out, inc) = w.connect(&a, &b, "bob");
    let upgrade = sdp("actpass", &["sendrecv", "sendrecv"]);
    w.modify(&a, &out, &upgrade).expect("free");
    let (id, _) = w.asked(&b);
    w.reject(&b, &inc, &id).expect("asked");
    w.all(&a);
    w.all(&b);
    // Alice's camera is off again: in her silence nothing else is said.
    w.modify(&b, &inc, &upgrade).expect("free");
    let (id, _) = w.asked(&a);
    w.wait(&[&a, &b], 60);
    assert_eq!(shape(&w.finished(&b, &id).expect("an answer")), [Some(Direction::SendRecv), None]);
}

#[test]
fn a_hold_needs_nobody() {
    let mut w = World::new(config());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let (out, inc) = w.connect(&a, &b, "bob");
    w.modify(&a, &out, &sdp("actpass", &["sendonly"])).expect("free");
    let (id, _) = w.asked(&b);
    w.wait(&[&a, &b], 60);
    let answer = w.finished(&a, &id).expect("held by the gateway alone");
    assert_eq!(shape(&answer), [Some(Direction::RecvOnly)]);
    w.accept(&b, &inc, &id, &sdp("active", &["recvonly"])).expect("late");
    assert_eq!(w.finished(&b, &id), None);
    assert!(w.all(&a).is_empty(), "it is as it was said");
    w.accept(&b, &inc, &id, &sdp("active", &["recvonly"])).expect("doubled");
    assert_eq!(w.finished(&b, &id), None, "whoever answers hears an end");
}

#[test]
fn what_was_not_delivered_in_time_is_not_delivered_at_all() {
    let mut w = World::new(CoreConfig { modification: Duration::from_secs(5), ..config() });
    let (a, b) = (w.login("alice"), w.login("bob"));
    let (out, inc) = w.connect(&a, &b, "bob");
    w.modify(&a, &out, &sdp("actpass", &["sendonly"])).expect("free");
    w.pass(Duration::from_secs(5));
    assert_eq!(w.one(&a).state, EventState::ModTerminated);
    assert!(w.all(&b).is_empty(), "his own next offer would cross it");
    w.modify(&b, &inc, &sdp("actpass", &["sendonly"])).expect("free");
}

#[test]
fn everybody_may_leave_in_the_middle() {
    for (n, leave) in
        ["alice hangs up", "bob hangs up", "alice logs out", "bob logs out", "bob is lost", "alice expires"]
            .into_iter()
            .enumerate()
    {
        for answered in [false, true] {
            let mut w = World::new(config());
            let (a, b) = (w.login("alice"), w.login("bob"));
            if n == 5 {
                w.pass(Duration::from_secs(3570));
                w.ask(Request::RefreshSession { auth: b.clone() }).expect("alive");
                assert!(w.events(&a).is_empty() && w.events(&b).is_empty());
            }
            let (out, inc) = w.connect(&a, &b, "bob");
            w.modify(&a, &out, &sdp("actpass", &["sendonly"])).expect("free");
            let (id, _) = w.asked(&b);
            if answered {
                let request = Request::AcceptModification {
                    auth: b.clone(),
                    leg: inc.clone(),
                    mod_id: Some(id),
                    sdp: Some(sdp("active", &["recvonly"])),
                };
                w.ask(request).expect("asked");
            }
            match n {
                0 => w.end(&a, &out, DeleteReason::Terminate),
                1 => w.end(&b, &inc, DeleteReason::Terminate),
                2 => drop(w.ask(Request::DeleteSession { auth: a.clone() })),
                3 => drop(w.ask(Request::DeleteSession { auth: b.clone() })),
                4 => {
                    for _ in 0..46 {
                        w.events(&a);
                        w.pass(Duration::from_secs(1));
                    }
                }
                _ => w.pass(Duration::from_secs(56)),
            }
            assert_eq!(w.core.call_count(), 0, "{leave}");
            w.pass(Duration::from_secs(6));
            if !matches!(n, 2 | 4 | 5) {
                let told = w.told(&a);
                let (last, _) = told.last().expect("an end");
                assert_eq!(*last, EventState::SessionTerminated, "{leave}: {told:?}");
            }
            if !matches!(n, 3..=5) {
                let told = w.told(&b);
                assert_eq!(told.last().map(|t| &t.0), Some(&EventState::SessionTerminated), "{leave}: {told:?}");
            }
        }
    }
}

/// Alice talks to the echo; her leg.
pub(super) fn echo(w: &mut World, a: &Auth) -> String {
    let out = w.dial(a, "echo");
    let call = w.echoes.last().cloned().expect("it is asked");
    w.tell(Input::EchoAnswered { call, answer: Some(sdp("active", &["sendrecv"])) });
    w.all(a);
    out
}

impl World {
    /// The echo answers what it was asked.
    pub(super) fn echo_says(&mut self, answer: Option<String>) {
        let (call, mod_id) = self.echo_asked.pop_front().expect("it is asked");
        self.tell(Input::EchoModified { call, mod_id, answer });
    }
}

#[test]
fn the_echo_is_modified_like_a_phone() {
    let mut w = World::new(config());
    let a = w.login("alice");
    let out = echo(&mut w, &a);
    let held = sdp("active", &["recvonly"]);
    w.modify(&a, &out, &sdp("actpass", &["sendonly"])).expect("free");
    assert_eq!(refused(w.modify(&a, &out, &held)), RUNNING);
    w.echo_says(Some(held.clone()));
    assert_eq!(w.one(&a).sdp, Some(held));
    // It cannot, or says nothing: the gateway answers in its name.
    let upgrade = sdp("actpass", &["sendrecv", "sendrecv"]);
    for answer in [None, Some("garbage".to_owned())] {
        w.modify(&a, &out, &upgrade).expect("free");
        w.echo_says(answer);
        let answer = w.one(&a).sdp.expect("an answer");
        assert_eq!(shape(&answer), [Some(Direction::RecvOnly), None], "what it last said, and no video");
        assert!(answer.contains("a=setup:active"), "its role stays: {answer}");
    }
    w.modify(&a, &out, &upgrade).expect("free");
    w.wait(&[&a], 60);
    assert_eq!(shape(&w.one(&a).sdp.expect("an answer"))[1], None);
    w.echo_says(Some(sdp("active", &["sendrecv", "sendrecv"])));
    assert!(w.all(&a).is_empty(), "too late");
    w.modify(&a, &out, &upgrade).expect("free");
    w.end(&a, &out, DeleteReason::Terminate);
    w.ended(&a, &out, None);
    w.echo_says(None);
    assert!(w.echoes.is_empty());
}

#[test]
fn two_calls_are_held_and_resumed_in_turn() {
    let mut w = World::new(config());
    let (a, b, c) = (w.login("alice"), w.login("bob"), w.login("carol"));
    let (to_b, at_b) = w.connect(&a, &b, "bob");
    let (hold, held) = (sdp("actpass", &["sendonly"]), sdp("active", &["recvonly"]));
    let (resume, resumed) = (sdp("actpass", &["sendrecv"]), sdp("active", &["sendrecv"]));
    w.modified((&a, &to_b), (&b, &at_b), &hold, &held);
    let (to_c, at_c) = w.connect(&a, &c, "carol");
    for _ in 0..2 {
        w.modified((&a, &to_c), (&c, &at_c), &hold, &held);
        w.modified((&a, &to_b), (&b, &at_b), &resume, &resumed);
        w.modified((&a, &to_b), (&b, &at_b), &hold, &held);
        w.modified((&a, &to_c), (&c, &at_c), &resume, &resumed);
    }
    // Modifications of two calls do not wait for each other.
    w.modify(&a, &to_b, &resume).expect("free");
    w.modify(&a, &to_c, &hold).expect("free");
    let ((of_b, _), (of_c, _)) = (w.asked(&b), w.asked(&c));
    assert_ne!(of_b, of_c);
    assert_eq!(refused(w.accept(&c, &at_c, &of_b, &resumed)), BAD, "another call's id");
    w.accept(&c, &at_c, &of_c, &held).expect("asked");
    assert!(w.finished(&a, &of_c).is_some());
    // The background call ends; the other is not touched.
    w.end(&c, &at_c, DeleteReason::Terminate);
    w.ended(&a, &to_c, Some(reason::CALL_TERMINATED));
    w.accept(&b, &at_b, &of_b, &resumed).expect("asked");
    assert!(w.finished(&a, &of_b).is_some());
}
