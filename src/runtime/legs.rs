//! The media legs of one phone: one task per item carries out its orders in order and reports back.
//!
//! Owns: the running legs, the program's ends of their audio and video. Lives on: [`Legs`] on the phone's actor, the leg tasks on the process's
//! runtime. Must not import: `core`'s machines, `api`, `signal`, `dispatcher`.

use crate::audio::{Opened, ProgramEnds, Studio, VideoWriter};
use crate::core::io::{Handle, MediaFailure, MediaOrder, MediaReport};
use crate::core::media_target::{LocalMedia, RemoteMedia};
use ewebrtc_media::codec::CodecSettings;
use ewebrtc_media::dtmf::Tone;
use ewebrtc_media::transport::{AudioCodec, Direction, IceConfig, VideoCodec};
use ewebrtc_media::{Leg, LegConfig, LegEvent, LegStats, MediaError, VideoSource};
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Longest wait for the legs of a phone that closes; each needs a fraction of it.
const CLOSE_WAIT: Duration = Duration::from_secs(3);

/// What the rest of the process may ask of an item's media: the program's ends and the running leg.
#[derive(Default)]
pub struct ItemMedia {
    /// The program's ends, until taken.
    pub ends: ProgramEnds,
    /// The leg, once it exists.
    pub leg: Option<Leg>,
}

/// The media of all items of a phone, shared with its public handle.
pub type MediaMap = Arc<Mutex<HashMap<Handle, ItemMedia>>>;

/// How legs are made.
#[derive(Clone)]
pub struct LegSettings {
    /// ICE servers, policy and addresses.
    pub ice: IceConfig,
    /// Audio codecs in order of preference.
    pub audio_codecs: Vec<AudioCodec>,
    /// Video codecs in order of preference.
    pub video_codecs: Vec<VideoCodec>,
    /// How audio is encoded.
    pub codec: CodecSettings,
}

/// How legs are made from now on; shared with the phone's public handle, which may change it at any time.
pub type SharedLegSettings = Arc<Mutex<LegSettings>>;

/// Where reports go: back into the actor.
pub type Reporter = Arc<dyn Fn(Handle, MediaReport) + Send + Sync>;

struct Running {
    orders: mpsc::UnboundedSender<MediaOrder>,
    closing: watch::Sender<bool>,
}

/// The media legs of one phone.
pub struct Legs {
    settings: SharedLegSettings,
    studio: Studio,
    report: Reporter,
    running: HashMap<Handle, Running>,
    tasks: JoinSet<()>,
    map: MediaMap,
}

/// The first description of a leg, with video or without.
enum First {
    Offer { video: bool },
    Answer { offer: String, video: bool },
}

impl Legs {
    /// No legs yet. Must be called, and used, inside the process's runtime.
    pub fn new(settings: SharedLegSettings, studio: Studio, report: Reporter, map: MediaMap) -> Self {
        Self { settings, studio, report, running: HashMap::new(), tasks: JoinSet::new(), map }
    }

    /// Carries out an order of the core, or queues it behind earlier ones of the same item.
    pub fn order(&mut self, item: Handle, order: MediaOrder) {
        while self.tasks.try_join_next().is_some() {}
        match order {
            MediaOrder::Offer { local, remote, video } => self.start(item, First::Offer { video }, &local, &remote),
            MediaOrder::Answer { offer, local, remote, video } => {
                self.start(item, First::Answer { offer, video }, &local, &remote);
            }
            MediaOrder::Close => {
                if let Some(running) = self.running.remove(&item) {
                    running.closing.send_replace(true);
                }
                lock(&self.map).remove(&item);
            }
            later @ (MediaOrder::OfferAgain { .. }
            | MediaOrder::OfferToAnother { .. }
            | MediaOrder::Withdraw
            | MediaOrder::AnswerAgain { .. }
            | MediaOrder::ApplyAnswer { .. }
            | MediaOrder::Listen
            | MediaOrder::Activate
            | MediaOrder::Mute(_)
            | MediaOrder::Tones { .. }
            | MediaOrder::Hide(_)) => {
                if let Some(running) = self.running.get(&item) {
                    let _ = running.orders.send(later);
                }
            }
        }
    }

    /// Ends all legs and waits until their recordings are complete, at most [`CLOSE_WAIT`].
    pub async fn close(&mut self) {
        for (_, running) in self.running.drain() {
            running.closing.send_replace(true);
        }
        lock(&self.map).clear();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(CLOSE_WAIT, all).await.is_err() {
            log::warn!("a media leg did not end within {} s", CLOSE_WAIT.as_secs());
            self.tasks.abort_all();
        }
    }

