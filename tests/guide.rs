//! The blocks of docs/guide-rust.md, run: `build.rs` makes a module of each.
//!
//! Owns: nothing. Each test calls the functions of a section as a program would, against a gateway and phones of its own. They
//! record into a folder below target. Must not import: other tests.

use ewebrtc::{
    AnswerOptions, Call, CallSettings, DialOptions, Events, Gateway, GatewayConfig, LoginOptions, Phone, PhoneConfig,
};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tokio::time::timeout;

#[allow(dead_code, unreachable_pub, reason = "as printed in the guide")]
mod guide {
    include!(concat!(env!("OUT_DIR"), "/guide.rs"));
}

/// Longest wait for anything, far beyond what a loaded machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// The folder that the blocks' files are in, which is the current one from then on.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let project = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guide");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder below target");
    for (from, to) in [
        ("examples/speech/hello.wav", "announcement.wav"),
        ("examples/speech/hello.wav", "film.wav"),
        ("tests/data/counter.ivf", "film.ivf"),
    ] {
        std::fs::copy(project.join(from), folder.join(to)).expect("a file of the project");
    }
    std::env::set_current_dir(&folder).expect("the folder is there");
    folder
});

async fn gateway() -> Gateway {
    LazyLock::force(&FOLDER);
    Gateway::start(GatewayConfig::development()).await.expect("the gateway starts")
}

/// A phone of this user with these media, logged in.
async fn phone(gateway: &Gateway, user: &str, local: &str, remote: &str) -> Phone {
    let mut config = PhoneConfig::new(gateway.url());
    (config.local_media, config.remote_media) = (local.into(), remote.into());
    let phone = Phone::new(config).expect("a phone");
    let token = gateway.dev_token(user).await.expect("a token").access_token;
    phone.login(LoginOptions::new(token)).await.expect("login");
    phone
}

async fn until(events: &mut Events, name: &str) -> ewebrtc::Event {
    let next = async {
        loop {
            let event = events.next().await.expect("the phone is open");
            if event.name() == name {
                return event;
            }
        }
    };
    timeout(PATIENCE, next).await.unwrap_or_else(|_| panic!("no {name}"))
}

/// A phone that answers whoever calls.
async fn answering(gateway: &Gateway, user: &str) -> Phone {
    let phone = phone(gateway, user, "tone:300", "discard").await;
    guide::answer_every_call::answer_everything(&phone).expect("the name is one of an event");
    phone
}

async fn connected(caller: &Phone, to: &str) -> Call {
    let call = caller.dial(DialOptions::new(to)).await.expect("dial");
    timeout(PATIENCE, call.connected()).await.expect("in time").expect("connected");
    call
}

/// Seconds of sound in a recording, without the silence.
fn sound(file: &str) -> f64 {
    let mut reader = hound::WavReader::open(FOLDER.join(file)).expect("a recording");
    let loud = reader.samples::<i16>().filter(|sample| sample.as_ref().is_ok_and(|value| value.abs() > 100)).count();
    loud as f64 / 48_000.0
}

