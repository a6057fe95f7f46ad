//! `GET /_synapse/admin/v2/rooms/delete_status/<delete_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/rooms.html#query-by-delete_id

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v2/rooms/delete_status/{delete_id}",
}

/// Asks how far a deletion is.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) delete_id: Segment<String>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    /// `scheduled`, `active`, `shutting_down`, `purging`, `complete` or `failed`.
    pub(crate) status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::answer;

    #[test]
    fn a_status_is_read() {
        let json = r#"{"status": "purging", "delete_id": "d", "room_id": "!r:h",
            "shutdown_room": {"kicked_users": ["@foobar:example.com"], "failed_to_kick_users": [],
            "local_aliases": [], "new_room_id": null}}"#;
        assert_eq!(answer::<Response>(json).status, "purging");
    }
}
