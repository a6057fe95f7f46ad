//! `GET /_matrix/client/v3/rooms/<room_id>/event/<event_id>` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3roomsroomideventeventid

use ruma::{
    OwnedEventId, OwnedRoomId,
    api::{auth_scheme::AccessToken, metadata, request, response},
};
use serde_json::Value;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/rooms/{room_id}/event/{event_id}",
}

/// Asks for one event.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    #[ruma_api(path)]
    pub(crate) event_id: Segment<OwnedEventId>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    #[ruma_api(body)]
    pub(crate) event: Value,
}
