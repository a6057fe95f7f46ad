//! `GET /_synapse/admin/v1/purge_history_status/<purge_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/purge_history_api.html#purge-status-query

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/purge_history_status/{purge_id}",
}

/// Asks how far a purge is.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) purge_id: Segment<String>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    /// `active`, `complete` or `failed`.
    pub(crate) status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_purge_is_asked_for() {
        let (address, body) = body(Request { purge_id: "p".to_owned().into() });
        assert!(address.ends_with("/purge_history_status/p"), "{address}");
        assert_eq!(body, "");
    }
}
