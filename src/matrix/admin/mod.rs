//! Synapse's admin API, one endpoint a file, in ruma's style ([docs]).
//!
//! [docs]: https://element-hq.github.io/synapse/latest/usage/administration/admin_api/

pub(crate) mod rooms;
pub(crate) mod users;
