//! The video of one leg at work: a task of the leg's tokio runtime.
//!
//! Owns: the order of things: orders of the handle, packets in, pictures to the sink, pictures that are due, packets out,
//! and the events of video. It sleeps until a packet, an order or a time. The audio never waits for it.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::{Duration, Instant};

use super::assembler::{Assembler, Tally};
use super::pacer::Pacer;
use super::player::{KeyFrame, Player};
use super::{FrameRefused, VideoFrame, VideoSink};
use crate::engine::Report;
use crate::shared::{LegEvent, Shared};
use crate::transport::{Medium, NegotiatedVideo, Transport};

/// The program is told at most so often that a key frame is wanted, and may want one itself as often.
const KEY_PAUSE: Duration = Duration::from_millis(100);

/// When the reporting thread is busy an event is tried again so much later.
const TRY_AGAIN: Duration = Duration::from_millis(10);

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
    let shared = parts.shared.clone();
    let _end = End { shared: shared.clone(), reports: parts.reports.clone() };
    let mut work = Work::new(parts);
    while !shared.closing.load(Ordering::Acquire) {
        match work.turn(Instant::now()) {
            Some(at) => {
                let _ = tokio::time::timeout_at(at.into(), shared.video.wake.notified()).await;
            }
            None => shared.video.wake.notified().await,
        }
    }
}

struct Work {
    parts: Parts,
    route: Option<NegotiatedVideo>,
    assembler: Assembler,
    player: Player,
    pacer: Pacer,
    was_active: bool,
    first_told: bool,
    /// Events that the reporting thread has not taken yet.
    untold: Vec<LegEvent>,
    /// When the program was told that a key frame is wanted, and when it wanted one itself.
    told_key: Option<Instant>,
    asked_key: Option<Instant>,
    /// The program is to be told as soon as the pause is over.
    key_is_wanted: bool,
}

impl Work {
    fn new(parts: Parts) -> Work {
        let first = RandomState::new().hash_one(parts.leg) as u32;
        Work {
            player: Player::new(parts.leg, parts.shared.video.wake.clone(), first, Instant::now()),
            parts,
            route: None,
            assembler: Assembler::new(),
            pacer: Pacer::default(),
            was_active: false,
            first_told: false,
            untold: Vec::new(),
            told_key: None,
            asked_key: None,
            key_is_wanted: false,
        }
    }

    /// Does what is to be done now, and tells until when nothing more will be.
    fn turn(&mut self, now: Instant) -> Option<Instant> {
        self.follow_orders(now);
        self.receive(now);
        self.ask(now);
        self.send(now);
        self.report();
        let event = (!self.untold.is_empty()).then(|| now + TRY_AGAIN);
        let key = self.told_key.filter(|_| self.key_is_wanted).map(|told| told + KEY_PAUSE);
        let deadlines = [self.assembler.deadline(now), self.player.deadline(now), self.pacer.deadline(), event, key];
        deadlines.into_iter().flatten().min()
    }

    fn follow_orders(&mut self, now: Instant) {
        let shared = self.parts.shared.clone();
        let orders = shared.video.take_orders();
        if let Some(route) = orders.route {
            self.route = route;
            if !self.receives() {
                self.release_sink();
            }
        }
        if let Some(feed) = orders.feed {
            self.pacer.clear();
            self.player.set_feed(feed);
        }
        let active = shared.active.load(Ordering::Acquire);
        if active && !self.was_active {
            // The sink begins here, and it cannot begin in the middle.
            self.was_active = true;
            self.assembler.restart();
        }
        let sends = active && shared.up.load(Ordering::Acquire) && self.route.is_some_and(|r| r.direction.sends());
        if sends && !self.player.is_running() {
            let key = self.player.start(now);
            self.want_key(key);
        } else if !sends && self.player.is_running() {
            self.player.stop();
            self.pacer.clear();
        }
        if shared.video.key_frame_wanted.swap(false, Ordering::AcqRel) {
            count(&shared.video.figures.key_frame_requests, 1);
            let key = self.player.key_frame(now);
            self.want_key(key);
        }
    }

    fn want_key(&mut self, key: KeyFrame) {
        match key {
            KeyFrame::IsForTheProgram => self.key_is_wanted = true,
            KeyFrame::Comes | KeyFrame::No => {}
        }
    }

