//! The phone of the typed surface.
//!
//! Owns: [`Phone`]. Lives on: any thread; its listener runs on the phone's dispatcher thread. Must not import: `runtime`,
//! `core`, `signal`.

use super::call::Call;
use super::error::PhoneError;
use super::events::EventListener;
use super::link::{Feed, Foreign, Link};
use super::options::{AnswerOptions, DialOptions, LoginOptions, PhoneConfig};
use super::process::Counted;
use super::waits::wait;
use super::{events, process};
use crate::api;
use crate::ffi::json::object;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A telephone: one user, one session.
///
/// Methods that are asynchronous complete when the command finishes: `login` at `session:ready`, `hangup` at the call's end;
/// `dial` as soon as the call exists. Ending the wait does not end the command. `tag` comes back in the events that the command
/// causes. When the object goes, the phone closes by itself; `shutdown` first, where foreign code must not be called any more.
#[derive(uniffi::Object)]
pub struct Phone {
    inner: api::Phone,
    link: Arc<Link>,
    calls: Mutex<HashMap<u64, Arc<Call>>>,
    /// Handle of the latest incoming call, 0 for none.
    incoming: Arc<AtomicU64>,
    /// Handle of the latest conference this phone was invited to, 0 for none.
    invited: Arc<AtomicU64>,
    _counted: Counted,
}

impl Phone {
    pub(super) fn api(&self) -> &api::Phone {
        &self.inner
    }

    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    pub(super) fn inner(&self) -> &api::Phone {
        &self.inner
    }

    /// The conference this phone was invited to, if the invitation lives.
    pub(super) fn invited(&self) -> Option<u64> {
        let handle = self.invited.load(Ordering::Acquire);
        Some(handle).filter(|handle| self.inner.call(*handle).state().is_some())
    }

    pub(super) async fn run(
        &self,
        method: &str,
        options: Value,
        call: Option<u64>,
        tag: Option<String>,
    ) -> Result<(), PhoneError> {
        wait(&self.link, self.inner.run_tagged(method, options, call, tag)).await.map(drop)
    }
}

/// Options as a JSON object; an empty text stands for none.
fn options(json: &str) -> Result<Value, PhoneError> {
    object(json, "options").map_err(|reason| PhoneError::Argument { reason })
}

#[uniffi::export]
impl Phone {
    /// A phone that is not logged in. No request is sent and no event is delivered yet.
    ///
    /// Errors: `Config` says which setting cannot be used, `System` when there are no threads, `Closed` when the process ends.
    #[uniffi::constructor(default(listener = None))]
    pub fn new(config: PhoneConfig, listener: Option<Arc<dyn EventListener>>) -> Result<Arc<Self>, PhoneError> {
        let inner = api::Phone::new(config.into())?;
        let link = process::link(listener.map(Foreign::Events));
        if link.is_cut() {
            return Err(PhoneError::Closed);
        }
        let incoming = Arc::new(AtomicU64::new(0));
        let invited = Arc::new(AtomicU64::new(0));
        let (feed, latest, asked) = (Feed(link.clone()), incoming.clone(), invited.clone());
        inner.on_any(move |event| {
            match (event.name(), event.item()) {
                ("call:incoming", Some(call)) => latest.store(call, Ordering::Release),
                ("conference:invitation-received", Some(conference)) => asked.store(conference, Ordering::Release),
                _ => {}
            }
            feed.0.deliver(|| events::Event::from(event));
        });
        let phone =
            Arc::new(Self { inner, link, calls: Mutex::default(), incoming, invited, _counted: Counted::phone() });
        process::add(&phone);
        Ok(phone)
    }

    /// Gives the Phone method `method` with its options as a JSON object and waits until it is accepted, not until it
    /// finishes; with `call`, on that call. Answers its value as JSON: that of a getter, `{"call": handle}` of `dial`,
    /// `{"conference": handle}` of `startConference`, else `null`.
    ///
    /// Errors: `Refused` with the code, `UnknownMethod`, `NotFound`, `Argument`, `Closed`, `Busy`.
    #[uniffi::method(default(options_json = "", call = None, tag = None))]
    pub async fn invoke(
        &self,
        method: String,
        options_json: String,
        call: Option<u64>,
        tag: Option<String>,
    ) -> Result<String, PhoneError> {
        let options = options(&options_json)?;
        let value = wait(&self.link, self.inner.accept_tagged(&method, options, call, tag)).await?;
        Ok(value.to_string())
    }

