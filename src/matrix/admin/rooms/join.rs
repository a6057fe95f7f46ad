//! `POST /_synapse/admin/v1/join/<room_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/room_membership.html

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedRoomId, OwnedUserId};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/join/{room_id}",
}

/// Makes a local user join; the asking admin must be in the room and may invite.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    pub(crate) user_id: OwnedUserId,
}

impl Repeat for Request {
    // Who is in the room already joins it once more without an event.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn the_user_is_named() {
        let room_id = OwnedRoomId::try_from("!r:h").unwrap().into();
        let user_id = "@u:h".try_into().unwrap();
        assert_eq!(body(Request { room_id, user_id }).1, r#"{"user_id":"@u:h"}"#);
    }
}
