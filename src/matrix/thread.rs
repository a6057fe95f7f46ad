//! Where a message stands among the others of its room: what it answers, and the thread that it is in.

use ruma::{EventId, OwnedEventId, RoomId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Error, api::relations, client::Client, message, room};

const THREAD: &str = "m.thread";

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reply_to: Option<OwnedEventId>,
    /// A message of the thread that it is in: the one that it begins with, or any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) thread: Option<OwnedEventId>,
}

/// The same, as it is in the room.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    answered: Option<Value>,
    thread: Option<Thread>,
}

#[derive(Clone, Debug)]
struct Thread {
    root: OwnedEventId,
    /// What programs that know no threads show it as an answer to.
    last: OwnedEventId,
}

impl Place {
    /// Looks for both in the room.
    pub(crate) async fn find(
        &self,
        operator: &Client,
        client: &Client,
        room: &RoomId,
    ) -> Result<Found, Error> {
        let answered = match &self.reply_to {
            Some(to) => Some(room::require_event(operator, room, to).await?),
            None => None,
        };
        let Some(of) = &self.thread else { return Ok(Found { answered, thread: None }) };
        let root = root(&room::require_event(operator, room, of).await?, of);
        if let (Some(answered), Some(to)) = (&answered, &self.reply_to)
            && self::root(answered, to) != root
        {
            return Err(Error::OtherThread { event: to.to_string(), thread: root.to_string() });
        }
        let last = last(client, room, &root).await?.unwrap_or_else(|| root.clone());
        Ok(Found { answered, thread: Some(Thread { root, last }) })
    }
}

impl Found {
    /// Makes a content stand there; who is answered is woken.
    pub(crate) fn relate(&self, content: &mut Value, own: &UserId) {
        if let Some(to) = &self.answered {
            message::reply(content, to, own);
        }
        let Some(Thread { root, last }) = &self.thread else { return };
        let falls_back = self.answered.is_none();
        if falls_back {
            content["m.relates_to"] = json!({ "m.in_reply_to": { "event_id": last } });
        }
        let relation = &mut content["m.relates_to"];
        relation["rel_type"] = THREAD.into();
        relation["event_id"] = root.as_str().into();
        relation["is_falling_back"] = falls_back.into();
    }
}

/// The message that the thread of an event begins with: itself, where it is in none.
fn root(event: &Value, id: &EventId) -> OwnedEventId {
    let relation = &event["content"]["m.relates_to"];
    let root = relation["event_id"].as_str().filter(|_| relation["rel_type"] == THREAD);
    root.and_then(|root| root.try_into().ok()).unwrap_or_else(|| id.to_owned())
}

/// The newest message of a thread.
async fn last(
    client: &Client,
    room: &RoomId,
    root: &EventId,
) -> Result<Option<OwnedEventId>, Error> {
    let request = relations::Request {
        room_id: room.to_owned().into(),
        event_id: root.to_owned().into(),
        rel_type: THREAD.to_owned().into(),
        limit: 1,
        from: None,
    };
    match client.send(request).await {
        Ok(page) => Ok(page.chunk.first().and_then(|it| it["event_id"].as_str()?.try_into().ok())),
        // Who is not in the room yet does not see it; it matters only to programs that know no threads.
        Err(error) if error.is("M_FORBIDDEN") || error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use ruma::{event_id, user_id};

    use super::*;

    #[test]
    fn a_message_is_in_its_thread_and_answers_only_what_it_was_told_to() {
        let thread =
            Thread { root: "$root:x".try_into().unwrap(), last: "$last:x".try_into().unwrap() };
        let mut content = json!({ "body": "a", "m.mentions": {} });
        let found = Found { answered: None, thread: Some(thread.clone()) };
        found.relate(&mut content, user_id!("@me:x"));
        assert_eq!(
            content["m.relates_to"],
            json!({
                "rel_type": "m.thread", "event_id": "$root:x", "is_falling_back": true,
                "m.in_reply_to": { "event_id": "$last:x" },
            })
        );
        assert_eq!(content["m.mentions"], json!({}));
        let answered = Some(json!({ "event_id": "$m:x", "sender": "@al:x", "content": {} }));
        let found = Found { answered, thread: Some(thread) };
        found.relate(&mut content, user_id!("@me:x"));
        assert_eq!(content["m.relates_to"]["m.in_reply_to"]["event_id"], "$m:x");
        assert_eq!(content["m.relates_to"]["is_falling_back"], false);
        assert_eq!(content["m.mentions"]["user_ids"], json!(["@al:x"]));
    }

    #[test]
    fn a_thread_is_named_by_any_message_of_it() {
        let within = json!({
            "content": { "m.relates_to": { "rel_type": "m.thread", "event_id": "$root:x" } },
        });
        assert_eq!(root(&within, event_id!("$m:x")), "$root:x");
        assert_eq!(root(&json!({ "content": {} }), event_id!("$m:x")), "$m:x");
    }
}
