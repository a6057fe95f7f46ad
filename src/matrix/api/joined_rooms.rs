//! `GET /_matrix/client/v3/joined_rooms` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3joined_rooms

use ruma::{
    OwnedRoomId,
    api::{auth_scheme::AccessToken, metadata, request, response},
};

use crate::matrix::repeat::Repeat;

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/joined_rooms",
}

/// Asks in which rooms one is.
#[request]
pub(crate) struct Request {}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) joined_rooms: Vec<OwnedRoomId>,
}
