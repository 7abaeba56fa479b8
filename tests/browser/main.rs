//! A browser is the other party: a page in headless Chromium, which speaks the REST protocol by `fetch` and
//! `RTCPeerConnection` as an original client does, and a phone of this library call each other through the gateway.
//! Both must hear the other's tone, measured by its frequency, the phone must hear the keys that the browser presses, and
//! both must see the other hang up.
//!
//! Needs Debian's `chromium` and `chromium-driver` (`make deps`). The tests run one after the other: two browsers and
//! their audio are too much for a small machine.

mod driver;
mod site;
mod video;
mod video_calls;
#[path = "../../crates/media/tests/video_support/wire.rs"]
mod wire;

use driver::Browser;
use ewebrtc::{
    AnswerOptions, Call, CallSettings, ConferenceOptions, DialOptions, Event, Events, Gateway, GatewayConfig,
    LoginOptions,
};
use ewebrtc::{JoinOptions, PcmReader, Phone, PhoneConfig};
use ewebrtc_media::analysis::{dominant_frequency, tone_level};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// What the phone plays, in Hz, and what the page plays: neither is a harmonic of the other or of the mains.
const PHONE_TONE: f64 = 880.0;
const PAGE_TONE: f64 = 523.0;

/// A tone counts as heard within this share of its frequency.
const TOLERANCE: f64 = 0.02;

/// Longest wait for anything that takes a fraction of a second on an idle machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// One browser at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Gateway, phone and page, both logged in.
struct Scene {
    gateway: Gateway,
    phone: Phone,
    events: Events,
    browser: Browser,
}

impl Scene {
    async fn new() -> Self {
        Self::over(GatewayConfig::development()).await
    }

    async fn over(config: GatewayConfig) -> Self {
        Self::set_up(config, &format!("tone:{PHONE_TONE}"), "pcm").await
    }

    /// As [`Scene::new`], with media of the phone's own.
    async fn with(local: &str, remote: &str) -> Self {
        Self::set_up(GatewayConfig::development(), local, remote).await
    }

    async fn set_up(config: GatewayConfig, local: &str, remote: &str) -> Self {
        let gateway = Gateway::start(config).await.expect("a gateway on a free port");

        let mut config = PhoneConfig::new(gateway.url());
        config.local_media = local.into();
        config.remote_media = remote.into();
        let phone = Phone::new(config).expect("a phone");
        let events = phone.events();
        let token = gateway.dev_token("nora").await.expect("a token").access_token;
        phone.login(LoginOptions::new(token)).await.expect("login of the phone");

        let page = site::serve().expect("a port for the page");
        let browser = Browser::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("a browser");
        browser.open(&page).expect("the page");
        let token = gateway.dev_token("page").await.expect("a token").access_token;
        browser
            .eval("client.login(...args)", json!([gateway.url(), token.expose(), PAGE_TONE]))
            .expect("login of the page");
        Self { gateway, phone, events, browser }
    }

    /// The phone's next event of this name; an event that ends the call first fails the test.
    async fn phone_sees(&mut self, wanted: &str) -> Event {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let mut before = Vec::new();
        loop {
            match tokio::time::timeout_at(deadline, self.events.next()).await {
                Ok(Some(event)) if event.name() == wanted => return event,
                Ok(Some(event)) => before.push(event.to_json().to_string()),
                Ok(None) => panic!("the phone closed before {wanted}; events: {before:#?}"),
                Err(_) => panic!("the phone saw no {wanted}; events: {before:#?}"),
            }
        }
    }

    /// The page presses keys of this length; the phone hears each of them once, in order, and then nothing more.
    async fn page_presses(&mut self, keys: &str, milliseconds: u64) {
        assert_eq!(self.page("client.press(...args)", json!([keys, milliseconds, 70])), keys);
        for key in keys.chars() {
            assert_eq!(self.phone_sees("dtmf:received").await.text("tone"), Some(key.to_string().as_str()), "{keys}");
        }
        let more = tokio::time::timeout(Duration::from_millis(300), self.phone_sees("dtmf:received")).await;
        assert!(more.is_err(), "heard twice: {more:?}");
    }

