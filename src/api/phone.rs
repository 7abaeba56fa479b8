//! The phone.
//!
//! Owns: [`Phone`], [`Subscription`]. Lives on: any thread, including inside handlers, unless a method says otherwise.
//! Must not import: `signal` beyond its client, `core`'s machines.

use super::call::{Call, CallInfo};
use super::config::PhoneConfig;
use super::dev::{self, DevToken};
use super::error::Error;
use super::event::{Event, Events};
use super::options::{AnswerOptions, DialOptions, LoginOptions};
use super::settings::CallDefaults;
use super::{logging, named};
use crate::core::errors;
use crate::core::io::{Command, CoreConfig, ErrorObject, Input};
use crate::runtime::{
    self, ActorHandle, Dispatcher, Finished, LegSettings, MediaMap, Place, Reach, Reply, Settings, States, Undelivered,
};
use crate::signal;
use ewebrtc_media::codec::CodecSettings;
use serde_json::{Value, json};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::oneshot;

/// Phones of this process so far; the upper part of every handle, so that no handle is used twice.
static PHONES: AtomicU64 = AtomicU64::new(1);

/// Bits of a handle that count the items of one phone; 2^21 phones of 2^32 items stay below 2^53.
const ITEM_BITS: u32 = 32;

/// The cheapest getter: asked with the tag of a method that was answered above the core, it brings `command:finished`, in order
/// with all other events.
const FINISHES: &str = "getVersion";

struct Inner {
    client: signal::Client,
    actor: ActorHandle,
    dispatcher: Dispatcher,
    media: MediaMap,
    states: States,
    reach: Arc<Reach>,
    defaults: CallDefaults,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.actor.input(Input::Close);
    }
}

/// A telephone: one user, one session. Cloning gives another handle to the same phone; when the last one is dropped the
/// phone closes by itself.
///
/// Methods that are `async` complete when the command finishes (`command:finished`): `login` at `session:ready`, `hangup` at
/// the call's end, and so on; `dial` completes as soon as it is accepted. They may be awaited on any runtime, and the command
/// goes on when the future is dropped.
#[derive(Clone)]
pub struct Phone(Arc<Inner>);

/// Names a handler for [`Phone::off`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subscription(u64);

impl Phone {
    /// A phone that is not logged in. No request is sent and no event is delivered yet.
    ///
    /// # Errors
    /// [`Error::Config`] says which setting cannot be used; [`Error::System`] when there are no threads.
    pub fn new(config: PhoneConfig) -> Result<Self, Error> {
        let client = signal::Client::new(&config.gateway, &config.root_certificates).map_err(Error::Config)?;
        config.check()?;
        let mut ice = config.ice;
        // One list for everything that this phone does over TLS.
        ice.extra_root_certificates_pem.extend(config.root_certificates);
        let place = Place::of(client.endpoint());
        // Loopback candidates reach whoever a gateway on loopback serves.
        ice.addresses.loopback |= place == Place::Loopback;
        let system = |e: std::io::Error| Error::System(format!("no thread for the phone: {e}"));
        let runtime = runtime::shared().map_err(system)?;
        let dispatcher = Dispatcher::start().map_err(system)?;
        let (media, states) = (MediaMap::default(), States::default());
        let reach = Arc::new(Reach::new(place, &runtime));
        let legs = LegSettings {
            ice,
            audio_codecs: config.audio_codecs,
            video_codecs: config.video_codecs,
            codec: CodecSettings { complexity: config.opus_complexity, ..CodecSettings::default() },
        };
        let defaults = CallDefaults::new(legs);
        let number = PHONES.fetch_add(1, Ordering::Relaxed);
        let for_tokens = client.clone();
        let settings = Settings {
            core: CoreConfig {
                domain: config.domain,
                local_media: config.local_media,
                remote_media: config.remote_media,
                event_channel: config.event_channel,
                version: crate::VERSION,
                seed: RandomState::new().build_hasher().finish(),
                first_handle: (number << ITEM_BITS) | 1,
            },
            client,
            legs: defaults.shared(),
            pcm_rate: config.pcm_rate,
            reach: reach.clone(),
        };
        let actor = ActorHandle::start(&runtime, settings, dispatcher.clone(), media.clone(), states.clone());
        Ok(Self(Arc::new(Inner { client: for_tokens, actor, dispatcher, media, states, reach, defaults })))
    }

    /// Calls `handler` for every event of this name, on the phone's dispatcher thread, one event at a time.
    /// Subscribe before `login` so as to miss nothing. A handler that panics is reported in the log and called again for the
    /// next event.
    ///
    /// # Errors
    /// 4901 for an empty name, 4902 for an unknown one; nothing is registered then (P-44).
    pub fn on(&self, name: &str, handler: impl Fn(&Event) + Send + Sync + 'static) -> Result<Subscription, Error> {
        self.check_event_name(name)?;
        Ok(self.subscribe(Some(name), handler))
    }

