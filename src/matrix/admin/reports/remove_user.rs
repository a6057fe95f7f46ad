//! `DELETE /_synapse/admin/v1/user_reports/<id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_reports.html#delete-a-specific-user-report

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: DELETE,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/user_reports/{id}",
}

/// Forgets one of the reports of users.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) id: Segment<u64>,
}

impl Repeat for Request {
    // What is gone is not found.
    const REPEATABLE: bool = false;
}

#[response]
pub(crate) struct Response {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_report_is_named() {
        let (address, body) = body(Request { id: 5.into() });
        assert!(address.ends_with("/user_reports/5"), "{address}");
        assert_eq!(body, "{}");
    }
}
