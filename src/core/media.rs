//! What the media side says about a call, and what follows from it (phone-behaviour.md section 18, P-8, P-35).
//!
//! Owns: the reports of the media side. Lives on: the phone's actor. Must not import: anything but the other machines of
//! the core.

use super::call::{Call, CallMedia, CallState, Ordered, Phase};
use super::errors::Problem;
use super::events;
use super::io::{Handle, MediaFailure, MediaReport};
use super::phone::{PhoneCore, Turn};
use super::requests::{Draft, Purpose};
use ewebrtc_wire::{CallAction, Kind, MediaType, Sdp};

impl PhoneCore {
    pub(super) fn on_media(&mut self, t: &mut Turn<'_>, handle: Handle, report: MediaReport) {
        if self.slots.get(handle).is_none_or(Call::is_ending) {
            return;
        }
        match report {
            MediaReport::LocalDescription { sdp } => self.on_local_description(t, handle, sdp),
            MediaReport::Applied => self.on_applied(t, handle),
            MediaReport::FirstAudio => {
                self.on_early_media(t, handle);
                let Some(call) = self.slots.get_mut(handle) else { return };
                call.first_audio = true;
                if call.phase == Phase::Talking {
                    self.establish_media(t, handle);
                }
            }
            MediaReport::Failed { kind, text } => {
                let code = match kind {
                    MediaFailure::Denied => "0020",
                    MediaFailure::Internal => "0000",
                };
                self.order_failed(t, handle, kind, Problem::own(code, &text));
            }
            MediaReport::Lost { text } => self.on_lost(t, handle, &text),
            MediaReport::Interrupted => {
                self.on_interruption(t, handle, true);
                self.on_silence(handle);
            }
            MediaReport::Recovered => {
                self.on_interruption(t, handle, false);
                self.path_is_back(handle);
            }
            MediaReport::ToneBegan { key } => self.on_tone_began(t, handle, key),
            MediaReport::ToneEnded => self.on_tone_ended(t, handle),
            MediaReport::TonesRefused { text } => self.on_tones_refused(t, handle, &text),
            MediaReport::KeyHeard { key } => self.on_key(t, handle, key),
        }
    }

    fn on_local_description(&mut self, t: &mut Turn<'_>, handle: Handle, sdp: String) {
        let Some(sid) = self.session.id.clone() else { return };
        let Some(call) = self.slots.get_mut(handle) else { return };
        if let Some(Ordered::Description(number)) = call.description_came() {
            return self.on_change_description(t, handle, number, sdp);
        }
        match call.phase {
            Phase::Offering => {
                call.phase = Phase::Posting;
                let kind = call.kind();
                let draft = match kind {
                    Kind::Call => Draft::create_call(&sid, &call.called_party, &sdp),
                    Kind::Conference => Draft::create_conference(&sid, &sdp),
                };
                call.local_sdp = Some(sdp);
                self.requests.send(draft, Purpose::CreateCall { item: handle, kind }, t.out);
            }
            Phase::Preparing => {
                let Some(id) = call.id.clone() else { return };
                // A video offer answered as audio: from here on the call is an audio call (P-6).
                if Sdp::parse(&sdp).is_ok_and(|own| own.media_type() == MediaType::Audio) {
                    call.media = CallMedia::Audio;
                }
                call.phase = Phase::Answering;
                let draft = Draft::action(call.kind(), &sid, &id, CallAction::Answer, None, &sdp);
                call.local_sdp = Some(sdp);
                if let Some(draft) = draft {
                    self.requests.send(draft, Purpose::AnswerCall { item: handle }, t.out);
                }
            }
            Phase::Posting
            | Phase::Ringing
            | Phase::Queued
            | Phase::Answering
            | Phase::Awaiting
            | Phase::Talking
            | Phase::Ending
            | Phase::Grace(_) => log::debug!("call {handle}: a description that nobody asked for"),
        }
    }

    fn on_applied(&mut self, t: &mut Turn<'_>, handle: Handle) {
        if let Some(call) = self.slots.get_mut(handle)
            && matches!(call.ordered.front(), Some(Ordered::FirstAnswer | Ordered::Answer))
        {
            call.ordered.pop_front();
        }
        self.on_early_media(t, handle);
    }

    fn on_early_media(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let own = self.own.clone();
        let Some(call) = self.slots.get_mut(handle).filter(|call| call.ringback_due) else { return };
        call.ringback_due = false;
        t.event(events::call("call:ringback-provided", call, own.as_deref()));
    }

    /// The oldest order without an outcome has failed. In a change the call goes on.
    fn order_failed(&mut self, t: &mut Turn<'_>, handle: Handle, kind: MediaFailure, problem: Problem) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        match call.ordered.pop_front() {
            Some(Ordered::Description(number)) => self.change_media_failed(t, handle, number, &problem),
            // The other side has changed already; the user hears of it and decides.
            Some(Ordered::Answer) => {
                let (item, cause) = (call.item(), call.cause.clone());
                t.event(events::error(&problem.error, Some(item), cause));
            }
            Some(Ordered::FirstDescription | Ordered::FirstAnswer) | None => {
                self.media_failed(t, handle, &problem, kind == MediaFailure::Denied);
            }
        }
    }

    /// The transport is lost. After a move or a transfer it is that of a leg which the gateway is about to end.
    fn on_lost(&mut self, t: &mut Turn<'_>, handle: Handle, text: &str) {
        let Some(call) = self.slots.get(handle) else { return };
        if !matches!(call.state, CallState::Moved | CallState::Transferred) && !self.outlives_loss(t.now, handle, text)
        {
            self.media_failed(t, handle, &Problem::own("0000", text), false);
        }
    }

    /// Media cannot go on: the error, then the end of the item. Refused media on an incoming item rejects it (section 18).
    pub(super) fn media_failed(&mut self, t: &mut Turn<'_>, handle: Handle, problem: &Problem, denied: bool) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        let end = match call.phase {
            Phase::Preparing if denied => CallState::Rejected,
            Phase::Offering
            | Phase::Posting
            | Phase::Preparing
            | Phase::Answering
            | Phase::Awaiting
            | Phase::Talking => CallState::Disconnected,
            // No leg was asked for, or it is closing.
            Phase::Ringing | Phase::Queued | Phase::Ending | Phase::Grace(_) => return,
        };
        self.fail_call(t, handle, problem, end);
    }

    fn on_interruption(&mut self, t: &mut Turn<'_>, handle: Handle, interrupted: bool) {
        let own = self.own.clone();
        let Some(call) = self.slots.get_mut(handle).filter(|call| call.phase == Phase::Talking) else { return };
        // A hold stops the packets on purpose.
        if interrupted && (call.holding || call.peer_held || call.is_changing()) {
            return;
        }
        if call.interrupted != interrupted {
            call.interrupted = interrupted;
            let name = if interrupted { "media:interrupted" } else { "media:recovered" };
            t.event(events::call(name, call, own.as_deref()));
        }
    }
}
