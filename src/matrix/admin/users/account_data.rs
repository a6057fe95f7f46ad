//! `GET /_synapse/admin/v1/users/<user_id>/accountdata` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#account-data

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/users/{user_id}/accountdata",
}

/// Asks for what the programs of a user keep on the server.
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
    pub(crate) account_data: AccountData,
}

/// By type; those of rooms by the room first.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct AccountData {
    pub(crate) global: BTreeMap<String, Value>,
    pub(crate) rooms: BTreeMap<String, BTreeMap<String, Value>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::answer;

    #[test]
    fn what_is_kept_is_read() {
        let data = answer::<Response>(
            r#"{"account_data": {"global": {"m.secret_storage.key.x": {"iv": "a"}},
                "rooms": {"!a:h": {"m.fully_read": {"event_id": "$x"}}}}}"#,
        )
        .account_data;
        assert_eq!(data.global["m.secret_storage.key.x"]["iv"], "a");
        assert_eq!(data.rooms["!a:h"]["m.fully_read"]["event_id"], "$x");
    }
}
