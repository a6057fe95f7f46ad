//! `PUT /_synapse/admin/v1/rooms/<room_id>/block` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/rooms.html#block-or-unblock-a-room

use ruma::OwnedRoomId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: PUT,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/rooms/{room_id}/block",
}

/// Keeps everybody of this server from joining a room, or lets them again.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    pub(crate) block: bool,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_room_is_blocked_or_not() {
        let (address, body) =
            body(Request { room_id: OwnedRoomId::try_from("!r:h").unwrap().into(), block: true });
        assert!(address.ends_with("/rooms/!r:h/block"), "{address}");
        assert_eq!(body, r#"{"block":true}"#);
    }
}