    fn start(&mut self, item: Handle, first: First, local: &str, remote: &str) {
        let (Ok(local), Ok(remote)) = (LocalMedia::parse(local), RemoteMedia::parse(remote)) else {
            let text = "a media target that the core let through is not understood".to_owned();
            return (self.report)(item, MediaReport::Failed { kind: MediaFailure::Denied, text });
        };
        let Opened { source, sink, video_source, video_sink, ends } = match self.studio.open(&local, &remote) {
            Ok(opened) => opened,
            Err(error) => return (self.report)(item, failed(&error)),
        };
        let picture = Picture { source: video_source, program: ends.video_writer.clone(), shown: false, hidden: false };
        lock(&self.map).insert(item, ItemMedia { ends, leg: None });
        // Unbounded is bounded here: the core gives an item a handful of orders in its whole life, and no more tones than may
        // wait.
        let (orders, queue) = mpsc::unbounded_channel();
        let (closing, closed) = watch::channel(false);
        let worker = Worker { item, report: self.report.clone(), map: self.map.clone(), queue, closed, picture };
        let settings = lock(&self.settings).clone();
        let config = LegConfig {
            ice: settings.ice,
            audio_codecs: settings.audio_codecs,
            video_codecs: settings.video_codecs,
            source,
            sink,
            video_sink,
            codec: settings.codec,
            ..LegConfig::default()
        };
        self.tasks.spawn(worker.run(first, config));
        self.running.insert(item, Running { orders, closing });
    }
}

/// Numbers about the leg of an item; `None` without a leg.
pub fn stats(map: &MediaMap, item: Handle) -> Option<LegStats> {
    let leg = lock(map).get(&item)?.leg.clone()?;
    Some(leg.stats())
}

/// Asks the other party of an item for a key frame; false without a leg.
pub fn request_key_frame(map: &MediaMap, item: Handle) -> bool {
    let leg = lock(map).get(&item).and_then(|media| media.leg.clone());
    leg.inspect(Leg::request_key_frame).is_some()
}

/// Locks a mutex whose data is whole at every step, so that a panic elsewhere does not matter.
pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(error: &MediaError) -> MediaReport {
    let kind = match error {
        MediaError::Source(_) => MediaFailure::Denied,
        MediaError::Sdp(_) | MediaError::Transport(_) | MediaError::Closed | MediaError::Timeout(_) => {
            MediaFailure::Internal
        }
    };
    MediaReport::Failed { kind, text: error.to_string() }
}

/// A direction of the protocol as one of the transport.
fn direction(wanted: ewebrtc_wire::Direction) -> Direction {
    match wanted {
        ewebrtc_wire::Direction::SendRecv => Direction::SendRecv,
        ewebrtc_wire::Direction::SendOnly => Direction::SendOnly,
        ewebrtc_wire::Direction::RecvOnly => Direction::RecvOnly,
        ewebrtc_wire::Direction::Inactive => Direction::Inactive,
    }
}

/// The task of one leg.
struct Worker {
    item: Handle,
    report: Reporter,
    map: MediaMap,
    queue: mpsc::UnboundedReceiver<MediaOrder>,
    closed: watch::Receiver<bool>,
    picture: Picture,
}

/// The video that an item sends.
struct Picture {
    /// Where it comes from; `None`: there is no source.
    source: Option<VideoSource>,
    /// The program's end of it.
    program: Option<VideoWriter>,
    /// The leg has been given the source: it was to send video at some time.
    shown: bool,
    /// It is not to be sent for now.
    hidden: bool,
}

impl Picture {
    /// What the next description is to say about video. The source is opened when it is first needed, so that a file that is
    /// not there fails the change and not the call.
    fn prepare(&mut self, leg: &Leg, video: Option<Direction>) -> Result<(), MediaError> {
        if video.is_some_and(Direction::sends) && !self.shown {
            if !self.hidden {
                self.give(leg)?;
            }
            self.shown = true;
        }
        leg.set_video(video);
        Ok(())
    }

    fn give(&self, leg: &Leg) -> Result<(), MediaError> {
        leg.set_video_source(self.source.clone())
    }

    /// Nobody has seen what the program wrote so far.
    fn start_anew(&self) {
        if let Some(program) = &self.program {
            program.start_anew();
        }
    }

    /// On hold nothing is shown; afterwards the source begins anew.
    fn hide(&mut self, leg: &Leg, hidden: bool) {
        self.hidden = hidden;
        let changed = match (self.shown, hidden) {
            (false, _) => Ok(()),
            (true, true) => leg.set_video_source(None),
            (true, false) => {
                self.start_anew();
                self.give(leg)
            }
        };
        if let Err(error) = changed {
            log::warn!("the video of a call does not go on: {error}");
        }
    }
}

impl Worker {
    async fn run(mut self, first: First, config: LegConfig) {
        let (report, item, program) = (self.report.clone(), self.item, self.picture.program.clone());
        let news = move |event: LegEvent| match event {
            LegEvent::TransportConnected | LegEvent::FirstVideo => {}
            LegEvent::KeyFrameWanted => {
                if let Some(program) = &program {
                    program.want();
                }
            }
            LegEvent::FirstAudio => report(item, MediaReport::FirstAudio),
            LegEvent::Interrupted => report(item, MediaReport::Interrupted),
            LegEvent::Recovered => report(item, MediaReport::Recovered),
            LegEvent::ToneBegan(key) => report(item, MediaReport::ToneBegan { key }),
            LegEvent::ToneEnded(_) => report(item, MediaReport::ToneEnded),
            LegEvent::TonesRefused => {
                let text = "the other side takes no telephone events".to_owned();
                report(item, MediaReport::TonesRefused { text });
            }
            LegEvent::ToneReceived(key) => report(item, MediaReport::KeyHeard { key }),
            LegEvent::Failed(text) => report(item, MediaReport::Lost { text }),
        };
        let leg = match self.unless_closed(Leg::new(config, news)).await {
            Some(Ok(leg)) => leg,
            Some(Err(error)) => return self.tell(failed(&error)),
            None => return,
        };
        if let Some(media) = lock(&self.map).get_mut(&self.item) {
            media.leg = Some(leg.clone());
        }
        self.serve(&leg, first).await;
        leg.close().await;
    }

