//! The tags that a user puts on rooms.

pub(crate) mod list;
pub(crate) mod remove;
pub(crate) mod set;
