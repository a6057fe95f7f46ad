//! `PUT /_matrix/client/v3/user/<user_id>/rooms/<room_id>/tags/<tag>` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3useruseridroomsroomidtagstag

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedRoomId, OwnedUserId};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: PUT,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/user/{user_id}/rooms/{room_id}/tags/{tag}",
}

/// Puts a tag on a room.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    #[ruma_api(path)]
    pub(crate) tag: Segment<String>,
    /// The place among the rooms of that tag, from 0 to 1: the smaller the higher.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order: Option<f64>,
}

impl Repeat for Request {
    // The second sets what is so already.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}
