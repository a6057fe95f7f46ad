//! `GET /_matrix/client/v3/rooms/<room_id>/messages` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3roomsroomidmessages

use ruma::api::{Direction, auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedRoomId, RoomId};
use serde_json::Value;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/rooms/{room_id}/messages",
}

/// Asks for one page of what happened in a room, newest first; who asks must be allowed to see it.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    #[ruma_api(query)]
    pub(crate) dir: Direction,
    #[ruma_api(query)]
    pub(crate) limit: u32,
    /// Where the page starts: `end` of the one before; by default what is newest.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    /// Where to stop.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<String>,
    /// Which events are wanted, as JSON ([docs]); a page without one of them may have others behind it.
    ///
    /// [docs]: https://spec.matrix.org/latest/client-server-api/#filtering
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) filter: Option<String>,
}

impl Request {
    /// What happened before that place, all of it, newest first.
    pub(crate) fn before(room: &RoomId, from: Option<String>, limit: u32) -> Self {
        let (dir, room_id) = (Direction::Backward, room.to_owned().into());
        Self { room_id, dir, limit, from, to: None, filter: None }
    }
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    /// Events as they are: what is in them is up to who sent them.
    pub(crate) chunk: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) end: Option<String>,
}
