//! Rooms, as an admin sees them.

pub(crate) mod context;
pub(crate) mod delete;
pub(crate) mod delete_status;
pub(crate) mod get;
pub(crate) mod join;
pub(crate) mod list;
pub(crate) mod make_admin;
pub(crate) mod members;
pub(crate) mod messages;
pub(crate) mod state;
