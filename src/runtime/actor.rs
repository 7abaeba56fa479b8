//! The actor of a phone: the one owner of its core. Commands, responses, media reports and timers come in one after the
//! other; what the core wants is carried out here.
//!
//! Owns: the core by value, running requests, the open socket, the event numbers. Lives on: one task of the process's runtime.
//! Must not import: `api`, `ffi`.

use super::dispatcher::{Dispatcher, PublishedEvent};
use super::legs::{Legs, MediaMap, Reporter, SharedLegSettings};
use super::network::{Network, Reach};
use super::states::States;
use crate::audio::Studio;
use crate::core::io::{
    Command, CoreConfig, ErrorObject, Event, Input, Output, Refusal, RequestId, SocketId, SocketNews, SocketOrder,
};
use crate::core::{PhoneCore, errors};
use crate::signal;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::AbortHandle;

/// Commands that may be under way at once; a program that has more is told so. Each holds a caller, so this is the number of
/// threads and tasks that wait, and four thousand waiting callers are a mistake.
const MAX_COMMANDS: usize = 4096;

/// Messages of a socket that wait for the actor; the next one is not read from the network before one of them was taken.
const SOCKET_MESSAGES: usize = 8;

/// Methods that are accepted however many others wait: ending must always be possible.
const NEVER_REFUSED: [&str; 6] = ["hangup", "cancel", "reject", "rejectConference", "logout", "endConference"];

/// What a phone is made of.
pub struct Settings {
    /// The phone's core.
    pub core: CoreConfig,
    /// HTTP to its gateway.
    pub client: signal::Client,
    /// How its legs are made.
    pub legs: SharedLegSettings,
    /// Samples per second of program PCM.
    pub pcm_rate: u32,
    /// The way to its gateway.
    pub reach: Arc<Reach>,
}

/// Where the answer to a command goes.
pub enum Reply {
    /// To a thread that waits.
    Sync(std::sync::mpsc::SyncSender<Result<Value, Refusal>>),
    /// To a task that waits.
    Async(oneshot::Sender<Result<Value, Refusal>>),
}

impl Reply {
    fn send(self, result: Result<Value, Refusal>) {
        // A caller that no longer waits has dropped its end; nothing is owed then.
        match self {
            Reply::Sync(sender) => drop(sender.try_send(result)),
            Reply::Async(sender) => drop(sender.send(result)),
        }
    }
}

/// Told when a command finishes (`command:finished`), with the error if it failed on the way.
pub type Finished = oneshot::Sender<Result<(), Box<ErrorObject>>>;

enum Message {
    Command {
        command: Command,
        reply: Reply,
        finished: Option<Finished>,
    },
    /// An error found above the core; it is published in order with everything else.
    Report {
        error: Box<ErrorObject>,
        tag: Option<String>,
    },
    Input(Input),
    /// A message of a socket, and its place among those that may wait.
    Heard {
        id: SocketId,
        body: Vec<u8>,
        _place: OwnedSemaphorePermit,
    },
}

/// The way to a phone's actor, usable from any thread.
#[derive(Clone)]
pub struct ActorHandle {
    messages: mpsc::UnboundedSender<Message>,
    waiting: Arc<AtomicUsize>,
}

/// Why a command could not even be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undelivered {
    /// The phone is closed.
    Closed,
    /// Too many commands are under way.
    Busy,
}

impl ActorHandle {
    /// Starts the actor inside `runtime`. It ends only by [`Input::Close`], which the owner of the handle must send.
    pub fn start(
        runtime: &tokio::runtime::Handle,
        settings: Settings,
        dispatcher: Dispatcher,
        media: MediaMap,
        states: States,
    ) -> Self {
        let (messages, inbox) = mpsc::unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let handle = Self { messages, waiting: waiting.clone() };
        let back = handle.messages.clone();
        let report: Reporter = Arc::new(move |item, report| {
            let _ = back.send(Message::Input(Input::Media { item, report }));
        });
        let back = handle.messages.clone();
        // In this order, so that no change between the two is missed.
        let network = settings.reach.changes();
        let online = settings.reach.online();
        runtime.spawn(async move {
            let legs = Legs::new(settings.legs, Studio::new(settings.pcm_rate), report, media);
            let actor = Actor {
                core: PhoneCore::new(settings.core).starting(online),
                reach: settings.reach,
                client: settings.client,
                legs,
                states,
                dispatcher,
                back,
                requests: HashMap::new(),
                sockets: HashMap::new(),
                finished: HashMap::new(),
                waiting,
                next_command: 0,
                seq: 0,
                overflowed: false,
            };
            actor.run(inbox, network).await;
        });
        handle
    }

