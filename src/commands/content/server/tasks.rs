//! `content list-tasks`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    clock,
    commands::{Answered, Reply, content::arguments::Patience},
    context::Context,
    matrix::admin::server::tasks::{Request, Task},
    output::{Report, table},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Tasks {
    /// Newest first.
    pub(crate) tasks: Vec<Task>,
    pub(crate) total: usize,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Tasks> {
    let operator = args.patience.operator(context)?;
    let mut tasks = operator.send(Request {}).await?.scheduled_tasks;
    tasks.sort_by_key(|task| std::cmp::Reverse(task.timestamp_ms));
    Ok(Reply::done(Tasks { total: tasks.len(), tasks }))
}

impl Report for Tasks {
    fn text(&self, page: &mut String) -> fmt::Result {
        let row = |task: &Task| {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            vec![
                task.id.clone(),
                task.action.clone(),
                task.status.clone(),
                clock::of_ms(task.timestamp_ms),
                text(&task.resource_id),
                text(&task.error),
            ]
        };
        let heading = ["TASK", "ACTION", "STATUS", "TIME", "OF", "ERROR"];
        table(page, &heading, self.tasks.iter().map(row).collect())
    }

    fn ids(&self) -> Option<String> {
        Some(self.tasks.iter().map(|task| task.id.as_str()).collect::<Vec<_>>().join("\n"))
    }
}
