//! `GET /_synapse/admin/v1/user_reports` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_reports.html#show-reported-users

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::matrix::repeat::Repeat;

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/user_reports",
}

/// Asks for one page of reports of users, newest first.
#[request]
pub(crate) struct Request {
    #[ruma_api(query)]
    pub(crate) from: u64,
    #[ruma_api(query)]
    pub(crate) limit: u32,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) user_reports: Vec<Report>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<u64>,
}

/// What somebody reported.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Report {
    /// Its number.
    pub(crate) id: u64,
    /// In milliseconds since the epoch.
    pub(crate) received_ts: u64,
    /// Who reported it.
    pub(crate) user_id: String,
    pub(crate) reason: Option<String>,
    pub(crate) target_user_id: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_page_is_asked_for() {
        let (address, body) = body(Request { from: 0, limit: 5 });
        assert!(address.ends_with("/user_reports?from=0&limit=5"), "{address}");
        assert_eq!(body, "");
    }
}
