//! `POST /_matrix/client/v3/login` with a JWT ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/jwt.html

use ruma::api::{auth_scheme::NoAccessToken, metadata, request, response};

use crate::matrix::repeat::Repeat;

metadata! {
    method: POST,
    rate_limited: true,
    authentication: NoAccessToken,
    path: "/_matrix/client/v3/login",
}

/// Logs in on a device by a JWT that says who it is.
#[request]
pub(crate) struct Request {
    /// `org.matrix.login.jwt`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) token: String,
    pub(crate) device_id: String,
    pub(crate) initial_device_display_name: String,
}

impl Repeat for Request {
    // The device is named: the second login takes the place of the first.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) access_token: String,
}
