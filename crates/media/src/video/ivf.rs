//! IVF files: encoded pictures with their times, as libvpx's tools and ffmpeg write them.
//!
//! Owns: the format, both ways. [`IvfInput`] is used on threads that may wait for the disk; [`IvfRecorder`] is written by
//! the file thread. Must not import the transport but its types.
//!
//! The format, all numbers little-endian: a header of 32 bytes (`DKIF`, version 0 and header length as 16 bits each, the
//! codec's four letters, width and height as 16 bits each, the time base's denominator and numerator and the number of
//! pictures as 32 bits each, 32 bits unused), then per picture its size as 32 bits, its time as 64 bits, and its bytes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{LARGEST_FRAME, VideoFrame};
use crate::error::MediaError;
use crate::files::{FileJob, Files};
use crate::pcm::Turn;
use crate::transport::VideoCodec;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 12;

/// Nine hours at 30 pictures a second; the index takes 32 MB then.
const MOST_PICTURES: usize = 1_000_000;

/// What is read of a picture in order to tell whether it is a key frame: parameter sets come before the slices.
const PEEK: usize = 4_096;

/// Bytes between a leg and the file thread: what a slow disk may cost before pictures are lost.
const BEHIND: usize = 16 * 1024 * 1024;

/// The header of a recording is right at least this often.
const HEADER_PERIOD: Duration = Duration::from_millis(500);

/// How long the owner of a recorder waits for the disk.
const DISK_PATIENCE: Duration = Duration::from_secs(5);

/// Time between the last picture of one leg and the first one of the next in a recording: a thirtieth of a second.
const BETWEEN_LEGS: u64 = 3_000;

/// Where a picture lies in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Picture {
    offset: u64,
    size: usize,
    /// From the file's first key frame.
    pub(crate) time: Duration,
    pub(crate) key: bool,
}

/// A file that was opened and looked through. It begins with its first key frame.
#[derive(Debug)]
pub(crate) struct IvfInput {
    file: Mutex<File>,
    shown: String,
    pub(crate) codec: VideoCodec,
    pub(crate) pictures: Vec<Picture>,
    /// From the first picture to where the first one comes again.
    pub(crate) length: Duration,
}

impl IvfInput {
    /// Opens a file and finds its pictures. May wait for the disk.
    ///
    /// # Errors
    /// [`MediaError::Source`] with a text that names the file and what is wrong with it.
    pub(crate) fn open(path: &Path) -> Result<IvfInput, MediaError> {
        let shown = path.display().to_string();
        let fault = |text: &str| MediaError::Source(format!("{shown}: {text}"));
        let failed = |error: std::io::Error| MediaError::Source(format!("{shown} cannot be read: {error}"));
        let file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?;
        if !length.is_file() {
            return Err(fault("no file"));
        }
        let mut reader = BufReader::new(&file);
        let index = Index::read(&mut reader, length.len()).map_err(|problem| match problem {
            Problem::Disk(error) => failed(error),
            Problem::Format(text) => fault(text),
        })?;
        let Index { codec, pictures, length } = index;
        Ok(IvfInput { file: Mutex::new(file), shown, codec, pictures, length })
    }

    /// The bytes of a picture. May wait for the disk.
    ///
    /// # Errors
    /// [`MediaError::Source`] when the file has changed or the disk fails.
    pub(crate) fn read(&self, number: usize) -> Result<Bytes, MediaError> {
        let failed = |error: std::io::Error| MediaError::Source(format!("{} cannot be read: {error}", self.shown));
        let Some(picture) = self.pictures.get(number) else {
            return Err(MediaError::Source(format!("{} has no picture {number}", self.shown)));
        };
        let mut bytes = vec![0; picture.size];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(picture.offset)).map_err(failed)?;
        file.read_exact(&mut bytes).map_err(failed)?;
        Ok(bytes.into())
    }
}

