//! `POST /_matrix/client/v3/join/<room>` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3joinroomidoralias

use ruma::OwnedServerName;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: true,
    authentication: AccessToken,
    path: "/_matrix/client/v3/join/{room}",
}

/// Joins a room by its id or alias, through other servers.
#[request]
pub(crate) struct Request {
    /// An id or an alias.
    #[ruma_api(path)]
    pub(crate) room: Segment<String>,
    #[ruma_api(query)]
    pub(crate) via: Vec<OwnedServerName>,
}

impl Repeat for Request {
    // Who is in the room already joins it once more without an event.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}
