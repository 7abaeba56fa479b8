//! What the video tests share: the committed films, legs with video, and a wire that loses packets (`wire`).
#![allow(dead_code, reason = "each test program uses its part")]

mod wire;

use std::path::{Path, PathBuf};

use ewebrtc_media::transport::VideoCodec;
use ewebrtc_media::{
    AudioSink, AudioSource, LegConfig, LegEvent, VideoFrame, VideoFrameReader, VideoSink, VideoSource, video_channel,
};
use tokio::time::timeout;

use crate::leg_common::{PATIENCE, Party, config};
pub use wire::Wire;
use wire::at;

pub fn counter(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data").join(name)
}

/// An IVF file, read by other code than that under test.
pub struct Film {
    pub codec: VideoCodec,
    pub pictures: Vec<Vec<u8>>,
    /// The number of pictures in its header.
    pub said: usize,
}

impl Film {
    pub fn open(name: &str) -> Film {
        Film::read(&counter(name))
    }

    pub fn read(path: &Path) -> Film {
        let bytes = std::fs::read(path).expect("the file is there");
        assert_eq!(&bytes[..4], b"DKIF");
        let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize;
        let codec = if &bytes[8..12] == b"VP80" { VideoCodec::Vp8 } else { VideoCodec::H264 };
        let (mut at, mut pictures) = (32, Vec::new());
        while at + 12 <= bytes.len() {
            let size = number(at);
            pictures.push(shape(codec, &bytes[at + 12..at + 12 + size]));
            at += 12 + size;
        }
        Film { codec, pictures, said: number(24) }
    }

    pub fn frame(&self, number: usize, timestamp: u32) -> VideoFrame {
        VideoFrame::new(self.codec, timestamp, self.pictures[number].clone())
    }
}

/// RTP does not carry the length of start codes: all are of four bytes here.
fn shape(codec: VideoCodec, picture: &[u8]) -> Vec<u8> {
    if codec == VideoCodec::Vp8 {
        return picture.to_vec();
    }
    let starts: Vec<usize> =
        (0..picture.len().saturating_sub(2)).filter(|at| picture[*at..*at + 3] == [0, 0, 1]).collect();
    let ends = starts[1..].iter().copied().chain([picture.len()]);
    let mut shaped = Vec::new();
    for (start, end) in starts.iter().zip(ends) {
        let mut unit = &picture[start + 3..end];
        while let [rest @ .., 0] = unit {
            unit = rest;
        }
        shaped.extend_from_slice(&[0, 0, 0, 1]);
        shaped.extend_from_slice(unit);
    }
    shaped
}

/// The numbers of pictures in the film; each must be exactly one of it, byte for byte.
pub fn numbers_of(film: &Film, frames: &[VideoFrame]) -> Vec<usize> {
    frames
        .iter()
        .map(|frame| {
            let number = film.pictures.iter().position(|picture| *picture == frame.data);
            number.unwrap_or_else(|| panic!("a picture of {} bytes that is not in the film", frame.data.len()))
        })
        .collect()
}

/// Waits for so many pictures.
pub async fn frames_of(reader: &VideoFrameReader, count: usize) -> Vec<VideoFrame> {
    let mut frames = Vec::new();
    while frames.len() < count {
        let frame = timeout(PATIENCE, reader.read()).await;
        frames
            .push(frame.unwrap_or_else(|_| panic!("picture {} comes in time", frames.len())).expect("the leg goes on"));
    }
    frames
}

/// A leg with a source for video, and what it sees.
pub async fn video_party(source: Option<VideoSource>) -> (Party, VideoFrameReader) {
    let (writer, reader) = video_channel();
    let party = Party::new(LegConfig {
        video_source: source,
        video_sink: VideoSink::Frames(writer),
        ..config(AudioSource::Silence, AudioSink::Discard)
    })
    .await;
    (party, reader)
}

impl Wire {
    /// As [`crate::leg_common::call`], over this wire.
    pub async fn call(&self, caller: &mut Party, callee: &mut Party) {
        self.call_as(caller, callee, str::to_owned).await;
    }

    /// As [`Wire::call`], between two who do not know that packets can be repeated.
    pub async fn call_without_repeats(&self, caller: &mut Party, callee: &mut Party) {
        let without =
            |text: &str| text.lines().filter(|line| !line.ends_with(" nack")).map(|l| format!("{l}\r\n")).collect();
        self.call_as(caller, callee, without).await;
    }

    async fn call_as(&self, caller: &mut Party, callee: &mut Party, change: fn(&str) -> String) {
        let offer = change(&caller.leg.create_offer().await.expect("an offer"));
        let answer = change(&callee.leg.answer_offer(&at(&offer, self.offerer)).await.expect("an answer"));
        caller.leg.apply_answer(&at(&answer, self.answerer)).await.expect("the answer is accepted");
        for party in [caller, callee] {
            party.expect(&LegEvent::TransportConnected).await;
            party.expect(&LegEvent::FirstAudio).await;
            party.leg.activate();
        }
    }
}
