//! `GET /_synapse/admin/v1/rooms/<room_id>/state` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/rooms.html#room-state-api

use ruma::OwnedRoomId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use serde_json::Value;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/rooms/{room_id}/state",
}

/// Asks for the state events of one type, or for all.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    /// A Synapse that does not know this yet answers with all types.
    #[ruma_api(query)]
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) event_type: Option<String>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    /// Whole events.
    pub(crate) state: Vec<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_type_is_asked_for() {
        let room_id = OwnedRoomId::try_from("!r:h").unwrap().into();
        let request = Request { room_id, event_type: Some("m.room.create".into()) };
        assert!(body(request).0.ends_with("/rooms/!r:h/state?type=m.room.create"));
    }
}
