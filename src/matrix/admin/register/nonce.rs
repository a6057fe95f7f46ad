//! `GET /_synapse/admin/v1/register` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/register_api.html

use ruma::api::{auth_scheme::NoAccessToken, metadata, request, response};

use crate::matrix::repeat::Repeat;

metadata! {
    method: GET,
    rate_limited: false,
    authentication: NoAccessToken,
    path: "/_synapse/admin/v1/register",
}

/// Asks for what the next registration with the shared secret is signed with.
#[request]
pub(crate) struct Request {}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) nonce: String,
}