    async fn serve(&mut self, leg: &Leg, first: First) {
        let (First::Offer { video } | First::Answer { video, .. }) = first;
        if let Err(error) = self.picture.prepare(leg, video.then_some(Direction::SendRecv)) {
            return self.tell(failed(&error));
        }
        let description = match &first {
            First::Offer { .. } => self.unless_closed(leg.create_offer()).await,
            First::Answer { offer, .. } => self.unless_closed(leg.answer_offer(offer)).await,
        };
        match description {
            Some(Ok(sdp)) => self.tell(MediaReport::LocalDescription { sdp }),
            Some(Err(error)) => self.tell(failed(&error)),
            None => return,
        }
        while let Some(order) = self.next_order().await {
            match order {
                MediaOrder::OfferAgain { audio, video } => {
                    if !self.prepare(leg, audio, video) {
                        continue;
                    }
                    let offer = self.unless_closed(leg.create_offer()).await;
                    if !self.tell_description(offer) {
                        return;
                    }
                }
                MediaOrder::OfferToAnother { audio, video } => {
                    if !self.prepare(leg, audio, video) {
                        continue;
                    }
                    let offer = self.unless_closed(leg.create_offer_for_another()).await;
                    if !self.tell_description(offer) {
                        return;
                    }
                }
                MediaOrder::AnswerAgain { offer, audio, video } => {
                    if !self.prepare(leg, audio, video) {
                        continue;
                    }
                    let answer = self.unless_closed(leg.answer_offer(&offer)).await;
                    if !self.tell_description(answer) {
                        return;
                    }
                }
                MediaOrder::ApplyAnswer { sdp } => match self.unless_closed(leg.apply_answer(&sdp)).await {
                    Some(Ok(())) => self.tell(MediaReport::Applied),
                    Some(Err(error)) => self.tell(failed(&error)),
                    None => return,
                },
                MediaOrder::Listen => leg.listen(),
                MediaOrder::Activate => leg.activate(),
                MediaOrder::Mute(muted) => leg.set_muted(muted),
                MediaOrder::Tones { keys, gap } => {
                    let tones: Vec<Tone> = keys.chars().filter_map(|key| Tone::new(key, gap)).collect();
                    if let Err(error) = leg.send_tones(&tones) {
                        self.tell(MediaReport::TonesRefused { text: error.to_string() });
                    }
                }
                MediaOrder::Hide(hidden) => self.picture.hide(leg, hidden),
                MediaOrder::Withdraw => match self.unless_closed(leg.keep_party()).await {
                    Some(Ok(())) => {}
                    // The other party was there in the same moment.
                    Some(Err(error)) => log::debug!("the party of a call does not change back: {error}"),
                    None => return,
                },
                MediaOrder::Offer { .. } | MediaOrder::Answer { .. } | MediaOrder::Close => {}
            }
        }
    }

    /// Makes the leg ready for its next description; false when that fails, which is reported then.
    fn prepare(&mut self, leg: &Leg, audio: ewebrtc_wire::Direction, video: Option<ewebrtc_wire::Direction>) -> bool {
        leg.set_direction(direction(audio));
        if !self.picture.shown {
            self.picture.start_anew();
        }
        match self.picture.prepare(leg, video.map(direction)) {
            Ok(()) => true,
            Err(error) => {
                self.tell(failed(&error));
                false
            }
        }
    }

    /// Reports a description or why there is none; false when the leg is to end.
    fn tell_description(&self, outcome: Option<Result<String, MediaError>>) -> bool {
        match outcome {
            Some(Ok(sdp)) => self.tell(MediaReport::LocalDescription { sdp }),
            Some(Err(error)) => self.tell(failed(&error)),
            None => return false,
        }
        true
    }

    fn tell(&self, report: MediaReport) {
        (self.report)(self.item, report);
    }

    /// The next order; `None` when the leg is to end.
    async fn next_order(&mut self) -> Option<MediaOrder> {
        tokio::select! {
            biased;
            () = ended(&mut self.closed) => None,
            order = self.queue.recv() => order,
        }
    }

    /// The outcome of `work`; `None` when the leg is to end before that.
    async fn unless_closed<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = ended(&mut self.closed) => None,
            result = work => Some(result),
        }
    }
}

/// Completes when the leg is to end.
async fn ended(closed: &mut watch::Receiver<bool>) {
    // An error means that the phone is gone, which ends the leg as well.
    let _ = closed.wait_for(|closed| *closed).await;
}
