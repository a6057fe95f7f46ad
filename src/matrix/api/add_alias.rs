//! `PUT /_matrix/client/v3/directory/room/<room_alias>` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3directoryroomroomalias

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedRoomAliasId, OwnedRoomId};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: PUT,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/directory/room/{room_alias}",
}

/// Gives a room an alias.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_alias: Segment<OwnedRoomAliasId>,
    pub(crate) room_id: OwnedRoomId,
}

impl Repeat for Request {
    // The second would find the alias taken.
    const REPEATABLE: bool = false;
}

#[response]
pub(crate) struct Response {}
