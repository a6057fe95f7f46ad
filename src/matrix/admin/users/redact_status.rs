//! `GET /_synapse/admin/v1/user/redact_status/<redact_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#check-the-status-of-a-redaction-process

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use std::collections::BTreeMap;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/user/redact_status/{redact_id}",
}

/// Asks how far a redaction is.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) redact_id: Segment<String>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    /// `scheduled`, `active`, `complete` or `failed`.
    pub(crate) status: String,
    /// The events that could not be redacted, each with the reason.
    #[serde(default)]
    pub(crate) failed_redactions: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::answer;

    #[test]
    fn what_failed_is_read() {
        assert_eq!(answer::<Response>(r#"{"status": "active"}"#).status, "active");
        let json = r#"{"status": "complete", "failed_redactions": {"$a": "no power"}}"#;
        assert_eq!(answer::<Response>(json).failed_redactions["$a"], "no power");
    }
}
