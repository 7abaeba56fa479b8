//! Changes of calls between real phones over a real gateway: hold, a second call, transfer and move. What each party hears
//! is told by the frequency of the others' tones.
//!
//! Owns: what happens to established calls. Must not import: anything but the party and the ear.

use crate::ear::{Ear, answered, once_free, talker};
use crate::party::gateway;
use ewebrtc::{AnswerOptions, DialOptions, Error, Gateway, GatewayConfig};

#[tokio::test(flavor = "multi_thread")]
async fn held_means_silent_on_both_sides_whoever_holds() {
    let gateway = gateway().await;
    let mut alice = talker(&gateway, "alice", 440).await;
    let mut bob = talker(&gateway, "bob", 1000).await;
    let call = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    let at_bob = answered(&mut alice, &mut bob).await;
    let (ear_a, ear_b) = (Ear::of(&call), Ear::of(&at_bob));
    ear_a.hears(1000.0).await;
    ear_b.hears(440.0).await;

    alice.phone.hold().await.expect("hold");
    alice.until("call:held").await;
    let held = bob.until("call:held").await;
    assert_eq!((held.text("generator"), held.text("operation")), (Some("receiver"), Some("hold")));
    ear_a.hears_nothing().await;
    ear_b.hears_nothing().await;
    assert!(matches!(alice.phone.hold().await, Err(Error::Phone(_))), "it is held already");

    // The held party holds, too; then one after the other goes on.
    once_free(|| bob.phone.hold()).await;
    bob.until("call:held").await;
    once_free(|| alice.phone.resume()).await;
    alice.until("call:resumed").await;
    ear_a.hears_nothing().await;
    once_free(|| bob.phone.resume()).await;
    bob.until("call:resumed").await;
    ear_a.hears(1000.0).await;
    ear_b.hears(440.0).await;

    // Ten times, and a hang-up while held.
    for _ in 0..5 {
        once_free(|| bob.phone.hold()).await;
        once_free(|| bob.phone.resume()).await;
    }
    ear_a.hears(1000.0).await;
    ear_b.hears(440.0).await;
    once_free(|| alice.phone.hold()).await;
    bob.phone.hangup().await.expect("hangup");
    alice.until("call:disconnected").await;
    alice.leave().await;
    bob.leave().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_hold_at_the_same_moment_and_the_call_goes_on() {
    let gateway = gateway().await;
    let mut alice = talker(&gateway, "alice", 440).await;
    let mut bob = talker(&gateway, "bob", 1000).await;
    let call = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    let at_bob = answered(&mut alice, &mut bob).await;
    let (ear_a, ear_b) = (Ear::of(&call), Ear::of(&at_bob));
    for _ in 0..10 {
        let (a, b) = tokio::join!(alice.phone.hold(), bob.phone.hold());
        assert!(a.is_ok() || b.is_ok(), "one of them comes first: {a:?} {b:?}");
        for (phone, outcome) in [(&alice.phone, a), (&bob.phone, b)] {
            if outcome.is_ok() {
                once_free(|| phone.resume()).await;
            }
        }
    }
    ear_a.hears(1000.0).await;
    ear_b.hears(440.0).await;
    call.hangup().await.expect("hangup");
    bob.until("call:disconnected").await;
    alice.leave().await;
    bob.leave().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_calls_change_places_and_the_first_goes_on_when_the_second_ends() {
    let gateway = gateway().await;
    let mut alice = talker(&gateway, "alice", 440).await;
    let mut bob = talker(&gateway, "bob", 1000).await;
    let mut carol = talker(&gateway, "carol", 1700).await;
    let first = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    let at_bob = answered(&mut alice, &mut bob).await;
    let second = alice.phone.add_call(DialOptions::new("carol")).await.expect("addCall");
    let at_carol = answered(&mut alice, &mut carol).await;
    let (to_bob, to_carol) = (Ear::of(&first), Ear::of(&second));
    let (ear_b, ear_c) = (Ear::of(&at_bob), Ear::of(&at_carol));
    to_carol.hears(1700.0).await;
    ear_c.hears(440.0).await;
    ear_b.hears_nothing().await;
    assert_eq!(alice.phone.calls().await.expect("calls").len(), 2);

    alice.phone.switch_call().await.expect("switch");
    alice.until("session:call-switched").await;
    to_bob.hears(1000.0).await;
    ear_b.hears(440.0).await;
    ear_c.hears_nothing().await;

    first.hangup().await.expect("hangup");
    bob.until("call:disconnected").await;
    // What was held for another call is taken up again (phone-behaviour.md section 8).
    to_carol.hears(1700.0).await;
    ear_c.hears(440.0).await;
    second.hangup().await.expect("hangup");
    carol.until("call:disconnected").await;
    for party in [alice, bob, carol] {
        party.leave().await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_caller_is_answered_with_the_first_one_on_hold_or_gone() {
    let gateway = gateway().await;
    let mut alice = talker(&gateway, "alice", 440).await;
    let mut bob = talker(&gateway, "bob", 1000).await;
    let mut carol = talker(&gateway, "carol", 1700).await;
    for action in ["hold", "end"] {
        let at_bob = bob.phone.dial(DialOptions::new("alice")).await.expect("dial");
        answered(&mut bob, &mut alice).await;
        let ear_b = Ear::of(&at_bob);
        ear_b.hears(440.0).await;
        let at_carol = carol.phone.dial(DialOptions::new("alice")).await.expect("dial");
        let second = alice.until("call:incoming").await.call().expect("a handle");
        let options = AnswerOptions { action: Some(action.into()), ..AnswerOptions::default() };
        alice.phone.answer(options).await.expect("answer");
        carol.until("media:established").await;
        let (ear_a, ear_c) = (Ear::of(&alice.phone.call(second)), Ear::of(&at_carol));
        ear_a.hears(1700.0).await;
        ear_c.hears(440.0).await;
        if action == "end" {
            bob.until("call:disconnected").await;
            assert_eq!(alice.phone.calls().await.expect("calls").len(), 1);
            at_carol.hangup().await.expect("hangup");
        } else {
            ear_b.hears_nothing().await;
            assert_eq!(alice.phone.calls().await.expect("calls").len(), 2);
            // The first one is taken up again when the second is over.
            at_carol.hangup().await.expect("hangup");
            alice.until("call:resumed").await;
            ear_b.hears(440.0).await;
            at_bob.hangup().await.expect("hangup");
        }
        alice.until("call:disconnected").await;
        while !alice.phone.calls().await.expect("calls").is_empty() {
            alice.until("call:disconnected").await;
        }
    }
    for party in [alice, bob, carol] {
        party.leave().await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_brings_the_two_others_together() {
    let gateway = gateway().await;
    let mut alice = talker(&gateway, "alice", 440).await;
    let mut bob = talker(&gateway, "bob", 1000).await;
    let mut carol = talker(&gateway, "carol", 1700).await;
    alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    let at_bob = answered(&mut alice, &mut bob).await;
    alice.phone.add_call(DialOptions::new("carol")).await.expect("addCall");
    let at_carol = answered(&mut alice, &mut carol).await;
    let (ear_b, ear_c) = (Ear::of(&at_bob), Ear::of(&at_carol));
    ear_c.hears(440.0).await;

    alice.phone.transfer().await.expect("transfer");
    alice.until("call:transferred").await;
    for _ in 0..2 {
        alice.until("call:disconnected").await;
    }
    ear_b.hears(1700.0).await;
    ear_c.hears(1000.0).await;
    assert!(alice.phone.calls().await.expect("calls").is_empty());
    // From here on each names the other (D-28).
    at_bob.hangup().await.expect("hangup");
    let (at_bob, at_carol) = (bob.until("call:disconnected").await, carol.until("call:disconnected").await);
    assert_eq!(at_bob.text("from"), Some("sip:carol@ewebrtc.local"));
    assert_eq!(at_carol.text("from"), Some("sip:bob@ewebrtc.local"));
    for party in [alice, bob, carol] {
        party.leave().await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_moves_to_another_device_or_stays() {
    let gateway = gateway().await;
    let mut desk = talker(&gateway, "alice", 440).await;
    let mut bob = talker(&gateway, "bob", 1000).await;
    let call = desk.phone.dial(DialOptions::new("bob")).await.expect("dial");
    let at_bob = answered(&mut desk, &mut bob).await;
    let (ear_d, ear_b) = (Ear::of(&call), Ear::of(&at_bob));
    ear_b.hears(440.0).await;
    assert!(matches!(desk.phone.move_call().await, Err(Error::Phone(_))), "there is no other device");
    ear_b.hears(440.0).await;
    ear_d.hears(1000.0).await;

    let mut mobile = talker(&gateway, "alice", 2300).await;
    let moving = tokio::spawn({
        let phone = desk.phone.clone();
        async move { phone.move_call().await }
    });
    let incoming = mobile.until("call:incoming").await.call().expect("a handle");
    mobile.phone.answer(AnswerOptions::default()).await.expect("answer");
    moving.await.expect("the task ran").expect("move");
    desk.until("call:moved").await;
    desk.until("call:disconnected").await;
    let ear_m = Ear::of(&mobile.phone.call(incoming));
    ear_m.hears(1000.0).await;
    ear_b.hears(2300.0).await;
    mobile.phone.hangup().await.expect("hangup");
    bob.until("call:disconnected").await;
    for party in [desk, mobile, bob] {
        party.leave().await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_nobody_takes_leaves_the_call_where_it_was() {
    let mut config = GatewayConfig::development();
    config.ring_seconds = 1;
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    let mut desk = talker(&gateway, "alice", 440).await;
    let mut mobile = talker(&gateway, "alice", 2300).await;
    let mut bob = talker(&gateway, "bob", 1000).await;
    let call = desk.phone.dial(DialOptions::new("bob")).await.expect("dial");
    let at_bob = answered(&mut desk, &mut bob).await;
    let (ear_d, ear_b) = (Ear::of(&call), Ear::of(&at_bob));
    for refused in [false, true] {
        let moving = tokio::spawn({
            let phone = desk.phone.clone();
            async move { phone.move_call().await }
        });
        mobile.until("call:incoming").await;
        if refused {
            mobile.phone.reject().await.expect("reject");
            mobile.until("call:rejected").await;
        } else {
            mobile.until("call:canceled").await;
        }
        let error = moving.await.expect("the task ran").expect_err("nobody took it");
        assert_eq!(error.code(), Some("4000"), "{error}");
        ear_b.hears(440.0).await;
        ear_d.hears(1000.0).await;
        // Free for what comes next.
        once_free(|| desk.phone.hold()).await;
        ear_b.hears_nothing().await;
        once_free(|| desk.phone.resume()).await;
        ear_b.hears(440.0).await;
    }
    call.hangup().await.expect("hangup");
    bob.until("call:disconnected").await;
    for party in [desk, mobile, bob] {
        party.leave().await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_hangs_up_while_a_move_rings_ends_it_everywhere() {
    let gateway = gateway().await;
    let mut desk = talker(&gateway, "alice", 440).await;
    let mut mobile = talker(&gateway, "alice", 2300).await;
    let mut bob = talker(&gateway, "bob", 1000).await;
    for by_the_mover in [true, false] {
        let call = desk.phone.dial(DialOptions::new("bob")).await.expect("dial");
        let at_bob = answered(&mut desk, &mut bob).await;
        let moving = tokio::spawn({
            let phone = desk.phone.clone();
            async move { phone.move_call().await }
        });
        mobile.until("call:incoming").await;
        if by_the_mover {
            call.hangup().await.expect("hangup");
            bob.until("call:disconnected").await;
        } else {
            at_bob.hangup().await.expect("hangup");
        }
        desk.until("call:disconnected").await;
        mobile.until("call:canceled").await;
        moving.await.expect("the task ran").expect_err("it ended with the call");
        for phone in [&desk, &mobile, &bob] {
            assert!(phone.phone.calls().await.expect("calls").is_empty());
        }
    }
    for party in [desk, mobile, bob] {
        party.leave().await;
    }
    gateway.stop().await;
}
