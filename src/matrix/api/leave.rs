//! `POST /_matrix/client/v3/rooms/<room_id>/leave` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3roomsroomidleave

use ruma::OwnedRoomId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: true,
    authentication: AccessToken,
    path: "/_matrix/client/v3/rooms/{room_id}/leave",
}

/// Leaves a room, or declines the invitation to it.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
}

impl Repeat for Request {
    // Who is out already stays out.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}
