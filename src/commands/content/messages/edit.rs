//! `content edit-message`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{
            MarkupArg, RoomArg, Sending, TransactionArg,
            text::message_text,
            transaction::{quoted, repeatable},
        },
    },
    context::Context,
    matrix::{Error, edit, message, names, room},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// The message to change
    pub(crate) event: String,
    /// The new text; `-`, or nothing where stdin is a pipe, reads it from there
    #[arg(allow_hyphen_values = true)]
    pub(crate) text: Option<String>,
    #[command(flatten)]
    pub(crate) markup: MarkupArg,
    #[command(flatten)]
    pub(crate) transaction: TransactionArg,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Edited {
    pub(crate) room_id: String,
    /// The event that changes the message.
    pub(crate) event_id: String,
    /// The message that was changed.
    pub(crate) replaces: String,
    pub(crate) transaction_id: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Edited> {
    let Args { room, event, text, markup, transaction, sending } = args;
    let of = names::event(&event)?;
    let id = transaction.id()?;
    let text = message_text(text)?;
    let (client, room_id) = sending.in_room(context, &room).await?;
    let operator = sending.operator(context)?;
    let before = room::require_event(&operator, &room_id, &of).await?;
    if room::redaction(&operator, &room_id, &of).await?.is_some() {
        return Err(Error::Redacted { event: of.to_string() }.into());
    }
    edit::require_editable(&before, client.user_id())?;
    let edited = edit::content(&before["content"], &text, markup.given(), &event);
    message::check_size(&edited)?;
    context.would(format_args!("change {event} in {room_id}"))?;
    let data = context.data()?;
    let change = async || {
        message::require_plain(&client, &data, &room_id).await?;
        message::send(&client, &room_id, &edited, &id).await
    };
    let made = sending.within(&client, &room_id, context, change).await.map_err(|error| {
        let words = [room.as_str(), event.as_str(), text.as_str()].map(quoted).join(" ");
        repeatable(error, &format!("content edit-message {words}"), id.as_str())
    })?;
    if transaction.is_given() {
        message::require_same(&operator, &made, &edited, &id).await?;
    }
    Ok(Reply::done(Edited {
        room_id: room_id.into(),
        event_id: made.into(),
        replaces: event,
        transaction_id: id.to_string(),
    }))
}

impl Sentence for Edited {
    fn sentence(&self) -> String {
        format!("changed: {}", self.event_id)
    }

    fn id(&self) -> &str {
        &self.event_id
    }
}
