//! `GET /_matrix/client/v3/rooms/<room_id>/aliases` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3roomsroomidaliases

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedRoomAliasId, OwnedRoomId};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/rooms/{room_id}/aliases",
}

/// Asks which aliases of this server a room has; a member or an admin gets an answer.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) aliases: Vec<OwnedRoomAliasId>,
}