enum Problem {
    Disk(std::io::Error),
    Format(&'static str),
}

/// What is found in a file.
struct Index {
    codec: VideoCodec,
    pictures: Vec<Picture>,
    length: Duration,
}

impl Index {
    /// Reads `length` bytes of a file. A last picture that is cut off is left out: its recording was interrupted.
    fn read(reader: &mut (impl Read + Seek), length: u64) -> Result<Index, Problem> {
        let mut header = [0; HEADER];
        if length < HEADER as u64 {
            return Err(Problem::Format("no IVF file"));
        }
        reader.read_exact(&mut header).map_err(Problem::Disk)?;
        if header[..4] != *b"DKIF" || half(&header, 4) != 0 {
            return Err(Problem::Format("no IVF file"));
        }
        let header_length = u64::from(half(&header, 6));
        if header_length < HEADER as u64 {
            return Err(Problem::Format("an IVF file with an impossible header"));
        }
        let codec = match &header[8..12] {
            b"VP80" => VideoCodec::Vp8,
            b"H264" | b"AVC1" | b"avc1" | b"h264" => VideoCodec::H264,
            _ => return Err(Problem::Format("a codec that is not sent; VP8 and H.264 are")),
        };
        let (rate, scale) = (word(&header, 16), word(&header, 20));
        if rate == 0 || scale == 0 {
            return Err(Problem::Format("an IVF file without a time base"));
        }
        let mut pictures: Vec<Picture> = Vec::new();
        let mut offset = header_length;
        let (mut first, mut last) = (None, None);
        while offset + FRAME_HEADER as u64 <= length {
            let mut head = [0; FRAME_HEADER];
            reader.seek(SeekFrom::Start(offset)).map_err(Problem::Disk)?;
            reader.read_exact(&mut head).map_err(Problem::Disk)?;
            offset += FRAME_HEADER as u64;
            let size = word(&head, 0) as usize;
            let time = u64::from(word(&head, 4)) | u64::from(word(&head, 8)) << 32;
            if size > LARGEST_FRAME {
                return Err(Problem::Format("a picture of more than 2 MiB"));
            }
            if offset + size as u64 > length {
                break;
            }
            if last.is_some_and(|last| time < last) {
                return Err(Problem::Format("pictures whose times run backwards"));
            }
            last = Some(time);
            if size > 0 {
                let mut peek = vec![0; size.min(PEEK)];
                reader.read_exact(&mut peek).map_err(Problem::Disk)?;
                if codec == VideoCodec::H264 && !(peek.starts_with(&[0, 0, 1]) || peek.starts_with(&[0, 0, 0, 1])) {
                    return Err(Problem::Format("H.264 that is not in Annex B form"));
                }
                let key = VideoFrame::new(codec, 0, peek).key;
                if key || !pictures.is_empty() {
                    let begin = *first.get_or_insert(time);
                    let time = duration(time - begin, rate, scale);
                    pictures.push(Picture { offset, size, time, key });
                }
                if pictures.len() > MOST_PICTURES {
                    return Err(Problem::Format("more than a million pictures"));
                }
            }
            offset += size as u64;
        }
        let Some(end) = pictures.last() else { return Err(Problem::Format("no key frame")) };
        // How long the last picture is shown is not written: as long as the others on average.
        let shown = match u32::try_from(pictures.len() - 1) {
            Ok(others) if others > 0 && !end.time.is_zero() => end.time / others,
            _ => Duration::from_secs(1),
        };
        let length = end.time.saturating_add(shown);
        Ok(Index { codec, pictures, length })
    }
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn duration(ticks: u64, rate: u32, scale: u32) -> Duration {
    let micros = u128::from(ticks) * u128::from(scale) * 1_000_000 / u128::from(rate);
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[derive(Default)]
struct Reel {
    waiting: VecDeque<(u64, VideoFrame)>,
    bytes: usize,
    /// A picture was lost, so that those which need it are worthless.
    broken: bool,
    asked: u64,
    done: u64,
    finish: bool,
    finished: bool,
    error: Option<String>,
}

struct Shared {
    reel: Mutex<Reel>,
    changed: Condvar,
    turn: Turn,
    lost: AtomicU64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Reel> {
        self.reel.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, reached: impl Fn(&Reel) -> bool) -> Result<(), MediaError> {
        Files::global().wake();
        let (reel, _) = self
            .changed
            .wait_timeout_while(self.lock(), DISK_PATIENCE, |reel| !reached(reel))
            .unwrap_or_else(PoisonError::into_inner);
        match &reel.error {
            Some(text) => Err(MediaError::Source(text.clone())),
            None if reached(&reel) => Ok(()),
            None => Err(MediaError::Timeout("the recording was not written in time".into())),
        }
    }
}

/// Ends the recording with its last owner.
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.lock().finish = true;
        if let Err(error) = self.0.wait(|reel| reel.finished) {
            log::warn!("a recording of video ends with an error: {error}");
        }
    }
}

/// An IVF file with the complete pictures that one leg after the other receives, in ticks of 90 kHz from the first one.
/// The codec is that of the first picture; pictures of another one are left out and counted as lost.
///
/// Clones are handles of the same file. Only one leg records at a time; a second one has its turn when the first has
/// ended, or while the first receives no video. The header, with size and number of pictures, is right at least every half second and after
/// [`IvfRecorder::flush`]; when the last handle is dropped the file is complete (dropping waits for the disk, normally
/// some milliseconds, at most 5 s).
#[derive(Clone)]
pub struct IvfRecorder {
    owner: Arc<Owner>,
}

impl std::fmt::Debug for IvfRecorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IvfRecorder")
    }
}

