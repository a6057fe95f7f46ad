//! `POST /_synapse/admin/v1/user/<user_id>/media/quarantine` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/media_admin_api.html#quarantining-all-media-of-a-user

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/user/{user_id}/media/quarantine",
}

/// Keeps everybody from seeing the files of a user of this server.
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
    pub(crate) num_quarantined: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_user_is_named() {
        let (address, body) =
            body(Request { user_id: OwnedUserId::try_from("@u:h").unwrap().into() });
        assert!(address.ends_with("/user/@u:h/media/quarantine"), "{address}");
        assert_eq!(body, "{}");
    }
}
