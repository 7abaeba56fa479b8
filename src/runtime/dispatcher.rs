//! The dispatcher thread of a phone: takes events from a bounded queue and calls the handlers, one at a time, in order.
//!
//! Owns: the queue, the list of handlers. Lives on: its own thread, which ends after `phone:closed`; `push`, `on` and `off`
//! may be called from any thread. No lock is held while a handler runs. Must not import: `core`'s machines, `api`, `signal`.

use crate::core::io::ItemRef;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Events that may wait for a slow handler. A call makes about a dozen, so this is hours of them; a phone whose handler
/// is stuck for longer than that is closed rather than allowed to grow without end.
const QUEUE: usize = 65_536;

thread_local! {
    static DISPATCHING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// True on the dispatcher thread of any phone, that is, inside a handler.
fn on_dispatcher_thread() -> bool {
    DISPATCHING.with(std::cell::Cell::get)
}

/// An event as it is delivered; never changed afterwards.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedEvent {
    /// Name as in `events.json`, or one of our own.
    pub name: &'static str,
    /// Number in the phone, rising by one without holes, from 1.
    pub seq: u64,
    /// RFC 3339 with milliseconds, UTC.
    pub timestamp: String,
    /// The item it is about.
    pub item: Option<ItemRef>,
    /// Tag of the command that caused it.
    pub tag: Option<String>,
    /// The documented properties.
    pub data: Map<String, Value>,
}

impl PublishedEvent {
    /// Whether the call or conference of this event is over. An invitation that this phone has declined is; the host of a
    /// conference hears of invitees who have, and goes on.
    pub fn ends_item(&self) -> bool {
        match self.name {
            "call:disconnected" | "call:rejected" | "call:canceled" | "conference:ended" | "conference:canceled" => {
                true
            }
            "conference:invitation-rejected" => !self.data.contains_key("participant"),
            _ => false,
        }
    }

    /// One JSON object: the properties and what every event has.
    pub fn to_json(&self) -> Value {
        let mut map = self.data.clone();
        map.insert("event".into(), self.name.into());
        map.insert("seq".into(), self.seq.into());
        map.insert("timestamp".into(), self.timestamp.as_str().into());
        match self.item {
            Some(ItemRef::Call(handle)) => {
                map.insert("call".into(), json!(handle));
            }
            Some(ItemRef::Conference(handle)) => {
                map.insert("conference".into(), json!(handle));
            }
            None => {}
        }
        if let Some(tag) = &self.tag {
            map.insert("tag".into(), tag.as_str().into());
        }
        Value::Object(map)
    }
}

/// Called for an event, on the dispatcher thread.
pub type Handler = Arc<dyn Fn(&Arc<PublishedEvent>) + Send + Sync>;

struct Registered {
    id: u64,
    /// `None`: every event.
    name: Option<String>,
    handler: Handler,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Arc<PublishedEvent>>,
    ended: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    news: Condvar,
    done: (Mutex<bool>, Condvar),
    done_async: tokio::sync::watch::Sender<bool>,
    handlers: Mutex<Arc<Vec<Registered>>>,
    next_id: AtomicU64,
}