impl IvfRecorder {
    /// Creates the file, or empties it. May wait for the disk.
    ///
    /// # Errors
    /// [`MediaError::Source`] when it cannot be written.
    pub fn create(path: impl AsRef<Path>) -> Result<IvfRecorder, MediaError> {
        let shown = path.as_ref().display().to_string();
        let fault = |error: std::io::Error| MediaError::Source(format!("{shown} cannot be written: {error}"));
        let mut output = Output {
            file: BufWriter::new(File::create(&path).map_err(fault)?),
            codec: VideoCodec::Vp8,
            width: 0,
            height: 0,
            pictures: 0,
        };
        output.head().map_err(fault)?;
        let shared = Arc::new(Shared {
            reel: Mutex::default(),
            changed: Condvar::new(),
            turn: Turn::default(),
            lost: AtomicU64::new(0),
        });
        let job = RecorderJob {
            shared: shared.clone(),
            output: Some(output),
            shown,
            leg: 0,
            clock: Clock::default(),
            header: Instant::now(),
            stale: false,
        };
        Files::global().add(Box::new(job))?;
        Ok(IvfRecorder { owner: Arc::new(Owner(shared)) })
    }

    /// Waits until everything recorded so far is in the file and its header is right. Blocks the caller for some
    /// milliseconds, at most 5 s.
    ///
    /// # Errors
    /// [`MediaError::Source`] when the disk has refused something, [`MediaError::Timeout`] when it is too slow.
    pub fn flush(&self) -> Result<(), MediaError> {
        let shared = &self.owner.0;
        let number = {
            let mut reel = shared.lock();
            reel.asked += 1;
            reel.asked
        };
        shared.wait(|reel| reel.done >= number)
    }

    /// Pictures that are not in the file: the disk was too slow, or they are of another codec than the first one.
    #[must_use]
    pub fn lost_pictures(&self) -> u64 {
        self.owner.0.lost.load(Ordering::Relaxed)
    }

