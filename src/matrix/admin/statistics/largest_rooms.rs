//! `GET /_synapse/admin/v1/statistics/database/rooms` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/statistics.html#get-largest-rooms-by-size-in-database

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use serde::{Deserialize, Serialize};

use crate::matrix::repeat::Repeat;

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/statistics/database/rooms",
}

/// Asks which rooms are the largest in the database.
#[request]
pub(crate) struct Request {}

impl Repeat for Request {
    // Where there are no figures yet it fails, and goes on failing.
    const REPEATABLE: bool = false;
}

#[response]
pub(crate) struct Response {
    pub(crate) rooms: Vec<Size>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Size {
    pub(crate) room_id: String,
    /// In bytes.
    pub(crate) estimated_size: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn it_is_asked_for() {
        let (address, body) = body(Request {});
        assert!(address.ends_with("/statistics/database/rooms"), "{address}");
        assert_eq!(body, "");
    }
}
