//! `DELETE /_matrix/client/v3/directory/room/<room_alias>` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#delete_matrixclientv3directoryroomroomalias

use ruma::OwnedRoomAliasId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: DELETE,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/directory/room/{room_alias}",
}

/// Takes an alias away from its room.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_alias: Segment<OwnedRoomAliasId>,
}

impl Repeat for Request {
    // The second would find no alias.
    const REPEATABLE: bool = false;
}

#[response]
pub(crate) struct Response {}
