//! Calls with a ringback tone and real media: what both sides are offered, what passes, and that nothing stays behind.

mod common;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::*;
use ewebrtc_media::transport::{
    Direction, Medium, RtpPacket, Transport, TransportConfig, TransportEvents, TransportState,
};
use serde_json::json;

#[derive(Default)]
struct Log(Mutex<Vec<RtpPacket>>);

impl Log {
    fn packets(&self) -> Vec<RtpPacket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl TransportEvents for Log {
    fn rtp(&self, _: Medium, packet: RtpPacket, _: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(packet);
    }

    fn state(&self, _: TransportState) {}
}

async fn transport() -> (Transport, Arc<Log>) {
    let log = Arc::new(Log::default());
    (Transport::new(TransportConfig::default(), log.clone()).await.expect("a transport"), log)
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

/// A caller who hears the tone, and the callee's leg.
async fn ringing(alice: &Phone<'_>, bob: &Phone<'_>) -> (String, Transport, Arc<Log>, String, String) {
    let (transport, log) = transport().await;
    let offer = transport.create_offer().await.expect("an offer");
    let body = json!({"call": {"calledParty": "sip:bob@ewebrtc.local", "sdp": offer}});
    let reply = alice.send("POST", "/calls", &[], Some(body)).await;
    let call = ewebrtc_wire::item_id_of(reply.header("location").expect("Location")).expect("an id").to_owned();
    let early = alice.event().await;
    assert_eq!((early.state.as_str(), early.provisional_sdp), ("session-open", true));
    transport.apply_answer(&early.sdp.expect("an answer")).await.expect("applied");
    until("a tone", || log.packets().len() > 10).await;
    let invitation = bob.event().await;
    assert_eq!(invitation.state.as_str(), "invitation-received");
    let leg = ewebrtc_wire::item_id_of(&invitation.resource_url).expect("an id").to_owned();
    (call, transport, log, leg, invitation.sdp.expect("an offer"))
}

fn packet(payload_type: u8, timestamp: u32, payload: &'static [u8]) -> RtpPacket {
    let payload = axum::body::Bytes::from_static(payload);
    RtpPacket { payload_type, marker: false, sequence: 0, timestamp, ssrc: 0, payload }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audio_and_digits_pass_in_both_directions_also_after_a_hold() {
    let s = Server::start_with(|c| c.ringback = true).await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let (call, caller, at_alice, leg, offer) = ringing(&alice, &bob).await;
    let (callee, at_bob) = transport().await;
    let answer = callee.answer_offer(&offer).await.expect("an answer");
    assert_eq!(bob.act(&leg, "call-answer", &[], &answer).await.status, 200);
    let open = alice.event().await;
    assert_eq!((open.state.as_str(), open.sdp.as_deref(), open.provisional_sdp), ("session-open", None, false));
    assert_eq!(bob.event().await.state.as_str(), "session-modified");
    let says = |from: &Transport, to: &Log, payload: &'static [u8], digit: bool| {
        let agreed = from.negotiated().expect("agreed").audio;
        let payload_type = if digit { agreed.telephone_event.expect("events").0 } else { agreed.payload_type };
        from.send(Medium::Audio, packet(payload_type, 960, payload));
        to.packets().iter().any(|p| p.payload[..] == *payload)
    };
    for round in [[b"a1" as &'static [u8], b"b1"], [b"a2", b"b2"]] {
        until("the caller is heard", || says(&caller, &at_bob, round[0], false)).await;
        until("the callee is heard", || says(&callee, &at_alice, round[1], false)).await;
        until("a digit", || says(&caller, &at_bob, &[5, 0x8a, 3, 0xc0], true)).await;
        // Whoever called holds and resumes; the other side answers an offer of the gateway's.
        for (wish, action, answered) in [
            (Direction::SendOnly, "initiate-call-hold", "a=recvonly"),
            (Direction::SendRecv, "initiate-call-resume", "a=sendrecv"),
        ] {
            caller.set_direction(Medium::Audio, wish);
            let offer = caller.create_offer().await.expect("an offer");
            alice.acts(&call, action, &[], &offer).await;
            let asked = bob.event().await;
            assert_eq!(asked.state.as_str(), "mod-received");
            let answer = callee.answer_offer(&asked.sdp.expect("an offer")).await.expect("an answer");
            assert!(answer.contains(answered), "{answer}");
            let id = asked.mod_id.expect("an id");
            bob.acts(&leg, "accept-call-mod", &[("x-modId", &id)], &answer).await;
            let end = alice.event().await;
            assert_eq!((end.state.as_str(), end.mod_id.as_ref()), ("mod-terminated", Some(&id)));
            let answer = end.sdp.expect("an answer");
            assert!(answer.contains(answered), "{answer}");
            caller.apply_answer(&answer).await.expect("applied");
            assert_eq!(bob.event().await.state.as_str(), "mod-terminated");
        }
    }
    assert_eq!(s.gateway.state().anchor_count(), 1);
    alice.end(&call, "terminate").await;
    assert_eq!(bob.ended(&leg).await.as_deref(), Some("Call terminated"));
    until("the anchor is gone", || s.gateway.state().anchor_count() == 0).await;
    caller.close().await;
    callee.close().await;
}

/// Sockets and files that this process has open (Linux).
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_end_closes_both_connections() {
    let s = Server::start_with(|c| (c.ringback, c.ring_seconds) = (true, 2)).await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut before = None;
    for round in 0..2 {
        for ending in ["cancel", "reject", "no answer", "answer", "caller leaves", "callee leaves"] {
            let (alice, bob) = (s.login("alice").await, s.login("bob").await);
            let (call, caller, _, leg, offer) = ringing(&alice, &bob).await;
            match ending {
                "cancel" => assert_eq!(alice.end(&call, "cancel").await.status, 204),
                "reject" => assert_eq!(bob.end(&leg, "reject").await.status, 204),
                "answer" => {
                    let (callee, _) = transport().await;
                    let answer = callee.answer_offer(&offer).await.expect("an answer");
                    assert_eq!(bob.act(&leg, "call-answer", &[], &answer).await.status, 200);
                    alice.event().await;
                    bob.event().await;
                    bob.end(&leg, "terminate").await;
                    callee.close().await;
                }
                "caller leaves" => assert_eq!(alice.send("DELETE", "", &[], None).await.status, 204),
                "callee leaves" => assert_eq!(bob.send("DELETE", "", &[], None).await.status, 204),
                _ => {}
            }
            if ending != "caller leaves" {
                alice.ended(&call).await;
                alice.send("DELETE", "", &[], None).await;
            }
            if ending != "callee leaves" {
                bob.ended(&leg).await;
                bob.send("DELETE", "", &[], None).await;
            }
            caller.close().await;
            until("the anchor is gone", || s.gateway.state().anchor_count() == 0).await;
        }
        if round == 0 {
            // What the process needs once is there now. Keep-alive connections of the client may come and go.
            tokio::time::timeout(DEADLINE, async {
                let mut last = (tasks(), open_files());
                loop {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    let now = (tasks(), open_files());
                    if now == last {
                        return;
                    }
                    last = now;
                }
            })
            .await
            .expect("it settles");
            before = Some((tasks(), open_files()));
        }
    }
    let (tasks_before, files_before) = before.expect("a first round");
    until("no task is left", || tasks() <= tasks_before).await;
    until("no socket is left", || open_files() <= files_before + 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_the_limit_calls_go_directly() {
    let s = Server::start_with(|c| (c.ringback, c.anchors) = (true, 1)).await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let (carol, dave) = (s.login("carol").await, s.login("dave").await);
    let (call, caller, _, _, _) = ringing(&alice, &bob).await;
    carol.dial("dave").await;
    let invitation = dave.event().await;
    assert_eq!(invitation.sdp.as_deref(), Some(OFFER), "the caller's own");
    alice.end(&call, "cancel").await;
    until("the anchor is gone", || s.gateway.state().anchor_count() == 0).await;
    caller.close().await;
    // An offer that the gateway's own media cannot take goes directly, too.
    let (erin, frank) = (s.login("erin").await, s.login("frank").await);
    erin.dial("frank").await;
    assert_eq!(frank.event().await.sdp.as_deref(), Some(OFFER));
    assert_eq!(s.gateway.state().anchor_count(), 0);
}
