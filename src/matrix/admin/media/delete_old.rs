//! `POST /_synapse/admin/v1/media/delete` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/media_admin_api.html#delete-local-media-by-date-or-size

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::repeat::Repeat;

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/media/delete",
}

/// Deletes files of this server that nobody has looked at since a time.
#[request]
pub(crate) struct Request {
    /// In milliseconds since the epoch.
    #[ruma_api(query)]
    pub(crate) before_ts: i64,
    /// Only what is larger, in bytes.
    #[ruma_api(query)]
    pub(crate) size_gt: u64,
}

impl Repeat for Request {
    // What is deleted already is not found again.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) deleted_media: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_time_and_a_size_are_the_limits() {
        let (address, body) = body(Request { before_ts: 5, size_gt: 7 });
        assert!(address.ends_with("/media/delete?before_ts=5&size_gt=7"), "{address}");
        assert_eq!(body, "{}");
    }
}
