//! `POST /_matrix/client/unstable/org.matrix.simplified_msc3575/sync` ([docs])
//!
//! [docs]: https://github.com/matrix-org/matrix-spec-proposals/pull/4186

use std::collections::BTreeMap;

use ruma::{
    OwnedRoomId,
    api::{auth_scheme::AccessToken, metadata, request, response},
    serde::Raw,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::matrix::repeat::Repeat;

metadata! {
    method: POST,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync",
}

/// Asks for what came since a place, and waits for it.
#[request]
pub(crate) struct Request {
    /// `pos` of the answer before; without it a connection begins.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pos: Option<String>,
    /// How long the server may hold the request open, in milliseconds.
    #[ruma_api(query)]
    pub(crate) timeout: u64,
    /// Tells this connection from others of the device.
    pub(crate) conn_id: String,
    pub(crate) lists: Value,
    pub(crate) room_subscriptions: Value,
}

impl Repeat for Request {
    // Whoever asks has a better way to go on than to wait for this one.
    const REPEATABLE: bool = false;
}

#[response]
pub(crate) struct Response {
    pub(crate) pos: String,
    #[serde(default)]
    pub(crate) lists: BTreeMap<String, List>,
    #[serde(default)]
    pub(crate) rooms: BTreeMap<OwnedRoomId, Room>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct List {
    pub(crate) ops: Vec<Range>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Range {
    pub(crate) room_ids: Vec<OwnedRoomId>,
}

/// What is new in a room.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Room {
    /// Whether the connection names it for the first time.
    pub(crate) initial: bool,
    /// Whether some before these were left out.
    pub(crate) limited: bool,
    /// Events, oldest first; the first answer has many that nobody reads.
    pub(crate) timeline: Vec<Raw<Value>>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn the_place_is_in_the_address_and_what_is_wanted_in_the_body() {
        let request = Request {
            pos: Some("5/s1_2".to_owned()),
            timeout: 0,
            conn_id: "a".to_owned(),
            lists: json!({}),
            room_subscriptions: json!({}),
        };
        let (address, body) = body(request);
        assert!(address.ends_with("/sync?pos=5%2Fs1_2&timeout=0"), "{address}");
        assert_eq!(body, r#"{"conn_id":"a","lists":{},"room_subscriptions":{}}"#);
        let answer = answer::<Response>(r#"{"pos":"5/s1_2","rooms":{"!r:h":{}}}"#);
        assert!(answer.lists.is_empty() && answer.rooms.len() == 1);
    }
}
