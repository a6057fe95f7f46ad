//! `POST /_matrix/client/v3/rooms/<room_id>/forget` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3roomsroomidforget

use ruma::OwnedRoomId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: true,
    authentication: AccessToken,
    path: "/_matrix/client/v3/rooms/{room_id}/forget",
}

/// Takes a room that one left out of what one sees.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
}

impl Repeat for Request {
    // What is forgotten stays so.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}
