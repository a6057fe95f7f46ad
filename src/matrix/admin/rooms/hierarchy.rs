//! `GET /_synapse/admin/v1/rooms/<room_id>/hierarchy` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/rooms.html#room-hierarchy-api

use ruma::OwnedRoomId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/rooms/{room_id}/hierarchy",
}

/// Asks for one page of what is in a space, however deep.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    /// `next_batch` of the page before.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) rooms: Vec<Found>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next_batch: Option<String>,
}

/// A room of a space; the first is the space.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Found {
    pub(crate) room_id: OwnedRoomId,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) num_joined_members: u64,
    #[serde(default)]
    pub(crate) room_type: Option<String>,
    /// Events, whose state keys are the rooms in it.
    #[serde(default)]
    pub(crate) children_state: Vec<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_page_is_asked_for() {
        let (address, body) = body(Request {
            room_id: OwnedRoomId::try_from("!r:h").unwrap().into(),
            from: Some("b".to_owned()),
        });
        assert!(address.ends_with("/hierarchy?from=b"), "{address}");
        assert_eq!(body, "");
    }
}
