//! `POST /_synapse/admin/v1/user/<user_id>/redact` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#redact-all-the-events-of-a-user

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedRoomId, OwnedUserId};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/user/{user_id}/redact",
}

/// Starts to redact what a user wrote.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    /// Of no room: all that the user is in or is banned from.
    pub(crate) rooms: Vec<OwnedRoomId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// The most events in each room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<u32>,
}

impl Repeat for Request {
    // A second one is refused while the first is at work.
    const REPEATABLE: bool = false;
}

#[response]
pub(crate) struct Response {
    pub(crate) redact_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn a_redaction_has_an_id() {
        let user_id = OwnedUserId::try_from("@u:h").unwrap().into();
        let rooms = vec!["!r:h".try_into().unwrap()];
        let request = Request { user_id, rooms, reason: None, limit: Some(5) };
        assert_eq!(body(request).1, r#"{"rooms":["!r:h"],"limit":5}"#);
        assert_eq!(answer::<Response>(r#"{"redact_id": "a1"}"#).redact_id, "a1");
    }
}