    /// Gives a command. The answer comes to `reply`; `finished` is told when an accepted command finishes.
    ///
    /// # Errors
    /// The phone is closed, or too many commands are under way.
    pub fn command(&self, command: Command, reply: Reply, finished: Option<Finished>) -> Result<(), Undelivered> {
        let ending = NEVER_REFUSED.contains(&command.method.as_str());
        if self.waiting.load(Ordering::Relaxed) >= MAX_COMMANDS && !ending {
            return Err(Undelivered::Busy);
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.messages.send(Message::Command { command, reply, finished }).map_err(|_| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            Undelivered::Closed
        })
    }

    /// Publishes an error that was found above the core.
    pub fn report(&self, error: ErrorObject, tag: Option<String>) {
        let _ = self.messages.send(Message::Report { error: Box::new(error), tag });
    }

    /// Tells the core what happened outside.
    pub fn input(&self, input: Input) {
        let _ = self.messages.send(Message::Input(input));
    }
}

struct Actor {
    core: PhoneCore,
    reach: Arc<Reach>,
    client: signal::Client,
    legs: Legs,
    states: States,
    dispatcher: Dispatcher,
    back: mpsc::UnboundedSender<Message>,
    requests: HashMap<RequestId, AbortHandle>,
    /// Where orders to a socket go. Without a bound: each is caused by a message of the socket, which reads no further ones
    /// while it cannot write.
    sockets: HashMap<SocketId, mpsc::UnboundedSender<SocketOrder>>,
    finished: HashMap<String, Finished>,
    waiting: Arc<AtomicUsize>,
    next_command: u64,
    seq: u64,
    /// An event has found no room.
    overflowed: bool,
}

/// An event that is ready to be published, and who is to be told first that a command has finished.
struct Ready {
    event: PublishedEvent,
    finished: Option<(Finished, Result<(), Box<ErrorObject>>)>,
}

/// Separates our number of a command from the application's tag inside the tag that the core sees.
const MARK: char = '\u{1}';

