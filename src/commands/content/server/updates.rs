//! `content list-background-updates`.

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{Answered, Reply, content::arguments::Patience},
    context::Context,
    matrix::admin::background_updates::status::Request,
    output::{Report, table},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Updates {
    /// Whether they are paused.
    pub(crate) paused: bool,
    pub(crate) updates: Vec<Update>,
    pub(crate) total: usize,
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

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Updates> {
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
    Ok(Reply::done(Updates { paused: !found.enabled, total: updates.len(), updates }))
}

impl Report for Updates {
    fn text(&self, page: &mut String) -> fmt::Result {
        if self.paused {
            writeln!(page, "paused: `content resume-background-updates` lets them go on")?;
        }
        if self.updates.is_empty() {
            return page.write_str("nothing is done to the database in the background");
        }
        let row = |it: &Update| vec![it.name.clone(), it.database.clone(), it.items.to_string()];
        table(page, &["UPDATE", "DATABASE", "ITEMS"], self.updates.iter().map(row).collect())
    }

    fn ids(&self) -> Option<String> {
        Some(self.updates.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join("\n"))
    }
}
