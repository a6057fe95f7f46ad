//! Times as the media endpoints want them.

use crate::{clock, config::values::shape::Span, error::Failure};

/// The time so long ago, in milliseconds since the epoch. Synapse takes none of the seventies.
pub(super) fn before(span: Span) -> Result<i64, Failure> {
    const EARLIEST: i64 = 30_000_000_000;
    let at = clock::now().checked_sub(span.0).map(jiff::Timestamp::as_millisecond);
    at.ok()
        .filter(|at| *at >= EARLIEST)
        .ok_or_else(|| Failure::request(format!("`{span}` is longer ago than there is Matrix")))
}
