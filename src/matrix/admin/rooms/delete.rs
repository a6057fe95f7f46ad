//! `DELETE /_synapse/admin/v2/rooms/<room_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/rooms.html#version-2-new-version

use ruma::OwnedRoomId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

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
    pub(crate) room_id: OwnedRoomId,
    pub(crate) purge: bool,
    /// Purges even if a local user cannot be made to leave.
    pub(crate) force_purge: bool,
    pub(crate) block: bool,
}

#[response]
pub(crate) struct Response {
    pub(crate) delete_id: String,
}

#[cfg(test)]
mod tests {
    use ruma::api::{IncomingResponseExt as _, OutgoingBody as _, OutgoingRequest as _};

    use super::*;

    fn body(request: Request) -> (String, String) {
        let request = request.try_into_http_request_inner("http://h", ()).unwrap();
        let uri = request.uri().to_string();
        let bytes: Vec<u8> = request.into_body().try_into_buf().unwrap();
        (uri, String::from_utf8(bytes).unwrap())
    }

    fn answer(json: &str) -> Response {
        Response::try_from_http_response(http::Response::new(json.as_bytes())).unwrap()
    }

    #[test]
    fn a_deletion_has_an_id() {
        let room_id = "!r:h".try_into().unwrap();
        let request = Request { room_id, purge: true, force_purge: false, block: false };
        assert_eq!(body(request).1, r#"{"purge":true,"force_purge":false,"block":false}"#);
        assert_eq!(answer(r#"{"delete_id": "d1"}"#).delete_id, "d1");
    }
}
