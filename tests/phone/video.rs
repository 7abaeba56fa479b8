//! Video between real phones over a real gateway: calls with it from the start, upgrades, downgrades and the answers to them.
//! What a party sees is told by who has drawn the pictures and which number they have.
//!
//! Owns: what calls do with video. Must not import: anything but the party and the recordings.

use crate::party::{PATIENCE, Party, gateway};
use crate::pictures::{Camera, Recording, Screen, counter, folder};
use ewebrtc::{AnswerOptions, Call, DialOptions, Error, Event, Gateway, GatewayConfig, VideoWriter};
use std::time::{Duration, Instant};

const FRAMES: (&str, &str) = ("silence;video=frames", "discard;video=frames");

/// A phone whose program draws pictures and looks at those that come.
async fn viewer(gateway: &Gateway, user: &str) -> Party {
    with_media(gateway, user, FRAMES).await
}

async fn with_media(gateway: &Gateway, user: &str, (local, remote): (&str, &str)) -> Party {
    Party::login_with(gateway, user, |config| {
        config.opus_complexity = 0;
        config.local_media = local.into();
        config.remote_media = remote.into();
    })
    .await
}

fn audio(destination: &str) -> DialOptions {
    DialOptions { media_type: Some("audio".into()), ..DialOptions::new(destination) }
}

/// The callee answers what the caller has just dialled; both have media. The call at the callee.
async fn answered(caller: &mut Party, callee: &mut Party, options: AnswerOptions) -> Call {
    let incoming = callee.until("call:incoming").await.call().expect("a handle");
    callee.phone.answer(options).await.expect("answer");
    caller.until("media:established").await;
    callee.until("media:established").await;
    callee.phone.call(incoming)
}

/// A call of two viewers, their calls, and their programs at work.
struct Talk {
    gateway: Gateway,
    alice: Party,
    bob: Party,
    call: Call,
    at_bob: Call,
    /// What alice and bob see.
    screens: (Screen, Screen),
    _cameras: (Camera, Camera),
}

impl Talk {
    async fn of(dialled: DialOptions) -> Self {
        Self::at(gateway().await, dialled).await
    }

    async fn at(gateway: Gateway, dialled: DialOptions) -> Self {
        let mut alice = viewer(&gateway, "alice").await;
        let mut bob = viewer(&gateway, "bob").await;
        let call = alice.phone.dial(dialled).await.expect("dial");
        let at_bob = answered(&mut alice, &mut bob, AnswerOptions::default()).await;
        let screens = (Screen::of(&call), Screen::of(&at_bob));
        let cameras = (Camera::of(&call, b'a'), Camera::of(&at_bob, b'b'));
        Self { gateway, alice, bob, call, at_bob, screens, _cameras: cameras }
    }

    async fn both_see_each_other(&mut self) {
        self.screens.0.shows(b'b').await;
        self.screens.1.shows(b'a').await;
        assert_eq!(self.media().await, ("video", "video"));
    }

    async fn nobody_sees_anything(&mut self) {
        self.screens.0.is_dark().await;
        self.screens.1.is_dark().await;
    }

    async fn media(&self) -> (&'static str, &'static str) {
        let of = async |party: &Party| match party.phone.media_type().await.expect("open").as_deref() {
            Some("video") => "video",
            Some("audio") => "audio",
            other => panic!("media type {other:?}"),
        };
        (of(&self.alice).await, of(&self.bob).await)
    }

    async fn end(mut self) {
        self.call.hangup().await.expect("hangup");
        self.bob.until("call:disconnected").await;
        self.leave().await;
    }

    async fn leave(self) {
        self.alice.leave().await;
        self.bob.leave().await;
        self.gateway.stop().await;
    }
}

