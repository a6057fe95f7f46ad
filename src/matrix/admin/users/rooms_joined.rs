//! `GET /_synapse/admin/v1/users/<user_id>/cumulative_joined_room_count` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#get-the-cumulative-number-of-rooms-a-user-has-joined-after-a-given-timestamp

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/users/{user_id}/cumulative_joined_room_count",
}

/// Asks how many rooms a user has joined since a moment, left ones included.
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
    pub(crate) cumulative_joined_room_count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn a_number_is_read() {
        let (address, _) =
            body(Request { user_id: OwnedUserId::try_from("@u:h").unwrap().into(), from_ts: 5 });
        assert!(address.ends_with("/cumulative_joined_room_count?from_ts=5"), "{address}");
        assert_eq!(
            answer::<Response>(r#"{"cumulative_joined_room_count": 30}"#)
                .cumulative_joined_room_count,
            30
        );
    }
}
