//! Sessions: tokens, user ids, emergency addresses, refresh, expiry, lost phones, closing.
//!
//! Owns: everything around login and logout. Must not import: anything but the party and the wire.

use crate::party::{PATIENCE, Party, gateway};
use crate::stub::{Mode, Wire};
use ewebrtc::{AnswerOptions, DialOptions, Gateway, GatewayConfig, LoginOptions, PhoneConfig};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_refused_with_their_codes() {
    let gateway = gateway().await;
    let mut party = Party::new(PhoneConfig::new(gateway.url()));
    for (token, code) in [("", "2002"), ("wrong", "1711")] {
        let error = party.phone.login(LoginOptions::new(token)).await.expect_err("refused");
        assert_eq!(error.code(), Some(code), "{error}");
        party.until("error").await;
    }
    let account = gateway.dev_token("alice").await.expect("a token").access_token;
    let number = gateway.dev_token("4251234567").await.expect("a token");
    assert_eq!(number.address, "tel:+14251234567");
    let with = |token: &ewebrtc::Secret, e911: Option<&str>, user: Option<&str>| {
        let mut options = LoginOptions::new(token.clone());
        (options.e911_id, options.user_id) = (e911.map(str::to_owned), user.map(str::to_owned));
        options
    };
    for (options, code) in [
        (with(&number.access_token, None, None), "1511"),
        (with(&account, Some("E1"), None), "1501"),
        (with(&account, None, Some("no such user")), "1541"),
    ] {
        let error = party.phone.login(options).await.expect_err("refused");
        assert_eq!(error.code(), Some(code), "{error}");
        party.until("error").await;
    }
    party.phone.login(with(&account, None, Some("alice"))).await.expect("login");
    party.until("session:ready").await;
    let again = party.phone.login(with(&account, None, None)).await.expect_err("logged in already");
    assert_eq!(again.code(), Some("2003"));
    party.leave().await;

    let mut phone = Party::new(PhoneConfig::new(gateway.url()));
    phone.phone.login(with(&number.access_token, Some("E1"), Some("vtn:4251234567"))).await.expect("login");
    phone.until("session:ready").await;
    phone.phone.associate_e911_id("E2").await.expect("a new address");
    phone.until("address-updated").await;
    // Numbers reach each other in every spelling.
    let mut alice = Party::login(&gateway, "alice").await;
    alice.phone.dial(DialOptions::new("1 (425) 123-4567")).await.expect("dial");
    phone.until("call:incoming").await;
    phone.phone.reject().await.expect("reject");
    alice.until("call:rejected").await;
    alice.leave().await;
    phone.leave().await;
    gateway.stop().await;
}

/// Numbers need an emergency address and may change it; accounts must not have one.
#[tokio::test(flavor = "multi_thread")]
async fn the_emergency_address_is_changed_by_who_may_have_one() {
    let gateway = gateway().await;
    let mut party = Party::new(PhoneConfig::new(gateway.url()));
    let give = |party: &Party, options: Value| party.phone.invoke("associateE911Id", options, Some("e"));
    for (options, code) in [
        (Value::Null, "2051"),
        (json!({}), "2052"),
        (json!({"e911Id": null}), "2052"),
        (json!({"e911Id": ""}), "2052"),
        (json!({"e911Id": 5}), "2052"),
        (json!({"e911Id": ["E1"]}), "2052"),
        (json!({"e911Id": "E1"}), "2053"),
    ] {
        let error = give(&party, options.clone()).expect_err("refused");
        assert_eq!(error.code(), Some(code), "{options}");
        assert_eq!(party.until("error").await.tag(), Some("e"));
    }
    // A number: one event per command.
    let token = gateway.dev_token("14251234567").await.expect("a token").access_token;
    let mut options = LoginOptions::new(token);
    options.e911_id = Some("E1".into());
    party.phone.login(options).await.expect("login");
    let session = party.until("session:ready").await.text("sessionId").map(str::to_owned);
    party.forget();
    for tag in ["first", "second"] {
        party.phone.invoke("associateE911Id", json!({"e911Id": "E2"}), Some(tag)).expect("accepted");
        let updated = party.until("address-updated").await;
        assert_eq!((updated.tag(), updated.text("sessionId")), (Some(tag), session.as_deref()));
    }
    party.settle(Duration::from_millis(200)).await;
    assert_eq!(party.names(), ["address-updated", "address-updated"]);
    assert_eq!(party.phone.associate_e911_id("null").await.expect_err("no id").code(), Some("1019"));
    party.phone.set_connectivity(false);
    assert_eq!(party.phone.associate_e911_id("E3").await.expect_err("offline").code(), Some("0002"));
    party.phone.set_connectivity(true);
    party.until("connectivity:on").await;
    party.phone.associate_e911_id("E3").await.expect("the session was kept");
    party.leave().await;

    // An account.
    let mut alice = Party::login(&gateway, "alice").await;
    assert_eq!(alice.phone.associate_e911_id("E1").await.expect_err("forbidden").code(), Some("1501"));
    alice.until("error").await;
    alice.leave().await;
    gateway.stop().await;
}

