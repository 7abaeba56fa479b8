//! Encoded pictures for tests: who has drawn them and which number they have can be read from each, and IVF files.
//!
//! Owns: cameras and screens of programs, and the reading of recordings. Must not import: other tests.

use crate::party::PATIENCE;
use ewebrtc::{Call, FrameRefused, VideoCodec, VideoFrame, VideoReader, VideoWriter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Time between two pictures of a camera.
const PAUSE: Duration = Duration::from_millis(20);

/// Real VP8 with a number in each picture.
pub fn counter() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/counter.ivf")
}

/// A folder below the build's.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Looks like VP8 to whoever does not decode it: frame header, then who has drawn it, a number, and a filling by the number.
fn picture(by: u8, number: u32, key: bool) -> VideoFrame {
    let mut data = if key { vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0x00] } else { vec![0x11, 0, 0] };
    data.push(by);
    data.extend(number.to_be_bytes());
    // From one packet to many.
    data.resize(data.len() + 100 + number as usize % 7 * 900, number as u8);
    VideoFrame { codec: VideoCodec::Vp8, timestamp: number.wrapping_mul(1_800), key, data: data.into() }
}

/// Who has drawn a picture, and its number.
fn drawn(frame: &VideoFrame) -> (u8, u32) {
    let head = if frame.key { 10 } else { 3 };
    let number: [u8; 4] = frame.data[head + 1..head + 5].try_into().expect("four bytes");
    let (by, number) = (frame.data[head], u32::from_be_bytes(number));
    assert_eq!(frame.data, picture(by, number, frame.key).data, "a picture arrives whole");
    (by, number)
}

/// A program that draws pictures as long as the call lasts.
pub struct Camera {
    task: JoinHandle<()>,
    keys: Arc<AtomicU32>,
}

impl Camera {
    /// Draws for this call; `by` stands in each picture.
    pub fn of(call: &Call, by: u8) -> Self {
        Self::with(call.video_writer().expect("localMedia …;video=frames"), by)
    }

    /// As [`Camera::of`].
    pub fn with(writer: VideoWriter, by: u8) -> Self {
        let keys = Arc::new(AtomicU32::new(0));
        let drawn = keys.clone();
        let task = tokio::spawn(async move {
            for number in 0.. {
                let key = writer.key_frame_wanted() || number == 0;
                match writer.write(picture(by, number, key)) {
                    Ok(()) if key => drop(drawn.fetch_add(1, Ordering::Relaxed)),
                    Ok(()) | Err(FrameRefused::Full | FrameRefused::AwaitingKeyFrame) => {}
                    Err(FrameRefused::Size) => panic!("a picture is too large"),
                    Err(FrameRefused::Closed) => return,
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { task, keys }
    }

    /// How many key frames were drawn.
    pub fn keys(&self) -> u32 {
        self.keys.load(Ordering::Relaxed)
    }
}

impl Drop for Camera {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A program that looks at what comes.
pub struct Screen {
    reader: VideoReader,
}

impl Screen {
    /// What comes in this call.
    pub fn of(call: &Call) -> Self {
        Self { reader: call.video_reader().expect("remoteMedia …;video=frames") }
    }

    /// Waits until ten pictures of this camera have followed each other, all new.
    pub async fn shows(&mut self, by: u8) {
        while self.reader.try_read().is_some() {}
        let end = Instant::now() + PATIENCE;
        let (mut row, mut last) = (0, None);
        while row < 10 {
            assert!(Instant::now() < end, "pictures come, but not in a row");
            let frame = tokio::time::timeout(PATIENCE, self.reader.read()).await;
            let frame = frame.unwrap_or_else(|_| panic!("no picture of {:?}", char::from(by))).expect("the call lives");
            let (who, number) = drawn(&frame);
            assert_eq!(char::from(who), char::from(by));
            row = if last.is_some_and(|last| last + 1 == number) { row + 1 } else { 1 };
            last = Some(number);
        }
    }

    /// Waits until nothing has come for a third of a second.
    pub async fn is_dark(&mut self) {
        let end = Instant::now() + PATIENCE;
        while tokio::time::timeout(Duration::from_millis(333), self.reader.read()).await.is_ok() {
            assert!(Instant::now() < end, "pictures go on coming");
        }
    }
}

/// An IVF file.
pub struct Recording {
    /// Name of the codec in the file's head.
    pub codec: [u8; 4],
    /// Width and height.
    pub size: (u16, u16),
    /// Ticks per second.
    rate: u32,
    /// The pictures.
    pub frames: Vec<Vec<u8>>,
    times: Vec<u64>,
}

impl Recording {
    /// Reads a file, all of which must be well formed.
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let half = |at: usize| u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes"));
        assert_eq!((&bytes[..4], half(4), half(6)), (&b"DKIF"[..], 0, 32), "an IVF file");
        let (mut frames, mut times, mut at) = (Vec::new(), Vec::new(), 32);
        while at < bytes.len() {
            let size = word(at) as usize;
            times.push(u64::from(word(at + 4)) | u64::from(word(at + 8)) << 32);
            frames.push(bytes[at + 12..at + 12 + size].to_vec());
            at += 12 + size;
        }
        assert_eq!(word(24) as usize, frames.len(), "the head says how many there are");
        let codec = bytes[8..12].try_into().expect("four bytes");
        Self { codec, size: (half(12), half(14)), rate: word(16) / word(20), frames, times }
    }

    /// The key frames, which VP8 tells by the first bit.
    pub fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.frames.iter().map(Vec::as_slice).filter(|frame| frame[0] & 1 == 0)
    }

    /// `seen` are pictures of this file without a gap, from a key frame on; after the last one comes the first.
    pub fn assert_runs_through(&self, seen: &[Vec<u8>]) {
        let place =
            |frame: &Vec<u8>| self.frames.iter().position(|known| known == frame).expect("a picture of the file");
        let places: Vec<usize> = seen.iter().map(place).collect();
        assert_eq!(self.frames[places[0]][0] & 1, 0, "the first one is a key frame");
        for pair in places.windows(2) {
            assert_eq!(pair[1], (pair[0] + 1) % self.frames.len(), "{places:?}");
        }
    }

    /// Pictures follow each other as fast as in `original`.
    pub fn assert_times_follow(&self, original: &Self) {
        let seconds = |file: &Self, count: usize| {
            (file.times[count - 1] - file.times[0]) as f64 / f64::from(file.rate) / (count - 1) as f64
        };
        let count = self.frames.len().min(original.frames.len());
        let (ours, theirs) = (seconds(self, count), seconds(original, count));
        assert!((ours / theirs - 1.0).abs() < 0.05, "{ours} s and {theirs} s between two pictures");
    }
}
