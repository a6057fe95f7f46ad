//! `POST /_matrix/client/v3/knock/<room>` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3knockroomidoralias

use ruma::OwnedServerName;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: true,
    authentication: AccessToken,
    path: "/_matrix/client/v3/knock/{room}",
}

/// Asks those in a room to be invited.
#[request]
pub(crate) struct Request {
    /// An id or an alias.
    #[ruma_api(path)]
    pub(crate) room: Segment<String>,
    #[ruma_api(query)]
    pub(crate) via: Vec<OwnedServerName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

impl Repeat for Request {
    // Who knocked already goes on doing so.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}
