//! Calls between real phones over a real gateway: order of events, properties, audio verified by its frequency.
//!
//! Owns: the ordinary life of a call. Must not import: anything but the party.

use crate::party::{PATIENCE, Party, connected, gateway};
use ewebrtc::{AnswerOptions, DialOptions, Error, Gateway, GatewayConfig};
use ewebrtc_media::analysis::{rms, tone_level};
use std::time::Duration;
use tokio::time::timeout;

/// Position of `media:established` may vary; it is checked apart and taken out here.
fn without_media(names: Vec<String>) -> Vec<String> {
    names.into_iter().filter(|n| n != "media:established").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_answered_and_ended_in_the_documented_order() {
    let gateway = gateway().await;
    let (mut alice, mut bob) = (Party::login(&gateway, "alice").await, Party::login(&gateway, "bob").await);
    alice.forget();
    bob.forget();
    let call = connected(&mut alice, &mut bob).await;
    assert_eq!(
        without_media(alice.names()),
        ["dialing", "sc created>connecting", "call:connecting", "sc connecting>connected", "call:connected"]
    );
    assert_eq!(
        without_media(bob.names()),
        [
            "call:incoming",
            "answering",
            "sc created>connecting",
            "call:connecting",
            "sc connecting>connected",
            "call:connected"
        ]
    );
    for party in [&alice, &bob] {
        let place = |name: &str| party.names().iter().position(|n| n == name).expect("seen");
        assert!(place("media:established") > place("call:connected"), "{:?}", party.names());
    }
    let of = |party: &Party, name: &str| party.seen().iter().find(|e| e.name() == name).expect("seen").clone();
    let incoming = of(&bob, "call:incoming");
    assert_eq!(incoming.text("from"), Some("sip:alice@ewebrtc.local"));
    assert_eq!(incoming.text("mediaType"), Some("audio"));
    let at_alice = of(&alice, "call:connected");
    assert_eq!((at_alice.text("to"), at_alice.text("from")), (Some("bob"), Some("sip:alice@ewebrtc.local")));
    assert_eq!(at_alice.get("index"), Some(&1.into()));
    assert!(at_alice.get("codec").is_some_and(|c| c.to_string().contains("opus")), "{:?}", at_alice.get("codec"));

    let calls = alice.phone.calls().await.expect("calls");
    assert_eq!(calls.len(), 1);
    assert_eq!(
        (calls[0].state.as_str(), calls[0].kind.as_str(), calls[0].peer.as_str()),
        ("connected", "Outgoing", "bob")
    );
    assert_eq!(alice.phone.media_type().await.expect("media type").as_deref(), Some("audio"));
    assert!(bob.phone.is_call_in_progress().await.expect("busy"));

    alice.forget();
    bob.forget();
    call.hangup().await.expect("hangup");
    alice.until("call:disconnected").await;
    bob.until("call:disconnected").await;
    assert_eq!(
        alice.names(),
        ["sc connected>disconnecting", "call:disconnecting", "sc disconnecting>disconnected", "call:disconnected"]
    );
    assert_eq!(bob.names(), ["sc connected>disconnected", "call:disconnected"]);
    assert!(matches!(call.hangup().await, Err(Error::NotFound)), "a stale handle");
    assert_eq!(alice.phone.media_type().await.expect("media type"), None);
    alice.leave().await;
    bob.leave().await;
    gateway.stop().await;
}

/// Half a second of what `reader` gets, after what it has and a second of settling.
async fn listen(reader: &ewebrtc::PcmReader) -> Vec<i16> {
    while reader.read(&mut [0; 4800]) > 0 {}
    let mut heard = Vec::new();
    let work = async {
        while heard.len() < 48_000 * 3 / 2 {
            let mut chunk = [0i16; 4800];
            let n = reader.read(&mut chunk);
            heard.extend_from_slice(&chunk[..n]);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, work).await.expect("samples come");
    heard.split_off(48_000)
}

/// Both hear the other's tone, and not their own.
#[tokio::test(flavor = "multi_thread")]
async fn both_parties_hear_the_others_tone() {
    let gateway = gateway().await;
    let with = |hz: u32| {
        move |c: &mut ewebrtc::PhoneConfig| {
            c.opus_complexity = 5;
            c.local_media = format!("tone:{hz}");
            c.remote_media = "pcm".into();
        }
    };
    let mut alice = Party::login_with(&gateway, "alice", with(440)).await;
    let mut bob = Party::login_with(&gateway, "bob", with(1000)).await;
    let call = connected(&mut alice, &mut bob).await;
    let incoming = bob.seen().iter().find(|e| e.name() == "call:incoming").and_then(|e| e.call()).expect("a handle");
    let at_bob = bob.phone.call(incoming);
    let reader = |call: &ewebrtc::Call| call.pcm_reader().expect("remoteMedia pcm");
    let (ear_a, ear_b) = (reader(&call), reader(&at_bob));
    for (ear, own, other) in [(&ear_a, 440.0, 1000.0), (&ear_b, 1000.0, 440.0)] {
        let heard = listen(ear).await;
        let (wanted, unwanted) = (tone_level(&heard, 48_000, other), tone_level(&heard, 48_000, own));
        assert!(wanted > 0.02 && unwanted < wanted / 20.0, "{other} Hz: {wanted}, {own} Hz: {unwanted}");
    }
    // Muted: packets go on, the tone does not.
    call.mute().await.expect("mute");
    alice.until("call:muted").await;
    call.mute().await.expect("mute twice is harmless");
    alice.until("warning").await;
    let before = at_bob.stats().expect("a leg").packets_received;
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(at_bob.stats().expect("a leg").packets_received > before + 20, "packets go on while muted");
    assert!(rms(&listen(&ear_b).await) < 0.001, "a muted phone is heard");
    assert!(tone_level(&listen(&ear_a).await, 48_000, 1000.0) > 0.02, "who is muted hears the other");
    call.unmute().await.expect("unmute");
    alice.until("call:unmuted").await;
    assert!(tone_level(&listen(&ear_b).await, 48_000, 440.0) > 0.02, "heard again");
    alice.phone.hangup().await.expect("hangup");
    bob.until("call:disconnected").await;
    alice.leave().await;
    bob.leave().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pcm_that_is_written_comes_back_from_echo() {
    let gateway = gateway().await;
    let mut alice = Party::login_with(&gateway, "alice", |c| {
        c.local_media = "pcm".into();
        c.remote_media = "pcm".into();
        c.pcm_rate = 48_000;
    })
    .await;
    let call = alice.phone.dial(DialOptions::new("echo")).await.expect("dial");
    let writer = call.pcm_writer().expect("localMedia pcm");
    call.connected().await.expect("echo answers");
    let tone: Vec<i16> = (0..48_000 * 4)
        .map(|n| ((f64::from(n) * 700.0 * std::f64::consts::TAU / 48_000.0).sin() * 8000.0) as i16)
        .collect();
    assert_eq!(writer.write(&tone), tone.len(), "four seconds fit");
    alice.until("media:established").await;
    let heard = listen(&call.pcm_reader().expect("remoteMedia pcm")).await;
    let level = tone_level(&heard, 48_000, 700.0);
    assert!(level > 0.05, "700 Hz at {level}");
    call.hangup().await.expect("hangup");
    alice.leave().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_call_has_ended_is_known_as_soon_as_it_is_over() {
    let gateway = gateway().await;
    let (mut alice, mut bob) = (Party::login(&gateway, "alice").await, Party::login(&gateway, "bob").await);
    for round in 0..5 {
        let call = connected(&mut alice, &mut bob).await;
        assert_eq!(call.end(), None, "it lives");
        let watched = call.clone();
        // Between the two there is no moment, however closely one looks.
        let watching = tokio::task::spawn_blocking(move || {
            while watched.state().is_some() {}
            watched.end().expect("it is over, so it is known how")
        });
        match round % 2 {
            0 => bob.phone.hangup().await.expect("hangup"),
            _ => drop(call.hangup().await),
        }
        let end = timeout(PATIENCE, watching).await.expect("it ends").expect("no panic");
        let event = alice.until("call:disconnected").await;
        assert_eq!((end.event(), end.error()), (&event, None));
        assert_eq!(call.mute().await, Err(Error::NotFound));
        bob.until("call:disconnected").await;
        alice.forget();
        bob.forget();
    }
    assert_eq!(alice.phone.call(4_711).end(), None, "there never was such a call");
    let mut options = DialOptions::new("alice");
    options.media.local_media = Some("wav:/no/such/file.wav".into());
    let call = bob.phone.dial(options).await.expect("accepted");
    let event = bob.until("call:disconnected").await;
    let end = call.end().expect("it is over");
    assert_eq!((end.event(), end.error().map(|error| error.error_code.as_str())), (&event, Some("0020")));
    // Also when everything ends at once, and the events wait until recordings are complete.
    let call = alice.phone.dial(DialOptions::new("echo")).await.expect("dial");
    alice.until("call:connected").await;
    alice.phone.close();
    let end = tokio::task::spawn_blocking(move || {
        while call.state().is_some() {}
        call.end()
    });
    assert!(timeout(PATIENCE, end).await.expect("it ends").expect("no panic").is_some());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_rejected() {
    let gateway = gateway().await;
    let (mut alice, mut bob) = (Party::login(&gateway, "alice").await, Party::login(&gateway, "bob").await);
    alice.forget();
    bob.forget();
    alice.phone.dial(DialOptions::new("bob@ewebrtc.local")).await.expect("dial");
    bob.until("call:incoming").await;
    bob.phone.reject().await.expect("reject");
    alice.until("call:rejected").await;
    bob.until("call:rejected").await;
    assert_eq!(
        alice.names(),
        ["dialing", "sc created>connecting", "call:connecting", "sc connecting>rejected", "call:rejected"]
    );
    assert_eq!(bob.names(), ["call:incoming", "sc created>rejected", "call:rejected"]);
    // Both are free again.
    connected(&mut alice, &mut bob).await;
    alice.leave().await;
    bob.until("call:disconnected").await;
    bob.leave().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_cancelled() {
    let gateway = gateway().await;
    let (mut alice, mut bob) = (Party::login(&gateway, "alice").await, Party::login(&gateway, "bob").await);
    alice.forget();
    bob.forget();
    alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    bob.until("call:incoming").await;
    // The callee may ring before the caller has read the gateway's answer.
    alice.until("call:connecting").await;
    alice.phone.cancel().await.expect("cancel");
    alice.until("call:canceled").await;
    bob.until("call:canceled").await;
    assert_eq!(
        alice.names(),
        ["dialing", "sc created>connecting", "call:connecting", "sc connecting>canceled", "call:canceled"]
    );
    assert_eq!(bob.names(), ["call:incoming", "sc created>canceled", "call:canceled"]);
    // Cancelled at once, perhaps before the call has an id: one end, and the callee does not keep ringing.
    alice.forget();
    let call = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    alice.phone.cancel().await.expect("cancel");
    assert!(matches!(call.connected().await, Err(Error::NotFound | Error::System(_))));
    bob.settle(Duration::from_millis(300)).await;
    let rings = bob.names().iter().filter(|n| *n == "call:incoming").count();
    let ends = bob.names().iter().filter(|n| *n == "call:canceled").count();
    assert_eq!(rings, ends, "{:?}", bob.names());
    alice.leave().await;
    bob.leave().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_unknown_users_and_busy_users_are_told_apart() {
    let config = GatewayConfig { ring_seconds: 1, ..GatewayConfig::development() };
    let gateway = Gateway::start(config).await.expect("the gateway starts");
    let mut alice = Party::login(&gateway, "alice").await;
    let ended = |event: ewebrtc::Event| event.text("message").map(str::to_owned);
    alice.phone.dial(DialOptions::new("nobody")).await.expect("dial");
    assert_eq!(ended(alice.until("call:disconnected").await).as_deref(), Some("Not found"));
    gateway.dev_token("dora").await.expect("a user without a session");
    alice.phone.dial(DialOptions::new("dora")).await.expect("dial");
    assert_eq!(ended(alice.until("call:disconnected").await).as_deref(), Some("Not available"));

    let mut bob = Party::login(&gateway, "bob").await;
    bob.forget();
    alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    assert_eq!(ended(alice.until("call:disconnected").await).as_deref(), Some("No answer"));
    bob.until("call:canceled").await;
    assert_eq!(bob.names(), ["call:incoming", "sc created>canceled", "call:canceled"]);

    let mut carol = Party::login(&gateway, "carol").await;
    connected(&mut alice, &mut bob).await;
    carol.phone.dial(DialOptions::new("carol")).await.expect("accepted");
    // Dialling oneself is refused by the gateway.
    let own = carol.until("error").await;
    assert_eq!(own.text("ErrorCode"), Some("1001"));
    carol.until("call:disconnected").await;
    alice.phone.hangup().await.expect("hangup");
    bob.until("call:disconnected").await;
    for party in [alice, bob, carol] {
        party.leave().await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ringing_phone_is_busy_for_others() {
    let gateway = gateway().await;
    let (alice, mut bob) = (Party::login(&gateway, "alice").await, Party::login(&gateway, "bob").await);
    let mut carol = Party::login(&gateway, "carol").await;
    alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    bob.until("call:incoming").await;
    carol.forget();
    carol.phone.dial(DialOptions::new("bob")).await.expect("dial");
    carol.until("call:rejected").await;
    assert_eq!(
        carol.names(),
        ["dialing", "sc created>connecting", "call:connecting", "sc connecting>rejected", "call:rejected"]
    );
    for party in [alice, bob, carol] {
        party.leave().await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_devices_of_a_user_ring_and_the_first_answer_wins() {
    let gateway = gateway().await;
    let mut alice = Party::login(&gateway, "alice").await;
    let (mut desk, mut mobile) = (Party::login(&gateway, "bob").await, Party::login(&gateway, "bob").await);
    alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    desk.until("call:incoming").await;
    mobile.until("call:incoming").await;
    mobile.forget();
    desk.phone.answer(AnswerOptions::default()).await.expect("answer");
    mobile.until("call:canceled").await;
    assert_eq!(mobile.names(), ["sc created>canceled", "call:canceled"]);
    alice.until("call:connected").await;
    for party in [alice, desk, mobile] {
        party.leave().await;
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_media_ends_the_item_with_0020() {
    let gateway = gateway().await;
    let (mut alice, mut bob) = (Party::login(&gateway, "alice").await, Party::login(&gateway, "bob").await);
    alice.forget();
    let mut options = DialOptions::new("bob");
    options.media.local_media = Some("wav:/does/not/exist.wav".into());
    alice.phone.dial(options).await.expect("accepted");
    assert_eq!(alice.until("error").await.text("ErrorCode"), Some("0020"));
    alice.until("call:disconnected").await;
    assert_eq!(alice.names(), ["dialing", "error", "sc created>disconnected", "call:disconnected"]);
    alice.forget();
    // The targets of a call are those of later calls too, until others are named.
    let mut options = DialOptions::new("bob");
    options.media.local_media = Some("silence".into());
    alice.phone.dial(options).await.expect("dial");
    bob.until("call:incoming").await;
    bob.forget();
    let mut options = AnswerOptions::default();
    options.media.local_media = Some("wav:/does/not/exist.wav".into());
    let refused = bob.phone.answer(options).await.expect_err("refused");
    assert_eq!(refused.code(), Some("0020"));
    bob.until("call:rejected").await;
    assert_eq!(bob.names(), ["answering", "error", "sc created>rejected", "call:rejected"]);
    alice.until("call:rejected").await;
    alice.leave().await;
    bob.leave().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_orders_are_refused_with_their_codes() {
    let gateway = gateway().await;
    let mut bob = Party::new(ewebrtc::PhoneConfig::new(gateway.url()));
    let codes = [
        ("logout", "2101"),
        ("dial", "2201"),
        ("answer", "2321"),
        ("hangup", "2401"),
        ("cancel", "2901"),
        ("reject", "3001"),
        ("mute", "2701"),
        ("unmute", "2801"),
        ("login", "2001"),
        ("associateE911Id", "2051"),
    ];
    for (n, (method, code)) in codes.iter().enumerate() {
        let tag = format!("t{n}");
        let options = if *method == "answer" { serde_json::json!({}) } else { serde_json::Value::Null };
        let error = bob.phone.invoke_async(method, options, Some(&tag)).await.expect_err("refused");
        assert_eq!(error.code(), Some(*code), "{method}");
        let event = bob.until("error").await;
        assert_eq!((event.text("ErrorCode"), event.tag()), (Some(*code), Some(tag.as_str())));
    }
    let unknown = bob.phone.invoke_async("fly", serde_json::Value::Null, None).await;
    assert_eq!(unknown, Err(Error::UnknownMethod("fly".into())));
    assert_eq!(bob.phone.on("call:unknown", |_| {}).expect_err("refused").code(), Some("4902"));
    assert_eq!(bob.until("error").await.text("ErrorCode"), Some("4902"));
    let mut options = DialOptions::new("bob");
    options.media_type = Some("video".into());
    assert_eq!(bob.phone.dial(options).await.expect_err("refused").code(), Some("2221"));
    for set in [
        (|c: &mut ewebrtc::PhoneConfig| c.opus_complexity = 11) as fn(&mut ewebrtc::PhoneConfig),
        |c| c.pcm_rate = 7_999,
        |c| c.audio_codecs.clear(),
        |c| c.local_media = "microphone!".into(),
        |c| c.remote_media = "silence".into(),
        |c| c.gateway = "nowhere".into(),
        |c| c.domain = Some("a\nb".into()),
        |c| c.ice.ports = Some(0..=0),
        |c| (c.ice.addresses.ipv4, c.ice.addresses.ipv6) = (false, false),
        |c| c.ice.servers.push(ewebrtc::IceServer { urls: vec![], username: String::new(), credential: "".into() }),
    ] {
        let mut config = ewebrtc::PhoneConfig::new(gateway.url());
        set(&mut config);
        assert!(matches!(ewebrtc::Phone::new(config), Err(Error::Config(_))), "a setting that cannot be used");
    }
    bob.phone.close();
    bob.until("phone:closed").await;
    bob.phone.closed().await;
    assert_eq!(bob.phone.logout().await, Err(Error::Closed));
    gateway.stop().await;
}
