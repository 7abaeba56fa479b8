//! The event channel over a WebSocket, with real sockets: whole calls, wires that are cut, silent and mended, gateways that
//! are started anew or offer no socket, TLS.
//!
//! Owns: everything about the channel's socket. Must not import: anything but the party and the wire.

use crate::party::{PATIENCE, Party};
use crate::stub::{self, Mode, Wire};
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use ewebrtc::{AnswerOptions, DialOptions, EventChannel, LoginOptions, PhoneConfig};
use ewebrtc_gateway::{Gateway, GatewayConfig, GatewayState, app};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// The gateway itself, which can be asked how it is used.
async fn gateway() -> Gateway {
    Gateway::start(GatewayConfig::development()).await.expect("the gateway starts")
}

fn token(state: &GatewayState, user: &str) -> String {
    state.issue_dev_token(user).expect("a token").token.expose().to_owned()
}

/// A phone that wants a socket, logged in at this address.
async fn at(url: &str, state: &GatewayState, user: &str) -> Party {
    let mut config = PhoneConfig::new(url);
    config.event_channel = EventChannel::WebSocket;
    let mut party = Party::new(config);
    party.phone.login(LoginOptions::new(token(state, user))).await.expect("login");
    party.until("session:ready").await;
    party
}

/// Waits until the gateway has as many sockets, and as many polls.
async fn ways(state: &GatewayState, sockets: usize, polls: usize) {
    let wait = async {
        while (state.socket_count(), state.poll_count()) != (sockets, polls) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let seen = || (state.socket_count(), state.poll_count());
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("sockets and polls are {:?}", seen()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_call_over_websockets() {
    let gateway = gateway().await;
    let state = gateway.state();
    let mut alice = at(&gateway.url(), state, "alice").await;
    let mut bob = at(&gateway.url(), state, "bob").await;
    ways(state, 2, 0).await;
    let call = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    bob.until("call:incoming").await;
    bob.phone.answer(AnswerOptions::default()).await.expect("answer");
    alice.until("media:established").await;
    alice.phone.hold().await.expect("hold");
    bob.until("call:held").await;
    alice.phone.resume().await.expect("resume");
    bob.until("call:resumed").await;
    call.hangup().await.expect("hangup");
    bob.until("call:disconnected").await;
    // One cancelled, one refused.
    alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    bob.until("call:incoming").await;
    alice.phone.cancel().await.expect("cancel");
    bob.until("call:canceled").await;
    alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    bob.until("call:incoming").await;
    bob.phone.reject().await.expect("reject");
    alice.until("call:rejected").await;
    ways(state, 2, 0).await;
    alice.leave().await;
    bob.leave().await;
    ways(state, 0, 0).await;
    gateway.shutdown().await;
}

/// P-22, P-65: as over polls, the loss is told once, media goes on, and what happens meanwhile is not lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_wire_that_is_cut_in_mid_call_and_mended_loses_nothing() {
    let gateway = gateway().await;
    let state = gateway.state();
    let wire = Wire::to(&gateway.url()).await;
    let mut alice = at(&wire.url(), state, "alice").await;
    let mut bob = at(&gateway.url(), state, "bob").await;
    let call = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    bob.until("call:incoming").await;
    bob.phone.answer(AnswerOptions::default()).await.expect("answer");
    alice.until("media:established").await;
    bob.until("media:established").await;
    for mode in [Mode::Refuse, Mode::Reset, Mode::Garbage, Mode::Status(503)] {
        alice.forget();
        bob.forget();
        wire.set(mode).await;
        alice.until("gateway:unreachable").await;
        let before = call.stats().expect("a leg").packets_received;
        alice.settle(Duration::from_millis(600)).await;
        assert!(call.stats().expect("a leg").packets_received > before + 15, "{mode:?}: media stopped");
        assert_eq!(alice.names(), ["gateway:unreachable"], "{mode:?}");
        // Bob wants to hold; alice hears of it when the wire is mended, and answers.
        let holding = bob.phone.clone();
        let hold = tokio::spawn(async move { holding.hold().await });
        bob.until("call:modification-in-progress").await;
        wire.set(Mode::Pass).await;
        alice.until("gateway:reachable").await;
        alice.until("call:held").await;
        hold.await.expect("no panic").expect("hold");
        bob.phone.resume().await.expect("resume");
        alice.until("call:resumed").await;
        assert_eq!(alice.names().iter().filter(|n| *n == "call:held").count(), 1, "{mode:?}");
    }
    ways(state, 2, 0).await;
    // Cut again and again at any moment of calls: each is heard of once.
    call.hangup().await.expect("hangup");
    bob.until("call:disconnected").await;
    alice.until("call:disconnected").await;
    for round in 0..10_u64 {
        alice.forget();
        bob.phone.dial(DialOptions::new("alice")).await.expect("dial");
        tokio::time::sleep(Duration::from_millis(round)).await;
        wire.set(Mode::Pass).await;
        alice.until("call:incoming").await;
        bob.phone.cancel().await.expect("cancel");
        wire.set(Mode::Pass).await;
        alice.until("call:canceled").await;
        let count = |name: &str| alice.names().iter().filter(|n| *n == name).count();
        assert_eq!((count("call:incoming"), count("call:canceled")), (1, 1), "{round}");
    }
    ways(state, 2, 0).await;
    alice.leave().await;
    bob.leave().await;
    gateway.shutdown().await;
}

/// A connection that carries nothing and does not end: the phone tries it when the network has changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_wire_is_noticed_when_the_network_comes_back() {
    let gateway = gateway().await;
    let state = gateway.state();
    let wire = Wire::to(&gateway.url()).await;
    let mut alice = at(&wire.url(), state, "alice").await;
    let mut bob = at(&gateway.url(), state, "bob").await;
    ways(state, 2, 0).await;
    wire.freeze();
    bob.phone.dial(DialOptions::new("alice")).await.expect("dial");
    bob.until("call:connecting").await;
    alice.phone.set_connectivity(false);
    alice.phone.set_connectivity(true);
    alice.until("connectivity:on").await;
    // Sooner than silence alone would tell. The connections for requests are as silent, which one of them has to find out.
    alice.until_within("call:incoming", Duration::from_secs(20)).await;
    assert_eq!(alice.names().iter().filter(|n| *n == "call:incoming").count(), 1);
    alice.leave().await;
    bob.leave().await;
    gateway.shutdown().await;
}

/// P-23: a gateway that has forgotten the session ends it at the phone.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_started_anew_expires_the_session() {
    let old = gateway().await;
    let wire = Wire::to(&old.url()).await;
    let mut alice = at(&wire.url(), old.state(), "alice").await;
    let call = alice.phone.dial(DialOptions::new("echo")).await.expect("dial");
    call.connected().await.expect("echo answers");
    let new = gateway().await;
    old.shutdown().await;
    wire.lead_to(&new.url()).await;
    alice.until("session:expired").await;
    let ends = alice.names().iter().filter(|n| *n == "call:disconnected").count();
    assert_eq!(ends, 1, "{:?}", alice.names());
    alice.phone.login(LoginOptions::new(token(new.state(), "alice"))).await.expect("login");
    alice.until("session:ready").await;
    ways(new.state(), 1, 0).await;
    alice.leave().await;
    new.shutdown().await;
}

