//! `GET /_synapse/admin/v1/room/<room_id>/media` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/media_admin_api.html#list-all-media-in-a-room

use ruma::OwnedRoomId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/room/{room_id}/media",
}

/// Asks which files the messages of a room show, as far as they are not encrypted.
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
    pub(crate) local: Vec<String>,
    pub(crate) remote: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_room_is_asked_for() {
        let (address, body) =
            body(Request { room_id: OwnedRoomId::try_from("!r:h").unwrap().into() });
        assert!(address.ends_with("/room/!r:h/media"), "{address}");
        assert_eq!(body, "");
    }
}
