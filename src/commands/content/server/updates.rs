//! `content list-background-updates`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        content::arguments::Patience,
        listing::{List, ListArgs, Listed},
    },
    context::Context,
    matrix::admin::background_updates::status::Request,
    output::Row,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) list: ListArgs<Update>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Updates {
    /// Whether they are paused.
    pub(crate) paused: bool,
}

impl Listed for Updates {
    type Row = Update;
    const KEY: &'static str = "updates";
    const NONE: &'static str = "nothing is done to the database in the background";

    fn before(&self) -> String {
        let paused = "paused: `content resume-background-updates` lets them go on\n";
        if self.paused { paused.to_owned() } else { String::new() }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Update {
    pub(crate) database: String,
    pub(crate) name: String,
    /// How many items it has been through since the server started.
    pub(crate) items: u64,
    /// How long it took for them, in milliseconds.
    pub(crate) duration_ms: f64,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Updates>, Stop> {
    let operator = args.patience.operator(context)?;
    let found = operator.send(Request {}).await?;
    let update = |(database, it): (String, _)| {
        let crate::matrix::admin::background_updates::status::Update {
            name,
            total_item_count: items,
            total_duration_ms: duration_ms,
        } = it;
        Update { database, name, items, duration_ms }
    };
    let updates: Vec<_> = found.current_updates.into_iter().map(update).collect();
    Ok(List::of(args.list, Updates { paused: !found.enabled }, updates))
}

impl Row for Update {
    const HEADING: &'static [&'static str] = &["UPDATE", "DATABASE", "ITEMS"];

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), self.database.clone(), self.items.to_string()]
    }

    fn id(&self) -> Cow<'_, str> {
        self.name.as_str().into()
    }
}
