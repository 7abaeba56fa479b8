//! Keys between real phones over a real gateway: what is pressed at one is heard at the other, once each and in order.
//!
//! Owns: telephone events from end to end. Must not import: anything but the party.

use crate::party::{PATIENCE, Party, gateway};
use ewebrtc::{AnswerOptions, AudioCodec, Call, DialOptions, Error, Event, Gateway, GatewayConfig, PhoneConfig};
use serde_json::json;
use std::time::Duration;

/// Alice and bob in a call, with these codecs: alice, bob, and the call at each.
async fn talking(gateway: &Gateway, codecs: &[AudioCodec]) -> (Party, Party, Call, Call) {
    let set = |config: &mut PhoneConfig| {
        config.audio_codecs = codecs.to_vec();
        config.opus_complexity = 5;
        config.local_media = "tone:440".into();
    };
    let mut alice = Party::login_with(gateway, "alice", set).await;
    let mut bob = Party::login_with(gateway, "bob", set).await;
    let call = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    let incoming = bob.until("call:incoming").await.call().expect("a handle");
    bob.phone.answer(AnswerOptions::default()).await.expect("answer");
    alice.until("media:established").await;
    bob.until("media:established").await;
    let answered = bob.phone.call(incoming);
    (alice, bob, call, answered)
}

/// Waits until bob has heard as many keys as these, and then for more keys than that; gives all of them.
async fn heard(party: &mut Party, keys: &str) -> String {
    let heard = |party: &Party| -> String {
        let keys = party.seen().iter().filter(|event| event.name() == "dtmf:received");
        keys.filter_map(|event| event.text("tone")).collect()
    };
    while heard(party).len() < keys.len() {
        party.until("dtmf:received").await;
    }
    party.settle(Duration::from_millis(400)).await;
    heard(party)
}

fn told(party: &Party) -> Vec<String> {
    let tones = party.seen().iter().filter(|event| event.name().starts_with("dtmf:tone"));
    let short = |event: &Event| {
        let what = event.name().trim_start_matches("dtmf:tone-").to_owned();
        format!("{what} {}", event.text("tone").unwrap_or("?"))
    };
    tones.map(short).collect()
}

/// Milliseconds of an event's time within its minute.
fn millis(event: &Event) -> i64 {
    let text: String = event.timestamp()[17..23].chars().filter(char::is_ascii_digit).collect();
    text.parse().expect("seconds with three digits behind the point")
}

fn pairs(keys: &str) -> Vec<String> {
    keys.chars().flat_map(|key| [format!("sending {key}"), format!("sent {key}")]).collect()
}

#[tokio::test]
async fn keys_are_heard_once_each_and_in_order_with_every_codec() {
    let gateway = gateway().await;
    for codec in [AudioCodec::Opus, AudioCodec::Pcmu] {
        let (mut alice, mut bob, call, answered) = talking(&gateway, &[codec]).await;
        assert_eq!(call.stats().and_then(|stats| stats.codec), Some(codec));
        alice.phone.send_dtmf_tone("1123#*0AD,", None).await.expect("all are sent");
        alice.phone.send_dtmf_tone("b", Some(Duration::from_millis(200))).await.expect("sent");
        assert_eq!(heard(&mut bob, "1123#*0ADB").await, "1123#*0ADB", "{codec:?}");
        alice.settle(Duration::from_millis(100)).await;
        assert_eq!(told(&alice), pairs("1123#*0ADB"), "{codec:?}");

        let find = |party: &Party, name: &str| party.seen().iter().find(|e| e.name() == name).expect("raised").clone();
        let (sending, sent) = (find(&alice, "dtmf:tone-sending"), find(&alice, "dtmf:tone-sent"));
        let received = find(&bob, "dtmf:received");
        assert_eq!((sending.call(), received.call()), (Some(call.handle()), Some(answered.handle())));
        assert_eq!((sent.text("to"), sent.text("from")), (Some("bob"), Some("sip:alice@ewebrtc.local")));
        assert_eq!(
            (received.text("to"), received.text("from")),
            (Some("sip:bob@ewebrtc.local"), Some("sip:alice@ewebrtc.local"))
        );
        // The time is that of the tone's begin, though the event comes at its end, 120 ms later.
        let apart = (millis(&sent) - millis(&sending)).rem_euclid(60_000);
        assert!(!(60..=59_940).contains(&apart), "{} {}", sent.timestamp(), sending.timestamp());
        let stats = answered.stats().expect("figures");
        assert_eq!((stats.packets_unknown, stats.telephone_events), (0, 70), "seven packets for each key");
        alice.leave().await;
        bob.until("call:disconnected").await;
        bob.leave().await;
    }
    gateway.stop().await;
}

