//! `GET /_matrix/client/v3/user/<user_id>/rooms/<room_id>/tags` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3useruseridroomsroomidtags

use std::collections::BTreeMap;

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedRoomId, OwnedUserId};
use serde::{Deserialize as _, Deserializer};
use serde_json::Value;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/user/{user_id}/rooms/{room_id}/tags",
}

/// Asks for the tags that a user has put on a room.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    /// What else is in them is up to the programs. Dendrite says null where there are none.
    #[serde(default, deserialize_with = "or_none")]
    pub(crate) tags: BTreeMap<String, Value>,
}

fn or_none<'de, D: Deserializer<'de>>(tags: D) -> Result<BTreeMap<String, Value>, D::Error> {
    Option::deserialize(tags).map(Option::unwrap_or_default)
}
