//! `content edit-message`.

use crate::commands::content::{
    answer::Answer, answer::only_planned, arguments::RoomArg, arguments::Sending,
    arguments::TransactionArg, arguments::text::message_text, arguments::transaction::quoted,
    arguments::transaction::repeatable,
};
use serde_json::json;

use crate::{
    commands::{Outcome, Result},
    context::Context,
    matrix::{
        Error,
        message::{self, Markup},
        names, room,
    },
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    room: RoomArg,
    /// The message to change
    event: String,
    /// The new text; `-`, or nothing where stdin is a pipe, reads it from there
    text: Option<String>,
    /// The text is HTML
    #[arg(long, conflicts_with = "markdown")]
    html: bool,
    /// The text is Markdown
    #[arg(long)]
    markdown: bool,
    #[command(flatten)]
    transaction: TransactionArg,
    #[command(flatten)]
    sending: Sending,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let of = names::event(&args.event)?;
    let id = args.transaction.id()?;
    let text = message_text(args.text.clone())?;
    let markup = match (args.html, args.markdown) {
        (true, _) => Markup::Html,
        (_, true) => Markup::Markdown,
        _ => Markup::Plain,
    };
    let edited = message::edit(message::text(&text, markup, false), &args.event);
    message::check_size(&edited)?;
    let client = args.sending.client(context).await?;
    let room = args.sending.room(context, &client, &args.room).await?;
    let operator = args.sending.operator(context)?;
    room::require_event(&operator, &room, &of).await?;
    if room::redaction(&operator, &room, &of).await?.is_some() {
        return Err(Error::Redacted { event: of.to_string() }.into());
    }
    if only_planned(context, output, &format!("change {} in {room}", args.event)) {
        return Ok(Outcome::Done);
    }
    let data = context.data()?;
    let change = async || {
        message::require_plain(&client, &data, &room).await?;
        message::send(&client, &room, &edited, &id).await
    };
    let event = args.sending.within(&client, &room, context, change).await.map_err(|error| {
        let command = format!(
            "content edit-message {} {} {}",
            quoted(args.room.as_str()),
            quoted(&args.event),
            quoted(&text)
        );
        repeatable(error, &command, id.as_str())
    })?;
    let fields =
        json!({ "room_id": room, "event_id": event, "replaces": args.event, "transaction_id": id });
    output.emit(&Answer::new(format!("changed: {event}"), Some(event.as_str()), fields));
    Ok(Outcome::Done)
}
