//! `content send-event`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{
            RoomArg, Sending, TransactionArg, json,
            transaction::{quoted, repeatable},
        },
    },
    context::Context,
    error::Failure,
    matrix::{message, room},
    output::Sentence,
};

/// It is never encrypted, also where messages are.

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// The type of the event, such as `org.example.build`
    #[arg(value_name = "TYPE")]
    pub(crate) event_type: String,
    /// Its content, as JSON; `-` reads it from stdin and `@FILE` from a file
    #[arg(value_name = "JSON")]
    pub(crate) content: String,
    #[command(flatten)]
    pub(crate) transaction: TransactionArg,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Sent {
    pub(crate) room_id: String,
    pub(crate) event_id: String,
    /// A repeat with it does nothing.
    pub(crate) transaction_id: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Sent> {
    let Args { room, event_type, content: text, transaction, sending } = args;
    let id = transaction.id()?;
    let event_type = json::event_type(&event_type)?.to_owned();
    if event_type == "m.room.redaction" {
        return Err(Failure::request("a redaction is not sent as an event")
            .hinted("`content redact-message ROOM EVENT` takes away what an event says")
            .into());
    }
    let content = json::content(&text, sending.timeout())?;
    message::check_size(&content)?;
    let (client, room_id) = sending.in_room(context, &room).await?;
    context.would(format_args!("send an event `{event_type}` to {room_id}"))?;
    let data = context.data()?;
    let send = async || {
        if event_type == message::REACTION {
            room::require_current(&client, &room_id).await?;
        } else {
            message::require_way(&client, &data, &room_id).await?;
        }
        message::send_as(&client, &room_id, &event_type, &content, &id).await
    };
    let event_id = sending.within(&client, &room_id, context, send).await.map_err(|error| {
        let words = [room.as_str(), &event_type, &text].map(quoted).join(" ");
        repeatable(error, &format!("content send-event {words}"), id.as_str())
    })?;
    if transaction.is_given() {
        let operator = sending.operator(context)?;
        message::require_same(&operator, &client, &event_id, &content, &id).await?;
    }
    let (room_id, event_id) = (room_id.into(), event_id.into());
    Ok(Reply::done(Sent { room_id, event_id, transaction_id: id.to_string() }))
}

impl Sentence for Sent {
    fn sentence(&self) -> String {
        format!("sent {}", self.event_id)
    }

    fn id(&self) -> &str {
        &self.event_id
    }
}
