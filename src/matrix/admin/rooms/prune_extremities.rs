//! `DELETE /_synapse/admin/v1/rooms/<room_id>/forward_extremities` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/rooms.html#deleting-forward-extremities

use ruma::OwnedRoomId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: DELETE,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/rooms/{room_id}/forward_extremities",
}

/// Leaves the history of a room one end.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
}

impl Repeat for Request {
    // Where one is left, nothing is taken away.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) deleted: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_room_is_named() {
        let (address, body) =
            body(Request { room_id: OwnedRoomId::try_from("!r:h").unwrap().into() });
        assert!(address.ends_with("/rooms/!r:h/forward_extremities"), "{address}");
        assert_eq!(body, "{}");
    }
}
