//! Synapse's admin API, one endpoint a file, in ruma's style ([docs]).
//!
//! [docs]: https://element-hq.github.io/synapse/latest/usage/administration/admin_api/

pub(crate) mod background_updates;
pub(crate) mod devices;
pub(crate) mod federation;
pub(crate) mod fetch_event;
pub(crate) mod media;
pub(crate) mod register;
pub(crate) mod reports;
pub(crate) mod rooms;
pub(crate) mod server;
pub(crate) mod statistics;
pub(crate) mod tokens;
pub(crate) mod users;
