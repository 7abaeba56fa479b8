//! What the gateway says about calls and conferences, and what follows from it (rest-protocol.md sections 2.7, 3.3; phone-behaviour.md
//! sections 4, 5, 17). Changes of established calls stand in `changes`.
//!
//! Owns: polling, the routing of channel events, and the progress of calls. Lives on: the phone's actor. Must not
//! import: anything but the other machines of the core.

use super::call::{Call, CallMedia, CallState, Flow, Ordered, Phase, Until};
use super::conferences::create_code;
use super::errors::{Problem, ProblemKind, bounded, header};
use super::events;
use super::io::{Handle, HttpResponse, MediaOrder, NetworkFailure, NetworkFailureKind, Output};
use super::phone::{Life, PhoneCore, Turn};
use super::requests::{Draft, Purpose};
use super::session::SessionPhase;
use super::slots::MAX_ESTABLISHED;
use ewebrtc_wire::{
    DeleteReason, EventObject, EventState, Kind, Sdp, decode_events, header as names, item_id_of, session_id_of,
};
use std::time::Instant;

/// Most calls of lost POSTs that the phone cleans up after; each costs one request.
const MAX_LOST_POSTS: u8 = 16;

impl PhoneCore {
    // ---- polling -----------------------------------------------------------------------------------------------------

    fn may_poll(&self) -> bool {
        let open = match self.session.phase {
            SessionPhase::Ready | SessionPhase::ClosingCalls => true,
            SessionPhase::None | SessionPhase::Binding | SessionPhase::Creating | SessionPhase::Closing => false,
        };
        open && self.online && self.life == Life::Open && !self.channel.is_asking()
    }

    /// Asks for events, unless that is being done.
    pub(super) fn poll(&mut self, t: &mut Turn<'_>) {
        self.channel.next_at = None;
        if !self.may_poll() {
            return;
        }
        if let Some(sid) = self.session.id.clone() {
            if self.channel.socket.is_wanted() {
                return self.ask_for_socket(t, &sid);
            }
            let draft = Draft::poll(&sid, self.channel.after());
            let id = self.requests.send(draft, Purpose::Poll, t.out);
            self.channel.sent(id, t.now);
        }
    }

    /// Polls now: at once when none is in flight, else in place of the one in flight.
    pub(super) fn renew_poll(&mut self, t: &mut Turn<'_>) {
        if self.renew_socket(t) {
            return;
        }
        if let Some(id) = self.channel.replace() {
            // An answer of it that is already on the way still counts.
            self.requests.take(id);
            t.out.push(Output::CancelRequest { id });
        }
        self.poll(t);
    }

    pub(super) fn poll_at(&mut self, t: &mut Turn<'_>, at: Instant) {
        if at <= t.now {
            self.poll(t);
        } else if self.may_poll() {
            self.channel.next_at = Some(at);
        }
    }

    pub(super) fn on_polled(&mut self, t: &mut Turn<'_>, result: Result<HttpResponse, Problem>) {
        let took = self.channel.ended_poll(t.now);
        let read = result.and_then(|response| self.read_poll_body(&response));
        let problem = match read {
            Ok(events) => {
                self.channel_works(t);
                let at = self.channel.pace(took, events.is_empty(), t.now);
                self.take_events(t, events);
                return self.poll_at(t, at);
            }
            Err(problem) => problem,
        };
        let status = problem.error.http_status_code.as_deref().and_then(|s| s.parse().ok()).unwrap_or(0);
        if self.channel.refused_numbers(status) {
            return self.poll(t);
        }
        match problem.kind {
            ProblemKind::NotFound { .. } => self.expire(t, &problem.error),
            ProblemKind::NoAnswer | ProblemKind::Unreachable | ProblemKind::Refused => {
                self.channel_failed(t, &problem);
            }
        }
    }

    /// The channel has failed: told once in a series, and tried again after a while (P-22).
    pub(super) fn channel_failed(&mut self, t: &mut Turn<'_>, problem: &Problem) {
        if !self.online {
            // Known already; the channel goes on at connectivity:on.
            return;
        }
        let wait = self.channel.series.backoff.fail(&mut self.jitter);
        let silent = self.session.series.unreachable;
        let mut series = std::mem::take(&mut self.channel.series);
        self.report_in_series(t, &mut series, problem, silent);
        self.channel.series = series;
        let at = t.now + wait;
        self.poll_at(t, at);
    }

