//! `POST /_synapse/admin/v2/users/<user_id>/delete_devices` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#delete-multiple-devices

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v2/users/{user_id}/delete_devices",
}

/// Logs a user out of some devices.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    pub(crate) devices: Vec<String>,
}

impl Repeat for Request {
    // What is gone stays gone.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn all_devices_are_named_at_once() {
        let devices = vec!["A".to_owned(), "B".to_owned()];
        assert_eq!(
            body(Request { user_id: OwnedUserId::try_from("@u:h").unwrap().into(), devices }).1,
            r#"{"devices":["A","B"]}"#
        );
    }
}
