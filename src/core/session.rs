//! The session: login, refresh, association of an e911 id, logout, expiry, close (phone-behaviour.md section 3).
//!
//! Owns: [`Session`] and the flows of the phone about it. Lives on: the phone's actor. Must not import: anything but the
//! other machines of the core.

use super::backoff::Series;
use super::call::CallState;
use super::channel::Channel;
use super::errors::{Problem, ProblemKind, header, sdk};
use super::events;
use super::io::{ErrorObject, HttpResponse, Output};
use super::methods::option;
use super::phone::{Life, PhoneCore, Turn};
use super::requests::{Draft, Purpose};
use super::socket::Socket;
use ewebrtc_wire::{Secret, header as names, session_id_of};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Longest life of a session that is believed, in seconds: 30 days. It keeps the sums of times in range.
const MAX_LIFETIME: f64 = 30.0 * 86_400.0;
/// How long [`super::Input::Close`] may take for the last words to the gateway.
pub(super) const CLOSE_LIMIT: Duration = Duration::from_secs(3);
/// After this part of [`CLOSE_LIMIT`] the session is deleted even if the calls' DELETEs are not answered yet.
pub(super) const CLOSE_CALLS_LIMIT: Duration = Duration::from_millis(1500);

/// Where the session is in its life (section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum SessionPhase {
    #[default]
    None,
    /// The token is being bound to the user id.
    Binding,
    /// POST sessions is in flight.
    Creating,
    /// Open.
    Ready,
    /// Logout waits for the items to end.
    ClosingCalls,
    /// DELETE of the session is in flight.
    Closing,
}

/// The session of a phone.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) phase: SessionPhase,
    pub(super) id: Option<String>,
    user_id: Option<String>,
    e911_id: String,
    lifetime: Duration,
    pub(super) refresh_at: Option<Instant>,
    /// A refresh was due while offline.
    pub(super) refresh_missed: bool,
    pub(super) refreshing: bool,
    pub(super) series: Series,
    /// The login that waits, with its tag.
    login: Option<Option<String>>,
    /// The logouts that wait, with their tags.
    logout: Vec<Option<String>>,
}

/// Reads `x-expires`; `None` when it is absent or no number (P-66).
fn lifetime_of(response: &HttpResponse) -> Option<Duration> {
    let seconds: f64 = header(response, names::EXPIRES)?.parse().ok()?;
    (seconds.is_finite() && seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(MAX_LIFETIME)))
}

/// When to refresh a session of this lifetime (P-66): 60 s before its end when it is longer than 120 s, else at half of
/// it, at least after 1 s.
fn refresh_period(lifetime: Duration) -> Duration {
    if lifetime > Duration::from_secs(120) {
        lifetime - Duration::from_secs(60)
    } else {
        (lifetime / 2).max(Duration::from_secs(1))
    }
}

/// The domain of an address `sip:user@domain`.
fn domain_of(address: &str) -> Option<&str> {
    let (_, domain) = address.strip_prefix("sip:")?.split_once('@')?;
    (!domain.is_empty() && domain.len() <= 255).then_some(domain)
}

impl PhoneCore {
    // ---- login -------------------------------------------------------------------------------------------------------

    pub(super) fn login(&mut self, t: &mut Turn<'_>, tag: Option<String>, options: &Value) {
        self.requests.set_token(Secret::from(option(options, "token").unwrap_or_default()));
        let user_id = option(options, "userId");
        self.session = Session {
            e911_id: option(options, "e911Id").unwrap_or_default(),
            login: Some(tag),
            user_id: user_id.clone(),
            ..Session::default()
        };
        self.own = user_id.clone();
        self.named_domain = None;
        match user_id {
            Some(user_id) => {
                self.session.phase = SessionPhase::Binding;
                self.requests.send(Draft::associate(&user_id), Purpose::Associate, t.out);
            }
            None => self.create_session(t),
        }
    }

    fn create_session(&mut self, t: &mut Turn<'_>) {
        self.session.phase = SessionPhase::Creating;
        let draft = Draft::create_session(&self.session.e911_id, self.config.version);
        self.requests.send(draft, Purpose::CreateSession, t.out);
    }

