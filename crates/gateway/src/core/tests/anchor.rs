//! Calls with a ringback tone: their media ends at the gateway, so every description that a phone is told is the gateway's.

use ewebrtc_wire::{DeleteReason, Direction, EventObject, EventState, reason};

use super::modify::{refused, sdp, shape};
use super::transfer::Three;
use super::*;

/// What the anchor says to this side.
pub(super) fn says(to: AnchorEnd, direction: Direction, sections: usize) -> String {
    let mut directions = vec![direction.as_str()];
    directions.resize(sections.max(1), "inactive");
    let ufrag = match to {
        AnchorEnd::Caller => "ufrag:to-caller-",
        AnchorEnd::Callee => "ufrag:to-callee-",
    };
    sdp("actpass", &directions).replace("ufrag:u", ufrag)
}

fn ringback() -> CoreConfig {
    CoreConfig { ringback: true, ..config() }
}

fn is_of(event: &EventObject, end: &str) {
    assert!(event.sdp.as_deref().is_some_and(|sdp| sdp.contains(&format!("ufrag:to-{end}-"))), "{event:?}");
}

/// Alice calls Bob, who rings.
fn ringing() -> (World, [Auth; 2], [String; 2]) {
    let mut w = World::new(ringback());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let out = w.dial(&a, "bob");
    let early = w.one(&a);
    assert_eq!((&early.state, early.provisional_sdp), (&EventState::SessionOpen, true));
    is_of(&early, "caller");
    let invitation = w.one(&b);
    assert_eq!(invitation.state, EventState::InvitationReceived);
    is_of(&invitation, "callee");
    let inc = item_id_of(&invitation.resource_url).expect("an id").to_owned();
    (w, [a, b], [out, inc])
}

fn talking() -> (World, [Auth; 2], [String; 2]) {
    let (mut w, [a, b], legs) = ringing();
    w.answer(&b, &legs[1]).expect("it rings");
    let open = w.one(&a);
    assert_eq!((open.state, open.sdp, open.provisional_sdp), (EventState::SessionOpen, None, false));
    assert_eq!(w.told(&b), [(EventState::SessionModified, None)]);
    assert_eq!(w.anchor_done, [AnchorTask::Connect { answer: OFFER.into() }]);
    (w, [a, b], legs)
}

/// Nothing is left of the anchor, and both may call again.
fn over(mut w: World, a: &Auth, b: &Auth) {
    assert_eq!((w.core.call_count(), w.anchors.len()), (0, 0));
    let out = w.dial(a, "bob");
    assert_eq!(w.told(a), [(EventState::SessionOpen, None)]);
    w.all(b);
    w.end(a, &out, DeleteReason::Cancel);
    assert!(w.anchors.is_empty());
}

#[test]
fn nobody_rings_before_the_tone_can_be_heard() {
    let mut w = World::new(ringback());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let answer = w.dial_raw(&a, "bob");
    assert!(matches!(answer, Ok(Answer::Call { .. })));
    w.pass(HOLD_BACK);
    assert!(w.all(&b).is_empty());
    assert!(w.anchor_works(true));
    assert_eq!(w.told(&b), [(EventState::InvitationReceived, None)]);
}

