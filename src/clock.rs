//! The current time, in one place, so that tests can fix it, and how long to wait between tries.

use std::time::Duration;

use jiff::Timestamp;

/// Fixes the clock for tests that compare whole conversations.
const FIXED: &str = "RMS_TEST_NOW";

pub(crate) fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "a hidden variable of the tests, not a setting")]
    let fixed = std::env::var(FIXED).ok();
    fixed.and_then(|text| text.parse().ok()).unwrap_or_else(Timestamp::now)
}

/// `2026-11-21T04:54:15Z`, of milliseconds since the epoch as Matrix has them.
pub(crate) fn of_ms(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let at = at.unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `20261121T045415Z`: sorts by time and is safe in a file name.
pub(crate) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Pauses between tries, each twice as long as the one before, up to a longest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { next: first, longest }
    }

    /// The pause that comes next.
    pub(crate) fn peek(self) -> Duration {
        self.nth(0)
    }

    /// The pause that comes after so many others.
    pub(crate) fn nth(self, others: u32) -> Duration {
        self.longest.min(self.next.saturating_mul(2_u32.saturating_pow(others)))
    }

    /// The pause to make now.
    pub(crate) fn pause(&mut self) -> Duration {
        let now = self.peek();
        self.next = self.nth(1);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_never_overflow() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(5));
        assert_eq!(backoff.nth(u32::MAX).as_secs(), 5);
        assert_eq!([0; 5].map(|_| backoff.pause().as_secs()), [1, 2, 4, 5, 5]);
        assert_eq!(backoff.peek().as_secs(), 5);
    }
}
