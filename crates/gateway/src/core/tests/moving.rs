//! Moves: to one of several sessions, to none, refused, unanswered, and everybody leaving in the middle.

use ewebrtc_wire::{DeleteReason, Direction, EventState, reason};

use super::modify::{refused, sdp, shape};
use super::*;

impl World {
    pub(super) fn move_call(&mut self, who: &Auth, leg: &str) -> Result<(), Refusal> {
        let sdp = Some(sdp("actpass", &["sendonly"]));
        let answer = self.ask(Request::MoveCall { auth: who.clone(), leg: leg.into(), sdp });
        self.respond(answer)
    }

    pub(super) fn take_over(&mut self, who: &Auth, leg: &str) -> Result<(), Refusal> {
        let offer = Some(sdp("actpass", &["sendrecv"]).replace("ufrag:u", "ufrag:new"));
        let answer = self.ask(Request::AnswerCall { auth: who.clone(), leg: leg.into(), sdp: offer });
        self.respond(answer)
    }

    /// Rung because of a move: no description, from the peer.
    pub(super) fn rung(&mut self, who: &Auth) -> String {
        let event = self.one(who);
        assert_eq!((&event.state, &event.sdp), (&EventState::InvitationReceived, &None));
        assert_eq!(event.from.as_deref(), Some("sip:bob@test"), "the peer calls, as far as this session knows");
        item_id_of(&event.resource_url).expect("an id").to_owned()
    }

    /// The move failed for this reason, and two-way media is restored (section 5.11).
    fn moved_back(&mut self, who: &Auth, leg: &str, why: &str) {
        let events = self.all(who);
        let states: Vec<&EventState> = events.iter().map(|e| &e.state).collect();
        assert_eq!(states, [&EventState::MoveTerminated, &EventState::SessionModified, &EventState::ModReceived]);
        assert_eq!(events[0].reason.as_deref(), Some(why));
        let answer = events[1].sdp.as_deref().expect("the move's offer is answered");
        assert_eq!(shape(answer), [Some(Direction::RecvOnly)]);
        assert!(answer.contains("a=setup:active"), "Bob's role: {answer}");
        assert_eq!(shape(events[2].sdp.as_deref().expect("an offer")), [Some(Direction::SendRecv)]);
        let id = events[2].mod_id.clone().expect("an id");
        self.accept(who, leg, &id, &sdp("passive", &["sendrecv"])).expect("asked");
        assert_eq!(self.finished(who, &id), None);
    }
}

/// Alice's call to Bob, and two more sessions of hers.
fn moving() -> (World, [Auth; 3], Auth, String, String) {
    let mut w = World::new(config());
    let b = w.login("bob");
    let a = [w.login("alice"), w.login("alice"), w.login("alice")];
    let out = w.dial(&a[0], "bob");
    let inc = w.invited(&b);
    let request = Request::AnswerCall { auth: b.clone(), leg: inc.clone(), sdp: Some(sdp("active", &["sendrecv"])) };
    let answer = w.ask(request);
    w.respond(answer).expect("it rings");
    w.all(&a[0]);
    w.all(&b);
    (w, a, b, out, inc)
}

/// The call still works in both directions.
fn usable(w: &mut World, a: (&Auth, &str), b: (&Auth, &str)) {
    for (x, y) in [(a, b), (b, a)] {
        w.modified(x, y, &sdp("actpass", &["sendrecv"]), &sdp("active", &["sendrecv"]));
    }
}