impl Actor {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Message>, mut network: watch::Receiver<Network>) {
        let mut known = network.borrow().clone();
        loop {
            let due = self.core.poll_timeout().map(tokio::time::Instant::from_std);
            let message = tokio::select! {
                // The actor holds a sender itself, so that this never ends before the core has closed.
                Some(message) = inbox.recv() => Some(message),
                () = sleep(due) => None,
                Ok(()) = network.changed() => {
                    let before = std::mem::replace(&mut known, network.borrow_and_update().clone());
                    if known.lacks(&before) {
                        let _ = self.back.send(Message::Input(Input::AddressesGone));
                    }
                    match self.reach.observed() {
                        Some(online) => Some(Message::Input(Input::Connectivity { online })),
                        None => continue,
                    }
                },
            };
            let mut outputs = Vec::new();
            let mut reply = None;
            let step = catch_unwind(AssertUnwindSafe(|| reply = self.step(message, &mut outputs)));
            if let Err(payload) = step {
                let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
                log::error!("the core of a phone panicked; the phone is closed");
                outputs = fatal();
            }
            if self.perform(outputs, reply).await {
                break;
            }
        }
        for (_, request) in self.requests.drain() {
            request.abort();
        }
        self.dispatcher.end();
    }

    /// One turn of the core. Returns the reply that a command still waits for.
    fn step(&mut self, message: Option<Message>, outputs: &mut Vec<Output>) -> Option<(Reply, Result<Value, Refusal>)> {
        let now = Instant::now();
        match message {
            None => self.core.handle_timeout(now, outputs),
            Some(Message::Input(input)) => {
                match &input {
                    Input::Response { id, .. } => drop(self.requests.remove(id)),
                    Input::Socket { id, news: SocketNews::Closed(_) } => drop(self.sockets.remove(id)),
                    // A connection of the network before would take a request and never bring the answer.
                    Input::Connectivity { online: true } | Input::AddressesGone => self.client.forget_connections(),
                    Input::Socket { .. }
                    | Input::Media { .. }
                    | Input::Connectivity { online: false }
                    | Input::Close => {}
                }
                self.core.handle(now, input, outputs);
            }
            Some(Message::Heard { id, body, _place }) => {
                self.core.handle(now, Input::Socket { id, news: SocketNews::Message(body) }, outputs);
            }
            Some(Message::Report { error, tag }) => outputs.push(Output::Event(error_event(&error, tag))),
            Some(Message::Command { mut command, reply, finished }) => {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                #[cfg(feature = "test-hooks")]
                assert_ne!(command.method, "test:panic", "injected into the core of a phone");
                self.next_command += 1;
                let tag = format!("{MARK}{}{MARK}{}", self.next_command, command.tag.as_deref().unwrap_or_default());
                // Without a tag of its own a command still needs ours when somebody waits for its end.
                if command.tag.is_some() || finished.is_some() {
                    command.tag = Some(tag.clone());
                }
                if let Some(finished) = finished {
                    self.finished.insert(tag.clone(), finished);
                }
                let result = self.core.command(now, command, outputs);
                match &result {
                    // An added call and a conference have their handle before their first event.
                    Ok(value) => {
                        let made = value.get("call").or(value.get("conference"));
                        if let Some(item) = made.and_then(Value::as_u64) {
                            self.states.created(item);
                        }
                    }
                    Err(_) => drop(self.finished.remove(&tag)),
                }
                return Some((reply, result));
            }
        }
        None
    }

    /// Carries out what the core wants. The reply goes out after the media orders and requests, so that a handle is usable
    /// when the caller gets it, and before the events. Returns true when the phone is closed.
    async fn perform(&mut self, outputs: Vec<Output>, reply: Option<(Reply, Result<Value, Refusal>)>) -> bool {
        let mut events = Vec::new();
        let mut closed = false;
        for output in outputs {
            match output {
                Output::Request { id, request } => self.request(id, request),
                Output::CancelRequest { id } => {
                    if let Some(request) = self.requests.remove(&id) {
                        request.abort();
                    }
                }
                Output::OpenSocket { id, url } => self.open_socket(id, url),
                Output::Socket { id, order } => self.order_socket(id, order),
                Output::Media { item, order } => self.legs.order(item, order),
                Output::Event(event) => {
                    let ready = self.prepare(event, events.len() as u64);
                    self.states.note(&ready.event);
                    events.push(ready);
                }
                Output::Closed => closed = true,
            }
        }
        if let Some((reply, result)) = reply {
            reply.send(result);
        }
        if closed {
            self.legs.close().await;
        }
        let mut fits = true;
        for ready in events {
            fits &= self.publish(ready);
        }
        if !fits && !closed {
            log::error!("the events of a phone are not taken; the phone is closed");
            let _ = self.back.send(Message::Input(Input::Close));
        }
        closed
    }

    fn request(&mut self, id: RequestId, request: crate::core::io::HttpRequest) {
        let (client, back) = (self.client.clone(), self.back.clone());
        let task = tokio::spawn(async move {
            let result = client.send(request).await;
            let _ = back.send(Message::Input(Input::Response { id, result }));
        });
        self.requests.insert(id, task.abort_handle());
    }

    /// One task a socket; it ends when its orders end.
    fn open_socket(&mut self, id: SocketId, url: String) {
        let (orders, inbox) = mpsc::unbounded_channel();
        self.sockets.insert(id, orders);
        let (client, back) = (self.client.clone(), self.back.clone());
        let places = Arc::new(Semaphore::new(SOCKET_MESSAGES));
        let tell = move |news| {
            let (places, back) = (places.clone(), back.clone());
            async move {
                let message = match news {
                    SocketNews::Message(body) => match places.acquire_owned().await {
                        Ok(place) => Message::Heard { id, body, _place: place },
                        // The semaphore is never closed.
                        Err(_) => return,
                    },
                    news @ (SocketNews::Opened | SocketNews::Closed(_)) => Message::Input(Input::Socket { id, news }),
                };
                let _ = back.send(message);
            }
        };
        tokio::spawn(async move {
            let end = signal::socket(&client, &url, inbox, &tell).await;
            tell(SocketNews::Closed(end)).await;
        });
    }

    fn order_socket(&mut self, id: SocketId, order: SocketOrder) {
        match order {
            SocketOrder::Close => drop(self.sockets.remove(&id)),
            SocketOrder::Send(_) | SocketOrder::Probe => {
                if let Some(orders) = self.sockets.get(&id) {
                    // Its end is on the way to us otherwise.
                    let _ = orders.send(order);
                }
            }
        }
    }

    /// Makes the event that is published, `before` others of the same turn waiting in front of it.
    fn prepare(&mut self, event: Event, before: u64) -> Ready {
        let mut finished = None;
        if event.name == "command:finished"
            && let Some(sender) = event.tag.as_ref().and_then(|tag| self.finished.remove(tag))
        {
            let error = event.data.get("error").and_then(|e| serde_json::from_value(e.clone()).ok());
            finished = Some((sender, error.map_or(Ok(()), |e: ErrorObject| Err(Box::new(e)))));
        }
        let now = SystemTime::now();
        let at = now.checked_sub(event.age).unwrap_or(now);
        let event = PublishedEvent {
            name: event.name,
            seq: self.seq + 1 + before,
            timestamp: humantime::format_rfc3339_millis(at).to_string(),
            item: event.item,
            tag: event.tag.and_then(|tag| application_tag(&tag)),
            data: restore_tags(event.data),
        };
        Ready { event, finished }
    }

    fn publish(&mut self, Ready { mut event, finished }: Ready) -> bool {
        if let Some((sender, outcome)) = finished {
            let _ = sender.send(outcome);
        }
        if event.name == "phone:closed" && self.overflowed {
            event.data.insert("message".into(), "the events of the phone were not taken".into());
        }
        // What found no room has no number either: those that are delivered count without a hole.
        event.seq = self.seq + 1;
        let fits = self.dispatcher.push(event);
        self.seq += u64::from(fits);
        self.overflowed |= !fits;
        fits
    }
}

