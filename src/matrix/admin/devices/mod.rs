//! Where people are logged in, as an admin sees it.

pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod rename;
