//! Calls over a gateway that makes a ringback tone: real phones hear it before the answer, and each other after it, through
//! the gateway.
//!
//! Owns: early media as a user meets it. Must not import: anything but the party and the ear.

use crate::ear::{Ear, answered, once_free, talker};
use crate::party::{PATIENCE, Party};
use ewebrtc::{AnswerOptions, AudioCodec, DialOptions, Error, Gateway, GatewayConfig};
use ewebrtc_media::analysis::tone_level;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Frequency of the ringback tone.
const RINGBACK: f64 = 425.0;

async fn gateway() -> Gateway {
    let config = GatewayConfig { ringback: true, ..GatewayConfig::development() };
    Gateway::start(config).await.expect("the gateway starts")
}

fn recording(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ringback");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join(name)
}

/// Samples of a finished recording at 48 kHz.
fn samples(path: &Path) -> Vec<i16> {
    let (samples, rate) = ewebrtc_media::analysis::read_wav(path).expect("a recording");
    assert_eq!(rate, 48_000);
    samples
}

/// Quarters of a second in which this tone is heard.
fn quarters(samples: &[i16], hz: f64) -> Vec<usize> {
    let level = |piece: &[i16]| tone_level(piece, 48_000, hz);
    samples.chunks_exact(12_000).enumerate().filter(|(_, piece)| level(piece) > 0.05).map(|(n, _)| n).collect()
}

fn without_media(names: Vec<String>) -> Vec<String> {
    names.into_iter().filter(|name| name != "media:established").collect()
}

