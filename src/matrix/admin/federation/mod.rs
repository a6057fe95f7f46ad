//! What our server knows of others ([docs]).
//!
//! [docs]: https://element-hq.github.io/synapse/latest/usage/administration/admin_api/federation.html

pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod reset_connection;
