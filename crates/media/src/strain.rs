//! How hard a worker finds its work, and how much quality conferences give up for it.
//!
//! Owns: the arithmetic only. Lives on a media worker, which tells it how long each tick took. Must not import anything.

use std::time::Duration;

/// Most steps of quality that can be given up.
pub const MOST_STRAIN: u8 = 3;
/// Ticks over which the load is smoothed, about a second.
const MEMORY: f32 = 100.0;
/// From this share of the time on a step is given up. What is left is for ticks that need more than the average.
const HIGH: f32 = 0.8;
/// Below this share a step is taken back. Far enough from `HIGH` that what it costs does not lead there again.
const LOW: f32 = 0.4;
/// Ticks between two steps down, and of low load before a step up: 1 s, 5 s.
const DOWN_AFTER: u32 = 100;
const UP_AFTER: u32 = 500;

/// See the head of the file.
#[derive(Debug, Default)]
pub(crate) struct Strain {
    load: f32,
    step: u8,
    /// Ticks since the last change of the step, and of low load in a row.
    since: u32,
    low: u32,
}

impl Strain {
    /// Takes note of one tick that took `took` of the `tick` it may take. True when another step is given up.
    pub(crate) fn note(&mut self, took: Duration, tick: Duration) -> bool {
        // One tick in which the process was held up for long says little about the work.
        let share = (took.as_secs_f32() / tick.as_secs_f32()).min(4.0);
        self.load += (share - self.load) / MEMORY;
        self.since = self.since.saturating_add(1);
        self.low = if self.load < LOW { self.low.saturating_add(1) } else { 0 };
        if self.load > HIGH && self.since >= DOWN_AFTER && self.step < MOST_STRAIN {
            self.step += 1;
            self.since = 0;
            return true;
        }
        if self.step > 0 && self.low >= UP_AFTER {
            self.step -= 1;
            self.since = 0;
            self.low = 0;
        }
        false
    }

    /// How many steps are given up, at most [`MOST_STRAIN`].
    pub(crate) fn step(&self) -> u8 {
        self.step
    }

    /// Share of the time that is needed, in per cent.
    pub(crate) fn load_percent(&self) -> u32 {
        (self.load * 100.0).round() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(10);

    fn run(strain: &mut Strain, ticks: u32, took_ms: u64) -> u32 {
        (0..ticks).map(|_| u32::from(strain.note(Duration::from_millis(took_ms), TICK))).sum()
    }

    #[test]
    fn steps_are_given_up_one_a_second_and_taken_back_more_slowly() {
        let mut strain = Strain::default();
        assert_eq!((run(&mut strain, 1_000, 5), strain.step(), strain.load_percent()), (0, 0, 50));
        assert_eq!(run(&mut strain, 400, 12), 3, "not all at once");
        assert_eq!(strain.step(), MOST_STRAIN);
        assert_eq!(run(&mut strain, 2_000, 12), 0, "there is no more to give up");
        run(&mut strain, 2_000, 6);
        assert_eq!(strain.step(), MOST_STRAIN, "between the bounds nothing changes");
        run(&mut strain, 300, 1);
        assert_eq!(strain.step(), MOST_STRAIN, "not after a short rest");
        run(&mut strain, 2_000, 1);
        assert_eq!(strain.step(), 0);
    }

    #[test]
    fn one_long_tick_changes_nothing() {
        let mut strain = Strain::default();
        run(&mut strain, 500, 1);
        assert_eq!(run(&mut strain, 1, 900) + run(&mut strain, 500, 1), 0);
    }
}
