//! `PUT /_matrix/client/v3/rooms/<room_id>/send/<event_type>/<transaction_id>` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3roomsroomidsendeventtypetxnid

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedEventId, OwnedRoomId, OwnedTransactionId};
use serde_json::Value;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: PUT,
    rate_limited: true,
    authentication: AccessToken,
    path: "/_matrix/client/v3/rooms/{room_id}/send/{event_type}/{transaction_id}",
}

/// Sends an event into a room.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    #[ruma_api(path)]
    pub(crate) event_type: Segment<String>,
    #[ruma_api(path)]
    pub(crate) transaction_id: Segment<OwnedTransactionId>,
    #[ruma_api(body)]
    pub(crate) content: Value,
}

impl Repeat for Request {
    // The same transaction id on the same device is the same event.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) event_id: OwnedEventId,
}
