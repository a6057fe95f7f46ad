//! `POST /_matrix/client/v3/rooms/<room_id>/upgrade` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3roomsroomidupgrade

use ruma::OwnedRoomId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/rooms/{room_id}/upgrade",
}

/// Has a new room take the place of one.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    pub(crate) new_version: String,
}

impl Repeat for Request {
    // The second would be another room.
    const REPEATABLE: bool = false;
}

#[response]
pub(crate) struct Response {
    pub(crate) replacement_room: OwnedRoomId,
}
