//! The event channel over real connections: what is lost on the way comes again, nothing comes twice.

mod common;

use common::*;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn the_newest_poll_wins_and_an_idle_one_ends_with_204() {
    let s = Server::start_with(|c| c.poll_seconds = 1).await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let waiting = bob.waiting_poll("").await;
    alice.dial("bob").await;
    let reply = waiting.await;
    assert_eq!(reply.status, 200);
    assert!(reply.body.contains("invitation-received"));
    let start = Instant::now();
    let idle = bob.poll_raw("").await;
    assert_eq!((idle.status, idle.body.as_str(), idle.header("content-type")), (204, "", None));
    assert!(start.elapsed() >= Duration::from_millis(950));
}

/// A poll on a connection of its own, sent and not read.
async fn raw_poll(phone: &Phone<'_>) -> TcpStream {
    let mut stream = TcpStream::connect(phone.server.gateway.address()).await.expect("connects");
    let head = format!(
        "GET {} HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nAuthorization: {}\r\n\r\n",
        phone.path("/events"),
        phone.bearer
    );
    stream.write_all(head.as_bytes()).await.expect("sends");
    stream
}

async fn open_polls(server: &Server, count: usize) {
    let wait = async {
        while server.gateway.state().poll_count() != count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.expect("in time");
}

#[tokio::test]
async fn a_phone_that_hangs_up_its_poll_loses_nothing() {
    let s = Server::start().await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    for _ in 0..20 {
        let poll = raw_poll(&bob).await;
        open_polls(&s, 1).await;
        drop(poll);
        open_polls(&s, 0).await;
        let out = alice.dial("bob").await;
        let inc = bob.invited().await;
        alice.end(&out, "cancel").await;
        alice.ended(&out).await;
        assert_eq!(bob.ended(&inc).await.as_deref(), Some("Call canceled"));
    }
}

#[tokio::test]
async fn numbered_events_survive_any_lost_answer() {
    let s = Server::start().await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let out = alice.dial("bob").await;
    // Three answers are lost on their way, as far as the phone can tell.
    for _ in 0..3 {
        let events = bob.poll("?after=0").await;
        assert_eq!((events.len(), events[0].seq), (1, Some(1)));
        assert_eq!(events[0].event.state.as_str(), "invitation-received");
    }
    alice.end(&out, "cancel").await;
    // The invitation is not acknowledged: it comes alone, its end after it.
    let events = bob.poll("?after=0").await;
    assert_eq!((events.len(), events[0].seq), (1, Some(1)));
    let events = bob.poll("?after=1").await;
    assert_eq!((events.len(), events[0].seq), (1, Some(2)));
    assert_eq!(events[0].event.reason.as_deref(), Some("Call canceled"));
    let waiting = bob.waiting_poll("?after=2").await;
    drop(waiting);
    for bad in ["?after=3", "?after=-1", "?after=x", "?after="] {
        assert_eq!(bob.poll_raw(bad).await.refusal(), refused(400, "SVC0002"), "{bad}");
    }
    // The numbers are beside the event, where original clients do not look.
    alice.dial("bob").await;
    let body = bob.poll_raw("?x=1&after=2").await.json();
    let element = &body["events"]["eventList"][0];
    assert_eq!(element["seq"], 3);
    assert_eq!(element["eventObject"]["state"], "invitation-received");
}

#[tokio::test]
async fn plain_polls_have_no_numbers() {
    let s = Server::start().await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    alice.dial("bob").await;
    let body = bob.poll_raw("").await.json();
    let element = body["events"]["eventList"][0].as_object().expect("an object");
    assert_eq!(element.keys().collect::<Vec<_>>(), ["eventObject"]);
}

#[tokio::test]
async fn an_invitation_and_its_end_come_in_two_answers() {
    let s = Server::start().await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    // Nobody polls: the call comes and goes unseen.
    let out = alice.dial("bob").await;
    alice.end(&out, "cancel").await;
    let seen = alice.dial("bob").await;
    let inc = bob.invited().await;
    alice.end(&seen, "cancel").await;
    assert_eq!(bob.ended(&inc).await.as_deref(), Some("Call canceled"));
}

#[tokio::test]
async fn shutdown_ends_open_polls_within_five_seconds() {
    let s = Server::start().await;
    let phones = [s.login("alice").await, s.login("bob").await];
    let a = phones[0].waiting_poll("").await;
    let b = phones[1].waiting_poll("?after=0").await;
    let _idle = TcpStream::connect(s.gateway.address()).await.expect("connects");
    let start = Instant::now();
    let (a, b, ()) = tokio::join!(a, b, s.gateway.shutdown());
    assert_eq!((a.status, b.status), (204, 204));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(TcpStream::connect(s.gateway.address()).await.is_err(), "nobody listens");
    s.gateway.shutdown().await;
}
