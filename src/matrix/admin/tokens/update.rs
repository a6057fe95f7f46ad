//! `PUT /_synapse/admin/v1/registration_tokens/<token>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/usage/administration/admin_api/registration_tokens.html#update-token

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use super::get::Token;

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: PUT,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/registration_tokens/{token}",
}

/// Changes how often and how long a registration token can be used.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) token: Segment<String>,
    pub(crate) uses_allowed: Option<u64>,
    pub(crate) expiry_time: Option<u64>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
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
    fn a_bound_is_taken_away_by_its_name() {
        let token = "a~b".to_owned().into();
        let (address, body) = body(Request { token, uses_allowed: None, expiry_time: Some(1) });
        assert!(address.ends_with("/registration_tokens/a~b"), "{address}");
        assert_eq!(body, r#"{"uses_allowed":null,"expiry_time":1}"#);
    }
}
