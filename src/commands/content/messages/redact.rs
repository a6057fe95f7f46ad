//! `content redact-message`.

use crate::commands::content::{
    answer::Answer, answer::only_planned, arguments::RoomArg, arguments::Sending,
    arguments::TransactionArg, arguments::transaction::quoted, arguments::transaction::repeatable,
};
use ruma::OwnedTransactionId;
use serde_json::json;

use crate::{
    commands::{Outcome, Result},
    context::Context,
    matrix::{message, names, room},
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    room: RoomArg,
    /// The message to take away
    event: String,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    transaction: TransactionArg,
    #[command(flatten)]
    sending: Sending,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let event = names::event(&args.event)?;
    let id = args.transaction.id()?;
    message::check_size(&json!({ "redacts": event, "reason": args.reason }))?;
    let client = args.sending.client(context).await?;
    let room = args.sending.room(context, &client, &args.room).await?;
    let operator = args.sending.operator(context)?;
    room::require_event(&operator, &room, &event).await?;
    if let Some(done) = room::redaction(&operator, &room, &event).await? {
        let fields =
            json!({ "room_id": room, "event_id": done, "redacts": event, "already": true });
        let text = format!("{event} was taken away already");
        output.emit(&Answer::new(text, Some(&done), fields));
        return Ok(Outcome::Moot);
    }
    if only_planned(context, output, &format!("take {event} out of {room}")) {
        return Ok(Outcome::Done);
    }
    // An edit holds the whole new text: the edits go first, or the text would still be there to read.
    let edits = async || message::edits(&client, &room, &event).await;
    for (number, edit) in
        args.sending.within(&client, &room, context, edits).await?.iter().enumerate()
    {
        let id: OwnedTransactionId = format!("{id}.edit{number}").into();
        message::redact(&client, &room, edit, &id, None).await?;
    }
    let reason = args.reason.as_deref();
    let redact = async || message::redact(&client, &room, &event, &id, reason).await;
    let done = args.sending.within(&client, &room, context, redact).await.map_err(|error| {
        let command = format!(
            "content redact-message {} {}",
            quoted(args.room.as_str()),
            quoted(&args.event)
        );
        repeatable(error, &command, id.as_str())
    })?;
    let fields = json!({
        "room_id": room, "event_id": done, "redacts": event, "already": false, "transaction_id": id,
    });
    output.emit(&Answer::new(format!("took {event} away"), Some(done.as_str()), fields));
    Ok(Outcome::Done)
}
