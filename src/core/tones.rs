//! Keys: those that the user sends in a call, and those that the other side presses (phone-behaviour.md section 15, P-12).
//!
//! Owns: [`Row`], the method sendDTMFTone after its checks, what the media side says about tones. Lives on: the phone's
//! actor. Must not import: anything but the other machines of the core.
//!
//! The media side plays the tones of a call one after the other, in the order of the commands, and says of each when it
//! begins and when it has ended; a comma is a pause and only ends. So the oldest row is always the one spoken of.

use super::call::{Call, Phase};
use super::errors::{Problem, sdk};
use super::events;
use super::io::{ErrorObject, Handle, MediaOrder};
use super::phone::{PhoneCore, Turn};
use serde_json::Value;
use std::time::{Duration, Instant};

/// What may be sent: the keys and the pause.
pub(super) const CHARACTERS: &str = "0123456789ABCDabcd*#,";
/// Why nothing can be sent.
pub(super) const NO_TELEPHONE_EVENTS: &str = "the other side takes no telephone events";
/// Tones and pauses of one call that may wait.
pub(super) const MOST_TONES: usize = 256;
/// Keys kept that were pressed before this side knew that the call is established.
const MOST_EARLY: usize = 32;

/// The gap between two tones in milliseconds: what an absent option or one that is no number means, and its bounds.
const GAP: f64 = 70.0;
const GAP_BOUNDS: (f64, f64) = (50.0, 6_000.0);

/// The tones of one command that have not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) tag: Option<String>,
    /// How many of them there are.
    left: usize,
    /// The one that sounds, and when it began.
    began: Option<(char, Instant)>,
}

impl Row {
    /// The error of a command whose tones will not be sent.
    pub(super) fn unsent(information: &str) -> ErrorObject {
        sdk("4700", Some(information.to_owned()))
    }
}

/// What the option `gap` means.
fn gap(options: &Value) -> Duration {
    let wanted = options.get("gap").and_then(Value::as_f64).unwrap_or(GAP);
    Duration::from_secs_f64(wanted.clamp(GAP_BOUNDS.0, GAP_BOUNDS.1) / 1_000.0)
}

impl Call {
    /// Tones and pauses that have not ended.
    pub(super) fn tones_left(&self) -> usize {
        self.tones.iter().map(|row| row.left).sum()
    }

    /// Whether the last description of the other side has telephone events of a kind that we can send.
    pub(super) fn takes_tones(&self) -> bool {
        let audio = |section: &&Value| section.get("type").is_some_and(|kind| kind == "audio");
        let section = self.codec.as_array().into_iter().flatten().find(audio);
        let mut payloads =
            section.and_then(|section| section.get("rtp")).and_then(Value::as_array).into_iter().flatten();
        payloads.any(|payload| {
            let name = payload.get("codec").and_then(Value::as_str).unwrap_or_default();
            let rate = payload.get("rate").and_then(Value::as_u64);
            name.eq_ignore_ascii_case("telephone-event") && matches!(rate, Some(8_000 | 48_000))
        })
    }
}

impl PhoneCore {
    /// sendDTMFTone: behind what is still to be sent. Finishes when its last tone or pause has ended.
    pub(super) fn send_tones(
        &mut self,
        t: &mut Turn<'_>,
        handle: Option<Handle>,
        tag: Option<String>,
        options: &Value,
    ) {
        let Some(call) = handle.and_then(|handle| self.slots.get_mut(handle)) else { return };
        let input = options.get("input").and_then(Value::as_str).unwrap_or_default();
        call.tones.push_back(Row { tag, left: input.chars().count(), began: None });
        t.media(call.handle, MediaOrder::Tones { keys: input.to_ascii_uppercase(), gap: gap(options) });
    }

    pub(super) fn on_tone_began(&mut self, t: &mut Turn<'_>, handle: Handle, key: char) {
        let own = self.own.clone();
        let Some(call) = self.slots.get_mut(handle) else { return };
        let Some(row) = call.tones.front_mut().filter(|row| row.began.is_none()) else { return };
        row.began = Some((key, t.now));
        let tag = row.tag.clone();
        t.event(events::tone("dtmf:tone-sending", call, own.as_deref(), key, tag));
    }

    pub(super) fn on_tone_ended(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let own = self.own.clone();
        let Some(call) = self.slots.get_mut(handle) else { return };
        let Some(row) = call.tones.front_mut() else { return };
        row.left = row.left.saturating_sub(1);
        let (done, tag) = (row.left == 0, row.tag.clone());
        if let Some((key, began)) = row.began.take() {
            let mut event = events::tone("dtmf:tone-sent", call, own.as_deref(), key, tag.clone());
            event.age = t.now.saturating_duration_since(began);
            t.event(event);
        }
        if done {
            call.tones.pop_front();
            t.event(events::finished(tag, Some(call.item()), None));
        }
    }

    /// The other side takes no telephone events any more.
    pub(super) fn on_tones_refused(&mut self, t: &mut Turn<'_>, handle: Handle, text: &str) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        let item = call.item();
        let error = Problem::own("0000", text).error;
        for row in std::mem::take(&mut call.tones) {
            t.event(events::error(&error, Some(item), row.tag.clone()));
            t.event(events::finished(row.tag, Some(item), Some(&error)));
        }
    }

    /// The other side has pressed a key. It may know of the connection before this side does; then the key waits for it.
    pub(super) fn on_key(&mut self, t: &mut Turn<'_>, handle: Handle, key: char) {
        let own = self.own.clone();
        let Some(call) = self.slots.get_mut(handle) else { return };
        if call.phase == Phase::Talking {
            t.event(events::tone("dtmf:received", call, own.as_deref(), key, None));
        } else if call.early_keys.len() < MOST_EARLY {
            call.early_keys.push(key);
        }
    }

    /// Publishes the keys that came before the call was established.
    pub(super) fn release_early_keys(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let early = self.slots.get_mut(handle).map(|call| std::mem::take(&mut call.early_keys));
        for key in early.unwrap_or_default().chars() {
            self.on_key(t, handle, key);
        }
    }
}
