//! Video between a leg of the library and a peer connection in Chromium: the test carries the descriptions from one to the
//! other. VP8 and H.264 to the browser, VP8 from it, every change of video by either side, key frames asked for both ways.
//!
//! The page refuses a description that a browser cannot take, which fails the test with the browser's own words.

use super::driver::Browser;
use super::wire::{Wire, at};
use super::{ALONE, PATIENCE, site};
use ewebrtc_media::transport::{AddressPolicy, Direction, IceConfig, VideoCodec};
use ewebrtc_media::{
    AudioSource, Leg, LegConfig, LegEvent, VideoFrame, VideoFrameReader, VideoSink, VideoSource, video_channel,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// A leg, what it sees, and a page with a peer connection.
struct Pair {
    leg: Leg,
    events: mpsc::UnboundedReceiver<LegEvent>,
    seen: VideoFrameReader,
    browser: Browser,
}

fn film(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

impl Pair {
    async fn new(source: VideoSource, codecs: Vec<VideoCodec>) -> Self {
        let page = site::serve().expect("a port for the page");
        let browser = Browser::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("a browser");
        browser.open(&page).expect("the page");
        let (writer, seen) = video_channel();
        let addresses = AddressPolicy { loopback: true, ..AddressPolicy::default() };
        let config = LegConfig {
            ice: IceConfig { addresses, ..IceConfig::default() },
            source: AudioSource::Tone { hz: 440.0 },
            video_codecs: codecs,
            video_source: Some(source),
            video_sink: VideoSink::Frames(writer),
            ..LegConfig::default()
        };
        let (sender, events) = mpsc::unbounded_channel();
        let leg = Leg::new(config, move |event| drop(sender.send(event))).await.expect("a leg");
        leg.activate();
        let pair = Self { leg, events, seen, browser };
        pair.page("pair.start()", json!([]));
        pair
    }

    fn page(&self, expression: &str, args: Value) -> Value {
        self.browser.eval(expression, args).unwrap_or_else(|error| panic!("page: {error}"))
    }

    async fn page_offers(&self) -> String {
        let offer = self.page("pair.offer()", json!([]));
        let answer = self.leg.answer_offer(offer.as_str().expect("an offer")).await.expect("an answer");
        self.page("pair.accept(...args)", json!([answer]));
        answer
    }

    /// `without_sources`: as original clients do, which take all `a=ssrc` out.
    async fn leg_offers(&self, without_sources: bool) {
        let offer = self.leg.create_offer().await.expect("an offer");
        let kept: String =
            offer.split_inclusive("\r\n").filter(|line| !without_sources || !line.starts_with("a=ssrc")).collect();
        let answer = self.page("pair.answer(...args)", json!([kept]));
        self.leg.apply_answer(answer.as_str().expect("an answer")).await.expect("applied");
    }

    async fn leg_offers_over(&self, wire: &Wire) {
        let offer = self.leg.create_offer().await.expect("an offer");
        let answer = self.page("pair.answer(...args)", json!([at(&offer, wire.offerer)]));
        self.leg.apply_answer(&at(answer.as_str().expect("an answer"), wire.answerer)).await.expect("applied");
    }

    fn direction(&self) -> Option<Direction> {
        self.leg.negotiated().and_then(|agreed| agreed.video).map(|video| video.direction)
    }

    /// Waits until the page's report says so.
    async fn page_reports(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let report = self.page("pair.report()", json!([]));
            if condition(&report) {
                return report;
            }
            assert!(Instant::now() < deadline, "{what}: {report}; the leg: {:?}", self.leg.stats());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the page has decoded pictures of the film, more than before.
    async fn page_sees(&self) {
        let before = self.page("pair.report()", json!([]))["decoded"].as_u64().unwrap_or(0);
        let report = self.page_reports("the page sees", |report| report["decoded"].as_u64() > Some(before + 20)).await;
        assert_eq!((&report["width"], &report["height"]), (&json!(160), &json!(120)), "{report}");
    }

    /// Waits for pictures of the page.
    async fn leg_sees(&self, count: usize) -> Vec<VideoFrame> {
        while self.seen.try_read().is_some() {}
        let mut frames = Vec::new();
        while frames.len() < count {
            let frame = timeout(PATIENCE, self.seen.read()).await;
            frames.push(frame.unwrap_or_else(|_| panic!("the leg sees: {:?}", self.leg.stats())).expect("open"));
        }
        frames
    }

    async fn expect(&mut self, wanted: LegEvent) {
        self.expect_all(vec![wanted]).await;
    }

    /// Waits for these events, in any order.
    async fn expect_all(&mut self, mut wanted: Vec<LegEvent>) {
        let wait = async {
            while !wanted.is_empty() {
                let event = self.events.recv().await.unwrap_or_else(|| panic!("the leg is gone before {wanted:?}"));
                wanted.retain(|other| *other != event);
            }
        };
        let in_time = timeout(PATIENCE, wait).await.is_ok();
        assert!(in_time, "{wanted:?} comes: {:?}", self.leg.stats());
    }
}

const BOTH: [VideoCodec; 2] = [VideoCodec::Vp8, VideoCodec::H264];

#[tokio::test(flavor = "multi_thread")]
async fn page_and_leg_see_each_other_and_ask_each_other_for_key_frames() {
    let _alone = ALONE.lock().await;
    let (writer, reader) = video_channel();
    let mut pair = Pair::new(VideoSource::Frames(reader), BOTH.to_vec()).await;
    pair.leg.set_video(Some(Direction::SendRecv));
    pair.page("pair.addVideo()", json!([]));
    pair.page_offers().await;
    assert_eq!(pair.direction(), Some(Direction::SendRecv));
    pair.expect_all(vec![LegEvent::FirstAudio, LegEvent::FirstVideo]).await;

    let frames = pair.leg_sees(20).await;
    assert!(frames.iter().all(|frame| frame.codec == VideoCodec::Vp8));
    pair.page_reports("our reports reach the page", |report| report["reported"] == json!(0)).await;
    let asked = pair.page("pair.report()", json!([]));
    pair.leg.request_key_frame();
    let more = |report: &Value, name: &str| report[name].as_u64() > asked[name].as_u64();
    pair.page_reports("the page is asked for a key frame and sends one", |report| {
        more(report, "pliReceived") && more(report, "keyFramesEncoded")
    })
    .await;
    let key = loop {
        let frame = pair.leg_sees(1).await.remove(0);
        if frame.key {
            break frame;
        }
        pair.leg.request_key_frame();
    };
    let half = |at: usize| u16::from_le_bytes([key.data[at], key.data[at + 1]]) & 0x3fff;
    assert_eq!((half(6), half(8)), (320, 240), "the canvas of the page");

    // The program's pictures: the film, then something that no decoder understands.
    let bytes = std::fs::read(film("counter.ivf")).expect("the film");
    let mut at = 32;
    let mut pictures = Vec::new();
    while at < bytes.len() {
        let size = u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
        pictures.push(bytes[at + 12..at + 12 + size].to_vec());
        at += 12 + size;
    }
    let mut number = 0u32;
    let mut write = |data: Vec<u8>| {
        number += 1;
        writer.write(VideoFrame::new(VideoCodec::Vp8, number * 6_000, data)).expect("taken");
    };
    for picture in &pictures[..30] {
        write(picture.clone());
        tokio::time::sleep(Duration::from_millis(66)).await;
    }
    pair.page_reports("the page sees the film", |report| report["decoded"].as_u64() >= Some(25)).await;
    while pair.events.try_recv().is_ok() {}
    let mut broken = pictures[31].clone();
    broken.truncate(12);
    for byte in &mut broken[3..] {
        *byte = !*byte;
    }
    let before = pair.leg.stats().video.key_frame_requests;
    for _ in 0..3 {
        write(broken.clone());
        tokio::time::sleep(Duration::from_millis(66)).await;
    }
    let wanted = pair.expect(LegEvent::KeyFrameWanted);
    wanted.await;
    assert!(pair.leg.stats().video.key_frame_requests > before);
    pair.leg.close().await;
}

/// Of ten packets one is lost, each way: either side asks for it, and gets it, and no key frame is needed.
#[tokio::test(flavor = "multi_thread")]
async fn lost_packets_are_sent_again_by_page_and_leg() {
    let _alone = ALONE.lock().await;
    let wire = Wire::new().await;
    let mut pair = Pair::new(VideoSource::Ivf(film("counter.ivf")), BOTH.to_vec()).await;
    pair.leg.set_video(Some(Direction::SendRecv));
    pair.page("pair.addVideo()", json!([]));
    pair.leg_offers_over(&wire).await;
    assert!(pair.leg.negotiated().and_then(|agreed| agreed.video).is_some_and(|video| video.repeats));
    pair.expect_all(vec![LegEvent::FirstAudio, LegEvent::FirstVideo]).await;
    pair.page_sees().await;
    let (before, page) = (pair.leg.stats().video, pair.page("pair.report()", json!([])));
    wire.lose_every(10);
    let deadline = Instant::now() + PATIENCE;
    while pair.leg.stats().video.packets_recovered < 20 {
        assert!(Instant::now() < deadline, "{:?}", pair.leg.stats());
        while pair.seen.try_read().is_some() {}
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let after = pair
        .page_reports("the page asks for packets, and sees on", |report| {
            report["nacksSent"].as_u64() >= page["nacksSent"].as_u64().map(|count| count + 5)
                && report["decoded"].as_u64() >= page["decoded"].as_u64().map(|count| count + 60)
        })
        .await;
    assert!(after["sentAgain"].as_u64() >= Some(20), "{after}");
    let stats = pair.leg.stats().video;
    assert!(stats.packets_lost - before.packets_lost < 5, "{stats:?}");
    assert!(after["pliSent"].as_u64() <= page["pliSent"].as_u64().map(|count| count + 1), "{page} {after}");
    wire.lose_every(0);
    pair.page_sees().await;
    pair.leg_sees(10).await;
    pair.leg.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn h264_from_a_file_is_decoded_by_the_page() {
    let _alone = ALONE.lock().await;
    let pair = Pair::new(VideoSource::Ivf(film("counter-h264.ivf")), vec![VideoCodec::H264]).await;
    pair.leg.set_video(Some(Direction::SendRecv));
    pair.leg_offers(false).await;
    // The page has no video of its own yet.
    assert_eq!(pair.direction(), Some(Direction::SendOnly));
    pair.page_sees().await;
    pair.leg.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn video_is_added_held_taken_away_refused_and_added_again_by_either_side_of_a_call_with_a_page() {
    let _alone = ALONE.lock().await;
    let mut pair = Pair::new(VideoSource::Ivf(film("counter.ivf")), BOTH.to_vec()).await;
    pair.page_offers().await;
    pair.expect(LegEvent::FirstAudio).await;
    assert_eq!(pair.direction(), None);

    // The leg adds video; then the page joins in by an offer of its own.
    pair.leg.set_video(Some(Direction::SendRecv));
    pair.leg_offers(true).await;
    assert_eq!(pair.direction(), Some(Direction::SendOnly));
    pair.page_sees().await;
    pair.page("pair.addVideo()", json!([]));
    pair.page_offers().await;
    assert_eq!(pair.direction(), Some(Direction::SendRecv));
    pair.leg_sees(10).await;
    pair.page_sees().await;

    // Hold and resume by the leg.
    pair.leg.set_direction(Direction::SendOnly);
    pair.leg.set_video(Some(Direction::SendOnly));
    pair.leg_offers(true).await;
    assert_eq!(pair.page("pair.direction()", json!([])), json!(["recvonly"]));
    pair.page_sees().await;
    pair.leg.set_direction(Direction::SendRecv);
    pair.leg.set_video(Some(Direction::SendRecv));
    pair.leg_offers(true).await;
    pair.leg_sees(5).await;
    pair.page_sees().await;

    // Taken away by the leg and added again: the section rests meanwhile.
    pair.leg.set_video(None);
    pair.leg_offers(false).await;
    assert_eq!(pair.page("pair.direction()", json!([])), json!(["inactive"]));
    pair.leg.set_video(Some(Direction::SendRecv));
    pair.leg_offers(false).await;
    pair.page_sees().await;
    pair.leg_sees(5).await;

    // Stopped by the page for good, and added again in the same place.
    pair.page("pair.stopVideo()", json!([]));
    let answer = pair.page_offers().await;
    assert!(answer.contains("m=video 0 "), "{answer}");
    assert_eq!(pair.direction(), None);
    pair.page("pair.addVideo()", json!([]));
    let answer = pair.page_offers().await;
    assert_eq!(answer.matches("m=video").count(), 1, "{answer}");
    pair.page_sees().await;
    pair.leg_sees(5).await;

    // Refused by the leg, and offered by it later.
    pair.leg.set_video(None);
    let answer = pair.page_offers().await;
    assert!(answer.contains("m=video 0 "), "{answer}");
    pair.leg.set_video(Some(Direction::SendRecv));
    pair.leg_offers(true).await;
    assert_eq!(pair.direction(), Some(Direction::SendOnly));
    pair.page_sees().await;

    // The audio went on all the time; a busy machine may lose a packet of it in a socket.
    let stats = pair.leg.stats();
    assert!(stats.packets_lost <= stats.packets_received / 100, "{stats:?}");
    let heard = pair.page("pair.report()", json!([]))["audioReceived"].as_u64().unwrap_or(0);
    pair.page_reports("the page hears", |report| report["audioReceived"].as_u64() > Some(heard + 20)).await;
    pair.leg.close().await;
}
