//! `GET /_synapse/admin/v1/rooms/<room_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/rooms.html#room-details-api

use ruma::OwnedRoomId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use super::list::Room;
use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/rooms/{room_id}",
}

/// Asks for one room.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    #[ruma_api(body)]
    pub(crate) room: Room,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_room_id_without_a_server_is_a_path() {
        let room_id =
            OwnedRoomId::try_from("!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM").unwrap().into();
        assert!(
            body(Request { room_id }).0.ends_with("/!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM")
        );
    }
}
