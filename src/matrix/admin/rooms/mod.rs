//! Rooms, as an admin sees them.

pub(crate) mod at;
pub(crate) mod block;
pub(crate) mod context;
pub(crate) mod delete;
pub(crate) mod delete_status;
pub(crate) mod extremities;
pub(crate) mod get;
pub(crate) mod get_block;
pub(crate) mod hierarchy;
pub(crate) mod join;
pub(crate) mod list;
pub(crate) mod make_admin;
pub(crate) mod members;
pub(crate) mod messages;
pub(crate) mod prune_extremities;
pub(crate) mod purge_history;
pub(crate) mod purge_status;
pub(crate) mod state;
