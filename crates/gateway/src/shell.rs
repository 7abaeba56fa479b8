//! The core among tokio tasks: its lock, its timer, the polls that wait, the sockets that are open, the echoes and anchors
//! that run.
//!
//! Owns: [`GatewayState`]. Lives on: the gateway's runtime; the lock is held for the length of one core call, never
//! across an await. Must not import: axum, hyper.

mod waiting;

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::anchor::{AnchorFactory, AnchorMade, AnchorResult};
use crate::config::{GatewayConfig, GatewayError};
use crate::core::{
    AnchorTask, Answer, Auth, Core, Delivery, Id, Input, Output, PollAnswer, PollId, Refusal, Request, Service,
    TokenGrant,
};
use crate::echo::{EchoCall, EchoFactory};
use crate::mixer::{MixerFactory, MixerSeat};
use crate::seats::Seats;

use waiting::SocketOrder;
pub(crate) use waiting::{Line, Receipt, Say, Ticket};

/// Longest time the echo may take for its answer.
const ECHO_PATIENCE: Duration = Duration::from_secs(15);

/// Longest time an anchor may take for one description. Shorter than a modification waits.
const ANCHOR_PATIENCE: Duration = Duration::from_secs(10);
/// Orders to a socket that wait: one frame, because the next one follows its writing, and the end.
const SOCKET_ORDERS: usize = 2;

/// The state behind [`app`](crate::app). Clones share it.
#[derive(Clone)]
pub struct GatewayState(Arc<Inner>);

struct Inner {
    desk: Mutex<Desk>,
    rearm: Arc<Notify>,
    next_poll: AtomicU64,
    closing: AtomicBool,
    error_hold: Duration,
    ping: Duration,
    dev: bool,
    echo: Arc<dyn EchoFactory>,
    mixer: Arc<dyn MixerFactory>,
    echo_limit: usize,
    room_limit: usize,
    anchor: Arc<dyn AnchorFactory>,
    anchor_limit: usize,
}

/// A service that has answered a call, or is about to.
struct Running {
    /// It is a room.
    room: bool,
    /// `None` while the answer is being made.
    echo: Option<Box<dyn EchoCall>>,
}

/// A seat in a room, as what answers a call.
struct SeatEcho(Box<dyn MixerSeat>);

impl EchoCall for SeatEcho {
    fn answer_again(&self, offer: String) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send>> {
        self.0.answer_again(offer)
    }
}

/// Everything under the lock.
struct Desk {
    core: Core,
    polls: HashMap<PollId, oneshot::Sender<PollAnswer>>,
    sockets: HashMap<PollId, mpsc::Sender<SocketOrder>>,
    seats: Seats,
    echoes: HashMap<Id, Running>,
    /// The way to the task of each anchor; the anchor ends, after what it was asked, when this is dropped. What waits in it
    /// is bounded: all but a few tasks have an event that waits in an outbox.
    anchors: HashMap<Id, mpsc::UnboundedSender<AnchorTask>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.rearm.notify_one();
    }
}

/// A state that may be gone.
pub(crate) struct WeakState(Weak<Inner>);

impl WeakState {
    pub(crate) fn upgrade(&self) -> Option<GatewayState> {
        self.0.upgrade().map(GatewayState)
    }
}

impl GatewayState {
    /// State for a router; [`GatewayState::spawn_timer`] must run for anything to expire.
    ///
    /// # Errors
    /// As [`Gateway::start`](crate::Gateway::start), save listening.
    pub fn new(config: &GatewayConfig) -> Result<Self, GatewayError> {
        let core = Core::new(config.check()?, Box::new(|| uuid::Uuid::new_v4().to_string()));
        Ok(Self(Arc::new(Inner {
            desk: Mutex::new(Desk {
                core,
                polls: HashMap::new(),
                sockets: HashMap::new(),
                seats: Seats::default(),
                echoes: HashMap::new(),
                anchors: HashMap::new(),
            }),
            rearm: Arc::new(Notify::new()),
            next_poll: AtomicU64::new(1),
            closing: AtomicBool::new(false),
            error_hold: config.error_hold,
            ping: config.ping(),
            dev: config.dev,
            echo: config.echo.clone(),
            mixer: config.mixer.clone(),
            echo_limit: config.echoes,
            room_limit: config.room_calls,
            anchor: config.anchor.clone(),
            anchor_limit: config.anchors,
        })))
    }

    /// Runs the core's timer until the state is dropped. Must be called inside a tokio runtime.
    pub fn spawn_timer(&self) -> JoinHandle<()> {
        tokio::spawn(run_timer(Arc::downgrade(&self.0), self.0.rearm.clone()))
    }

