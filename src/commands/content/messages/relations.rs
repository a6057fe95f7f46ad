//! `content list-relations`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{
    cut,
    read::{line::first_line, shown},
};
use crate::{
    clock,
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending},
    },
    context::Context,
    matrix::{names, relations, room},
    output::{Report, table},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// The message
    pub(crate) event: String,
    /// Only those that refer to it in this way
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) way: Option<Way>,
    /// Show at most this many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

/// How one event refers to another (specification, "Relationship types").
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Way {
    /// Signs, such as 👍
    Annotation,
    /// Edits
    Replace,
    /// Messages of its thread
    Thread,
    /// Answers to a poll, and others
    Reference,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Relations {
    room_id: String,
    event_id: String,
    /// Newest first.
    relations: Vec<Relation>,
    total: usize,
    /// Whether there are older ones that the limit cut off.
    more: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Relation {
    event_id: String,
    /// `m.room.message`, `m.reaction`, …
    #[serde(rename = "type")]
    kind: String,
    /// `m.annotation`, `m.replace`, `m.thread`, `m.reference`.
    rel_type: Option<String>,
    sender: String,
    /// When it was sent, in milliseconds since 1970.
    sent_ms: Option<u64>,
    /// Of an answer with a sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Of a message; of an edit the new text.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Relations> {
    let of = names::event(&args.event)?;
    let (client, room) = args.sending.in_room(context, &args.room).await?;
    room::require_event(&args.sending.operator(context)?, &room, &of).await?;
    let (way, limit) = (args.way.map(Way::name), args.limit as usize);
    let asked = async || relations::newest(&client, &room, &of, way, limit).await;
    let found = args.sending.within(&client, &room, context, asked).await?;
    cut::say(context, found.more, args.limit);
    let relations: Vec<Relation> = found.events.iter().map(Relation::of).collect();
    Ok(Reply::done(Relations {
        room_id: room.into(),
        event_id: of.into(),
        total: relations.len(),
        relations,
        more: found.more,
    }))
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Annotation => "m.annotation",
            Self::Replace => "m.replace",
            Self::Thread => "m.thread",
            Self::Reference => "m.reference",
        }
    }
}

impl Relation {
    fn of(event: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let relation = &event["content"]["m.relates_to"];
        Self {
            event_id: text(&event["event_id"]).unwrap_or_default(),
            kind: text(&event["type"]).unwrap_or_default(),
            rel_type: text(&relation["rel_type"]),
            sender: text(&event["sender"]).unwrap_or_default(),
            sent_ms: event["origin_server_ts"].as_u64(),
            key: text(&relation["key"]),
            body: shown::happened(event).and_then(|message| message.body),
        }
    }
}

impl Report for Relations {
    fn text(&self, page: &mut String) -> fmt::Result {
        let row = |it: &Relation| {
            vec![
                it.event_id.clone(),
                it.rel_type.clone().unwrap_or_default(),
                it.sender.clone(),
                it.sent_ms.map(clock::of_ms).unwrap_or_default(),
                it.key.as_deref().or(it.body.as_deref()).map(first_line).unwrap_or_default(),
            ]
        };
        let heading = ["EVENT", "AS", "BY", "TIME", "TEXT"];
        table(page, &heading, self.relations.iter().map(row).collect())
    }

    fn ids(&self) -> Option<String> {
        let ids = self.relations.iter().map(|it| it.event_id.as_str());
        Some(ids.collect::<Vec<_>>().join("\n"))
    }
}
