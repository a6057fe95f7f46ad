//! `PUT /_synapse/admin/v2/users/<user_id>/devices/<device_id>` ([docs])
//!
//! [docs]: https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#update-a-device

use ruma::OwnedUserId;
use ruma::api::{auth_scheme::AccessToken, metadata, request, response};

use crate::matrix::{repeat::Repeat, segment::Segment};

metadata! {
    method: PUT,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_synapse/admin/v2/users/{user_id}/devices/{device_id}",
}

/// Gives a device another name.
#[request]
pub(crate) struct Request {
    #[ruma_api(path)]
    pub(crate) user_id: Segment<OwnedUserId>,
    #[ruma_api(path)]
    pub(crate) device_id: Segment<String>,
    pub(crate) display_name: String,
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
    fn a_device_with_any_letters_is_one_part_of_the_address() {
        let request = Request {
            user_id: OwnedUserId::try_from("@u:h").unwrap().into(),
            device_id: "a/b%".to_owned().into(),
            display_name: "My phone".into(),
        };
        let (address, body) = body(request);
        assert!(address.ends_with("/users/@u:h/devices/a%2Fb%25"), "{address}");
        assert_eq!(body, r#"{"display_name":"My phone"}"#);
    }
}
