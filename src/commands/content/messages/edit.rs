//! `content edit-message`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{
            MarkupArg, NowOrLater, QueueArg, RoomArg, Sending, TransactionArg, VerifiedArg,
            queue::{Account, Later},
            text::message_text,
            transaction::{quoted, repeatable},
        },
    },
    context::Context,
    matrix::{edit, message, names, thread::Place},
    outbox::entry::What,
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
    pub(crate) verified: VerifiedArg,
    #[command(flatten)]
    pub(crate) queue: QueueArg,
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

pub(crate) async fn run(args: Args, context: &Context) -> Answered<NowOrLater<Edited>> {
    let Args { room, event, text, markup, transaction, verified, queue, sending } = args;
    let of = names::event(&event)?;
    let id = transaction.id()?;
    let text = message_text(text)?;
    if queue.queue {
        let account = Account::of(context, &sending)?;
        let later = Later {
            room: room.as_str().to_owned(),
            what: What::Edit { event: of, text, markup: markup.given() },
            place: Place::default(),
            transaction: transaction.is_given().then(|| id.to_string()),
        };
        let left = queue.leave(context, &sending, &account, vec![later]).await?;
        return Ok(left.map(NowOrLater::Later));
    }
    let (client, room_id) = sending.in_room(context, &room).await?;
    let client = verified.of(client);
    let operator = sending.operator(context)?;
    let edited = edit::of(&operator, &client, &room_id, &of, &text, markup.given()).await?;
    message::check_size(&edited)?;
    context.would(format_args!("change {event} in {room_id}"))?;
    let data = context.data()?;
    let change = async || {
        message::require_way(&client, &data, &room_id).await?;
        message::send(&client, &room_id, &edited, &id).await
    };
    let made = sending.within(&client, &room_id, context, change).await.map_err(|error| {
        let words = [room.as_str(), event.as_str(), text.as_str()].map(quoted).join(" ");
        let command = format!("content edit-message {words}{}", verified.words());
        repeatable(error, &command, id.as_str())
    })?;
    if transaction.is_given() {
        message::require_same(&operator, &client, &made, &edited, &id).await?;
    }
    Ok(Reply::done(NowOrLater::Now(Edited {
        room_id: room_id.into(),
        event_id: made.into(),
        replaces: event,
        transaction_id: id.to_string(),
    })))
}

impl Sentence for Edited {
    fn sentence(&self) -> String {
        format!("changed: {}", self.event_id)
    }

    fn id(&self) -> &str {
        &self.event_id
    }
}
