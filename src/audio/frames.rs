//! Encoded pictures of the program: its ends of one call's video.
//!
//! Owns: [`VideoWriter`], [`VideoReader`]. Lives on: any thread; neither end waits for the call. Must not import: `api`,
//! `runtime`, `signal`, `core`.

use ewebrtc_media::{FrameRefused, VideoFrame, VideoFrameReader, VideoFrameWriter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Where a program puts the encoded pictures that the other party sees. Clones write into the same queue, which holds 128
/// pictures or 8 MiB.
///
/// Pictures are sent as they come, when the call has video and is connected; a program that encodes ahead paces itself by
/// [`VideoWriter::queued`]. Before each picture it asks [`VideoWriter::key_frame_wanted`].
#[derive(Debug, Clone)]
pub struct VideoWriter {
    queue: VideoFrameWriter,
    wanted: Arc<AtomicBool>,
}

impl VideoWriter {
    /// An end of this queue. The first picture is to be a key frame.
    pub(crate) fn new(queue: VideoFrameWriter) -> Self {
        Self { queue, wanted: Arc::new(AtomicBool::new(true)) }
    }

    /// Puts a picture into the queue. Never waits.
    ///
    /// # Errors
    /// [`FrameRefused`]: the queue is full, an earlier picture is missing, the picture is empty or larger than 2 MiB, or the
    /// call has ended. After the first two only a key frame is taken.
    pub fn write(&self, frame: VideoFrame) -> Result<(), FrameRefused> {
        let result = self.queue.write(frame);
        if matches!(result, Err(FrameRefused::Full | FrameRefused::AwaitingKeyFrame)) {
            self.want();
        }
        result
    }

    /// Is the next picture to be a key frame? True once after the other party, or a picture that was not taken, has asked for
    /// one, however often, and once at the beginning.
    #[must_use = "a request is told once"]
    pub fn key_frame_wanted(&self) -> bool {
        self.wanted.swap(false, Ordering::AcqRel)
    }

    /// Pictures that were written and not sent yet.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.queued()
    }

    /// Pictures that were not taken so far, and those that were dropped for a newer key frame.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.queue.refused()
    }

    /// The other party needs a key frame.
    pub(crate) fn want(&self) {
        self.wanted.store(true, Ordering::Release);
    }

    /// Video is sent again: what was written meanwhile is of no use any more.
    pub(crate) fn start_anew(&self) {
        self.queue.clear();
        self.want();
    }
}

/// Where a program takes the encoded pictures that come from the other party: complete ones only, beginning with a key frame,
/// also after a loss. Clones read from the same queue, and each picture goes to one of them. The queue holds 128 pictures or
/// 8 MiB; when it is full what comes is dropped up to the next key frame.
#[derive(Debug, Clone)]
pub struct VideoReader {
    queue: VideoFrameReader,
}

impl VideoReader {
    /// An end of this queue.
    pub(crate) fn new(queue: VideoFrameReader) -> Self {
        Self { queue }
    }

    /// The next picture; `None` when none waits. Never waits.
    #[must_use]
    pub fn try_read(&self) -> Option<VideoFrame> {
        self.queue.try_read()
    }

    /// Waits for the next picture; `None` when the call has ended and all was read.
    pub async fn read(&self) -> Option<VideoFrame> {
        self.queue.read().await
    }

    /// Pictures that wait.
    #[must_use]
    pub fn available(&self) -> usize {
        self.queue.available()
    }

    /// True when the call has ended and no further picture comes.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Pictures that were dropped because nobody read them in time.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }
}
