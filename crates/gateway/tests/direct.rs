//! Calls that are moved and transferred, with real media between the parties: what one says the other hears.

mod common;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::*;
use ewebrtc_media::transport::{
    Direction, Medium, RtpPacket, Transport, TransportConfig, TransportEvents, TransportState,
};
use ewebrtc_wire::item_id_of;
use serde_json::json;

/// What was heard, by content.
#[derive(Default)]
struct Log(Mutex<Vec<axum::body::Bytes>>);

impl TransportEvents for Log {
    fn rtp(&self, _: Medium, packet: RtpPacket, _: Instant) {
        let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !heard.contains(&packet.payload) && heard.len() < 100 {
            heard.push(packet.payload);
        }
    }

    fn state(&self, _: TransportState) {}
}

/// A peer connection and what came in.
struct Media {
    transport: Transport,
    log: Arc<Log>,
}

impl Media {
    async fn new() -> Self {
        let log = Arc::new(Log::default());
        let transport = Transport::new(TransportConfig::default(), log.clone()).await.expect("a transport");
        Self { transport, log }
    }

    async fn offer(&self) -> String {
        self.transport.create_offer().await.expect("an offer")
    }

    async fn answer(&self, offer: &str) -> String {
        self.transport.answer_offer(offer).await.expect("an answer")
    }

    fn say(&self, sequence: u16, word: &'static str) {
        let Some(agreed) = self.transport.negotiated() else { return };
        let (payload_type, payload) = (agreed.audio.payload_type, axum::body::Bytes::from_static(word.as_bytes()));
        let timestamp = u32::from(sequence) * 960;
        let packet = RtpPacket { payload_type, marker: false, sequence, timestamp, ssrc: 0, payload };
        self.transport.send(Medium::Audio, packet);
    }

    fn heard(&self, word: &str) -> bool {
        self.log.0.lock().unwrap_or_else(PoisonError::into_inner).iter().any(|p| p == word.as_bytes())
    }
}

/// Both say a new word until the other has heard it.
async fn talk(a: &Media, b: &Media, word_of_a: &'static str, word_of_b: &'static str) {
    let heard = async {
        for sequence in 0.. {
            a.say(sequence, word_of_a);
            b.say(sequence, word_of_b);
            if a.heard(word_of_b) && b.heard(word_of_a) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), heard).await.expect("both are heard");
}