    /// Records a picture of `leg` if it is its turn. Never waits.
    pub(crate) fn write_for(&self, leg: u64, frame: VideoFrame) {
        let shared = &self.owner.0;
        if !shared.turn.is_of(leg) {
            return;
        }
        let mut reel = shared.lock();
        if reel.bytes + frame.data.len() > BEHIND || reel.broken && !frame.key {
            reel.broken = true;
            shared.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        reel.broken = false;
        reel.bytes += frame.data.len();
        reel.waiting.push_back((leg, frame));
    }

    pub(crate) fn release(&self, leg: u64) {
        self.owner.0.turn.release(leg);
    }
}

/// From 32-bit time stamps of one leg after the other to the time of the file.
#[derive(Debug, Default)]
struct Clock {
    /// Time in the file and time stamp of the picture before.
    last: Option<(u64, u32)>,
}

impl Clock {
    fn next(&mut self, timestamp: u32, same_leg: bool) -> u64 {
        let time = match self.last {
            None => 0,
            Some((time, before)) if same_leg => {
                // Half of the range forward; what goes backward comes with the picture before.
                let step = timestamp.wrapping_sub(before);
                time + if step < 1 << 31 { u64::from(step) } else { 0 }
            }
            Some((time, _)) => time + BETWEEN_LEGS,
        };
        self.last = Some((time, timestamp));
        time
    }
}

struct Output {
    file: BufWriter<File>,
    codec: VideoCodec,
    width: u16,
    height: u16,
    pictures: u32,
}

impl Output {
    /// Writes the header, at the beginning of the file, and returns to where it was.
    fn head(&mut self) -> std::io::Result<()> {
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(b"DKIF");
        header[6] = HEADER as u8;
        header[8..12].copy_from_slice(match self.codec {
            VideoCodec::Vp8 => b"VP80",
            VideoCodec::H264 => b"H264",
        });
        header[12..14].copy_from_slice(&self.width.to_le_bytes());
        header[14..16].copy_from_slice(&self.height.to_le_bytes());
        header[16..20].copy_from_slice(&VideoCodec::CLOCK_RATE.to_le_bytes());
        header[20..24].copy_from_slice(&1u32.to_le_bytes());
        header[24..28].copy_from_slice(&self.pictures.to_le_bytes());
        let end = self.file.seek(SeekFrom::End(0))?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header)?;
        self.file.seek(SeekFrom::Start(end.max(HEADER as u64)))?;
        self.file.flush()
    }

    fn picture(&mut self, frame: &VideoFrame, time: u64) -> std::io::Result<()> {
        if self.width == 0
            && let Some((width, height)) = super::size_of(frame)
        {
            (self.width, self.height) = (width, height);
        }
        let size = u32::try_from(frame.data.len()).unwrap_or(u32::MAX);
        self.file.write_all(&size.to_le_bytes())?;
        self.file.write_all(&time.to_le_bytes())?;
        self.file.write_all(&frame.data)?;
        self.pictures = self.pictures.saturating_add(1);
        Ok(())
    }
}

/// The file thread's side.
struct RecorderJob {
    shared: Arc<Shared>,
    /// None after an error.
    output: Option<Output>,
    shown: String,
    /// Whose picture was the last one.
    leg: u64,
    clock: Clock,
    /// When the header was written last, and whether it is out of date.
    header: Instant,
    stale: bool,
}

impl RecorderJob {
    fn work(&mut self, waiting: VecDeque<(u64, VideoFrame)>, now: bool) -> std::io::Result<()> {
        let Some(output) = &mut self.output else { return Ok(()) };
        for (leg, frame) in waiting {
            if output.pictures == 0 {
                output.codec = frame.codec;
            }
            if output.codec != frame.codec {
                self.shared.lost.fetch_add(1, Ordering::Relaxed);
                continue;
            }
            let time = self.clock.next(frame.timestamp, leg == self.leg);
            self.leg = leg;
            output.picture(&frame, time)?;
            self.stale = true;
        }
        if self.stale && (now || self.header.elapsed() >= HEADER_PERIOD) {
            output.head()?;
            self.header = Instant::now();
            self.stale = false;
        }
        Ok(())
    }
}

impl FileJob for RecorderJob {
    fn run(&mut self) -> bool {
        let (waiting, asked, finish, pressing) = {
            let mut reel = self.shared.lock();
            reel.bytes = 0;
            (std::mem::take(&mut reel.waiting), reel.asked, reel.finish, reel.asked != reel.done)
        };
        let result = self.work(waiting, pressing || finish);
        let mut reel = self.shared.lock();
        if let Err(error) = result {
            log::warn!("a recording of video stops: {error}");
            reel.error = Some(format!("{} cannot be written: {error}", self.shown));
            self.output = None;
        }
        reel.done = asked;
        reel.finished = finish;
        drop(reel);
        self.shared.changed.notify_all();
        !finish
    }
}

#[cfg(test)]
#[path = "ivf_tests.rs"]
mod tests;
