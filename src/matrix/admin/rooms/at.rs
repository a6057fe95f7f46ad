//! `GET /_synapse/admin/v1/rooms/<room_id>/timestamp_to_event` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/rooms.html#room-messages-api

use ruma::api::{Direction, auth_scheme::AccessToken, metadata, request, response};
use ruma::{OwnedEventId, OwnedRoomId};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/rooms/{room_id}/timestamp_to_event",
}

/// Asks for the event next to a time.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    /// In milliseconds since the epoch.
    #[ruma_api(query)]
    pub(crate) ts: i64,
    #[ruma_api(query)]
    pub(crate) dir: Direction,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) event_id: OwnedEventId,
    pub(crate) origin_server_ts: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_time_and_a_direction_are_asked_for() {
        let (address, body) = body(Request {
            room_id: OwnedRoomId::try_from("!r:h").unwrap().into(),
            ts: 5,
            dir: Direction::Forward,
        });
        assert!(address.ends_with("/timestamp_to_event?ts=5&dir=f"), "{address}");
        assert_eq!(body, "");
    }
}