/// Makes a change as soon as the one before it has ended on this side, too.
async fn once_free<F: Future<Output = Result<(), Error>>>(change: impl Fn() -> F) {
    let end = Instant::now() + PATIENCE;
    loop {
        match change().await {
            Ok(()) => return,
            Err(Error::Phone(error)) if ["2503", "2603", "4503", "4603"].contains(&error.error_code.as_str()) => {
                assert!(Instant::now() < end, "{error:?}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// One side asks by `change`, the other is asked and decides; both are through.
async fn agree(asker: (&mut Party, &'static str), asked: (&mut Party, &'static str), (operation, media): (&str, &str)) {
    let (party, change) = asker;
    let phone = party.phone.clone();
    let asking = tokio::spawn(async move { once_free(|| perform(&phone, change)).await });
    let (other, decision) = asked;
    let question = other.until("call:media-modification").await;
    assert_eq!((question.text("operation"), question.text("newMediaType")), (Some(operation), Some(media)));
    assert_eq!(question.text("generator"), Some("receiver"));
    other.forget();
    perform(&other.phone, decision).await.expect("decided");
    tokio::time::timeout(PATIENCE, asking).await.expect("it ends").expect("the task ran");
    other.until("command:finished").await;
    let names =
        ["sc connected>modification-accepted", "call:modification-in-progress", "sc modification-accepted>connected"];
    assert_eq!(other.names(), names);
}

async fn perform(phone: &ewebrtc::Phone, change: &str) -> Result<(), Error> {
    match change {
        "upgrade" => phone.upgrade().await,
        "downgrade" => phone.downgrade().await,
        "accept" => phone.accept_modification().await,
        "reject" => phone.reject_modification().await,
        other => panic!("{other}"),
    }
}

fn code(outcome: Result<(), Error>) -> String {
    match outcome {
        Err(Error::Phone(error)) => error.error_code,
        other => panic!("{other:?}"),
    }
}

fn media_type(event: &Event) -> (&str, bool) {
    (event.text("mediaType").expect("always there"), event.get("downgrade").is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_with_video_is_recorded_picture_by_picture() {
    let gateway = gateway().await;
    let folder = folder("video-recorded");
    let recording = folder.join("bob.ivf");
    let source = format!("silence;video=ivf:{}", counter().display());
    let mut alice = with_media(&gateway, "alice", (&source, FRAMES.1)).await;
    let sink = format!("discard;video=ivf:{}", recording.display());
    let mut bob = with_media(&gateway, "bob", (&source, &sink)).await;
    let call = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    assert_eq!(media_type(&alice.until("dialing").await), ("video", false), "there is a source of it");
    assert_eq!(media_type(&bob.until("call:incoming").await), ("video", false));
    bob.phone.answer(AnswerOptions::default()).await.expect("answer");
    assert_eq!(media_type(&alice.until("call:connected").await), ("video", false));
    assert_eq!(media_type(&bob.until("call:connected").await), ("video", false));

    let original = Recording::read(&counter());
    let reader = call.video_reader().expect("remoteMedia …;video=frames");
    let mut seen = Vec::new();
    while seen.len() < 80 {
        let frame = tokio::time::timeout(PATIENCE, reader.read()).await.expect("pictures come").expect("a picture");
        assert_eq!(frame.key, original.keys().any(|key| key == &frame.data[..]), "key frames are told apart");
        seen.push(frame.data.to_vec());
    }
    original.assert_runs_through(&seen);
    call.hangup().await.expect("hangup");
    bob.until("call:disconnected").await;
    for party in [alice, bob] {
        party.leave().await;
    }
    let recorded = Recording::read(&recording);
    assert_eq!((recorded.codec, recorded.size), (original.codec, original.size));
    assert!(recorded.frames.len() >= 70, "{} pictures", recorded.frames.len());
    original.assert_runs_through(&recorded.frames);
    recorded.assert_times_follow(&original);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_call_is_answered_with_audio_only_and_upgraded_later() {
    let gateway = gateway().await;
    let mut alice = viewer(&gateway, "alice").await;
    let mut bob = viewer(&gateway, "bob").await;
    let call = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    let options = AnswerOptions { media_type: Some("audio".into()), ..AnswerOptions::default() };
    let at_bob = answered(&mut alice, &mut bob, options).await;
    let connected = |party: &Party| party.seen().iter().find(|e| e.name() == "call:connected").cloned();
    assert_eq!(media_type(&connected(&alice).expect("connected")), ("audio", true), "downgrade tells the caller");
    assert_eq!(media_type(&connected(&bob).expect("connected")), ("audio", false));
    let cameras = (Camera::of(&call, b'a'), Camera::of(&at_bob, b'b'));
    let screens = (Screen::of(&call), Screen::of(&at_bob));
    let mut talk = Talk { gateway, alice, bob, call, at_bob, screens, _cameras: cameras };
    talk.nobody_sees_anything().await;
    agree((&mut talk.bob, "upgrade"), (&mut talk.alice, "accept"), ("upgrade", "video")).await;
    talk.both_see_each_other().await;
    talk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_without_a_camera_answers_with_audio_and_refuses_to_upgrade() {
    let gateway = gateway().await;
    let mut alice = viewer(&gateway, "alice").await;
    let mut bob = with_media(&gateway, "bob", ("silence", "discard")).await;
    let call = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    answered(&mut alice, &mut bob, AnswerOptions::default()).await;
    assert_eq!(bob.phone.media_type().await.expect("open").as_deref(), Some("audio"));
    assert_eq!(alice.phone.media_type().await.expect("open").as_deref(), Some("audio"));
    assert_eq!(code(bob.phone.upgrade().await), "0020");
    // What cannot be accepted can be rejected.
    let asking = tokio::spawn({
        let phone = alice.phone.clone();
        async move { phone.upgrade().await }
    });
    bob.until("call:media-modification").await;
    assert_eq!(code(bob.phone.accept_modification().await), "0020");
    bob.phone.reject_modification().await.expect("rejected");
    asking.await.expect("the task ran").expect("a refusal is an answer");
    assert_eq!(bob.phone.media_type().await.expect("open").as_deref(), Some("audio"));
    call.hangup().await.expect("hangup");
    let dial = DialOptions { media_type: Some("video".into()), ..DialOptions::new("alice") };
    bob.until("call:disconnected").await;
    assert_eq!(code(bob.phone.dial(dial).await.map(drop)), "2221");
    alice.leave().await;
    bob.leave().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_there_fails_the_upgrade_and_not_the_call() {
    let gateway = gateway().await;
    let mut alice = with_media(&gateway, "alice", ("silence;video=ivf:/nowhere/x.ivf", "discard")).await;
    let mut bob = viewer(&gateway, "bob").await;
    let call = alice.phone.dial(audio("bob")).await.expect("dial");
    answered(&mut alice, &mut bob, AnswerOptions::default()).await;
    alice.forget();
    assert_eq!(code(alice.phone.upgrade().await), "0020");
    alice.until("error").await;
    assert_eq!(alice.names(), ["error"], "nothing else changes");
    assert_eq!(alice.phone.media_type().await.expect("open").as_deref(), Some("audio"));
    call.hangup().await.expect("hangup");
    alice.until("call:disconnected").await;
    bob.until("call:disconnected").await;

    // From the start it is as a refused camera.
    alice.forget();
    alice.phone.dial(DialOptions::new("bob")).await.expect("it fails on the way");
    alice.until("call:disconnected").await;
    assert_eq!(alice.names(), ["dialing", "error", "sc created>disconnected", "call:disconnected"]);
    alice.leave().await;
    bob.leave().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn video_is_added_taken_away_and_added_again_by_either_side() {
    let mut talk = Talk::of(audio("bob")).await;
    talk.nobody_sees_anything().await;
    assert_eq!(talk.media().await, ("audio", "audio"));
    for round in 0..3 {
        // Who asks takes turns, so that each side is the one that had refused the section before.
        let (alice, bob) = (&mut talk.alice, &mut talk.bob);
        let (first, second) = if round % 2 == 0 { (alice, bob) } else { (bob, alice) };
        agree((first, "upgrade"), (second, "accept"), ("upgrade", "video")).await;
        talk.both_see_each_other().await;
        let (alice, bob) = (&mut talk.alice, &mut talk.bob);
        let (first, second) = if round == 1 { (alice, bob) } else { (bob, alice) };
        agree((first, "downgrade"), (second, "accept"), ("downgrade", "audio")).await;
        talk.nobody_sees_anything().await;
        assert_eq!(talk.media().await, ("audio", "audio"));
    }
    talk.end().await;
}

/// P-50: who rejects keeps its media, who has asked changes its own.
#[tokio::test(flavor = "multi_thread")]
async fn rejected_changes_leave_video_one_way() {
    let mut talk = Talk::of(audio("bob")).await;
    agree((&mut talk.alice, "upgrade"), (&mut talk.bob, "reject"), ("upgrade", "video")).await;
    assert_eq!(talk.media().await, ("video", "audio"));
    talk.screens.1.shows(b'a').await;
    talk.screens.0.is_dark().await;
    // The other side may add its own.
    upgrade_unasked(&talk.bob).await;
    talk.both_see_each_other().await;
    talk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_downgrade_takes_away_the_own_picture_only() {
    let mut talk = Talk::of(DialOptions::new("bob")).await;
    talk.both_see_each_other().await;
    agree((&mut talk.alice, "downgrade"), (&mut talk.bob, "reject"), ("downgrade", "audio")).await;
    assert_eq!(talk.media().await, ("audio", "video"));
    talk.screens.1.is_dark().await;
    talk.screens.0.shows(b'b').await;
    // With the own picture again both have all of it.
    upgrade_unasked(&talk.alice).await;
    talk.both_see_each_other().await;
    talk.end().await;
}

/// An upgrade towards a party whose call is one of video already is no question.
async fn upgrade_unasked(party: &Party) {
    once_free(|| party.phone.upgrade()).await;
}

/// A downgrade towards a party whose call is one of audio is no question.
async fn downgrade_unasked(party: &Party) {
    once_free(|| party.phone.downgrade()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_seen_on_hold_and_everybody_afterwards() {
    let mut talk = Talk::of(DialOptions::new("bob")).await;
    talk.both_see_each_other().await;
    talk.alice.phone.hold().await.expect("hold");
    talk.bob.until("call:held").await;
    talk.nobody_sees_anything().await;
    assert_eq!(code(talk.alice.phone.downgrade().await), "4503", "held");
    // The other side holds, too.
    let bob = talk.bob.phone.clone();
    once_free(|| bob.hold()).await;
    talk.nobody_sees_anything().await;
    let alice = talk.alice.phone.clone();
    once_free(|| alice.resume()).await;
    talk.nobody_sees_anything().await;
    once_free(|| bob.resume()).await;
    talk.both_see_each_other().await;

    // Muting is about what is heard.
    talk.alice.phone.mute().await.expect("mute");
    talk.screens.1.shows(b'a').await;
    talk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_and_a_hold_at_the_same_moment_leave_a_call_that_goes_on() {
    let mut talk = Talk::of(audio("bob")).await;
    for _ in 0..6 {
        let (alice, bob) = (talk.alice.phone.clone(), talk.bob.phone.clone());
        let upgrading = tokio::spawn(async move { alice.upgrade().await });
        let holding = tokio::spawn(async move { bob.hold().await });
        let held = match tokio::time::timeout(PATIENCE, holding).await.expect("it ends").expect("the task ran") {
            Ok(()) => true,
            // The upgrade came first: either the phone knew already, or the gateway has said so.
            Err(Error::Phone(_)) => false,
            Err(error) => panic!("{error}"),
        };
        let bob = talk.bob.phone.clone();
        if held {
            // Refused, or answered by itself because the call is on hold.
            let _ = tokio::time::timeout(PATIENCE, upgrading).await.expect("it ends").expect("the task ran");
            once_free(|| bob.resume()).await;
        } else {
            // The question may come after the refusal of the hold.
            talk.bob.until("call:media-modification").await;
            bob.reject_modification().await.expect("rejected");
            tokio::time::timeout(PATIENCE, upgrading).await.expect("it ends").expect("the task ran").expect("answered");
        }
        if talk.media().await.0 == "video" {
            downgrade_unasked(&talk.alice).await;
        }
    }
    agree((&mut talk.alice, "upgrade"), (&mut talk.bob, "accept"), ("upgrade", "video")).await;
    talk.both_see_each_other().await;
    talk.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_ends_ends_the_upgrade_that_waits() {
    for by_asker in [true, false] {
        let mut talk = Talk::of(audio("bob")).await;
        let alice = talk.alice.phone.clone();
        let upgrading = tokio::spawn(async move { alice.upgrade().await });
        talk.bob.until("call:media-modification").await;
        let ending = if by_asker { &talk.call } else { &talk.at_bob };
        ending.hangup().await.expect("hangup");
        assert_eq!(code(upgrading.await.expect("the task ran")), "4600");
        talk.alice.until("call:disconnected").await;
        talk.bob.until("call:disconnected").await;
        assert_eq!(code(talk.bob.phone.accept_modification().await), "4302");
        talk.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_that_nobody_answers_ends_by_itself_and_may_be_answered_late() {
    let gateway = Gateway::start(GatewayConfig { modification_seconds: 1, ..GatewayConfig::development() });
    let mut talk = Talk::at(gateway.await.expect("the gateway starts"), audio("bob")).await;
    talk.alice.phone.upgrade().await.expect("the gateway answers in bob's name");
    talk.bob.until("call:media-modification").await;
    assert_eq!(talk.media().await, ("video", "audio"));
    talk.nobody_sees_anything().await;
    talk.alice.phone.hold().await.expect("the call goes on");
    talk.alice.phone.resume().await.expect("the call goes on");
    // The gateway brings who has asked into line with a late answer (D-17).
    talk.bob.phone.accept_modification().await.expect("not too late");
    talk.both_see_each_other().await;
    talk.end().await;
}

/// The attendants of the gateway have ears only.
#[tokio::test(flavor = "multi_thread")]
async fn the_echo_answers_video_with_audio() {
    let gateway = gateway().await;
    let mut alice = with_media(&gateway, "alice", ("tone:440;video=frames", "pcm;video=frames")).await;
    let call = alice.phone.dial(DialOptions::new("echo")).await.expect("dial");
    assert_eq!(media_type(&alice.until("call:connected").await), ("audio", true));
    alice.until("media:established").await;
    let _camera = Camera::of(&call, b'a');
    // Refused is an answer: this side would send video, if anybody took it (phone-behaviour.md section 9).
    alice.phone.upgrade().await.expect("upgrade");
    alice.phone.hold().await.expect("hold");
    alice.phone.resume().await.expect("resume");
    alice.phone.downgrade().await.expect("downgrade");
    Screen::of(&call).is_dark().await;
    let pcm = call.pcm_reader().expect("remoteMedia pcm");
    let (mut heard, end) = (Vec::new(), Instant::now() + PATIENCE);
    let mut piece = [0; 4_800];
    while ewebrtc_media::analysis::tone_level(&heard, 48_000, 440.0) < 0.05 {
        assert!(Instant::now() < end, "the echo is silent");
        let count = pcm.read(&mut piece);
        heard = piece[..count].to_vec();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    call.hangup().await.expect("hangup");
    alice.leave().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_told_when_the_other_side_needs_a_key_frame() {
    let gateway = gateway().await;
    let mut alice = viewer(&gateway, "alice").await;
    let mut bob = viewer(&gateway, "bob").await;
    let call = alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    let at_bob = answered(&mut alice, &mut bob, AnswerOptions::default()).await;
    let writer: VideoWriter = call.video_writer().expect("localMedia …;video=frames");
    assert!(call.video_writer().is_none(), "it can be taken once");
    assert!(writer.key_frame_wanted(), "the first picture");
    let camera = Camera::with(writer, b'a');
    let mut screen = Screen::of(&at_bob);
    screen.shows(b'a').await;
    let keys = camera.keys();
    at_bob.request_key_frame().expect("a live call");
    let end = Instant::now() + PATIENCE;
    while camera.keys() == keys {
        assert!(Instant::now() < end, "the wish for a key frame does not arrive");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    call.hangup().await.expect("hangup");
    bob.until("call:disconnected").await;
    assert!(matches!(at_bob.request_key_frame(), Err(Error::NotFound)));
    alice.leave().await;
    bob.leave().await;
    gateway.stop().await;
}

/// Three parties, all with video.
#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_of_video_calls_lets_the_two_others_see_each_other() {
    let gateway = gateway().await;
    let mut alice = viewer(&gateway, "alice").await;
    let mut bob = viewer(&gateway, "bob").await;
    let mut carol = viewer(&gateway, "carol").await;
    alice.phone.dial(DialOptions::new("bob")).await.expect("dial");
    let at_bob = answered(&mut alice, &mut bob, AnswerOptions::default()).await;
    alice.phone.add_call(DialOptions::new("carol")).await.expect("addCall");
    let at_carol = answered(&mut alice, &mut carol, AnswerOptions::default()).await;
    let _cameras = (Camera::of(&at_bob, b'b'), Camera::of(&at_carol, b'c'));
    let (mut to_bob, mut to_carol) = (Screen::of(&at_bob), Screen::of(&at_carol));
    alice.phone.transfer().await.expect("transfer");
    for _ in 0..2 {
        alice.until("call:disconnected").await;
    }
    to_bob.shows(b'c').await;
    to_carol.shows(b'b').await;
    at_bob.hangup().await.expect("hangup");
    carol.until("call:disconnected").await;
    for party in [alice, bob, carol] {
        party.leave().await;
    }
    gateway.stop().await;
}

/// The new device is invited without a description (section 5.11), so it cannot know of video: it begins with audio, and
/// adds its picture without a question.
#[tokio::test(flavor = "multi_thread")]
async fn a_video_call_moves_to_another_device_and_is_upgraded_there() {
    let gateway = gateway().await;
    let mut desk = viewer(&gateway, "alice").await;
    let mut bob = viewer(&gateway, "bob").await;
    desk.phone.dial(DialOptions::new("bob")).await.expect("dial");
    let at_bob = answered(&mut desk, &mut bob, AnswerOptions::default()).await;
    let _camera = Camera::of(&at_bob, b'b');
    let mut to_bob = Screen::of(&at_bob);
    let mut mobile = viewer(&gateway, "alice").await;
    let phone = desk.phone.clone();
    let moving = tokio::spawn(async move { phone.move_call().await });
    let incoming = mobile.until("call:incoming").await;
    assert_eq!(incoming.text("mediaType"), Some("audio"));
    mobile.phone.answer(AnswerOptions::default()).await.expect("answer");
    moving.await.expect("the task ran").expect("move");
    desk.until("call:disconnected").await;
    let at_mobile = mobile.phone.call(incoming.call().expect("a handle"));
    let _other = Camera::of(&at_mobile, b'm');
    to_bob.is_dark().await;
    upgrade_unasked(&mobile).await;
    Screen::of(&at_mobile).shows(b'b').await;
    to_bob.shows(b'm').await;
    mobile.phone.hangup().await.expect("hangup");
    bob.until("call:disconnected").await;
    for party in [desk, mobile, bob] {
        party.leave().await;
    }
    gateway.stop().await;
}
