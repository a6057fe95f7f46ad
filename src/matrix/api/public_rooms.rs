//! `POST /_matrix/client/v3/publicRooms` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3publicrooms

use ruma::{
    OwnedRoomId, OwnedServerName,
    api::{auth_scheme::AccessToken, metadata, request, response},
};
use serde::{Deserialize, Serialize};

use crate::matrix::repeat::Repeat;

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/publicRooms",
}

/// Asks for one page of the directory of this server, or of another.
#[request]
pub(crate) struct Request {
    /// Whose directory; by default that of this server.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server: Option<OwnedServerName>,
    pub(crate) limit: u32,
    /// Where the page starts: `next_batch` of the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<String>,
    pub(crate) filter: Filter,
}

impl Repeat for Request {
    // It only looks.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) chunk: Vec<Room>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_batch: Option<String>,
}

/// Which rooms are wanted.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Filter {
    /// Part of a name, a topic or an alias.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) generic_search_term: Option<String>,
}

/// What a directory tells of one room.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Room {
    pub(crate) room_id: OwnedRoomId,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) topic: Option<String>,
    #[serde(default)]
    pub(crate) canonical_alias: Option<String>,
    #[serde(default)]
    pub(crate) num_joined_members: u64,
    #[serde(default)]
    pub(crate) join_rule: Option<String>,
    #[serde(default)]
    pub(crate) world_readable: bool,
    #[serde(default)]
    pub(crate) guest_can_join: bool,
    #[serde(default)]
    pub(crate) room_type: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn a_word_to_search_for_is_in_the_body_and_the_server_in_the_address() {
        let server = Some("x.org".try_into().unwrap());
        let filter = Filter { generic_search_term: Some("ops".into()) };
        let (address, body) = body(Request { server, limit: 5, since: None, filter });
        assert!(address.ends_with("/publicRooms?server=x.org"), "{address}");
        assert_eq!(body, r#"{"limit":5,"filter":{"generic_search_term":"ops"}}"#);
        let page = answer::<Response>(r#"{"chunk":[{"room_id":"!r","num_joined_members":3}]}"#);
        assert_eq!((page.chunk[0].num_joined_members, page.next_batch), (3, None));
    }
}
