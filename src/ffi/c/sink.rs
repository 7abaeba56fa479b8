//! Where the events of a phone go on the C side: to the program's callback, or into a queue that it reads.
//!
//! Owns: the program's callback, its user pointer and the promise about both: after [`Sink::free`] outside a callback nothing
//! runs any more, and the drop function runs exactly once, after the last callback. Lives on: any thread; callbacks run on the
//! phone's dispatcher thread with no lock held. Must not import: `runtime`, `core`, `signal`.

use crate::api::Event;
use crate::ffi::waiting::{Inside, in_callback};
use libc::{c_char, c_void};
use std::collections::VecDeque;
use std::ffi::CString;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The program's event function.
pub(super) type EventFn = unsafe extern "C" fn(user: *mut c_void, name: *const c_char, json: *const c_char);
/// The program's drop function.
pub(super) type DropFn = unsafe extern "C" fn(user: *mut c_void);

/// Events that wait to be read. More wait in the phone's own queue, which is bounded too, so that nothing is lost
/// here; a call makes about a dozen.
const QUEUE: usize = 1024;

#[derive(Clone, Copy)]
struct User(*mut c_void);
// SAFETY: the pointer is never looked at here; the header says that the callbacks get it on threads of the library.
unsafe impl Send for User {}

struct State {
    /// A callback is running.
    running: bool,
    /// No callback may begin any more.
    freed: bool,
    /// The phone has delivered its last event.
    ended: bool,
    /// Taken when the drop function runs.
    drop_user: Option<DropFn>,
    user: User,
    events: VecDeque<String>,
}

/// Outcome of a wait.
pub(super) enum Waited<T> {
    Done(T),
    /// Nothing will come any more.
    Ended,
    Timeout,
}

/// The events' way to the program.
pub(super) struct Sink {
    on_event: Option<EventFn>,
    state: Mutex<State>,
    news: Condvar,
}

impl Sink {
    pub(super) fn new(on_event: Option<EventFn>, user: *mut c_void, drop_user: Option<DropFn>) -> Arc<Self> {
        let state =
            State { running: false, freed: false, ended: false, drop_user, user: User(user), events: VecDeque::new() };
        Arc::new(Self { on_event, state: Mutex::new(state), news: Condvar::new() })
    }

    /// True when events go to a callback.
    pub(super) fn has_callback(&self) -> bool {
        self.on_event.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands an event to the program. Called on the dispatcher thread only.
    pub(super) fn deliver(&self, event: &Event) {
        let json = event.to_json().to_string();
        let Some(on_event) = self.on_event else { return self.queue(json) };
        // JSON escapes zero bytes, and names have none.
        let (name, json) = (CString::new(event.name()).unwrap_or_default(), CString::new(json).unwrap_or_default());
        let user = {
            let mut state = self.lock();
            if state.freed {
                return;
            }
            state.running = true;
            state.user
        };
        let inside = Inside::enter();
        // SAFETY: the program gave this function for this pointer, and it was not freed before the callback began; `free`
        // waits for the end of it, or leaves the drop function to the last line.
        unsafe { on_event(user.0, name.as_ptr(), json.as_ptr()) };
        drop(inside);
        self.drop_user(|state| state.running = false);
    }

    fn queue(&self, json: String) {
        let mut state = self.lock();
        while state.events.len() >= QUEUE && !state.freed {
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.freed {
            state.events.push_back(json);
            self.news.notify_all();
        }
    }

    /// The phone has delivered its last event.
    pub(super) fn end(&self) {
        self.drop_user(|state| state.ended = true);
    }

    /// No callback begins any more, and nothing is kept to be read.
    pub(super) fn silence(&self) {
        let mut state = self.lock();
        state.freed = true;
        state.events.clear();
        self.news.notify_all();
    }

    /// After [`Sink::silence`]: outside callbacks it returns when none runs and the drop function has run; inside one it
    /// returns at once.
    pub(super) fn free(&self) {
        let mut state = self.lock();
        if !in_callback() {
            while state.running {
                state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        drop(state);
        self.drop_user(|_| {});
    }

    /// Runs the drop function if, after `change`, no callback runs or will run, and it has not run yet. While it runs it
    /// counts as a callback, so that whoever waits for the end waits for it too.
    fn drop_user(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        if !state.running
            && (state.freed || state.ended)
            && let Some(drop_user) = state.drop_user.take()
        {
            state.running = true;
            let user = state.user;
            drop(state);
            let inside = Inside::enter();
            // SAFETY: the program gave this function for this pointer; it is taken, so that it runs once.
            unsafe { drop_user(user.0) };
            drop(inside);
            state = self.lock();
            state.running = false;
        }
        drop(state);
        self.news.notify_all();
    }

    /// The next event that waits.
    pub(super) fn next(&self, timeout: Duration) -> Waited<String> {
        self.wait(timeout, |state| state.events.pop_front().map(Waited::Done))
    }

    /// Waits for the last event.
    pub(super) fn wait_ended(&self, timeout: Duration) -> Waited<()> {
        self.wait(timeout, |_| None)
    }

    fn wait<T>(&self, timeout: Duration, mut take: impl FnMut(&mut State) -> Option<Waited<T>>) -> Waited<T> {
        let begun = Instant::now();
        let mut state = self.lock();
        loop {
            if let Some(taken) = take(&mut state) {
                self.news.notify_all();
                return taken;
            }
            if (state.ended && !state.running) || state.freed {
                return Waited::Ended;
            }
            let left = timeout.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Waited::Timeout;
            }
            state = self.news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// What the phone's handler holds; its end is the end of the phone's events.
pub(super) struct Feed(pub(super) Arc<Sink>);

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.end();
    }
}
