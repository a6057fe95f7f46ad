//! `POST /_matrix/client/v3/rooms/<room_id>/ban` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3roomsroomidban

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedRoomId, OwnedUserId};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: true,
    authentication: AccessToken,
    path: "/_matrix/client/v3/rooms/{room_id}/ban",
}

/// Takes a user out of a room, and keeps them out.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    pub(crate) user_id: OwnedUserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

impl Repeat for Request {
    // Who is banned already stays banned.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_reason_goes_along_where_there_is_one() {
        let request = |reason| Request {
            room_id: OwnedRoomId::try_from("!r:h").unwrap().into(),
            user_id: "@u:h".try_into().unwrap(),
            reason,
        };
        assert_eq!(body(request(None)).1, r#"{"user_id":"@u:h"}"#);
        let (address, body) = body(request(Some("spam".to_owned())));
        assert!(address.ends_with("/rooms/!r:h/ban"), "{address}");
        assert_eq!(body, r#"{"user_id":"@u:h","reason":"spam"}"#);
    }
}
