//! `GET /_synapse/admin/v1/federation/destinations` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/usage/administration/admin_api/federation.html#list-of-destinations

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use serde::{Deserialize, Serialize};

use crate::matrix::repeat::Repeat;

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/federation/destinations",
}

/// Asks for one page of the servers that ours has had to do with.
#[request]
pub(crate) struct Request {
    #[ruma_api(query)]
    pub(crate) from: u64,
    #[ruma_api(query)]
    pub(crate) limit: u32,
    /// The field that it sorts by: the name where none is named.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) order_by: Option<String>,
    /// `f`, or `b` from the highest down.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) dir: Option<String>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) destinations: Vec<Destination>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next_token: Option<String>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Destination {
    pub(crate) destination: String,
    /// When it was last tried in vain, in milliseconds since the epoch; 0 where all is well.
    pub(crate) retry_last_ts: u64,
    /// How long it is left alone since then, in milliseconds.
    pub(crate) retry_interval: u64,
    /// Since when it has failed, in milliseconds since the epoch.
    pub(crate) failure_ts: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_page_is_asked_for() {
        let (address, body) = body(Request { from: 0, limit: 5, order_by: None, dir: None });
        assert!(address.ends_with("/federation/destinations?from=0&limit=5"), "{address}");
        assert_eq!(body, "");
    }
}
