//! `PUT /_matrix/client/v3/rooms/<room_id>/state/<event_type>/<state_key>` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3roomsroomidstateeventtypestatekey

use ruma::OwnedRoomId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use serde_json::Value;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: PUT,
    rate_limited: true,
    authentication: AccessToken,
    path: "/_matrix/client/v3/rooms/{room_id}/state/{event_type}/{state_key}",
}

/// Sets a state event.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    #[ruma_api(path)]
    pub(crate) event_type: Segment<String>,
    #[ruma_api(path)]
    pub(crate) state_key: Segment<String>,
    #[ruma_api(body)]
    pub(crate) content: Value,
}

impl Repeat for Request {
    // The server keeps the event there is where the content is the same.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}
