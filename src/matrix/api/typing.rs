//! `PUT /_matrix/client/v3/rooms/<room_id>/typing/<user_id>` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3roomsroomidtypinguserid

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedRoomId, OwnedUserId};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: PUT,
    rate_limited: true,
    authentication: AccessToken,
    path: "/_matrix/client/v3/rooms/{room_id}/typing/{user_id}",
}

/// Says whether a user is typing in a room.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    pub(crate) typing: bool,
    /// After how long they are taken not to type any more, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timeout: Option<u64>,
}

impl Repeat for Request {
    // The second sets what is so already.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}
