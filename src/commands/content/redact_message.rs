//! `content redact-message`.

use ruma::OwnedTransactionId;
use serde_json::json;

use super::{
    answer::{Answer, Reach, only_planned, quoted, repeatable},
    send_message::transaction,
};
use crate::{
    commands::{Outcome, Result},
    context::Context,
    matrix::{message, names, room},
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The room: id, alias or exact name
    room: String,
    /// The message to take away
    event: String,
    /// Why
    #[arg(long)]
    reason: Option<String>,
    /// Make a repeat harmless
    #[arg(long, value_name = "ID")]
    transaction_id: Option<String>,
    #[command(flatten)]
    reach: Reach,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let event = names::event(&args.event)?;
    let id = transaction(args.transaction_id.as_deref())?;
    message::check_size(&json!({ "redacts": event, "reason": args.reason }))?;
    let client = args.reach.client(context).await?;
    let room = args.reach.room(context, &client, &args.room).await?;
    let operator = args.reach.operator(context)?;
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
    for (number, edit) in args.reach.within(&client, &room, output, edits).await?.iter().enumerate()
    {
        let id: OwnedTransactionId = format!("{id}.edit{number}").into();
        message::redact(&client, &room, edit, &id, None).await?;
    }
    let reason = args.reason.as_deref();
    let redact = async || message::redact(&client, &room, &event, &id, reason).await;
    let done = args.reach.within(&client, &room, output, redact).await.map_err(|error| {
        let command =
            format!("content redact-message {} {}", quoted(&args.room), quoted(&args.event));
        repeatable(error, &command, id.as_str())
    })?;
    let fields = json!({
        "room_id": room, "event_id": done, "redacts": event, "already": false, "transaction_id": id,
    });
    output.emit(&Answer::new(format!("took {event} away"), Some(done.as_str()), fields));
    Ok(Outcome::Done)
}
