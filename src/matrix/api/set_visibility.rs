//! `PUT /_matrix/client/v3/directory/list/room/<room_id>` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3directorylistroomroomid

use ruma::OwnedRoomId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: PUT,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/directory/list/room/{room_id}",
}

/// Puts a room into the directory of this server, or takes it out.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    /// `public` or `private`.
    pub(crate) visibility: &'static str,
}

impl Repeat for Request {
    // What is listed already stays so.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}
