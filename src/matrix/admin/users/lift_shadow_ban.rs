//! `DELETE /_synapse/admin/v1/users/<user_id>/shadow_ban` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#controlling-whether-a-user-is-shadow-banned

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: DELETE,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/users/{user_id}/shadow_ban",
}

/// Lets others see again what a user writes.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
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
    fn the_user_is_in_the_address() {
        let (address, _) = body(Request { user_id: OwnedUserId::try_from("@u:h").unwrap().into() });
        assert!(address.ends_with("/users/@u:h/shadow_ban"), "{address}");
    }
}
