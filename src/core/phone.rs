//! The phone: one value that holds the machines, takes commands, inputs and time, and says what is to be done.
//!
//! Owns: [`PhoneCore`], the acceptance of commands and the routing of answers and timers. Lives on: the phone's actor, by
//! value, one thread at a time. Must not import: anything but the other machines of the core; no clock, no I/O.

use super::backoff::Jitter;
use super::call::{Call, CallState, Flow, MAX_WAITING, Phase, Until, Waiting};
use super::channel::Channel;
use super::conference::Roster;
use super::errors::{Problem, ProblemKind, sdk};
use super::events;
use super::io::{
    Command, CoreConfig, Event, Handle, HttpResponse, Input, ItemRef, MediaOrder, NetworkFailure, Output, Refusal,
    RequestId,
};
use super::methods::{Method, Verdict, option};
use super::modification::{Operation, Transfer};
use super::owed::Owed;
use super::requests::{Purpose, Requests};
use super::session::{Session, SessionPhase};
use super::slots::Slots;
use ewebrtc_wire::{DEFAULT_DOMAIN, Kind};
use serde_json::{Value, json};
use std::time::Instant;

/// Is the phone in use?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Open,
    /// Everything has ended here; the last words to the gateway are under way.
    Closing {
        /// Until then the DELETEs of calls may delay that of the session.
        calls_until: Instant,
        /// Then the phone closes whatever is still in flight.
        until: Instant,
    },
    Closed,
}

/// One entry into the core: the time, and where its wishes go.
pub(super) struct Turn<'a> {
    pub(super) now: Instant,
    pub(super) out: &'a mut Vec<Output>,
}

impl Turn<'_> {
    pub(super) fn event(&mut self, event: Event) {
        self.out.push(Output::Event(event));
    }

    pub(super) fn media(&mut self, item: Handle, order: MediaOrder) {
        self.out.push(Output::Media { item, order });
    }
}

/// The sans-IO phone. It never waits, never panics on input, and keeps every queue bounded.
///
/// The owner feeds it commands, inputs and the time, carries out the [`Output`]s in order, and calls
/// [`PhoneCore::handle_timeout`] when [`PhoneCore::poll_timeout`] says so.
#[derive(Debug)]
pub struct PhoneCore {
    pub(super) config: CoreConfig,
    pub(super) life: Life,
    pub(super) online: bool,
    pub(super) jitter: Jitter,
    pub(super) requests: Requests,
    pub(super) session: Session,
    pub(super) channel: Channel,
    pub(super) slots: Slots,
    /// Ends that the gateway has not heard of.
    pub(super) owed: Vec<Owed>,
    /// Number of the last of them.
    pub(super) last_owed: u64,
    /// Identity of this phone in `from` and `to` (P-2).
    pub(super) own: Option<String>,
    /// Domain of the address that the gateway named at login.
    pub(super) named_domain: Option<String>,
    next_handle: Handle,
    local_media: String,
    remote_media: String,
}

impl PhoneCore {
    /// A phone that is online, without a session.
    pub fn new(config: CoreConfig) -> Self {
        Self {
            life: Life::Open,
            online: true,
            jitter: Jitter::new(config.seed),
            requests: Requests::default(),
            session: Session::default(),
            channel: Channel::new(),
            slots: Slots::default(),
            owed: Vec::new(),
            last_owed: 0,
            own: None,
            named_domain: None,
            next_handle: config.first_handle,
            local_media: config.local_media.clone(),
            remote_media: config.remote_media.clone(),
            config,
        }
    }

    /// The same phone, online or not from the beginning; no event tells of it.
    pub fn starting(self, online: bool) -> Self {
        Self { online, ..self }
    }

    /// Takes a command. Accepted: its value (getters; `{"call": handle}` for dial and addCall, `{"conference": handle}` for
    /// startConference; else null), and the outputs it causes.
    /// `command:finished` comes exactly once for each accepted command, except for getters without a tag.
    ///
    /// # Errors
    /// [`Refusal::Sdk`] with the code of the first check that failed; the `error` event is among the outputs. The other
    /// refusals are faults of the boundary and leave no output.
    pub fn command(&mut self, now: Instant, command: Command, out: &mut Vec<Output>) -> Result<Value, Refusal> {
        let mut t = Turn { now, out };
        if self.life != Life::Open {
            return Err(Refusal::Closed);
        }
        let method = Method::parse(&command.method).ok_or_else(|| Refusal::UnknownMethod(command.method.clone()))?;
        if command.target.is_some_and(|target| self.slots.get(target).is_none()) {
            return Err(Refusal::NotFound);
        }
        let facts = self.facts(method, command.target);
        for check in method.checks() {
            let information = match (check.test)(&facts, &command.options) {
                Verdict::Passed => continue,
                Verdict::Failed => None,
                Verdict::Because(text) => Some(text),
            };
            let error = sdk(check.code, information);
            // What rings is what an answer is about, named or not.
            let about = match method {
                Method::Answer | Method::JoinConference => {
                    self.slots.pending().filter(|call| call.flow == Flow::Incoming)
                }
                _ => None,
            };
            let item = command.target.and_then(|target| self.slots.get(target)).or(about).map(Call::item);
            t.event(events::error(&error, item, command.tag));
            return Err(Refusal::Sdk(Box::new(error)));
        }
        Ok(self.run(&mut t, method, command))
    }

