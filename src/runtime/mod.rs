//! What makes a phone run: the process's runtime, one actor per phone, its event queue and dispatcher thread, its media legs.
//!
//! Owns: the shared tokio runtime. Lives on: see each file. Must not import: `api`, `ffi`.

mod actor;
mod dispatcher;
mod legs;
mod network;
mod states;

pub use actor::{ActorHandle, Finished, Reply, Settings, Undelivered};
pub use dispatcher::{Dispatcher, Handler, PublishedEvent};
pub use legs::{LegSettings, MediaMap, SharedLegSettings, lock, request_key_frame, stats};
pub use network::{Place, Reach};
pub use states::{End, States};

use once_cell::sync::OnceCell;
use std::io;
use tokio::runtime::{Builder, Handle, Runtime};

/// Worker threads of the process's runtime: the signalling of hundreds of calls fits on a few; packets have threads of their own.
const WORKERS: std::ops::RangeInclusive<usize> = 2..=4;

/// Stack of a worker thread, in bytes: setting a peer connection up moves large values, which an unoptimised build keeps on
/// the stack many times over; the usual 2 MiB are too near to that. Memory is taken only where it is touched.
const STACK: usize = 8 * 1024 * 1024;

static RUNTIME: OnceCell<Runtime> = OnceCell::new();

/// The runtime that drives every phone of the process; it starts with the first one and never ends.
///
/// # Errors
/// The operating system gives no threads.
pub fn shared() -> io::Result<Handle> {
    RUNTIME
        .get_or_try_init(|| {
            let cores = std::thread::available_parallelism().map_or(2, usize::from);
            Builder::new_multi_thread()
                .worker_threads(cores.clamp(*WORKERS.start(), *WORKERS.end()))
                .thread_name("ewebrtc")
                .on_thread_start(ewebrtc_media::threads::shield_from_broken_pipes)
                .thread_stack_size(STACK)
                .enable_all()
                .build()
        })
        .map(|runtime| runtime.handle().clone())
}
