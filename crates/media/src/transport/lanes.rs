//! The threads that carry packets between the sockets and the audio, for all connections of the process.
//!
//! Owns: the lanes, each a thread with a tokio runtime of its own, and the choice among them. Started by the first
//! connection, kept for the life of the process. Must not import anything of this crate but the error and
//! `threads`.
//!
//! Why not the caller's runtime: its workers wake each other for every packet, which costs more than the packet. A lane
//! finds all packets of a tick at once and stays awake for them; what belongs to one connection stays on one lane.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use once_cell::sync::OnceCell;
use tokio::runtime::{Builder, Handle};

use crate::MediaError;

/// Lanes at most. One carries some 500 connections with 50 packets a second each way (0.15 to 0.2 % of a core each), so
/// that four are as much as the audio workers beside them can serve.
const MOST_LANES: usize = 4;

/// Stack of a lane in bytes: an unoptimised build keeps the crate's large values many times over. Memory is taken only
/// where it is touched.
const STACK: usize = 8 * 1024 * 1024;

struct Lane {
    handle: Handle,
    connections: AtomicUsize,
}

/// A connection's place on a lane, given back when dropped.
pub(super) struct Place {
    lane: &'static Lane,
}

impl Place {
    /// A place on the lane with the fewest connections.
    ///
    /// # Errors
    /// `Transport` when the system gives no thread.
    pub(super) fn take() -> Result<Place, MediaError> {
        let lane = lanes()?
            .iter()
            .min_by_key(|lane| lane.connections.load(Ordering::Relaxed))
            .ok_or_else(|| MediaError::Transport("no thread for the packets".into()))?;
        lane.connections.fetch_add(1, Ordering::Relaxed);
        Ok(Place { lane })
    }

    /// The runtime of the lane.
    pub(super) fn handle(&self) -> &Handle {
        &self.lane.handle
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lane.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Place")
    }
}

fn lanes() -> Result<&'static [Lane], MediaError> {
    static LANES: OnceCell<Vec<Lane>> = OnceCell::new();
    let made = LANES.get_or_try_init(|| {
        // Every other core: the audio workers need as much.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        (0..(cores / 2).clamp(1, MOST_LANES)).map(lane).collect::<io::Result<Vec<Lane>>>()
    });
    made.map(Vec::as_slice).map_err(|error| MediaError::Transport(format!("no thread for the packets: {error}")))
}

fn lane(number: usize) -> io::Result<Lane> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new().name(format!("ewebrtc-lane-{number}")).stack_size(STACK).spawn(move || {
        crate::threads::shield_from_broken_pipes();
        runtime.block_on(std::future::pending::<()>());
    })?;
    Ok(Lane { handle, connections: AtomicUsize::new(0) })
}