    /// Refuses a name that is not that of an event, as [`Phone::on`] does, for languages that keep their handlers themselves.
    pub(crate) fn check_event_name(&self, name: &str) -> Result<(), Error> {
        if ewebrtc_wire::is_event_name(name) {
            return Ok(());
        }
        let code = if name.is_empty() { "4901" } else { "4902" };
        let error = errors::sdk(code, Some(format!("there is no event {name:?}")));
        self.publish_error(error.clone(), None);
        Err(Error::Phone(Box::new(error)))
    }

    /// Calls `handler` for every event, as [`Phone::on`] does for one name.
    pub fn on_any(&self, handler: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
        self.subscribe(None, handler)
    }

    fn subscribe(&self, name: Option<&str>, handler: impl Fn(&Event) + Send + Sync + 'static) -> Subscription {
        Subscription(self.0.dispatcher.on(name, Arc::new(move |event| handler(&Event::new(event.clone())))))
    }

    /// Removes a handler; it is not called for events whose delivery has not begun. `false`: there is no such handler.
    pub fn off(&self, subscription: Subscription) -> bool {
        self.0.dispatcher.off(subscription.0)
    }

    /// The events from now on, as a stream.
    pub fn events(&self) -> Events {
        Events::subscribe(&self.0.dispatcher)
    }

    /// Gives the Phone method `method` with its options by name and waits until it is accepted (not until it finishes). The
    /// value is that of a getter, `{"call": handle}` for `dial` and `addCall`, `{"conference": handle}` for `startConference`, null
    /// otherwise. `tag` comes back in the events it causes.
    /// Blocks the calling thread for a moment; asynchronous code uses [`Phone::invoke_async`].
    ///
    /// # Errors
    /// As every method: [`Error::Phone`] with the code, [`Error::UnknownMethod`], [`Error::Closed`]; [`Error::InHandler`] inside
    /// the log callback.
    pub fn invoke(&self, method: &str, options: Value, tag: Option<&str>) -> Result<Value, Error> {
        if let Some(answer) = named::answer(self, method, &options, tag) {
            let value = answer?;
            if tag.is_some() {
                self.invoke(FINISHES, Value::Null, tag)?;
            }
            return Ok(value);
        }
        outside_of_log_callback()?;
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let command = Command { tag: tag.map(str::to_owned), method: method.into(), target: None, options };
        self.give(command, Reply::Sync(sender), None)?;
        receiver.recv().map_err(|_| Error::Closed)?.map_err(Error::from)
    }

    /// As [`Phone::invoke`], on the call or conference with this handle: `hangup` does what its state demands, `mute`, `unmute`
    /// and `sendDTMFTone` act on it, everything else requires it in the foreground.
    ///
    /// # Errors
    /// As [`Phone::invoke`], and [`Error::NotFound`] when the handle is not (or no longer) that of a live call.
    pub fn invoke_on(&self, call: u64, method: &str, options: Value, tag: Option<&str>) -> Result<Value, Error> {
        outside_of_log_callback()?;
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let command = Command { tag: tag.map(str::to_owned), method: method.into(), target: Some(call), options };
        self.give(command, Reply::Sync(sender), None)?;
        receiver.recv().map_err(|_| Error::Closed)?.map_err(Error::from)
    }

    /// As [`Phone::invoke`], for asynchronous code.
    ///
    /// # Errors
    /// As [`Phone::invoke`].
    pub async fn invoke_async(&self, method: &str, options: Value, tag: Option<&str>) -> Result<Value, Error> {
        self.accept_tagged(method, options, None, tag.map(str::to_owned)).await
    }

    /// Asks this phone's gateway for a token of `user`, as [`crate::dev_token`] does. A failure with a code is published as
    /// an `error` event, too.
    ///
    /// # Errors
    /// As [`crate::dev_token`].
    pub async fn dev_token(&self, user: &str) -> Result<DevToken, Error> {
        let result = dev::ask(self.0.client.clone(), user).await;
        if let Err(Error::Phone(error)) = &result {
            self.publish_error((**error).clone(), None);
        }
        result
    }

    /// Logs in: makes the session and opens the event channel. Completes at `session:ready`.
    ///
    /// # Errors
    /// 2002 without a token, 2003 while logged in or logging in, 1541 and other codes of the gateway, 0002 without an answer.
    pub async fn login(&self, options: LoginOptions) -> Result<(), Error> {
        self.run("login", options.to_json(), None).await
    }

