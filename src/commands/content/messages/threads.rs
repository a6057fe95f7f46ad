//! `content list-threads`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::read::line::first_line;
use crate::{
    clock,
    commands::{
        content::arguments::{RoomArg, Sending},
        listing::{List, ListArgs, Listed, pages},
    },
    context::Context,
    matrix::{api::threads, sealed},
    output::Row,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    #[command(flatten)]
    pub(crate) list: ListArgs<Thread>,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Threads {
    room_id: String,
}

impl Listed for Threads {
    type Row = Thread;
    const KEY: &'static str = "threads";
    const ORDER: &'static str = "The one with the newest message first.";
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Thread {
    /// The message that the thread begins with, which `--thread` takes.
    event_id: String,
    sender: String,
    /// When that was sent, in milliseconds since 1970.
    sent_ms: Option<u64>,
    body: Option<String>,
    /// Why that message cannot be read here.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<String>,
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

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Threads>, Stop> {
    let Args { room, list, sending } = args;
    let (client, room) = sending.in_room(context, &room).await?;
    let (context, head) = (context.clone(), Threads { room_id: room.to_string() });
    Ok(List::paged(list, head, async move |rows| {
        let limit = rows.at_most(PAGE);
        pages(rows, &client, None, async |client, from: Option<String>| {
            let page = async || {
                let (room_id, from) = (room.clone().into(), from.clone());
                let mut page = client.send(threads::Request { room_id, limit, from }).await?;
                sealed::open(&client, &room, &mut page.chunk).await?;
                Ok(page)
            };
            let page = sending.within(&client, &room, &context, page).await?;
            Ok((page.chunk.iter().map(Thread::of).collect(), page.next_batch.map(Some)))
        })
        .await
    }))
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
            closed: sealed::closed(event).map(str::to_owned),
            messages: known["count"].as_u64().unwrap_or_default(),
            newest_event_id: text(&newest["event_id"]),
            newest_sender: text(&newest["sender"]),
            newest_ms: newest["origin_server_ts"].as_u64(),
            participated: known["current_user_participated"] == true,
        }
    }
}

impl Row for Thread {
    const HEADING: &'static [&'static str] = &["THREAD", "BY", "MESSAGES", "NEWEST", "TEXT"];

    fn cells(&self) -> Vec<String> {
        let closed = self.closed.as_ref().map(|why| format!("(cannot be read: {why})"));
        vec![
            self.event_id.clone(),
            self.sender.clone(),
            self.messages.to_string(),
            self.newest_ms.map(clock::of_ms).unwrap_or_default(),
            self.body.as_deref().map(first_line).or(closed).unwrap_or_default(),
        ]
    }

    fn id(&self) -> Cow<'_, str> {
        self.event_id.as_str().into()
    }
}
