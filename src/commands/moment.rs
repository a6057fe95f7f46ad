//! Moments as they are typed: `--since` means the same everywhere, and so does `--expires`.

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

/// The same, and not one that is still to come.
pub(super) fn past(text: &str) -> Result<Timestamp, String> {
    let at = moment(text)?;
    if at <= clock::now() { Ok(at) } else { Err("must not be still to come".to_owned()) }
}

/// A time to come, or a length of time from now: `2027-11-21T05:00:00Z`, `12h`, `7d`.
pub(super) fn ahead(text: &str) -> Result<Timestamp, String> {
    let now = clock::now();
    if let Ok(span) = text.parse::<Span>() {
        return now.checked_add(span.0).map_err(|_| "must not be so far away".to_owned());
    }
    let at: Timestamp =
        text.parse().map_err(|_| "must be such as 12h, 7d or 2027-11-21T05:00:00Z".to_owned())?;
    if at > now { Ok(at) } else { Err("must not be over already".to_owned()) }
}

/// A moment in milliseconds since the epoch, as Matrix has them.
pub(super) fn ms(at: Timestamp) -> u64 {
    u64::try_from(at.as_millisecond()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_to_come_is_a_time_or_how_long_from_now() {
        assert_eq!(ms(ahead("2100-11-21T05:00:00Z").unwrap()), 4_130_456_400_000);
        for span in ["10m", "2h", "3d"] {
            assert!(ahead(span).unwrap() > clock::now(), "{span}");
        }
        for wrong in ["tomorrow", "", "-5m", "2000-11-21T05:00:00Z", "99999999y"] {
            ahead(wrong).unwrap_err();
        }
    }

    #[test]
    fn what_is_past_is_not_still_to_come() {
        past("2h").unwrap();
        past("2020-11-21T05:00:00Z").unwrap();
        assert_eq!(past("2100-11-21T05:00:00Z").unwrap_err(), "must not be still to come");
    }

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