    /// Ends all calls and the session. Completes at `session:disconnected`.
    ///
    /// # Errors
    /// 2101 while not logged in.
    pub async fn logout(&self) -> Result<(), Error> {
        self.run("logout", Value::Null, None).await
    }

    /// Dials. Completes when the call exists, before it is answered; see [`Call::connected`].
    ///
    /// # Errors
    /// 2211 to 2213 for the destination, 2221 to 2232 for the media, 2241 while not logged in, 2251 and 2252 while there is
    /// another call.
    pub async fn dial(&self, options: DialOptions) -> Result<Call, Error> {
        let value = self.accept_tagged("dial", options.to_json(), None, None).await?;
        let handle = value.get("call").and_then(Value::as_u64).ok_or(Error::NotFound)?;
        Ok(Call::new(self.clone(), handle))
    }

    /// Answers the incoming call. Completes at `call:connected`.
    ///
    /// # Errors
    /// 2311 and 2312 for the media, 2321 while not logged in, 2331 while nothing rings, 2341 while there is another call and no
    /// action, 2300 for a `media_type` that cannot be.
    pub async fn answer(&self, options: AnswerOptions) -> Result<(), Error> {
        self.run("answer", options.to_json(), None).await
    }

    /// Refuses the incoming call. Completes at `call:rejected`.
    ///
    /// # Errors
    /// 3001 while not logged in, 3002 while nothing rings.
    pub async fn reject(&self) -> Result<(), Error> {
        self.run("reject", Value::Null, None).await
    }

    /// Withdraws the outgoing call before it is answered. Completes at `call:canceled`.
    ///
    /// # Errors
    /// 2901 while not logged in, 2902 while nothing is being dialled.
    pub async fn cancel(&self) -> Result<(), Error> {
        self.run("cancel", Value::Null, None).await
    }

    /// Ends the call in the foreground. Completes at `call:disconnected`.
    ///
    /// # Errors
    /// 2401 while not logged in, 2402 without a call.
    pub async fn hangup(&self) -> Result<(), Error> {
        self.run("hangup", Value::Null, None).await
    }

    /// Sends silence in the call in the foreground. Event `call:muted`, or `warning` when it is muted already.
    ///
    /// # Errors
    /// 2701 while not logged in, 2702 without a call.
    pub async fn mute(&self) -> Result<(), Error> {
        self.run("mute", Value::Null, None).await
    }

    /// Sends the source in the call in the foreground again. Event `call:unmuted`, or `warning` when it is not muted.
    ///
    /// # Errors
    /// 2801 while not logged in, 2802 without a call.
    pub async fn unmute(&self) -> Result<(), Error> {
        self.run("unmute", Value::Null, None).await
    }

    /// Changes the emergency address of the session. Completes at `address-updated`.
    ///
    /// # Errors
    /// 2052 for an empty id, 2053 while not logged in, 1019 when the gateway does not know it.
    pub async fn associate_e911_id(&self, e911_id: &str) -> Result<(), Error> {
        self.run("associateE911Id", json!({"e911Id": e911_id}), None).await
    }

