//! How many requests are taken of each: a bucket that holds `burst` and is filled again slowly.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How many are remembered before those are forgotten who have not come for a while.
const MOST: usize = 4096;

/// The buckets of all who come.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<BTreeMap<String, Bucket>>);

impl Rates {
    /// Takes one of theirs, or says how long until there is one again.
    pub(crate) fn take(&self, who: &str, per_second: f64, burst: u32) -> Result<(), Duration> {
        self.take_at(who, per_second, burst, Instant::now())
    }

    fn take_at(
        &self,
        who: &str,
        per_second: f64,
        burst: u32,
        now: Instant,
    ) -> Result<(), Duration> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(who) {
            return bucket.take(per_second, burst, now);
        }
        if buckets.len() >= MOST {
            // A full one is as good as none.
            buckets.retain(|_, bucket| !bucket.is_full(per_second, burst, now));
        }
        let bucket = buckets.entry(who.to_owned()).or_insert(Bucket::full(burst, now));
        bucket.take(per_second, burst, now)
    }
}

#[derive(Debug)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn full(burst: u32, now: Instant) -> Self {
        Self { left: f64::from(burst.max(1)), at: now }
    }

    fn is_full(&self, per_second: f64, burst: u32, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left + passed * per_second >= f64::from(burst)
    }

    fn take(&mut self, per_second: f64, burst: u32, now: Instant) -> Result<(), Duration> {
        /// Even the slowest takes one an hour.
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

    #[test]
    fn each_has_a_bucket_of_their_own_and_full_ones_are_forgotten() {
        let (rates, start) = (Rates::default(), Instant::now());
        let take = |who: &str, s| rates.take_at(who, 1.0, 2, start + Duration::from_secs(s));
        take("a", 0).unwrap();
        take("a", 0).unwrap();
        take("a", 0).unwrap_err();
        take("b", 0).unwrap();
        for n in 0..MOST {
            take(&n.to_string(), 10).unwrap();
        }
        take("a", 10).unwrap();
        assert!(rates.0.lock().unwrap().len() <= MOST + 1);
        take("c", 100).unwrap();
        assert_eq!(rates.0.lock().unwrap().len(), 1);
    }
}
