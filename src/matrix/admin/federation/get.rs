//! `GET /_synapse/admin/v1/federation/destinations/<destination>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/usage/administration/admin_api/federation.html#destination-details-api

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/federation/destinations/{destination}",
}

/// Asks how it goes with another server.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) destination: Segment<String>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    /// When it was last tried in vain, in milliseconds since the epoch; 0 where all is well.
    pub(crate) retry_last_ts: u64,
    /// How long it is left alone since then, in milliseconds.
    pub(crate) retry_interval: u64,
    /// Since when it has failed, in milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failure_ts: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn a_destination_is_asked_for_and_read() {
        let (address, _) = body(Request { destination: "b.example:8449".to_owned().into() });
        assert!(address.contains("/destinations/b.example:8449"), "{address}");
        let json = r#"{"destination": "matrix.org", "retry_last_ts": 1557332397936,
            "retry_interval": 3000000, "failure_ts": 1557332397936,
            "last_successful_stream_ordering": null}"#;
        assert_eq!(answer::<Response>(json).retry_interval, 3_000_000);
        let well = r#"{"destination": "matrix.org", "retry_last_ts": 0, "retry_interval": 0,
            "failure_ts": null, "last_successful_stream_ordering": 7}"#;
        assert_eq!(answer::<Response>(well).failure_ts, None);
    }
}
