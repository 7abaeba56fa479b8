//! The event channel as a WebSocket over real connections: its address, one way at a time, what is lost and what is not,
//! whatever a client sends, and every end.

mod common;

use common::*;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Waits until the gateway has as many sockets.
async fn open_sockets(server: &Server, count: usize) {
    let wait = async {
        while server.gateway.state().socket_count() != count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.expect("in time");
}

/// A socket in raw bytes: the handshake is done, what follows is the caller's.
async fn raw_socket(phone: &Phone<'_>, query: &str) -> TcpStream {
    let url = phone.socket_url(query).await;
    let path = url.strip_prefix(&format!("ws://{}", phone.server.gateway.address())).expect("this gateway");
    let mut stream = TcpStream::connect(phone.server.gateway.address()).await.expect("connects");
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("sends");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("an answer"));
    }
    assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    stream
}

#[tokio::test]
async fn a_socket_opens_at_either_spelling_and_carries_events() {
    let s = Server::start().await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    for spelling in ["/websockets", "/websocket"] {
        let reply = bob.send("POST", spelling, &[], None).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        let mut socket = Socket::open(reply.header("location").expect("Location")).await.expect("it opens");
        let out = alice.dial("bob").await;
        let (state, inc, seq) = socket.event().await;
        assert_eq!((state.as_str(), seq), ("invitation-received", None));
        alice.end(&out, "cancel").await;
        assert_eq!(socket.event().await, ("session-terminated".into(), inc, None));
        alice.ended(&out).await;
    }
}

#[tokio::test]
async fn the_address_is_the_one_the_client_knows() {
    let s = Server::start().await;
    let bob = s.login("bob").await;
    let auth = ("Authorization", bob.bearer.as_str());
    let ask = async |headers: &[(&str, &str)]| s.send("POST", &bob.path("/websockets"), headers, None).await;
    let reply = ask(&[auth, ("Host", "phones.example:8443"), ("X-Forwarded-Proto", "https")]).await;
    let location = reply.header("location").expect("Location");
    assert!(location.starts_with(&format!("wss://phones.example:8443{}?", bob.path("/websockets"))), "{location}");
    let reply = ask(&[auth, ("Host", "[::1]:80")]).await;
    assert!(reply.header("location").is_some_and(|l| l.starts_with("ws://[::1]:80/")), "{reply:?}");
    for host in ["", "a b", "a/b", "user@host", "x?y", &"a".repeat(300)] {
        assert_eq!(ask(&[auth, ("Host", host)]).await.refusal(), refused(400, "SVC0002"), "{host:?}");
    }
}

#[tokio::test]
async fn a_wrong_one_time_id_opens_nothing() {
    let s = Server::start().await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let url = bob.socket_url("").await;
    let (base, id) = url.split_once('?').expect("a query");
    for wrong in
        [base.to_owned(), format!("{base}?"), format!("{base}?x"), format!("{url}x"), url.replace(&bob.session, "none")]
    {
        assert_eq!(Socket::open(&wrong).await.err(), Some(404), "{wrong}");
    }
    let foreign = format!("{}?{id}", base.replace(&bob.session, &alice.session));
    assert_eq!(Socket::open(&foreign).await.err(), Some(404), "another session's");
    // A request that is no handshake does not use it up.
    let plain = s.send("GET", &url[url.find("/RTC").expect("a path")..], &[], None).await;
    assert_eq!((plain.status, plain.header("upgrade")), (426, Some("websocket")));
    let socket = Socket::open(&url).await.expect("it opens");
    assert_eq!(Socket::open(&url).await.err(), Some(404), "it is used up");
    drop(socket);
    let late = bob.socket_url("").await;
    bob.send("DELETE", "", &[], None).await;
    assert_eq!(Socket::open(&late).await.err(), Some(404), "the session is gone");
    open_sockets(&s, 0).await;
}

#[tokio::test]
async fn of_two_sockets_and_a_poll_the_newest_is_served() {
    let s = Server::start().await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let poll = bob.waiting_poll("").await;
    let mut first = bob.socket("").await;
    assert_eq!(poll.await.status, 204);
    let mut second = bob.socket("").await;
    assert_eq!(first.closed().await, Some(1000));
    let out = alice.dial("bob").await;
    assert_eq!(second.event().await.0, "invitation-received");
    let poll = bob.waiting_poll("").await;
    assert_eq!(second.closed().await, Some(1000));
    alice.end(&out, "cancel").await;
    let reply = poll.await;
    assert!(reply.status == 200 && reply.body.contains("Call canceled"), "{reply:?}");
    open_sockets(&s, 0).await;
    assert_eq!(s.gateway.state().poll_count(), 0);
}

