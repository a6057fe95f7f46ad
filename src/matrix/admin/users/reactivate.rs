//! `PUT /_synapse/admin/v2/users/<user_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#create-or-modify-account

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: PUT,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v2/users/{user_id}",
}

/// Opens an account again that was deactivated.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    /// Always false.
    deactivated: bool,
    /// The old one is gone.
    password: String,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}

impl Request {
    pub(crate) fn new(user_id: OwnedUserId, password: String) -> Self {
        Self { user_id: user_id.into(), deactivated: false, password }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn the_account_gets_a_password() {
        let request = Request::new(OwnedUserId::try_from("@u:h").unwrap(), "p".into());
        assert_eq!(body(request).1, r#"{"deactivated":false,"password":"p"}"#);
    }
}
