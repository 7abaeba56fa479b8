//! The network and the gateway fail in every way; the phone says so once, with its code, and goes on when they come back.
//!
//! Owns: faults. Must not import: anything but the party and the wire.

use crate::party::{PATIENCE, Party, connected, gateway};
use crate::stub::{Mode, Wire};
use ewebrtc::{DialOptions, Error, LoginOptions, PhoneConfig};
use std::time::Duration;
use tokio::time::timeout;

/// A party behind the wire.
async fn behind(wire: &Wire, gateway: &ewebrtc::Gateway, user: &str) -> Party {
    let mut party = Party::new(PhoneConfig::new(wire.url()));
    let token = gateway.dev_token(user).await.expect("a token").access_token;
    party.phone.login(LoginOptions::new(token)).await.expect("login");
    party.until("session:ready").await;
    party
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_gateway_at_login_is_0002_and_the_next_login_works() {
    let gateway = gateway().await;
    let wire = Wire::to(gateway.url()).await;
    let mut party = Party::new(PhoneConfig::new(wire.url()));
    let token = gateway.dev_token("alice").await.expect("a token").access_token;
    for mode in [Mode::Refuse, Mode::Reset, Mode::Garbage, Mode::Endless, Mode::Hang] {
        wire.set(mode).await;
        let error = party.phone.login(LoginOptions::new(token.clone())).await.expect_err("no gateway");
        assert_eq!(error.code(), Some("0002"), "{mode:?}: {error}");
        let event = party.until("error").await;
        assert_eq!((event.text("ErrorCode"), event.text("HttpStatusCode")), (Some("0002"), Some("0")), "{mode:?}");
        assert!(event.text("ResourceMethod").is_some_and(|m| m.starts_with("POST ")), "{mode:?}");
    }
    for status in [502, 503] {
        wire.set(Mode::Status(status)).await;
        party.phone.login(LoginOptions::new(token.clone())).await.expect_err("no gateway");
        party.until("gateway:unreachable").await;
    }
    wire.set(Mode::Pass).await;
    party.phone.login(LoginOptions::new(token)).await.expect("login");
    party.until("session:ready").await;
    party.leave().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_trusted_tls_is_refused() {
    let gateway = gateway().await;
    // The gateway speaks plain HTTP: the handshake fails.
    let wire = Wire::to(gateway.url()).await;
    let mut party = Party::new(PhoneConfig::new(wire.tls_url()));
    let error = party.phone.login(LoginOptions::new("token")).await.expect_err("no TLS there");
    assert_eq!(error.code(), Some("0002"));
    assert_eq!(party.until("error").await.text("HttpStatusCode"), Some("0"));

    // A TLS server with a certificate of nobody's: refused as well; with its authority trusted, the handshake succeeds.
    let tls = tls_server().await;
    let mut stranger = Party::new(PhoneConfig::new(tls.url.clone()));
    let error = stranger.phone.login(LoginOptions::new("token")).await.expect_err("not trusted");
    assert_eq!(error.code(), Some("0002"));
    assert!(stranger.until("error").await.text("AdditionalInformation").is_some_and(|t| t.contains("ertificate")));
    let mut config = PhoneConfig::new(tls.url.clone());
    config.root_certificates = vec![tls.authority.clone()];
    let mut friend = Party::new(config);
    friend.phone.login(LoginOptions::new("token")).await.expect_err("this server knows no sessions");
    assert_eq!(friend.until("error").await.text("HttpStatusCode"), Some("401"));
    gateway.stop().await;
}

struct TlsServer {
    url: String,
    authority: String,
}

/// Answers every request over TLS with 401. Its certificate is of an authority made for this run.
async fn tls_server() -> TlsServer {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (acceptor, authority) = crate::stub::tls();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://127.0.0.1:{}", listener.local_addr().expect("an address").port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    let mut request = [0u8; 4096];
                    let _ = stream.read(&mut request).await;
                    let _ =
                        stream.write_all(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
                    let _ = stream.shutdown().await;
                }
            });
        }
    });
    TlsServer { url, authority }
}

