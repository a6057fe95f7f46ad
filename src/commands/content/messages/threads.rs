//! `content list-threads`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{cut, read::line::first_line};
use crate::{
    clock,
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending},
    },
    context::Context,
    matrix::api::threads,
    output::{Report, table},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// Show at most this many threads
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Threads {
    room_id: String,
    /// The one with the newest message first.
    threads: Vec<Thread>,
    total: usize,
    /// Whether there are others that the limit cut off.
    more: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Thread {
    /// The message that the thread begins with, which `--thread` takes.
    event_id: String,
    sender: String,
    /// When that was sent, in milliseconds since 1970.
    sent_ms: Option<u64>,
    body: Option<String>,
    /// How many messages are in the thread, besides the first.
    messages: u64,
    newest_event_id: Option<String>,
    newest_sender: Option<String>,
    /// When the newest was sent, in milliseconds since 1970.
    newest_ms: Option<u64>,
    /// Whether who asks has written in it.
    participated: bool,
}

/// How many we ask for at once.
const PAGE: u32 = 100;

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Threads> {
    let (client, room) = args.sending.in_room(context, &args.room).await?;
    let limit = args.limit as usize;
    let (mut found, mut from): (Vec<Value>, _) = (Vec::new(), None::<String>);
    loop {
        let page = async || {
            let (room_id, from) = (room.clone().into(), from.clone());
            client.afresh().send(threads::Request { room_id, limit: PAGE, from }).await
        };
        let page = args.sending.within(&client, &room, context, page).await?;
        found.extend(page.chunk);
        from = page.next_batch;
        if from.is_none() || found.len() > limit {
            break;
        }
    }
    let more = found.len() > limit;
    found.truncate(limit);
    cut::say(context, more, args.limit);
    let threads: Vec<Thread> = found.iter().map(Thread::of).collect();
    Ok(Reply::done(Threads { room_id: room.into(), total: threads.len(), threads, more }))
}

impl Thread {
    fn of(event: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let known = &event["unsigned"]["m.relations"]["m.thread"];
        let newest = &known["latest_event"];
        Self {
            event_id: text(&event["event_id"]).unwrap_or_default(),
            sender: text(&event["sender"]).unwrap_or_default(),
            sent_ms: event["origin_server_ts"].as_u64(),
            body: text(&event["content"]["body"]),
            messages: known["count"].as_u64().unwrap_or_default(),
            newest_event_id: text(&newest["event_id"]),
            newest_sender: text(&newest["sender"]),
            newest_ms: newest["origin_server_ts"].as_u64(),
            participated: known["current_user_participated"] == true,
        }
    }
}

impl Report for Threads {
    fn text(&self, page: &mut String) -> fmt::Result {
        let row = |it: &Thread| {
            vec![
                it.event_id.clone(),
                it.sender.clone(),
                it.messages.to_string(),
                it.newest_ms.map(clock::of_ms).unwrap_or_default(),
                it.body.as_deref().map(first_line).unwrap_or_default(),
            ]
        };
        let heading = ["THREAD", "BY", "MESSAGES", "NEWEST", "TEXT"];
        table(page, &heading, self.threads.iter().map(row).collect())
    }

    fn ids(&self) -> Option<String> {
        let ids = self.threads.iter().map(|it| it.event_id.as_str());
        Some(ids.collect::<Vec<_>>().join("\n"))
    }
}
