//! What a leg's handle, its transport and its video task share.
//!
//! Owns: [`VideoLink`], the wishes of the handle, the packets between transport and task, and the figures. Written and read
//! on any thread; nobody waits with a lock held. Must not import the task.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, watch};

use super::channel::VideoFrameReader;
use super::ivf::IvfInput;
use super::{VideoSource, VideoStats};
use crate::error::MediaError;
use crate::transport::{NegotiatedVideo, RtpPacket};

/// Packets between transport and task: two seconds at 4 Mbit/s. More is dropped, which is a loss like any other.
const MOST_PACKETS: usize = 1_024;

/// A source that was opened.
#[derive(Debug)]
pub(crate) enum VideoFeed {
    Ivf(Arc<IvfInput>),
    Frames(VideoFrameReader),
}

impl VideoFeed {
    /// Opens a source. May wait for the disk.
    ///
    /// # Errors
    /// [`MediaError::Source`] with a text that names the file.
    pub(crate) fn open(source: &VideoSource) -> Result<VideoFeed, MediaError> {
        Ok(match source {
            VideoSource::Ivf(path) => VideoFeed::Ivf(Arc::new(IvfInput::open(Path::new(path))?)),
            VideoSource::Frames(reader) => VideoFeed::Frames(reader.clone()),
        })
    }
}

/// What the handle wants changed; a newer wish replaces an older one.
#[derive(Default)]
pub(crate) struct Orders {
    /// Another source, or none.
    pub(crate) feed: Option<Option<VideoFeed>>,
    /// What offer and answer have agreed upon.
    pub(crate) route: Option<Option<NegotiatedVideo>>,
}

/// Counters of a leg's video, written by its task.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) frames_sent: AtomicU64,
    pub(crate) key_frames_sent: AtomicU64,
    pub(crate) frames_skipped: AtomicU64,
    pub(crate) packets_sent: AtomicU64,
    pub(crate) packets_refused: AtomicU64,
    pub(crate) frames_received: AtomicU64,
    pub(crate) key_frames_received: AtomicU64,
    pub(crate) frames_dropped: AtomicU64,
    pub(crate) packets_received: AtomicU64,
    pub(crate) packets_lost: AtomicU64,
    pub(crate) packets_recovered: AtomicU64,
    pub(crate) key_frames_requested: AtomicU64,
    pub(crate) key_frame_requests: AtomicU64,
}

/// See the head of the file.
#[derive(Default)]
pub(crate) struct VideoLink {
    /// Wakes the task; a wake that comes while it works is kept.
    pub(crate) wake: Arc<Notify>,
    inbox: Mutex<VecDeque<(RtpPacket, Instant)>>,
    orders: Mutex<Orders>,
    /// The other side has asked for a key frame.
    pub(crate) key_frame_wanted: AtomicBool,
    /// The program wants one from the other side.
    pub(crate) ask_for_key_frame: AtomicBool,
    pub(crate) figures: Figures,
    /// Whether a task was begun, and whether it is over.
    started: AtomicBool,
    pub(crate) ended: watch::Sender<bool>,
}

impl VideoLink {
    /// Brings a packet, on a thread of the transport.
    pub(crate) fn bring(&self, packet: RtpPacket, arrival: Instant) {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        if inbox.len() < MOST_PACKETS {
            inbox.push_back((packet, arrival));
        }
        drop(inbox);
        self.wake.notify_one();
    }

    /// Task: everything that was brought.
    pub(crate) fn take_packets(&self) -> VecDeque<(RtpPacket, Instant)> {
        std::mem::take(&mut *self.inbox.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Handle: changes the orders.
    pub(crate) fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.lock_orders());
        self.wake.notify_one();
    }

    /// Task: the orders since the last time.
    pub(crate) fn take_orders(&self) -> Orders {
        std::mem::take(&mut *self.lock_orders())
    }

    fn lock_orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a sign for the task.
    pub(crate) fn signal(&self, sign: &AtomicBool) {
        sign.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether this call begins the task.
    pub(crate) fn start(&self) -> bool {
        !self.started.swap(true, Ordering::AcqRel)
    }

    /// Returns when there is no task any more.
    pub(crate) async fn ended(&self) {
        if self.started.load(Ordering::Acquire) {
            let _ = self.ended.subscribe().wait_for(|ended| *ended).await;
        }
    }

    pub(crate) fn stats(&self) -> VideoStats {
        let figures = &self.figures;
        let count = |place: &AtomicU64| place.load(Ordering::Relaxed);
        VideoStats {
            frames_sent: count(&figures.frames_sent),
            key_frames_sent: count(&figures.key_frames_sent),
            frames_skipped: count(&figures.frames_skipped),
            packets_sent: count(&figures.packets_sent),
            packets_refused: count(&figures.packets_refused),
            frames_received: count(&figures.frames_received),
            key_frames_received: count(&figures.key_frames_received),
            frames_dropped: count(&figures.frames_dropped),
            packets_received: count(&figures.packets_received),
            packets_lost: count(&figures.packets_lost),
            packets_recovered: count(&figures.packets_recovered),
            key_frames_requested: count(&figures.key_frames_requested),
            key_frame_requests: count(&figures.key_frame_requests),
        }
    }
}
