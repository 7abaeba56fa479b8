//! An anchored call: the tone before the answer, the packets of both parties after it, nothing left at its end.

mod transport_support;

use std::time::Duration;

use bytes::Bytes;
use ewebrtc_media::analysis::tone_level;
use ewebrtc_media::codec::{self, CodecSettings, Decoders, FRAME_SAMPLES, MAX_ENCODED_BYTES, MAX_PACKET_SAMPLES};
use ewebrtc_media::transport::{AudioCodec, Direction, Medium, RtpPacket, TransportConfig, TransportState};
use ewebrtc_media::{Anchor, End, MediaError};
use transport_support::{Open, Side, config, direction, loopback, side, until, warm_up, within};

/// Begins an anchored call; gives it and the offer for the callee.
async fn calling(caller: &Side) -> (Anchor, String) {
    let offer = caller.transport.create_offer().await.expect("an offer");
    let (anchor, answer, offer) = Anchor::start(&offer, loopback()).await.expect("an anchor");
    caller.transport.apply_answer(&answer).await.expect("applied");
    caller.connected().await;
    (anchor, offer)
}

async fn answered(anchor: &Anchor, callee: &Side, offer: &str) {
    let answer = callee.transport.answer_offer(offer).await.expect("an answer");
    anchor.connect(&answer).await.expect("connected");
    callee.connected().await;
    until("the callee's end is connected", || anchor.state(End::Callee) == TransportState::Connected).await;
}

fn packets(side: &Side) -> Vec<RtpPacket> {
    side.log.packets.lock().expect("not poisoned").clone()
}

