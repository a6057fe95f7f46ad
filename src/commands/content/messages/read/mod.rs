//! `content read-messages`: what was said, oldest first, and with `--follow` what is being said.

mod pages;
mod shown;

use crate::commands::content::{
    answer::Answer, arguments::RoomArg, arguments::Sending, arguments::transaction::quoted,
};
use std::{collections::BTreeSet, time::Duration};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::{pages::Past, shown::line};
use crate::{
    commands::{Outcome, Result, moment::moment},
    context::Context,
    matrix::{Error, room},
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    room: RoomArg,
    /// Show at most this many messages
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Show those since then: a time (2026-11-21T05:00:00Z) or a span (10m, 2h, 3d)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Go on with what comes: for ever, or for as long as --timeout says
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    sending: Sending,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let end = args.sending.given().map(|time| Instant::now() + time);
    let (since, limit) = (args.since.map(Timestamp::as_millisecond), args.limit as usize);
    let mut client = args.sending.client(context).await?;
    let room = args.sending.room(context, &client, &args.room).await?;
    let (past, token) = if args.follow {
        // The place in the stream first: what comes in between is then seen twice, not missed.
        let start = async || {
            let (token, _) = pages::sync(&client, &room, None).await?;
            let past = pages::past(&client, &room, false, limit, since).await?;
            Ok((past, token))
        };
        args.sending.within(&client, &room, context, start).await?
    } else {
        // The operator reads what it is no member of; others see what they may.
        let admin = args.sending.acting.is_none();
        let read = pages::past(&client, &room, admin, limit, since).await;
        let read = read.map_err(|error| match error {
            error if error.is_not_found() => Error::NoRoom(args.room.as_str().to_owned()),
            error => error,
        });
        let read = read?;
        // Synapse's admin API says nothing about a room that it does not know.
        if admin && read.messages.is_empty() && room::details(&client, &room).await?.is_none() {
            return Err(Error::NoRoom(args.room.as_str().to_owned()).into());
        }
        (read, String::new())
    };
    if past.more {
        output.say(format!("these are the latest {limit}: `{}` shows more", more(&args)));
    }
    let Past { messages: found, more } = past;
    if !args.follow {
        let text: String =
            found.iter().map(|message| line(message, output.verbose) + "\n").collect();
        let ids: Vec<&str> = found.iter().map(id).collect();
        let fields =
            json!({ "room_id": room, "messages": found, "total": found.len(), "more": more });
        output.emit(&Answer::page(text, Some(ids.join("\n")), fields));
        return Ok(Outcome::Done);
    }
    let show = |message: &Value| {
        let text = line(message, output.verbose);
        output.emit_line(&Answer::page(text, Some(id(message).to_owned()), message.clone()))
    };
    let mut read = found.iter().all(show);
    let edit = |message: &Value| message["edited"]["event_id"].as_str().map(str::to_owned);
    let mut seen: BTreeSet<String> = found.iter().map(|message| id(message).to_owned()).collect();
    seen.extend(found.iter().filter_map(edit));
    let mut token = token;
    // Until nobody reads any more, or the time that was given is over.
    while read {
        client.restart_clock();
        let next = output.while_read(pages::sync(&client, &room, Some(&token)));
        let next = match end {
            Some(end) => tokio::time::timeout_at(end, next).await.ok().flatten(),
            None => next.await,
        };
        let Some(next) = next else { break };
        match next {
            Ok((next, messages)) => {
                read = messages.iter().filter(|message| !seen.contains(id(message))).all(show);
                if !messages.is_empty() {
                    seen = messages.iter().map(|message| id(message).to_owned()).collect();
                }
                token = next;
            }
            // The server is away: it comes back, and the token still says where we were.
            Err(
                Error::Unreachable { .. }
                | Error::Down { .. }
                | Error::Lost { .. }
                | Error::Deadline { .. }
                | Error::Refused { status: 500.., .. }
                | Error::NotMatrix { .. },
            ) => {
                let pause = output.while_read(tokio::time::sleep(Duration::from_secs(1)));
                read = pause.await.is_some();
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Outcome::Done)
}

fn id(message: &Value) -> &str {
    message["event_id"].as_str().unwrap_or_default()
}

/// The command that shows what `--limit` cut off.
fn more(args: &Args) -> String {
    let limit = args.limit.saturating_mul(10);
    let mut words = format!("content read-messages {} --limit {limit}", quoted(args.room.as_str()));
    let since = args.since.map(|since| since.to_string());
    for (flag, value) in [("since", &since), ("as", &args.sending.acting)] {
        if let Some(value) = value {
            words.push_str(&format!(" --{flag} {}", quoted(value)));
        }
    }
    words
}
