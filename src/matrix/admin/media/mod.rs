//! Media, as an admin sees them.

pub(crate) mod delete;
pub(crate) mod delete_old;
pub(crate) mod get;
pub(crate) mod of_room;
pub(crate) mod protect;
pub(crate) mod purge_cache;
pub(crate) mod quarantine;
pub(crate) mod quarantine_room;
pub(crate) mod quarantine_user;
pub(crate) mod unprotect;
pub(crate) mod unquarantine;
