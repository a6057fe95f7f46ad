//! `PUT /_synapse/admin/v1/experimental_features/<user_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/experimental_features.html#enablingdisabling-features

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use std::collections::BTreeMap;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: PUT,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/experimental_features/{user_id}",
}

/// Gives a user experimental features, or takes them away.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    pub(crate) features: BTreeMap<String, bool>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn each_feature_is_on_or_off() {
        let features = BTreeMap::from([("msc3881".to_owned(), true)]);
        let (_, body) =
            body(Request { user_id: OwnedUserId::try_from("@u:h").unwrap().into(), features });
        assert_eq!(body, r#"{"features":{"msc3881":true}}"#);
    }
}
