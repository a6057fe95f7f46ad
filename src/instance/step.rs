//! What a start does, told as it happens.

use crate::supervisor::record::Snapshot;

pub(crate) enum Step<'a> {
    /// Another command works on this homeserver: which one.
    WaitsFor(&'a str),
    Prepares(&'a str),
    /// Something the person should know although it works.
    Warns(&'a str),
    Launches,
    Changed(&'a Snapshot),
    Account,
}
