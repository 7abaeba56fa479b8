//! Waits between repeated attempts (P-22), and what was already reported in a series of failures (P-22, P-65, P-67).
//!
//! Owns: [`Backoff`], [`Series`], [`Jitter`]. Lives on: the phone's actor. Must not import: anything but `std`.

use std::time::Duration;

/// Wait after the first failure of a series.
pub const FIRST_WAIT: Duration = Duration::from_millis(250);
/// Longest nominal wait.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Part of the nominal wait by which a wait may be shorter or longer, in percent.
pub const JITTER_PERCENT: u64 = 20;

/// Source of jitter: splitmix64, so that equal seeds give equal waits. Not for secrets.
#[derive(Debug, Clone)]
pub struct Jitter(u64);

impl Jitter {
    /// A source with this seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `nominal`, shortened or lengthened by up to [`JITTER_PERCENT`].
    pub fn around(&mut self, nominal: Duration) -> Duration {
        let spread = 2 * JITTER_PERCENT * 1000;
        let permille_of_percent = (100 - JITTER_PERCENT) * 1000 + self.next() % (spread + 1);
        let micros = u64::try_from(nominal.as_micros()).unwrap_or(u64::MAX / 200_000);
        Duration::from_micros(micros.saturating_mul(permille_of_percent) / 100_000)
    }
}

/// Exponential back-off: 250 ms, doubling to 30 s, each wait with jitter.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts a failure and says how long to wait before the next attempt.
    pub fn fail(&mut self, jitter: &mut Jitter) -> Duration {
        let doublings = self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        let nominal = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
        jitter.around(nominal)
    }

    /// An attempt succeeded: the next series begins with the first wait again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A series of failures of one repeated request: its waits and what the application has been told about it.
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// The waits.
    pub backoff: Backoff,
    /// `gateway:unreachable` was published in this series.
    pub unreachable: bool,
    /// An `error` was published in this series.
    pub error: bool,
}

impl Series {
    /// Ends the series; true when something had been published, so that the recovery is worth an event.
    pub fn recover(&mut self) -> bool {
        let told = self.unreachable || self.error;
        *self = Self::default();
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_250_ms_to_30_s_with_20_percent_jitter() {
        for seed in 0..200 {
            let mut jitter = Jitter::new(seed);
            let mut backoff = Backoff::default();
            for nominal in [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000] {
                let wait = backoff.fail(&mut jitter).as_micros() as u64;
                let nominal = nominal * 1000;
                assert!(wait >= nominal * 80 / 100 && wait <= nominal * 120 / 100, "{wait} for {nominal}, seed {seed}");
            }
            backoff.reset();
            assert!(backoff.fail(&mut jitter) <= Duration::from_millis(300), "seed {seed}");
        }
    }

    #[test]
    fn waits_differ_between_seeds_and_repeat_with_one() {
        let waits = |seed| {
            let mut jitter = Jitter::new(seed);
            let mut backoff = Backoff::default();
            (0..8).map(|_| backoff.fail(&mut jitter)).collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }

    #[test]
    fn recovery_is_worth_an_event_only_after_a_report() {
        let mut series = Series::default();
        assert!(!series.recover());
        series.unreachable = true;
        assert!(series.recover());
        assert!(!series.recover());
    }
}
