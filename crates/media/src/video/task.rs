//! The video of one leg at work: a task of the leg's tokio runtime.
//!
//! Owns: the order of things: orders, packets in, pictures out, what is due. Must not be awaited by the audio.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;

use super::VideoSink;
use crate::engine::Report;
use crate::shared::{LegEvent, Shared};
use crate::transport::Transport;

/// What the task is made from.
pub(crate) struct Parts {
    pub(crate) leg: u64,
    pub(crate) shared: Arc<Shared>,
    pub(crate) transport: Transport,
    pub(crate) sink: VideoSink,
    pub(crate) reports: SyncSender<Report>,
    pub(crate) events: Arc<dyn Fn(LegEvent) + Send + Sync>,
}

/// Tells the end, however it comes.
struct End {
    shared: Arc<Shared>,
    reports: SyncSender<Report>,
}

impl Drop for End {
    fn drop(&mut self) {
        // Behind the events that were reported before.
        if self.reports.try_send(Report::VideoEnded(self.shared.clone())).is_err() {
            self.shared.video.ended.send_replace(true);
        }
    }
}

/// Serves the video of a leg until the leg ends.
pub(crate) async fn attend(parts: Parts) {
    let _end = End { shared: parts.shared.clone(), reports: parts.reports.clone() };
    let link = &parts.shared.video;
    while !parts.shared.closing.load(Ordering::Acquire) {
        link.wake.notified().await;
    }
}
