//! Encoded pictures of the program: what it gives to a call and what it takes from one.
//!
//! Owns: the queue between the program's threads and the video of a leg, and who may use its far end. Both ends may be
//! used on any thread; neither waits for the other, but [`VideoFrameReader::read`] for the next picture. Must not import
//! the transport but its types.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{LARGEST_FRAME, VideoFrame};
use crate::pcm::Turn;

/// Pictures in a queue: four seconds at 30 a second.
const MOST_FRAMES: usize = 128;

/// Bytes in a queue: four seconds at 16 Mbit/s.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// Why a picture was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameRefused {
    /// The queue is full: the other end is too slow. Pictures that need this one are refused as well, with
    /// [`FrameRefused::AwaitingKeyFrame`].
    Full,
    /// A picture before was not taken, and this one needs it: the next key frame is taken.
    AwaitingKeyFrame,
    /// Empty, or larger than [`LARGEST_FRAME`].
    Size,
    /// Nobody can read it: the other end is gone.
    Closed,
}

impl std::fmt::Display for FrameRefused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            FrameRefused::Full => "the queue is full",
            FrameRefused::AwaitingKeyFrame => "a picture is missing before this one; a key frame is awaited",
            FrameRefused::Size => "a picture is empty or too large",
            FrameRefused::Closed => "the other end is gone",
        })
    }
}

impl std::error::Error for FrameRefused {}

#[derive(Default)]
struct Queue {
    frames: VecDeque<VideoFrame>,
    bytes: usize,
    /// A picture was refused, so that those which need it are worthless.
    broken: bool,
    /// Legs that want to know about new pictures.
    watching: Vec<Arc<Notify>>,
    writers: usize,
    readers: usize,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    written: Notify,
    refused: AtomicU64,
    source_turn: Turn,
    sink_turn: Turn,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, watching: &[Arc<Notify>]) {
        self.written.notify_waiters();
        for leg in watching {
            leg.notify_one();
        }
    }
}

/// A bounded queue of encoded pictures, from a program into a call ([`VideoSource::Frames`](super::VideoSource::Frames))
/// or from a call to a program ([`VideoSink::Frames`](super::VideoSink::Frames)).
///
/// It holds 128 pictures or 8 MiB. When it is full a picture is refused, and so are all that need it; the next key frame
/// takes the place of everything that still waits.
#[must_use]
pub fn video_channel() -> (VideoFrameWriter, VideoFrameReader) {
    let shared = Arc::new(Shared::default());
    {
        let mut queue = shared.lock();
        queue.writers = 1;
        queue.readers = 1;
    }
    (VideoFrameWriter { shared: shared.clone() }, VideoFrameReader { shared })
}

/// The end of a queue where pictures are put in. Clones write into the same queue. Given to several legs at once as a
/// sink, the first one has it until it ends.
pub struct VideoFrameWriter {
    shared: Arc<Shared>,
}

impl VideoFrameWriter {
    /// Puts a picture into the queue. Never waits.
    ///
    /// # Errors
    /// A [`FrameRefused`] that tells why the picture was not taken.
    pub fn write(&self, frame: VideoFrame) -> Result<(), FrameRefused> {
        let result = self.put(frame);
        if result.is_err() {
            self.shared.refused.fetch_add(1, Ordering::Relaxed);
        }
        result
    }

    fn put(&self, frame: VideoFrame) -> Result<(), FrameRefused> {
        let mut queue = self.shared.lock();
        if queue.readers == 0 {
            return Err(FrameRefused::Closed);
        }
        if frame.data.is_empty() || frame.data.len() > LARGEST_FRAME {
            queue.broken = true;
            return Err(FrameRefused::Size);
        }
        if queue.broken && !frame.key {
            return Err(FrameRefused::AwaitingKeyFrame);
        }
        if queue.frames.len() >= MOST_FRAMES || queue.bytes + frame.data.len() > MOST_BYTES {
            if !frame.key {
                queue.broken = true;
                return Err(FrameRefused::Full);
            }
            self.shared.refused.fetch_add(queue.frames.len() as u64, Ordering::Relaxed);
            queue.frames.clear();
            queue.bytes = 0;
        }
        queue.broken = false;
        queue.bytes += frame.data.len();
        queue.frames.push_back(frame);
        self.shared.tell(&queue.watching);
        Ok(())
    }

    /// Pictures that wait to be read.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.shared.lock().frames.len()
    }

    /// Drops everything that waits; the next picture to be taken is a key frame.
    pub fn clear(&self) {
        let mut queue = self.shared.lock();
        queue.frames.clear();
        queue.bytes = 0;
        queue.broken = true;
    }

    /// Pictures refused so far, and those that a key frame took the place of.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// As [`VideoFrameWriter::write`] if it is the turn of `leg`; otherwise the picture is dropped.
    pub(crate) fn write_for(&self, leg: u64, frame: VideoFrame) -> Result<(), FrameRefused> {
        if self.shared.sink_turn.is_of(leg) { self.write(frame) } else { Ok(()) }
    }

    pub(crate) fn release(&self, leg: u64) {
        self.shared.sink_turn.release(leg);
    }
}

impl Clone for VideoFrameWriter {
    fn clone(&self) -> VideoFrameWriter {
        self.shared.lock().writers += 1;
        VideoFrameWriter { shared: self.shared.clone() }
    }
}