/// The same gateway behind something that answers what `refused` names with 501.
async fn behind_a_proxy(state: &GatewayState, refused: Method) -> String {
    let refuse = move |request: Request, next: Next| {
        let wanted = request.uri().path().contains("/websocket") && *request.method() == refused;
        async move {
            let response: Response =
                if wanted { StatusCode::NOT_IMPLEMENTED.into_response() } else { next.run(request).await };
            response
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = app(state.clone()).layer(from_fn(refuse));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_polls_where_there_are_no_sockets() {
    let gateway = gateway().await;
    let state = gateway.state();
    let mut bob = at(&gateway.url(), state, "bob").await;
    // The gateway offers none, or something on the way does not let the handshake pass.
    for refused in [Method::POST, Method::GET] {
        let url = behind_a_proxy(state, refused).await;
        let mut alice = at(&url, state, "alice").await;
        ways(state, 1, 1).await;
        bob.phone.dial(DialOptions::new("alice")).await.expect("dial");
        alice.until("call:incoming").await;
        alice.phone.answer(AnswerOptions::default()).await.expect("answer");
        bob.until("call:connected").await;
        alice.phone.hangup().await.expect("hangup");
        bob.until("call:disconnected").await;
        let names = alice.names();
        assert!(!names.iter().any(|n| n.starts_with("gateway:") || n == "error"), "{names:?}");
        alice.leave().await;
    }
    bob.leave().await;
    gateway.shutdown().await;
}

/// A proxy that ends TLS does not know of the address in the answer: the phone uses TLS all the same.
#[tokio::test(flavor = "multi_thread")]
async fn behind_tls_the_socket_is_tls_as_well() {
    let gateway = gateway().await;
    let state = gateway.state();
    let (acceptor, authority) = stub::tls();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let target = gateway.address();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let (Ok(mut outside), Ok(mut inside)) =
                    tokio::join!(acceptor.accept(stream), TcpStream::connect(target))
                else {
                    return;
                };
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    let mut config = PhoneConfig::new(url);
    config.event_channel = EventChannel::WebSocket;
    config.root_certificates = vec![authority];
    let mut alice = Party::new(config);
    alice.phone.login(LoginOptions::new(token(state, "alice"))).await.expect("login");
    ways(state, 1, 0).await;
    let call = alice.phone.dial(DialOptions::new("echo")).await.expect("dial");
    call.connected().await.expect("echo answers");
    alice.until("media:established").await;
    alice.leave().await;
    gateway.shutdown().await;
}
