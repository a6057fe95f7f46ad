//! Moments as they are typed: `--since` means the same everywhere.

use jiff::Timestamp;

use crate::{clock, config::values::shape::Span};

/// A time, or a length of time before now: `2026-11-21T05:00:00Z`, `10m`, `2h`, `3d`.
pub(super) fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(span) = text.parse::<Span>() {
        let before = clock::now().checked_sub(span.0);
        return before.map_err(|_| "must not be so long ago".to_owned());
    }
    text.parse().map_err(|_| "must be such as 10m, 2h, 3d or 2026-11-21T05:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_how_long_ago() {
        assert_eq!(moment("2026-11-21T05:00:00Z").unwrap().to_string(), "2026-11-21T05:00:00Z");
        for span in ["10m", "2h", "3d", "1w", "10"] {
            assert!(moment(span).unwrap() < clock::now(), "{span}");
        }
        for wrong in ["yesterday", "", "-5m", "10x", "99999999y"] {
            moment(wrong).unwrap_err();
        }
    }
}
