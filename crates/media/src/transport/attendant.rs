//! The one task of a transport: it tells states and reports, ends what does not come about, and notices what died.
//!
//! Owns: the order of a transport's events and its clean end. Lives as a task of the runtime that the transport was
//! made on, asleep but for changes and one look a second. Must not import the negotiation.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::connection::{Connection, Link};
use super::session::Shared;
use super::types::TransportState;

/// How often a connection is looked after; also how late a report of the other side may be told.
const WATCH: Duration = Duration::from_secs(1);

/// While a relayed path is being set up the crate beneath must be woken, see [`Connection::poke`].
const POKE: Duration = Duration::from_millis(10);

/// A driver that has not taken anything for so many looks is dead.
const STUCK_LOOKS: u32 = 5;

/// What the attendant remembers from look to look.
#[derive(Default)]
struct Memory {
    /// The connection that the rest is about.
    number: u64,
    looked: Option<Instant>,
    path_known: bool,
    stuck: u32,
}

/// Looks after a transport until it is closed; `finish` tells that everything is.
pub(super) async fn attend(shared: Arc<Shared>, finish: watch::Sender<bool>) {
    let mut closing = shared.closing.subscribe();
    let mut memory = Memory::default();
    loop {
        let pause = look(&shared, &mut memory).await;
        tokio::select! {
            _ = closing.wait_for(|closing| *closing) => break,
            () = shared.wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    for connection in shared.take_links(true).into_iter().flatten() {
        connection.close().await;
    }
    shared.tell_state(&TransportState::Closed);
    finish.send_replace(true);
}

/// Does what is due and tells how long nothing more will be.
async fn look(shared: &Shared, memory: &mut Memory) -> Duration {
    let (current, retiring, failure) = {
        let links = shared.links();
        (links.current.clone(), links.retiring.clone(), links.failure.clone())
    };
    let Some(current) = current else {
        // Nothing to look after: the next connection wakes us. One that was there is just being replaced, or could not be.
        match failure {
            Some((_, text)) => shared.tell_state(&TransportState::Failed(text)),
            None if shared.state() == TransportState::New => {}
            None => shared.tell_state(&TransportState::Connecting),
        }
        return WATCH * 3600;
    };
    let now = Instant::now();
    if memory.number != current.number {
        *memory = Memory { number: current.number, ..Memory::default() };
    }
    let mut link = current.link();
    if link == Link::Connected
        && let Some(old) = shared.promote()
    {
        old.close().await;
    }
    if memory.looked.is_none_or(|looked| now.duration_since(looked) >= WATCH) {
        memory.looked = Some(now);
        memory.stuck = if current.poke() { 0 } else { memory.stuck + 1 };
        if memory.stuck >= STUCK_LOOKS {
            current.give_up();
        }
        memory.path_known = false;
        link = current.link();
    }
    if let Some(report) = current.reports.take() {
        shared.tell_report(report);
    }
    let (state, pause) = match link {
        Link::Connected => {
            if current.has_relays() && !memory.path_known {
                memory.path_known = true;
                current.look_at_path().await;
            }
            (TransportState::Connected, WATCH)
        }
        Link::Disconnected => (TransportState::Disconnected, WATCH),
        Link::Failed if current.is_dead() => (TransportState::Failed("the connection broke down".into()), WATCH),
        Link::Failed if current.was_connected() => {
            (TransportState::Failed("the path to the other side is lost".into()), WATCH)
        }
        Link::Failed | Link::New | Link::Connecting => connecting(shared, &current, now).await,
        Link::Closed => {
            let text = failure.filter(|(number, _)| *number == current.number).map(|(_, text)| text);
            (TransportState::Failed(text.unwrap_or_else(|| "the connection is closed".into())), WATCH * 3600)
        }
    };
    // A connection that takes over is not told as long as the old one carries the media.
    let carried = retiring.filter(|_| link != Link::Connected).map(|old| old.link());
    match (carried, &state) {
        (Some(Link::Connected), TransportState::New | TransportState::Connecting) => {
            shared.tell_state(&TransportState::Connected)
        }
        (_, state) => {
            // A path can be up before it was looked at for the first time.
            if *state == TransportState::Connected && shared.state() == TransportState::New {
                shared.tell_state(&TransportState::Connecting);
            }
            shared.tell_state(state);
        }
    }
    pause
}

/// A connection on its way up. The crate beneath may go on for ever, also where it has called itself failed before the
/// other side was there.
async fn connecting(shared: &Shared, current: &Arc<Connection>, now: Instant) -> (TransportState, Duration) {
    let Some(began) = current.began() else {
        return (TransportState::New, WATCH);
    };
    let limit = shared.config.ice.connect_timeout;
    let passed = now.duration_since(began);
    if passed >= limit {
        let text = "no path to the other side was found in time".to_owned();
        shared.links().failure = Some((current.number, text.clone()));
        current.close().await;
        if let Some(old) = shared.promote() {
            old.close().await;
        }
        return (TransportState::Failed(text), WATCH * 3600);
    }
    let pause = if current.has_relays() && current.link() != Link::Failed {
        current.poke();
        POKE
    } else {
        WATCH
    };
    (TransportState::Connecting, pause.min(limit - passed))
}