/// P-66: a session of two seconds is refreshed in time, again and again.
#[tokio::test(flavor = "multi_thread")]
async fn a_short_session_is_kept_by_refreshing() {
    let gateway =
        Gateway::start(GatewayConfig { session_seconds: 2, ..GatewayConfig::development() }).await.expect("starts");
    let mut alice = Party::login(&gateway, "alice").await;
    alice.forget();
    alice.settle(Duration::from_secs(5)).await;
    assert!(alice.names().is_empty(), "{:?}", alice.names());
    let call = alice.phone.dial(DialOptions::new("echo")).await.expect("dial");
    call.connected().await.expect("the session lives");
    alice.leave().await;
    gateway.stop().await;
}

/// A phone that does not ask for events any more is given up; its peer is told.
#[tokio::test(flavor = "multi_thread")]
async fn the_peer_of_a_lost_phone_is_told() {
    let config = GatewayConfig { lost_seconds: 2, poll_seconds: 1, ..GatewayConfig::development() };
    let gateway = Gateway::start(config).await.expect("starts");
    let wire = Wire::to(gateway.url()).await;
    let mut alice = Party::login(&gateway, "alice").await;
    let mut bob = Party::new(PhoneConfig::new(wire.url()));
    let token = gateway.dev_token("bob").await.expect("a token").access_token;
    bob.phone.login(LoginOptions::new(token)).await.expect("login");
    alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    bob.until("call:incoming").await;
    bob.phone.answer(AnswerOptions::default()).await.expect("answer");
    alice.until("call:connected").await;
    wire.set(Mode::Refuse).await;
    let ended = alice.until("call:disconnected").await;
    assert!(ended.text("message").is_some_and(|m| !m.is_empty()), "the reason is told");
    alice.leave().await;
    gateway.stop().await;
}

/// Logging out in a call ends the call first, and the peer sees it.
#[tokio::test(flavor = "multi_thread")]
async fn logout_in_a_call_ends_the_call_first() {
    let gateway = gateway().await;
    let (mut alice, mut bob) = (Party::login(&gateway, "alice").await, Party::login(&gateway, "bob").await);
    alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    bob.until("call:incoming").await;
    bob.phone.answer(AnswerOptions::default()).await.expect("answer");
    alice.until("media:established").await;
    alice.forget();
    alice.phone.logout().await.expect("logout");
    alice.until("session:disconnected").await;
    assert_eq!(
        alice.names(),
        ["sc connected>disconnecting", "sc disconnecting>disconnected", "call:disconnected", "session:disconnected"]
    );
    bob.until("call:disconnected").await;
    // Closing without logging out does as much as it can, at once.
    let mut carol = Party::login(&gateway, "carol").await;
    carol.phone.dial(DialOptions::new("bob")).await.expect("dial");
    bob.until("call:incoming").await;
    carol.phone.close();
    carol.until("phone:closed").await;
    bob.until("call:canceled").await;
    bob.leave().await;
    gateway.stop().await;
}

