//! `GET /_matrix/client/v1/rooms/<room_id>/threads` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv1roomsroomidthreads

use ruma::OwnedRoomId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use serde_json::Value;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v1/rooms/{room_id}/threads",
}

/// Asks for one page of the threads of a room, the one with the newest message first.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    /// How many at once.
    #[ruma_api(query)]
    pub(crate) limit: u32,
    /// Where the page starts: `next_batch` of the one before.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    /// The messages that the threads begin with; what is known of a thread is in `unsigned`.
    pub(crate) chunk: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_batch: Option<String>,
}
