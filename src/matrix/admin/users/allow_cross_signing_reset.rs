//! `POST /_synapse/admin/v1/users/<user_id>/_allow_cross_signing_replacement_without_uia` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#allow-replacing-master-cross-signing-key-without-user-interactive-auth

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/users/{user_id}/_allow_cross_signing_replacement_without_uia",
}

/// Lets a user replace the key of their identity without a password, for ten minutes.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
}

impl Repeat for Request {
    // The time begins again.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    /// In milliseconds since the epoch.
    pub(crate) updatable_without_uia_before_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::answer;

    #[test]
    fn the_end_is_read() {
        let end = answer::<Response>(r#"{"updatable_without_uia_before_ms": 17}"#);
        assert_eq!(end.updatable_without_uia_before_ms, 17);
    }
}