#[tokio::test]
async fn both_sides_press_keys_at_once_and_while_muted() {
    let gateway = gateway().await;
    let (mut alice, mut bob, call, answered) = talking(&gateway, &[AudioCodec::Opus, AudioCodec::Pcma]).await;
    call.mute().await.expect("muted");
    let (one, other) = tokio::join!(call.send_dtmf_tone("159", None), answered.send_dtmf_tone("*#7", None));
    one.expect("sent");
    other.expect("sent");
    assert_eq!(heard(&mut bob, "159").await, "159");
    assert_eq!(heard(&mut alice, "*#7").await, "*#7");
    alice.leave().await;
    bob.until("call:disconnected").await;
    bob.leave().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_second_order_is_appended_and_each_completes_with_its_last_tone() {
    let gateway = gateway().await;
    let (mut alice, mut bob, call, _) = talking(&gateway, &[AudioCodec::Opus]).await;
    let first = alice.phone.invoke_async("sendDTMFTone", json!({"input": "1212"}), Some("first")).await;
    let second = alice.phone.invoke_async("sendDTMFTone", json!({"input": "34", "gap": 5}), Some("second")).await;
    assert_eq!((first, second), (Ok(json!(null)), Ok(json!(null))));
    call.send_dtmf_tone("5", None).await.expect("sent");
    assert_eq!(heard(&mut bob, "1212345").await, "1212345");
    alice.settle(Duration::from_millis(100)).await;
    assert_eq!(told(&alice), pairs("1212345"));
    let at = |name: &str, tag: &str| alice.seen().iter().position(|e| e.name() == name && e.tag() == Some(tag));
    assert!(at("dtmf:tone-sending", "second") > at("command:finished", "first"));
    assert!(at("command:finished", "second").is_some());
    alice.leave().await;
    bob.until("call:disconnected").await;
    bob.leave().await;
    gateway.stop().await;
}

#[tokio::test]
async fn keys_of_a_held_party_wait_for_the_resume() {
    let gateway = gateway().await;
    let (mut alice, mut bob, call, _) = talking(&gateway, &[AudioCodec::Opus]).await;
    // One half is under way when the hold comes, the other is pressed during the hold.
    alice.phone.invoke_async("sendDTMFTone", json!({"input": "0123456789"}), Some("before")).await.expect("accepted");
    bob.until("dtmf:received").await;
    bob.phone.hold().await.expect("held");
    alice.until("call:held").await;
    alice.phone.invoke_async("sendDTMFTone", json!({"input": "*"}), Some("during")).await.expect("accepted");
    assert_eq!(bob.phone.send_dtmf_tone("1", None).await.expect_err("refused").code(), Some("4741"), "we hold");
    alice.settle(Duration::from_millis(500)).await;
    let before = told(&alice);
    alice.settle(Duration::from_secs(1)).await;
    assert_eq!(told(&alice), before, "nothing is sent on hold");
    assert!(before.len() < 20, "the hold came in the middle: {before:?}");
    bob.phone.resume().await.expect("resumed");
    assert_eq!(heard(&mut bob, "0123456789*").await, "0123456789*");
    alice.settle(Duration::from_millis(100)).await;
    assert_eq!(told(&alice), pairs("0123456789*"));
    call.send_dtmf_tone("#", None).await.expect("sent");
    assert_eq!(heard(&mut bob, "0123456789*#").await, "0123456789*#");
    alice.leave().await;
    bob.until("call:disconnected").await;
    bob.leave().await;
    gateway.stop().await;
}

#[tokio::test]
async fn a_hang_up_among_the_tones_ends_only_what_was_not_sent() {
    let gateway = gateway().await;
    let (mut alice, mut bob, call, _) = talking(&gateway, &[AudioCodec::Opus]).await;
    let tones = tokio::spawn({
        let call = call.clone();
        async move { call.send_dtmf_tone("111111111111111111", None).await }
    });
    bob.until("dtmf:received").await;
    bob.until("dtmf:received").await;
    alice.phone.hangup().await.expect("hung up");
    let outcome = tokio::time::timeout(PATIENCE, tones).await.expect("in time").expect("no panic");
    assert_eq!(outcome.expect_err("not all were sent").code(), Some("4700"));
    alice.until("call:disconnected").await;
    bob.until("call:disconnected").await;
    let after = alice.seen().iter().rev().take_while(|e| e.name() != "call:disconnecting");
    assert!(after.into_iter().all(|e| !e.name().starts_with("dtmf:")), "{:?}", alice.names());
    assert_eq!(call.send_dtmf_tone("1", None).await, Err(Error::NotFound));
    // The next call is as good as any.
    let call = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    bob.until("call:incoming").await;
    bob.phone.answer(AnswerOptions::default()).await.expect("answer");
    alice.until("call:connected").await;
    bob.forget();
    call.send_dtmf_tone("42", None).await.expect("sent");
    assert_eq!(heard(&mut bob, "42").await, "42");
    alice.leave().await;
    bob.until("call:disconnected").await;
    bob.leave().await;
    gateway.stop().await;
}

#[tokio::test]
async fn keys_go_to_the_party_after_a_transfer_and_none_is_heard_twice() {
    let gateway = gateway().await;
    let (mut alice, mut bob, _, at_bob) = talking(&gateway, &[AudioCodec::Opus]).await;
    let mut carol = Party::login(&gateway, "carol").await;
    at_bob.send_dtmf_tone("12", None).await.expect("sent");
    assert_eq!(heard(&mut alice, "12").await, "12");
    let added = alice.phone.add_call(DialOptions::new("carol")).await.expect("added");
    carol.until("call:incoming").await;
    carol.phone.answer(AnswerOptions::default()).await.expect("answer");
    alice.until("call:connected").await;
    added.send_dtmf_tone("3", None).await.expect("sent");
    assert_eq!(heard(&mut carol, "3").await, "3");
    bob.until("call:held").await;
    alice.phone.transfer().await.expect("transferred");
    bob.until("call:resumed").await;
    at_bob.send_dtmf_tone("45", None).await.expect("sent");
    assert_eq!(heard(&mut carol, "345").await, "345");
    carol.phone.send_dtmf_tone("67", None).await.expect("sent");
    assert_eq!(heard(&mut bob, "67").await, "67");
    alice.leave().await;
    bob.leave().await;
    carol.until("call:disconnected").await;
    carol.leave().await;
    gateway.stop().await;
}

#[tokio::test]
async fn wrong_orders_have_their_codes() {
    let gateway = gateway().await;
    let phone = Party::new(PhoneConfig::new(gateway.url()));
    let refused = async |party: &Party, options, code: &str| {
        let error = party.phone.invoke_async("sendDTMFTone", options, None).await.expect_err("refused");
        assert_eq!(error.code(), Some(code), "{error:?}");
    };
    refused(&phone, json!(null), "4711").await;
    refused(&phone, json!({"input": "1"}), "4721").await;
    phone.phone.set_connectivity(false);
    refused(&phone, json!({"input": "1"}), "0002").await;
    phone.phone.close();
    phone.phone.closed().await;
    assert_eq!(phone.phone.send_dtmf_tone("1", None).await, Err(Error::Closed));

    let alice = Party::login(&gateway, "alice").await;
    refused(&alice, json!({"input": "1"}), "4731").await;
    for wrong in
        [json!({}), json!({"input": ""}), json!({"input": 1}), json!({"input": "12x"}), json!({"input": "1 2"})]
    {
        refused(&alice, wrong, "4712").await;
    }
    let call = alice.phone.dial(DialOptions::new("nobody-here")).await.expect("dial");
    let error = call.send_dtmf_tone("1", None).await.expect_err("it is not connected");
    assert!(matches!(error.code(), Some("4731")) || error == Error::NotFound, "{error:?}");
    alice.leave().await;
    gateway.stop().await;
}

/// With a ringback tone the gateway stands between the parties, and may have to tell one codec's clock in the other's.
#[tokio::test]
async fn keys_pass_the_media_of_the_gateway() {
    let config = GatewayConfig { ringback: true, ..GatewayConfig::development() };
    let gateway = Gateway::start(config).await.expect("a gateway");
    let (opus, pcmu, pcma) = (AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Pcma);
    for (one, other) in [(vec![opus], vec![opus]), (vec![opus, pcmu], vec![pcmu]), (vec![pcma, opus], vec![opus])] {
        let mut alice = Party::login_with(&gateway, "alice", |config| config.audio_codecs.clone_from(&one)).await;
        let mut bob = Party::login_with(&gateway, "bob", |config| config.audio_codecs.clone_from(&other)).await;
        let call = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
        let answered = bob.until("call:incoming").await.call().expect("a handle");
        bob.phone.answer(AnswerOptions::default()).await.expect("answer");
        alice.until("media:established").await;
        bob.until("media:established").await;
        let answered = bob.phone.call(answered);
        let (to, back) = tokio::join!(call.send_dtmf_tone("1123#", None), answered.send_dtmf_tone("*0A", None));
        to.expect("sent");
        back.expect("sent");
        assert_eq!(heard(&mut bob, "1123#").await, "1123#", "{one:?} to {other:?}");
        assert_eq!(heard(&mut alice, "*0A").await, "*0A", "{other:?} to {one:?}");
        alice.leave().await;
        bob.until("call:disconnected").await;
        bob.leave().await;
    }
    gateway.stop().await;
}
