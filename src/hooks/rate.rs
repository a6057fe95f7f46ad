//! How many messages a webhook takes: a bucket that holds `burst` and is filled again slowly.

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn full(burst: u32, now: Instant) -> Self {
        Self { left: f64::from(burst.max(1)), at: now }
    }

    /// Takes one, or says how long until there is one again.
    pub(super) fn take(
        &mut self,
        per_second: f64,
        burst: u32,
        now: Instant,
    ) -> Result<(), Duration> {
        /// Even the slowest webhook takes one an hour.
        const SLOWEST: f64 = 1.0 / 3600.0;
        let per_second = per_second.max(SLOWEST);
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = (self.left + passed * per_second).min(f64::from(burst.max(1)));
        self.at = now;
        if self.left >= 1.0 {
            self.left -= 1.0;
            Ok(())
        } else {
            Err(Duration::from_secs_f64((1.0 - self.left) / per_second))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_so_many_a_second() {
        let start = Instant::now();
        let mut bucket = Bucket::full(3, start);
        let mut take = |ms| bucket.take(2.0, 3, start + Duration::from_millis(ms));
        for _ in 0..3 {
            take(0).unwrap();
        }
        assert_eq!(take(0).unwrap_err(), Duration::from_millis(500));
        take(500).unwrap();
        take(501).unwrap_err();
        for _ in 0..3 {
            take(60_000).unwrap();
        }
        take(60_000).unwrap_err();
    }
}
