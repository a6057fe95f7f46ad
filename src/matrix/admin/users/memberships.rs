//! `GET /_synapse/admin/v1/users/<user_id>/memberships` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#list-room-memberships-of-a-user

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use std::collections::BTreeMap;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/users/{user_id}/memberships",
}

/// Asks what a user is in each room.
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
    pub(crate) memberships: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::answer;

    #[test]
    fn memberships_are_read() {
        let found = answer::<Response>(r#"{"memberships": {"!a:h": "join", "!b:h": "leave"}}"#);
        assert_eq!(found.memberships["!b:h"], "leave");
    }
}
