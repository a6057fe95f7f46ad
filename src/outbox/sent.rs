//! Whether a message is in its room already, where the homeserver may not remember its transaction id: it
//! does so for a day, and a restored one only what it had sent until its backup.

use std::collections::BTreeMap;

use ruma::RoomId;
use serde_json::json;

use crate::matrix::{Error, api::messages, client::Client, message::MARK, sealed};

const PAGE: u32 = 250;
/// Clocks may have been set meanwhile, in milliseconds.
const SLACK: u64 = 10 * 60 * 1000;

/// The events of one who sends in a room, by their marks, back to a time.
pub(crate) async fn marks(
    client: &Client,
    room: &RoomId,
    since: u64,
) -> Result<BTreeMap<String, String>, Error> {
    let since = since.saturating_sub(SLACK);
    let types = ["m.room.message", sealed::TYPE];
    let filter = json!({ "types": types, "senders": [client.user_id()] }).to_string();
    let (mut found, mut from) = (BTreeMap::new(), None);
    loop {
        let filter = Some(filter.clone());
        let request = messages::Request { filter, ..messages::Request::before(room, from, PAGE) };
        let page = client.send(request).await?;
        let mut is_old = false;
        for event in &page.chunk {
            is_old |= event["origin_server_ts"].as_u64().is_some_and(|at| at < since);
            if let (Some(mark), Some(id)) =
                (event["content"][MARK].as_str(), event["event_id"].as_str())
            {
                found.insert(mark.to_owned(), id.to_owned());
            }
        }
        // A page without an event of theirs may be followed by one that has some.
        from = page.end;
        if is_old || from.is_none() {
            return Ok(found);
        }
    }
}
