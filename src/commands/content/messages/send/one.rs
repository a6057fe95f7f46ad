//! `content send-message` into one room, the short path: to a room id it reads the session file and makes
//! one request, or three where it was not seen within the last minute that one may write there.

use ruma::{RoomId, TransactionId};
use serde_json::Value;

use super::{
    args::{Args, Sent, messages_of, rest},
    lines::Unfinished,
};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, transaction::repeatable},
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
    let texts = args.texts()?;
    let markup = args.markup.given().unwrap_or_default();
    let text = |(line, text): &(usize, String)| (*line, message::text(text, markup, args.notice));
    let mut contents: Vec<(usize, Value)> = texts.iter().map(text).collect();
    check_sizes(&args, &contents)?;
    let (client, room) = args.sending.to_room(context, &named).await?;
    let client = args.verified.of(client);
    if args.reply.is_any() || args.mentions.is_any() {
        let users = args.mentions.users(&args.sending, context, &client, &room).await?;
        let found = args.reply.find(&args.sending, context, &client, &room).await?;
        for (_, content) in &mut contents {
            found.relate(content, client.user_id());
            message::mention(content, users.clone(), args.mentions.mention_room);
        }
        check_sizes(&args, &contents)?;
    }
    context.would(format_args!("send {} to {room}", messages_of(contents.len())))?;
    let data = context.data()?;
    let plain = async || {
        message::require_way(&client, &data, &room).await?;
        message::require_readers(&client, &data, &room)
    };
    args.sending.within(&client, &room, context, plain).await?;
    let unfinished = if args.file.is_some() && !args.transaction.is_given() {
        let messages = contents.iter().map(|(_, content)| (&*room, content));
        Unfinished::of(&data, &client.session(), messages)
    } else {
        None
    };
    if let Some(unfinished) = &unfinished {
        base = unfinished.base().to_owned();
    }
    // What a person is told to type: a note of ours knows the ids of the lines.
    let again = match &unfinished {
        Some(_) => args.again(),
        None => format!("{} --transaction-id {base}", args.again()),
    };
    let client = client.with_new_ids(unfinished.is_none() && !args.transaction.is_given());
    let (mut event_ids, all) = (Vec::new(), contents.len());
    let mut signals = Ending::new()?;
    let progress = args.file.is_some().then(|| context.progress(format!("sending {all} lines")));
    for (number, (line, content)) in contents.iter().enumerate() {
        if let Some(progress) = &progress {
            progress.now(format!("sent {number} of {all} lines"));
        }
        let transaction = args.numbered(&base, number);
        let client = client.afresh();
        let sent = tokio::select! {
            sent = sent(&args, &client, &room, context, content, &transaction) => sent,
            signal = signals.next() => {
                return Err(interrupted(signal, &args, &again, (number, all)).into());
            }
        };
        event_ids.push(sent.map_err(|error| {
            if args.file.is_none() {
                return repeatable(error, &args.again(), base.as_str());
            }
            args.broken(error.into(), &again, (*line, &room), (number, all))
        })?);
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
fn check_sizes(args: &Args, contents: &[(usize, Value)]) -> Result<(), Failure> {
    for (line, content) in contents {
        message::check_size(content).map_err(|error| match &args.file {
            Some(path) => {
                let path = path.display();
                Failure::request(format!("line {line} of `{path}`: {error}")).hinted(
                    "nothing was sent: split that line, or send the file with `content send-media`",
                )
            }
            None => error.into(),
        })?;
    }
    Ok(())
}

/// What is said where a signal ended it.
fn interrupted(signal: u8, args: &Args, again: &str, (sent, all): (usize, usize)) -> Failure {
    if args.file.is_none() {
        let said = "interrupted before the homeserver answered: the message may have been sent";
        return Failure::from(Interrupted { signal, said: said.to_owned() })
            .hinted(format!("a repeat with the same id is harmless: `{again}`"));
    }
    let said = format!("interrupted after {sent} of {all} lines");
    Failure::from(Interrupted { signal, said }).hinted(rest(again))
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
        message::require_same(&operator, client, &event, content, transaction).await?;
    }
    Ok(event.to_string())
}
