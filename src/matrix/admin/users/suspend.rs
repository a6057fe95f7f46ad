//! `PUT /_synapse/admin/v1/suspend/<user_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#suspendunsuspend-account

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: PUT,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/suspend/{user_id}",
}

/// Lets a user do nothing but read, or all again.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    pub(crate) suspend: bool,
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
        assert_eq!(body(Request { user_id, suspend: false }).1, r#"{"suspend":false}"#);
    }
}