/// P-65: the event channel is lost and comes back; one event each, and the call's media goes on all the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_lost_in_mid_call_is_reported_once_and_media_goes_on() {
    let gateway = gateway().await;
    let wire = Wire::to(gateway.url()).await;
    let mut alice = behind(&wire, &gateway, "alice").await;
    let mut bob = Party::login(&gateway, "bob").await;
    let call = connected(&mut alice, &mut bob).await;
    for mode in [Mode::Refuse, Mode::Reset, Mode::Garbage, Mode::Status(503)] {
        alice.forget();
        wire.set(mode).await;
        alice.until("gateway:unreachable").await;
        let before = call.stats().expect("a leg").packets_received;
        alice.settle(Duration::from_millis(1200)).await;
        assert!(call.stats().expect("a leg").packets_received > before + 30, "{mode:?}: media stopped");
        assert_eq!(alice.names(), ["gateway:unreachable"], "{mode:?}: once per series of failures");
        wire.set(Mode::Pass).await;
        alice.until("gateway:reachable").await;
    }
    // An event that came in the meantime is not lost.
    wire.set(Mode::Refuse).await;
    alice.until("gateway:unreachable").await;
    bob.phone.hangup().await.expect("hangup");
    wire.set(Mode::Pass).await;
    alice.until("call:disconnected").await;
    alice.leave().await;
    bob.leave().await;
    gateway.stop().await;
}

/// Hanging up works without a gateway: the error is told, and the call is over.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_can_be_hung_up_without_a_gateway() {
    let gateway = gateway().await;
    let wire = Wire::to(gateway.url()).await;
    let mut alice = behind(&wire, &gateway, "alice").await;
    let call = alice.phone.dial(DialOptions::new("echo")).await.expect("dial");
    call.connected().await.expect("echo answers");
    wire.set(Mode::Refuse).await;
    alice.until("gateway:unreachable").await;
    alice.forget();
    let ended = timeout(PATIENCE, call.hangup()).await.expect("it ends");
    assert_eq!(ended.expect_err("the gateway was not told").code(), Some("0002"));
    alice.until("call:disconnected").await;
    assert_eq!(
        alice.names(),
        [
            "sc connected>disconnecting",
            "call:disconnecting",
            "error",
            "sc disconnecting>disconnected",
            "call:disconnected"
        ]
    );
    // Offline is told by the host; everything that needs the gateway is refused then.
    alice.phone.set_connectivity(false);
    alice.until("connectivity:off").await;
    assert_eq!(alice.phone.dial(DialOptions::new("echo")).await.expect_err("offline").code(), Some("0002"));
    wire.set(Mode::Pass).await;
    alice.phone.set_connectivity(true);
    alice.until("connectivity:on").await;
    alice.until("gateway:reachable").await;
    let call = alice.phone.dial(DialOptions::new("echo")).await.expect("dial");
    call.connected().await.expect("echo answers");
    alice.leave().await;
    gateway.stop().await;
}

/// A hang-up that did not get through is told when the gateway is there again: the other party is not left in the call.
#[tokio::test(flavor = "multi_thread")]
async fn the_other_party_hears_of_a_hangup_when_the_gateway_is_back() {
    let gateway = gateway().await;
    let wire = Wire::to(gateway.url()).await;
    let mut alice = behind(&wire, &gateway, "alice").await;
    let mut bob = Party::login(&gateway, "bob").await;
    let call = connected(&mut alice, &mut bob).await;
    wire.set(Mode::Refuse).await;
    alice.until("gateway:unreachable").await;
    assert_eq!(call.hangup().await.expect_err("the gateway was not told").code(), Some("0002"));
    alice.until("call:disconnected").await;
    wire.set(Mode::Pass).await;
    bob.until("call:disconnected").await;
    alice.until("gateway:reachable").await;
    alice.leave().await;
    bob.leave().await;
    gateway.stop().await;
}

/// The gateway takes a hold and a resume, and its answers are lost: the commands fail, and what is so becomes so (P-65).
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_whose_answer_is_lost_is_known_when_the_gateway_is_back() {
    let gateway = gateway().await;
    let wire = Wire::to(gateway.url()).await;
    let mut alice = behind(&wire, &gateway, "alice").await;
    let mut bob = Party::login(&gateway, "bob").await;
    connected(&mut alice, &mut bob).await;
    wire.set(Mode::Swallow("")).await;
    assert_eq!(alice.phone.hold().await.expect_err("not answered").code(), Some("0002"));
    bob.until("call:held").await;
    wire.set(Mode::Pass).await;
    alice.until("call:held").await;
    wire.set(Mode::Swallow("")).await;
    assert_eq!(alice.phone.resume().await.expect_err("not answered").code(), Some("0002"));
    bob.until("call:resumed").await;
    wire.set(Mode::Pass).await;
    alice.until("call:resumed").await;
    alice.phone.logout().await.expect("logout");
    bob.until("call:disconnected").await;
    bob.leave().await;
    gateway.stop().await;
}

