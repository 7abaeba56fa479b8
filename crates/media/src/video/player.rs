//! Which picture is sent when.
//!
//! Owns: the running source of a leg and the time stamps that are sent. Times are arguments; files are read on tokio's
//! threads for blocking work, one picture ahead. Must not import the transport but its types.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Notify;

use super::channel::VideoFrameReader;
use super::ivf::IvfInput;
use super::{VideoFeed, VideoFrame};
use crate::error::MediaError;

/// After a key frame out of turn the next one comes so much later at the earliest: one loss is asked for many times.
const KEY_PAUSE: Duration = Duration::from_millis(200);

/// A file that is further behind its time goes on from where it is: the process was held up.
const LATEST: Duration = Duration::from_millis(500);

/// Longer than any call.
const REST: Duration = Duration::from_secs(86_400 * 365);

/// What a request for a key frame comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyFrame {
    /// It is sent.
    Comes,
    /// The program has to bring it.
    IsForTheProgram,
    /// There is nothing to be done.
    No,
}

/// Where a picture that was read lies, with the number of the order to read it.
type Desk = Mutex<Option<(u64, Result<Bytes, MediaError>)>>;

/// A file at work.
struct Tape {
    input: Arc<IvfInput>,
    /// The picture that comes next, and when.
    position: usize,
    due: Instant,
    /// The last time that a key frame came out of turn.
    jumped: Option<Instant>,
    /// Where the picture at `position` is put when it was read; the number tells it from earlier ones.
    desk: Arc<Desk>,
    order: u64,
}

/// The program's pictures at work.
struct Line {
    reader: VideoFrameReader,
    needs_key: bool,
    /// The time stamp of the first one, as the program gave it and as it was sent.
    origin: Option<(u32, u32)>,
}

enum Source {
    Tape(Tape),
    Line(Line),
}

/// See the head of the file.
pub(crate) struct Player {
    leg: u64,
    wake: Arc<Notify>,
    feed: Option<VideoFeed>,
    running: Option<Source>,
    /// Time stamp of the moment `epoch`, and the last one that was sent.
    epoch: Instant,
    first: u32,
    last: Option<u32>,
}

impl Player {
    /// Wakes with `wake` when a picture was read or written. `first` is the first time stamp.
    pub(crate) fn new(leg: u64, wake: Arc<Notify>, first: u32, now: Instant) -> Player {
        Player { leg, wake, feed: None, running: None, epoch: now, first, last: None }
    }

    /// Sends from another source, or from none.
    pub(crate) fn set_feed(&mut self, feed: Option<VideoFeed>) {
        self.stop();
        if let Some(VideoFeed::Frames(reader)) = &self.feed {
            reader.unwatch(&self.wake);
            reader.release(self.leg);
        }
        if let Some(VideoFeed::Frames(reader)) = &feed {
            reader.watch(&self.wake);
        }
        self.feed = feed;
    }

    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Begins to send, from the beginning. Whether the program has to bring a key frame.
    pub(crate) fn start(&mut self, now: Instant) -> KeyFrame {
        match &self.feed {
            Some(VideoFeed::Ivf(input)) => {
                let mut tape =
                    Tape { input: input.clone(), position: 0, due: now, jumped: None, desk: Arc::default(), order: 0 };
                tape.fetch(&self.wake);
                self.running = Some(Source::Tape(tape));
                KeyFrame::Comes
            }
            Some(VideoFeed::Frames(reader)) => {
                self.running = Some(Source::Line(Line { reader: reader.clone(), needs_key: true, origin: None }));
                // What was written too early is of no use any more, but for the last key frame and what needs it.
                reader.keep_from_last_key(self.leg);
                KeyFrame::IsForTheProgram
            }
            None => KeyFrame::No,
        }
    }

    pub(crate) fn stop(&mut self) {
        self.running = None;
    }

    /// The other side wants a key frame.
    pub(crate) fn key_frame(&mut self, now: Instant) -> KeyFrame {
        match &mut self.running {
            Some(Source::Tape(tape)) => tape.jump(now, &self.wake),
            Some(Source::Line(_)) => KeyFrame::IsForTheProgram,
            None => KeyFrame::No,
        }
    }

    /// What is sent now could not be decoded without a key frame.
    pub(crate) fn needs_key(&mut self) {
        if let Some(Source::Line(line)) = &mut self.running {
            line.needs_key = true;
        }
    }