    /// Publishes what went wrong and ends the login.
    fn login_failed(&mut self, t: &mut Turn<'_>, problem: &Problem) {
        let tag = self.session.login.take().flatten();
        self.session = Session::default();
        self.own = None;
        self.publish_problem(t, problem, None, tag.clone());
        t.event(events::finished(tag, None, Some(problem.error.as_ref())));
    }

    pub(super) fn on_associated(&mut self, t: &mut Turn<'_>, result: Result<HttpResponse, Problem>) {
        if self.session.phase != SessionPhase::Binding {
            return;
        }
        match result {
            Ok(_) => self.create_session(t),
            Err(problem) => self.login_failed(t, &problem),
        }
    }

    pub(super) fn on_session_created(&mut self, t: &mut Turn<'_>, result: Result<HttpResponse, Problem>) {
        if self.life != Life::Open {
            // The login was overtaken by close: what was made is taken back.
            if let Some(sid) = result.ok().as_ref().and_then(|r| header(r, names::LOCATION)).and_then(session_id_of) {
                self.requests.send_farewell(Draft::delete_session(sid), t.out);
            }
            return;
        }
        if self.session.phase != SessionPhase::Creating {
            return;
        }
        let response = match result {
            Ok(response) => response,
            Err(problem) => return self.login_failed(t, &problem),
        };
        let Some(sid) = header(&response, names::LOCATION).and_then(session_id_of).map(str::to_owned) else {
            return self.login_failed(t, &Problem::own("2000", "the answer names no session"));
        };
        let Some(lifetime) = lifetime_of(&response) else {
            self.requests.send_farewell(Draft::delete_session(&sid), t.out);
            return self.login_failed(t, &Problem::own("2000", "the answer names no lifetime of the session"));
        };
        let address = header(&response, names::USER).filter(|a| !a.is_empty() && a.len() <= 320);
        self.named_domain = address.and_then(domain_of).map(str::to_owned);
        if self.session.user_id.is_none() {
            self.own = address.map(str::to_owned);
        }
        let session = &mut self.session;
        session.phase = SessionPhase::Ready;
        session.id = Some(sid.clone());
        session.lifetime = lifetime;
        session.refresh_at = Some(t.now + refresh_period(lifetime));
        let tag = session.login.take().flatten();
        self.channel = Channel::new();
        self.channel.socket = Socket::new(self.config.event_channel);
        self.poll(t);
        t.event(events::session("session:ready", Some(&sid), tag.clone()));
        t.event(events::finished(tag, None, None));
    }

    // ---- refresh -----------------------------------------------------------------------------------------------------

    /// The refresh is due, or was missed and the phone is online again.
    pub(super) fn refresh(&mut self, t: &mut Turn<'_>) {
        self.session.refresh_at = None;
        if !self.online {
            self.session.refresh_missed = true;
            return;
        }
        self.session.refresh_missed = false;
        if let Some(sid) = self.session.id.clone() {
            self.session.refreshing = true;
            self.requests.send(Draft::refresh(&sid), Purpose::Refresh, t.out);
        }
    }

    pub(super) fn on_refreshed(&mut self, t: &mut Turn<'_>, result: Result<HttpResponse, Problem>) {
        self.session.refreshing = false;
        match self.session.phase {
            SessionPhase::Ready | SessionPhase::ClosingCalls => {}
            SessionPhase::None | SessionPhase::Binding | SessionPhase::Creating | SessionPhase::Closing => return,
        }
        match result {
            Ok(response) => {
                // The lifetime of each answer counts (P-21); one without keeps the last.
                if let Some(lifetime) = lifetime_of(&response) {
                    self.session.lifetime = lifetime;
                }
                self.session.refresh_at = Some(t.now + refresh_period(self.session.lifetime));
                // The answer to a refresh shows that the gateway is there again, long before a held poll is answered.
                let cut_off = self.channel.is_cut_off() && self.channel.is_polling();
                let told = self.session.series.recover();
                if cut_off {
                    self.channel.series.recover();
                }
                if cut_off || (told && !self.channel.series.unreachable) {
                    t.event(events::session("gateway:reachable", self.session.id.as_deref(), None));
                }
                if cut_off && self.channel.has_numbers() {
                    // The poll in flight may have been sent into the void.
                    self.renew_poll(t);
                }
            }
            Err(problem) => match problem.kind {
                ProblemKind::NotFound { .. } => self.expire(t, &problem.error),
                ProblemKind::NoAnswer | ProblemKind::Unreachable | ProblemKind::Refused => {
                    let wait = self.session.series.backoff.fail(&mut self.jitter);
                    self.session.refresh_at = Some(t.now + wait);
                    if !self.online {
                        self.session.refresh_at = None;
                        self.session.refresh_missed = true;
                        return;
                    }
                    let silent = self.channel.series.unreachable;
                    let mut series = std::mem::take(&mut self.session.series);
                    self.report_in_series(t, &mut series, &problem, silent);
                    self.session.series = series;
                }
            },
        }
    }

