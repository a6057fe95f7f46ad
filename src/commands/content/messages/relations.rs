//! `content list-relations`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::read::{line::first_line, shown};
use crate::{
    clock,
    commands::{
        content::arguments::{RoomArg, Sending},
        listing::{List, ListArgs, Listed, pages},
    },
    context::Context,
    matrix::{names, relations, room},
    output::Row,
    reply::Stop,
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
    #[command(flatten)]
    pub(crate) list: ListArgs<Relation>,
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
}

impl Listed for Relations {
    type Row = Relation;
    const KEY: &'static str = "relations";
    const ORDER: &'static str = "Newest first.";
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Relation {
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

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Relations>, Stop> {
    let Args { room, event, way, list, sending } = args;
    let of = names::event(&event)?;
    let (client, room) = sending.in_room(context, &room).await?;
    room::require_event(&sending.operator(context)?, &room, &of).await?;
    let head = Relations { room_id: room.to_string(), event_id: of.to_string() };
    let (context, way) = (context.clone(), way.map(Way::name));
    Ok(List::paged(list, head, async move |rows| {
        let limit = rows.at_most(relations::PAGE);
        pages(rows, &client, None, async |client, from: Option<String>| {
            let page =
                async || relations::page(&client, &room, &of, way, limit, from.clone()).await;
            let (found, next) = sending.within(&client, &room, &context, page).await?;
            Ok((found.iter().map(Relation::of).collect(), next.map(Some)))
        })
        .await
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

impl Row for Relation {
    const HEADING: &'static [&'static str] = &["EVENT", "AS", "BY", "TIME", "TEXT"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.event_id.clone(),
            self.rel_type.clone().unwrap_or_default(),
            self.sender.clone(),
            self.sent_ms.map(clock::of_ms).unwrap_or_default(),
            self.key.as_deref().or(self.body.as_deref()).map(first_line).unwrap_or_default(),
        ]
    }

    fn id(&self) -> Cow<'_, str> {
        self.event_id.as_str().into()
    }
}
