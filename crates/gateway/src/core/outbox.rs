//! What waits to be delivered to one session, and in which portions (rest-protocol.md section 3.6, R1 to R7).
//!
//! Owns: the order of events, their numbers, the hold-back of D-6, what is being written. Lives on: the core's thread.
//! Must not import: sessions, calls, the directory.
//!
//! # Rules
//! * Events of one leg keep their order (R1). An answer carries **at most one event of each leg**: that is R2 (an
//!   invitation and its end in one answer leave an original phone ringing) and also keeps two descriptions of one leg
//!   apart.
//! * A modification that is over before its receiver was asked is not mentioned to it: its own next offer would cross it.
//! * An invitation never overtakes another event of the session: a phone that was just told that its own call failed
//!   must have heard so before the next call rings, or it ignores the invitation.
//! * After a leg's own request was answered, its events wait until that response is written and [`Outbox::new`]'s
//!   hold-back has passed (R3, R4, D-6); events of other legs do not wait.
//! * Plain polls: an event stays until the response that carries it was written; if that fails it comes again at the
//!   front (R7, D-5). While a response is being written no other poll gets events.
//! * An event whose description is still being made waits for it, and with it the later ones of its leg.
//! * Numbered polls (`?after=N`, an extension): events get consecutive numbers from 1 when they are first delivered and
//!   stay until a poll acknowledges them with an `N` that is not smaller; a poll whose `N` is smaller than the last number
//!   gets the missing ones again, at once. There is no hold-back beyond the writing of the response: such a phone keeps
//!   events of a call it does not know yet. Both kinds may be mixed; each poll is served by its own kind.
//! * A socket is served portion by portion like polls of its kind. Without numbers, two portions with events of one leg are
//!   apart by the hold-back, because no request of the phone lies between them. With numbers, what the socket was given is
//!   not repeated on it; the next one begins behind what was acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use ewebrtc_wire::{EventObject, EventState};

use super::{Id, PollId};

/// A response that was not reported as written or lost for so long will not be: its leg's events go on.
const RESPONSE_PATIENCE: Duration = Duration::from_secs(5);

/// Most events in one answer; more follow in the next one at once.
const BATCH: usize = 32;

/// Most bytes of descriptions in one answer, so that an answer stays in the order of the bodies we read ourselves.
const BATCH_SDP: usize = 512 * 1024;

struct Waiting {
    leg: Id,
    event: EventObject,
    /// It waits for its description.
    ticket: Option<Id>,
}

struct Sent {
    seq: u64,
    leg: Id,
    event: EventObject,
}

struct Hold {
    /// Responses that are not written yet.
    responses: u32,
    /// Release, or the end of patience while responses are outstanding.
    until: Instant,
}

/// The events of one session.
pub(super) struct Outbox {
    waiting: VecDeque<Waiting>,
    sent: VecDeque<Sent>,
    last_seq: u64,
    in_flight: Option<(PollId, u64)>,
    holds: BTreeMap<Id, Hold>,
    numbered: bool,
    /// A socket asks, and up to which number it was given events.
    socket: Option<u64>,
    hold_back: Duration,
    capacity: usize,
}

impl Outbox {
    pub(super) fn new(hold_back: Duration, capacity: usize) -> Self {
        Self {
            waiting: VecDeque::new(),
            sent: VecDeque::new(),
            last_seq: 0,
            in_flight: None,
            holds: BTreeMap::new(),
            numbered: false,
            socket: None,
            hold_back,
            capacity,
        }
    }

    /// Appends an event, which waits for a description if there is a ticket for one. False: full, the event is not kept.
    #[must_use]
    pub(super) fn push(&mut self, leg: &Id, event: EventObject, ticket: Option<Id>) -> bool {
        if self.waiting.len() + self.sent.len() >= self.capacity {
            return false;
        }
        self.waiting.push_back(Waiting { leg: leg.clone(), event, ticket });
        true
    }

