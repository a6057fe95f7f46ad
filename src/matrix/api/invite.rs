//! `POST /_matrix/client/v3/rooms/<room_id>/invite` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3roomsroomidinvite

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedRoomId, OwnedUserId};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: true,
    authentication: AccessToken,
    path: "/_matrix/client/v3/rooms/{room_id}/invite",
}

/// Invites a user; who asks must be in the room and may invite.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    pub(crate) user_id: OwnedUserId,
}

impl Repeat for Request {
    // Who was invited and has joined since cannot be invited again.
    const REPEATABLE: bool = false;
}

#[response]
pub(crate) struct Response {}
