//! `POST /_synapse/admin/v1/account_validity/validity` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/account_validity.html

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::repeat::Repeat;

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/account_validity/validity",
}

/// Lets an account that would expire live on.
#[request]
pub(crate) struct Request {
    pub(crate) user_id: OwnedUserId,
    /// Until when, in milliseconds since the epoch; without it as long as the settings say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expiration_ts: Option<u64>,
}

impl Repeat for Request {
    // Where Synapse knows no length it stumbles each time.
    const REPEATABLE: bool = false;
}

#[response]
pub(crate) struct Response {
    pub(crate) expiration_ts: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn a_time_is_said_only_where_there_is_one() {
        let request = Request { user_id: "@u:h".try_into().unwrap(), expiration_ts: None };
        assert_eq!(body(request).1, r#"{"user_id":"@u:h"}"#);
        assert_eq!(answer::<Response>(r#"{"expiration_ts": 5}"#).expiration_ts, 5);
    }
}