    /// Tells of a failure of a repeated request, once per series and kind (P-22, P-65, P-67).
    pub(super) fn report_in_series(&self, t: &mut Turn<'_>, series: &mut Series, problem: &Problem, silent: bool) {
        match problem.kind {
            ProblemKind::NoAnswer | ProblemKind::Unreachable => {
                if !series.unreachable && !silent {
                    series.unreachable = true;
                    t.event(events::session("gateway:unreachable", self.session.id.as_deref(), None));
                }
            }
            ProblemKind::NotFound { .. } | ProblemKind::Refused => {
                if !series.error {
                    series.error = true;
                    t.event(events::error(&problem.error, None, None));
                }
            }
        }
    }

    // ---- e911 --------------------------------------------------------------------------------------------------------

    pub(super) fn associate_e911(&mut self, t: &mut Turn<'_>, tag: Option<String>, options: &Value) {
        if let (Some(sid), Some(id)) = (self.session.id.clone(), option(options, "e911Id")) {
            self.requests.send(Draft::associate_e911(&sid, &id), Purpose::AssociateE911 { tag }, t.out);
        }
    }

    pub(super) fn on_e911(&mut self, t: &mut Turn<'_>, tag: Option<String>, result: Result<HttpResponse, Problem>) {
        match result {
            Ok(_) => {
                t.event(events::session("address-updated", self.session.id.as_deref(), tag.clone()));
                t.event(events::finished(tag, None, None));
            }
            Err(problem) => match problem.kind {
                ProblemKind::NotFound { .. } => {
                    self.expire(t, &problem.error);
                    t.event(events::finished(tag, None, Some(problem.error.as_ref())));
                }
                ProblemKind::NoAnswer | ProblemKind::Unreachable | ProblemKind::Refused => {
                    self.publish_problem(t, &problem, None, tag.clone());
                    t.event(events::finished(tag, None, Some(problem.error.as_ref())));
                }
            },
        }
    }

    // ---- logout ------------------------------------------------------------------------------------------------------

    pub(super) fn logout(&mut self, t: &mut Turn<'_>, tag: Option<String>) {
        if self.session.logout.len() >= super::call::MAX_WAITING {
            t.event(events::finished(tag, None, None));
            return;
        }
        self.session.logout.push(tag);
        if self.session.phase == SessionPhase::Ready {
            self.session.phase = SessionPhase::ClosingCalls;
            self.advance_logout(t);
        }
    }

    /// One step of a logout: first the pending item, then the established ones, then the session (section 3.3, P-25).
    pub(super) fn advance_logout(&mut self, t: &mut Turn<'_>) {
        if self.session.phase != SessionPhase::ClosingCalls || self.life != Life::Open {
            return;
        }
        let tag = self.session.logout.first().cloned().flatten();
        if let Some((handle, ending)) = self.slots.pending().map(|call| (call.handle, call.is_ending())) {
            if !ending {
                self.set_cause(handle, &tag);
                self.withdraw(t, handle);
            }
            return;
        }
        let running: Vec<(u64, bool)> = self.slots.established().iter().map(|c| (c.handle, c.is_ending())).collect();
        for (handle, ending) in &running {
            if !ending {
                self.set_cause(*handle, &tag);
                self.terminate(t, *handle, true);
            }
        }
        if running.is_empty() {
            self.delete_session(t);
        }
    }

