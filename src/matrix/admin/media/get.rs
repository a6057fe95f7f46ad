//! `GET /_synapse/admin/v1/media/<server_name>/<media_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/media_admin_api.html#query-a-piece-of-media-by-id

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/media/{server_name}/{media_id}",
}

/// Asks what is known of one file.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) server_name: Segment<String>,
    #[ruma_api(path)]
    pub(crate) media_id: Segment<String>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) media_info: Info,
}

/// What Synapse knows of a file.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Info {
    /// Who uploaded it; of files of other servers nothing.
    pub(crate) user_id: Option<String>,
    pub(crate) media_type: Option<String>,
    /// In bytes.
    pub(crate) media_length: Option<u64>,
    pub(crate) upload_name: Option<String>,
    /// In milliseconds since the epoch.
    pub(crate) created_ts: u64,
    /// The same of the last time that somebody looked at it.
    pub(crate) last_access_ts: Option<u64>,
    /// Who keeps others from seeing it.
    pub(crate) quarantined_by: Option<String>,
    /// Whether it cannot be quarantined; of files of other servers nothing.
    pub(crate) safe_from_quarantine: Option<bool>,
    #[serde(default)]
    pub(crate) sha256: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_file_is_asked_for() {
        let (address, body) =
            body(Request { server_name: "h".to_owned().into(), media_id: "m".to_owned().into() });
        assert!(address.ends_with("/media/h/m"), "{address}");
        assert_eq!(body, "");
    }
}