    /// The channel works (again).
    pub(super) fn channel_works(&mut self, t: &mut Turn<'_>) {
        if self.channel.series.recover() && !self.session.series.unreachable {
            t.event(events::session("gateway:reachable", self.session.id.as_deref(), None));
        }
    }

    /// The new events of a good poll answer, or why it cannot be read: that counts as no answer.
    pub(super) fn read_poll_body(&mut self, response: &HttpResponse) -> Result<Vec<EventObject>, Problem> {
        let events = if response.status != 200 || response.body.is_empty() {
            Vec::new()
        } else {
            decode_events(&response.body).map_err(|e| {
                let failure = NetworkFailure { kind: NetworkFailureKind::Malformed, text: e.to_string() };
                Problem::no_answer("GET events", &failure)
            })?
        };
        Ok(self.channel.take_events(events))
    }

    pub(super) fn take_events(&mut self, t: &mut Turn<'_>, events: Vec<EventObject>) {
        for event in events {
            self.on_event(t, event);
        }
    }

    // ---- channel events ----------------------------------------------------------------------------------------------

    fn on_event(&mut self, t: &mut Turn<'_>, event: EventObject) {
        if self.session.id.is_none() {
            return;
        }
        let Some(id) = item_id_of(&event.resource_url).map(str::to_owned) else { return };
        if event.state == EventState::InvitationReceived {
            return self.on_invitation(t, id, event);
        }
        if let Some(handle) = self.slots.by_id(&id) {
            return self.on_item_event(t, handle, event);
        }
        if self.channel.has_ended(&id) {
            return;
        }
        if self.requests.any(is_post) {
            self.channel.keep_orphan(id, event);
        } else if self.channel.lost_posts > 0 && event.state == EventState::SessionOpen {
            // A call of ours whose 201 never came has been answered: nobody here knows it, so it ends.
            self.channel.lost_posts -= 1;
            self.tell_end(t, event.kind, id.clone(), DeleteReason::Terminate);
            self.channel.remember_ended(id);
        } else {
            log::debug!("event {} about an unknown item", event.state.as_str());
        }
    }

    fn on_invitation(&mut self, t: &mut Turn<'_>, id: String, event: EventObject) {
        let ours = session_id_of(&event.resource_url) == self.session.id.as_deref();
        if !ours || self.slots.by_id(&id).is_some() || self.channel.has_ended(&id) {
            return;
        }
        let from = bounded(event.from.as_deref().unwrap_or_default());
        let refusal = if self.session.phase != SessionPhase::Ready {
            Some(None)
        } else if self.slots.pending().is_some() {
            Some(Some("Another call is being set up; the invitation was declined as busy."))
        } else if self.slots.established().len() >= MAX_ESTABLISHED {
            Some(Some("Two calls are established; the invitation was declined as busy."))
        } else {
            None
        };
        if let Some(message) = refusal {
            if let Some(message) = message {
                let sdp = event.sdp.as_deref().and_then(|text| Sdp::parse(text).ok());
                let media = sdp.map_or(CallMedia::Audio, |sdp| CallMedia::of(sdp.media_type()));
                t.event(events::declined(&from, media.as_str(), events::kind_text(event.kind), message));
            }
            self.tell_end(t, event.kind, id.clone(), DeleteReason::Reject);
            self.channel.remember_ended(id);
            return;
        }
        let handle = self.take_handle();
        let call = Call::incoming(event.kind, handle, self.slots.next_index(), id, from, event.sdp);
        t.event(events::invitation("call:incoming", &call));
        self.slots.insert_pending(call);
    }

    pub(super) fn on_item_event(&mut self, t: &mut Turn<'_>, handle: Handle, event: EventObject) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        call.named(event.from.as_deref(), false);
        if event.state == EventState::SessionTerminated {
            self.transfer_was_taken(t, handle);
            let Some(call) = self.slots.get_mut(handle) else { return };
            let (end, message) = call.classify(event.reason.as_deref());
            return self.end_call(t, handle, end, message, None);
        }
        // News of the parties of a conference have nothing to do with a change of this leg.
        let event = match event.state {
            EventState::ModTerminated => match self.take_party_news(t, handle, event) {
                Some(event) => event,
                None => return,
            },
            _ => event,
        };
        let Some(call) = self.slots.get_mut(handle) else { return };
        if call.defers_events() {
            // It may have overtaken the answer of the PUT, which travels on another connection.
            return call.defer(event);
        }
        match event.state {
            EventState::SessionModified if call.phase == Phase::Talking => self.on_session_modified(t, handle, &event),
            EventState::SessionOpen | EventState::SessionModified => self.on_open(t, handle, &event),
            EventState::ModReceived => self.on_mod_received(t, handle, event),
            EventState::ModTerminated => self.on_mod_terminated(t, handle, &event),
            EventState::MoveTerminated => self.on_move_terminated(t, handle, &event),
            EventState::TransferInitiated => self.on_transfer_initiated(t, handle),
            EventState::TransferTerminated => self.on_transfer_terminated(t, handle, &event),
            EventState::InvitationReceived | EventState::SessionTerminated | EventState::Other(_) => {
                log::debug!("event {} changes nothing", event.state.as_str())
            }
        }
    }

