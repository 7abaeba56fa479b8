//! A call or conference of a phone.
//!
//! Owns: [`Call`], [`CallInfo`]. Lives on: any thread. Must not import: `signal`, `core`'s machines.

use super::conferences::Participant;
use super::error::Error;
use super::event::Event;
use super::phone::Phone;
use crate::audio::{VideoReader, VideoWriter};
use crate::core::io::ErrorObject;
use crate::runtime::{lock, request_key_frame, stats};
use ewebrtc_media::{LegStats, PcmReader, PcmWriter};
use serde_json::Value;

/// An entry of `getCalls`.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
pub struct CallInfo {
    /// Ordinal among the live items.
    pub index: u64,
    /// State, e.g. `connected`.
    pub state: String,
    /// `call` or `conference`.
    pub breed: String,
    /// `Outgoing` or `Incoming`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The other party: the dialled text, or the address as the gateway gave it. Empty for conferences.
    #[serde(default)]
    pub peer: String,
    /// Who is in a conference of this phone.
    #[serde(default)]
    pub participants: Vec<Participant>,
}

/// How a call or conference has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct CallEnd {
    event: Event,
    error: Option<ErrorObject>,
}

impl CallEnd {
    /// The event that ended it: `call:disconnected`, `call:rejected`, `call:canceled`, or that of a conference. It may still be
    /// on its way to handlers.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// What the last `error` event of the call said; `None` when there was none.
    pub fn error(&self) -> Option<&ErrorObject> {
        self.error.as_ref()
    }
}

/// A call or conference, by its handle. It stays valid to hold after the call has ended; its methods answer
/// [`Error::NotFound`] then, and [`Call::end`] says how it has ended.
#[derive(Clone)]
pub struct Call {
    phone: Phone,
    handle: u64,
}

impl Call {
    pub(crate) fn new(phone: Phone, handle: u64) -> Self {
        Self { phone, handle }
    }

    /// The handle: never used twice in this process, and the value of `call` or `conference` in events.
    pub fn handle(&self) -> u64 {
        self.handle
    }

    /// The phone it belongs to.
    pub fn phone(&self) -> &Phone {
        &self.phone
    }

    /// Waits until the call or conference is connected.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it has ended already; [`Error::System`] with the name and message of the event that ended it
    /// meanwhile; [`Error::Closed`].
    pub async fn connected(&self) -> Result<(), Error> {
        let mut events = self.phone.events();
        match self.state() {
            None => return Err(Error::NotFound),
            Some(state) if matches!(state.as_str(), "created" | "connecting") => {}
            Some(_) => return Ok(()),
        }
        while let Some(event) = events.next().await {
            if event.item() != Some(self.handle) {
                continue;
            }
            match event.name() {
                "call:connected" | "conference:connected" => return Ok(()),
                _ if event.ends_item() => {
                    let detail = event.text("message").map(|m| format!(": {m}")).unwrap_or_default();
                    return Err(Error::System(format!("{}{detail}", event.name())));
                }
                _ => {}
            }
        }
        Err(Error::Closed)
    }

    /// State of the call, e.g. `connecting` or `connected` (phone-behaviour.md section 4); `None` when it has ended.
    pub fn state(&self) -> Option<String> {
        self.phone.item_state(self.handle)
    }

    /// How the call has ended: there as soon as [`Call::state`] is not, and as soon as a method answers [`Error::NotFound`] because
    /// of it. `None` while it lives, when there never was such a call, and when 64 others of the phone have ended since.
    pub fn end(&self) -> Option<CallEnd> {
        let end = self.phone.item_end(self.handle)?;
        Some(CallEnd { event: Event::new(end.event), error: end.error })
    }

    /// Ends the call in whatever way its state demands: cancels, rejects or hangs up. Completes with the call's end.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it has ended already; codes of `hangup`, `cancel`, `reject`.
    pub async fn hangup(&self) -> Result<(), Error> {
        self.finish("hangup").await
    }

    /// Sends silence from now on; packets continue. Event `call:muted`, or `warning` when it is muted already.
    ///
    /// # Errors
    /// [`Error::NotFound`]; 2702 before the call is connected.
    pub async fn mute(&self) -> Result<(), Error> {
        self.finish("mute").await
    }

    /// Sends the source again. Event `call:unmuted`, or `warning` when it is not muted.
    ///
    /// # Errors
    /// [`Error::NotFound`]; 2802 before the call is connected.
    pub async fn unmute(&self) -> Result<(), Error> {
        self.finish("unmute").await
    }

    async fn finish(&self, method: &str) -> Result<(), Error> {
        self.phone.run(method, Value::Null, Some(self.handle)).await
    }

    /// Where the program writes what the other party hears, of a call with `localMedia` `pcm`; `None` otherwise, or when it was
    /// taken before.
    pub fn pcm_writer(&self) -> Option<PcmWriter> {
        lock(self.phone.media()).get_mut(&self.handle)?.ends.writer.take()
    }

    /// Where the program reads what the other party says, of a call with `remoteMedia` `pcm`; `None` otherwise, or when it was
    /// taken before.
    pub fn pcm_reader(&self) -> Option<PcmReader> {
        lock(self.phone.media()).get_mut(&self.handle)?.ends.reader.take()
    }

    /// Where the program writes what the other party sees, of a call with `localMedia` `…;video=frames`; `None` otherwise, or
    /// when it was taken before. It is there from the call's beginning, also while the call has no video.
    pub fn video_writer(&self) -> Option<VideoWriter> {
        lock(self.phone.media()).get_mut(&self.handle)?.ends.video_writer.take()
    }

    /// Where the program takes what the other party shows, of a call with `remoteMedia` `…;video=frames`; `None` otherwise, or
    /// when it was taken before.
    pub fn video_reader(&self) -> Option<VideoReader> {
        lock(self.phone.media()).get_mut(&self.handle)?.ends.video_reader.take()
    }

    /// Asks the other party for a key frame, for a program that takes frames and cannot go on without one. After a loss the
    /// library asks by itself.
    ///
    /// # Errors
    /// [`Error::NotFound`] before the call has media and after its end.
    pub fn request_key_frame(&self) -> Result<(), Error> {
        if request_key_frame(self.phone.media(), self.handle) { Ok(()) } else { Err(Error::NotFound) }
    }

    /// Packets, loss, concealment, level of the call's audio, and in `video` what became of its pictures; `None` before it has
    /// media and after its end.
    pub fn stats(&self) -> Option<LegStats> {
        stats(self.phone.media(), self.handle)
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Call({})", self.handle)
    }
}
