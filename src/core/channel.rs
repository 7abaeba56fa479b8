//! The event channel: long polling (or a WebSocket, see `socket`), its numbering and what is remembered about calls that are not known yet or any more
//! (rest-protocol.md sections 2.6.1, 3.6, 3.7; phone-behaviour.md P-22, P-65, P-67).
//!
//! Owns: [`Channel`]. Lives on: the phone's actor. Must not import: anything but `backoff`, `socket` and the wire crate.
//!
//! Numbering is our extension: `GET …/events?after=N` asks for the events beyond number N, and list elements then carry
//! `seq`. A gateway that answers without `seq`, or refuses the first such request, gets the plain protocol from then on.

use super::backoff::Series;
use super::io::RequestId;
use super::socket::Socket;
use ewebrtc_wire::{EventObject, NumberedEvent};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Events kept for calls whose 201 is still on its way: several calls' worth, while at most a few POSTs are in flight.
const MAX_ORPHANS: usize = 64;
/// Ids of ended calls that are remembered, so that a late or doubled invitation does not ring again.
const MAX_ENDED: usize = 64;
/// Answers without events that may follow one another at once; a gateway that does not hold polls is then asked slowly.
const QUICK_ANSWERS: u8 = 3;
/// An answer without events counts as quick below this time.
const QUICK: Duration = Duration::from_millis(500);
/// Wait before the next poll of a gateway that does not hold polls.
const SLOW_POLL: Duration = Duration::from_millis(500);

/// A poll that is in flight for so long after a failure is probably being held by a gateway that is there again: then a
/// refresh, which is answered at once, makes sure. Longer than gateways hold their errors (D-39).
const PROBE_AFTER: Duration = Duration::from_millis(1500);

/// What is known about event numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbering {
    /// The first poll with a number has not been answered.
    Unanswered,
    /// Polls with a number are accepted; the last number seen.
    Asked(u64),
    /// The plain protocol, for good.
    Plain,
}

/// The event channel of one session.
#[derive(Debug)]
pub(super) struct Channel {
    /// The poll in flight and when it was sent.
    poll: Option<(RequestId, Instant)>,
    /// A poll that was replaced: its events still count if its answer was already on the way.
    replaced: Option<RequestId>,
    /// The WebSocket in place of polls, where one is wanted.
    pub(super) socket: Socket,
    /// When the next poll, or request for a socket, is due, while none is in flight.
    pub(super) next_at: Option<Instant>,
    /// When to find out whether the gateway is there again, while a poll is in flight after a failure.
    pub(super) probe_at: Option<Instant>,
    /// The running series of failures.
    pub(super) series: Series,
    numbering: Numbering,
    quick: u8,
    orphans: VecDeque<(String, EventObject)>,
    ended: VecDeque<String>,
    /// POSTs whose answer never came: the gateway may have made calls that nobody here knows.
    pub(super) lost_posts: u8,
}

impl Channel {
    pub(super) fn new() -> Self {
        Self {
            poll: None,
            replaced: None,
            socket: Socket::default(),
            next_at: None,
            probe_at: None,
            series: Series::default(),
            numbering: Numbering::Unanswered,
            quick: 0,
            orphans: VecDeque::new(),
            ended: VecDeque::new(),
            lost_posts: 0,
        }
    }

    /// The number to ask from; `None`: plain protocol.
    pub(super) fn after(&self) -> Option<u64> {
        match self.numbering {
            Numbering::Unanswered => Some(0),
            Numbering::Asked(n) => Some(n),
            Numbering::Plain => None,
        }
    }

    pub(super) fn is_polling(&self) -> bool {
        self.poll.is_some()
    }

    /// Events are being asked for, in whichever way.
    pub(super) fn is_asking(&self) -> bool {
        self.poll.is_some() || self.socket.is_busy()
    }

    /// A poll was sent.
    pub(super) fn sent(&mut self, id: RequestId, now: Instant) {
        self.poll = Some((id, now));
        self.next_at = None;
        self.probe_at = self.is_cut_off().then_some(now + PROBE_AFTER);
    }

    /// The gateway was reported unreachable, and nothing but that.
    pub(super) fn is_cut_off(&self) -> bool {
        self.series.unreachable && !self.series.error
    }

    /// Events have numbers, so that none is lost or doubled when a poll is given up.
    pub(super) fn has_numbers(&self) -> bool {
        match self.numbering {
            Numbering::Asked(n) => n > 0,
            Numbering::Unanswered | Numbering::Plain => false,
        }
    }

    /// The poll in flight is being replaced by a new one.
    pub(super) fn replace(&mut self) -> Option<RequestId> {
        let (id, _) = self.poll.take()?;
        self.probe_at = None;
        self.replaced = Some(id);
        Some(id)
    }

    /// Is this the answer to the replaced poll?
    pub(super) fn take_replaced(&mut self, id: RequestId) -> bool {
        let hit = self.replaced == Some(id);
        if hit {
            self.replaced = None;
        }
        hit
    }

    /// The poll in flight is over; returns how long it took.
    pub(super) fn ended_poll(&mut self, now: Instant) -> Duration {
        self.probe_at = None;
        self.poll.take().map_or(Duration::ZERO, |(_, sent)| now.saturating_duration_since(sent))
    }

    /// The gateway refused the very first poll with a number: `true` when the plain protocol should be tried.
    pub(super) fn refused_numbers(&mut self, status: u16) -> bool {
        let worth = match self.numbering {
            Numbering::Unanswered => matches!(status, 400 | 404 | 405 | 414 | 501),
            Numbering::Asked(_) | Numbering::Plain => false,
        };
        if worth {
            self.numbering = Numbering::Plain;
        }
        worth
    }

