//! The current time, in one place, so that tests can fix it.

use jiff::Timestamp;

/// Fixes the clock for tests that compare whole conversations.
const FIXED: &str = "RMS_TEST_NOW";

pub(crate) fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "a hidden variable of the tests, not a setting")]
    let fixed = std::env::var(FIXED).ok();
    fixed.and_then(|text| text.parse().ok()).unwrap_or_else(Timestamp::now)
}

/// `20261121T045415Z`: sorts by time and is safe in a file name.
pub(crate) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}
