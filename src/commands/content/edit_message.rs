//! `content edit-message`.

use serde_json::json;

use super::{
    answer::{Answer, Reach, message_text, only_planned, quoted, repeatable},
    send_message::transaction,
};
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
    /// The room: id, alias or exact name
    room: String,
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
    /// Make a repeat harmless: the same id is the same change
    #[arg(long, value_name = "ID")]
    transaction_id: Option<String>,
    #[command(flatten)]
    reach: Reach,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let of = names::event(&args.event)?;
    let id = transaction(args.transaction_id.as_deref())?;
    let text = message_text(args.text.clone())?;
    let markup = match (args.html, args.markdown) {
        (true, _) => Markup::Html,
        (_, true) => Markup::Markdown,
        _ => Markup::Plain,
    };
    let edited = message::edit(message::text(&text, markup, false), &args.event);
    message::check_size(&edited)?;
    let client = args.reach.client(context).await?;
    let room = args.reach.room(context, &client, &args.room).await?;
    let operator = args.reach.operator(context)?;
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
    let event = args.reach.within(&client, &room, output, change).await.map_err(|error| {
        let command = format!(
            "content edit-message {} {} {}",
            quoted(&args.room),
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
