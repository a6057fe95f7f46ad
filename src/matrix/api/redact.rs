//! `PUT /_matrix/client/v3/rooms/<room_id>/redact/<event_id>/<transaction_id>` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#put_matrixclientv3roomsroomidredacteventidtxnid

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedEventId, OwnedRoomId, OwnedTransactionId};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: PUT,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/rooms/{room_id}/redact/{event_id}/{transaction_id}",
}

/// Redacts an event.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    #[ruma_api(path)]
    pub(crate) event_id: Segment<OwnedEventId>,
    #[ruma_api(path)]
    pub(crate) transaction_id: Segment<OwnedTransactionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

impl Repeat for Request {
    // The same transaction id on the same device is the same event.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    /// Of the redaction.
    pub(crate) event_id: OwnedEventId,
}
