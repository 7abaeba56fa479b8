//! Handles of phones and gateways: numbers that are never used twice, so that a stale or wrong one is found out.
//!
//! Owns: the table from handles to objects. Lives on:
//! any thread. Must not import: `runtime`, `core`, `signal`.

use super::guard::{EWEBRTC_ERR_NOT_FOUND, Fail};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

/// Phones and gateways share the numbers, so that the handle of one is never that of the other.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// The objects of one kind by their handles.
pub(super) struct Registry<T> {
    kind: &'static str,
    objects: LazyLock<Mutex<HashMap<u64, Arc<T>>>>,
}

impl<T> Registry<T> {
    pub(super) const fn new(kind: &'static str) -> Self {
        Self { kind, objects: LazyLock::new(Mutex::default) }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<T>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an object and gives its handle.
    pub(super) fn add(&self, object: Arc<T>) -> u64 {
        let handle = NEXT.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(handle, object);
        handle
    }

    /// The object; it lives as long as the caller uses it, even when the handle is freed meanwhile.
    pub(super) fn get(&self, handle: u64) -> Result<Arc<T>, Fail> {
        self.lock().get(&handle).cloned().ok_or_else(|| self.missing(handle))
    }

    /// Takes the object; nobody finds it any more.
    pub(super) fn take(&self, handle: u64) -> Result<Arc<T>, Fail> {
        let taken = self.lock().remove(&handle);
        taken.ok_or_else(|| self.missing(handle))
    }

    fn missing(&self, handle: u64) -> Fail {
        Fail(EWEBRTC_ERR_NOT_FOUND, format!("there is no {} {handle}", self.kind))
    }
}
