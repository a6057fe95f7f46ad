//! `GET /_synapse/admin/v1/threepid/<medium>/users/<address>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#find-a-user-based-on-their-third-party-id-threepid-or-3pid

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v1/threepid/{medium}/users/{address}",
}

/// Asks whose address this is.
#[request]
pub(crate) struct Request {
    /// `email` or `msisdn`.
    #[ruma_api(path)]
    pub(crate) medium: Segment<&'static str>,
    #[ruma_api(path)]
    pub(crate) address: Segment<String>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) user_id: OwnedUserId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn an_address_is_one_part_of_the_path() {
        let request = Request { medium: "email".into(), address: "a/b@x.org".to_owned().into() };
        assert!(body(request).0.ends_with("/threepid/email/users/a%2Fb@x.org"));
        assert_eq!(answer::<Response>(r#"{"user_id": "@u:h"}"#).user_id, "@u:h");
    }
}
