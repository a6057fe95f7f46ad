//! `DELETE /_synapse/admin/v2/rooms/<room_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/rooms.html#version-2-new-version

use ruma::OwnedRoomId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: DELETE,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v2/rooms/{room_id}",
}

/// Starts to empty and purge a room.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) room_id: Segment<OwnedRoomId>,
    pub(crate) purge: bool,
    /// Purges even if a local user cannot be made to leave.
    pub(crate) force_purge: bool,
    pub(crate) block: bool,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) delete_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn a_deletion_has_an_id() {
        let room_id = OwnedRoomId::try_from("!r:h").unwrap().into();
        let request = Request { room_id, purge: true, force_purge: false, block: false };
        assert_eq!(body(request).1, r#"{"purge":true,"force_purge":false,"block":false}"#);
        assert_eq!(answer::<Response>(r#"{"delete_id": "d1"}"#).delete_id, "d1");
    }
}
