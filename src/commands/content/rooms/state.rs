//! `content get-state`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::get::found;
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, RoomArg},
    },
    context::Context,
    matrix::admin::rooms,
    output::{Report, table},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// Only events of this type, such as `m.room.topic`
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: Option<String>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct State {
    pub(crate) room_id: String,
    /// The events, as they are.
    pub(crate) events: Vec<Value>,
    pub(crate) total: usize,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<State> {
    let operator = args.patience.operator(context)?;
    let (id, _) = found(context, &operator, &args.room).await?;
    let event_type = args.event_type.clone();
    let request = rooms::state::Request { room_id: id.clone().into(), event_type };
    let mut events = operator.send(request).await?.state;
    if let Some(wanted) = &args.event_type {
        // A Synapse that does not know the filter gives all of them.
        events.retain(|event| event["type"] == wanted.as_str());
    }
    let key = |event: &Value| (event["type"].to_string(), event["state_key"].to_string());
    events.sort_by_cached_key(key);
    Ok(Reply::done(State { room_id: id.into(), total: events.len(), events }))
}

impl Report for State {
    fn text(&self, page: &mut String) -> fmt::Result {
        let row = |event: &Value| {
            let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
            vec![text("type"), text("state_key"), text("sender"), event["content"].to_string()]
        };
        let heading = ["TYPE", "KEY", "SENDER", "CONTENT"];
        table(page, &heading, self.events.iter().map(row).collect())
    }

    fn ids(&self) -> Option<String> {
        let ids: Vec<_> = self.events.iter().filter_map(|it| it["event_id"].as_str()).collect();
        Some(ids.join("\n"))
    }
}
