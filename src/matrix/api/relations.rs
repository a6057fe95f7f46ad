//! `GET /_matrix/client/v1/rooms/<room_id>/relations/<event_id>/<rel_type>` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv1roomsroomidrelationseventidreltype

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedEventId, OwnedRoomId};
use serde_json::Value;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v1/rooms/{room_id}/relations/{event_id}/{rel_type}",
}

/// Asks for what refers to an event in one way (`m.replace`, …).
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    #[ruma_api(path)]
    pub(crate) event_id: Segment<OwnedEventId>,
    #[ruma_api(path)]
    pub(crate) rel_type: Segment<String>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) chunk: Vec<Value>,
}
