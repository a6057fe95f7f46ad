//! `GET /_synapse/admin/v1/users/<user_id>/sent_invite_count` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#get-the-number-of-invites-sent-by-the-user

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/users/{user_id}/sent_invite_count",
}

/// Asks how many a user has invited since a moment.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    /// In milliseconds since the epoch.
    #[ruma_api(query)]
    pub(crate) from_ts: u64,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) invite_count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn a_number_is_read() {
        let (address, _) =
            body(Request { user_id: OwnedUserId::try_from("@u:h").unwrap().into(), from_ts: 5 });
        assert!(address.ends_with("/sent_invite_count?from_ts=5"), "{address}");
        assert_eq!(answer::<Response>(r#"{"invite_count": 30}"#).invite_count, 30);
    }
}
