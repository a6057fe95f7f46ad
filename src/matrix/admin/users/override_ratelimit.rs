//! `POST /_synapse/admin/v1/users/<user_id>/override_ratelimit` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#set-ratelimit

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/users/{user_id}/override_ratelimit",
}

/// Gives an account a rate limit of its own.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    pub(crate) messages_per_second: u32,
    pub(crate) burst_count: u32,
}

impl Repeat for Request {
    // It sets what may be set already.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}

impl Request {
    /// 0/0 switches off every limiter that knows who asks, not only that of messages.
    pub(crate) fn unlimited(user_id: OwnedUserId) -> Self {
        Self { user_id: user_id.into(), messages_per_second: 0, burst_count: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn zero_and_zero_means_no_limit() {
        let request = Request::unlimited("@u:h".try_into().unwrap());
        assert_eq!(body(request).1, r#"{"messages_per_second":0,"burst_count":0}"#);
    }
}
