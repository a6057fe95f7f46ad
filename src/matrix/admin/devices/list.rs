//! `GET /_synapse/admin/v2/users/<user_id>/devices` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#list-all-devices

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use serde::{Deserialize, Serialize};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v2/users/{user_id}/devices",
}

/// Asks for the devices of a user: each is one login.
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
    pub(crate) devices: Vec<Device>,
}

/// A login of a user.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Device {
    pub(crate) device_id: String,
    #[serde(default)]
    pub(crate) display_name: Option<String>,
    #[serde(default)]
    pub(crate) last_seen_ip: Option<String>,
    #[serde(default)]
    pub(crate) last_seen_user_agent: Option<String>,
    #[serde(default)]
    pub(crate) last_seen_ts: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::answer;

    #[test]
    fn a_device_that_was_never_used_is_read() {
        let page = answer::<Response>(
            r#"{"devices": [{"device_id": "QBUAZIFURK", "display_name": "android",
                "last_seen_ip": "1.2.3.4", "last_seen_user_agent": "Element/1",
                "last_seen_ts": 1474491775024, "user_id": "@u:h", "dehydrated": false},
                {"device_id": "A", "display_name": null, "last_seen_ip": null,
                "last_seen_ts": null, "user_id": "@u:h"}], "total": 2}"#,
        );
        assert_eq!(page.devices[0].last_seen_ts, Some(1_474_491_775_024));
        assert_eq!((page.devices[1].device_id.as_str(), page.devices[1].last_seen_ts), ("A", None));
    }
}
