//! `POST /_matrix/client/v3/createRoom` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3createroom

use ruma::{
    OwnedRoomId, OwnedUserId,
    api::{auth_scheme::AccessToken, metadata, request, response},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::matrix::repeat::Repeat;

metadata! {
    method: POST,
    rate_limited: true,
    authentication: AccessToken,
    path: "/_matrix/client/v3/createRoom",
}

/// Makes a room, and who asks its creator.
#[request]
#[derive(Default)]
pub(crate) struct Request {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// The localpart of an alias of this server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) room_alias_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) topic: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) invite: Vec<OwnedUserId>,
    pub(crate) preset: Preset,
    /// Says in the invitations that it is a direct room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) is_direct: Option<bool>,
    /// The room version, as the server's default where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) room_version: Option<String>,
    /// Of `m.room.create`: `type`, `m.federate`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) creation_content: Option<Value>,
    /// Events with `type`, `state_key` and `content` that are set after those of the preset.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) initial_state: Vec<Value>,
    /// `public` puts it into the server's directory of rooms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) visibility: Option<String>,
    /// Of `m.room.power_levels`, over those of the preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) power_level_content_override: Option<Value>,
}

/// Who may enter, and what they then see.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "the names of the specification")]
pub(crate) enum Preset {
    #[default]
    PrivateChat,
    PublicChat,
    /// Who is invited has the power of who makes it.
    TrustedPrivateChat,
}

impl Repeat for Request {
    // The second would be another room.
    const REPEATABLE: bool = false;
}

#[response]
pub(crate) struct Response {
    pub(crate) room_id: OwnedRoomId,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::body;

    #[test]
    fn only_what_is_wanted_is_said() {
        assert_eq!(body(Request::default()).1, r#"{"preset":"private_chat"}"#);
        let preset = Preset::PublicChat;
        let request = Request { name: Some("n".into()), preset, ..Request::default() };
        assert_eq!(body(request).1, r#"{"name":"n","preset":"public_chat"}"#);
    }
}
