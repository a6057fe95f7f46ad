//! `GET /_synapse/admin/v1/whois/<user_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#query-current-sessions-for-a-user

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/whois/{user_id}",
}

/// Asks from where a user was seen lately.
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
    pub(crate) devices: BTreeMap<String, Device>,
}

/// Synapse knows one, without a name, for all devices together.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Device {
    pub(crate) sessions: Vec<Session>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Session {
    pub(crate) connections: Vec<Connection>,
}

/// An address and a program that were used together, and when they last were.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Connection {
    pub(crate) ip: Option<String>,
    pub(crate) last_seen: Option<u64>,
    pub(crate) user_agent: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::answer;

    #[test]
    fn connections_are_read() {
        let found = answer::<Response>(
            r#"{"user_id": "@u:h", "devices": {"": {"sessions": [{"connections": [
                {"ip": "1.2.3.4", "last_seen": 1417222374433, "user_agent": "Element/1"}]}]}}}"#,
        );
        let connection = &found.devices[""].sessions[0].connections[0];
        assert_eq!(
            (connection.ip.as_deref(), connection.last_seen),
            (Some("1.2.3.4"), Some(1_417_222_374_433))
        );
    }
}