impl Drop for VideoFrameWriter {
    fn drop(&mut self) {
        let mut queue = self.shared.lock();
        queue.writers -= 1;
        if queue.writers == 0 {
            self.shared.tell(&queue.watching);
        }
    }
}

impl std::fmt::Debug for VideoFrameWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VideoFrameWriter({} queued)", self.queued())
    }
}

/// The end of a queue where pictures are taken out. Clones read from the same queue; each picture goes to one of them.
/// Given to several legs at once as a source, the first one has it until it ends.
pub struct VideoFrameReader {
    shared: Arc<Shared>,
}

impl VideoFrameReader {
    /// The next picture, if one waits. Never waits.
    #[must_use]
    pub fn try_read(&self) -> Option<VideoFrame> {
        let mut queue = self.shared.lock();
        let frame = queue.frames.pop_front()?;
        queue.bytes -= frame.data.len();
        Some(frame)
    }

    /// Waits for the next picture. None once nobody can write any more and the queue is empty.
    pub async fn read(&self) -> Option<VideoFrame> {
        loop {
            let mut written = std::pin::pin!(self.shared.written.notified());
            // Before the look into the queue, so that nothing written after the look is missed.
            written.as_mut().enable();
            if let Some(frame) = self.try_read() {
                return Some(frame);
            }
            if self.is_closed() {
                return None;
            }
            written.await;
        }
    }

    /// Pictures that wait.
    #[must_use]
    pub fn available(&self) -> usize {
        self.shared.lock().frames.len()
    }

    /// Whether nobody can write any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.lock().writers == 0
    }

    /// Pictures lost so far because nobody read them in time.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// The next picture if it is the turn of `leg`.
    pub(crate) fn take_for(&self, leg: u64) -> Option<VideoFrame> {
        if self.shared.source_turn.is_of(leg) { self.try_read() } else { None }
    }

    /// Drops what waits before the last key frame, if it is the turn of `leg`.
    pub(crate) fn keep_from_last_key(&self, leg: u64) {
        if !self.shared.source_turn.is_of(leg) {
            return;
        }
        let mut queue = self.shared.lock();
        let first = queue.frames.iter().rposition(|frame| frame.key).unwrap_or(queue.frames.len());
        let bytes: usize = queue.frames.drain(..first).map(|frame| frame.data.len()).sum();
        queue.bytes -= bytes;
    }

    pub(crate) fn release(&self, leg: u64) {
        self.shared.source_turn.release(leg);
    }

    /// `leg` is woken whenever a picture is written.
    pub(crate) fn watch(&self, leg: &Arc<Notify>) {
        self.shared.lock().watching.push(leg.clone());
    }

    pub(crate) fn unwatch(&self, leg: &Arc<Notify>) {
        self.shared.lock().watching.retain(|known| !Arc::ptr_eq(known, leg));
    }
}

impl Clone for VideoFrameReader {
    fn clone(&self) -> VideoFrameReader {
        self.shared.lock().readers += 1;
        VideoFrameReader { shared: self.shared.clone() }
    }
}

impl Drop for VideoFrameReader {
    fn drop(&mut self) {
        self.shared.lock().readers -= 1;
    }
}

impl std::fmt::Debug for VideoFrameReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VideoFrameReader({} available)", self.available())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::VideoCodec;

    fn frame(key: bool, number: u32) -> VideoFrame {
        VideoFrame { codec: VideoCodec::Vp8, timestamp: number, key, data: vec![u8::from(!key); 10].into() }
    }

    #[test]
    fn a_full_queue_refuses_until_a_key_frame_takes_its_place() {
        let (writer, reader) = video_channel();
        for number in 0..MOST_FRAMES as u32 {
            writer.write(frame(number == 0, number)).expect("there is room");
        }
        assert_eq!(writer.write(frame(false, 200)), Err(FrameRefused::Full));
        assert!(reader.try_read().is_some());
        assert_eq!(writer.write(frame(false, 201)), Err(FrameRefused::AwaitingKeyFrame), "it needs the refused one");
        writer.write(frame(true, 202)).expect("there is room for one");
        assert_eq!(writer.write(frame(true, 203)), Ok(()));
        assert_eq!(reader.available(), 1, "the key frame took the place of what waited");
        assert_eq!(reader.try_read().map(|frame| frame.timestamp), Some(203));
        assert_eq!(reader.dropped(), 2 + MOST_FRAMES as u64);
    }

    #[test]
    fn empty_and_huge_pictures_are_refused() {
        let (writer, _reader) = video_channel();
        let of = |bytes: usize| VideoFrame { data: vec![0; bytes].into(), ..frame(true, 0) };
        assert_eq!(writer.write(of(0)), Err(FrameRefused::Size));
        assert_eq!(writer.write(of(LARGEST_FRAME + 1)), Err(FrameRefused::Size));
        assert_eq!(writer.write(of(LARGEST_FRAME)), Ok(()));
    }

    #[tokio::test]
    async fn an_end_learns_that_the_other_one_is_gone() {
        let (writer, reader) = video_channel();
        let waiting = tokio::spawn(async move { (reader.read().await, reader.read().await) });
        tokio::task::yield_now().await;
        writer.write(frame(true, 1)).expect("taken");
        drop(writer);
        let (first, second) = waiting.await.expect("it ends");
        assert_eq!((first.map(|frame| frame.timestamp), second), (Some(1), None));

        let (writer, reader) = video_channel();
        drop(reader);
        assert_eq!(writer.write(frame(true, 1)), Err(FrameRefused::Closed));
    }
}
