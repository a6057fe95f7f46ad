//! `POST /_synapse/admin/v1/federation/destinations/<destination>/reset_connection` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/usage/administration/admin_api/federation.html#reset-connection-timeout

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/federation/destinations/{destination}/reset_connection",
}

/// Has a server tried again at once.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) destination: Segment<String>,
}

impl Repeat for Request {
    // It only lets the next try come sooner.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn a_destination_stands_in_the_path() {
        let (address, _) = body(Request { destination: "b.example".to_owned().into() });
        assert!(address.ends_with("/destinations/b.example/reset_connection"), "{address}");
    }
}
