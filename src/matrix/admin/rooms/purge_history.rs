//! `POST /_synapse/admin/v1/purge_history/<room_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/purge_history_api.html

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedEventId, OwnedRoomId};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/purge_history/{room_id}",
}

/// Starts to take what is old out of a room.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    /// Also what users of this server wrote, of which others may have no copy.
    pub(crate) delete_local_events: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) purge_up_to_event_id: Option<OwnedEventId>,
    /// In milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) purge_up_to_ts: Option<i64>,
}

impl Repeat for Request {
    // While one purge runs, the second would be refused.
    const REPEATABLE: bool = false;
}

#[response]
pub(crate) struct Response {
    pub(crate) purge_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_time_is_one_end() {
        let (address, body) = body(Request {
            room_id: OwnedRoomId::try_from("!r:h").unwrap().into(),
            delete_local_events: false,
            purge_up_to_event_id: None,
            purge_up_to_ts: Some(5),
        });
        assert!(address.ends_with("/purge_history/!r:h"), "{address}");
        assert_eq!(body, r#"{"delete_local_events":false,"purge_up_to_ts":5}"#);
    }
}
