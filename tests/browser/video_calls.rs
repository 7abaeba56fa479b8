//! Video between the page and the phone: with it from the start, added and taken away by either side. The page decodes what
//! the phone sends from a file, and the phone takes whole pictures of what the page encodes.
//!
//! Owns: these calls. Must not import: the driver, the site.

use crate::{ALONE, PATIENCE, PHONE_TONE, Scene, phone_hears_the_page};
use ewebrtc::{AnswerOptions, Call, DialOptions, VideoCodec, VideoFrame, VideoReader, VideoWriter};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Real VP8; its first picture is a key frame, and some later ones are.
const FILM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/counter.ivf");

fn film() -> String {
    format!("tone:{PHONE_TONE};video=ivf:{FILM}")
}

impl Scene {
    /// Waits until the page has decoded twenty pictures more.
    fn page_watches(&self) {
        let see = || self.page("client.see()", json!([]));
        let (before, deadline) = (see()["decoded"].as_u64(), Instant::now() + PATIENCE);
        while see()["decoded"].as_u64() < before.map(|count| count + 20) {
            assert!(Instant::now() < deadline, "the page sees nothing: {}", see());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the page has decoded nothing for a third of a second.
    fn page_is_dark(&self) {
        let count = || self.page("client.see()", json!([]))["decoded"].clone();
        let (mut last, deadline) = (Value::Null, Instant::now() + PATIENCE);
        loop {
            let now = count();
            if now == last {
                return;
            }
            assert!(Instant::now() < deadline, "the page goes on seeing pictures");
            last = now;
            std::thread::sleep(Duration::from_millis(333));
        }
    }

    /// The page asks, the phone decides.
    async fn page_asks(&mut self, change: &str, accept: bool) {
        let since = self.page("client.count()", json!([]));
        self.page(&format!("client.{change}()"), json!([]));
        let asked = self.phone_sees("call:media-modification").await;
        assert_eq!(asked.text("operation"), Some(change));
        let phone = &self.phone;
        let decided = if accept { phone.accept_modification().await } else { phone.reject_modification().await };
        decided.expect("decided");
        self.page_sees("modified", &since);
    }

    /// The phone asks, the page decides.
    async fn phone_asks(&self, change: &'static str, decision: &str) {
        let since = self.page("client.count()", json!([]));
        let phone = self.phone.clone();
        let asking =
            tokio::spawn(
                async move { if change == "upgrade" { phone.upgrade().await } else { phone.downgrade().await } },
            );
        assert_eq!(self.page_sees("asked", &since)["operation"], change);
        self.page(&format!("client.{decision}()"), json!([]));
        tokio::time::timeout(PATIENCE, asking).await.expect("it ends").expect("the task ran").expect("answered");
        self.page_sees("modified", &since);
    }

    async fn end(&mut self, call: &Call) {
        phone_hears_the_page(call).await;
        self.page_hears(PHONE_TONE);
        let since = self.page("client.count()", json!([]));
        call.hangup().await.expect("the phone hangs up");
        self.page_sees("terminated", &since);
        self.nothing_surprised_the_page();
        self.page("client.logout()", json!([]));
    }
}

/// Waits until twenty pictures of the page have come; their key frames have the shape of the page's.
async fn phone_watches(reader: &VideoReader) {
    for _ in 0..20 {
        let frame =
            tokio::time::timeout(PATIENCE, reader.read()).await.expect("pictures come").expect("the call lives");
        // RFC 6386 section 9.1: start code, then width and height.
        if frame.key {
            assert_eq!(frame.data[3..6], [0x9d, 0x01, 0x2a]);
            let half = |at: usize| u16::from_le_bytes([frame.data[at], frame.data[at + 1]]) & 0x3fff;
            let (width, height) = (half(6), half(8));
            assert!(width > 0 && width * 3 == height * 4, "{width} x {height}");
        }
    }
}

async fn phone_is_dark(reader: &VideoReader) {
    let deadline = Instant::now() + PATIENCE;
    while tokio::time::timeout(Duration::from_millis(333), reader.read()).await.is_ok() {
        assert!(Instant::now() < deadline, "pictures go on coming");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn phone_calls_page_with_video_and_both_see_each_other() {
    let _alone = ALONE.lock().await;
    let mut scene = Scene::with(&film(), "pcm;video=frames").await;
    let call = scene.phone.dial(DialOptions::new("page")).await.expect("dialled");
    assert_eq!(scene.page_sees("incoming", &json!(0))["media"], "video");
    scene.page("client.answer()", json!([]));
    assert_eq!(scene.phone_sees("call:connected").await.text("mediaType"), Some("video"));
    let reader = call.video_reader().expect("remoteMedia …;video=frames");
    phone_watches(&reader).await;
    scene.page_watches();

    // The browser draws a key frame when it is asked for one.
    let asked = |scene: &Scene| scene.page("client.see()", json!([]))["asked"].as_u64();
    let before = asked(&scene);
    while reader.try_read().is_some() {}
    call.request_key_frame().expect("a live call");
    let deadline = Instant::now() + PATIENCE;
    while !tokio::time::timeout(PATIENCE, reader.read()).await.expect("pictures come").expect("the call lives").key {
        assert!(Instant::now() < deadline, "no key frame comes");
    }
    // The browser's figures are as old as it likes.
    while asked(&scene) <= before {
        assert!(Instant::now() < deadline, "it was not asked for");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    scene.end(&call).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn page_calls_phone_with_video_and_asks_for_the_key_frame_that_it_needs() {
    let _alone = ALONE.lock().await;
    let mut scene = Scene::with(&format!("tone:{PHONE_TONE};video=frames"), "pcm;video=frames").await;
    scene.page("client.dial(...args)", json!(["nora@ewebrtc.local", "video"]));
    let incoming = scene.phone_sees("call:incoming").await;
    assert_eq!(incoming.text("mediaType"), Some("video"));
    let call = scene.phone.call(incoming.call().expect("a handle"));
    scene.phone.answer(AnswerOptions::default()).await.expect("answered");
    assert_eq!(scene.page_sees("connected", &json!(0))["media"], "video");

    // The first picture is broken, so that what follows is of no use until somebody says so.
    let writer = call.video_writer().expect("localMedia …;video=frames");
    assert!(writer.key_frame_wanted(), "the program is told to begin with one");
    let playing = tokio::spawn(play(writer));
    scene.page_watches();
    assert!(scene.page("client.see()", json!([]))["wanted"].as_u64() > Some(0), "the page has asked for it");
    phone_watches(&call.video_reader().expect("remoteMedia …;video=frames")).await;
    scene.end(&call).await;
    assert!(playing.await.expect("the task ran") > 0, "it went back because that was wanted");
}

fn pictures() -> Vec<VideoFrame> {
    let file = std::fs::read(FILM).expect("the film");
    let (mut film, mut at) = (Vec::new(), 32);
    while at < file.len() {
        let size = u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes")) as usize;
        film.push(VideoFrame::new(VideoCodec::Vp8, 0, file[at + 12..at + 12 + size].to_vec()));
        at += 12 + size;
    }
    film
}

/// Plays the film over and over, its beginning cut off in the middle of the first picture; how often it went back there.
async fn play(writer: VideoWriter) -> u32 {
    let film = pictures();
    let second = film.iter().skip(1).position(|frame| frame.key).map_or(film.len(), |place| place + 1);
    let (mut place, mut back, mut time) = (0, 0, 0_u32);
    loop {
        if writer.key_frame_wanted() {
            (place, back) = (0, back + 1);
        }
        let mut frame = film[place % film.len()].clone();
        if back == 0 {
            // The key frames that follow would do as well.
            frame = film[place % second].clone();
            frame.data.truncate(if frame.key { 60 } else { frame.data.len() });
        }
        frame.timestamp = time;
        if writer.write(frame).is_err() {
            return back;
        }
        (place, time) = (place + 1, time.wrapping_add(3_000));
        tokio::time::sleep(Duration::from_millis(33)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn page_and_phone_add_video_and_take_it_away() {
    let _alone = ALONE.lock().await;
    let mut scene = Scene::with(&film(), "pcm;video=frames").await;
    let options = DialOptions { media_type: Some("audio".into()), ..DialOptions::new("page") };
    let call = scene.phone.dial(options).await.expect("dialled");
    assert_eq!(scene.page_sees("incoming", &json!(0))["media"], "audio");
    scene.page("client.answer()", json!([]));
    scene.phone_sees("media:established").await;
    let reader = call.video_reader().expect("remoteMedia …;video=frames");
    let media = async |scene: &Scene| scene.phone.media_type().await.expect("open").expect("a call");

    scene.phone_asks("upgrade", "accept").await;
    scene.page_watches();
    phone_watches(&reader).await;
    scene.page_asks("downgrade", true).await;
    scene.page_is_dark();
    phone_is_dark(&reader).await;
    assert_eq!(media(&scene).await, "audio");

    scene.page_asks("upgrade", true).await;
    scene.page_watches();
    phone_watches(&reader).await;
    assert_eq!(media(&scene).await, "video");
    scene.phone_asks("downgrade", "accept").await;
    scene.page_is_dark();
    phone_is_dark(&reader).await;

    // Rejected: who asks sends all the same, who rejects does not.
    scene.phone_asks("upgrade", "reject").await;
    scene.page_watches();
    phone_is_dark(&reader).await;
    scene.end(&call).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_that_rejects_the_pages_video_watches_it_all_the_same() {
    let _alone = ALONE.lock().await;
    let mut scene = Scene::with(&film(), "pcm;video=frames").await;
    scene.page("client.dial(...args)", json!(["nora@ewebrtc.local"]));
    let incoming = scene.phone_sees("call:incoming").await;
    let call = scene.phone.call(incoming.call().expect("a handle"));
    scene.phone.answer(AnswerOptions::default()).await.expect("answered");
    scene.phone_sees("media:established").await;
    let reader = call.video_reader().expect("remoteMedia …;video=frames");
    scene.page_asks("upgrade", false).await;
    phone_watches(&reader).await;
    scene.page_is_dark();
    assert_eq!(scene.phone.media_type().await.expect("open").as_deref(), Some("audio"));
    scene.end(&call).await;
}