/// P-25: what rings or is being dialled is withdrawn before the calls end, and everybody is told.
#[tokio::test(flavor = "multi_thread")]
async fn logout_withdraws_what_is_pending_and_ends_both_calls() {
    let gateway = gateway().await;
    let (mut alice, mut bob) = (Party::login(&gateway, "alice").await, Party::login(&gateway, "bob").await);
    assert_eq!(alice.phone.logout().await, Ok(()));
    assert_eq!(alice.phone.logout().await.expect_err("no session").code(), Some("2101"));
    let again = async |party: &mut Party, user: &str| {
        let token = gateway.dev_token(user).await.expect("a token").access_token;
        party.phone.login(LoginOptions::new(token)).await.expect("login works at once");
        party.until("session:ready").await;
        party.forget();
    };
    again(&mut alice, "alice").await;
    let names = |party: &Party| -> Vec<String> {
        party.names().into_iter().filter(|name| !name.starts_with("media:")).collect()
    };

    // Being dialled.
    alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    bob.until("call:incoming").await;
    alice.until("call:connecting").await;
    alice.forget();
    alice.phone.logout().await.expect("logout");
    let disconnected = alice.until("session:disconnected").await;
    assert!(disconnected.get("sessionId").is_none() && disconnected.get("ErrorCode").is_none(), "no payload");
    assert_eq!(names(&alice), ["sc connecting>canceled", "call:canceled", "session:disconnected"]);
    bob.until("call:canceled").await;

    // Ringing.
    again(&mut alice, "alice").await;
    bob.phone.dial(DialOptions::new("alice")).await.expect("dial");
    alice.until("call:incoming").await;
    alice.forget();
    alice.phone.logout().await.expect("logout");
    alice.until("session:disconnected").await;
    assert_eq!(names(&alice), ["sc created>rejected", "call:rejected", "session:disconnected"]);
    bob.until("call:rejected").await;

    // Two calls, one of them held; two logouts at once end once.
    again(&mut alice, "alice").await;
    alice.phone.dial(DialOptions::new("echo")).await.expect("dial");
    alice.until("call:connected").await;
    alice.phone.add_call(DialOptions::new("bob")).await.expect("addCall");
    bob.until("call:incoming").await;
    bob.phone.answer(AnswerOptions::default()).await.expect("answer");
    alice.until("session:call-switched").await;
    alice.forget();
    let (first, second) = tokio::join!(alice.phone.logout(), alice.phone.logout());
    assert_eq!((first, second), (Ok(()), Ok(())));
    alice.until("session:disconnected").await;
    alice.settle(Duration::from_millis(200)).await;
    let seen = names(&alice);
    let count = |name: &str| seen.iter().filter(|seen| *seen == name).count();
    assert_eq!((count("call:disconnected"), count("session:disconnected")), (2, 1), "{seen:?}");
    assert_eq!((count("call:disconnecting"), count("call:resumed")), (0, 0), "{seen:?}");
    assert_eq!(seen.last().map(String::as_str), Some("session:disconnected"));
    bob.until("call:disconnected").await;
    bob.leave().await;
    gateway.stop().await;
}

/// Handlers may call the phone, close it and drop it; after the last event none runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_phone_is_closed_and_dropped_inside_its_own_handler() {
    let gateway = gateway().await;
    let phone = ewebrtc::Phone::new(PhoneConfig::new(gateway.url())).expect("a phone");
    let calls = Arc::new(AtomicUsize::new(0));
    let (count, inner) = (calls.clone(), std::sync::Mutex::new(Some(phone.clone())));
    let waiting = phone.events();
    phone
        .on("session:ready", move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            if let Some(phone) = inner.lock().expect("whole").take() {
                let version = phone.invoke("getVersion", serde_json::Value::Null, None);
                assert_eq!(version.expect("a version"), ewebrtc::VERSION);
                assert_eq!(phone.wait_closed(), Err(ewebrtc::Error::InHandler));
                phone.close();
            }
        })
        .expect("a known event");
    let token = gateway.dev_token("alice").await.expect("a token").access_token;
    // The login may be cut short by the close; both outcomes are fine here.
    let _ = phone.login(LoginOptions::new(token)).await;
    timeout(PATIENCE, phone.closed()).await.expect("closes");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    drop(waiting);
    gateway.stop().await;
}

/// Dropping every handle closes the phone, and the gateway sees its session go.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_phone_ends_its_call() {
    let gateway = gateway().await;
    let mut alice = Party::login(&gateway, "alice").await;
    let mut bob = Party::login(&gateway, "bob").await;
    alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    bob.until("call:incoming").await;
    bob.phone.answer(AnswerOptions::default()).await.expect("answer");
    alice.until("call:connected").await;
    drop(bob);
    alice.until("call:disconnected").await;
    alice.leave().await;
    gateway.stop().await;
}