async fn connect(a: (&Phone<'_>, &Media), b: (&Phone<'_>, &Media), name: &str) -> (String, String) {
    let to = format!("sip:{name}@ewebrtc.local");
    let body = json!({"call": {"calledParty": to, "sdp": a.1.offer().await}});
    let reply = a.0.send("POST", "/calls", &[], Some(body)).await;
    let out = item_id_of(reply.header("location").expect("Location")).expect("an id").to_owned();
    let invitation = b.0.event().await;
    let inc = item_id_of(&invitation.resource_url).expect("an id").to_owned();
    let answer = b.1.answer(&invitation.sdp.expect("an offer")).await;
    assert_eq!(b.0.act(&inc, "call-answer", &[], &answer).await.status, 200);
    assert_eq!(b.0.event().await.state.as_str(), "session-modified");
    a.1.transport.apply_answer(&a.0.event().await.sdp.expect("an answer")).await.expect("applied");
    (out, inc)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_parties_of_a_transfer_hear_each_other() {
    let s = Server::start().await;
    let (alice, bob, carol) = (s.login("alice").await, s.login("bob").await, s.login("carol").await);
    let (with_bob, with_carol, of_bob, of_carol) =
        (Media::new().await, Media::new().await, Media::new().await, Media::new().await);
    let (held, at_bob) = connect((&alice, &with_bob), (&bob, &of_bob), "bob").await;
    talk(&with_bob, &of_bob, "alice to bob", "bob to alice").await;
    with_bob.transport.set_direction(Medium::Audio, Direction::SendOnly);
    alice.acts(&held, "initiate-call-hold", &[], &with_bob.offer().await).await;
    let (id, offer) = bob.asked().await;
    let answer = of_bob.answer(&offer.expect("an offer")).await;
    bob.acts(&at_bob, "accept-call-mod", &[("x-modId", &id)], &answer).await;
    bob.finished(&id).await;
    with_bob.transport.apply_answer(&alice.finished(&id).await.expect("an answer")).await.expect("applied");
    let (active, at_carol) = connect((&alice, &with_carol), (&carol, &of_carol), "carol").await;
    talk(&with_carol, &of_carol, "alice to carol", "carol to alice").await;

    alice.acts(&held, "initiate-call-transfer", &[("x-transferTargetCallId", &active)], &answer).await;
    let (for_carol, _) = carol.asked().await;
    let new_of_carol = Media::new().await;
    let offer = new_of_carol.offer().await;
    carol.acts(&at_carol, "accept-call-mod", &[("x-modId", &for_carol)], &offer).await;
    let (for_bob, offer) = bob.asked().await;
    let answer = of_bob.answer(&offer.expect("an offer")).await;
    bob.acts(&at_bob, "accept-call-mod", &[("x-modId", &for_bob)], &answer).await;
    bob.finished(&for_bob).await;
    let answer = carol.finished(&for_carol).await.expect("an answer");
    new_of_carol.transport.apply_answer(&answer).await.expect("applied");
    talk(&of_bob, &new_of_carol, "bob to carol", "carol to bob").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_peer_of_a_moved_call_hears_the_new_session() {
    let s = Server::start().await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let (old, new, of_bob) = (Media::new().await, Media::new().await, Media::new().await);
    let (out, inc) = connect((&alice, &old), (&bob, &of_bob), "bob").await;
    talk(&old, &of_bob, "alice", "bob").await;
    let tablet = s.login("alice").await;
    old.transport.set_direction(Medium::Audio, Direction::SendOnly);
    alice.acts(&out, "initiate-call-move", &[], &old.offer().await).await;
    let leg = tablet.invited().await;
    assert_eq!(tablet.act(&leg, "call-answer", &[], &new.offer().await).await.status, 200);
    let (id, offer) = bob.asked().await;
    let answer = of_bob.answer(&offer.expect("an offer")).await;
    bob.acts(&inc, "accept-call-mod", &[("x-modId", &id)], &answer).await;
    bob.finished(&id).await;
    let open = tablet.event().await;
    assert_eq!(open.state.as_str(), "session-open");
    new.transport.apply_answer(&open.sdp.expect("an answer")).await.expect("applied");
    talk(&new, &of_bob, "alice's tablet", "bob again").await;
}

/// A move that nobody takes leaves the media where it was: the gateway's own descriptions are good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_did_not_move_is_heard_again() {
    let s = Server::start().await;
    let (alice, bob) = (s.login("alice").await, s.login("bob").await);
    let (of_alice, of_bob) = (Media::new().await, Media::new().await);
    let (out, _) = connect((&alice, &of_alice), (&bob, &of_bob), "bob").await;
    talk(&of_alice, &of_bob, "alice", "bob").await;
    of_alice.transport.set_direction(Medium::Audio, Direction::SendOnly);
    alice.acts(&out, "initiate-call-move", &[], &of_alice.offer().await).await;
    assert_eq!(alice.event().await.state.as_str(), "move-terminated");
    let answered = alice.event().await.sdp.expect("an answer");
    of_alice.transport.apply_answer(&answered).await.expect("the gateway's answer is one");
    of_alice.transport.set_direction(Medium::Audio, Direction::SendRecv);
    let (id, offer) = alice.asked().await;
    let answer = of_alice.answer(&offer.expect("an offer")).await;
    assert!(answer.contains("a=sendrecv"), "{answer}");
    alice.acts(&out, "accept-call-mod", &[("x-modId", &id)], &answer).await;
    assert_eq!(alice.finished(&id).await, None);
    talk(&of_alice, &of_bob, "alice again", "bob again").await;
}
