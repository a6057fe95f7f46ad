//! `content react`.

use ruma::{EventId, RoomId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{
            RoomArg, Sending, TransactionArg,
            transaction::{quoted, repeatable},
        },
    },
    context::Context,
    error::Failure,
    matrix::{
        Error,
        client::Client,
        message::{self, REACTION},
        names, relations, room,
    },
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// The message
    pub(crate) event: String,
    /// The sign, such as 👍, or a short text
    pub(crate) key: String,
    #[command(flatten)]
    pub(crate) transaction: TransactionArg,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Reacted {
    pub(crate) room_id: String,
    /// The message.
    pub(crate) to: String,
    pub(crate) key: String,
    /// The event of the sign, which `redact-message` takes away; that of an earlier one is not known.
    pub(crate) event_id: Option<String>,
    /// Whether they had answered with that sign before.
    pub(crate) already: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Reacted> {
    let Args { room, event, key, transaction, sending } = args;
    let to = names::event(&event)?;
    if key.trim().is_empty() || key.len() > 500 || key.contains(char::is_control) {
        let message = "a sign has 1 to 500 bytes and no control characters";
        return Err(Failure::request(message).into());
    }
    let id = transaction.id()?;
    let operator = sending.operator(context)?;
    let (client, room_id) = sending.in_room(context, &room).await?;
    room::require_event(&operator, &room_id, &to).await?;
    context.would(format_args!("answer {to} in {room_id} with {key}"))?;
    let content = json!({
        "m.relates_to": { "rel_type": "m.annotation", "event_id": to, "key": key },
    });
    let client = client.with_new_ids(!transaction.is_given());
    let send = async || {
        room::require_current(&client, &room_id).await?;
        if client.is_dendrite()
            && !transaction.is_given()
            && has(&client, &room_id, &to, &key).await?
        {
            return Ok(None);
        }
        message::send_as(&client, &room_id, REACTION, &content, &id).await.map(Some)
    };
    let event_id = match sending.within(&client, &room_id, context, send).await {
        Ok(sent) => sent.map(Into::into),
        Err(error) if error.is("M_DUPLICATE_ANNOTATION") => None,
        Err(error) => {
            let words = [room.as_str(), &event, &key].map(quoted).join(" ");
            return Err(repeatable(error, &format!("content react {words}"), id.as_str()).into());
        }
    };
    let already = event_id.is_none();
    let (room_id, to) = (room_id.into(), to.into());
    Ok(Reply::done_if(!already, Reacted { room_id, to, key, event_id, already }))
}

/// Whether somebody has answered with that sign: Dendrite would take a second one.
async fn has(client: &Client, room: &RoomId, to: &EventId, key: &str) -> Result<bool, Error> {
    let answers = relations::all(client, room, to, "m.annotation").await?;
    let own = client.user_id();
    Ok(answers.iter().any(|answer| {
        let relation = &answer["content"]["m.relates_to"];
        answer["type"] == REACTION && answer["sender"] == own.as_str() && relation["key"] == key
    }))
}

impl Sentence for Reacted {
    fn sentence(&self) -> String {
        let Self { to, key, already, .. } = self;
        if *already {
            format!("{to} has that {key} already")
        } else {
            format!("answered {to} with {key}")
        }
    }

    fn id(&self) -> &str {
        self.event_id.as_deref().unwrap_or_default()
    }
}
