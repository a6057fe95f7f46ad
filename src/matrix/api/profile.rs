//! `GET /_matrix/client/v3/profile/<user_id>` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3profileuserid

use ruma::{
    OwnedUserId,
    api::{auth_scheme::NoAccessToken, metadata, request, response},
};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: true,
    authentication: NoAccessToken,
    path: "/_matrix/client/v3/profile/{user_id}",
}

/// Asks what is shown of a user; 404 says that there is none.
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
