//! `GET /_matrix/client/v3/presence/<user_id>/status` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3presenceuseridstatus

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/presence/{user_id}/status",
}

/// Asks whether somebody is there.
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
    /// `online`, `offline`, `unavailable`, or what the server calls it.
    pub(crate) presence: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status_msg: Option<String>,
    /// How long ago the user did something, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last_active_ago: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) currently_active: Option<bool>,
}