    /// A description is there; without one the event is dropped. False: no event waits for it any more.
    pub(super) fn described(&mut self, ticket: &Id, sdp: Option<String>) -> bool {
        let Some(at) = self.waiting.iter().position(|w| w.ticket.as_ref() == Some(ticket)) else { return false };
        match (sdp, self.waiting.get_mut(at)) {
            (Some(sdp), Some(waiting)) => {
                waiting.event.sdp = Some(sdp);
                waiting.ticket = None;
            }
            _ => drop(self.waiting.remove(at)),
        }
        true
    }

    /// The leg ends: what waits for a description is of no use to it any more.
    pub(super) fn drop_undescribed(&mut self, leg: &Id) {
        self.waiting.retain(|w| w.leg != *leg || w.ticket.is_none());
    }

    /// Takes back the invitation of a leg that ended before it was delivered (R2: merge). False: it has gone out.
    pub(super) fn withdraw(&mut self, leg: &Id) -> bool {
        let unsent = |w: &Waiting| w.leg == *leg && w.event.state == EventState::InvitationReceived;
        if !self.waiting.iter().any(unsent) {
            return false;
        }
        self.waiting.retain(|w| w.leg != *leg);
        true
    }

    /// Takes back the request to answer this modification, when it was not delivered. False: it has gone out.
    pub(super) fn take_back(&mut self, leg: &Id, mod_id: &str) -> bool {
        let unsent = |w: &Waiting| {
            w.leg == *leg && w.event.state == EventState::ModReceived && w.event.mod_id.as_deref() == Some(mod_id)
        };
        let before = self.waiting.len();
        self.waiting.retain(|w| !unsent(w));
        self.waiting.len() < before
    }

    /// Takes back everything undelivered of a leg that its own phone has given up.
    pub(super) fn forget(&mut self, leg: &Id) {
        self.waiting.retain(|w| w.leg != *leg);
    }

    /// The leg's own request is being answered.
    pub(super) fn hold(&mut self, now: Instant, leg: &Id) {
        let hold = self.hold_of(now, leg);
        hold.responses += 1;
        hold.until = now + RESPONSE_PATIENCE;
    }

    fn hold_of(&mut self, now: Instant, leg: &Id) -> &mut Hold {
        self.holds.retain(|_, h| h.responses > 0 || h.until > now);
        self.holds.entry(leg.clone()).or_insert(Hold { responses: 0, until: now })
    }

    /// The answer to the leg's own request was written, or lost.
    pub(super) fn answered(&mut self, now: Instant, leg: &Id) {
        if let Some(hold) = self.holds.get_mut(leg) {
            hold.responses = hold.responses.saturating_sub(1);
            if hold.responses == 0 {
                hold.until = now + self.hold_back;
            }
        }
    }

    fn is_held(&self, now: Instant, leg: &Id) -> bool {
        self.holds.get(leg).is_some_and(|h| now < h.until && (h.responses > 0 || !self.numbered))
    }

    /// When an event that waits becomes free.
    pub(super) fn next_release(&self, now: Instant) -> Option<Instant> {
        let held = self.waiting.iter().filter(|w| self.is_held(now, &w.leg));
        held.filter_map(|w| self.holds.get(&w.leg)).map(|h| h.until).min()
    }

    /// A poll came: of which kind, and what it acknowledges. False: it acknowledges numbers that were never given.
    pub(super) fn polled(&mut self, after: Option<u64>) -> bool {
        if !self.knows(after) {
            return false;
        }
        self.socket = None;
        self.numbered = after.is_some();
        if let Some(n) = after {
            self.in_flight = None;
            self.acknowledge(n);
        }
        true
    }

    /// False when this acknowledges numbers that were never given.
    pub(super) fn knows(&self, after: Option<u64>) -> bool {
        after.is_none_or(|n| n <= self.last_seq)
    }