    /// A new token of development mode, without a request.
    ///
    /// # Errors
    /// [`GatewayError::User`] when the text is no user of this gateway or the directory is full.
    pub fn issue_dev_token(&self, user: &str) -> Result<TokenGrant, GatewayError> {
        match self.request(Request::IssueToken { user: user.into() }) {
            Ok(Answer::Token(grant)) => Ok(grant),
            Ok(_) => Err(GatewayError::User("no token was made")),
            Err(refusal) if refusal.status == 503 => Err(GatewayError::User("too many users or tokens")),
            Err(_) => Err(GatewayError::User("neither a name nor a number of this gateway")),
        }
    }

    /// Running sessions.
    pub fn session_count(&self) -> usize {
        self.lock().core.session_count()
    }

    /// Running calls.
    pub fn call_count(&self) -> usize {
        self.lock().core.call_count()
    }

    /// Running calls whose media is here because they have, or had, a ringback tone.
    pub fn anchor_count(&self) -> usize {
        self.lock().anchors.len()
    }

    /// Running conferences.
    pub fn conference_count(&self) -> usize {
        self.lock().core.conference_count()
    }

    /// Seats at the mixer, in use or being made.
    pub fn seat_count(&self) -> usize {
        self.lock().seats.len()
    }

    /// Polls that wait for their answer.
    pub fn poll_count(&self) -> usize {
        self.lock().polls.len()
    }

    /// WebSockets that are open.
    pub fn socket_count(&self) -> usize {
        self.lock().sockets.len()
    }

    pub(crate) fn is_dev(&self) -> bool {
        self.0.dev
    }

    /// How long to hold an error before it answers a poll.
    pub(crate) fn error_hold(&self) -> Duration {
        if self.0.closing.load(Ordering::Relaxed) { Duration::ZERO } else { self.0.error_hold }
    }

    /// How often a socket is pinged.
    pub(crate) fn ping(&self) -> Duration {
        self.0.ping
    }

    pub(crate) fn request(&self, request: Request) -> Result<Answer, Refusal> {
        self.run(|core, now, out| core.handle(now, request, out))
    }

    pub(crate) fn input(&self, input: Input) {
        self.run(|core, now, out| core.input(now, input, out));
    }

    /// Ends every open poll with 204, and every later one at once.
    pub(crate) fn close(&self) {
        self.0.closing.store(true, Ordering::Relaxed);
        self.input(Input::Closing);
    }

    /// Drops all running echoes, anchors and seats.
    pub(crate) fn close_media(&self) {
        let media = {
            let mut desk = self.lock();
            (std::mem::take(&mut desk.echoes), std::mem::take(&mut desk.anchors), std::mem::take(&mut desk.seats))
        };
        drop(media);
    }

    /// Lets every socket go, without a word.
    pub(crate) fn drop_sockets(&self) {
        let sockets = std::mem::take(&mut self.lock().sockets);
        drop(sockets);
    }

    /// A seat is there that was asked for.
    pub(crate) fn seat_made(&self, seat: &Id, place: Arc<dyn MixerSeat>) {
        let unused = self.lock().seats.keep(seat, place);
        drop(unused);
    }

    pub(crate) fn downgrade(&self) -> WeakState {
        WeakState(Arc::downgrade(&self.0))
    }

    /// Opens a poll; the ticket brings its answer.
    pub(crate) fn poll(&self, auth: Auth, after: Option<u64>) -> Result<Ticket, Refusal> {
        let poll = self.0.next_poll.fetch_add(1, Ordering::Relaxed);
        let session: Id = auth.session.as_str().into();
        let (sender, receiver) = oneshot::channel();
        self.lock().polls.insert(poll, sender);
        match self.request(Request::Poll { auth, poll, after }) {
            Ok(_) => Ok(Ticket { state: self.clone(), session, poll, receiver: Some(receiver) }),
            Err(refusal) => {
                self.lock().polls.remove(&poll);
                Err(refusal)
            }
        }
    }

