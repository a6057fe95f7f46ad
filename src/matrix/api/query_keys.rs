//! `POST /_matrix/client/v3/keys/query` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3keysquery

use std::collections::BTreeMap;

use ruma::{
    OwnedUserId,
    api::{auth_scheme::AccessToken, metadata, request, response},
};
use serde_json::Value;

use crate::matrix::repeat::Repeat;

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/keys/query",
}

/// Asks for the keys of devices: of these of each user, or of all where none is named.
#[request]
pub(crate) struct Request {
    pub(crate) device_keys: BTreeMap<OwnedUserId, Vec<String>>,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    /// By the user and the device.
    #[serde(default)]
    pub(crate) device_keys: BTreeMap<OwnedUserId, BTreeMap<String, Value>>,
}

#[cfg(test)]
mod tests {
    use ruma::user_id;

    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn a_user_without_keys_is_not_named() {
        let device_keys = BTreeMap::from([(user_id!("@a:x").to_owned(), Vec::new())]);
        assert_eq!(body(Request { device_keys }).1, r#"{"device_keys":{"@a:x":[]}}"#);
        let found = answer::<Response>(r#"{"device_keys":{"@a:x":{"D":{"keys":{}}}}}"#);
        assert!(found.device_keys[user_id!("@a:x")].contains_key("D"));
        assert!(answer::<Response>("{}").device_keys.is_empty());
    }
}
