//! `GET /_matrix/client/v3/sync` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#get_matrixclientv3sync

use std::collections::BTreeMap;

use ruma::{
    OwnedRoomId,
    api::{auth_scheme::AccessToken, metadata, request, response},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::matrix::repeat::Repeat;

metadata! {
    method: GET,
    rate_limited: false,
    authentication: AccessToken,
    path: "/_matrix/client/v3/sync",
}

/// Asks for what came since a token, and waits for it.
#[request]
pub(crate) struct Request {
    /// A filter as JSON.
    #[ruma_api(query)]
    pub(crate) filter: String,
    /// `next_batch` of the one before; without it the answer is what is there.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<String>,
    /// How long the server may hold the request open, in milliseconds.
    #[ruma_api(query)]
    pub(crate) timeout: u64,
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) next_batch: String,
    #[serde(default)]
    pub(crate) rooms: Rooms,
}

/// What is new in rooms.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Rooms {
    pub(crate) join: BTreeMap<OwnedRoomId, Joined>,
    pub(crate) invite: BTreeMap<OwnedRoomId, Invited>,
    /// Those that one has gone out of since: what was said until then.
    pub(crate) leave: BTreeMap<OwnedRoomId, Joined>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Joined {
    /// State that is not in the timeline.
    pub(crate) state: Timeline,
    pub(crate) timeline: Timeline,
}

/// A room that one is invited to.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Invited {
    /// What of its state may be known before; the invitation is there.
    pub(crate) invite_state: Timeline,
}

/// Events as they are, oldest first.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Timeline {
    pub(crate) events: Vec<Value>,
    /// Whether some between the token and these were left out.
    pub(crate) limited: bool,
    /// Where those that were left out end.
    pub(crate) prev_batch: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn what_the_server_leaves_out_is_empty() {
        let request = Request { filter: "{}".to_owned(), since: None, timeout: 0 };
        assert_eq!(body(request).0, "http://h/_matrix/client/v3/sync?filter=%7B%7D&timeout=0");
        let answer = answer::<Response>(r#"{"next_batch":"s1"}"#);
        assert!(answer.rooms.join.is_empty());
        assert_eq!(answer.next_batch, "s1");
    }
}
