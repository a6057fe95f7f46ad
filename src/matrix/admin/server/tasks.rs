//! `GET /_synapse/admin/v1/scheduled_tasks` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/scheduled_tasks.html

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::matrix::repeat::Repeat;

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/scheduled_tasks",
}

/// Asks what the server does in the background, and did within the last days.
#[request]
pub(crate) struct Request {}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) scheduled_tasks: Vec<Task>,
}

/// Something that the server does in the background.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) action: String,
    /// `scheduled`, `active`, `complete`, `failed` or `cancelled`.
    pub(crate) status: String,
    /// When it was last changed, in milliseconds since the epoch.
    pub(crate) timestamp_ms: u64,
    /// What it is about, such as a room.
    pub(crate) resource_id: Option<String>,
    pub(crate) error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn tasks_are_asked_for() {
        let (address, body) = body(Request {});
        assert!(address.ends_with("/v1/scheduled_tasks"), "{address}");
        assert_eq!(body, "");
    }
}
