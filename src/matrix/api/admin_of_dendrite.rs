//! `GET /_dendrite/admin/registrationTokens` ([source])
//!
//! [source]: https://github.com/matrix-org/dendrite/blob/v0.13.8/clientapi/routing/admin.go

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::repeat::Repeat;

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_dendrite/admin/registrationTokens",
}

/// Asks for what only an admin of a Dendrite gets, and changes nothing.
#[request]
pub(crate) struct Request {}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}