    /// Opens a socket with its one-time id; the line brings what is to be sent.
    pub(crate) fn join(&self, session: String, ticket: String) -> Result<Line, Refusal> {
        let socket = self.0.next_poll.fetch_add(1, Ordering::Relaxed);
        let id: Id = session.as_str().into();
        let (sender, orders) = mpsc::channel(SOCKET_ORDERS);
        self.lock().sockets.insert(socket, sender);
        match self.request(Request::JoinSocket { session, ticket, socket }) {
            Ok(_) => Ok(Line { state: self.clone(), session: id, socket, orders }),
            Err(refusal) => {
                self.lock().sockets.remove(&socket);
                Err(refusal)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.0.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run<T>(&self, work: impl FnOnce(&mut Core, Instant, &mut Vec<Output>) -> T) -> T {
        let now = tokio::time::Instant::now().into_std();
        let mut out = Vec::new();
        let (mut stopped, mut left) = (Vec::new(), Vec::new());
        let mut desk = self.lock();
        let before = desk.core.poll_timeout();
        let result = work(&mut desk.core, now, &mut out);
        let mut todo = VecDeque::from(out);
        while let Some(output) = todo.pop_front() {
            let mut more = Vec::new();
            match output {
                Output::Poll { poll, answer } => {
                    let unread = match desk.polls.remove(&poll) {
                        Some(sender) => sender.send(answer).err(),
                        None => Some(answer),
                    };
                    if let Some(PollAnswer::Events { delivery, .. }) = unread {
                        desk.core.input(now, Input::WriteFailed(delivery), &mut more);
                    }
                }
                Output::Frame { socket, body, delivery } => {
                    let order = SocketOrder::Frame { body, delivery: delivery.clone() };
                    let taken = desk.sockets.get(&socket).is_some_and(|sender| sender.try_send(order).is_ok());
                    if let (false, Delivery::Frame { session, socket }) = (taken, delivery) {
                        desk.core.input(now, Input::SocketClosed { session, socket }, &mut more);
                    }
                }
                Output::CloseSocket { socket, why } => {
                    if let Some(sender) = desk.sockets.remove(&socket) {
                        // Full or gone: the line ends without a reason then.
                        let _ = sender.try_send(SocketOrder::Close(why));
                    }
                }
                Output::EchoStart { call, service, offer } => {
                    let room = matches!(service, Service::Room(_));
                    let limit = if room { self.0.room_limit } else { self.0.echo_limit };
                    let running = desk.echoes.values().filter(|running| running.room == room).count();
                    if running < limit && self.start_echo(&call, service, offer) {
                        desk.echoes.insert(call, Running { room, echo: None });
                    } else {
                        desk.core.input(now, Input::EchoAnswered { call, answer: None }, &mut more);
                    }
                }
                Output::EchoModify { call, mod_id, offer } => {
                    let asked = desk
                        .echoes
                        .get(&call)
                        .and_then(|running| running.echo.as_ref())
                        .map(|echo| echo.answer_again(offer));
                    if !asked.is_some_and(|answer| self.ask_echo(&call, &mod_id, answer)) {
                        desk.core.input(now, Input::EchoModified { call, mod_id, answer: None }, &mut more);
                    }
                }
                Output::EchoStop { call } => stopped.extend(desk.echoes.remove(&call)),
                Output::AnchorStart { call, offer } => match self.start_anchor(&desk, &call, offer) {
                    Some(tasks) => drop(desk.anchors.insert(call, tasks)),
                    None => desk.core.input(now, Input::AnchorReady { call, made: None }, &mut more),
                },
                Output::Anchor { call, task } => {
                    let unheard = match desk.anchors.get(&call) {
                        Some(tasks) => tasks.send(task).err().map(|error| error.0),
                        None => Some(task),
                    };
                    if let Some(input) = unheard.and_then(|task| outcome(&call, task, Err(()))) {
                        desk.core.input(now, input, &mut more);
                    }
                }
                Output::AnchorStop { call } => drop(desk.anchors.remove(&call)),
                Output::Mixer(task) => match desk.seats.carry_out(self, &self.0.mixer, task) {
                    Ok(over) => left.extend(over),
                    Err(news) => desk.core.input(now, Input::Mixer(news), &mut more),
                },
            }
            todo.extend(more);
        }
        let after = desk.core.poll_timeout();
        drop(desk);
        // Closing a connection may take time: not under the lock.
        drop((stopped, left));
        if after != before {
            self.0.rearm.notify_one();
        }
        result
    }

    /// False when there is no runtime to run in.
    fn start_echo(&self, call: &Id, service: Service, offer: String) -> bool {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return false };
        let (state, call) = (self.clone(), call.clone());
        let answer = match service {
            Service::Echo => self.0.echo.answer(offer),
            Service::Room(name) => {
                let seat = self.0.mixer.answer(&name, offer, Box::new(|| {}));
                Box::pin(async move {
                    let (answer, seat) = seat.await?;
                    Ok((answer, Box::new(SeatEcho(seat)) as Box<dyn EchoCall>))
                })
            }
        };
        runtime.spawn(async move {
            let (answer, echo) = match tokio::time::timeout(ECHO_PATIENCE, answer).await {
                Ok(Ok((answer, echo))) => (Some(answer), Some(echo)),
                Ok(Err(error)) => {
                    log::warn!("a service could not answer");
                    log::debug!("a service could not answer: {error}");
                    (None, None)
                }
                Err(_) => {
                    log::warn!("a service had no answer in time");
                    (None, None)
                }
            };
            state.echo_answered(call, answer, echo);
        });
        true
    }

    /// Waits for the echo's answer to a modification. False when there is no runtime to wait in.
    fn ask_echo(
        &self,
        call: &Id,
        mod_id: &Id,
        answer: Pin<Box<dyn Future<Output = Result<String, String>> + Send>>,
    ) -> bool {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return false };
        let (state, call, mod_id) = (self.clone(), call.clone(), mod_id.clone());
        runtime.spawn(async move {
            let answer = match tokio::time::timeout(ECHO_PATIENCE, answer).await {
                Ok(Ok(answer)) => Some(answer),
                Ok(Err(error)) => {
                    log::debug!("the echo refused a modification: {error}");
                    None
                }
                Err(_) => None,
            };
            state.input(Input::EchoModified { call, mod_id, answer });
        });
        true
    }

    /// The way to the anchor's task. `None`: there are too many, or there is no runtime to run in.
    fn start_anchor(&self, desk: &Desk, call: &Id, offer: String) -> Option<mpsc::UnboundedSender<AnchorTask>> {
        if desk.anchors.len() >= self.0.anchor_limit {
            log::warn!("a call goes without ringback: too many have it");
            return None;
        }
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        let (sender, tasks) = mpsc::unbounded_channel();
        runtime.spawn(run_anchor(Arc::downgrade(&self.0), call.clone(), self.0.anchor.start(offer), tasks));
        Some(sender)
    }

    fn echo_answered(&self, call: Id, answer: Option<String>, echo: Option<Box<dyn EchoCall>>) {
        let unused = {
            let mut desk = self.lock();
            match desk.echoes.get_mut(&call) {
                Some(running) => {
                    running.echo = echo;
                    None
                }
                // The caller has hung up meanwhile.
                None => echo,
            }
        };
        drop(unused);
        self.input(Input::EchoAnswered { call, answer });
    }
}

/// Makes the anchor of a call, lets it do what the core asks, in order, and drops it when the core needs it no more.
async fn run_anchor(
    inner: Weak<Inner>,
    call: Id,
    start: Pin<Box<dyn Future<Output = AnchorResult> + Send>>,
    mut tasks: mpsc::UnboundedReceiver<AnchorTask>,
) {
    let tell = |input| {
        if let Some(inner) = inner.upgrade() {
            GatewayState(inner).input(input);
        }
    };
    let anchor = match tokio::time::timeout(ANCHOR_PATIENCE, start).await {
        Ok(Ok(AnchorMade { answer, offer, anchor })) => {
            tell(Input::AnchorReady { call: call.clone(), made: Some((answer, offer)) });
            anchor
        }
        failed => {
            log::warn!("a call goes without ringback: its media could not be set up");
            if let Ok(Err(error)) = failed {
                log::debug!("no ringback: {error}");
            }
            if let Some(inner) = inner.upgrade() {
                drop(GatewayState(inner).lock().anchors.remove(&call));
            }
            return tell(Input::AnchorReady { call, made: None });
        }
    };
    while let Some(task) = tasks.recv().await {
        let result = match tokio::time::timeout(ANCHOR_PATIENCE, anchor.work(task.clone())).await {
            Ok(Ok(text)) => Ok(text),
            Ok(Err(error)) => {
                log::debug!("the media of a call does not take a description: {error}");
                Err(())
            }
            Err(_) => Err(()),
        };
        if let Some(input) = outcome(&call, task, result) {
            tell(input);
        }
    }
}

/// What the core is told about the outcome of an anchor's task.
fn outcome(call: &Id, task: AnchorTask, result: Result<String, ()>) -> Option<Input> {
    let call = call.clone();
    match task {
        AnchorTask::Offer { ticket, .. } | AnchorTask::Answer { ticket, .. } => {
            Some(Input::AnchorSaid { call, ticket, sdp: result.ok() })
        }
        AnchorTask::Connect { .. } => result.is_err().then_some(Input::AnchorFailed { call }),
        // What was agreed before goes on.
        AnchorTask::Answered { .. } => None,
    }
}

async fn run_timer(inner: Weak<Inner>, rearm: Arc<Notify>) {
    loop {
        let next = {
            let Some(inner) = inner.upgrade() else { return };
            let state = GatewayState(inner);
            state.run(|core, now, out| core.handle_timeout(now, out));
            state.lock().core.poll_timeout()
        };
        match next {
            Some(at) => {
                tokio::select! {
                    () = tokio::time::sleep_until(at.into()) => {}
                    () = rearm.notified() => {}
                }
            }
            None => rearm.notified().await,
        }
    }
}