#[tokio::test]
async fn numbered_events_survive_sockets_that_are_killed_in_the_middle() {
    let s = Server::start().await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let out = alice.dial("bob").await;
    // Given and not acknowledged: as far as the gateway can tell, it never arrived.
    for _ in 0..3 {
        let mut socket = bob.socket("?after=0").await;
        let (state, _, seq) = socket.event().await;
        assert_eq!((state.as_str(), seq), ("invitation-received", Some(1)));
        drop(socket);
        open_sockets(&s, 0).await;
    }
    let mut socket = bob.socket("?after=0").await;
    assert_eq!(socket.event().await.2, Some(1));
    alice.end(&out, "cancel").await;
    // No frame waits for an acknowledgement.
    assert_eq!(socket.event().await.2, Some(2));
    socket.say(r#"{"after":1}"#).await;
    let reply = bob.send("POST", "/websockets?after=3", &[], None).await;
    assert_eq!(reply.refusal(), refused(400, "SVC0002"), "a number that was never given");
    drop(socket);
    let mut socket = bob.socket("?after=1").await;
    assert_eq!(socket.event().await.2, Some(2));
    // What was acknowledged over the socket does not come again, whatever is asked for.
    socket.say(r#"{"after":2}"#).await;
    alice.dial("bob").await;
    assert_eq!(socket.event().await.2, Some(3));
    drop(socket);
    let mut socket = bob.socket("?after=0").await;
    assert_eq!(socket.event().await.2, Some(3));
    // The poll goes on where the socket was.
    assert_eq!(bob.poll("?after=2").await[0].seq, Some(3));
    assert_eq!(socket.closed().await, Some(1000));
}

#[tokio::test]
async fn events_wait_while_there_is_no_socket() {
    let s = Server::start().await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    for _ in 0..10 {
        drop(bob.socket("").await);
        open_sockets(&s, 0).await;
        let out = alice.dial("bob").await;
        let mut socket = bob.socket("").await;
        let (state, inc, _) = socket.event().await;
        assert_eq!(state, "invitation-received");
        drop(socket);
        open_sockets(&s, 0).await;
        alice.end(&out, "cancel").await;
        alice.ended(&out).await;
        let mut socket = bob.socket("").await;
        assert_eq!(socket.event().await, ("session-terminated".into(), inc, None));
    }
}

#[tokio::test]
async fn whatever_a_client_sends_harms_nobody() {
    let s = Server::start().await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    // Texts that mean nothing are ignored, on a plain socket every text.
    let mut socket = bob.socket("").await;
    for text in ["", "x", "{}", "null", r#"{"after":-1}"#, r#"{"after":99}"#, &"[".repeat(4000), "\u{0}"] {
        socket.say(text).await;
    }
    let binary = tokio_tungstenite::tungstenite::Message::binary(vec![0u8; 100]);
    futures_util::SinkExt::send(&mut socket.stream, binary).await.expect("sends");
    let out = alice.dial("bob").await;
    assert_eq!(socket.event().await.0, "invitation-received");
    // A message larger than any acknowledgement ends the socket, and so do bytes that are no frame of a client.
    socket.say(&"x".repeat(4097)).await;
    socket.closed().await;
    let mut huge = vec![0x81, 0xff];
    huge.extend((1u64 << 40).to_be_bytes());
    huge.extend([0; 4]);
    let unmasked = b"\x81\x02{}".to_vec();
    let reserved = b"\xf1\x80\0\0\0\0".to_vec();
    let no_text = b"\x81\x82\0\0\0\0\xff\xff".to_vec();
    for bytes in [huge, unmasked, reserved, no_text, b"GET / HTTP/1.1\r\n\r\n".to_vec()] {
        let mut stream = raw_socket(&bob, "").await;
        open_sockets(&s, 1).await;
        stream.write_all(&bytes).await.expect("sends");
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut rest)).await.expect("it is closed");
        open_sockets(&s, 0).await;
    }
    // The session is unharmed.
    let mut socket = bob.socket("").await;
    alice.end(&out, "cancel").await;
    assert_eq!(socket.event().await.0, "session-terminated");
}

#[tokio::test]
async fn a_dead_peer_is_found_out_by_pings_and_a_live_one_stays() {
    let s = Server::start_with(|c| c.ping_seconds = 1).await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let mut live = alice.socket("").await;
    let start = Instant::now();
    // It neither answers nor goes away.
    let silent = raw_socket(&bob, "").await;
    open_sockets(&s, 2).await;
    tokio::select! {
        events = live.next() => panic!("{events:?}"),
        () = open_sockets(&s, 1) => {}
    }
    let found = start.elapsed();
    assert!(found >= Duration::from_millis(1900) && found < Duration::from_secs(5), "{found:?}");
    drop(silent);
    // It has answered pings all the time.
    let ended = alice.dial("nobody").await;
    assert_eq!(live.event().await, ("session-terminated".into(), ended, None));
}

#[tokio::test]
async fn the_end_of_a_session_closes_its_socket() {
    let s = Server::start_with(|c| c.session_seconds = 1).await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let mut deleted = alice.socket("").await;
    let mut expired = bob.socket("").await;
    assert_eq!(alice.send("DELETE", "", &[], None).await.status, 204);
    assert_eq!(deleted.closed().await, Some(1000));
    assert_eq!(expired.closed().await, Some(1008));
    open_sockets(&s, 0).await;
}

#[tokio::test]
async fn the_end_of_the_gateway_closes_sockets_within_five_seconds() {
    let s = Server::start().await;
    let bob = s.login("bob").await;
    let mut polite = bob.socket("").await;
    let carol = s.login("carol").await;
    // This one does not say good-bye.
    let _rude = raw_socket(&carol, "").await;
    let start = Instant::now();
    let (code, ()) = tokio::join!(polite.closed(), s.gateway.shutdown());
    assert_eq!(code, Some(1001));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let s = Server::start().await;
    let mut socket = s.login("bob").await.socket("").await;
    drop(s.gateway);
    assert_eq!(socket.closed().await, None);
}

#[tokio::test]
async fn sockets_count_as_connections() {
    let s = Server::start_with(|c| c.connections = 3).await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    // The client for requests keeps one connection.
    let first = alice.socket("").await;
    let _second = bob.socket("").await;
    let mut third = TcpStream::connect(s.gateway.address()).await.expect("the system accepts");
    third.write_all(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sends");
    let mut status = [0; 12];
    let early = tokio::time::timeout(Duration::from_millis(300), third.read_exact(&mut status)).await;
    assert!(early.is_err(), "it is not served: {early:?}");
    drop(first);
    tokio::time::timeout(DEADLINE, third.read_exact(&mut status)).await.expect("in time").expect("served");
    assert_eq!(&status, b"HTTP/1.1 404");
}
