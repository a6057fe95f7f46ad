//! `DELETE /_synapse/admin/v1/users/<user_id>/media` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#delete-media-uploaded-by-a-user

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: DELETE,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/users/{user_id}/media",
}

/// Deletes some of what a user uploaded, the latest first.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    /// How many at once.
    #[ruma_api(query)]
    pub(crate) limit: u32,
}

impl Repeat for Request {
    // What is gone stays gone.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) deleted_media: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn what_is_gone_is_read() {
        let (address, _) =
            body(Request { user_id: OwnedUserId::try_from("@u:h").unwrap().into(), limit: 50 });
        assert!(address.ends_with("/users/@u:h/media?limit=50"), "{address}");
        let gone = answer::<Response>(r#"{"deleted_media": ["abcdefgh"], "total": 1}"#);
        assert_eq!(gone.deleted_media, ["abcdefgh"]);
    }
}
