//! `GET /_synapse/admin/v1/auth_providers/<provider>/users/<external_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#find-a-user-based-on-their-id-in-an-auth-provider

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/auth_providers/{provider}/users/{external_id}",
}

/// Asks who logs in with this id of a provider.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) provider: Segment<String>,
    #[ruma_api(path)]
    pub(crate) external_id: Segment<String>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) user_id: OwnedUserId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn both_are_in_the_address() {
        let provider = "oidc-keycloak".to_owned().into();
        let request = Request { provider, external_id: "1".to_owned().into() };
        assert!(body(request).0.ends_with("/auth_providers/oidc-keycloak/users/1"));
        assert_eq!(answer::<Response>(r#"{"user_id": "@u:h"}"#).user_id, "@u:h");
    }
}
