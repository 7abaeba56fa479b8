//! Nothing is left of calls that have ended: no thread, no descriptor. A program of its own, because it counts those of the
//! whole process.

use ewebrtc::{AnswerOptions, DialOptions, Gateway, GatewayConfig, LoginOptions, Phone, PhoneConfig};
use std::time::Duration;
use tokio::time::timeout;

/// Longest wait for one step.
const PATIENCE: Duration = Duration::from_secs(30);

/// Threads and descriptors of this process.
fn counts() -> (usize, usize) {
    let entries = |path: &str| std::fs::read_dir(path).map_or(0, Iterator::count);
    (entries("/proc/self/task"), entries("/proc/self/fd"))
}

async fn phone(gateway: &Gateway, user: &str) -> Phone {
    let phone = Phone::new(PhoneConfig::new(gateway.url())).expect("a phone");
    let token = gateway.dev_token(user).await.expect("a token").access_token;
    phone.login(LoginOptions::new(token)).await.expect("login");
    phone
}

/// One call from set-up to end, with media both ways.
async fn call(alice: &Phone, bob: &Phone) {
    let (mut at_alice, mut at_bob) = (alice.events(), bob.events());
    let call = alice.dial(DialOptions::new("bob")).await.expect("dial");
    while at_bob.next().await.expect("an event").name() != "call:incoming" {}
    bob.answer(AnswerOptions::default()).await.expect("answer");
    while at_alice.next().await.expect("an event").name() != "media:established" {}
    call.hangup().await.expect("hangup");
    while at_bob.next().await.expect("an event").name() != "call:disconnected" {}
}

/// Waits until the counts are not above `limit`, which things that end in their own time may take a moment for.
async fn settled(limit: (usize, usize)) -> (usize, usize) {
    for _ in 0..100 {
        let now = counts();
        if now.0 <= limit.0 && now.1 <= limit.1 {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    counts()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_calls_withdrawn_calls_and_phones() {
    let gateway = Gateway::start(GatewayConfig::development()).await.expect("the gateway starts");
    let (alice, bob) = (phone(&gateway, "alice").await, phone(&gateway, "bob").await);
    for _ in 0..5 {
        timeout(PATIENCE, call(&alice, &bob)).await.expect("a call");
    }
    let before = settled((0, 0)).await;
    for _ in 0..40 {
        timeout(PATIENCE, call(&alice, &bob)).await.expect("a call");
    }
    // Withdrawn at once, while the media side is still at work on the offer.
    for _ in 0..60 {
        alice.dial(DialOptions::new("bob")).await.expect("dial");
        alice.cancel().await.expect("cancel");
    }
    for n in 0..20 {
        let one = phone(&gateway, &format!("user{n}")).await;
        // Half of them in good order, the others simply dropped.
        if n % 2 == 0 {
            one.logout().await.expect("logout");
            one.close();
            timeout(PATIENCE, one.closed()).await.expect("closed");
        }
    }
    // Connections that are kept for the next request are few.
    let limit = (before.0 + 1, before.1 + 8);
    let after = settled(limit).await;
    assert!(after.0 <= limit.0 && after.1 <= limit.1, "threads and descriptors: {before:?} before, {after:?} after");
    gateway.stop().await;
}
