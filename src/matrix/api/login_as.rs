//! `POST /_matrix/client/v3/login` of an application service ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/application-service-api/#server-admin-style-permissions

use ruma::{
    UserId,
    api::{auth_scheme::AccessToken, metadata, request, response},
};
use serde_json::{Value, json};

use crate::matrix::repeat::Repeat;

metadata! {
    method: POST,
    rate_limited: true,
    authentication: AccessToken,
    path: "/_matrix/client/v3/login",
}

/// Logs in a user whom the application service may act as, on a device.
#[request]
pub(crate) struct Request {
    #[serde(rename = "type")]
    kind: String,
    identifier: Value,
    device_id: String,
    initial_device_display_name: String,
}

impl Request {
    pub(crate) fn new(user: &UserId, device_id: String, name: String) -> Self {
        Self {
            kind: "m.login.application_service".to_owned(),
            identifier: json!({ "type": "m.id.user", "user": user }),
            device_id,
            initial_device_display_name: name,
        }
    }
}

impl Repeat for Request {
    // The device is named: the second login takes the place of the first.
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) access_token: String,
}
