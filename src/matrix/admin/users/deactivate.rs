//! `POST /_synapse/admin/v1/deactivate/<user_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#deactivate-account

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/deactivate/{user_id}",
}

/// Closes an account for ever.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    /// Marks the messages as to be hidden from who joins later.
    pub(crate) erase: bool,
}

impl Repeat for Request {
    // What is closed stays closed.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn erasing_is_said() {
        let user_id = OwnedUserId::try_from("@u:h").unwrap().into();
        assert_eq!(body(Request { user_id, erase: true }).1, r#"{"erase":true}"#);
    }
}