/// The samples of these packets one after the other.
fn decoded(codec: AudioCodec, packets: &[RtpPacket]) -> Vec<i16> {
    let mut decoders = Decoders::new().expect("decoders");
    let mut all = Vec::new();
    for packet in packets {
        let mut pcm = [0; MAX_PACKET_SAMPLES];
        let samples = decoders.of(codec).decode(&packet.payload, &mut pcm).expect("a packet of this codec");
        all.extend_from_slice(&pcm[..samples]);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_caller_hears_the_tone_and_nothing_passes_before_the_answer() {
    for codec in [AudioCodec::Opus, AudioCodec::Pcmu] {
        let caller = side(TransportConfig { audio_codecs: vec![codec], ..config() }).await;
        let (anchor, offer) = calling(&caller).await;
        assert_eq!(direction(&offer), "a=sendrecv");
        until("a second of ringback", || caller.log.received() >= 60).await;
        let heard = packets(&caller);
        let level = tone_level(&decoded(codec, &heard[5..45]), 48_000, 425.0);
        assert!(level > 0.1, "{codec:?}: {level}");
        assert!(heard.windows(2).all(|two| two[1].sequence == two[0].sequence.wrapping_add(1)));
        let callee = side(config()).await;
        let answer = callee.transport.answer_offer(&offer).await.expect("an answer");
        // Its path comes up only with the answer, so whatever the caller says until then cannot come.
        assert!(caller.send());
        anchor.connect(&answer).await.expect("connected");
        callee.connected().await;
        caller.heard_by(&callee, 3).await;
        callee.heard_by(&caller, 3).await;
        let last = packets(&caller).into_iter().next_back().expect("a packet");
        assert_eq!(last.ssrc, heard[0].ssrc, "one stream");
        assert_eq!(&last.payload[..], b"payload", "the tone has ended");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn speech_and_telephone_events_pass_as_they_are() {
    let (caller, callee) = (side(config()).await, side(config()).await);
    let (anchor, offer) = calling(&caller).await;
    answered(&anchor, &callee, &offer).await;
    caller.heard_by(&callee, 2).await;
    let (events, _) = caller.transport.negotiated().expect("agreed").audio.telephone_event.expect("events");
    let at_callee = callee.transport.negotiated().expect("agreed").audio;
    for payload in [b"one" as &'static [u8], b"two"] {
        assert!(caller.send_as(at_callee.payload_type, payload));
    }
    assert!(caller.send_as(events, &[5, 0x8a, 3, 0xc0]));
    let there = |payload: &[u8]| packets(&callee).into_iter().find(|packet| packet.payload[..] == *payload);
    until("all of it", || there(&[5, 0x8a, 3, 0xc0]).is_some() && there(b"two").is_some()).await;
    let (one, two) = (there(b"one").expect("one"), there(b"two").expect("two"));
    assert_eq!(two.timestamp.wrapping_sub(one.timestamp), 960);
    assert_eq!(two.sequence, one.sequence.wrapping_add(1));
    assert_eq!(
        there(&[5, 0x8a, 3, 0xc0]).expect("an event").payload_type,
        at_callee.telephone_event.expect("events").0
    );
    assert_ne!(one.ssrc, caller.transport.ssrc(Medium::Audio));
}

/// A tone in Opus reaches a party that has PCMU only, and a tone in PCMU comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parties_without_a_common_codec_hear_each_other() {
    let caller = side(config()).await;
    let callee = side(TransportConfig { audio_codecs: vec![AudioCodec::Pcmu], ..config() }).await;
    let (anchor, offer) = calling(&caller).await;
    answered(&anchor, &callee, &offer).await;
    assert_eq!(caller.transport.negotiated().expect("agreed").audio.codec, AudioCodec::Opus);
    let mut encoder = codec::encoder(AudioCodec::Opus, &CodecSettings::default()).expect("an encoder");
    let mut n = 0_u32;
    within(10, "speech", async {
        while packets(&callee).len() < 60 {
            let frame: [i16; FRAME_SAMPLES] = std::array::from_fn(|k| {
                let time = f64::from(n * 960 + k as u32) / 48_000.0;
                ((time * 700.0 * std::f64::consts::TAU).sin() * 8000.0) as i16
            });
            let mut encoded = [0; MAX_ENCODED_BYTES];
            let bytes = encoder.encode(&frame, &mut encoded).expect("encoded");
            let packet = RtpPacket {
                payload_type: caller.transport.negotiated().expect("agreed").audio.payload_type,
                marker: false,
                sequence: 0,
                timestamp: n * 960,
                ssrc: 0,
                payload: Bytes::copy_from_slice(&encoded[..bytes]),
            };
            caller.transport.send(Medium::Audio, packet);
            n += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let heard = packets(&callee);
    assert!(heard.iter().all(|packet| packet.payload_type == 0 && packet.payload.len() == 160));
    assert!(heard.windows(2).all(|two| two[1].timestamp.wrapping_sub(two[0].timestamp) == 160));
    let level = tone_level(&decoded(AudioCodec::Pcmu, &heard[20..]), 48_000, 700.0);
    assert!(level > 0.1, "{level}");
    // What the caller can read as it is goes as it is.
    let before = caller.log.received();
    assert!(callee.send_as(0, &[0xff; 160]));
    until("it is passed on", || packets(&caller)[before..].iter().any(|packet| packet.payload_type == 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn either_party_is_held_and_resumed() {
    let (caller, callee) = (side(config()).await, side(config()).await);
    let (anchor, offer) = calling(&caller).await;
    answered(&anchor, &callee, &offer).await;
    for (holder, held, at_holder, at_held) in
        [(&caller, &callee, End::Caller, End::Callee), (&callee, &caller, End::Callee, End::Caller)]
    {
        for (wish, asked, said) in
            [(Direction::SendOnly, "a=sendonly", "a=recvonly"), (Direction::SendRecv, "a=sendrecv", "a=sendrecv")]
        {
            holder.transport.set_direction(Medium::Audio, wish);
            let offer = holder.transport.create_offer().await.expect("an offer");
            let passed = anchor.offer(at_held, wish).await.expect("an offer");
            assert_eq!(direction(&passed), asked);
            let answer = held.transport.answer_offer(&passed).await.expect("an answer");
            assert_eq!(direction(&answer), said);
            anchor.apply_answer(at_held, &answer).await.expect("applied");
            let answer = anchor.answer(at_holder, &offer, wish.reversed()).await.expect("an answer");
            assert_eq!(direction(&answer), said);
            holder.transport.apply_answer(&answer).await.expect("applied");
            holder.heard_by(held, 3).await;
        }
        held.heard_by(holder, 3).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_anchor_leaves_nothing_behind_wherever_it_ends() {
    assert!(matches!(Anchor::start("v=0", loopback()).await, Err(MediaError::Sdp(_))));
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    until("no task is left", || tasks() == 0).await;
    warm_up().await;
    until("no task is left", || tasks() == 0).await;
    let before = Open::now();
    for answer in [false, true] {
        let (caller, callee) = (side(config()).await, side(config()).await);
        let (anchor, offer) = calling(&caller).await;
        if answer {
            answered(&anchor, &callee, &offer).await;
            caller.heard_by(&callee, 2).await;
            anchor.close().await;
            assert_eq!(anchor.state(End::Caller), TransportState::Closed);
        }
    }
    until("no task is left", || tasks() == 0).await;
    before.nothing_more().await;
}
