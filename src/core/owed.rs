//! Ends of items that the gateway must hear of although they are over here: the last words about them. One that was not
//! answered is told again; without it the item would go on at the other side for as long as this session lives.
//!
//! Owns: [`Owed`]. Lives on: the phone's actor. Must not import: anything but the other machines of the core.

use super::errors::Problem;
use super::io::{HttpResponse, Output};
use super::phone::{PhoneCore, Turn};
use super::requests::{Draft, Purpose, Requests};
use ewebrtc_wire::{DeleteReason, Kind};
use std::time::{Duration, Instant};

/// Ends that are owed at a time: enough for every item and a burst of declined invitations, also through an outage. Beyond it
/// the one that has waited longest is left out; the gateway ends such legs by its own ring time-out.
const MOST: usize = 64;
/// Pause before an end is told again.
const PAUSE: Duration = Duration::from_secs(2);
/// How often it is told; by then the gateway has missed the phone.
const MOST_TRIES: u32 = 30;

/// An end that the gateway must hear of.
#[derive(Debug)]
pub(super) struct Owed {
    number: u64,
    sid: String,
    kind: Kind,
    id: String,
    reason: DeleteReason,
    /// When it is told (again); `None` while that is under way.
    at: Option<Instant>,
    tries: u32,
}

impl Owed {
    fn tell(&mut self, requests: &mut Requests, out: &mut Vec<Output>) {
        (self.at, self.tries) = (None, self.tries + 1);
        let draft = Draft::delete_item(self.kind, &self.sid, &self.id, self.reason);
        requests.send(draft, Purpose::Owed { number: self.number }, out);
    }
}

impl PhoneCore {
    /// Tells the gateway that an item is over here, without waiting for its word.
    pub(super) fn tell_end(&mut self, t: &mut Turn<'_>, kind: Kind, id: String, reason: DeleteReason) {
        if self.owe(t.now, kind, id, reason)
            && let Some(owed) = self.owed.last_mut()
        {
            owed.tell(&mut self.requests, t.out);
        }
    }

    /// The request for the end of this item was not answered. False: too many are under way, or there is no session.
    pub(super) fn owe(&mut self, now: Instant, kind: Kind, id: String, reason: DeleteReason) -> bool {
        let Some(sid) = self.session.id.clone() else { return false };
        if self.owed.len() >= MOST {
            // What is in flight may still be heard.
            let Some(oldest) = self.owed.iter().position(|owed| owed.at.is_some()) else {
                log::warn!("too many last words to the gateway are under way; one is left out");
                return false;
            };
            self.owed.remove(oldest);
        }
        self.last_owed += 1;
        let (number, at) = (self.last_owed, Some(now + PAUSE));
        self.owed.push(Owed { number, sid, kind, id, reason, at, tries: 0 });
        true
    }

    /// When the next end is to be told.
    pub(super) fn owed_at(&self) -> Option<Instant> {
        self.owed.iter().filter_map(|owed| owed.at).min().filter(|_| self.may_ask_gateway())
    }

    /// Tells what is due. Called at the end of every turn.
    pub(super) fn pay(&mut self, t: &mut Turn<'_>) {
        if self.owed.is_empty() {
            return;
        }
        let session = self.session.id.clone();
        self.owed.retain(|owed| Some(&owed.sid) == session.as_ref() && owed.tries < MOST_TRIES);
        if !self.may_ask_gateway() {
            return;
        }
        for owed in self.owed.iter_mut().filter(|owed| owed.at.is_some_and(|at| at <= t.now)) {
            owed.tell(&mut self.requests, t.out);
        }
    }

    /// The gateway has heard of it, or again not.
    pub(super) fn on_paid(&mut self, t: &mut Turn<'_>, number: u64, result: &Result<HttpResponse, Problem>) {
        if !result.as_ref().is_err_and(Problem::is_unheard) {
            return self.owed.retain(|owed| owed.number != number);
        }
        if let Some(owed) = self.owed.iter_mut().find(|owed| owed.number == number) {
            owed.at = Some(t.now + PAUSE);
        }
    }
}
