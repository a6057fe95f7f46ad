//! `POST /_matrix/client/v3/rooms/<room_id>/read_markers` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3roomsroomidread_markers

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedEventId, OwnedRoomId};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: true,
    authentication: AccessToken,
    path: "/_matrix/client/v3/rooms/{room_id}/read_markers",
}

/// Says how far a user has read a room.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    /// Where their own programs go on.
    #[serde(rename = "m.fully_read")]
    pub(crate) fully_read: OwnedEventId,
    /// What the others in the room see.
    #[serde(rename = "m.read", skip_serializing_if = "Option::is_none")]
    pub(crate) read: Option<OwnedEventId>,
    /// The same, seen by nobody else.
    #[serde(rename = "m.read.private", skip_serializing_if = "Option::is_none")]
    pub(crate) read_privately: Option<OwnedEventId>,
}

impl Repeat for Request {
    // The second sets what is so already.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}
