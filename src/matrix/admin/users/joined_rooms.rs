//! `GET /_synapse/admin/v1/users/<user_id>/joined_rooms` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#list-joined-rooms-of-a-user

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedRoomId, OwnedUserId};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/users/{user_id}/joined_rooms",
}

/// Asks which rooms a user is in.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) joined_rooms: Vec<OwnedRoomId>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::answer;

    #[test]
    fn rooms_are_read() {
        let found = answer::<Response>(r#"{"joined_rooms": ["!a:h", "!b"], "total": 2}"#);
        assert_eq!(found.joined_rooms.len(), 2);
    }
}