#[test]
fn every_end_before_the_answer_frees_the_anchor() {
    type End = fn(&mut World, &[Auth; 2], &[String; 2]);
    let ends: [End; 6] = [
        |w, [a, b], [out, _]| {
            w.end(a, out, DeleteReason::Cancel);
            assert_eq!(w.told(a), [(EventState::SessionTerminated, Some(reason::CALL_CANCELED.into()))]);
            assert_eq!(w.told(b), [(EventState::SessionTerminated, Some(reason::CALL_CANCELED.into()))]);
        },
        |w, [a, b], [_, inc]| {
            w.end(b, inc, DeleteReason::Reject);
            assert_eq!(w.told(a), [(EventState::SessionTerminated, Some(reason::USER_BUSY.into()))]);
            assert_eq!(w.told(b), [(EventState::SessionTerminated, None)]);
        },
        |w, [a, b], _| {
            w.wait(&[a, b], 59);
            w.pass(Duration::from_secs(1));
            assert_eq!(w.told(a), [(EventState::SessionTerminated, Some(reason::NO_ANSWER.into()))]);
            w.all(b);
        },
        |w, [a, b], _| {
            // The callee dials itself meanwhile: it is busy.
            let out = w.dial(b, "nobody");
            assert_eq!(w.told(a), [(EventState::SessionTerminated, Some(reason::USER_BUSY.into()))]);
            w.all(b);
            w.end(b, &out, DeleteReason::Cancel);
            w.all(b);
        },
        |w, [a, b], _| {
            w.wait(&[b], 45);
            w.all(a);
            w.all(b);
        },
        |w, [a, b], _| {
            let call = w.anchors[0].clone();
            w.tell(Input::AnchorFailed { call });
            assert_eq!(w.told(a), [(EventState::SessionTerminated, Some(reason::MEDIA_FAILED.into()))]);
            assert_eq!(w.told(b), [(EventState::SessionTerminated, Some(reason::CALL_CANCELED.into()))]);
        },
    ];
    for end in ends {
        let (mut w, phones, legs) = ringing();
        end(&mut w, &phones, &legs);
        let [a, b] = phones;
        over(w, &a, &b);
    }
    // Before anybody rings.
    let mut w = World::new(ringback());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let Ok(Answer::Call { location, .. }) = w.dial_raw(&a, "bob") else { panic!("a call") };
    w.end(&a, item_id_of(&location).expect("an id"), DeleteReason::Cancel);
    w.pass(Duration::from_secs(6));
    assert_eq!(w.told(&a), [(EventState::SessionTerminated, Some(reason::CALL_CANCELED.into()))]);
    assert!(w.all(&b).is_empty());
    over(w, &a, &b);
    // Whoever was free has gone meanwhile.
    let mut w = World::new(ringback());
    let (a, b) = (w.login("alice"), w.login("bob"));
    assert!(w.dial_raw(&a, "bob").is_ok());
    w.ask(Request::DeleteSession { auth: b }).expect("logout");
    w.anchor_works(true);
    w.pass(Duration::from_secs(6));
    assert_eq!(w.told(&a), [(EventState::SessionTerminated, Some(reason::NOT_AVAILABLE.into()))]);
    assert_eq!((w.core.call_count(), w.anchors.len()), (0, 0));
}

#[test]
fn without_an_anchor_the_call_goes_directly() {
    let mut w = World::new(ringback());
    let (a, b) = (w.login("alice"), w.login("bob"));
    assert!(w.dial_raw(&a, "bob").is_ok());
    w.anchor_works(false);
    w.pass(Duration::from_secs(6));
    let invitation = w.one(&b);
    assert_eq!(invitation.sdp.as_deref(), Some(OFFER));
    let inc = item_id_of(&invitation.resource_url).expect("an id").to_owned();
    w.answer(&b, &inc).expect("it rings");
    let open = w.one(&a);
    assert_eq!((open.sdp.as_deref(), open.provisional_sdp), (Some(OFFER), false));
    // Nor does a call with video, or one to the echo, get a tone.
    let mut w = World::new(ringback());
    let (a, b) = (w.login("alice"), w.login("bob"));
    let video = Some(sdp("actpass", &["sendrecv", "sendrecv"]));
    let request = |to: &str| Request::CreateCall {
        auth: a.clone(),
        called_party: Some(format!("sip:{to}@test")),
        sdp: video.clone(),
    };
    w.ask(request("bob")).expect("a call");
    w.ask(request("echo")).expect("a call");
    assert_eq!(w.one(&b).sdp, video);
    assert!(w.anchors.is_empty());
}

#[test]
fn several_devices_ring_with_one_offer_and_the_first_answer_wins() {
    let mut w = World::new(ringback());
    let (a, b, also_b) = (w.login("alice"), w.login("bob"), w.login("bob"));
    w.dial(&a, "bob");
    w.all(&a);
    let (inc, other) = (w.one(&b), w.one(&also_b));
    assert_eq!(inc.sdp, other.sdp);
    w.answer(&b, item_id_of(&inc.resource_url).expect("an id")).expect("it rings");
    assert_eq!(w.told(&also_b), [(EventState::SessionTerminated, Some(reason::CALL_CANCELED.into()))]);
    assert_eq!(w.anchor_done.len(), 1);
}