    /// Takes something that happened outside.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) {
        let mut t = Turn { now, out };
        if self.life == Life::Closed {
            return;
        }
        match input {
            Input::Response { id, result } => self.on_response(&mut t, id, result),
            Input::Socket { id, news } => self.on_socket(&mut t, id, news),
            Input::Media { item, report } => self.on_media(&mut t, item, report),
            Input::Connectivity { online } => self.on_connectivity(&mut t, online),
            Input::AddressesGone => self.on_addresses_gone(&mut t),
            Input::Close => self.close(&mut t),
        }
        self.repair_calls(&mut t);
        self.pay(&mut t);
        self.check_closed(&mut t);
    }

    /// When [`PhoneCore::handle_timeout`] is to be called next; `None`: no timer runs.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let life = match self.life {
            Life::Open => None,
            Life::Closing { calls_until, until } => {
                Some(if self.session.phase == SessionPhase::ClosingCalls { calls_until } else { until })
            }
            Life::Closed => return None,
        };
        let of_call =
            |call: &Call| call.grace().into_iter().chain(call.outcome_limit()).chain(call.repair.due_at()).min();
        let graces = self.slots.iter().filter_map(of_call);
        graces
            .chain(life)
            .chain(self.session.refresh_at)
            .chain(self.channel.next_at)
            .chain(self.channel.probe_at)
            .chain(self.owed_at())
            .min()
    }

    /// Runs every timer that is due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<Output>) {
        let mut t = Turn { now, out };
        if self.life == Life::Closed {
            return;
        }
        let due: Vec<Handle> =
            self.slots.iter().filter(|call| call.grace().is_some_and(|at| at <= now)).map(|call| call.handle).collect();
        for handle in due {
            // The gateway took the DELETE and never sent session-terminated.
            let end = self.slots.get(handle).map_or(CallState::Disconnected, Call::own_end);
            self.end_call(&mut t, handle, end, None, None);
        }
        let overdue = |call: &&Call| call.outcome_limit().is_some_and(|at| at <= now);
        let due: Vec<Handle> = self.slots.iter().filter(overdue).map(|call| call.handle).collect();
        for handle in due {
            if self.slots.get(handle).and_then(|call| call.transfer).and_then(Transfer::until).is_some() {
                self.transfer_overdue(&mut t, handle);
            } else {
                self.change_overdue(&mut t, handle);
            }
        }
        self.repairs_due(&mut t);
        if self.session.refresh_at.is_some_and(|at| at <= now) {
            self.refresh(&mut t);
        }
        if self.channel.next_at.is_some_and(|at| at <= now) {
            self.poll(&mut t);
        }
        if self.channel.probe_at.is_some_and(|at| at <= now) {
            self.channel.probe_at = None;
            if !self.session.refreshing {
                self.refresh(&mut t);
            }
        }
        self.repair_calls(&mut t);
        self.pay(&mut t);
        self.check_closed(&mut t);
    }

    // ---- commands ----------------------------------------------------------------------------------------------------

    pub(super) fn domain(&self) -> &str {
        self.config.domain.as_deref().or(self.named_domain.as_deref()).unwrap_or(DEFAULT_DOMAIN)
    }

    fn run(&mut self, t: &mut Turn<'_>, method: Method, command: Command) -> Value {
        let Command { tag, target, options, .. } = command;
        let pending = self.slots.pending().map(|call| call.handle);
        let subject = target.or_else(|| self.slots.foreground().map(|call| call.handle));
        match method {
            Method::Login => self.login(t, tag, &options),
            Method::Logout => self.logout(t, tag),
            Method::AssociateE911Id => self.associate_e911(t, tag, &options),
            Method::Dial => return self.dial(t, tag, &options),
            Method::AddCall => return self.add_call(t, tag, &options),
            Method::Answer | Method::JoinConference => self.answer(t, tag, &options),
            Method::Cancel | Method::Reject | Method::RejectConference => self.end_by_command(t, pending, tag),
            Method::Hangup | Method::EndConference => self.end_by_command(t, subject, tag),
            Method::StartConference => return self.start_conference(t, tag, &options),
            Method::AddParticipant => self.add_participant(t, tag, &options),
            Method::RemoveParticipant => self.remove_participant(t, tag, &options),
            Method::GetParticipants => return self.getter(t, tag, self.participants()),
            Method::Hold => self.change_by_command(t, subject, Operation::Hold, tag),
            Method::Resume => self.change_by_command(t, subject, Operation::Resume, tag),
            Method::Move => self.change_by_command(t, subject, Operation::Move, tag),
            Method::Upgrade => self.change_by_command(t, subject, Operation::Upgrade, tag),
            Method::Downgrade => self.change_by_command(t, subject, Operation::Downgrade, tag),
            Method::AcceptModification => self.decide(t, subject, true, tag),
            Method::RejectModification => self.decide(t, subject, false, tag),
            Method::SwitchCall => self.switch_by_command(t, tag),
            Method::Transfer => self.transfer(t, tag),
            Method::Mute => self.set_muted(t, subject, true, tag),
            Method::Unmute => self.set_muted(t, subject, false, tag),
            Method::SendDtmfTone => self.send_tones(t, subject, tag, &options),
            Method::GetCalls => return self.getter(t, tag, self.calls()),
            Method::GetMediaType => {
                let media = subject.and_then(|handle| self.slots.get(handle)).map(|call| call.media.as_str());
                return self.getter(t, tag, media.map_or(Value::Null, Value::from));
            }
            Method::IsCallInProgress => return self.getter(t, tag, self.slots.foreground().is_some().into()),
            Method::GetVersion => return self.getter(t, tag, self.config.version.into()),
        }
        Value::Null
    }

    /// A getter is finished with its answer; the event is for those who asked for it by a tag.
    fn getter(&self, t: &mut Turn<'_>, tag: Option<String>, value: Value) -> Value {
        if tag.is_some() {
            t.event(events::finished(tag, None, None));
        }
        value
    }

    /// The value of getCalls (section 11).
    fn calls(&self) -> Value {
        let foreground = self.slots.foreground().map(|call| call.handle);
        let list = self.slots.established().iter().map(|call| {
            let mut entry = json!({
                "index": call.index, "state": call.state.as_str(), "breed": events::kind_text(call.kind()),
                "type": call.flow.as_str(),
            });
            match call.kind() {
                Kind::Call => entry["peer"] = call.peer.as_str().into(),
                Kind::Conference => {
                    let list = call.breed.roster().map(Roster::participants).unwrap_or_default();
                    entry["participants"] = Value::Array(list.into_iter().map(|(_, entry)| entry).collect());
                }
            }
            if foreground == Some(call.handle) {
                entry["foreground"] = true.into();
            }
            entry
        });
        Value::Array(list.collect())
    }

    pub(super) fn remember_targets(&mut self, options: &Value) {
        if let Some(target) = option(options, "localMedia") {
            self.local_media = target;
        }
        if let Some(target) = option(options, "remoteMedia") {
            self.remote_media = target;
        }
    }

    /// `localMedia` where a command gives none.
    pub(super) fn local_media(&self) -> &str {
        &self.local_media
    }

    /// What `localMedia` and `remoteMedia` are for the next item.
    pub(super) fn targets(&self) -> (String, String) {
        (self.local_media.clone(), self.remote_media.clone())
    }

    pub(super) fn take_handle(&mut self) -> Handle {
        let handle = self.next_handle;
        self.next_handle += 1;
        handle
    }

    /// hangup, cancel and reject: what the state demands; repeated, they wait for the same end (P-42).
    fn end_by_command(&mut self, t: &mut Turn<'_>, handle: Option<Handle>, tag: Option<String>) {
        let Some(call) = handle.and_then(|handle| self.slots.get_mut(handle)) else { return };
        let handle = call.handle;
        if call.waiting.len() >= MAX_WAITING {
            t.event(events::finished(tag, Some(call.item()), None));
            return;
        }
        call.waiting.push(Waiting { tag: tag.clone(), until: Until::Ended, code: "2400" });
        if call.is_ending() {
            return;
        }
        let established = call.phase == Phase::Talking;
        self.set_cause(handle, &tag);
        if established {
            self.terminate(t, handle, false);
        } else {
            self.withdraw(t, handle);
        }
    }

    fn set_muted(&mut self, t: &mut Turn<'_>, handle: Option<Handle>, muted: bool, tag: Option<String>) {
        let own = self.own.clone();
        let Some(call) = handle.and_then(|handle| self.slots.get_mut(handle)) else { return };
        if call.muted == muted {
            let text = if muted { "The call is already muted." } else { "The call is not muted." };
            t.event(events::warning(call, own.as_deref(), text, tag.clone()));
        } else {
            call.muted = muted;
            let name = if muted { "call:muted" } else { "call:unmuted" };
            t.event(Event { tag: tag.clone(), ..events::call(name, call, own.as_deref()) });
        }
        let (handle, item) = (call.handle, call.item());
        // While on hold only the flag changes (section 13).
        self.follow_silence(t, handle);
        t.event(events::finished(tag, Some(item), None));
    }

    /// From now on the events of this item are the doing of this command.
    pub(super) fn set_cause(&mut self, handle: Handle, tag: &Option<String>) {
        if let Some(call) = self.slots.get_mut(handle) {
            call.cause.clone_from(tag);
        }
    }

    // ---- problems ----------------------------------------------------------------------------------------------------

    /// Publishes `gateway:unreachable` for 502 and 503 (P-24), else `error`.
    pub(super) fn publish_problem(
        &self,
        t: &mut Turn<'_>,
        problem: &Problem,
        item: Option<ItemRef>,
        tag: Option<String>,
    ) {
        self.publish_problem_of(t, problem, self.session.id.as_deref(), item, tag);
    }

    pub(super) fn publish_problem_of(
        &self,
        t: &mut Turn<'_>,
        problem: &Problem,
        session: Option<&str>,
        item: Option<ItemRef>,
        tag: Option<String>,
    ) {
        t.event(match problem.kind {
            ProblemKind::Unreachable => events::session("gateway:unreachable", session, tag),
            ProblemKind::NoAnswer | ProblemKind::NotFound { .. } | ProblemKind::Refused => {
                events::error(&problem.error, item, tag)
            }
        });
    }

    // ---- inputs ------------------------------------------------------------------------------------------------------

    fn on_response(&mut self, t: &mut Turn<'_>, id: RequestId, result: Result<HttpResponse, NetworkFailure>) {
        let Some((purpose, resource)) = self.requests.take(id) else {
            if self.channel.take_replaced(id)
                && let Ok(response) = result
                && let Ok(events) = self.read_poll_body(&response)
            {
                self.take_events(t, events);
            }
            return;
        };
        let result = Problem::of(&resource, result);
        match purpose {
            Purpose::Associate => self.on_associated(t, result),
            Purpose::CreateSession => self.on_session_created(t, result),
            Purpose::Refresh => self.on_refreshed(t, result),
            Purpose::DeleteSession => self.on_session_deleted(t, result),
            Purpose::AssociateE911 { tag } => self.on_e911(t, tag, result),
            Purpose::Poll => self.on_polled(t, result),
            Purpose::OpenSocket => self.on_socket_offered(t, id, result),
            Purpose::CreateCall { item, kind } => self.on_call_created(t, item, kind, result),
            Purpose::Invite { item, number, key, address } => {
                self.on_invited(t, item, number, (key, address.map(|address| *address)), result);
            }
            Purpose::Expel { item, number, key } => self.on_expelled(t, item, number, &key, result),
            Purpose::AnswerCall { item } => self.on_answered(t, item, result),
            Purpose::ChangeCall { item } => self.on_changed(t, item, result),
            Purpose::TransferCall { item } => self.on_transfer_answered(t, item, result),
            Purpose::DeleteCall { item, reason } => self.on_deleted(t, item, reason, result),
            Purpose::Owed { number } => self.on_paid(t, number, &result),
            Purpose::Farewell => {}
        }
    }

    fn on_connectivity(&mut self, t: &mut Turn<'_>, online: bool) {
        if self.online == online || self.life != Life::Open {
            return;
        }
        self.online = online;
        t.event(events::plain(if online { "connectivity:on" } else { "connectivity:off" }, None));
        if !online {
            self.channel.next_at = None;
            return;
        }
        self.on_new_network(t);
    }

    /// A session is open, and as far as is known the gateway answers.
    pub(super) fn may_ask_gateway(&self) -> bool {
        let reachable = !self.channel.series.unreachable && !self.session.series.unreachable;
        self.online && reachable && self.life == Life::Open && self.session.phase == SessionPhase::Ready
    }

    /// What was sent over the network of before may never be answered.
    pub(super) fn on_new_network(&mut self, t: &mut Turn<'_>) {
        match self.session.phase {
            SessionPhase::Ready | SessionPhase::ClosingCalls => {
                // At once (P-33): a poll from before may hang on a dead connection, so it is asked anew.
                self.renew_poll(t);
                let retrying = self.session.series.unreachable || self.session.series.error;
                if !self.session.refreshing && (self.session.refresh_missed || retrying) {
                    self.refresh(t);
                }
            }
            SessionPhase::None | SessionPhase::Binding | SessionPhase::Creating | SessionPhase::Closing => {}
        }
    }
}
