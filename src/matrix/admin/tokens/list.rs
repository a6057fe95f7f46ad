//! `GET /_synapse/admin/v1/registration_tokens` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/usage/administration/admin_api/registration_tokens.html#list-all-tokens

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use super::get::Token;

use crate::matrix::repeat::Repeat;

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/registration_tokens",
}

/// Asks for all registration tokens.
#[request]
pub(crate) struct Request {
    /// Whether to show only those that can still be used; without it all are shown.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) valid: Option<bool>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) registration_tokens: Vec<Token>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn tokens_with_and_without_bounds_are_read() {
        assert!(body(Request { valid: Some(true) }).0.ends_with("/registration_tokens?valid=true"));
        let page = answer::<Response>(
            r#"{"registration_tokens": [{"token": "abcd", "uses_allowed": 3, "pending": 0,
                "completed": 1, "expiry_time": null}, {"token": "wxyz", "uses_allowed": null,
                "pending": 0, "completed": 9, "expiry_time": 1625394937000}]}"#,
        );
        assert_eq!(page.registration_tokens[0].uses_allowed, Some(3));
        assert_eq!(page.registration_tokens[1].expiry_time, Some(1_625_394_937_000));
    }
}
