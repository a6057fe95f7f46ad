//! `content send-message`: the short path. To a room id it reads the session file and makes one
//! request, or two where the room was not seen without encryption within the last minute.

use std::path::PathBuf;

use ruma::{OwnedTransactionId, RoomId, TransactionId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

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
    error::Failure,
    files,
    matrix::{Error, client::Client, message, names, room},
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// The text; `-`, or nothing where stdin is a pipe, reads it from there
    pub(crate) text: Option<String>,
    #[command(flatten)]
    pub(crate) markup: MarkupArg,
    /// Send a notice, which bots do not answer
    #[arg(long)]
    pub(crate) notice: bool,
    /// Answer this message
    #[arg(long, value_name = "EVENT")]
    pub(crate) reply_to: Option<String>,
    #[command(flatten)]
    pub(crate) transaction: TransactionArg,
    /// Send each line of this file as a message, in order
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Sent {
    /// One message.
    One { room_id: String, event_id: String, transaction_id: String },
    /// The lines of a file.
    Lines {
        room_id: String,
        /// In the order of the file.
        event_ids: Vec<String>,
        total: usize,
        transaction_id: String,
    },
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Sent> {
    let base = args.transaction.id()?;
    let reply_to = args.reply_to.as_deref().map(names::event).transpose()?;
    let texts = match &args.file {
        Some(path) => lines(path)?,
        None => vec![message_text(args.text.clone())?],
    };
    let contents: Vec<Value> = texts.iter().map(|text| content(&args, text)).collect();
    check_sizes(&args, &contents)?;
    let (client, room) = args.sending.in_room(context, &args.room).await?;
    if let Some(event) = &reply_to {
        room::require_event(&args.sending.operator(context)?, &room, event).await?;
    }
    context.would(format_args!("send {} to {room}", messages_of(contents.len())))?;
    let data = context.data()?;
    let plain = async || message::require_plain(&client, &data, &room).await;
    args.sending.within(&client, &room, context, plain).await?;
    let mut event_ids = Vec::new();
    for (number, content) in contents.iter().enumerate() {
        let transaction = numbered(&base, number, args.file.is_some());
        let event = sent(&args, &client.afresh(), &room, context, content, transaction).await;
        let so_far = (event_ids.len(), contents.len());
        event_ids.push(event.map_err(|error| broken(error, &args, base.as_str(), so_far))?);
    }
    let (room_id, transaction_id) = (room.into(), base.to_string());
    Ok(Reply::done(if args.file.is_some() {
        Sent::Lines { room_id, total: event_ids.len(), event_ids, transaction_id }
    } else {
        let event_id = event_ids.pop().unwrap_or_default();
        Sent::One { room_id, event_id, transaction_id }
    }))
}

/// All of them, before the first is sent.
fn check_sizes(args: &Args, contents: &[Value]) -> Result<(), Failure> {
    for (number, content) in (1..).zip(contents) {
        message::check_size(content).map_err(|error| match &args.file {
            Some(path) => {
                let path = path.display();
                Failure::request(format!("message {number} of `{path}`: {error}")).hinted(
                    "nothing was sent: split that line, or send the file with `content send-media`",
                )
            }
            None => error.into(),
        })?;
    }
    Ok(())
}

/// What is said where one could not be sent, after some of all.
fn broken(error: Error, args: &Args, base: &str, (sent, all): (usize, usize)) -> Failure {
    let failure = repeatable(error, &again(args), base);
    if args.file.is_none() {
        return failure;
    }
    let rest = format!(
        "{sent} of {all} lines were sent; `{} --transaction-id {base}` sends the rest and none twice",
        again(args)
    );
    let hint = failure.hint.as_ref().map_or(rest.clone(), |hint| format!("{hint}; {rest}"));
    failure.hinted(hint)
}

async fn sent(
    args: &Args,
    client: &Client,
    room: &RoomId,
    context: &Context,
    content: &Value,
    transaction: OwnedTransactionId,
) -> Result<String, Error> {
    let send = async || message::send(client, room, content, &transaction).await;
    args.sending.within(client, room, context, send).await.map(|event| event.to_string())
}

fn content(args: &Args, text: &str) -> Value {
    let mut content = message::text(text, args.markup.into(), args.notice);
    if let Some(to) = &args.reply_to {
        message::reply(&mut content, to);
    }
    content
}

/// The lines of a file, however they end; blank ones are no messages.
fn lines(path: &std::path::Path) -> Result<Vec<String>, Failure> {
    let text = files::read_input(path)?;
    if text.contains('\0') {
        return Err(Failure::request(format!("`{}` contains a NUL byte", path.display())));
    }
    let lines = messages(&text);
    if lines.is_empty() {
        return Err(Failure::request(format!("`{}` has no line", path.display())));
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
    let MarkupArg { html, markdown } = args.markup;
    for (given, flag) in [(html, "--html"), (markdown, "--markdown"), (args.notice, "--notice")] {
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

impl Sentence for Sent {
    fn sentence(&self) -> String {
        match self {
            Self::One { event_id, .. } => format!("sent {event_id}"),
            Self::Lines { room_id, total, .. } => {
                format!("sent {} to {room_id}", messages_of(*total))
            }
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::One { event_id, .. } => event_id,
            Self::Lines { event_ids, .. } => {
                event_ids.last().map(String::as_str).unwrap_or_default()
            }
        }
    }
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
