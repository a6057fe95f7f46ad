//! Whether a request may be sent again.

/// What each request says of itself, beside what ruma's own traits say: there is no rule by method or
/// address.
pub(crate) trait Repeat {
    /// Whether it may be sent again where its answer was lost, or where the server answered that it
    /// stumbled (5xx): the second does no more than the first.
    const REPEATABLE: bool;
}