    /// As `invoke`, and waits until the command has finished.
    ///
    /// Errors: as `invoke`, and what the command failed of on the way.
    #[uniffi::method(default(options_json = "", call = None, tag = None))]
    pub async fn perform(
        &self,
        method: String,
        options_json: String,
        call: Option<u64>,
        tag: Option<String>,
    ) -> Result<String, PhoneError> {
        let options = options(&options_json)?;
        let value = wait(&self.link, self.inner.run_tagged(&method, options, call, tag)).await?;
        Ok(value.to_string())
    }

    /// Logs in. Completes at `session:ready`.
    ///
    /// Errors: 2002 without a token, 2003 while logged in, 1541 and other codes of the gateway, 0002 without an answer.
    #[uniffi::method(default(tag = None))]
    pub async fn login(&self, options: LoginOptions, tag: Option<String>) -> Result<(), PhoneError> {
        self.run("login", api::LoginOptions::from(options).to_json(), None, tag).await
    }

    /// Ends all calls and the session. Completes at `session:disconnected`.
    ///
    /// Errors: 2101 while not logged in.
    #[uniffi::method(default(tag = None))]
    pub async fn logout(&self, tag: Option<String>) -> Result<(), PhoneError> {
        self.run("logout", Value::Null, None, tag).await
    }

    /// Dials. Completes when the call exists, before it is answered.
    ///
    /// Errors: 2211 to 2213 for the destination, 2221 to 2232 for the media, 2241 while not logged in, 2251 and 2252 while
    /// there is another call.
    #[uniffi::method(default(tag = None))]
    pub async fn dial(&self, options: DialOptions, tag: Option<String>) -> Result<Arc<Call>, PhoneError> {
        let options = api::DialOptions::from(options).to_json();
        let value = wait(&self.link, self.inner.accept_tagged("dial", options, None, tag)).await?;
        let handle = value.get("call").and_then(Value::as_u64).ok_or(PhoneError::NotFound)?;
        Ok(self.call(handle))
    }

    /// Answers the incoming call and gives it. Completes at `call:connected`.
    ///
    /// Errors: 2311 and 2312 for the media, 2321 while not logged in, 2331 while nothing rings, 2341 while there is another
    /// call and no action; `NotFound` when it ended meanwhile.
    #[uniffi::method(default(tag = None))]
    pub async fn answer(&self, options: AnswerOptions, tag: Option<String>) -> Result<Arc<Call>, PhoneError> {
        // Named by its handle, so that the call that is given is the one that was answered.
        let handle = self.incoming.load(Ordering::Acquire);
        let target = Some(handle).filter(|handle| self.inner.call(*handle).state().is_some());
        self.run("answer", api::AnswerOptions::from(options).to_json(), target, tag).await?;
        target.map(|handle| self.call(handle)).ok_or(PhoneError::NotFound)
    }

    /// Refuses the incoming call. Completes at `call:rejected`.
    ///
    /// Errors: 3001 while not logged in, 3002 while nothing rings.
    #[uniffi::method(default(tag = None))]
    pub async fn reject(&self, tag: Option<String>) -> Result<(), PhoneError> {
        self.run("reject", Value::Null, None, tag).await
    }

    /// Withdraws the outgoing call before it is answered. Completes at `call:canceled`.
    ///
    /// Errors: 2901 while not logged in, 2902 while nothing is being dialled.
    #[uniffi::method(default(tag = None))]
    pub async fn cancel(&self, tag: Option<String>) -> Result<(), PhoneError> {
        self.run("cancel", Value::Null, None, tag).await
    }

    /// Ends the call in the foreground. Completes at `call:disconnected`.
    ///
    /// Errors: 2401 while not logged in, 2402 without a call.
    #[uniffi::method(default(tag = None))]
    pub async fn hangup(&self, tag: Option<String>) -> Result<(), PhoneError> {
        self.run("hangup", Value::Null, None, tag).await
    }

    /// Sends silence in the call in the foreground.
    ///
    /// Errors: 2701 while not logged in, 2702 without a call.
    #[uniffi::method(default(tag = None))]
    pub async fn mute(&self, tag: Option<String>) -> Result<(), PhoneError> {
        self.run("mute", Value::Null, None, tag).await
    }

    /// Sends the source in the call in the foreground again.
    ///
    /// Errors: 2801 while not logged in, 2802 without a call.
    #[uniffi::method(default(tag = None))]
    pub async fn unmute(&self, tag: Option<String>) -> Result<(), PhoneError> {
        self.run("unmute", Value::Null, None, tag).await
    }