/// The queue and handlers of one phone. Cloning shares them.
#[derive(Clone)]
pub struct Dispatcher(Arc<Shared>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Dispatcher {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            news: Condvar::new(),
            done: (Mutex::new(false), Condvar::new()),
            done_async: tokio::sync::watch::Sender::new(false),
            handlers: Mutex::new(Arc::new(Vec::new())),
            next_id: AtomicU64::new(1),
        });
        let on_thread = shared.clone();
        thread::Builder::new().name("ewebrtc-events".into()).spawn(move || run(&on_thread))?;
        Ok(Self(shared))
    }

    /// Appends an event. `false`: the queue is full, and the phone must be closed.
    pub fn push(&self, event: PublishedEvent) -> bool {
        let mut queue = lock(&self.0.queue);
        if queue.ended {
            return true;
        }
        let room = queue.events.len() < QUEUE || event.name == "phone:closed";
        if room {
            queue.events.push_back(Arc::new(event));
            self.0.news.notify_one();
        }
        room
    }

    /// No event follows; the thread ends when the queue is empty.
    pub fn end(&self) {
        lock(&self.0.queue).ended = true;
        self.0.news.notify_one();
    }

    /// Adds a handler for one event name, or for every event. The number is for [`Dispatcher::off`].
    pub fn on(&self, name: Option<&str>, handler: Handler) -> u64 {
        let id = self.0.next_id.fetch_add(1, Ordering::Relaxed);
        let mut handlers = lock(&self.0.handlers);
        let mut list: Vec<Registered> = handlers.iter().map(Registered::clone).collect();
        list.push(Registered { id, name: name.map(str::to_owned), handler });
        *handlers = Arc::new(list);
        id
    }

    /// Removes a handler; it is not called for events whose delivery has not begun. `false`: there is no such handler.
    pub fn off(&self, id: u64) -> bool {
        let mut handlers = lock(&self.0.handlers);
        let list: Vec<Registered> = handlers.iter().filter(|r| r.id != id).map(Registered::clone).collect();
        let found = list.len() != handlers.len();
        *handlers = Arc::new(list);
        found
    }

    /// Waits until the last event was delivered and the thread is gone. Returns `false` at once inside a handler of any
    /// phone, where waiting could be for oneself.
    pub fn wait_done(&self) -> bool {
        if on_dispatcher_thread() {
            return false;
        }
        let mut done = lock(&self.0.done.0);
        while !*done {
            done = self.0.done.1.wait(done).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// As [`Dispatcher::wait_done`], for asynchronous code.
    pub fn done(&self) -> tokio::sync::watch::Receiver<bool> {
        self.0.done_async.subscribe()
    }
}

impl Clone for Registered {
    fn clone(&self) -> Self {
        Self { id: self.id, name: self.name.clone(), handler: self.handler.clone() }
    }
}

fn run(shared: &Shared) {
    DISPATCHING.with(|d| d.set(true));
    while let Some(event) = next(shared) {
        let handlers = lock(&shared.handlers).clone();
        for registered in handlers.iter() {
            if registered.name.as_deref().is_none_or(|name| name == event.name) {
                let call = AssertUnwindSafe(|| (registered.handler)(&event));
                if let Err(payload) = catch_unwind(call) {
                    log::error!("a handler of {} panicked", event.name);
                    let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
                }
            }
        }
    }
    // Handlers own what the host gave them; they go before anybody is told that no callback will run any more.
    *lock(&shared.handlers) = Arc::new(Vec::new());
    *lock(&shared.done.0) = true;
    shared.done.1.notify_all();
    shared.done_async.send_replace(true);
}

fn next(shared: &Shared) -> Option<Arc<PublishedEvent>> {
    let mut queue = lock(&shared.queue);
    loop {
        if let Some(event) = queue.events.pop_front() {
            return Some(event);
        }
        if queue.ended {
            return None;
        }
        queue = shared.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn event(seq: u64) -> PublishedEvent {
        PublishedEvent { name: "warning", seq, timestamp: String::new(), item: None, tag: None, data: Map::new() }
    }

    #[test]
    fn events_come_in_order_also_after_a_panic_and_stop_after_off() {
        let dispatcher = Dispatcher::start().expect("a thread");
        let (tx, rx) = mpsc::channel();
        dispatcher.on(Some("warning"), Arc::new(|e| assert_ne!(e.seq, 2, "the second event makes this handler panic")));
        let id = dispatcher.on(None, Arc::new(move |e| tx.send(e.seq).expect("receiver lives")));
        for seq in 1..=3 {
            assert!(dispatcher.push(event(seq)));
        }
        assert_eq!((0..3).map(|_| rx.recv().expect("event")).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(dispatcher.off(id) && !dispatcher.off(id));
        dispatcher.push(event(4));
        dispatcher.end();
        assert!(dispatcher.wait_done());
        assert!(rx.recv().is_err(), "no event after off, and the handler was dropped");
    }

    #[test]
    fn waiting_inside_a_handler_is_refused() {
        let dispatcher = Dispatcher::start().expect("a thread");
        let (tx, rx) = mpsc::channel();
        let inner = dispatcher.clone();
        dispatcher.on(None, Arc::new(move |_| tx.send(inner.wait_done()).expect("receiver lives")));
        dispatcher.push(event(1));
        assert!(!rx.recv().expect("an answer"));
        dispatcher.end();
        assert!(dispatcher.wait_done());
    }

    #[test]
    fn a_full_queue_says_so() {
        let dispatcher = Dispatcher::start().expect("a thread");
        let (go, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        dispatcher.on(
            None,
            Arc::new(move |e| {
                if e.seq == 0 {
                    let _ = lock(&gate).recv();
                }
            }),
        );
        let pushed = (0..QUEUE as u64 + 10).filter(|seq| dispatcher.push(event(*seq))).count();
        assert!((QUEUE..=QUEUE + 1).contains(&pushed), "{pushed}");
        go.send(()).expect("handler waits");
        dispatcher.end();
        assert!(dispatcher.wait_done());
    }
}