    /// `session-open` and `session-modified` of a call that waits for them; anywhere else they change nothing.
    fn on_open(&mut self, t: &mut Turn<'_>, handle: Handle, event: &EventObject) {
        let Some(call) = self.slots.get_mut(handle).filter(|call| call.phase == Phase::Awaiting) else { return };
        // A description is an answer to our offer: of an outgoing call, or of an answer that carried an offer.
        let wanted = match call.flow {
            Flow::Outgoing => !call.answer_applied,
            Flow::Incoming => call.offer.is_none() && !call.answer_applied,
        };
        let provisional = event.provisional_sdp && event.state == EventState::SessionOpen;
        if let Some(text) = event.sdp.as_ref().filter(|_| wanted) {
            match Sdp::parse(text) {
                Ok(sdp) => {
                    call.take_remote(&sdp);
                    call.answer_applied = true;
                    call.remote_sdp = Some(text.clone());
                    call.ordered.push_back(Ordered::FirstAnswer);
                    call.ringback_due = provisional && call.flow == Flow::Outgoing && call.kind() == Kind::Call;
                    t.media(handle, MediaOrder::ApplyAnswer { sdp: text.clone() });
                    if provisional {
                        t.media(handle, MediaOrder::Listen);
                    }
                }
                Err(_) if provisional => return,
                Err(e) => {
                    let problem = Problem::own("0000", &format!("the answer cannot be read: {e}"));
                    return self.fail_call(t, handle, &problem, CallState::Disconnected);
                }
            }
        }
        if !provisional {
            self.connected(t, handle);
        }
    }

    fn connected(&mut self, t: &mut Turn<'_>, handle: Handle) {
        if let Some(call) = self.slots.get_mut(handle) {
            call.phase = Phase::Talking;
            call.ringback_due = false;
        }
        t.media(handle, MediaOrder::Activate);
        // Still in the background for this event (P-9).
        self.change_state(t, handle, CallState::Connected);
        let first = self.slots.foreground().map(|call| call.handle);
        self.slots.promote(handle);
        let tag = self.slots.get(handle).and_then(|call| call.cause.clone());
        self.reached(t, handle, "call:connected", Until::Connected);
        self.release_early_keys(t, handle);
        self.second_connected(t, first, handle, tag);
        if self.slots.get(handle).is_some_and(|call| call.first_audio) {
            self.establish_media(t, handle);
        }
    }

    /// Publishes the event of a state and finishes the commands that waited for it.
    fn reached(&mut self, t: &mut Turn<'_>, handle: Handle, name: &'static str, until: Until) {
        let own = self.own.clone();
        let Some(call) = self.slots.get_mut(handle) else { return };
        t.event(events::call(name, call, own.as_deref()));
        let item = call.item();
        for waiting in call.finished_by(until) {
            if call.cause == waiting.tag {
                call.cause = None;
            }
            t.event(events::finished(waiting.tag, Some(item), None));
        }
    }

    pub(super) fn establish_media(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let own = self.own.clone();
        let Some(call) = self.slots.get_mut(handle).filter(|call| !call.established) else { return };
        call.established = true;
        t.event(events::call("media:established", call, own.as_deref()));
    }

    // ---- answers of the gateway --------------------------------------------------------------------------------------

