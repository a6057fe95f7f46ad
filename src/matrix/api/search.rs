//! `POST /_matrix/client/v3/search` ([docs])
//!
//! [docs]: https://spec.matrix.org/latest/client-server-api/#post_matrixclientv3search

use ruma::api::{auth_scheme::AccessToken, metadata, request, response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::matrix::repeat::Repeat;

metadata! {
    method: POST,
    rate_limited: true,
    authentication: AccessToken,
    path: "/_matrix/client/v3/search",
}

/// Asks for one page of the messages that hold some words.
#[request]
pub(crate) struct Request {
    /// Where the page starts: `next_batch` of the one before.
    #[ruma_api(query)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_batch: Option<String>,
    pub(crate) search_categories: Value,
}

impl Request {
    /// The newest first, in these rooms or in all that one is in.
    pub(crate) fn newest(
        words: &str,
        rooms: &[ruma::OwnedRoomId],
        limit: u32,
        next_batch: Option<String>,
    ) -> Self {
        let mut filter = json!({ "limit": limit });
        if !rooms.is_empty() {
            filter["rooms"] = json!(rooms);
        }
        let events = json!({
            "search_term": words, "keys": ["content.body"], "order_by": "recent", "filter": filter,
        });
        Self { next_batch, search_categories: json!({ "room_events": events }) }
    }
}

impl Repeat for Request {
    const REPEATABLE: bool = true;
}

#[response]
pub(crate) struct Response {
    pub(crate) search_categories: Categories,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Categories {
    pub(crate) room_events: Found,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Found {
    #[serde(default)]
    pub(crate) results: Vec<Hit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) next_batch: Option<String>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Hit {
    pub(crate) result: Value,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::wire::{answer, body};

    #[test]
    fn words_are_looked_for_in_some_rooms_page_by_page() {
        let room = ruma::OwnedRoomId::try_from("!r:h").unwrap();
        let (address, body) = body(Request::newest("disk", &[room], 10, Some("n1".into())));
        assert_eq!(address, "http://h/_matrix/client/v3/search?next_batch=n1");
        let body: Value = serde_json::from_str(&body).unwrap();
        let events = &body["search_categories"]["room_events"];
        assert_eq!(events["filter"], json!({ "limit": 10, "rooms": ["!r:h"] }));
        assert_eq!(
            (&events["search_term"], &events["order_by"]),
            (&"disk".into(), &"recent".into())
        );
        let found = answer::<Response>(
            r#"{"search_categories":{"room_events":{"count":1,"results":[{"rank":0.1,"result":{"event_id":"$e"}}],"highlights":[]}}}"#,
        );
        let found = found.search_categories.room_events;
        assert_eq!((&found.results[0].result["event_id"], found.next_batch), (&"$e".into(), None));
    }
}
