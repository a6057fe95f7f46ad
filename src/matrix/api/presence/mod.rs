//! Whether somebody is there.

pub(crate) mod get;
pub(crate) mod set;
