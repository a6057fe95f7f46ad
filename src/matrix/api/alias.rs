//! `GET /_matrix/client/v3/directory/room/<room_alias>` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3directoryroomroomalias

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedRoomAliasId, OwnedRoomId};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/directory/room/{room_alias}",
}

/// Asks which room an alias means.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_alias: Segment<OwnedRoomAliasId>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) room_id: OwnedRoomId,
}
