//! What users reported.

pub(crate) mod get_event;
pub(crate) mod get_user;
pub(crate) mod list_events;
pub(crate) mod list_users;
pub(crate) mod remove_event;
pub(crate) mod remove_user;