    fn page(&self, expression: &str, args: Value) -> Value {
        self.browser.eval(expression, args).unwrap_or_else(|error| panic!("page: {error}"))
    }

    /// The page's next event of this name from its event number `since` on.
    fn page_sees(&self, wanted: &str, since: &Value) -> Value {
        self.page("client.seen(...args)", json!([wanted, since, PATIENCE.as_millis() as u64]))
    }

    /// Waits until the page hears this tone and nothing near as loud beside it.
    fn page_hears(&self, tone: f64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let heard = self.page("client.hear()", json!([]));
            let near = heard["hz"].as_f64().is_some_and(|hz| (hz / tone - 1.0).abs() <= TOLERANCE);
            if near && heard["level"].as_f64() > Some(-50.0) && heard["clear"].as_f64() > Some(20.0) {
                return;
            }
            assert!(Instant::now() < deadline, "the page hears {heard}, not {tone} Hz");
        }
    }

    /// What an original client would have stumbled over.
    fn nothing_surprised_the_page(&self) {
        assert_eq!(self.page("client.problems()", json!([])), json!([]));
    }
}

/// Waits until a second of what the phone hears is the page's tone.
async fn phone_hears_the_page(call: &Call) {
    let reader: PcmReader = call.pcm_reader().expect("the call's PCM");
    let rate = 48_000;
    let deadline = Instant::now() + PATIENCE;
    let mut second: Vec<i16> = Vec::new();
    let mut piece = [0_i16; 4_800];
    // What was heard before now shows nothing.
    while reader.read(&mut piece) > 0 {}
    let mut heard = (0.0, 0.0);
    while Instant::now() < deadline {
        let count = reader.read(&mut piece);
        second.extend_from_slice(&piece[..count]);
        if second.len() >= rate as usize {
            heard = (dominant_frequency(&second, rate), tone_level(&second, rate, PAGE_TONE));
            if (heard.0 / PAGE_TONE - 1.0).abs() <= TOLERANCE && heard.1 > 0.05 {
                return;
            }
            second.clear();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the phone hears {} Hz at level {}, not the page's {PAGE_TONE} Hz", heard.0, heard.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn page_calls_phone_and_both_hear_each_other() {
    let _alone = ALONE.lock().await;
    let mut scene = Scene::new().await;

    scene.page("client.dial(...args)", json!(["nora@ewebrtc.local"]));
    let incoming = scene.phone_sees("call:incoming").await;
    assert_eq!(incoming.text("from"), Some("sip:page@ewebrtc.local"));
    assert_eq!(incoming.text("mediaType"), Some("audio"));
    let call = scene.phone.call(incoming.call().expect("a handle"));
    scene.phone.answer(AnswerOptions::default()).await.expect("answered");
    scene.page_sees("connected", &json!(0));
    scene.phone_sees("media:established").await;

    scene.page_hears(PHONE_TONE);
    phone_hears_the_page(&call).await;

    scene.page_presses("1123#*0AD", 100).await;
    // The browser's longest tone needs segments, its shortest has two packets before the end.
    scene.page_presses("77", 6_000).await;
    scene.page_presses("9", 40).await;
    call.send_dtmf_tone("12#", None).await.expect("all are sent");
    scene.page_hears(PHONE_TONE);

    let since = scene.page("client.count()", json!([]));
    call.hangup().await.expect("the phone hangs up");
    let end = scene.page_sees("terminated", &since);
    assert_eq!(end["state"], "connected", "the page learned of the end by an event, not by its own doing");
    scene.nothing_surprised_the_page();
    scene.page("client.logout()", json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn phone_calls_page_and_both_hear_each_other() {
    let _alone = ALONE.lock().await;
    let mut scene = Scene::new().await;

    let mut options = DialOptions::new("page");
    options.media = CallSettings { local_media: Some(format!("tone:{PHONE_TONE}")), remote_media: Some("pcm".into()) };
    let call = scene.phone.dial(options).await.expect("dialled");
    let incoming = scene.page_sees("incoming", &json!(0));
    assert_eq!(incoming["from"], "sip:nora@ewebrtc.local");
    scene.page("client.answer()", json!([]));
    scene.page_sees("connected", &json!(0));
    scene.phone_sees("call:connected").await;
    scene.phone_sees("media:established").await;

    scene.page_hears(PHONE_TONE);
    phone_hears_the_page(&call).await;
    scene.page_presses("2*2", 100).await;

    scene.page("client.hangup()", json!([]));
    let end = scene.phone_sees("call:disconnected").await;
    assert_eq!(end.call(), Some(call.handle()));
    scene.page_sees("terminated", &json!(0));
    scene.nothing_surprised_the_page();
    scene.page("client.logout()", json!([]));
}

/// A conference of two phones and the page: each hears the two others.
#[tokio::test(flavor = "multi_thread")]
async fn page_takes_part_in_a_conference() {
    const THIRD_TONE: f64 = 1319.0;
    let _alone = ALONE.lock().await;
    let mut scene = Scene::new().await;
    let mut config = PhoneConfig::new(scene.gateway.url());
    config.local_media = format!("tone:{THIRD_TONE}");
    config.remote_media = "pcm".into();
    let third = Phone::new(config).expect("a phone");
    let mut invited = third.events();
    let token = scene.gateway.dev_token("third").await.expect("a token").access_token;
    third.login(LoginOptions::new(token)).await.expect("login of the third");

    let conference = scene.phone.start_conference(ConferenceOptions::default()).await.expect("a conference");
    scene.phone.add_participant("third").await.expect("invited");
    while invited.next().await.expect("an event").name() != "conference:invitation-received" {}
    third.join_conference(JoinOptions::default()).await.expect("joined");
    scene.phone_sees("conference:invitation-accepted").await;
    scene.phone.add_participant("page").await.expect("invited");
    let incoming = scene.page_sees("incoming", &json!(0));
    assert_eq!(incoming["from"], "sip:nora@ewebrtc.local");
    scene.page("client.answer()", json!([]));
    scene.page_sees("connected", &json!(0));
    scene.phone_sees("conference:invitation-accepted").await;

    let deadline = Instant::now() + PATIENCE;
    loop {
        let levels = scene.page("client.levels(...args)", json!([PHONE_TONE, THIRD_TONE, PAGE_TONE]));
        let level = |n: usize| levels[n].as_f64().unwrap_or(-200.0);
        if level(0) > -50.0 && level(1) > -50.0 && level(2) < -70.0 {
            break;
        }
        assert!(Instant::now() < deadline, "the page hears {levels}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let reader = conference.pcm_reader().expect("the host's PCM");
    let mut second = vec![0_i16; 48_000];
    loop {
        let have = reader.available();
        if have >= second.len() {
            reader.read(&mut second);
            let level = |hz: f64| tone_level(&second, 48_000, hz);
            if level(PAGE_TONE) > 0.02 && level(THIRD_TONE) > 0.02 && level(PHONE_TONE) < 0.005 {
                break;
            }
        }
        assert!(Instant::now() < deadline, "the host does not hear the two others");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    scene.page("client.hangup()", json!([]));
    scene.page_sees("terminated", &json!(0));
    assert_eq!(scene.phone_sees("notification").await.text("message"), Some("Left the conference"));
    scene.phone.end_conference().await.expect("ended");
    scene.nothing_surprised_the_page();
    scene.page("client.logout()", json!([]));
}

/// The page offers again after an ICE restart, as browsers do when their network changes: both sides have new credentials, the
/// media takes the new path, and both are heard on it.
#[tokio::test(flavor = "multi_thread")]
async fn page_restarts_ice_and_both_hear_each_other_on() {
    let _alone = ALONE.lock().await;
    let mut scene = Scene::new().await;
    scene.page("client.dial(...args)", json!(["nora@ewebrtc.local"]));
    let incoming = scene.phone_sees("call:incoming").await;
    let call = scene.phone.call(incoming.call().expect("a handle"));
    scene.phone.answer(AnswerOptions::default()).await.expect("answered");
    scene.page_sees("connected", &json!(0));
    scene.page_hears(PHONE_TONE);

    let mut before = scene.page("client.path()", json!([]));
    for _ in 0..2 {
        let since = scene.page("client.count()", json!([]));
        scene.page("client.restart()", json!([]));
        scene.page_sees("modified", &since);
        let deadline = Instant::now() + PATIENCE;
        let after = loop {
            let path = scene.page("client.path()", json!([]));
            if path["changes"].as_u64() > before["changes"].as_u64() {
                break path;
            }
            assert!(Instant::now() < deadline, "the media stays on the old path: {path}, before {before}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        for side in ["own", "theirs"] {
            assert_ne!(before[side], after[side], "{side}: {after}");
        }
        before = after;
        scene.page_hears(PHONE_TONE);
    }
    phone_hears_the_page(&call).await;
    call.hangup().await.expect("the phone hangs up");
    scene.page_sees("terminated", &json!(0));
    scene.nothing_surprised_the_page();
    scene.page("client.logout()", json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn page_calls_the_echo_and_hears_itself() {
    let _alone = ALONE.lock().await;
    let scene = Scene::new().await;

    scene.page("client.dial(...args)", json!(["echo@ewebrtc.local"]));
    scene.page_sees("connected", &json!(0));
    scene.page_hears(PAGE_TONE);

    scene.page("client.hangup()", json!([]));
    scene.page_sees("terminated", &json!(0));
    scene.nothing_surprised_the_page();
    scene.page("client.logout()", json!([]));
}

/// Frequency of the gateway's ringback tone.
const RINGBACK: f64 = 425.0;

fn with_ringback() -> GatewayConfig {
    GatewayConfig { ringback: true, ..GatewayConfig::development() }
}

#[tokio::test(flavor = "multi_thread")]
async fn page_hears_ringback_until_the_phone_answers() {
    let _alone = ALONE.lock().await;
    let mut scene = Scene::over(with_ringback()).await;

    scene.page("client.dial(...args)", json!(["nora@ewebrtc.local"]));
    let incoming = scene.phone_sees("call:incoming").await;
    scene.page_sees("ringback", &json!(0));
    scene.page_hears(RINGBACK);
    let call = scene.phone.call(incoming.call().expect("a handle"));
    scene.phone.answer(AnswerOptions::default()).await.expect("answered");
    scene.page_sees("connected", &json!(0));
    scene.phone_sees("media:established").await;

    scene.page_hears(PHONE_TONE);
    phone_hears_the_page(&call).await;

    let since = scene.page("client.count()", json!([]));
    call.hangup().await.expect("the phone hangs up");
    scene.page_sees("terminated", &since);
    scene.nothing_surprised_the_page();
    scene.page("client.logout()", json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn phone_hears_ringback_until_the_page_answers() {
    let _alone = ALONE.lock().await;
    let mut scene = Scene::over(with_ringback()).await;

    let call = scene.phone.dial(DialOptions::new("page")).await.expect("dialled");
    scene.page_sees("incoming", &json!(0));
    scene.phone_sees("call:ringback-provided").await;
    scene.page("client.answer()", json!([]));
    scene.page_sees("connected", &json!(0));
    scene.phone_sees("media:established").await;

    scene.page_hears(PHONE_TONE);
    phone_hears_the_page(&call).await;

    scene.page("client.hangup()", json!([]));
    scene.phone_sees("call:disconnected").await;
    scene.page_sees("terminated", &json!(0));
    scene.nothing_surprised_the_page();
    scene.page("client.logout()", json!([]));
}
