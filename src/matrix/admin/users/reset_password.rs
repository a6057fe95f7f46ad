//! `POST /_synapse/admin/v1/reset_password/<user_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#reset-password

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/reset_password/{user_id}",
}

/// Gives a user another password.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    pub(crate) new_password: String,
    /// Whether the user is then logged out everywhere.
    pub(crate) logout_devices: bool,
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
    fn the_password_is_in_the_body() {
        let user_id = OwnedUserId::try_from("@u:h").unwrap().into();
        let request = Request { user_id, new_password: "p".into(), logout_devices: false };
        assert_eq!(body(request).1, r#"{"new_password":"p","logout_devices":false}"#);
    }
}
