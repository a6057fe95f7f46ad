//! The server itself: what it does in the background, and what it says in its own name.

pub(crate) mod notice;
pub(crate) mod tasks;
