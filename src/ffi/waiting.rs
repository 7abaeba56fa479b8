//! The few functions that block: how they wait for something asynchronous that runs elsewhere, and how they know that they
//! must not, because this thread is inside a callback.
//!
//! Owns: the mark of a thread that runs foreign code. Lives on: the caller's thread. May import: nothing of the library.

use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs `work` to its end on this thread.
pub(super) fn wait_for<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match work.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

thread_local! {
    /// How many callbacks this thread is inside of.
    static INSIDE: Cell<usize> = const { Cell::new(0) };
}

/// True while this thread runs foreign code that the library called, of whatever phone and language.
pub(super) fn in_callback() -> bool {
    INSIDE.try_with(|depth| depth.get() > 0).unwrap_or(false)
}

/// While it lives this thread is inside a callback.
pub(super) struct Inside(());

impl Inside {
    pub(super) fn enter() -> Self {
        let _ = INSIDE.try_with(|depth| depth.set(depth.get() + 1));
        Self(())
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = INSIDE.try_with(|depth| depth.set(depth.get().saturating_sub(1)));
    }
}