#[test]
fn hold_and_resume_go_through_the_gateway_from_both_sides() {
    for holder in [0, 1] {
        let (mut w, phones, legs) = talking();
        let (x, y) = (holder, 1 - holder);
        let (to_x, to_y) = if holder == 0 { ("caller", "callee") } else { ("callee", "caller") };
        for (offer, answer) in [("sendonly", "recvonly"), ("sendrecv", "sendrecv")] {
            let (offered, answered) = (sdp("actpass", &[offer]), sdp("active", &[answer]));
            w.modify(&phones[x], &legs[x], &offered).expect("free");
            let asked = w.one(&phones[y]);
            assert_eq!(asked.state, EventState::ModReceived);
            is_of(&asked, to_y);
            assert_eq!(shape(asked.sdp.as_deref().expect("an offer")), [Direction::parse(offer)]);
            let id = asked.mod_id.expect("an id");
            w.accept(&phones[y], &legs[y], &id, &answered).expect("asked");
            assert_eq!(w.finished(&phones[y], &id), None);
            let end = w.one(&phones[x]);
            assert_eq!((&end.state, end.mod_id.as_ref()), (&EventState::ModTerminated, Some(&id)));
            is_of(&end, to_x);
            assert_eq!(shape(end.sdp.as_deref().expect("an answer")), [Direction::parse(answer)]);
            let done = w.anchor_done.split_off(w.anchor_done.len() - 2);
            let (facing_x, facing_y) = (AnchorEnd::facing(x), AnchorEnd::facing(y));
            assert_eq!(done[0], AnchorTask::Answered { from: facing_y, answer: answered });
            assert!(
                matches!(&done[1], AnchorTask::Answer { to, offer, .. } if *to == facing_x && *offer == offered),
                "{done:?}"
            );
        }
    }
}

#[test]
fn a_silent_side_is_answered_for_and_brought_into_line_later() {
    let (mut w, [a, b], [out, inc]) = talking();
    w.modify(&a, &out, &sdp("actpass", &["sendonly"])).expect("free");
    let (id, _) = w.asked(&b);
    w.wait(&[&a, &b], 60);
    while w.anchor_works(true) {}
    let end = w.one(&a);
    is_of(&end, "caller");
    assert_eq!(shape(end.sdp.as_deref().expect("an answer")), [Some(Direction::RecvOnly)]);
    // The late answer says something else: Alice hears it.
    w.accept(&b, &inc, &id, &sdp("active", &["inactive"])).expect("remembered");
    assert_eq!(w.finished(&b, &id), None);
    let asked = w.one(&a);
    is_of(&asked, "caller");
    assert_eq!(shape(asked.sdp.as_deref().expect("an offer")), [Some(Direction::Inactive)]);
    let id = asked.mod_id.expect("an id");
    w.accept(&a, &out, &id, &sdp("active", &["inactive"])).expect("asked");
    assert_eq!(w.finished(&a, &id), None);
}

#[test]
fn an_upgrade_is_refused_without_asking() {
    let (mut w, [a, b], [out, inc]) = talking();
    w.modify(&a, &out, &sdp("actpass", &["sendrecv", "sendrecv"])).expect("free");
    assert!(w.all(&b).is_empty());
    let end = w.one(&a);
    is_of(&end, "caller");
    assert_eq!((&end.state, end.reason.as_deref()), (&EventState::ModTerminated, Some(reason::SUCCESS)));
    assert_eq!(end.sdp.as_deref().map(|sdp| sdp.matches("m=").count()), Some(2));
    w.modified((&b, &inc), (&a, &out), &sdp("actpass", &["sendonly"]), &sdp("active", &["recvonly"]));
}

#[test]
fn a_hangup_overtakes_a_description_that_is_being_made() {
    let (mut w, [a, b], [out, _]) = talking();
    let request = Request::ModifyCall { auth: a.clone(), leg: out.clone(), sdp: Some(sdp("actpass", &["sendonly"])) };
    assert!(w.ask(request).is_ok());
    assert_eq!(w.anchor_asked.len(), 1);
    assert!(w.all(&b).is_empty(), "the description is not there yet");
    let end = Request::EndCall { auth: a.clone(), leg: out, reason: DeleteReason::Terminate };
    assert!(w.ask(end).is_ok());
    assert_eq!(w.told(&b), [(EventState::SessionTerminated, Some(reason::CALL_TERMINATED.into()))]);
    assert!(w.anchors.is_empty());
    // It comes when nobody wants it any more.
    w.anchor_works(true);
    assert!(w.all(&b).is_empty());
    w.pass(Duration::from_secs(6));
    assert_eq!(w.told(&a), [(EventState::SessionTerminated, None)]);
}

