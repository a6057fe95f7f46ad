//! `GET /_synapse/admin/v1/background_updates/status` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/usage/administration/admin_api/background_updates.html#status

use std::collections::BTreeMap;

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use serde::{Deserialize, Serialize};

use crate::matrix::repeat::Repeat;

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/background_updates/status",
}

/// Asks what is done to the database in the background, and whether that is paused.
#[request]
pub(crate) struct Request {}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) enabled: bool,
    /// For each database what is done now.
    pub(crate) current_updates: BTreeMap<String, Update>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Update {
    pub(crate) name: String,
    /// How many items are done.
    pub(crate) total_item_count: u64,
    pub(crate) total_duration_ms: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn it_is_asked_for() {
        let (address, body) = body(Request {});
        assert!(address.ends_with("/v1/background_updates/status"), "{address}");
        assert_eq!(body, "");
    }
}
