//! `content send-message` into one room, the short path: to a room id it reads the session file and makes
//! one request, or three where it was not seen within the last minute that one may write there.

use ruma::{OwnedTransactionId, RoomId, TransactionId};
use serde_json::Value;

use super::{
    args::{Args, Sent, messages_of},
    lines::{Unfinished, lines},
};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{
            MarkupArg, RoomArg,
            text::message_text,
            transaction::{quoted, repeatable},
        },
    },
    context::Context,
    error::Failure,
    matrix::{Error, client::Client, message},
    process::Ending,
    reply::Interrupted,
};

/// Sends one text, or the lines of a file, into one room.
pub(super) async fn now(args: Args, context: &Context) -> Answered<Sent> {
    let named = RoomArg::from(args.room());
    let mut base = args.transaction.id()?;
    args.reply.place()?;
    let texts = match &args.file {
        Some(path) => lines(path)?,
        None => vec![message_text(args.text.clone())?],
    };
    let markup = args.markup.given().unwrap_or_default();
    let text = |text: &String| message::text(text, markup, args.notice);
    let mut contents: Vec<Value> = texts.iter().map(text).collect();
    check_sizes(&args, &contents)?;
    let (client, room) = args.sending.to_room(context, &named).await?;
    if args.reply.is_any() || args.mentions.is_any() {
        let users = args.mentions.users(&args.sending, context, &client, &room).await?;
        let found = args.reply.find(&args.sending, context, &client, &room).await?;
        for content in &mut contents {
            found.relate(content, client.user_id());
            message::mention(content, users.clone(), args.mentions.mention_room);
        }
        check_sizes(&args, &contents)?;
    }
    context.would(format_args!("send {} to {room}", messages_of(contents.len())))?;
    let data = context.data()?;
    let plain = async || message::require_plain(&client, &data, &room).await;
    args.sending.within(&client, &room, context, plain).await?;
    let unfinished = if args.file.is_some() && !args.transaction.is_given() {
        Unfinished::of(&data, &client.session(), &room, &contents)
    } else {
        None
    };
    if let Some(unfinished) = &unfinished {
        base = unfinished.base().to_owned();
    }
    // What a person is told to type: a note of ours knows the ids of the lines.
    let again = match &unfinished {
        Some(_) => again(&args),
        None => format!("{} --transaction-id {base}", again(&args)),
    };
    let (mut event_ids, all) = (Vec::new(), contents.len());
    let mut signals = Ending::new()?;
    let progress = args.file.is_some().then(|| context.progress(format!("sending {all} lines")));
    for (number, content) in contents.iter().enumerate() {
        if let Some(progress) = &progress {
            progress.now(format!("sent {number} of {all} lines"));
        }
        let transaction = numbered(&base, number, args.file.is_some());
        let client = client.afresh();
        let sent = tokio::select! {
            sent = sent(&args, &client, &room, context, content, &transaction) => sent,
            signal = signals.next() => {
                return Err(interrupted(signal, &args, &again, (number, all)).into());
            }
        };
        event_ids.push(sent.map_err(|error| broken(error, &args, &again, &base, (number, all)))?);
    }
    drop(progress);
    if let Some(unfinished) = unfinished {
        unfinished.finished();
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
fn broken(
    error: Error,
    args: &Args,
    command: &str,
    base: &TransactionId,
    (sent, all): (usize, usize),
) -> Failure {
    if args.file.is_none() {
        return repeatable(error, &again(args), base.as_str());
    }
    let failure = Failure::from(error);
    let rest = rest(command, (sent, all));
    let hint = failure.hint.as_ref().map_or(rest.clone(), |hint| format!("{hint}; {rest}"));
    failure.hinted(hint)
}

/// What is said where a signal ended it.
fn interrupted(signal: u8, args: &Args, again: &str, (sent, all): (usize, usize)) -> Failure {
    if args.file.is_none() {
        let said = "interrupted before the homeserver answered: the message may have been sent";
        return Failure::from(Interrupted { signal, said: said.to_owned() })
            .hinted(format!("a repeat with the same id is harmless: `{again}`"));
    }
    let said = format!("interrupted after {sent} of {all} lines");
    Failure::from(Interrupted { signal, said }).hinted(rest(again, (sent, all)))
}

fn rest(again: &str, (sent, all): (usize, usize)) -> String {
    format!("{sent} of {all} lines were sent; `{again}` sends the rest and none twice")
}

async fn sent(
    args: &Args,
    client: &Client,
    room: &RoomId,
    context: &Context,
    content: &Value,
    transaction: &TransactionId,
) -> Result<String, Error> {
    let send = async || message::send(client, room, content, transaction).await;
    let event = args.sending.within(client, room, context, send).await?;
    if args.transaction.is_given()
        && let Ok(operator) = args.sending.operator(context)
    {
        message::require_same(&operator, &event, content, transaction).await?;
    }
    Ok(event.to_string())
}

fn numbered(base: &TransactionId, number: usize, many: bool) -> OwnedTransactionId {
    if many { format!("{base}.{number}").into() } else { base.to_owned() }
}

/// The command that sends the same again.
fn again(args: &Args) -> String {
    let mut words = format!("content send-message {}", quoted(args.room()));
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
    words.push_str(&args.reply.words());
    for user in &args.mentions.mention {
        words.push_str(&format!(" --mention {}", quoted(user)));
    }
    if args.mentions.mention_room {
        words.push_str(" --mention-room");
    }
    if let Some(user) = &args.sending.acting {
        words.push_str(&format!(" --as {}", quoted(user)));
    }
    words
}
