//! `DELETE /_synapse/admin/v1/registration_tokens/<token>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/usage/administration/admin_api/registration_tokens.html#delete-token

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: DELETE,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/registration_tokens/{token}",
}

/// Takes a registration token away.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) token: Segment<String>,
}

impl Repeat for Request {
    // Whoever looked before knows that it was there.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn the_token_is_in_the_address() {
        let (address, _) = body(Request { token: "abcd".to_owned().into() });
        assert!(address.ends_with("/registration_tokens/abcd"), "{address}");
    }
}
