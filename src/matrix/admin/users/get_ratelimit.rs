//! `GET /_synapse/admin/v1/users/<user_id>/override_ratelimit` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#get-status-of-ratelimit

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/users/{user_id}/override_ratelimit",
}

/// Asks for the rate limit that an account has for itself.
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
    /// Missing, as the other, where the account has none of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) messages_per_second: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) burst_count: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::answer;

    #[test]
    fn who_has_no_limit_of_their_own_is_told_apart_from_who_has_none_at_all() {
        assert_eq!(answer::<Response>("{}").messages_per_second, None);
        let none = answer::<Response>(r#"{"messages_per_second": 0, "burst_count": 0}"#);
        assert_eq!((none.messages_per_second, none.burst_count), (Some(0), Some(0)));
    }
}
