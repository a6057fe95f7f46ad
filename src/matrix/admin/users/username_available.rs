//! `GET /_synapse/admin/v1/username_available` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#check-username-availability

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::repeat::Repeat;

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/username_available",
}

/// Asks whether a name is free; one that is not is refused.
#[request]
pub(crate) struct Request {
    #[ruma_api(query)]
    pub(crate) username: String,
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
    fn the_name_is_asked_for() {
        let (address, _) = body(Request { username: "a+b".into() });
        assert!(address.ends_with("/username_available?username=a%2Bb"), "{address}");
    }
}
