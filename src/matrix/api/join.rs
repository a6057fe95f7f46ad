//! `POST /_matrix/client/v3/rooms/<room_id>/join` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3roomsroomidjoin

use ruma::OwnedRoomId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: true,
    authentication: AccessToken,
    path: "/_matrix/client/v3/rooms/{room_id}/join",
}

/// Joins a room that this server knows.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
}

impl Repeat for Request {
    // Who is in the room already joins it once more without an event.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}