    /// The established calls and conferences (`getCalls`), in order of establishment.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn calls(&self) -> Result<Vec<CallInfo>, Error> {
        let value = self.invoke_async("getCalls", Value::Null, None).await?;
        serde_json::from_value(value).map_err(|e| Error::System(e.to_string()))
    }

    /// Media type of the call in the foreground (`getMediaType`); `None` without one.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn media_type(&self) -> Result<Option<String>, Error> {
        Ok(self.invoke_async("getMediaType", Value::Null, None).await?.as_str().map(str::to_owned))
    }

    /// True when there is an established call in the foreground (`isCallInProgress`).
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn is_call_in_progress(&self) -> Result<bool, Error> {
        Ok(self.invoke_async("isCallInProgress", Value::Null, None).await? == Value::Bool(true))
    }

    /// Version of the library (`getVersion`).
    pub fn version(&self) -> &'static str {
        crate::VERSION
    }

    /// The call or conference with this handle, as found in events. It is not checked whether it lives.
    pub fn call(&self, handle: u64) -> Call {
        Call::new(self.clone(), handle)
    }

    /// Whether the phone counts as online (`isOnline`): what the host program said last by [`Phone::set_connectivity`], else
    /// what the operating system says about the way to the gateway. A gateway on loopback needs no network.
    ///
    /// While a phone is offline, methods that need the gateway are refused with 0002, calls stay, and polling rests.
    pub fn is_online(&self) -> bool {
        self.0.reach.online()
    }

    /// Tells the phone that the device went offline or came back; events `connectivity:off` and `connectivity:on`. For hosts
    /// that know better than the phone's own watching of the network, such as mobile apps. Their word counts from now on, until
    /// [`Phone::follow_network`].
    pub fn set_connectivity(&self, online: bool) {
        self.inject(Some(online));
    }

    /// Gives it back to the phone to find out by itself whether the device is online, as it does from the beginning: at once,
    /// and whenever the network changes; events as of [`Phone::set_connectivity`].
    pub fn follow_network(&self) {
        self.inject(None);
    }

    fn inject(&self, online: Option<bool>) {
        self.0.reach.inject(online, |online| self.0.actor.input(Input::Connectivity { online }));
    }

    /// Begins to close the phone and never waits: calls end, the session is deleted, `phone:closed` is the last event.
    pub fn close(&self) {
        self.0.actor.input(Input::Close);
    }

    /// Waits until the phone is closed and its last event was handled: no handler runs any more, recordings are complete.
    /// Does not close it by itself. Blocks the calling thread.
    ///
    /// # Errors
    /// [`Error::InHandler`] inside a handler of any phone and inside the log callback.
    pub fn wait_closed(&self) -> Result<(), Error> {
        outside_of_log_callback()?;
        if self.0.dispatcher.wait_done() { Ok(()) } else { Err(Error::InHandler) }
    }

    /// As [`Phone::wait_closed`], for asynchronous code.
    pub async fn closed(&self) {
        let mut done = self.0.dispatcher.done();
        // An error would mean that the dispatcher is gone, which is what was waited for.
        let _ = done.wait_for(|done| *done).await;
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, method: &str, options: Value, target: Option<u64>) -> Result<(), Error> {
        self.run_tagged(method, options, target, None).await.map(drop)
    }

    /// As [`Phone::run`], with the application's tag; gives the value with which it was accepted.
    pub(crate) async fn run_tagged(
        &self,
        method: &str,
        options: Value,
        target: Option<u64>,
        tag: Option<String>,
    ) -> Result<Value, Error> {
        if target.is_none() && named::is_answered(method) {
            return self.accept_tagged(method, options, target, tag).await;
        }
        let (finished, end) = oneshot::channel();
        let value = self.accept(Command { tag, method: method.into(), target, options }, Some(finished)).await?;
        end.await.map_err(|_| Error::Closed)?.map_err(Error::Phone)?;
        Ok(value)
    }

    /// Gives a command, with the application's tag, and waits until it is accepted.
    pub(crate) async fn accept_tagged(
        &self,
        method: &str,
        options: Value,
        target: Option<u64>,
        tag: Option<String>,
    ) -> Result<Value, Error> {
        if target.is_none()
            && let Some(answer) = named::answer(self, method, &options, tag.as_deref())
        {
            let value = answer?;
            if tag.is_some() {
                self.accept(Command { tag, method: FINISHES.into(), target, options: Value::Null }, None).await?;
            }
            return Ok(value);
        }
        self.accept(Command { tag, method: method.into(), target, options }, None).await
    }

    /// State of a live item; `None` when it has ended.
    pub(crate) fn item_state(&self, handle: u64) -> Option<String> {
        self.0.states.state(handle)
    }

    /// How an item has ended.
    pub(super) fn item_end(&self, handle: u64) -> Option<runtime::End> {
        self.0.states.end(handle)
    }

    /// What calls made from now on are set up with.
    pub(super) fn defaults(&self) -> &CallDefaults {
        &self.0.defaults
    }

    pub(crate) fn media(&self) -> &MediaMap {
        &self.0.media
    }

    /// Publishes an error that was found above the core, as an `error` event.
    pub(super) fn publish_error(&self, error: ErrorObject, tag: Option<&str>) {
        self.0.actor.report(error, tag.map(str::to_owned));
    }

    async fn accept(&self, command: Command, finished: Option<Finished>) -> Result<Value, Error> {
        let (sender, receiver) = oneshot::channel();
        self.give(command, Reply::Async(sender), finished)?;
        receiver.await.map_err(|_| Error::Closed)?.map_err(Error::from)
    }

    fn give(&self, command: Command, reply: Reply, finished: Option<Finished>) -> Result<(), Error> {
        self.0.actor.command(command, reply, finished).map_err(|e| match e {
            Undelivered::Closed => Error::Closed,
            Undelivered::Busy => Error::Busy,
        })
    }
}

impl std::fmt::Debug for Phone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Phone")
    }
}

/// The log callback may run on the thread of a phone: what waits for a phone there might wait for itself.
fn outside_of_log_callback() -> Result<(), Error> {
    if logging::inside_callback() { Err(Error::InHandler) } else { Ok(()) }
}
