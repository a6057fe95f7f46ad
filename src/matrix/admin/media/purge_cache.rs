//! `POST /_synapse/admin/v1/purge_media_cache` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/media_admin_api.html#purge-remote-media-api

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::repeat::Repeat;

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/purge_media_cache",
}

/// Deletes copies of files of other servers that nobody has looked at since a time.
#[request]
pub(crate) struct Request {
    /// In milliseconds since the epoch.
    #[ruma_api(query)]
    pub(crate) before_ts: i64,
}

impl Repeat for Request {
    // What is deleted already is not found again.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) deleted: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_time_is_the_limit() {
        let (address, body) = body(Request { before_ts: 5 });
        assert!(address.ends_with("/purge_media_cache?before_ts=5"), "{address}");
        assert_eq!(body, "{}");
    }
}
