//! `POST /_matrix/client/v3/logout` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3logout

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::repeat::Repeat;

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/logout",
}

/// Ends the session that asks it.
#[request]
pub(crate) struct Request {}

impl Repeat for Request {
    // The second would be refused: its token is gone.
    const REPEATABLE: bool = false;
}

#[response]
pub(crate) struct Response {}
