//! `GET /_matrix/client/v1/media/config` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv1mediaconfig

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::repeat::Repeat;

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v1/media/config",
}

/// Asks how large a file may be.
#[request]
pub(crate) struct Request {}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    /// In bytes.
    #[serde(rename = "m.upload.size")]
    pub(crate) upload_size: Option<u64>,
}
