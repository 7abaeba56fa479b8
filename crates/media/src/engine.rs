//! The audio clock of the process, its workers and the thread that reports events.
//!
//! Owns: one clock thread that wakes the workers every 10 ms at absolute deadlines, and a few workers that serve all
//! legs and conference rooms; no task and no timer per leg. The threads begin with the first leg and sleep while there is none. Nothing here
//! waits for the tokio runtime.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

use crate::error::MediaError;
use crate::mixer::RoomEvent;
use crate::shared::{LegEvent, Shared};
use crate::strain::Strain;

/// Length of a tick.
const TICK: Duration = Duration::from_millis(10);
/// Workers at most: one serves a hundred legs with Opus, the network threads need cores too.
const MOST_WORKERS: usize = 4;
/// Legs whose packets are handed over together. The network thread is woken once for all of them, which costs as much as
/// several packets; half of the legs encode in a tick, so that no packet waits longer than for seven others, 2 ms.
const GROUP: usize = 16;
/// Ticks that are made up for after the process was held up, 1 s; what is beyond that is skipped.
const MOST_LATE: u64 = 100;
/// Events on their way to the reporting thread: five kinds of the audio for each of 200 legs at once. When it is full the
/// legs keep theirs and try again 10 ms later.
const REPORTS: usize = 1_024;

/// What is told on the reporting thread.
pub(crate) enum Report {
    /// An event for the owner of a leg.
    Event(Arc<dyn Fn(LegEvent) + Send + Sync>, LegEvent),
    /// An event for the owner of a conference room.
    Room(Arc<dyn Fn(RoomEvent) + Send + Sync>, RoomEvent),
    /// The worker has let a leg go.
    Ended(Arc<Shared>),
    /// The video task of a leg is over.
    VideoEnded(Arc<Shared>),
}

/// Something that a worker serves in every tick: a leg, or a conference room with all of its legs.
pub(crate) trait Work: Send {
    /// Does what is due at `now`; `strain` is the [`Strain::step`] of the worker. False when it is over and can be let go.
    fn tick(&mut self, now: Instant, strain: u8) -> bool;
    /// Hands over the packets that the last tick has made.
    fn post(&mut self);
    /// Ends the work after a fault inside: a later tick lets it go.
    fn abandon(&mut self);
    /// How many legs it serves, at least 1.
    fn legs(&self) -> usize;
}

/// A piece of work on its worker.
struct Served {
    work: Box<dyn Work>,
    /// Its legs in the worker's count.
    counted: usize,
    over: bool,
}

/// How the audio clock is doing, since the start of the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineMetrics {
    /// Legs being served.
    pub legs: usize,
    /// Worker threads, 0 before the first leg.
    pub workers: usize,
    /// Ticks served by all workers together.
    pub ticks: u64,
    /// Ticks whose work took longer than 10 ms: there is too much of it, or the cores were taken away meanwhile.
    pub overruns: u64,
    /// Times at which the clock itself was woken more than 10 ms late.
    pub late_wakes: u64,
    /// Ticks that were skipped because the process was held up for more than a second.
    pub skipped: u64,
    /// The longest that one tick of one worker took.
    pub longest_tick: Duration,
    /// How long all ticks took together.
    pub busy: Duration,
    /// Share of its time that the busiest worker needs, in per cent over about a second. Above 100 it cannot keep up.
    pub load_percent: u32,
    /// By how many steps of [`MOST_STRAIN`](crate::MOST_STRAIN) conferences give up quality at present, since the load is too
    /// high: see [`RoomSettings`](crate::mixer::RoomSettings). 0 means none.
    pub quality_step: u8,
    /// How often another step of quality was given up.
    pub quality_drops: u64,
}

#[derive(Default)]
struct Worker {
    fresh: Mutex<Vec<Box<dyn Work>>>,
    has_fresh: AtomicBool,
    /// Pieces of work, those that wait to be taken included.
    works: AtomicUsize,
    /// Legs in them, as of the last tick.
    legs: AtomicUsize,
    load_percent: AtomicU32,
    strain: AtomicU8,
}

struct Inner {
    epoch: Instant,
    workers: Vec<Worker>,
    /// The tick that is due, counted from the epoch.
    tick: AtomicU64,
    /// Pieces of work of all workers.
    works: AtomicUsize,
    sleeping: Mutex<()>,
    wake: Condvar,
    ticks: AtomicU64,
    overruns: AtomicU64,
    late_wakes: AtomicU64,
    skipped: AtomicU64,
    longest_us: AtomicU64,
    busy_us: AtomicU64,
    quality_drops: AtomicU64,
}

/// The audio engine of the process.
pub struct Engine {
    inner: Arc<Inner>,
    /// Where legs report, once the threads run.
    reports: Mutex<Option<SyncSender<Report>>>,
}