/// The answer of who is held gets lost on its way, then it is the gateway's answer to it: the other side is held all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_is_done_although_the_other_side_loses_its_answer() {
    let gateway = gateway().await;
    let wire = Wire::to(gateway.url()).await;
    let mut alice = Party::login(&gateway, "alice").await;
    let mut bob = behind(&wire, &gateway, "bob").await;
    let call = connected(&mut alice, &mut bob).await;
    wire.set(Mode::Swallow("PUT")).await;
    alice.phone.hold().await.expect("bob answers");
    bob.until("call:held").await;
    wire.set(Mode::Discard("PUT")).await;
    let resuming = tokio::spawn({
        let phone = alice.phone.clone();
        async move { phone.resume().await }
    });
    alice.until("call:modification-in-progress").await;
    wire.discarded().await;
    wire.set(Mode::Pass).await;
    resuming.await.expect("it ends").expect("bob answers again");
    bob.until("call:resumed").await;
    call.hangup().await.expect("hangup");
    bob.until("call:disconnected").await;
    alice.leave().await;
    bob.leave().await;
    gateway.stop().await;
}

/// P-33: without a network every method that needs the gateway is refused before any other check; everything else works.
#[tokio::test(flavor = "multi_thread")]
async fn offline_every_method_that_needs_the_gateway_is_refused() {
    let gateway = gateway().await;
    let mut alice = Party::login(&gateway, "alice").await;
    let call = alice.phone.dial(DialOptions::new("echo")).await.expect("dial");
    call.connected().await.expect("echo answers");
    alice.phone.set_connectivity(false);
    alice.phone.set_connectivity(false);
    alice.until("connectivity:off").await;
    assert!(!alice.phone.is_online());
    let guarded = |info: &&ewebrtc_wire::MethodInfo| info.validation.first().is_some_and(|(_, code)| *code == "0002");
    let mut refused = 0;
    for info in ewebrtc_wire::methods().iter().filter(|info| info.namespace == "Phone").filter(guarded) {
        for options in [serde_json::Value::Null, serde_json::json!({})] {
            match alice.phone.invoke(info.name, options, Some(info.name)) {
                Err(Error::UnknownMethod(_)) => {}
                outcome => {
                    assert_eq!(outcome.expect_err("offline").code(), Some("0002"), "{}", info.name);
                    let event = alice.until("error").await;
                    assert_eq!((event.tag(), event.text("ErrorCode")), (Some(info.name), Some("0002")));
                    refused += 1;
                }
            }
        }
    }
    assert!(refused >= 36, "{refused}");
    alice.phone.mute().await.expect("needs no gateway");
    assert_eq!(alice.phone.media_type().await.expect("answered").as_deref(), Some("audio"));
    assert_eq!(alice.phone.is_call_in_progress().await, Ok(true));
    assert_eq!(alice.phone.clean_phone_number("9-1-1"), Ok("911".into()));
    alice.settle(Duration::from_millis(200)).await;
    assert_eq!(alice.names().iter().filter(|name| name.starts_with("connectivity")).count(), 1, "told once");
    alice.phone.set_connectivity(true);
    alice.until("connectivity:on").await;
    call.hangup().await.expect("session and call were kept");
    alice.leave().await;
    gateway.stop().await;
}

/// P-23: a gateway that has forgotten the session ends it at the phone, and a new login works at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_gateway_expires_the_session() {
    let old = gateway().await;
    let wire = Wire::to(old.url()).await;
    let mut alice = behind(&wire, &old, "alice").await;
    let call = alice.phone.dial(DialOptions::new("echo")).await.expect("dial");
    call.connected().await.expect("echo answers");
    alice.forget();
    let new = gateway().await;
    wire.lead_to(new.url()).await;
    let expired = alice.until("session:expired").await;
    assert!(expired.text("sessionId").is_some());
    let names: Vec<String> =
        alice.names().into_iter().filter(|n| n != "gateway:unreachable" && n != "media:established").collect();
    let expected = ["sc connected>disconnected", "call:disconnected", "session:expired"];
    assert!(names.ends_with(&expected.map(str::to_owned)), "{names:?}");
    let token = new.dev_token("alice").await.expect("a token").access_token;
    alice.phone.login(LoginOptions::new(token)).await.expect("login");
    alice.until("session:ready").await;
    alice.leave().await;
    old.stop().await;
    new.stop().await;
}