    /// Asks the other side to make the audio call in the foreground a video call. Completes when it has answered, also when it
    /// does not want to: then this side's video is sent all the same, and its own does not come.
    ///
    /// Errors: 4601 while not logged in, 4602 without a call, 4603 while it is not connected or is changing, 4604 when it is a
    /// video call already; 0020 when its `localMedia` names no source of video; 4600 when it fails on the way.
    #[uniffi::method(default(tag = None))]
    pub async fn upgrade(&self, tag: Option<String>) -> Result<(), PhoneError> {
        self.run("upgrade", Value::Null, None, tag).await
    }

    /// Stops sending video in the call in the foreground, and asks the other side to do the same. Completes when it has
    /// answered; when it does not want to, its video goes on coming.
    ///
    /// Errors: 4501 while not logged in, 4502 without a call, 4503 while it is not connected or is changing, 4504 when it is an
    /// audio call already; 4500 when it fails on the way.
    #[uniffi::method(default(tag = None))]
    pub async fn downgrade(&self, tag: Option<String>) -> Result<(), PhoneError> {
        self.run("downgrade", Value::Null, None, tag).await
    }

    /// Agrees to the upgrade or downgrade that the other side has asked for. Completes when the change is made; both sides have
    /// the same media then.
    ///
    /// Errors: 4301 while not logged in, 4302 without a call, 4304 when nothing was asked for, 4303 in a wrong state; 0020 for
    /// an upgrade of a call whose `localMedia` names no source of video; 4300 when it fails on the way.
    #[uniffi::method(default(tag = None))]
    pub async fn accept_modification(&self, tag: Option<String>) -> Result<(), PhoneError> {
        self.run("acceptModification", Value::Null, None, tag).await
    }

    /// Does not follow the upgrade or downgrade that the other side has asked for: this side keeps its media, the other side
    /// changes its own. Completes when that is made.
    ///
    /// Errors: as `accept_modification`, with the codes of `rejectModification` (44xx), and never 0020.
    #[uniffi::method(default(tag = None))]
    pub async fn reject_modification(&self, tag: Option<String>) -> Result<(), PhoneError> {
        self.run("rejectModification", Value::Null, None, tag).await
    }

    /// Presses keys in the call in the foreground: `0-9`, `A-D`, `*`, `#`, and `,` for a pause of 2 s; `gap_ms` is the pause
    /// between two, 50 to 6000, 70 if absent. Completes when the last one was sent.
    ///
    /// Errors: 4712 for an empty text or another character, 4721 while not logged in, 4731 without a call, 4741 while it is not
    /// connected, 0000 when the other side takes none, 4700 when the call ends first or too many wait.
    #[uniffi::method(default(gap_ms = None, tag = None))]
    pub async fn send_dtmf_tone(
        &self,
        input: String,
        gap_ms: Option<u32>,
        tag: Option<String>,
    ) -> Result<(), PhoneError> {
        self.run("sendDTMFTone", json!({"input": input, "gap": gap_ms}), None, tag).await
    }

    /// The call or conference with this handle, as found in events. The same handle gives the same object while the call lives.
    pub fn call(&self, handle: u64) -> Arc<Call> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(call) = calls.get(&handle) {
            return call.clone();
        }
        // What was heard in an ended call may be read until another one comes: half a minute of audio is megabytes.
        calls.retain(|_, call| {
            let lives = call.lives();
            if !lives {
                call.release();
            }
            lives
        });
        let call = Arc::new(Call::new(self.inner.call(handle), self.link.clone()));
        calls.insert(handle, call.clone());
        call
    }

    /// Refuses a name that is not that of an event, as a subscription does: with an `error` event as well.
    ///
    /// Errors: 4901 for an empty name, 4902 for an unknown one.
    pub fn check_event_name(&self, name: String) -> Result<(), PhoneError> {
        Ok(self.inner.check_event_name(&name)?)
    }

    /// Begins to close the phone and never waits: calls end, the session is deleted, `phone:closed` is the last event.
    pub fn begin_close(&self) {
        self.inner.close();
    }

    /// Waits until the phone is closed and its last event was handled: recordings are complete. Does not close it by itself.
    pub async fn closed(&self) -> Result<(), PhoneError> {
        let done = async {
            self.inner.closed().await;
            Ok(())
        };
        wait(&self.link, done).await
    }

    /// Closes the phone, waits at most `timeout_ms` milliseconds for its last event, and stops the listener and whatever is
    /// awaited (it fails with `Closed`): no foreign code is called afterwards. Blocks, but not inside a callback. May be
    /// called again, and from a finalizer.
    #[uniffi::method(default(timeout_ms = 0))]
    pub fn shutdown(&self, timeout_ms: u64) {
        self.inner.close();
        self.link.wait_ended(Instant::now() + Duration::from_millis(timeout_ms));
        self.link.cut();
        let calls = std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner));
        calls.values().for_each(|call| call.release());
    }
}