/// The event `error`.
fn error_event(error: &ErrorObject, tag: Option<String>) -> Event {
    let data = match serde_json::to_value(error) {
        Ok(Value::Object(data)) => data,
        Ok(_) | Err(_) => Map::new(),
    };
    Event { name: "error", item: None, tag, data, age: Duration::ZERO }
}

/// What is left to say when the core has panicked: the phone is lost, the host is not.
fn fatal() -> Vec<Output> {
    let error = errors::sdk("0000", Some("the phone failed inside and is closed".into()));
    let closed = Event { name: "phone:closed", item: None, tag: None, data: Map::new(), age: Duration::ZERO };
    vec![Output::Event(error_event(&error, None)), Output::Event(closed), Output::Closed]
}

/// The application's tag inside the one that the core sees.
fn application_tag(tag: &str) -> Option<String> {
    match tag.strip_prefix(MARK).and_then(|rest| rest.split_once(MARK)) {
        Some((_, own)) => (!own.is_empty()).then(|| own.to_owned()),
        None => Some(tag.to_owned()),
    }
}

/// `tag` is a member of the event itself; a copy among the properties would show our own form of it.
fn restore_tags(mut data: Map<String, Value>) -> Map<String, Value> {
    data.remove("tag");
    data
}

async fn sleep(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::application_tag;

    #[test]
    fn the_application_sees_its_own_tag() {
        assert_eq!(application_tag("\u{1}7\u{1}c1").as_deref(), Some("c1"));
        assert_eq!(application_tag("\u{1}7\u{1}"), None);
        assert_eq!(application_tag("plain").as_deref(), Some("plain"));
    }
}