    pub(super) fn delete_session(&mut self, t: &mut Turn<'_>) {
        let Some(sid) = self.session.id.clone() else { return };
        self.session.phase = SessionPhase::Closing;
        self.stop_channel(t);
        self.requests.send(Draft::delete_session(&sid), Purpose::DeleteSession, t.out);
    }

    /// Stops polling and refreshing, and forgets what else the session asked for.
    fn stop_channel(&mut self, t: &mut Turn<'_>) {
        self.session.refresh_at = None;
        self.session.refresh_missed = false;
        self.session.refreshing = false;
        self.close_socket(t);
        self.channel = Channel::new();
        let session_ended = sdk("2050", Some("the session has ended".into()));
        let unwanted = |purpose: &Purpose| match purpose {
            Purpose::Poll | Purpose::OpenSocket | Purpose::Refresh | Purpose::AssociateE911 { .. } => true,
            Purpose::Associate
            | Purpose::CreateSession
            | Purpose::DeleteSession
            | Purpose::CreateCall { .. }
            | Purpose::AnswerCall { .. }
            | Purpose::ChangeCall { .. }
            | Purpose::TransferCall { .. }
            | Purpose::DeleteCall { .. }
            | Purpose::Invite { .. }
            | Purpose::Expel { .. }
            | Purpose::Owed { .. }
            | Purpose::Farewell => false,
        };
        for purpose in self.requests.cancel(unwanted, t.out) {
            if let Purpose::AssociateE911 { tag } = purpose {
                t.event(events::finished(tag, None, Some(&session_ended)));
            }
        }
    }

    pub(super) fn on_session_deleted(&mut self, t: &mut Turn<'_>, result: Result<HttpResponse, Problem>) {
        if self.session.phase != SessionPhase::Closing {
            return;
        }
        let tags = std::mem::take(&mut self.session.logout);
        let first = tags.first().cloned().flatten();
        let id = self.session.id.clone();
        self.forget_session(t);
        let mut failure: Option<Box<ErrorObject>> = None;
        match result {
            Ok(_) => t.event(events::plain("session:disconnected", first)),
            Err(problem) => match problem.kind {
                // The gateway had forgotten it already (P-23); what was asked for is the case.
                ProblemKind::NotFound { .. } => t.event(events::session("session:expired", id.as_deref(), first)),
                ProblemKind::NoAnswer | ProblemKind::Unreachable | ProblemKind::Refused => {
                    // The id is given up in any case (section 3.3); the gateway lets the session expire.
                    if self.life == Life::Open {
                        self.publish_problem_of(t, &problem, id.as_deref(), None, first.clone());
                        t.event(events::plain("session:disconnected", first));
                    }
                    failure = Some(problem.error);
                }
            },
        }
        for tag in tags {
            t.event(events::finished(tag, None, failure.as_deref()));
        }
    }

    /// The session is gone: nothing of it is asked for any more.
    fn forget_session(&mut self, t: &mut Turn<'_>) {
        self.stop_channel(t);
        let unwanted = |purpose: &Purpose| match purpose {
            Purpose::CreateCall { .. }
            | Purpose::AnswerCall { .. }
            | Purpose::ChangeCall { .. }
            | Purpose::TransferCall { .. }
            | Purpose::DeleteCall { .. }
            | Purpose::Invite { .. }
            | Purpose::Expel { .. }
            | Purpose::DeleteSession => true,
            Purpose::Associate
            | Purpose::CreateSession
            | Purpose::Refresh
            | Purpose::AssociateE911 { .. }
            | Purpose::Poll
            | Purpose::OpenSocket
            | Purpose::Owed { .. }
            | Purpose::Farewell => false,
        };
        self.requests.cancel(unwanted, t.out);
        self.session = Session::default();
        self.own = None;
        self.named_domain = None;
    }

    // ---- expiry ------------------------------------------------------------------------------------------------------

    /// The gateway does not know the session any more (P-23): polling and refresh stop, every call ends here without a
    /// request, then `session:expired` once; login works at once. `session:disconnected` is not published.
    pub(super) fn expire(&mut self, t: &mut Turn<'_>, error: &ErrorObject) {
        let Some(id) = self.session.id.take() else { return };
        let tags = std::mem::take(&mut self.session.logout);
        // From here on no ending item may continue a logout or a queued answer.
        self.session.phase = SessionPhase::None;
        let handles: Vec<u64> =
            self.slots.pending().into_iter().chain(self.slots.established()).map(|c| c.handle).collect();
        for handle in handles {
            self.end_call(t, handle, CallState::Disconnected, Some("The session has expired.".into()), Some(error));
        }
        self.forget_session(t);
        t.event(events::session("session:expired", Some(&id), tags.first().cloned().flatten()));
        for tag in tags {
            t.event(events::finished(tag, None, None));
        }
        self.check_closed(t);
    }

