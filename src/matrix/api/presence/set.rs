//! `PUT /_matrix/client/v3/presence/<user_id>/status` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3presenceuseridstatus

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: PUT,
    rate_limited: true,
    authentication: AccessToken,
    path: "/_matrix/client/v3/presence/{user_id}/status",
}

/// Says whether somebody is there.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    /// `online`, `offline` or `unavailable`.
    pub(crate) presence: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status_msg: Option<String>,
}

impl Repeat for Request {
    // The second sets what is so already.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}
