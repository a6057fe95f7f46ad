//! `content list-tasks`.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    clock,
    commands::{
        content::arguments::Patience,
        listing::{List, ListArgs, Listed},
    },
    context::Context,
    matrix::admin::server::tasks::{Request, Task},
    output::Row,
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) list: ListArgs<Task>,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Tasks {}

impl Listed for Tasks {
    type Row = Task;
    const KEY: &'static str = "tasks";
    const ORDER: &'static str = "Newest first.";
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<List<Tasks>, Stop> {
    let operator = args.patience.operator(context)?;
    let mut tasks = operator.send(Request {}).await?.scheduled_tasks;
    tasks.sort_by_key(|task| std::cmp::Reverse(task.timestamp_ms));
    Ok(List::of(args.list, Tasks {}, tasks))
}

impl Row for Task {
    const HEADING: &'static [&'static str] = &["TASK", "ACTION", "STATUS", "TIME", "OF", "ERROR"];

    fn cells(&self) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![
            self.id.clone(),
            self.action.clone(),
            self.status.clone(),
            clock::of_ms(self.timestamp_ms),
            text(&self.resource_id),
            text(&self.error),
        ]
    }

    fn id(&self) -> Cow<'_, str> {
        self.id.as_str().into()
    }
}