impl Engine {
    /// The one of this process. Its threads begin with the first leg.
    pub fn global() -> &'static Engine {
        static ENGINE: OnceLock<Engine> = OnceLock::new();
        ENGINE.get_or_init(|| {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            Engine {
                inner: Arc::new(Inner {
                    epoch: Instant::now(),
                    workers: (0..cores.min(MOST_WORKERS)).map(|_| Worker::default()).collect(),
                    tick: AtomicU64::new(0),
                    works: AtomicUsize::new(0),
                    sleeping: Mutex::new(()),
                    wake: Condvar::new(),
                    ticks: AtomicU64::new(0),
                    overruns: AtomicU64::new(0),
                    late_wakes: AtomicU64::new(0),
                    skipped: AtomicU64::new(0),
                    longest_us: AtomicU64::new(0),
                    busy_us: AtomicU64::new(0),
                    quality_drops: AtomicU64::new(0),
                }),
                reports: Mutex::new(None),
            }
        })
    }

    /// How the audio clock is doing.
    #[must_use]
    pub fn metrics(&self) -> EngineMetrics {
        let inner = &self.inner;
        let most = |of: fn(&Worker) -> u32| inner.workers.iter().map(of).max().unwrap_or(0);
        let started = self.reports.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        EngineMetrics {
            legs: inner.workers.iter().map(|worker| worker.legs.load(Ordering::Relaxed)).sum(),
            workers: if started { inner.workers.len() } else { 0 },
            ticks: inner.ticks.load(Ordering::Relaxed),
            overruns: inner.overruns.load(Ordering::Relaxed),
            late_wakes: inner.late_wakes.load(Ordering::Relaxed),
            skipped: inner.skipped.load(Ordering::Relaxed),
            longest_tick: Duration::from_micros(inner.longest_us.load(Ordering::Relaxed)),
            busy: Duration::from_micros(inner.busy_us.load(Ordering::Relaxed)),
            load_percent: most(|worker| worker.load_percent.load(Ordering::Relaxed)),
            quality_step: most(|worker| u32::from(worker.strain.load(Ordering::Relaxed))) as u8,
            quality_drops: inner.quality_drops.load(Ordering::Relaxed),
        }
    }

    /// Where legs report; starts the threads.
    ///
    /// # Errors
    /// [`MediaError::Transport`] when the system gives no threads.
    pub(crate) fn reports(&self) -> Result<SyncSender<Report>, MediaError> {
        let mut known = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reports) = known.as_ref() {
            return Ok(reports.clone());
        }
        let fault = |error: std::io::Error| MediaError::Transport(format!("no thread for the audio: {error}"));
        let spawn = |name: String, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name).spawn(work).map(|handle| handle.thread().clone()).map_err(fault)
        };
        let (reports, queue) = sync_channel(REPORTS);
        spawn("ewebrtc-reports".into(), Box::new(move || report(&queue)))?;
        let mut workers = Vec::new();
        for index in 0..self.inner.workers.len() {
            let inner = self.inner.clone();
            workers.push(spawn(
                format!("ewebrtc-audio-{index}"),
                Box::new(move || {
                    crate::threads::hasten();
                    inner.work(index);
                }),
            )?);
        }
        let inner = self.inner.clone();
        spawn(
            "ewebrtc-clock".into(),
            Box::new(move || {
                crate::threads::hasten();
                inner.keep_time(&workers);
            }),
        )?;
        *known = Some(reports.clone());
        Ok(reports)
    }

    /// Gives work to the worker with the fewest legs; [`Engine::reports`] has been called before. It stays there: a room is
    /// served by one worker, so a single one cannot need more than a core.
    pub(crate) fn add(&self, work: Box<dyn Work>) {
        let inner = &self.inner;
        let least = inner.workers.iter().min_by_key(|worker| worker.legs.load(Ordering::Relaxed));
        let Some(worker) = least else { return };
        worker.works.fetch_add(1, Ordering::Relaxed);
        worker.legs.fetch_add(work.legs(), Ordering::Relaxed);
        worker.fresh.lock().unwrap_or_else(PoisonError::into_inner).push(work);
        worker.has_fresh.store(true, Ordering::Release);
        let _asleep = inner.sleeping.lock().unwrap_or_else(PoisonError::into_inner);
        inner.works.fetch_add(1, Ordering::Release);
        inner.wake.notify_one();
    }
}

impl Inner {
    fn time_of(&self, tick: u64) -> Instant {
        self.epoch + Duration::from_micros(tick * TICK.as_micros() as u64)
    }

    fn tick_at(&self, time: Instant) -> u64 {
        (time.saturating_duration_since(self.epoch).as_micros() / TICK.as_micros()) as u64
    }

