//! Events as programs see them, and a stream of them.
//!
//! Owns: [`Event`], [`Events`]. Lives on: any thread. Must not import: `signal`, `core`'s machines.

use crate::core::io::ItemRef;
use crate::runtime::{Dispatcher, Handler, PublishedEvent};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// A fact that has happened; an immutable snapshot that is cheap to clone.
#[derive(Debug, Clone, PartialEq)]
pub struct Event(Arc<PublishedEvent>);

impl Event {
    pub(crate) fn new(event: Arc<PublishedEvent>) -> Self {
        Self(event)
    }

    /// Name, e.g. `call:connected`.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Number within the phone, rising by one without holes, from 1.
    pub fn seq(&self) -> u64 {
        self.0.seq
    }

    /// When it happened: RFC 3339 with milliseconds, UTC.
    pub fn timestamp(&self) -> &str {
        &self.0.timestamp
    }

    /// Handle of the call it is about.
    pub fn call(&self) -> Option<u64> {
        match self.0.item {
            Some(ItemRef::Call(handle)) => Some(handle),
            Some(ItemRef::Conference(_)) | None => None,
        }
    }

    /// Handle of the conference it is about.
    pub fn conference(&self) -> Option<u64> {
        match self.0.item {
            Some(ItemRef::Conference(handle)) => Some(handle),
            Some(ItemRef::Call(_)) | None => None,
        }
    }

    /// Handle of the call or conference it is about.
    pub fn item(&self) -> Option<u64> {
        self.call().or(self.conference())
    }

    /// Tag of the command that caused it.
    pub fn tag(&self) -> Option<&str> {
        self.0.tag.as_deref()
    }

    /// A documented property, e.g. `mediaType`.
    pub fn get(&self, property: &str) -> Option<&Value> {
        self.0.data.get(property)
    }

    /// A documented property that is a text.
    pub fn text(&self, property: &str) -> Option<&str> {
        self.get(property).and_then(Value::as_str)
    }

    /// Whether the call or conference of this event is over.
    pub(super) fn ends_item(&self) -> bool {
        self.0.ends_item()
    }

    /// The whole event as one JSON object: its properties and `event`, `seq`, `timestamp`, `call` or `conference`, `tag`.
    pub fn to_json(&self) -> Value {
        self.0.to_json()
    }
}

/// Events that may wait in one stream; the reader of a stream that is further behind misses the newest and sees it in
/// [`Events::missed`]. A call makes about a dozen events.
const STREAM: usize = 4096;

/// The events of a phone from the moment this was made, in order. It ends after `phone:closed`.
pub struct Events {
    queue: mpsc::Receiver<Event>,
    missed: Arc<AtomicU64>,
    dispatcher: Dispatcher,
    id: u64,
}

impl Events {
    pub(crate) fn subscribe(dispatcher: &Dispatcher) -> Self {
        let (sender, queue) = mpsc::channel(STREAM);
        let missed = Arc::new(AtomicU64::new(0));
        let count = missed.clone();
        let handler: Handler = Arc::new(move |event| {
            if sender.try_send(Event::new(event.clone())).is_err() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        let id = dispatcher.on(None, handler);
        Self { queue, missed, dispatcher: dispatcher.clone(), id }
    }

    /// The next event; `None` after `phone:closed`. For asynchronous code.
    pub async fn next(&mut self) -> Option<Event> {
        self.queue.recv().await
    }

    /// How many events did not fit because nobody read for so long.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.dispatcher.off(self.id);
    }
}
