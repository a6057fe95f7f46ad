//! `GET /_synapse/admin/v1/rooms` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/rooms.html#list-room-api

use ruma::OwnedRoomId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use serde::{Deserialize, Deserializer, Serialize};

use crate::matrix::repeat::Repeat;

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/rooms",
}

/// Asks for one page of all rooms.
#[request]
pub(crate) struct Request {
    #[ruma_api(query)]
    pub(crate) from: u64,
    #[ruma_api(query)]
    pub(crate) limit: u32,
    /// Part of a name or of the localpart of an alias, or an id.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) search_term: Option<String>,
    /// The field that it sorts by: the name where none is named.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order_by: Option<String>,
    /// `f`, or `b` the other way round; numbers begin with the highest.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dir: Option<String>,
}

impl Request {
    /// In the order of the names.
    pub(crate) fn by_name(from: u64, limit: u32, search_term: Option<String>) -> Self {
        Self { from, limit, search_term, order_by: None, dir: None }
    }
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) rooms: Vec<Room>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_batch: Option<u64>,
}

/// What Synapse tells of one room.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Room {
    pub(crate) room_id: OwnedRoomId,
    pub(crate) name: Option<String>,
    pub(crate) canonical_alias: Option<String>,
    #[serde(default)]
    pub(crate) topic: Option<String>,
    #[serde(default, deserialize_with = "none_is_zero")]
    pub(crate) joined_members: u64,
    #[serde(default, deserialize_with = "none_is_zero")]
    pub(crate) joined_local_members: u64,
    pub(crate) version: Option<String>,
    pub(crate) creator: Option<String>,
    /// The algorithm, where the room is encrypted.
    pub(crate) encryption: Option<String>,
    #[serde(default)]
    pub(crate) public: bool,
    #[serde(default)]
    pub(crate) room_type: Option<String>,
    /// Who may join: `public`, `invite`, `knock`, …
    #[serde(default)]
    pub(crate) join_rules: Option<String>,
}

/// Of a room that is just being made nothing is counted yet.
fn none_is_zero<'de, D: Deserializer<'de>>(number: D) -> Result<u64, D::Error> {
    Ok(Option::deserialize(number)?.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn a_room_without_a_name_is_read() {
        let request = Request::by_name(0, 10, Some("TW & m".into()));
        assert!(body(request).0.ends_with("/rooms?from=0&limit=10&search_term=TW+%26+m"));
        let page = answer::<Response>(
            r#"{"rooms": [{"room_id": "!hash", "name": null, "canonical_alias": null,
                "joined_members": 8, "joined_local_members": 3, "version": "12",
                "creator": "@foo:matrix.org", "encryption": null, "federatable": true,
                "public": true, "room_type": null}], "offset": 0, "total_rooms": 10}"#,
        );
        assert_eq!((page.rooms[0].joined_members, page.next_batch), (8, None));
    }

    #[test]
    fn a_room_that_is_just_being_made_is_read() {
        let page = answer::<Response>(
            r#"{"rooms": [{"room_id": "!hash", "name": null, "canonical_alias": null,
                "joined_members": null, "joined_local_members": null, "version": "12",
                "creator": "@foo:matrix.org", "encryption": null}], "total_rooms": 1}"#,
        );
        assert_eq!(page.rooms[0].joined_members, 0);
    }
}
