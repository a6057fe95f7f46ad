//! `DELETE /_matrix/client/v3/user/<user_id>/rooms/<room_id>/tags/<tag>` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#delete_matrixclientv3useruseridroomsroomidtagstag

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedRoomId, OwnedUserId};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: DELETE,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/user/{user_id}/rooms/{room_id}/tags/{tag}",
}

/// Takes a tag off a room.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    #[ruma_api(path)]
    pub(crate) tag: Segment<String>,
}

impl Repeat for Request {
    // The second sets what is so already.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}
