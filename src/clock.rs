//! The current time, in one place, so that tests can fix it.

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
