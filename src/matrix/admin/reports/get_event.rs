//! `GET /_synapse/admin/v1/event_reports/<id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/event_reports.html#show-details-of-a-specific-event-report

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use serde_json::Value;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/event_reports/{id}",
}

/// Asks for one of the reports of events.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) id: Segment<u64>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    #[ruma_api(body)]
    pub(crate) report: Value,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_report_is_asked_for() {
        let (address, body) = body(Request { id: 5.into() });
        assert!(address.ends_with("/event_reports/5"), "{address}");
        assert_eq!(body, "");
    }
}
