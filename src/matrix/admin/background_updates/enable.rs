//! `POST /_synapse/admin/v1/background_updates/enabled` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/usage/administration/admin_api/background_updates.html#enabled

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::repeat::Repeat;

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/background_updates/enabled",
}

/// Pauses what is done to the database in the background, or lets it go on.
#[request]
pub(crate) struct Request {
    pub(crate) enabled: bool,
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
    fn it_is_paused_or_not() {
        let (address, body) = body(Request { enabled: false });
        assert!(address.ends_with("/background_updates/enabled"), "{address}");
        assert_eq!(body, r#"{"enabled":false}"#);
    }
}
