//! The one door into foreign code. Events, lines of the log and the ends of awaited methods pass through the link of their object, and once
//! the link is cut nothing passes any more: an interpreter may end.
//!
//! Owns: the listener, the wakers of the methods that are awaited, and the promise about both. Lives on: any thread. No lock
//! is held while foreign code runs. Must not import: `runtime`, `core`, `signal`.

use super::events::{Event, EventListener};
use super::logs::{LogLine, LogListener};
use crate::ffi::waiting::{Inside, in_callback};
use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

/// Longest wait of [`Link::cut`] for foreign code that is running: a callback of some milliseconds is waited for, one that
/// itself waits for the thread that cuts must not hold it for ever.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What is called on the foreign side.
#[derive(Clone)]
pub(super) enum Foreign {
    /// Gets the events of a phone.
    Events(Arc<dyn EventListener>),
    /// Gets the lines of the log.
    Lines(Arc<dyn LogListener>),
}

struct State {
    open: bool,
    /// How many threads run foreign code of this link.
    inside: usize,
    /// The phone has delivered its last event.
    ended: bool,
    listener: Option<Foreign>,
    /// Who waits, by number.
    waiting: HashMap<u64, Waker>,
    next: u64,
}

/// The way from one object of ours to the foreign side.
pub(super) struct Link {
    state: Mutex<State>,
    news: Condvar,
}

