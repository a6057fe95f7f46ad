//! `GET /_synapse/admin/v1/registration_tokens/<token>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/usage/administration/admin_api/registration_tokens.html#get-one-token

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use serde::{Deserialize, Serialize};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/registration_tokens/{token}",
}

/// Asks for one registration token.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) token: Segment<String>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    #[ruma_api(body)]
    pub(crate) token: Token,
}

/// With which people may register.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Token {
    pub(crate) token: String,
    /// How often; as often as anybody likes where there is none.
    pub(crate) uses_allowed: Option<u64>,
    /// How many are registering with it now.
    pub(crate) pending: u64,
    pub(crate) completed: u64,
    /// In milliseconds since the epoch.
    pub(crate) expiry_time: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::answer;

    #[test]
    fn a_token_is_read() {
        let token = answer::<Response>(
            r#"{"token": "abcd", "uses_allowed": 3, "pending": 2, "completed": 1,
                "expiry_time": null}"#,
        )
        .token;
        assert_eq!((token.token.as_str(), token.pending, token.completed), ("abcd", 2, 1));
    }
}
