//! `PUT /_synapse/admin/v1/users/<user_id>/admin` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#change-whether-a-user-is-a-server-administrator-or-not

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: PUT,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/users/{user_id}/admin",
}

/// Makes a user a server admin, or one no longer.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    pub(crate) admin: bool,
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
    fn what_is_wanted_is_said() {
        let user_id = OwnedUserId::try_from("@u:h").unwrap().into();
        let (address, body) = body(Request { user_id, admin: true });
        assert_eq!(address, "http://h/_synapse/admin/v1/users/@u:h/admin");
        assert_eq!(body, r#"{"admin":true}"#);
    }
}
