//! The party that sends everything back.

mod transport_support;

use std::time::Duration;

use ewebrtc_media::MediaError;
use ewebrtc_media::transport::{AudioCodec, Direction, EchoPeer, Medium, TransportConfig, TransportState};
use transport_support::{Open, Side, config, direction, loopback, side, until, warm_up, within};

async fn echoed(caller: &Side) -> EchoPeer {
    let offer = caller.transport.create_offer().await.expect("an offer");
    let (answer, echo) = EchoPeer::answer(&offer, loopback()).await.expect("an answer");
    caller.transport.apply_answer(&answer).await.expect("applied");
    caller.connected().await;
    until("the echo is connected", || echo.state() == TransportState::Connected).await;
    echo
}

/// Sends until something comes back, so that what follows is not among the first packets of a connection.
async fn warm(caller: &Side) {
    within(10, "an echo", async {
        while caller.log.received() == 0 {
            caller.send();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_packet_comes_back_in_every_codec_with_its_telephone_events() {
    for codec in [AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Pcma] {
        let caller = side(TransportConfig { audio_codecs: vec![codec], ..config() }).await;
        let echo = echoed(&caller).await;
        let agreed = caller.transport.negotiated().expect("agreed").audio;
        assert_eq!(agreed.codec, codec);
        let (events, clock) = agreed.telephone_event.expect("telephone events");
        assert_eq!(clock, codec.clock_rate());
        warm(&caller).await;
        for payload in [b"one" as &'static [u8], b"two", b"three"] {
            assert!(caller.send_as(agreed.payload_type, payload));
        }
        assert!(caller.send_as(events, &[5, 0x8a, 3, 0xc0]));
        let back = |payload: &[u8]| {
            let packets = caller.log.packets.lock().expect("not poisoned");
            packets.iter().find(|packet| packet.payload[..] == *payload).cloned()
        };
        until("all of it", || back(b"three").is_some() && back(&[5, 0x8a, 3, 0xc0]).is_some()).await;
        let (one, two) = (back(b"one").expect("one"), back(b"two").expect("two"));
        assert_eq!(two.timestamp.wrapping_sub(one.timestamp), 960);
        assert_eq!(two.sequence, one.sequence.wrapping_add(1));
        assert_ne!(one.ssrc, caller.transport.ssrc(Medium::Audio));
        assert_eq!(back(&[5, 0x8a, 3, 0xc0]).expect("the event").payload_type, events);
        echo.close().await;
        assert_eq!(echo.state(), TransportState::Closed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_can_be_held_and_resumed_and_taken_over() {
    let caller = side(config()).await;
    let echo = echoed(&caller).await;
    warm(&caller).await;
    caller.transport.set_direction(Medium::Audio, Direction::SendOnly);
    let offer = caller.transport.create_offer().await.expect("an offer");
    let answer = echo.answer_again(&offer).await.expect("an answer");
    assert_eq!(direction(&answer), "a=recvonly");
    caller.transport.apply_answer(&answer).await.expect("applied");
    caller.transport.set_direction(Medium::Audio, Direction::SendRecv);
    let offer = caller.transport.create_offer().await.expect("an offer");
    let answer = echo.answer_again(&offer).await.expect("an answer");
    caller.transport.apply_answer(&answer).await.expect("applied");
    // Another caller in the place of the first.
    let other = side(config()).await;
    let offer = other.transport.create_offer().await.expect("an offer");
    let answer = echo.answer_again(&offer).await.expect("an answer");
    other.transport.apply_answer(&answer).await.expect("applied");
    other.connected().await;
    warm(&other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_offer_is_refused_and_a_dropped_party_leaves_nothing() {
    assert!(matches!(EchoPeer::answer("v=0", loopback()).await, Err(MediaError::Sdp(_))));
    {
        let caller = side(config()).await;
        let _echo = echoed(&caller).await;
    }
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    until("no task is left", || tasks() == 0).await;
    warm_up().await;
    let before = Open::now();
    for _ in 0..5 {
        let caller = side(config()).await;
        let _echo = echoed(&caller).await;
        warm(&caller).await;
    }
    until("no task is left", || tasks() == 0).await;
    before.nothing_more().await;
}
