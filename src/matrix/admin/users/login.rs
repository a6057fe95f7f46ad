//! `POST /_synapse/admin/v1/users/<user_id>/login` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#login-as-a-user

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::{
    matrix::{repeat::Repeat, segment::Segment},
    secret::Secret,
};

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/users/{user_id}/login",
}

/// Asks for a token that acts as a user.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    /// Until when, in milliseconds since the epoch.
    pub(crate) valid_until_ms: u64,
}

impl Repeat for Request {
    // It would make another token.
    const REPEATABLE: bool = false;
}

#[response]
pub(crate) struct Response {
    pub(crate) access_token: Secret,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn the_token_is_a_secret() {
        let request =
            Request { user_id: OwnedUserId::try_from("@u:h").unwrap().into(), valid_until_ms: 1 };
        assert_eq!(body(request).1, r#"{"valid_until_ms":1}"#);
        let token = answer::<Response>(r#"{"access_token": "syt_x"}"#).access_token;
        assert_eq!(format!("{token} {}", token.expose()), "***** syt_x");
    }
}