#[test]
fn media_that_fails_ends_the_call_for_both() {
    let (mut w, [a, b], [out, _]) = talking();
    let request = Request::ModifyCall { auth: a.clone(), leg: out, sdp: Some(sdp("actpass", &["sendonly"])) };
    assert!(w.ask(request).is_ok());
    w.anchor_works(false);
    let failed = [(EventState::SessionTerminated, Some(reason::MEDIA_FAILED.to_owned()))];
    assert_eq!(w.told(&b), failed);
    w.pass(Duration::from_secs(6));
    assert_eq!(w.told(&a), failed);
    over(w, &a, &b);
}

#[test]
fn a_move_connects_the_phones_directly_and_frees_the_anchor() {
    for taken in [true, false] {
        let (mut w, [a, b], [out, inc]) = talking();
        let a2 = w.login("alice");
        w.move_call(&a, &out).expect("free");
        let rung = w.rung(&a2);
        w.take_over(&a2, &rung).expect("it rings");
        let (id, offer) = w.asked(&b);
        assert!(offer.as_deref().is_some_and(|sdp| sdp.contains("ufrag:new")), "as the new phone made it");
        if taken {
            w.accept(&b, &inc, &id, &sdp("active", &["sendrecv"])).expect("asked");
            assert_eq!(w.finished(&b, &id), None);
            let open = w.one(&a2);
            assert_eq!(open.sdp, Some(sdp("active", &["sendrecv"])), "as Bob made it");
            assert!(w.anchors.is_empty());
            w.all(&a);
            let (offer, answer) = (sdp("actpass", &["sendonly"]), sdp("active", &["recvonly"]));
            assert_eq!(w.modified((&a2, &rung), (&b, &inc), &offer, &answer), answer);
        } else {
            w.reject(&b, &inc, &id).expect("asked");
            w.finished(&b, &id);
            let events = w.all(&a);
            let states: Vec<_> = events.iter().map(|e| e.state.clone()).collect();
            let expected = [EventState::MoveTerminated, EventState::SessionModified, EventState::ModReceived];
            assert_eq!(states, expected);
            events[1..].iter().for_each(|event| is_of(event, "caller"));
            let id = events[2].mod_id.clone().expect("an id");
            w.accept(&a, &out, &id, &sdp("active", &["sendrecv"])).expect("asked");
            w.finished(&a, &id);
            w.all(&a2);
            let (offer, answer) = (sdp("actpass", &["sendonly"]), sdp("active", &["recvonly"]));
            is_of_text(&w.modified((&b, &inc), (&a, &out), &offer, &answer), "callee");
        }
    }
}

fn is_of_text(sdp: &str, end: &str) {
    assert!(sdp.contains(&format!("ufrag:to-{end}-")), "{sdp}");
}

#[test]
fn a_transfer_connects_the_phones_directly_and_frees_both_anchors() {
    let mut t = Three::with(ringback());
    assert_eq!(t.w.anchors.len(), 2);
    t.usable();
    t.begin();
    let (of_c, of_b) = t.offered();
    let answer = sdp("active", &["sendrecv"]).replace("ufrag:u", "ufrag:bob");
    t.w.accept(&t.b, &t.at_b, &of_b, &answer).expect("asked");
    assert_eq!(t.w.finished(&t.b, &of_b), None);
    assert_eq!(t.w.finished(&t.c, &of_c), Some(answer), "as Bob made it");
    assert_eq!(t.w.anchors.len(), 0);
    t.w.all(&t.a);
    let (offer, answer) = (sdp("actpass", &["sendonly"]), sdp("active", &["recvonly"]));
    let (b, c, at_b, at_c) = (t.b.clone(), t.c.clone(), t.at_b.clone(), t.at_c.clone());
    assert_eq!(t.w.modified((&b, &at_b), (&c, &at_c), &offer, &answer), answer);
}

#[test]
fn after_a_refused_transfer_both_calls_go_on_through_the_gateway() {
    let mut t = Three::with(ringback());
    t.begin();
    let (of_c, of_b) = t.offered();
    t.w.reject(&t.b, &t.at_b, &of_b).expect("asked");
    t.w.finished(&t.b, &of_b);
    t.w.finished(&t.c, &of_c);
    t.failed(reason::FORBIDDEN);
    assert_eq!(t.w.anchors.len(), 2);
    t.usable();
    assert_eq!(refused(t.w.modify(&t.a, "unknown", OFFER)), (400, Some("SVC0002")));
}
