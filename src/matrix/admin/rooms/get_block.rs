//! `GET /_synapse/admin/v1/rooms/<room_id>/block` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/rooms.html#get-block-status

use ruma::OwnedRoomId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/rooms/{room_id}/block",
}

/// Asks whether a room is blocked; also one that the server does not know.
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
    pub(crate) block: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_room_is_asked_for() {
        let (address, body) =
            body(Request { room_id: OwnedRoomId::try_from("!r:h").unwrap().into() });
        assert!(address.ends_with("/rooms/!r:h/block"), "{address}");
        assert_eq!(body, "");
    }
}
