//! The file thread: everything that reads or writes a disk for the audio runs here, never on the audio clock.
//!
//! Owns: one thread per process, started with the first file, asleep while no file is open. Imports nothing of this
//! crate but the error.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::error::MediaError;

/// How often open files are looked after. The rings between files and audio hold more than a second.
const PERIOD: Duration = Duration::from_millis(50);

/// A file that is being read or written.
pub(crate) trait FileJob: Send {
    /// Does what can be done now, without waiting for anything but the disk. False when the job is finished.
    fn run(&mut self) -> bool;
}

#[derive(Default)]
struct Inbox {
    fresh: Vec<Box<dyn FileJob>>,
    woken: bool,
    started: bool,
}

/// The thread's front door.
#[derive(Default)]
pub(crate) struct Files {
    inbox: Mutex<Inbox>,
    changed: Condvar,
}

impl Files {
    /// The one of this process.
    pub(crate) fn global() -> &'static Files {
        static FILES: OnceLock<Files> = OnceLock::new();
        FILES.get_or_init(Files::default)
    }

    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks after `job` until it is finished.
    ///
    /// # Errors
    /// [`MediaError::Source`] when the system gives no thread.
    pub(crate) fn add(&'static self, job: Box<dyn FileJob>) -> Result<(), MediaError> {
        let mut inbox = self.lock();
        if !inbox.started {
            std::thread::Builder::new()
                .name("ewebrtc-files".into())
                .spawn(move || self.run())
                .map_err(|error| MediaError::Source(format!("no thread for files: {error}")))?;
            inbox.started = true;
        }
        inbox.fresh.push(job);
        inbox.woken = true;
        self.changed.notify_one();
        Ok(())
    }

    /// Lets all jobs run soon.
    pub(crate) fn wake(&self) {
        self.lock().woken = true;
        self.changed.notify_one();
    }

    fn run(&self) {
        let mut jobs: Vec<Box<dyn FileJob>> = Vec::new();
        loop {
            let mut inbox = self.lock();
            while !inbox.woken {
                if jobs.is_empty() {
                    inbox = self.changed.wait(inbox).unwrap_or_else(PoisonError::into_inner);
                } else {
                    let (guard, time) =
                        self.changed.wait_timeout(inbox, PERIOD).unwrap_or_else(PoisonError::into_inner);
                    inbox = guard;
                    if time.timed_out() {
                        break;
                    }
                }
            }
            inbox.woken = false;
            jobs.append(&mut inbox.fresh);
            drop(inbox);
            // A fault in one job must not end the others.
            jobs.retain_mut(|job| catch_unwind(AssertUnwindSafe(|| job.run())).unwrap_or(false));
        }
    }
}
