//! `PUT /_matrix/client/v3/user/<user_id>/rooms/<room_id>/account_data/<event_type>` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3useruseridroomsroomidaccount_datatype

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedRoomId, OwnedUserId};
use serde_json::Value;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: PUT,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/user/{user_id}/rooms/{room_id}/account_data/{event_type}",
}

/// Keeps something of a room for the programs of a user.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    #[ruma_api(path)]
    pub(crate) event_type: Segment<String>,
    #[ruma_api(body)]
    pub(crate) content: Value,
}

impl Repeat for Request {
    // The second sets what is so already.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}