    // ---- close -------------------------------------------------------------------------------------------------------

    /// The application closes the phone: everything ends here at once, the gateway is told in the background.
    pub(super) fn close(&mut self, t: &mut Turn<'_>) {
        if self.life != Life::Open {
            return;
        }
        self.life = Life::Closing { calls_until: t.now + CLOSE_CALLS_LIMIT, until: t.now + CLOSE_LIMIT };
        let handles: Vec<u64> =
            self.slots.pending().into_iter().chain(self.slots.established()).map(|c| c.handle).collect();
        for handle in handles {
            self.farewell(t, handle);
            let end = self.slots.get(handle).map_or(CallState::Disconnected, |call| call.closing_end());
            self.end_call(t, handle, end, None, None);
        }
        if let Some(tag) = self.session.login.take() {
            let error = sdk("2000", Some("the phone was closed".into()));
            t.event(events::finished(tag, None, Some(&error)));
        }
        match self.session.phase {
            SessionPhase::None => {}
            SessionPhase::Binding => {
                self.requests.cancel(|purpose| *purpose == Purpose::Associate, t.out);
                self.session = Session::default();
            }
            // The answer will say which session to take back.
            SessionPhase::Creating => self.session = Session::default(),
            SessionPhase::Ready | SessionPhase::ClosingCalls => {
                self.stop_channel(t);
                self.session.phase = SessionPhase::ClosingCalls;
            }
            SessionPhase::Closing => {}
        }
        self.check_closed(t);
    }

    /// While closing: deletes the session when the calls are done, and finishes when nothing is in flight or time is up.
    pub(super) fn check_closed(&mut self, t: &mut Turn<'_>) {
        let Life::Closing { calls_until, until } = self.life else { return };
        let busy = self.requests.any(|_| true);
        if self.session.phase == SessionPhase::ClosingCalls && (!busy || t.now >= calls_until) && t.now < until {
            self.delete_session(t);
            return;
        }
        if busy && t.now < until {
            return;
        }
        self.requests.cancel(|_| true, t.out);
        for tag in std::mem::take(&mut self.session.logout) {
            let error = sdk("2100", Some("the phone was closed".into()));
            t.event(events::finished(tag, None, Some(&error)));
        }
        self.session = Session::default();
        self.life = Life::Closed;
        t.event(events::plain("phone:closed", None));
        t.out.push(Output::Closed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refresh_comes_before_the_end() {
        for (lifetime, period) in [(3600, 3540), (121, 61), (120, 60), (60, 30), (30, 15), (2, 1), (1, 1), (0, 1)] {
            assert_eq!(refresh_period(Duration::from_secs(lifetime)), Duration::from_secs(period), "{lifetime}");
        }
    }

    #[test]
    fn lifetimes_are_numbers_within_reason() {
        let with = |value: &str| {
            lifetime_of(&HttpResponse {
                status: 201,
                headers: vec![("x-expires".into(), value.into())],
                body: Vec::new(),
            })
        };
        assert_eq!(with("3600"), Some(Duration::from_secs(3600)));
        assert_eq!(with(" 90.5 "), Some(Duration::from_millis(90_500)));
        assert_eq!(with("1e300"), Some(Duration::from_secs(30 * 86_400)));
        for bad in ["", "soon", "-1", "NaN", "inf"] {
            assert_eq!(with(bad), None, "{bad:?}");
        }
        assert_eq!(lifetime_of(&HttpResponse::default()), None);
    }

    #[test]
    fn domains_come_from_sip_addresses_only() {
        assert_eq!(domain_of("sip:bob@example.com"), Some("example.com"));
        assert_eq!(domain_of("tel:+14255550100"), None);
        assert_eq!(domain_of("sip:bob@"), None);
    }
}
