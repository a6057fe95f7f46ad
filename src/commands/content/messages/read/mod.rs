//! `content read-messages`: what was said, oldest first, and with `--follow` what is being said.

pub(super) mod line;
mod pages;
pub(super) mod shown;

pub(crate) use shown::masked;

use std::{collections::BTreeSet, fmt, time::Duration};

use jiff::Timestamp;
use ruma::OwnedRoomId;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use self::{line::line, pages::Past, shown::Message};
use crate::{
    commands::{
        Reply,
        content::arguments::{RoomArg, Sending, transaction::quoted},
        moment::moment,
        reply::{Lines, Live, Stream},
    },
    context::Context,
    error::Failure,
    matrix::{Error, client::Client, room, sealed},
    output::{Format, Report},
    reply::{Outcome, Stop},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// Show at most this many messages
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    /// Show those since then: a time (2026-11-21T05:00:00Z) or a span (10m, 2h, 3d)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) since: Option<Timestamp>,
    /// Follow new messages, for ever or for --timeout
    #[arg(long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Messages {
    pub(crate) room_id: String,
    /// Oldest first.
    pub(crate) messages: Vec<Message>,
    pub(crate) total: usize,
    /// Whether there are older ones that the limit cut off.
    pub(crate) more: bool,
    /// How many of these are encrypted and cannot be read here: each says why.
    #[serde(skip_serializing_if = "is_none")]
    pub(crate) unreadable: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_none(number: &usize) -> bool {
    *number == 0
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Live<Messages, Message>, Stop> {
    let end = args.sending.given().map(|time| Instant::now() + time);
    let (client, room) = args.sending.in_room(context, &args.room).await?;
    if !args.follow {
        let past = match read(&args, &client, &room).await {
            Err(error) => {
                return Err(explained(error, &args, context, &client, &room).await.into());
            }
            Ok(past) => past,
        };
        let Past { messages, more, unreadable } = past;
        say_more(context, &args, more);
        warn_unreadable(context, unreadable);
        if context.view().format == Format::Jsonl {
            return Ok(Live::Stream(Stream::new(async move |_, lines| {
                for message in messages {
                    if !lines.emit(&message.of(&room))? {
                        break;
                    }
                }
                Ok(Outcome::Done)
            })));
        }
        let (room_id, total) = (room.into(), messages.len());
        let answer = Messages { room_id, messages, total, more, unreadable };
        return Ok(Live::Reply(Reply::done(answer)));
    }
    // What is said from now on is encrypted for the devices that there are then.
    sealed::prepare(&client).await;
    // The place in the stream first: what comes in between is then seen twice, not missed.
    let start = async || {
        let token = pages::now(&client, &room).await?;
        let past = pages::past(&client, &room, false, args.limit as usize, args.since_ms()).await?;
        Ok((past, token))
    };
    let (past, token) = args.sending.within(&client, &room, context, start).await?;
    say_more(context, &args, past.more);
    warn_unreadable(context, past.unreadable);
    let warned = past.unreadable > 0;
    let place = Place { client, room, token, end, warned };
    Ok(Live::Stream(Stream::new(async move |context, lines| {
        place.follow(context, past.messages, lines).await
    })))
}

/// The operator reads what it is no member of; others see what they may.
async fn read(args: &Args, client: &Client, room: &OwnedRoomId) -> Result<Past, Error> {
    let absent = || Error::NoRoom(args.room.as_str().to_owned());
    let admin = args.sending.acting.is_none();
    let read = pages::past(client, room, admin, args.limit as usize, args.since_ms()).await;
    let read = read.map_err(|error| if error.is_not_found() { absent() } else { error })?;
    // Synapse's admin API says nothing about a room that it does not know.
    if admin && read.messages.is_empty() && room::details(client, room).await?.is_none() {
        return Err(absent());
    }
    Ok(read)
}

/// The error, and where whoever acts was let in and has not come yet, how they do.
async fn explained(
    error: Error,
    args: &Args,
    context: &Context,
    client: &Client,
    room: &OwnedRoomId,
) -> Failure {
    let is_refused = error.is("M_FORBIDDEN");
    let failure = Failure::from(error);
    let Some(acting) = args.sending.acting.as_deref().filter(|_| is_refused) else {
        return failure;
    };
    let Ok(operator) = args.sending.operator(context) else { return failure };
    let member = client.user_id().as_str();
    match room::content(&operator, room, "m.room.member", member).await {
        Ok(found) if found["membership"] == "invite" => {
            let (room, acting) = (quoted(args.room.as_str()), quoted(acting));
            failure.hinted(format!(
                "{member} is invited and has not joined: `content join-room {room} --as {acting}`"
            ))
        }
        _ => failure,
    }
}

/// Where in the stream of a room we are.
struct Place {
    client: Client,
    room: OwnedRoomId,
    token: String,
    /// When to stop, if that was said.
    end: Option<Instant>,
    /// Whether it was said that something cannot be read.
    warned: bool,
}

impl Place {
    /// Until nobody reads any more, or the time that was given is over.
    async fn follow(
        mut self,
        context: &Context,
        past: Vec<Message>,
        lines: Lines<'_, Message>,
    ) -> Result<Outcome, Failure> {
        let edits = past.iter().filter_map(|message| message.edited.as_ref());
        let mut seen: BTreeSet<String> = edits.map(|edit| edit.event_id.clone()).collect();
        seen.extend(past.iter().map(|message| message.event_id.clone()));
        for message in past {
            if !lines.emit(&message.of(&self.room))? {
                return Ok(Outcome::Done);
            }
        }
        while let Some(next) = self.next(&lines).await {
            match next {
                Ok(news) => {
                    if news.unreadable > 0 && !self.warned {
                        self.warned = true;
                        warn_unreadable(context, news.unreadable);
                    }
                    for message in unseen(&seen, news.messages) {
                        if !lines.emit(&message.of(&self.room))? {
                            return Ok(Outcome::Done);
                        }
                    }
                    self.token = news.next;
                }
                // The server is away: it comes back, and the token still says where we were.
                Err(error) if error.is_away() => {
                    let pause = tokio::time::sleep(Duration::from_secs(1));
                    if lines.while_read(pause).await.is_none() {
                        break;
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Outcome::Done)
    }

    /// What comes next; nothing where nobody waits for it any more.
    async fn next(&self, lines: &Lines<'_, Message>) -> Option<Result<pages::News, Error>> {
        let client = self.client.afresh();
        let next = lines.while_read(pages::since(&client, &self.room, &self.token));
        match self.end {
            Some(end) => tokio::time::timeout_at(end, next).await.ok().flatten(),
            None => next.await,
        }
    }
}

/// What comes after the past that was shown. What came between the place in the stream and the past is in
/// both, or was left out of the past by the limit: it all stands before the last that was shown.
fn unseen(seen: &BTreeSet<String>, mut news: Vec<Message>) -> Vec<Message> {
    let last = news.iter().rposition(|message| seen.contains(&message.event_id));
    news.split_off(last.map_or(0, |last| last + 1))
}

impl Args {
    fn since_ms(&self) -> Option<i64> {
        self.since.map(Timestamp::as_millisecond)
    }
}

fn say_more(context: &Context, args: &Args, cut: bool) {
    if cut {
        let (limit, more) = (args.limit, more(args));
        context.say(format_args!("only the latest {limit} shown: `{more}` shows more"));
    }
}

/// Nothing is left out without a word.
fn warn_unreadable(context: &Context, number: usize) {
    let messages = match number {
        0 => return,
        1 => "1 message is encrypted and cannot be read here: it says".to_owned(),
        _ => format!("{number} messages are encrypted and cannot be read here: each says"),
    };
    context.warn(format!("{messages} why"));
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

impl Messages {
    fn lines(&self, page: &mut String, verbose: bool) {
        page.extend(self.messages.iter().map(|message| line(message, verbose) + "\n"));
    }
}

impl Report for Messages {
    fn text(&self, page: &mut String) -> fmt::Result {
        self.lines(page, false);
        Ok(())
    }

    fn long(&self, page: &mut String) -> fmt::Result {
        self.lines(page, true);
        Ok(())
    }

    fn ids(&self) -> Option<String> {
        let ids = self.messages.iter().map(|message| message.event_id.as_str());
        Some(ids.collect::<Vec<_>>().join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_message_comes_once_and_in_order() {
        let message = |id: &str| {
            shown::happened(&json!({
                "type": "m.room.message", "event_id": id, "sender": "@a:x",
                "content": { "msgtype": "m.text", "body": id },
            }))
            .unwrap()
        };
        let news = |ids: &[&str]| ids.iter().map(|id| message(id)).collect::<Vec<_>>();
        let seen: BTreeSet<String> = ["$3".to_owned()].into();
        let left = |ids: &[&str]| {
            let left = unseen(&seen, news(ids));
            left.into_iter().map(|message| message.event_id).collect::<Vec<_>>()
        };
        // The limit left 1 and 2 out of the past.
        assert_eq!(left(&["$1", "$2", "$3", "$4"]), ["$4"]);
        assert_eq!(left(&["$4", "$5"]), ["$4", "$5"]);
        assert!(left(&["$3"]).is_empty());
    }
}
