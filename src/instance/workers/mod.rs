//! Which workers there are and where they run: another number of them, and other machines.

pub(crate) mod join;
pub(crate) mod join_file;
pub(crate) mod scale;