    /// A socket has opened: of which kind, and what it acknowledges.
    pub(super) fn opened(&mut self, after: Option<u64>) {
        if self.polled(after) {
            self.socket = Some(after.unwrap_or(0));
        }
    }

    /// The phone has every event up to this number.
    pub(super) fn acknowledged(&mut self, after: u64) {
        if self.numbered && self.knows(Some(after)) {
            self.acknowledge(after);
        }
    }

    fn acknowledge(&mut self, seq: u64) {
        while self.sent.front().is_some_and(|s| s.seq <= seq) {
            self.sent.pop_front();
        }
    }

    /// The next portion for this poll: events with their numbers. Empty: nothing may go out now.
    pub(super) fn take(&mut self, now: Instant, poll: PollId) -> Vec<(u64, EventObject)> {
        if self.in_flight.is_some() {
            return Vec::new();
        }
        let mut batch: Vec<(u64, EventObject)> = Vec::new();
        let mut legs: Vec<Id> = Vec::new();
        let mut bytes = 0;
        let given = self.socket.filter(|_| self.numbered).unwrap_or(0);
        for sent in self.sent.iter().filter(|sent| sent.seq > given) {
            // Only a prefix: a number acknowledges everything before it.
            if legs.contains(&sent.leg) || !fits(batch.len(), &mut bytes, &sent.event) {
                return self.flying(poll, batch);
            }
            legs.push(sent.leg.clone());
            batch.push((sent.seq, sent.event.clone()));
        }
        let mut blocked = legs;
        let mut skipped = false;
        let mut kept = VecDeque::new();
        for w in std::mem::take(&mut self.waiting) {
            let invitation = w.event.state == EventState::InvitationReceived;
            let stays =
                blocked.contains(&w.leg) || self.is_held(now, &w.leg) || w.ticket.is_some() || (invitation && skipped);
            let free = !stays && fits(batch.len(), &mut bytes, &w.event);
            blocked.push(w.leg.clone());
            if !free {
                skipped = true;
                kept.push_back(w);
                continue;
            }
            self.last_seq += 1;
            batch.push((self.last_seq, w.event.clone()));
            self.sent.push_back(Sent { seq: self.last_seq, leg: w.leg, event: w.event });
        }
        self.waiting = kept;
        self.flying(poll, batch)
    }

    fn flying(&mut self, poll: PollId, batch: Vec<(u64, EventObject)>) -> Vec<(u64, EventObject)> {
        let last = batch.last().map(|(seq, _)| *seq);
        if !self.numbered {
            self.in_flight = last.map(|seq| (poll, seq));
        } else if let (Some(given), Some(last)) = (self.socket.as_mut(), last) {
            *given = last;
        }
        batch
    }

    /// True when the last poll asked for numbers.
    pub(super) fn is_numbered(&self) -> bool {
        self.numbered
    }

    /// The response to a plain poll, or a socket's frame, was written, or lost.
    pub(super) fn written(&mut self, now: Instant, poll: PollId, complete: bool) {
        if let Some((flying, seq)) = self.in_flight
            && flying == poll
        {
            self.in_flight = None;
            if complete {
                let legs: Vec<Id> = self.sent.iter().filter(|s| s.seq <= seq).map(|s| s.leg.clone()).collect();
                self.acknowledge(seq);
                if self.socket.is_some() {
                    let until = now + self.hold_back;
                    for leg in legs {
                        let hold = self.hold_of(now, &leg);
                        hold.until = hold.until.max(until);
                    }
                }
            }
        }
    }
}

/// Counts the event's description and tells whether the answer stays within its bounds; the first one always does.
fn fits(count: usize, bytes: &mut usize, event: &EventObject) -> bool {
    let size = event.sdp.as_ref().map_or(0, String::len);
    if count > 0 && (count >= BATCH || *bytes + size > BATCH_SDP) {
        return false;
    }
    *bytes += size;
    true
}