    /// The clock thread.
    fn keep_time(&self, workers: &[Thread]) {
        let mut planned = 0;
        loop {
            if self.works.load(Ordering::Acquire) == 0 {
                let mut asleep = self.sleeping.lock().unwrap_or_else(PoisonError::into_inner);
                while self.works.load(Ordering::Acquire) == 0 {
                    asleep = self.wake.wait(asleep).unwrap_or_else(PoisonError::into_inner);
                }
                planned = self.tick_at(Instant::now());
            }
            planned += 1;
            let wait = self.time_of(planned).saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                std::thread::sleep(wait);
            }
            let due = self.tick_at(Instant::now()).max(planned);
            if due > planned {
                self.late_wakes.fetch_add(1, Ordering::Relaxed);
            }
            planned = due;
            self.tick.store(due, Ordering::Release);
            for (worker, thread) in self.workers.iter().zip(workers) {
                if worker.works.load(Ordering::Relaxed) > 0 {
                    thread.unpark();
                }
            }
        }
    }

    /// A worker thread.
    fn work(&self, index: usize) {
        let Some(worker) = self.workers.get(index) else { return };
        let mut served: Vec<Served> = Vec::new();
        let mut strain = Strain::default();
        let mut done = 0;
        loop {
            let due = self.tick.load(Ordering::Acquire);
            if due == done {
                std::thread::park();
                continue;
            }
            if served.is_empty() {
                done = due - 1;
                strain = Strain::default();
            }
            if worker.has_fresh.swap(false, Ordering::Acquire) {
                let mut fresh = worker.fresh.lock().unwrap_or_else(PoisonError::into_inner);
                served.extend(fresh.drain(..).map(|work| Served { counted: work.legs(), work, over: false }));
            }
            if due - done > MOST_LATE {
                self.skipped.fetch_add(due - done - MOST_LATE, Ordering::Relaxed);
                done = due - MOST_LATE;
            }
            while done < due && !served.is_empty() {
                done += 1;
                let took = self.serve(worker, &mut served, self.time_of(done), strain.step());
                if strain.note(took, TICK) {
                    self.quality_drops.fetch_add(1, Ordering::Relaxed);
                }
                worker.load_percent.store(strain.load_percent(), Ordering::Relaxed);
                worker.strain.store(strain.step(), Ordering::Relaxed);
            }
            if served.is_empty() {
                worker.load_percent.store(0, Ordering::Relaxed);
                worker.strain.store(0, Ordering::Relaxed);
            }
            done = due;
        }
    }

    /// One tick of all the work of a worker; how long it took.
    fn serve(&self, worker: &Worker, served: &mut Vec<Served>, now: Instant, strain: u8) -> Duration {
        let began = Instant::now();
        for group in served.chunks_mut(GROUP) {
            for Served { work, over, .. } in &mut *group {
                // A fault in one leg must not end the others.
                let goes_on = catch_unwind(AssertUnwindSafe(|| work.tick(now, strain)))
                    .unwrap_or_else(|_| catch_unwind(AssertUnwindSafe(|| work.abandon())).is_ok());
                *over = !goes_on;
            }
            for Served { work, over, .. } in group {
                if catch_unwind(AssertUnwindSafe(|| work.post())).is_err() {
                    *over |= catch_unwind(AssertUnwindSafe(|| work.abandon())).is_err();
                }
            }
        }
        served.retain_mut(|Served { work, over, counted }| {
            let legs = if *over { 0 } else { work.legs() };
            if legs != *counted {
                worker.legs.fetch_add(legs, Ordering::Relaxed);
                worker.legs.fetch_sub(std::mem::replace(counted, legs), Ordering::Relaxed);
            }
            if *over {
                worker.works.fetch_sub(1, Ordering::Relaxed);
                self.works.fetch_sub(1, Ordering::Release);
            }
            !*over
        });
        let took = began.elapsed();
        self.ticks.fetch_add(1, Ordering::Relaxed);
        self.busy_us.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
        self.longest_us.fetch_max(took.as_micros() as u64, Ordering::Relaxed);
        if took > TICK {
            self.overruns.fetch_add(1, Ordering::Relaxed);
        }
        took
    }
}

/// The reporting thread: calls the owners of the legs, who may take their time here.
fn report(queue: &Receiver<Report>) {
    while let Ok(report) = queue.recv() {
        match report {
            Report::Event(owner, event) => {
                if catch_unwind(AssertUnwindSafe(|| owner(event))).is_err() {
                    log::error!("the event handler of a leg has panicked");
                }
            }
            Report::Room(owner, event) => {
                if catch_unwind(AssertUnwindSafe(|| owner(event))).is_err() {
                    log::error!("the event handler of a conference room has panicked");
                }
            }
            Report::Ended(shared) => {
                shared.ended.send_replace(true);
            }
            Report::VideoEnded(shared) => {
                shared.video.ended.send_replace(true);
            }
        }
    }
}