    /// The next picture that is due, with its time stamp in the stream; `skipped` counts those that are left out.
    ///
    /// # Errors
    /// [`MediaError::Source`] when the file cannot be read any more; then nothing else comes of it.
    pub(crate) fn next(&mut self, now: Instant, skipped: &mut u64) -> Result<Option<VideoFrame>, MediaError> {
        let (frame, at) = match &mut self.running {
            None => return Ok(None),
            Some(Source::Tape(tape)) => match tape.next(now, &self.wake) {
                Ok(Some((frame, due))) => (frame, self.first.wrapping_add(ticks(due, self.epoch))),
                Ok(None) => return Ok(None),
                Err(error) => {
                    self.set_feed(None);
                    return Err(error);
                }
            },
            Some(Source::Line(line)) => loop {
                let Some(frame) = line.reader.take_for(self.leg) else { return Ok(None) };
                if line.needs_key && !frame.key {
                    *skipped += 1;
                    continue;
                }
                line.needs_key = false;
                let fresh = self.first.wrapping_add(ticks(now, self.epoch));
                let (theirs, ours) = *line.origin.get_or_insert((frame.timestamp, fresh));
                let at = ours.wrapping_add(frame.timestamp.wrapping_sub(theirs));
                break (frame, at);
            },
        };
        // Two pictures of one time stamp would be taken for one.
        let at = match self.last {
            Some(last) if at.wrapping_sub(last).wrapping_sub(1) >= 1 << 31 => last.wrapping_add(1),
            _ => at,
        };
        self.last = Some(at);
        Ok(Some(VideoFrame { timestamp: at, ..frame }))
    }

    /// When the next picture is due, if that is known.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        match &self.running {
            // A picture that is due and not read yet wakes by itself.
            Some(Source::Tape(tape)) => Some(tape.due).filter(|due| *due > now),
            Some(Source::Line(_)) | None => None,
        }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.set_feed(None);
    }
}

impl Tape {
    fn time(&self, position: usize) -> Duration {
        self.input.pictures.get(position).map_or(self.input.length, |picture| picture.time)
    }

    /// Has the picture at `position` read.
    fn fetch(&mut self, wake: &Arc<Notify>) {
        self.order += 1;
        let (input, position, desk) = (self.input.clone(), self.position, self.desk.clone());
        let (order, wake) = (self.order, wake.clone());
        tokio::task::spawn_blocking(move || {
            let read = input.read(position);
            *desk.lock().unwrap_or_else(PoisonError::into_inner) = Some((order, read));
            wake.notify_one();
        });
    }

    fn next(&mut self, now: Instant, wake: &Arc<Notify>) -> Result<Option<(VideoFrame, Instant)>, MediaError> {
        let due = self.due;
        if due > now {
            return Ok(None);
        }
        let order = self.order;
        let read = {
            let mut desk = self.desk.lock().unwrap_or_else(PoisonError::into_inner);
            desk.take_if(|(number, _)| *number == order)
        };
        let Some((_, read)) = read else { return Ok(None) };
        let data = read?;
        let key = self.input.pictures.get(self.position).is_some_and(|picture| picture.key);
        let frame = VideoFrame { codec: self.input.codec, timestamp: 0, key, data };
        let step = self.time(self.position + 1).saturating_sub(self.time(self.position));
        let from = if now.saturating_duration_since(due) > LATEST { now } else { due };
        // Further than time can be counted: it rests on this picture.
        self.due = from.checked_add(step).unwrap_or_else(|| now + REST);
        self.position = (self.position + 1) % self.input.pictures.len().max(1);
        self.fetch(wake);
        Ok(Some((frame, due)))
    }

    /// Goes on with the next key frame, or with the first one, at once.
    fn jump(&mut self, now: Instant, wake: &Arc<Notify>) -> KeyFrame {
        if self.jumped.is_some_and(|jumped| now.saturating_duration_since(jumped) < KEY_PAUSE) {
            return KeyFrame::No;
        }
        self.jumped = Some(now);
        let pictures = &self.input.pictures;
        let next = (self.position..pictures.len()).find(|number| pictures[*number].key).unwrap_or(0);
        self.due = now;
        if next != self.position {
            self.position = next;
            self.fetch(wake);
        }
        KeyFrame::Comes
    }
}

/// Ticks of 90 kHz from `epoch` to `time`; they wrap around after 13 hours.
fn ticks(time: Instant, epoch: Instant) -> u32 {
    let micros = time.saturating_duration_since(epoch).as_micros();
    (micros * 9 / 100) as u32
}

#[cfg(test)]
#[path = "player_tests.rs"]
mod tests;