#[tokio::test(flavor = "multi_thread")]
async fn the_echo_is_called_and_recorded() {
    LazyLock::force(&FOLDER);
    guide::hear_that_it_works_call_the_echo::call_the_echo().await.expect("the call");
    assert!(sound("echo.wav") > 1.0, "{} s", sound("echo.wav"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_logs_in_to_a_gateway_elsewhere_and_answers_every_call() {
    let gateway = gateway().await;
    let bob = guide::use_a_gateway_that_runs_elsewhere::log_in(gateway.url()).await.expect("login");
    guide::answer_every_call::answer_everything(&bob).expect("a handler");
    let alice = phone(&gateway, "alice", "silence", "discard").await;
    let watched = tokio::spawn(guide::follow_events_as_a_stream::watch(alice.clone()));
    connected(&alice, "bob").await.hangup().await.expect("hangup");
    connected(&alice, "bob").await.hangup().await.expect("hangup");
    alice.close();
    timeout(PATIENCE, watched).await.expect("the stream ends").expect("no panic");
    guide::shut_down::shut_down(bob, gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_played_and_the_reply_recorded() {
    let gateway = gateway().await;
    let bob = answering(&gateway, "bob").await;
    let alice = phone(&gateway, "alice", "silence", "discard").await;
    let mut events = alice.events();
    let call = guide::play_a_file_record_what_comes::announce(&alice, "bob").await.expect("the call");
    until(&mut events, "media:established").await;
    let second = async {
        while call.stats().is_none_or(|stats| stats.packets_received < 50) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, second).await.expect("a second of the tone");
    alice.close();
    alice.closed().await;
    assert!(sound("reply.wav") > 0.1);
    guide::shut_down::shut_down(bob, gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parrot_sends_back_what_it_hears() {
    let gateway = gateway().await;
    let bird = phone(&gateway, "bird", "pcm", "pcm").await;
    let mut calls = bird.events();
    let alice = phone(&gateway, "alice", "tone:440", "discard").await;
    let call = alice.dial(DialOptions::new("bird")).await.expect("dial");
    let handle = until(&mut calls, "call:incoming").await.call().expect("a handle");
    bird.answer(AnswerOptions::default()).await.expect("answer");
    let theirs = bird.call(handle);
    let parrot = tokio::spawn(async move { guide::put_the_program_into_the_call_raw_samples::parrot(&theirs).await });
    let level = async {
        while call.stats().is_none_or(|stats| stats.level_in_dbfs < -40.0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, level).await.expect("the tone comes back");
    call.hangup().await.expect("hangup");
    timeout(PATIENCE, parrot).await.expect("it ends with the call").expect("no panic").expect("no error");
    guide::shut_down::shut_down(bird, gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn films_are_shown_pictures_streamed_and_upgrades_welcomed() {
    let gateway = gateway().await;
    let frames = ("silence;video=frames", "discard;video=frames");
    let bob = phone(&gateway, "bob", frames.0, frames.1).await;
    let mut calls = bob.events();
    let alice = phone(&gateway, "alice", frames.0, frames.1).await;
    let showing = alice.clone();
    let shown = tokio::spawn(async move { guide::video::show(&showing, "bob").await });
    let handle = until(&mut calls, "call:incoming").await.call().expect("a handle");
    bob.answer(AnswerOptions::default()).await.expect("answer");
    let film = timeout(PATIENCE, shown).await.expect("in time").expect("no panic").expect("the call");
    let viewer = bob.call(handle).video_reader().expect("frames");
    assert!(timeout(PATIENCE, viewer.read()).await.expect("in time").is_some(), "pictures of the film");
    film.hangup().await.expect("hangup");
    until(&mut calls, "call:disconnected").await;

    // An audio call of the same two; bob lets alice add video, and she streams.
    let welcome = bob.clone();
    let welcoming = tokio::spawn(async move { guide::video_2::welcome_video(&welcome).await });
    let mut options = DialOptions::new("bob");
    options.media_type = Some("audio".into());
    options.media = CallSettings { local_media: Some(frames.0.into()), remote_media: Some(frames.1.into()) };
    let call = alice.dial(options).await.expect("dial");
    let handle = until(&mut calls, "call:incoming").await.call().expect("a handle");
    bob.answer(AnswerOptions { media_type: Some("audio".into()), ..AnswerOptions::default() }).await.expect("answer");
    timeout(PATIENCE, call.connected()).await.expect("in time").expect("connected");
    alice.upgrade().await.expect("upgrade");
    let streamed = call.clone();
    let streaming = tokio::spawn(async move {
        // Stands for an encoder: the head of a VP8 frame of 320 x 240, and something behind it.
        let encode = |key: bool| {
            let head: &[u8] = if key { b"\x10\0\0\x9d\x01\x2a\x40\x01\xf0\0" } else { b"\x11\0\0" };
            [head, &[0; 100]].concat()
        };
        guide::video::stream(&streamed, encode).await;
    });
    let viewer = bob.call(handle).video_reader().expect("frames");
    assert!(timeout(PATIENCE, viewer.read()).await.expect("in time").is_some(), "pictures of the stream");
    call.hangup().await.expect("hangup");
    timeout(PATIENCE, streaming).await.expect("it ends with the call").expect("no panic");
    bob.close();
    timeout(PATIENCE, welcoming).await.expect("it ends with the phone").expect("no panic");
    guide::shut_down::shut_down(alice, gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_put_through() {
    let gateway = gateway().await;
    let (bob, carol) = (answering(&gateway, "bob").await, answering(&gateway, "carol").await);
    let (mut at_bob, mut at_carol) = (bob.events(), carol.events());
    let alice = phone(&gateway, "alice", "tone:440", "discard").await;
    connected(&alice, "bob").await;
    until(&mut at_bob, "media:established").await;
    let put = guide::hold_a_second_call_transfer_move::put_through(&alice, "carol");
    timeout(PATIENCE, put).await.expect("in time").expect("transferred");
    alice.close();
    alice.closed().await;
    bob.hangup().await.expect("bob and carol talk");
    until(&mut at_carol, "call:disconnected").await;
    guide::shut_down::shut_down(carol, gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_meet() {
    let gateway = gateway().await;
    let alice = phone(&gateway, "alice", "tone:440", "discard").await;
    let bob = phone(&gateway, "bob", "tone:300", "discard").await;
    let (mut at_alice, attending) = (alice.events(), bob.clone());
    let attends = tokio::spawn(async move { guide::confer::attend(&attending).await });
    // The stream of `attend` begins when it runs; the invitation comes after the conference is connected.
    let conference = timeout(PATIENCE, guide::confer::meet(&alice, &["bob"])).await.expect("in time").expect("met");
    until(&mut at_alice, "conference:invitation-accepted").await;
    assert_eq!(alice.participants().await.expect("the host's").len(), 1);
    conference.hangup().await.expect("the end");
    bob.close();
    timeout(PATIENCE, attends).await.expect("it ends with the phone").expect("no panic").expect("joined");
    guide::shut_down::shut_down(alice, gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_pressed_and_heard() {
    let gateway = gateway().await;
    let menu = answering(&gateway, "menu").await;
    guide::press_keys_and_hear_them::be_a_menu(&menu).expect("a handler");
    let mut keys = menu.events();
    let alice = phone(&gateway, "alice", "silence", "discard").await;
    let call = connected(&alice, "menu").await;
    timeout(PATIENCE, guide::press_keys_and_hear_them::choose(&call)).await.expect("in time").expect("sent");
    let mut heard = String::new();
    while !heard.ends_with('#') {
        heard += until(&mut keys, "dtmf:received").await.text("tone").expect("a key");
    }
    assert_eq!(heard, "421#");
    alice.close();
    guide::shut_down::shut_down(menu, gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_channel_and_callers() {
    let gateway = gateway().await;
    let alice = guide::hear_of_events_over_a_websocket::phone(gateway.url()).expect("a phone");
    let token = gateway.dev_token("alice").await.expect("a token").access_token;
    guide::show_numbers_and_callers::show_callers(&alice).expect("a handler");
    alice.login(LoginOptions::new(token)).await.expect("login");
    guide::handle_errors::try_to_call(&alice, "").await;
    guide::handle_errors::try_to_call(&alice, "nobody").await;
    guide::handle_errors::try_to_call(&alice, "echo").await;
    alice.hangup().await.expect("the echo was connected");
    guide::change_how_calls_are_set_up::behind_a_firewall(&alice).expect("set");
    guide::ask_what_works_on_this_machine::check();
    guide::see_what_the_library_does_logs::logs().expect("no other logger in this program");
    guide::shut_down::shut_down(alice, gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_async() {
    let gateway = gateway().await;
    let bob = answering(&gateway, "bob").await;
    let alice = phone(&gateway, "alice", "silence", "discard").await;
    let dialling = alice.clone();
    let dial = tokio::task::spawn_blocking(move || guide::without_async::dial_and_wait(&dialling));
    assert!(timeout(PATIENCE, dial).await.expect("in time").expect("no panic").expect("accepted"));
    bob.close();
    guide::shut_down::shut_down(alice, gateway).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_network_changes_and_the_gateway_forgets() {
    let old = gateway().await;
    let address = old.url().trim_start_matches("http://").to_owned();
    let alice = phone(&old, "alice", "silence", "discard").await;
    let mut events = alice.events();
    let shown = Arc::new(Mutex::new(Vec::new()));
    let list = shown.clone();
    guide::when_the_network_changes::tell_of_the_network(&alice, move |text| {
        list.lock().expect("no panic").push(text.to_owned());
    });
    alice.set_connectivity(false);
    until(&mut events, "connectivity:off").await;
    alice.set_connectivity(true);
    until(&mut events, "connectivity:on").await;
    let (staying, url) = (alice.clone(), old.url().to_owned());
    let stays =
        tokio::spawn(async move { guide::when_the_network_changes::stay_logged_in(&staying, &url, "alice").await });
    old.stop().await;
    until(&mut events, "gateway:unreachable").await;
    let mut config = GatewayConfig::development();
    config.listen = address;
    let new = Gateway::start(config).await.expect("the port is free again");
    until(&mut events, "session:expired").await;
    until(&mut events, "session:ready").await;
    let texts = shown.lock().expect("no panic").clone();
    assert!(texts.starts_with(&["There is no network.".to_owned(), "The network is back.".to_owned()]), "{texts:?}");
    alice.close();
    timeout(PATIENCE, stays).await.expect("it ends with the phone").expect("no panic").expect("logged in again");
    guide::shut_down::shut_down(alice, new).await;
}