#[test]
fn a_call_moves_to_the_session_that_answers_first() {
    let (mut w, a, b, out, inc) = moving();
    w.move_call(&a[0], &out).expect("free");
    assert!(w.all(&a[0]).is_empty() && w.all(&b).is_empty(), "the peer notices nothing yet");
    let (i1, i2) = (w.rung(&a[1]), w.rung(&a[2]));
    assert_eq!(refused(w.move_call(&a[0], &out)), (409, Some("SVC8501")));
    assert_eq!(refused(w.modify(&b, &inc, &sdp("actpass", &["sendonly"]))), (409, Some("SVC8501")));
    w.take_over(&a[1], &i1).expect("it rings");
    w.ended(&a[2], &i2, Some(reason::CALL_CANCELED));
    assert_eq!(refused(w.take_over(&a[2], &i2)), (400, Some("SVC0002")));
    assert_eq!(refused(w.take_over(&a[1], &i1)), (400, Some("SVC0002")), "doubled");
    let (id, offer) = w.asked(&b);
    assert!(offer.expect("the new session's offer").contains("ufrag:new"));
    assert!(w.all(&a[0]).is_empty() && w.all(&a[1]).is_empty(), "until the peer has answered");
    let answer = sdp("passive", &["sendrecv"]);
    w.accept(&b, &inc, &id, &answer).expect("asked");
    assert_eq!(w.finished(&b, &id), None);
    let open = w.one(&a[1]);
    assert_eq!((open.state, open.sdp), (EventState::SessionOpen, Some(answer)));
    let success = Some(reason::SUCCESS.to_owned());
    assert_eq!(
        w.told(&a[0]),
        [
            (EventState::MoveTerminated, success),
            (EventState::SessionModified, None),
            (EventState::SessionTerminated, None)
        ]
    );
    usable(&mut w, (&a[1], &i1), (&b, &inc));
    assert_eq!(refused(w.modify(&a[0], &out, &sdp("actpass", &["sendonly"]))), (400, Some("SVC0002")), "it has moved");
    w.end(&a[1], &i1, DeleteReason::Terminate);
    w.ended(&b, &inc, Some(reason::CALL_TERMINATED));
    w.ended(&a[1], &i1, None);
    assert_eq!(w.core.call_count(), 0);
}

#[test]
fn a_move_that_nobody_takes_fails_and_the_call_goes_on() {
    // Nobody answers.
    let (mut w, a, b, out, inc) = moving();
    w.move_call(&a[0], &out).expect("free");
    let (i1, i2) = (w.rung(&a[1]), w.rung(&a[2]));
    w.wait(&[&a[0], &a[1], &a[2], &b], 59);
    w.pass(Duration::from_secs(1));
    w.moved_back(&a[0], &out, reason::NO_ANSWER);
    w.ended(&a[1], &i1, Some(reason::CALL_CANCELED));
    w.ended(&a[2], &i2, Some(reason::CALL_CANCELED));
    usable(&mut w, (&a[0], &out), (&b, &inc));
    // Refused on one device.
    w.move_call(&a[0], &out).expect("free");
    let (i1, i2) = (w.rung(&a[1]), w.rung(&a[2]));
    w.end(&a[1], &i1, DeleteReason::Reject);
    w.ended(&a[1], &i1, None);
    w.ended(&a[2], &i2, Some(reason::CALL_CANCELED));
    let told = w.told(&a[0]);
    assert_eq!(told[0], (EventState::MoveTerminated, Some(reason::USER_BUSY.into())));
}

#[test]
fn there_may_be_nobody_to_move_to() {
    let (mut w, a, b, out, inc) = moving();
    // One session is busy dialling, the other has left.
    w.ask(Request::DeleteSession { auth: a[2].clone() }).expect("logged out");
    w.token("dave");
    let c = w.login("carol");
    w.dial(&a[1], "carol");
    w.invited(&c);
    w.move_call(&a[0], &out).expect("204 all the same");
    w.moved_back(&a[0], &out, reason::USER_BUSY);
    w.ask(Request::DeleteSession { auth: a[1].clone() }).expect("logged out");
    w.move_call(&a[0], &out).expect("204 all the same");
    w.moved_back(&a[0], &out, reason::NO_OTHER_SESSION);
    usable(&mut w, (&a[0], &out), (&b, &inc));
    // Sessions that leave while they ring.
    let a1 = w.login("alice");
    w.move_call(&a[0], &out).expect("free");
    w.rung(&a1);
    w.ask(Request::DeleteSession { auth: a1 }).expect("logged out");
    w.moved_back(&a[0], &out, reason::NOT_AVAILABLE);
    // One that dials at the moment in which it is rung.
    let a1 = w.login("alice");
    w.move_call(&a[0], &out).expect("free");
    w.dial(&a1, "nobody");
    w.moved_back(&a[0], &out, reason::USER_BUSY);
    usable(&mut w, (&a[0], &out), (&b, &inc));
}

