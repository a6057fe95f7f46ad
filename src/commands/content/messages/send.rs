//! `content send-message`: the short path. To a room id it reads the session file and makes one
//! request, or two where the room was not seen without encryption within the last minute.

use crate::commands::content::{
    answer::{Answer, only_planned},
    arguments::{
        RoomArg, Sending, TransactionArg,
        text::message_text,
        transaction::{quoted, repeatable},
    },
};
use std::path::PathBuf;

use ruma::{OwnedTransactionId, RoomId, TransactionId};
use serde_json::{Value, json};

use crate::{
    commands::{Outcome, Result},
    context::Context,
    error::Failure,
    files,
    matrix::{
        Error,
        client::Client,
        message::{self, Markup},
        names, room,
    },
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(in crate::commands::content) room: RoomArg,
    /// The text; `-`, or nothing where stdin is a pipe, reads it from there
    pub(in crate::commands::content) text: Option<String>,
    /// The text is HTML
    #[arg(long, conflicts_with = "markdown")]
    pub(in crate::commands::content) html: bool,
    /// The text is Markdown
    #[arg(long)]
    pub(in crate::commands::content) markdown: bool,
    /// Send it as a notice, to which bots do not answer
    #[arg(long)]
    pub(in crate::commands::content) notice: bool,
    /// Answer this message
    #[arg(long, value_name = "EVENT")]
    pub(in crate::commands::content) reply_to: Option<String>,
    #[command(flatten)]
    pub(in crate::commands::content) transaction: TransactionArg,
    /// Send each line of this file as a message, in order
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    pub(in crate::commands::content) file: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::commands::content) sending: Sending,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let base = args.transaction.id()?;
    let reply_to = args.reply_to.as_deref().map(names::event).transpose()?;
    let texts = match &args.file {
        Some(path) => lines(path)?,
        None => vec![message_text(args.text.clone())?],
    };
    let contents: Vec<Value> = texts.iter().map(|text| content(&args, text)).collect();
    // All of them before the first is sent.
    for (number, content) in contents.iter().enumerate() {
        message::check_size(content).map_err(|error| match &args.file {
            Some(path) => Failure::request(format!(
                "message {} of `{}`: {error}",
                number + 1,
                path.display()
            ))
            .hinted(
                "nothing was sent: split that line, or send the file with `content send-media`",
            ),
            None => error.into(),
        })?;
    }
    let mut client = args.sending.client(context).await?;
    let room = args.sending.room(context, &client, &args.room).await?;
    if let Some(event) = &reply_to {
        room::require_event(&args.sending.operator(context)?, &room, event).await?;
    }
    if only_planned(context, output, &format!("send {} to {room}", messages_of(contents.len()))) {
        return Ok(Outcome::Done);
    }
    let data = context.data()?;
    let plain = async || message::require_plain(&client, &data, &room).await;
    args.sending.within(&client, &room, context, plain).await?;
    let mut events = Vec::new();
    for (number, content) in contents.iter().enumerate() {
        let transaction = numbered(&base, number, args.file.is_some());
        let event = sent(&args, &client, &room, context, content, transaction).await.map_err(
            |error| {
                let failure = repeatable(error, &again(&args), base.as_str());
                if args.file.is_none() {
                    return failure;
                }
                let rest = format!(
                    "{} of {} lines were sent; `{} --transaction-id {base}` sends the rest and none twice",
                    events.len(), contents.len(), again(&args)
                );
                let hint = failure.hint.as_ref().map_or(rest.clone(), |hint| format!("{hint}; {rest}"));
                failure.hinted(hint)
            },
        )?;
        events.push(event);
        client.restart_clock();
    }
    let last = events.last().cloned().unwrap_or_default();
    let (text, fields) = if args.file.is_some() {
        let fields = json!({
            "room_id": room, "event_ids": events, "total": events.len(), "transaction_id": base,
        });
        (format!("sent {} to {room}", messages_of(events.len())), fields)
    } else {
        let fields = json!({ "room_id": room, "event_id": last, "transaction_id": base });
        (format!("sent {last}"), fields)
    };
    output.emit(&Answer::new(text, Some(&last), fields));
    Ok(Outcome::Done)
}

async fn sent(
    args: &Args,
    client: &Client,
    room: &RoomId,
    context: &Context,
    content: &Value,
    transaction: OwnedTransactionId,
) -> std::result::Result<String, Error> {
    let send = async || message::send(client, room, content, &transaction).await;
    args.sending.within(client, room, context, send).await.map(|event| event.to_string())
}

fn content(args: &Args, text: &str) -> Value {
    let markup = match (args.html, args.markdown) {
        (true, _) => Markup::Html,
        (_, true) => Markup::Markdown,
        _ => Markup::Plain,
    };
    let mut content = message::text(text, markup, args.notice);
    if let Some(to) = &args.reply_to {
        message::reply(&mut content, to);
    }
    content
}

/// The lines of a file, however they end; blank ones are no messages.
fn lines(path: &std::path::Path) -> std::result::Result<Vec<String>, Failure> {
    let text = files::read_input(path)?;
    if text.contains('\0') {
        return Err(Failure::request(format!("`{}` holds a NUL byte", path.display())));
    }
    let lines = messages(&text);
    if lines.is_empty() {
        return Err(Failure::request(format!("`{}` holds no line", path.display())));
    }
    Ok(lines)
}

/// `1 message`, `2 messages`.
fn messages_of(number: usize) -> String {
    format!("{number} message{}", if number == 1 { "" } else { "s" })
}

fn messages(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

fn numbered(base: &TransactionId, number: usize, many: bool) -> OwnedTransactionId {
    if many { format!("{base}.{number}").into() } else { base.to_owned() }
}

/// The command that sends the same again.
fn again(args: &Args) -> String {
    let mut words = format!("content send-message {}", quoted(args.room.as_str()));
    match (&args.file, &args.text) {
        (Some(file), _) => words.push_str(&format!(" --file {}", quoted(&file.to_string_lossy()))),
        (None, Some(text)) => words.push_str(&format!(" {}", quoted(text))),
        (None, None) => words.push_str(" -"),
    }
    for (given, flag) in
        [(args.html, "--html"), (args.markdown, "--markdown"), (args.notice, "--notice")]
    {
        if given {
            words.push_str(&format!(" {flag}"));
        }
    }
    if let Some(event) = &args.reply_to {
        words.push_str(&format!(" --reply-to {}", quoted(event)));
    }
    if let Some(user) = &args.sending.acting {
        words.push_str(&format!(" --as {}", quoted(user)));
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_any_editor_are_messages_and_blank_ones_are_not() {
        assert_eq!(messages("\u{feff}one\r\n\r\n \t\r\ntwo \n\nthree"), ["one", "two ", "three"]);
        assert!(messages("\u{feff}\r\n \n").is_empty());
    }
}
