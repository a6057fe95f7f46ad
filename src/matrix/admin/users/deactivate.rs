//! `POST /_synapse/admin/v1/deactivate/<user_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#deactivate-account

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/deactivate/{user_id}",
}

/// Closes an account for ever.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: OwnedUserId,
    /// Marks the messages as to be hidden from who joins later.
    pub(crate) erase: bool,
}

#[response]
pub(crate) struct Response {
    #[serde(default)]
    pub(crate) id_server_unbind_result: String,
}

#[cfg(test)]
mod tests {
    use ruma::api::{OutgoingBody as _, OutgoingRequest as _};

    use super::*;

    fn body(request: Request) -> (String, String) {
        let request = request.try_into_http_request_inner("http://h", ()).unwrap();
        let uri = request.uri().to_string();
        let bytes: Vec<u8> = request.into_body().try_into_buf().unwrap();
        (uri, String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn erasing_is_said() {
        let user_id = "@u:h".try_into().unwrap();
        assert_eq!(body(Request { user_id, erase: true }).1, r#"{"erase":true}"#);
    }
}
