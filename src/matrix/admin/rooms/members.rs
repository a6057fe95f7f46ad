//! `GET /_synapse/admin/v1/rooms/<room_id>/members` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/rooms.html#room-members-api

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedRoomId, OwnedUserId};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/rooms/{room_id}/members",
}

/// Asks who is in a room.
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
    pub(crate) members: Vec<OwnedUserId>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::answer;

    #[test]
    fn members_are_read() {
        let members = answer::<Response>(
            r#"{"members": ["@foo:matrix.org", "@bar:matrix.org"], "total": 2}"#,
        );
        assert_eq!(members.members.len(), 2);
    }
}
