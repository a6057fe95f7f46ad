//! `GET /_synapse/admin/v1/statistics/users/media` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/statistics.html#users-media-usage-statistics

use ruma::{
    OwnedUserId,
    api::{auth_scheme::AccessToken, metadata, request, response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::matrix::repeat::Repeat;

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/statistics/users/media",
}

/// Asks for the users who have uploaded something, those with the most first.
#[request]
pub(crate) struct Request {
    #[ruma_api(query)]
    pub(crate) limit: u32,
    #[ruma_api(query)]
    pub(crate) order_by: &'static str,
    #[ruma_api(query)]
    pub(crate) dir: &'static str,
}

impl Request {
    pub(crate) fn largest_first(limit: u32) -> Self {
        Self { limit, order_by: "media_length", dir: "b" }
    }
}

/// What a user has uploaded.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Usage {
    #[schemars(with = "String")]
    pub(crate) user_id: OwnedUserId,
    pub(crate) displayname: Option<String>,
    /// How many files.
    pub(crate) media_count: u64,
    /// How large they are together, in bytes.
    pub(crate) media_length: u64,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) users: Vec<Usage>,
    pub(crate) total: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn who_has_uploaded_most_is_asked_for_and_read() {
        let (address, _) = body(Request::largest_first(2));
        assert!(address.ends_with("/users/media?limit=2&order_by=media_length&dir=b"));
        let page = answer::<Response>(
            r#"{"users": [{"displayname": null, "media_count": 2, "media_length": 134,
                "user_id": "@u:h"}], "next_token": 3, "total": 10}"#,
        );
        assert_eq!((page.users[0].media_length, page.total), (134, 10));
    }
}
