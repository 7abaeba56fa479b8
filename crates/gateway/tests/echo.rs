//! A call to `echo` with real media: what is sent comes back.

mod common;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use common::*;
use ewebrtc_media::transport::{
    Direction, Medium, RtpPacket, Transport, TransportConfig, TransportEvents, TransportState,
};
use serde_json::json;

#[derive(Default)]
struct Log {
    packets: Mutex<Vec<RtpPacket>>,
    state: Mutex<Option<TransportState>>,
}

impl TransportEvents for Log {
    fn rtp(&self, _: Medium, packet: RtpPacket, _: Instant) {
        let mut packets = self.packets.lock().unwrap_or_else(PoisonError::into_inner);
        if packets.len() < 1000 {
            packets.push(packet);
        }
    }

    fn state(&self, state: TransportState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_echo_sends_audio_back_until_the_caller_hangs_up() {
    let s = Server::start().await;
    let alice = s.login("alice").await;
    let log = Arc::new(Log::default());
    let transport = Transport::new(TransportConfig::default(), log.clone()).await.expect("a transport");
    let offer = transport.create_offer().await.expect("an offer");
    let body = json!({"call": {"calledParty": "sip:echo@ewebrtc.local", "sdp": offer}});
    let reply = alice.send("POST", "/calls", &[], Some(body)).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let call = ewebrtc_wire::item_id_of(reply.header("location").expect("Location")).expect("an id").to_owned();
    let open = alice.event().await;
    assert_eq!(open.state.as_str(), "session-open", "{open:?}");
    transport.apply_answer(&open.sdp.expect("an answer")).await.expect("applied");
    let heard = async {
        let mut sequence: u16 = 0;
        loop {
            let Some(agreed) = transport.negotiated() else { panic!("agreed") };
            sequence = sequence.wrapping_add(1);
            let payload = axum::body::Bytes::from_static(b"hello, echo");
            let timestamp = u32::from(sequence) * 960;
            let payload_type = agreed.audio.payload_type;
            transport.send(
                Medium::Audio,
                RtpPacket { payload_type, marker: false, sequence, timestamp, ssrc: 0, payload: payload.clone() },
            );
            let packets = log.packets.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if packets.iter().any(|p| p.payload == payload) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, heard).await.expect("the echo is heard");
    // The echo answers later offers with its own connection.
    for (wish, action, expected) in [
        (Direction::SendOnly, "initiate-call-hold", "a=recvonly"),
        (Direction::SendRecv, "initiate-call-resume", "a=sendrecv"),
    ] {
        transport.set_direction(Medium::Audio, wish);
        let offer = transport.create_offer().await.expect("an offer");
        alice.acts(&call, action, &[], &offer).await;
        let event = alice.event().await;
        assert_eq!((event.state.as_str(), event.reason.as_deref()), ("mod-terminated", Some("success")));
        let answer = event.sdp.expect("an answer");
        assert!(answer.contains(expected), "{action}: {answer}");
        transport.apply_answer(&answer).await.expect("applied");
    }
    assert_eq!(alice.end(&call, "terminate").await.status, 204);
    assert_eq!(alice.ended(&call).await, None);
    // Its connection ends with the call, which the caller's side notices.
    let gone = async {
        loop {
            let state = log.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if matches!(state, Some(TransportState::Disconnected | TransportState::Failed(_) | TransportState::Closed))
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("the echo is gone");
    transport.close().await;
}