    fn receive(&mut self, now: Instant) {
        let shared = self.parts.shared.clone();
        let codecs = self.route.map(|route| route.payload_types).unwrap_or_default();
        self.assembler.set_repeating(self.route.is_some_and(|route| route.repeats));
        for (packet, arrival) in shared.video.take_packets() {
            if let Some(codec) = codecs.codec(packet.payload_type) {
                self.assembler.push(codec, packet, arrival);
            }
        }
        while let Some(frame) = self.assembler.next_picture(now) {
            if !self.first_told {
                self.first_told = true;
                self.untold.push(LegEvent::FirstVideo);
            }
            let figures = &shared.video.figures;
            count(&figures.frames_received, 1);
            count(&figures.key_frames_received, u64::from(frame.key));
            if self.was_active && self.receives() {
                self.hand_on(frame);
            }
        }
        let Tally { received, lost, recovered, dropped } = std::mem::take(&mut self.assembler.tally);
        let figures = &shared.video.figures;
        count(&figures.packets_received, received);
        count(&figures.packets_lost, lost);
        count(&figures.packets_recovered, recovered);
        count(&figures.frames_dropped, dropped);
    }

    /// Whether video of the other side is wanted; that of a held call is not.
    fn receives(&self) -> bool {
        self.route.is_some_and(|route| route.direction.receives())
    }

    /// Leaves the sink to the leg that needs it next.
    fn release_sink(&self) {
        match &self.parts.sink {
            VideoSink::Discard => {}
            VideoSink::Ivf(recorder) => recorder.release(self.parts.leg),
            VideoSink::Frames(writer) => writer.release(self.parts.leg),
        }
    }

    fn hand_on(&mut self, frame: VideoFrame) {
        match &self.parts.sink {
            VideoSink::Discard => {}
            VideoSink::Ivf(recorder) => recorder.write_for(self.parts.leg, frame),
            VideoSink::Frames(writer) => match writer.write_for(self.parts.leg, frame) {
                Ok(()) | Err(FrameRefused::Closed | FrameRefused::Size) => {}
                // The program was too slow; it can go on with a key frame only, and not every sender sends one by itself.
                Err(FrameRefused::Full | FrameRefused::AwaitingKeyFrame) => self.assembler.want_key_frame(),
            },
        }
    }

    /// Asks the other side for packets that are missing, and for a key frame if one is needed.
    fn ask(&mut self, now: Instant) {
        let missing = self.assembler.missing(now);
        if !missing.is_empty() {
            self.parts.transport.request_packets(&missing);
        }
        let link = &self.parts.shared.video;
        let free = self.asked_key.is_none_or(|asked| now.saturating_duration_since(asked) >= KEY_PAUSE);
        let by_program = link.ask_for_key_frame.swap(false, Ordering::AcqRel) && free;
        if by_program {
            self.asked_key = Some(now);
        }
        if (self.assembler.asks(now) || by_program) && self.parts.transport.request_key_frame() {
            count(&link.figures.key_frames_requested, 1);
        }
    }

    fn send(&mut self, now: Instant) {
        let shared = self.parts.shared.clone();
        let figures = &shared.video.figures;
        let mut skipped = 0;
        loop {
            match self.player.next(now, &mut skipped) {
                Ok(Some(frame)) => {
                    let payload_type = self.route.and_then(|route| route.payload_types.payload_type(frame.codec));
                    let sent = payload_type.is_some_and(|number| self.pacer.push(&frame, number, frame.timestamp));
                    if !sent {
                        skipped += 1;
                        self.player.needs_key();
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    log::warn!("video ends: {error}");
                    break;
                }
            }
        }
        count(&figures.frames_skipped, skipped);
        while let Some(out) = self.pacer.pop(now) {
            if self.parts.transport.send(Medium::Video, out.packet) {
                count(&figures.packets_sent, 1);
            } else {
                count(&figures.packets_refused, 1);
            }
            if let Some(key) = out.ends {
                count(&figures.frames_sent, 1);
                count(&figures.key_frames_sent, u64::from(key));
            }
        }
    }

    fn report(&mut self) {
        let now = Instant::now();
        let free = self.told_key.is_none_or(|told| now.saturating_duration_since(told) >= KEY_PAUSE);
        if self.key_is_wanted && free {
            self.key_is_wanted = false;
            self.told_key = Some(now);
            self.untold.push(LegEvent::KeyFrameWanted);
        }
        while !self.untold.is_empty() {
            let event = self.untold.remove(0);
            let report = Report::Event(self.parts.events.clone(), event);
            if let Err(TrySendError::Full(Report::Event(_, event))) = self.parts.reports.try_send(report) {
                return self.untold.insert(0, event);
            }
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.release_sink();
    }
}

fn count(place: &AtomicU64, more: u64) {
    place.fetch_add(more, Ordering::Relaxed);
}