fn count(party: &Party, name: &str) -> usize {
    party.names().iter().filter(|n| *n == name).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_hears_ringback_then_the_callee_who_hears_only_the_caller() {
    let gateway = gateway().await;
    let (at_alice, at_bob) = (recording("alice.wav"), recording("bob.wav"));
    let with = |hz: u32, file: &Path| {
        let file = format!("wav:{}", file.display());
        move |config: &mut ewebrtc::PhoneConfig| {
            config.opus_complexity = 5;
            config.local_media = format!("tone:{hz}");
            config.remote_media = file;
        }
    };
    let mut alice = Party::login_with(&gateway, "alice", with(1700, &at_alice)).await;
    let mut bob = Party::login_with(&gateway, "bob", with(1000, &at_bob)).await;
    alice.forget();
    bob.forget();
    let call = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    bob.until("call:incoming").await;
    let ringback = alice.until("call:ringback-provided").await;
    assert_eq!(ringback.text("to"), Some("bob"));
    assert!(ringback.get("codec").is_some_and(|codec| codec.to_string().contains("opus")));
    // The first tone lasts a second; the user hears all of it.
    tokio::time::timeout(PATIENCE, async {
        while call.stats().is_none_or(|stats| stats.packets_received < 100) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("two seconds of early media");
    assert!(!alice.phone.is_call_in_progress().await.expect("answered"), "the call is not established");
    bob.phone.answer(AnswerOptions::default()).await.expect("answer");
    alice.until("media:established").await;
    bob.until("media:established").await;
    let heard = |call: &ewebrtc::Call, from: u64| call.stats().is_some_and(|s| s.packets_received >= from + 75);
    let so_far = call.stats().expect("a leg").packets_received;
    tokio::time::timeout(PATIENCE, async {
        while !heard(&call, so_far) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("a second and a half of the callee");
    call.hangup().await.expect("hangup");
    alice.until("call:disconnected").await;
    bob.until("call:disconnected").await;
    let established = alice.names().iter().position(|n| n == "media:established").expect("seen");
    let connected = alice.names().iter().position(|n| n == "call:connected").expect("seen");
    assert!(established > connected, "{:?}", alice.names());
    for party in [&alice, &bob] {
        assert_eq!(count(party, "media:established"), 1, "{:?}", party.names());
    }
    assert_eq!(
        without_media(alice.names()),
        [
            "dialing",
            "sc created>connecting",
            "call:connecting",
            "call:ringback-provided",
            "sc connecting>connected",
            "call:connected",
            "sc connected>disconnecting",
            "call:disconnecting",
            "sc disconnecting>disconnected",
            "call:disconnected"
        ]
    );
    assert_eq!(
        without_media(bob.names()),
        [
            "call:incoming",
            "answering",
            "sc created>connecting",
            "call:connecting",
            "sc connecting>connected",
            "call:connected",
            "sc connected>disconnected",
            "call:disconnected"
        ]
    );
    alice.leave().await;
    bob.leave().await;
    gateway.stop().await;
    let heard = samples(&at_alice);
    let (ringback, callee) = (quarters(&heard, RINGBACK), quarters(&heard, 1000.0));
    assert!(ringback.len() >= 3, "{ringback:?}");
    assert!(callee.len() >= 3, "{callee:?}");
    assert!(ringback.last() < callee.first(), "one after the other: {ringback:?} {callee:?}");
    assert!(quarters(&heard, 1700.0).is_empty(), "not her own voice");
    let heard = samples(&at_bob);
    assert!(quarters(&heard, RINGBACK).is_empty(), "the tone is for the caller alone");
    assert!(quarters(&heard, 1700.0).len() >= 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_silent_and_goes_on_after_the_resume() {
    let gateway = gateway().await;
    let mut alice = talker(&gateway, "alice", 440).await;
    let mut bob = talker(&gateway, "bob", 1000).await;
    let call = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    alice.until("call:ringback-provided").await;
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
    once_free(|| bob.phone.hold()).await;
    bob.until("call:held").await;
    once_free(|| alice.phone.resume()).await;
    alice.until("call:resumed").await;
    ear_a.hears_nothing().await;
    once_free(|| bob.phone.resume()).await;
    bob.until("call:resumed").await;
    ear_a.hears(1000.0).await;
    ear_b.hears(440.0).await;
    for _ in 0..5 {
        once_free(|| bob.phone.hold()).await;
        once_free(|| bob.phone.resume()).await;
    }
    ear_a.hears(1000.0).await;
    ear_b.hears(440.0).await;
    assert_eq!((count(&alice, "media:established"), count(&bob, "media:established")), (1, 1));
    once_free(|| alice.phone.hold()).await;
    bob.phone.hangup().await.expect("hangup");
    alice.until("call:disconnected").await;
    alice.leave().await;
    bob.leave().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parties_without_a_common_codec_hear_each_other() {
    let gateway = gateway().await;
    let with = |hz: u32, codec: AudioCodec| {
        move |config: &mut ewebrtc::PhoneConfig| {
            config.audio_codecs = vec![codec];
            config.local_media = format!("tone:{hz}");
            config.remote_media = "pcm".into();
        }
    };
    let mut alice = Party::login_with(&gateway, "alice", |c| {
        with(440, AudioCodec::Opus)(c);
        c.audio_codecs = vec![AudioCodec::Opus, AudioCodec::Pcmu];
    })
    .await;
    let mut bob = Party::login_with(&gateway, "bob", with(1000, AudioCodec::Pcmu)).await;
    let call = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    let at_bob = answered(&mut alice, &mut bob).await;
    Ear::of(&call).hears(1000.0).await;
    Ear::of(&at_bob).hears(440.0).await;
    call.hangup().await.expect("hangup");
    bob.until("call:disconnected").await;
    alice.leave().await;
    bob.leave().await;
    gateway.stop().await;
}

/// The caller's events of a call that is not answered, once it has rung.
async fn unanswered(ending: &str) -> (Gateway, Party, Party) {
    let config = GatewayConfig { ringback: true, ring_seconds: 3, ..GatewayConfig::development() };
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    let (mut alice, mut bob) = (Party::login(&gateway, "alice").await, Party::login(&gateway, "bob").await);
    alice.forget();
    bob.forget();
    alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    bob.until("call:incoming").await;
    alice.until("call:ringback-provided").await;
    match ending {
        "cancel" => alice.phone.cancel().await.expect("cancel"),
        "reject" => bob.phone.reject().await.expect("reject"),
        _ => {}
    }
    (gateway, alice, bob)
}

const BEFORE: [&str; 4] = ["dialing", "sc created>connecting", "call:connecting", "call:ringback-provided"];

/// Both are free for another call with a tone.
async fn again(gateway: Gateway, mut alice: Party, mut bob: Party) {
    alice.forget();
    let call = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    alice.until("call:ringback-provided").await;
    answered(&mut alice, &mut bob).await;
    call.hangup().await.expect("hangup");
    bob.until("call:disconnected").await;
    alice.leave().await;
    bob.leave().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_cancelled_while_the_tone_is_heard() {
    let (gateway, mut alice, mut bob) = unanswered("cancel").await;
    alice.until("call:canceled").await;
    bob.until("call:canceled").await;
    assert_eq!(alice.names()[..4], BEFORE);
    assert_eq!(alice.names()[4..], ["sc connecting>canceled", "call:canceled"]);
    assert_eq!(bob.names(), ["call:incoming", "sc created>canceled", "call:canceled"]);
    again(gateway, alice, bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_rejected_while_the_tone_is_heard() {
    let (gateway, mut alice, mut bob) = unanswered("reject").await;
    alice.until("call:rejected").await;
    bob.until("call:rejected").await;
    assert_eq!(alice.names()[..4], BEFORE);
    assert_eq!(alice.names()[4..], ["sc connecting>rejected", "call:rejected"]);
    again(gateway, alice, bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_answers_and_the_tone_ends_with_the_call() {
    let (gateway, mut alice, mut bob) = unanswered("no answer").await;
    assert_eq!(alice.until("call:disconnected").await.text("message"), Some("No answer"));
    bob.until("call:canceled").await;
    assert_eq!(alice.names()[..4], BEFORE);
    assert_eq!(alice.names()[4..], ["sc connecting>disconnected", "call:disconnected"]);
    again(gateway, alice, bob).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_be_reached_is_told_without_a_tone() {
    let gateway = gateway().await;
    gateway.dev_token("dora").await.expect("a user without a session");
    let mut alice = Party::login(&gateway, "alice").await;
    for (who, why) in [("dora", "Not available"), ("nobody", "Not found")] {
        alice.forget();
        alice.phone.dial(DialOptions::new(who)).await.expect("dial");
        assert_eq!(alice.until("call:disconnected").await.text("message"), Some(why));
        assert_eq!(count(&alice, "call:ringback-provided"), 0);
    }
    alice.leave().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_calls_at_once_have_their_own_tones_and_voices() {
    let gateway = gateway().await;
    let mut alice = talker(&gateway, "alice", 440).await;
    let mut bob = talker(&gateway, "bob", 1000).await;
    let mut carol = talker(&gateway, "carol", 1700).await;
    let mut dave = talker(&gateway, "dave", 2300).await;
    let first = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    let second = carol.phone.dial(DialOptions::new("dave")).await.expect("dial");
    let (ear_a, ear_c) = (Ear::of(&first), Ear::of(&second));
    tokio::join!(ear_a.hears(RINGBACK), ear_c.hears(RINGBACK));
    let at_bob = answered(&mut alice, &mut bob).await;
    let at_dave = answered(&mut carol, &mut dave).await;
    ear_a.hears(1000.0).await;
    ear_c.hears(2300.0).await;
    Ear::of(&at_bob).hears(440.0).await;
    Ear::of(&at_dave).hears(1700.0).await;
    // One more from a phone that has a call already: the first is held meanwhile.
    carol.phone.hangup().await.expect("hangup");
    dave.until("call:disconnected").await;
    carol.until("call:disconnected").await;
    alice.forget();
    let added = alice.phone.add_call(DialOptions::new("carol")).await.expect("addCall");
    alice.until("call:ringback-provided").await;
    let at_carol = answered(&mut alice, &mut carol).await;
    Ear::of(&added).hears(1700.0).await;
    Ear::of(&at_carol).hears(440.0).await;
    alice.phone.switch_call().await.expect("switch");
    alice.until("session:call-switched").await;
    ear_a.hears(1000.0).await;
    for party in [alice, bob, carol, dave] {
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
    ear_b.hears(1700.0).await;
    ear_c.hears(1000.0).await;
    // What comes after it goes from phone to phone.
    once_free(|| bob.phone.hold()).await;
    ear_c.hears_nothing().await;
    once_free(|| bob.phone.resume()).await;
    ear_c.hears(1000.0).await;
    at_bob.hangup().await.expect("hangup");
    carol.until("call:disconnected").await;
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
    desk.until("call:disconnected").await;
    Ear::of(&mobile.phone.call(incoming)).hears(1000.0).await;
    ear_b.hears(2300.0).await;
    mobile.phone.hangup().await.expect("hangup");
    bob.until("call:disconnected").await;
    for party in [desk, mobile, bob] {
        party.leave().await;
    }
    gateway.stop().await;
}