#[test]
fn the_mover_hangs_up_meanwhile() {
    for by_peer in [false, true] {
        let (mut w, a, b, out, inc) = moving();
        w.move_call(&a[0], &out).expect("free");
        let (i1, i2) = (w.rung(&a[1]), w.rung(&a[2]));
        if by_peer {
            w.end(&b, &inc, DeleteReason::Terminate);
            w.ended(&b, &inc, None);
            w.ended(&a[0], &out, Some(reason::CALL_TERMINATED));
        } else {
            w.end(&a[0], &out, DeleteReason::Terminate);
            w.ended(&a[0], &out, None);
            w.ended(&b, &inc, Some(reason::CALL_TERMINATED));
        }
        w.ended(&a[1], &i1, Some(reason::CALL_CANCELED));
        w.ended(&a[2], &i2, Some(reason::CALL_CANCELED));
        assert_eq!(refused(w.take_over(&a[1], &i1)), (400, Some("SVC0002")));
        assert_eq!(w.core.call_count(), 0);
    }
}

#[test]
fn whoever_has_taken_over_may_hang_up_before_the_peer_knows() {
    for logout in [false, true] {
        let (mut w, a, b, out, _) = moving();
        w.move_call(&a[0], &out).expect("free");
        let (i1, i2) = (w.rung(&a[1]), w.rung(&a[2]));
        w.take_over(&a[1], &i1).expect("it rings");
        w.ended(&a[2], &i2, Some(reason::CALL_CANCELED));
        w.asked(&b);
        let text = if logout { reason::SESSION_ENDED } else { reason::CALL_TERMINATED };
        if logout {
            w.ask(Request::DeleteSession { auth: a[1].clone() }).expect("logged out");
        } else {
            w.end(&a[1], &i1, DeleteReason::Terminate);
            w.ended(&a[1], &i1, None);
        }
        // Its user holds both ends of the move, so the call is over.
        w.ended(&a[0], &out, Some(text));
        assert_eq!(w.told(&b), [(EventState::SessionTerminated, Some(text.into()))]);
        assert_eq!(w.core.call_count(), 0);
    }
}

#[test]
fn the_peer_may_refuse_the_new_session_or_be_silent() {
    for silent in [false, true] {
        let (mut w, a, b, out, inc) = moving();
        w.move_call(&a[0], &out).expect("free");
        let (i1, i2) = (w.rung(&a[1]), w.rung(&a[2]));
        w.take_over(&a[1], &i1).expect("it rings");
        w.ended(&a[2], &i2, Some(reason::CALL_CANCELED));
        let (id, _) = w.asked(&b);
        let why = if silent {
            w.wait(&[&a[0], &a[1], &a[2], &b], 60);
            reason::NO_ANSWER
        } else {
            w.reject(&b, &inc, &id).expect("asked");
            assert_eq!(w.finished(&b, &id), None);
            reason::USER_BUSY
        };
        w.ended(&a[1], &i1, Some(reason::NOT_AVAILABLE));
        w.moved_back(&a[0], &out, why);
        w.accept(&b, &inc, &id, &sdp("passive", &["sendrecv"])).expect("late or doubled");
        assert_eq!(w.finished(&b, &id), None);
        usable(&mut w, (&a[0], &out), (&b, &inc));
    }
}

#[test]
fn a_call_to_the_echo_moves_too() {
    let mut w = World::new(config());
    let (a, other) = (w.login("alice"), w.login("alice"));
    let out = super::modify::echo(&mut w, &a);
    w.move_call(&a, &out).expect("free");
    let event = w.one(&other);
    assert_eq!((event.state, event.from.as_deref()), (EventState::InvitationReceived, Some("sip:echo@test")));
    let leg = item_id_of(&event.resource_url).expect("an id").to_owned();
    w.take_over(&other, &leg).expect("it rings");
    let answer = sdp("active", &["sendrecv"]);
    w.echo_says(Some(answer.clone()));
    assert_eq!(w.one(&other).sdp, Some(answer));
    assert_eq!(w.told(&a).last().map(|t| &t.0), Some(&EventState::SessionTerminated));
    w.end(&other, &leg, DeleteReason::Terminate);
    assert!(w.echoes.is_empty());
}
