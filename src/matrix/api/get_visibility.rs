//! `GET /_matrix/client/v3/directory/list/room/<room_id>` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3directorylistroomroomid

use ruma::OwnedRoomId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/directory/list/room/{room_id}",
}

/// Asks whether the directory of this server lists a room.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    /// `public` where it does.
    pub(crate) visibility: String,
}
