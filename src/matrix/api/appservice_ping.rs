//! `POST /_matrix/client/v1/appservice/<appservice_id>/ping` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/application-service-api/#post_matrixclientv1appserviceappserviceidping

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v1/appservice/{appservice_id}/ping",
}

/// Asks the homeserver to ping an application service, which alone may ask that.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) appservice_id: Segment<String>,
}

impl Repeat for Request {
    // Its 502 and 504 are answers: they tell what the application service said.
    const REPEATABLE: bool = false;
}

#[response]
pub(crate) struct Response {
    /// How long the application service took, in milliseconds.
    pub(crate) duration_ms: u64,
}
