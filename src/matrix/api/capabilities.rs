//! `GET /_matrix/client/v3/capabilities` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3capabilities

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use serde::{Deserialize, Serialize};

use crate::matrix::repeat::Repeat;

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/capabilities",
}

/// Asks what the server can do.
#[request]
pub(crate) struct Request {}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) capabilities: Capabilities,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Capabilities {
    #[serde(rename = "m.room_versions")]
    pub(crate) versions: Versions,
}

/// The versions of rooms.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Versions {
    /// That of a room that is made now.
    pub(crate) default: String,
    /// Each by its name, `stable` or `unstable`.
    pub(crate) available: std::collections::BTreeMap<String, String>,
}
