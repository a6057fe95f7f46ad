//! `GET /_synapse/admin/v1/experimental_features/<user_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/experimental_features.html#listing-enabled-features

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use std::collections::BTreeMap;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/experimental_features/{user_id}",
}

/// Asks which experimental features a user has.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) features: BTreeMap<String, bool>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::answer;

    #[test]
    fn features_are_read() {
        let found = answer::<Response>(r#"{"features": {"msc3881": false, "msc3575": true}}"#);
        assert!(found.features["msc3575"] && !found.features["msc3881"]);
    }
}
