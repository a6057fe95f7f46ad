//! `POST /_synapse/admin/v1/register` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/register_api.html

use ruma::api::{auth_scheme::NoAccessToken, metadata, request, response};

use crate::matrix::repeat::Repeat;

metadata! {
    method: POST,
    rate_limited: false,
    authentication: NoAccessToken,
    path: "/_synapse/admin/v1/register",
}

/// Registers an account with the shared secret.
#[request]
pub(crate) struct Request {
    pub(crate) nonce: String,
    /// The localpart.
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) admin: bool,
    /// HMAC-SHA1 of the others under the shared secret, in hexadecimal.
    pub(crate) mac: String,
}

impl Repeat for Request {
    // A nonce is good for one.
    const REPEATABLE: bool = false;
}

#[response]
pub(crate) struct Response {
    /// Of a session on a device of Synapse's choice.
    pub(crate) access_token: String,
}
