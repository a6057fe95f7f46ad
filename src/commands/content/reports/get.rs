//! `content get-report`.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    commands::{Answered, Reply, content::arguments::Patience},
    context::Context,
    matrix::{
        Error,
        admin::reports::{get_event, get_user},
    },
    output::{Report, harmless},
    reply::Stop,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The number of the report
    pub(crate) id: u64,
    /// A report of a user instead of a message
    #[arg(long)]
    pub(crate) users: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Found {
    /// The report as the server has it, with the message as it was.
    pub(crate) report: Value,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Found> {
    let operator = args.patience.operator(context)?;
    let id = || args.id.into();
    let found = if args.users {
        operator.send(get_user::Request { id: id() }).await.map(|found| found.report)
    } else {
        operator.send(get_event::Request { id: id() }).await.map(|found| found.report)
    };
    match found {
        Ok(report) => Ok(Reply::done(Found { report })),
        Err(error @ Error::Refused { .. }) if error.is_not_found() => Err(absent(args.id)),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn absent(id: u64) -> Stop {
    Stop::absent("report", "report_id", id.to_string())
}

impl Report for Found {
    fn text(&self, page: &mut String) -> fmt::Result {
        harmless::document(page, &self.report)
    }
}