impl Link {
    /// An open link, or a cut one when the process is ending.
    pub(super) fn new(listener: Option<Foreign>, open: bool) -> Self {
        let state = State { open, inside: 0, ended: false, listener, waiting: HashMap::new(), next: 0 };
        Self { state: Mutex::new(state), news: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when nothing passes any more.
    pub(super) fn is_cut(&self) -> bool {
        !self.lock().open
    }

    /// Runs foreign code, with what `pick` takes from the state; not at all when the link is cut or `pick` finds nothing.
    fn pass<T>(&self, pick: impl FnOnce(&mut State) -> Option<T>, run: impl FnOnce(T)) {
        let mut state = self.lock();
        if !state.open {
            return;
        }
        let Some(picked) = pick(&mut state) else { return };
        state.inside += 1;
        drop(state);
        // Leaves also when foreign code unwinds.
        let _leave = Leave(self, Inside::enter());
        run(picked);
    }

    /// Hands an event over. Called on the dispatcher thread only.
    pub(super) fn deliver(&self, event: impl FnOnce() -> Event) {
        // The listener's own failure must not end the events; its clone is dropped before the link is left, so that the
        // last one never goes when nobody expects it.
        self.pass(
            |state| match &state.listener {
                Some(Foreign::Events(listener)) => Some(listener.clone()),
                Some(Foreign::Lines(_)) | None => None,
            },
            |listener| drop(listener.on_event(event())),
        );
    }

    /// Hands a line of the log over, as [`Link::deliver`] does. Called on the thread of the log only.
    pub(super) fn deliver_line(&self, line: LogLine) {
        self.pass(
            |state| match &state.listener {
                Some(Foreign::Lines(listener)) => Some(listener.clone()),
                Some(Foreign::Events(_)) | None => None,
            },
            |listener| drop(listener.on_line(line)),
        );
    }

    /// The phone has delivered its last event, or the log its last line: the listener goes.
    pub(super) fn end(&self) {
        self.pass(|state| state.listener.take(), drop);
        self.lock().ended = true;
        self.news.notify_all();
    }

    /// Notes who waits; `None` for a new number. Answers the number, or nothing when the link is cut.
    pub(super) fn wait(&self, number: Option<u64>, waker: &Waker) -> Option<u64> {
        let mut state = self.lock();
        if !state.open {
            return None;
        }
        let number = number.unwrap_or_else(|| {
            state.next += 1;
            state.next
        });
        state.waiting.insert(number, waker.clone());
        Some(number)
    }

    /// Nobody waits under this number any more.
    pub(super) fn forget(&self, number: u64) {
        // The waker is dropped after the lock.
        let waker = self.lock().waiting.remove(&number);
        drop(waker);
    }

    /// Wakes who waits under this number.
    pub(super) fn wake(&self, number: u64) {
        self.pass(|state| state.waiting.get(&number).cloned(), Waker::wake);
    }

    /// Waits until the last event was delivered, or the link was cut. False: it was not, by then. Inside a callback it does
    /// not wait.
    pub(super) fn wait_ended(&self, until: Instant) -> bool {
        self.wait_for(until, |state| state.ended || !state.open)
    }

    /// Ends everything: who waits is told so, on this thread; the listener goes; nothing passes afterwards. Outside a
    /// callback it returns when no foreign code of this link runs any more.
    pub(super) fn cut(&self) {
        self.close();
        self.wait_left(Instant::now() + PATIENCE);
    }

    /// As [`Link::cut`], without waiting for foreign code that runs.
    pub(super) fn close(&self) {
        let (waiting, listener) = {
            let mut state = self.lock();
            state.open = false;
            (std::mem::take(&mut state.waiting), state.listener.take())
        };
        self.news.notify_all();
        waiting.into_values().for_each(Waker::wake);
        drop(listener);
    }

    /// Waits until no foreign code of this link runs any more; not inside a callback.
    pub(super) fn wait_left(&self, until: Instant) {
        if !self.wait_for(until, |state| state.inside == 0) && !in_callback() {
            log::warn!("a callback still runs");
        }
    }

    fn wait_for(&self, until: Instant, met: impl Fn(&State) -> bool) -> bool {
        let mut state = self.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if met(&state) || left.is_zero() || in_callback() {
                return met(&state);
            }
            state = self.news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

struct Leave<'a>(&'a Link, #[allow(dead_code, reason = "ends with it")] Inside);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.lock().inside -= 1;
        self.0.news.notify_all();
    }
}

/// What the phone's handler holds; its end is the end of the phone's events.
pub(super) struct Feed(pub(super) Arc<Link>);

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ffi::uniffi::error::PhoneError;
    use std::sync::mpsc;

    struct Slow(mpsc::SyncSender<()>, Mutex<mpsc::Receiver<()>>);

    impl EventListener for Slow {
        fn on_event(&self, _: Event) -> Result<(), PhoneError> {
            self.0.send(()).map_err(|_| PhoneError::Closed)?;
            let _ = self.1.lock().unwrap_or_else(PoisonError::into_inner).recv();
            Ok(())
        }
    }

    fn event() -> Event {
        Event {
            name: "warning".into(),
            seq: 1,
            timestamp: String::new(),
            call: None,
            conference: None,
            tag: None,
            json: "{}".into(),
        }
    }

    #[test]
    fn a_cut_link_waits_for_what_runs_and_lets_nothing_pass() {
        let ((said, hear), (go, gate)) = (mpsc::sync_channel(8), mpsc::channel());
        let link = Arc::new(Link::new(Some(Foreign::Events(Arc::new(Slow(said, Mutex::new(gate))))), true));
        let other = link.clone();
        let events = std::thread::spawn(move || {
            other.deliver(event);
            other.deliver(event);
        });
        hear.recv().expect("the first event");
        let other = link.clone();
        let (done, cut) = mpsc::channel();
        let cutting = std::thread::spawn(move || {
            other.cut();
            done.send(()).expect("the test waits");
        });
        while link.lock().open {
            std::thread::yield_now();
        }
        assert!(cut.try_recv().is_err(), "a callback runs: cut waits for it");
        go.send(()).expect("the callback waits");
        cut.recv().expect("cut returns");
        events.join().expect("no panic");
        cutting.join().expect("no panic");
        assert!(hear.recv().is_err(), "the second event did not pass, and the listener is gone");
    }

    #[test]
    fn inside_a_callback_cut_returns_at_once() {
        let link = Link::new(None, true);
        link.pass(|_| Some(()), |()| link.cut());
        link.pass(|_| Some(()), |()| panic!("nothing passes any more"));
        assert!(link.wait(None, Waker::noop()).is_none());
    }
}
