//! Which packets are asked for again (generic NACK, RFC 4585 section 6.2.1), and how long they are waited for.
//!
//! Owns: [`Missing`]. Pure: times are arguments. Must not import the transport.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A packet is asked for when it has been missing for so long: others overtake it by less.
const FIRST_ASK: Duration = Duration::from_millis(10);

/// What a round trip is taken for until one was seen.
const USUAL_TRIP: Duration = Duration::from_millis(60);

/// Bounds of the pause before a packet is asked for again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(30);
const LONGEST_PAUSE: Duration = Duration::from_millis(300);

/// Bounds of the time for which a packet is waited. A picture that stands still for longer is noticed more than one that
/// begins anew with a key frame.
const SHORTEST_WAIT: Duration = Duration::from_millis(150);
const LONGEST_WAIT: Duration = Duration::from_millis(600);

/// Packets asked for at a time. Where more are missing the picture begins anew.
const MOST: usize = 256;

#[derive(Debug, Clone, Copy)]
struct Ask {
    /// When it is asked for (again).
    at: Instant,
    /// When it was asked for last.
    asked: Option<Instant>,
    times: u32,
}

/// See the head of the file.
#[derive(Debug)]
pub(super) struct Missing {
    asks: BTreeMap<i64, Ask>,
    round_trip: Duration,
}

impl Missing {
    pub(super) fn new() -> Missing {
        Missing { asks: BTreeMap::new(), round_trip: USUAL_TRIP }
    }

    /// The packets before `number` and from `first` on have not come.
    pub(super) fn add(&mut self, first: i64, number: i64, now: Instant) {
        if number - first <= MOST as i64 {
            let ask = Ask { at: now + FIRST_ASK, asked: None, times: 0 };
            self.asks.extend((first..number).map(|number| (number, ask)));
            while self.asks.len() > MOST {
                self.asks.pop_first();
            }
        }
    }

    /// This one has come; true when it was asked for.
    pub(super) fn has_come(&mut self, number: i64, now: Instant) -> bool {
        let Some(Ask { asked: Some(asked), times, .. }) = self.asks.remove(&number) else { return false };
        if times == 1 {
            // A packet that was asked for twice says nothing of the time that one takes.
            let trip = now.saturating_duration_since(asked);
            self.round_trip = (self.round_trip * 7 + trip) / 8;
        }
        true
    }

    /// Those before this one are not wanted any more.
    pub(super) fn forget_before(&mut self, number: i64) {
        self.asks = self.asks.split_off(&number);
    }

    pub(super) fn clear(&mut self) {
        self.asks.clear();
    }

    /// What is to be asked for now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<u16> {
        let pause = (self.round_trip * 3 / 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        let mut due = Vec::new();
        for (number, ask) in self.asks.iter_mut().filter(|(_, ask)| ask.at <= now) {
            due.push(*number as u16);
            *ask = Ask { at: now + pause, asked: Some(now), times: ask.times + 1 };
        }
        due
    }

    /// When the next one is to be asked for.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.asks.values().map(|ask| ask.at).min()
    }

    /// How long a packet is waited for: several questions.
    pub(super) fn patience(&self) -> Duration {
        (FIRST_ASK + self.round_trip * 4).clamp(SHORTEST_WAIT, LONGEST_WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn what_is_missing_is_asked_for_until_it_comes() {
        let (mut missing, start) = (Missing::new(), Instant::now());
        missing.add(65_534, 65_538, start);
        assert!(missing.due(start + millis(9)).is_empty(), "it may have been overtaken");
        assert!(!missing.has_come(65_534, start + millis(9)));
        assert_eq!(missing.due(start + millis(10)), [65_535, 0, 1]);
        assert!(missing.due(start + millis(11)).is_empty());
        assert!(missing.has_come(65_536, start + millis(30)));
        let again = missing.deadline().expect("two are missing");
        assert!(again >= start + millis(10) + SHORTEST_PAUSE);
        assert_eq!(missing.due(again), [65_535, 1]);
        missing.forget_before(65_537);
        assert_eq!(missing.due(again + LONGEST_PAUSE), [1]);
        missing.clear();
        assert_eq!(missing.deadline(), None);
    }

    #[test]
    fn the_pace_follows_the_round_trip() {
        for (trip, bounds) in [(1, 150..=160), (80, 320..=340), (400, 600..=600)] {
            let (mut missing, mut now) = (Missing::new(), Instant::now());
            for number in 0..100 {
                missing.add(number, number + 1, now);
                now += FIRST_ASK;
                assert_eq!(missing.due(now).len(), 1);
                now += millis(trip);
                assert!(missing.has_come(number, now));
            }
            assert!(bounds.contains(&missing.patience().as_millis()), "{trip}: {:?}", missing.patience());
        }
    }

    #[test]
    fn a_great_hole_is_not_asked_for() {
        let (mut missing, now) = (Missing::new(), Instant::now());
        missing.add(0, 300, now);
        assert_eq!(missing.deadline(), None);
        for first in (0..1_000).step_by(100) {
            missing.add(first, first + 90, now);
        }
        assert_eq!(missing.due(now + FIRST_ASK).len(), MOST);
    }
}