    pub(super) fn on_call_created(
        &mut self,
        t: &mut Turn<'_>,
        handle: Handle,
        kind: Kind,
        result: Result<HttpResponse, Problem>,
    ) {
        let waiting = self.slots.get(handle).is_some_and(|call| call.phase == Phase::Posting);
        let lost = result.as_ref().err().is_some_and(|problem| problem.kind == ProblemKind::NoAnswer);
        match result {
            Err(problem) => {
                if lost && self.channel.lost_posts < MAX_LOST_POSTS {
                    self.channel.lost_posts += 1;
                }
                if problem.kind == (ProblemKind::NotFound { session: true }) {
                    self.expire(t, &problem.error);
                } else if waiting {
                    self.fail_call(t, handle, &problem, CallState::Disconnected);
                }
            }
            Ok(response) => {
                let id = header(&response, names::LOCATION).and_then(item_id_of).map(str::to_owned);
                let usable = id.filter(|id| self.slots.by_id(id).is_none() && !self.channel.has_ended(id));
                match usable {
                    // Cancelled meanwhile (P-64): DELETE follows the 201.
                    Some(id) if !waiting => {
                        self.tell_end(t, kind, id.clone(), DeleteReason::Cancel);
                        self.channel.remember_ended(id);
                    }
                    Some(id) => self.call_accepted(t, handle, id),
                    None if waiting => {
                        self.channel.lost_posts = (self.channel.lost_posts + 1).min(MAX_LOST_POSTS);
                        let problem = Problem::own(create_code(kind), "the answer names nothing new");
                        self.fail_call(t, handle, &problem, CallState::Disconnected);
                    }
                    None => {}
                }
            }
        }
        if !self.requests.any(is_post) {
            self.channel.drop_orphans();
        }
    }

    fn call_accepted(&mut self, t: &mut Turn<'_>, handle: Handle, id: String) {
        if let Some(call) = self.slots.get_mut(handle) {
            call.id = Some(id.clone());
            call.phase = Phase::Awaiting;
        }
        self.change_state(t, handle, CallState::Connecting);
        self.reached(t, handle, "call:connecting", Until::Connecting);
        for event in self.channel.adopt(&id) {
            self.on_item_event(t, handle, event);
        }
    }

    pub(super) fn on_answered(&mut self, t: &mut Turn<'_>, handle: Handle, result: Result<HttpResponse, Problem>) {
        let Some(call) = self.slots.get_mut(handle).filter(|call| call.phase == Phase::Answering) else {
            if let Err(problem) = result
                && problem.kind == (ProblemKind::NotFound { session: true })
            {
                self.expire(t, &problem.error);
            }
            return;
        };
        match result {
            Err(problem) if problem.kind == (ProblemKind::NotFound { session: true }) => self.expire(t, &problem.error),
            Err(problem) => self.fail_call(t, handle, &problem, CallState::Disconnected),
            Ok(_) => {
                call.phase = Phase::Awaiting;
                let deferred = std::mem::take(&mut call.deferred);
                self.change_state(t, handle, CallState::Connecting);
                self.reached(t, handle, "call:connecting", Until::Connecting);
                for event in deferred {
                    self.on_item_event(t, handle, event);
                }
            }
        }
    }

    /// The answer of the user goes on: `answering`, then the local description.
    pub(super) fn prepare_answer(&mut self, t: &mut Turn<'_>, handle: Handle) {
        let Some(call) = self.slots.get_mut(handle) else { return };
        call.phase = Phase::Preparing;
        t.event(events::invitation("answering", call));
        let (local, remote) = (call.local_media.clone(), call.remote_media.clone());
        // Conferences are joined with audio.
        let video =
            call.media == CallMedia::Video && call.has_video_source() && !call.audio_only && call.kind() == Kind::Call;
        let order = match call.offer.clone() {
            Some(offer) => MediaOrder::Answer { offer, local, remote, video },
            // An invitation without a description: the answer carries an offer (section 2.7.3).
            None => MediaOrder::Offer { local, remote, video },
        };
        self.order_first(t, handle, order);
    }

    /// The order with which an item's leg begins.
    pub(super) fn order_first(&mut self, t: &mut Turn<'_>, handle: Handle, order: MediaOrder) {
        if let Some(call) = self.slots.get_mut(handle) {
            call.leg = true;
            call.ordered.push_back(Ordered::FirstDescription);
            t.media(handle, order);
        }
    }
}

fn is_post(purpose: &Purpose) -> bool {
    match purpose {
        Purpose::CreateCall { .. } => true,
        Purpose::Associate
        | Purpose::CreateSession
        | Purpose::Refresh
        | Purpose::DeleteSession
        | Purpose::AssociateE911 { .. }
        | Purpose::Poll
        | Purpose::OpenSocket
        | Purpose::AnswerCall { .. }
        | Purpose::ChangeCall { .. }
        | Purpose::TransferCall { .. }
        | Purpose::DeleteCall { .. }
        | Purpose::Invite { .. }
        | Purpose::Expel { .. }
        | Purpose::Owed { .. }
        | Purpose::Farewell => false,
    }
}