    /// Takes a good answer: returns the events that are new, in order.
    pub(super) fn take_events(&mut self, events: Vec<NumberedEvent>) -> Vec<EventObject> {
        let last = match self.numbering {
            Numbering::Unanswered => {
                self.numbering = Numbering::Asked(0);
                0
            }
            Numbering::Asked(n) => n,
            Numbering::Plain => return events.into_iter().map(|e| e.event).collect(),
        };
        if events.iter().any(|e| e.seq.is_none()) {
            self.numbering = Numbering::Plain;
            return events.into_iter().map(|e| e.event).collect();
        }
        let mut newest = last;
        let mut fresh = Vec::with_capacity(events.len());
        for numbered in events {
            let Some(seq) = numbered.seq else { continue };
            if seq <= newest {
                log::debug!("event {seq} came again");
                continue;
            }
            if seq > newest + 1 && newest > 0 {
                log::warn!("events {} to {} are missing", newest + 1, seq - 1);
            }
            newest = seq;
            fresh.push(numbered.event);
        }
        self.numbering = Numbering::Asked(newest);
        fresh
    }

    /// When the next poll may go out after a good answer: at once, unless the gateway answers empty without holding.
    pub(super) fn pace(&mut self, took: Duration, empty: bool, now: Instant) -> Instant {
        if !empty || took >= QUICK {
            self.quick = 0;
            return now;
        }
        self.quick = self.quick.saturating_add(1);
        if self.quick <= QUICK_ANSWERS { now } else { now + SLOW_POLL }
    }

    /// Keeps an event of a call that is not known yet; the oldest goes when there are too many.
    pub(super) fn keep_orphan(&mut self, id: String, event: EventObject) {
        if self.orphans.len() == MAX_ORPHANS {
            self.orphans.pop_front();
        }
        self.orphans.push_back((id, event));
    }

    /// The kept events of the call that is known now, in order.
    pub(super) fn adopt(&mut self, id: &str) -> Vec<EventObject> {
        let (mine, rest): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.orphans).into_iter().partition(|(of, _)| of == id);
        self.orphans = rest;
        mine.into_iter().map(|(_, event)| event).collect()
    }

    /// No POST is in flight any more: kept events belong to nobody.
    pub(super) fn drop_orphans(&mut self) {
        self.orphans.clear();
    }

    /// Remembers the id of a call that is over here.
    pub(super) fn remember_ended(&mut self, id: String) {
        if self.ended.len() == MAX_ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back(id);
    }

    pub(super) fn has_ended(&self, id: &str) -> bool {
        self.ended.iter().any(|of| of == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ewebrtc_wire::{EventState, Kind};

    fn event(seq: Option<u64>) -> NumberedEvent {
        NumberedEvent {
            seq,
            event: EventObject::new(Kind::Call, "/RTC/v1/sessions/s/calls/c", EventState::SessionOpen),
        }
    }

    #[test]
    fn numbered_events_are_taken_once() {
        let mut channel = Channel::new();
        assert_eq!(channel.after(), Some(0));
        assert_eq!(channel.take_events(vec![event(Some(1)), event(Some(2))]).len(), 2);
        assert_eq!(channel.after(), Some(2));
        assert_eq!(channel.take_events(vec![event(Some(2)), event(Some(3))]).len(), 1);
        assert_eq!(channel.take_events(vec![event(Some(7))]).len(), 1);
        assert_eq!(channel.after(), Some(7));
    }

    #[test]
    fn without_numbers_the_plain_protocol_stays_for_good() {
        let mut channel = Channel::new();
        assert!(channel.take_events(Vec::new()).is_empty());
        assert_eq!(channel.after(), Some(0));
        assert_eq!(channel.take_events(vec![event(None), event(None)]).len(), 2);
        assert_eq!(channel.after(), None);
        assert_eq!(channel.take_events(vec![event(Some(9)), event(Some(9))]).len(), 2);
        assert_eq!(channel.after(), None);
    }

    #[test]
    fn only_the_first_refusal_is_blamed_on_the_number() {
        let mut channel = Channel::new();
        assert!(!channel.refused_numbers(401));
        assert!(channel.refused_numbers(400));
        assert_eq!(channel.after(), None);
        assert!(!channel.refused_numbers(400));
        let mut channel = Channel::new();
        channel.take_events(Vec::new());
        assert!(!channel.refused_numbers(404));
    }

    #[test]
    fn a_gateway_that_does_not_hold_polls_is_asked_slowly() {
        let mut channel = Channel::new();
        let now = Instant::now();
        for _ in 0..QUICK_ANSWERS {
            assert_eq!(channel.pace(Duration::ZERO, true, now), now);
        }
        assert_eq!(channel.pace(Duration::ZERO, true, now), now + SLOW_POLL);
        assert_eq!(channel.pace(Duration::ZERO, false, now), now);
        assert_eq!(channel.pace(Duration::from_secs(25), true, now), now);
    }

    #[test]
    fn kept_events_are_bounded_and_given_to_their_call() {
        let mut channel = Channel::new();
        for n in 0..200 {
            channel.keep_orphan(format!("c{}", n % 2), event(None).event);
        }
        assert_eq!(channel.adopt("c0").len() + channel.adopt("c1").len(), MAX_ORPHANS);
        for n in 0..200 {
            channel.remember_ended(format!("c{n}"));
        }
        assert!(channel.has_ended("c199") && !channel.has_ended("c0"));
    }
}
