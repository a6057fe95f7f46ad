//! `GET /_synapse/admin/v1/rooms/<room_id>/context/<event_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/rooms.html#event-context-api

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedEventId, OwnedRoomId};
use serde_json::Value;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/rooms/{room_id}/context/{event_id}",
}

/// Asks for an event of a room and what is around it, whoever is in the room.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    #[ruma_api(path)]
    pub(crate) event_id: Segment<OwnedEventId>,
    /// How many events around it.
    #[ruma_api(query)]
    pub(crate) limit: u32,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) event: Value,
}
