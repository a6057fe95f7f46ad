//! `POST /_synapse/admin/v1/registration_tokens/new` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/usage/administration/admin_api/registration_tokens.html#create-token

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use super::get::Token;

use crate::matrix::repeat::Repeat;

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/registration_tokens/new",
}

/// Makes a registration token.
#[request]
pub(crate) struct Request {
    /// Made up by the server where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    pub(crate) uses_allowed: Option<u64>,
    pub(crate) expiry_time: Option<u64>,
}

impl Repeat for Request {
    // It would make another one.
    const REPEATABLE: bool = false;
}

#[response]
pub(crate) struct Response {
    #[ruma_api(body)]
    pub(crate) token: Token,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn what_has_no_bound_is_said_so() {
        let request = Request { token: None, uses_allowed: Some(1), expiry_time: None };
        assert_eq!(body(request).1, r#"{"uses_allowed":1,"expiry_time":null}"#);
    }
}
