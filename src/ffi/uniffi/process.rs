//! The end of the process: everything that could still call foreign code, found and stopped.
//!
//! Owns: how many phones and calls there are, the list of links and their phones, the link of the functions that belong to no object. Lives on: any thread. Must
//! not import: `runtime`, `core`, `signal`.

use super::link::{Foreign, Link, PATIENCE};
use super::logs;
use super::phone::Phone;
use crate::ffi::waiting::in_callback;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Longest wait for lines of the log that are on their way.
const LAST_LINES: Duration = Duration::from_secs(1);

#[derive(Default)]
struct Process {
    ending: bool,
    links: Vec<Weak<Link>>,
    phones: Vec<Weak<Phone>>,
}

static PHONES: AtomicU64 = AtomicU64::new(0);
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Held by an object as long as it lives, so that it is counted.
pub(super) struct Counted(&'static AtomicU64);

impl Counted {
    pub(super) fn phone() -> Self {
        Self::among(&PHONES)
    }

    pub(super) fn call() -> Self {
        Self::among(&CALLS)
    }

    fn among(count: &'static AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Objects of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct ObjectCounts {
    /// Phones.
    pub phones: u64,
    /// Calls and conferences, with the program's ends of their audio and video.
    pub calls: u64,
}

/// How many phones and calls the library keeps for foreign code, exactly.
#[uniffi::export]
pub fn object_counts() -> ObjectCounts {
    ObjectCounts { phones: PHONES.load(Ordering::Relaxed), calls: CALLS.load(Ordering::Relaxed) }
}

static PROCESS: LazyLock<Mutex<Process>> = LazyLock::new(Mutex::default);

fn process() -> MutexGuard<'static, Process> {
    PROCESS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A link that ends with the process; it is cut from the beginning when the process is ending.
pub(super) fn link(listener: Option<Foreign>) -> Arc<Link> {
    let mut process = process();
    let link = Arc::new(Link::new(listener, !process.ending));
    process.links.retain(|link| link.strong_count() > 0);
    process.links.push(Arc::downgrade(&link));
    link
}

/// A phone that is closed with the process.
pub(super) fn add(phone: &Arc<Phone>) {
    let mut process = process();
    process.phones.retain(|phone| phone.strong_count() > 0);
    process.phones.push(Arc::downgrade(phone));
}

/// The link of functions that belong to no object.
pub(super) fn common() -> Arc<Link> {
    static COMMON: LazyLock<Arc<Link>> = LazyLock::new(|| link(None));
    COMMON.clone()
}

/// For the end of the process, once: closes every phone, waits at most `timeout_ms` milliseconds in all until their sessions
/// are given back and their recordings complete, and one second more at most for lines of the log, and stops every callback, for which it waits five seconds more at most. Afterwards everything answers `Closed`. Inside a
/// callback it does not wait.
#[uniffi::export]
pub fn end_process(timeout_ms: u64) {
    let until = Instant::now() + Duration::from_millis(timeout_ms);
    let (links, phones) = {
        let mut process = process();
        process.ending = true;
        (std::mem::take(&mut process.links), std::mem::take(&mut process.phones))
    };
    let phones: Vec<Arc<Phone>> = phones.iter().filter_map(Weak::upgrade).collect();
    phones.iter().for_each(|phone| phone.begin_close());
    if !in_callback() {
        for phone in &phones {
            phone.link().wait_ended(until);
        }
    }
    logs::finish(Instant::now() + LAST_LINES);
    let links: Vec<Arc<Link>> = links.iter().filter_map(Weak::upgrade).collect();
    links.iter().for_each(|link| link.close());
    let until = Instant::now() + PATIENCE;
    links.iter().for_each(|link| link.wait_left(until));
}
