//! What the video tests share: the committed films, legs with video, and a wire that loses packets.
#![allow(dead_code, reason = "each test program uses its part")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ewebrtc_media::transport::VideoCodec;
use ewebrtc_media::{
    AudioSink, AudioSource, LegConfig, LegEvent, VideoFrame, VideoFrameReader, VideoSink, VideoSource, video_channel,
};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::leg_common::{PATIENCE, Party, config};

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

/// A wire between two legs. Each one sees the other at an address of the wire.
pub struct Wire {
    /// Where the answerer is seen by the offerer, and the other way round.
    answerer: SocketAddr,
    offerer: SocketAddr,
    every: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Wire {
    pub async fn new() -> Wire {
        let bind = || UdpSocket::bind("127.0.0.1:0");
        let (to_answerer, to_offerer) = (bind().await.expect("a port"), bind().await.expect("a port"));
        let address = |socket: &UdpSocket| socket.local_addr().expect("an address");
        let (answerer, offerer) = (address(&to_answerer), address(&to_offerer));
        let every: Arc<AtomicUsize> = Arc::default();
        let lose = every.clone();
        let task = tokio::spawn(async move {
            let (mut a, mut b): (Option<SocketAddr>, Option<SocketAddr>) = (None, None);
            let (mut one, mut other) = ([0; 2_000], [0; 2_000]);
            let mut count = 0;
            loop {
                tokio::select! {
                    // From the offerer to the answerer, with losses of media.
                    Ok((length, from)) = to_answerer.recv_from(&mut one) => {
                        a = Some(from);
                        let is_rtp = (128..192).contains(&one[0]) && !(192..224).contains(&one[1]);
                        count += usize::from(is_rtp);
                        let every = lose.load(Ordering::Relaxed);
                        if is_rtp && every > 0 && count % every == 0 {
                            continue;
                        }
                        if let Some(b) = b {
                            let _ = to_offerer.send_to(&one[..length], b).await;
                        }
                    }
                    Ok((length, from)) = to_offerer.recv_from(&mut other) => {
                        b = Some(from);
                        if let Some(a) = a {
                            let _ = to_answerer.send_to(&other[..length], a).await;
                        }
                    }
                }
            }
        });
        Wire { answerer, offerer, every, task }
    }

    /// Of so many packets of media one is lost, from the offerer to the answerer; 0: none.
    pub fn lose_every(&self, packets: usize) {
        self.every.store(packets, Ordering::Relaxed);
    }

    /// As [`crate::leg_common::call`], over this wire.
    pub async fn call(&self, caller: &mut Party, callee: &mut Party) {
        let offer = caller.leg.create_offer().await.expect("an offer");
        let answer = callee.leg.answer_offer(&at(&offer, self.offerer)).await.expect("an answer");
        caller.leg.apply_answer(&at(&answer, self.answerer)).await.expect("the answer is accepted");
        for party in [caller, callee] {
            party.expect(&LegEvent::TransportConnected).await;
            party.expect(&LegEvent::FirstAudio).await;
            party.leg.activate();
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A description with one candidate.
fn at(text: &str, address: SocketAddr) -> String {
    let mut given = false;
    let lines = text.lines().filter_map(|line| {
        if !line.starts_with("a=candidate:") {
            return Some(format!("{line}\r\n"));
        }
        let first = !std::mem::replace(&mut given, true);
        first.then(|| format!("a=candidate:1 1 udp 2130706431 {} {} typ host\r\n", address.ip(), address.port()))
    });
    lines.collect()
}
