//! `PUT /_matrix/client/v3/profile/<user_id>/displayname` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3profileuseriddisplayname

use ruma::{
    OwnedUserId,
    api::{auth_scheme::AccessToken, metadata, request, response},
};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: PUT,
    rate_limited: true,
    authentication: AccessToken,
    path: "/_matrix/client/v3/profile/{user_id}/displayname",
}

/// Gives oneself another display name.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    pub(crate) displayname: String,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}
