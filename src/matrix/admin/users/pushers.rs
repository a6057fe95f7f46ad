//! `GET /_synapse/admin/v1/users/<user_id>/pushers` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#list-all-pushers

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use serde::{Deserialize, Serialize};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/users/{user_id}/pushers",
}

/// Asks where a user is notified.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) pushers: Vec<Pusher>,
}

/// Where somebody is notified. Its key is left out: with it a device can be reached.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Pusher {
    pub(crate) app_id: String,
    pub(crate) app_display_name: String,
    pub(crate) device_display_name: String,
    /// `http` or `email`.
    pub(crate) kind: Option<String>,
    #[serde(default)]
    pub(crate) data: Data,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Data {
    pub(crate) url: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::answer;

    #[test]
    fn a_pusher_is_read() {
        let found = answer::<Response>(
            r#"{"pushers": [{"app_display_name": "HTTP Push Notifications", "app_id": "m.http",
                "data": {"url": "example.com"}, "device_display_name": "pushy push", "kind": "http",
                "lang": "None", "profile_tag": "", "pushkey": "a@example.com"}], "total": 1}"#,
        );
        assert_eq!(found.pushers[0].data.url.as_deref(), Some("example.com"));
    }
}
