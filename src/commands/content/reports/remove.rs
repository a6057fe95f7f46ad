//! `content remove-report`.

use schemars::JsonSchema;
use serde::Serialize;

pub(crate) use super::get::Args;
use super::get::absent;
use crate::{
    commands::{Answered, Reply},
    context::Context,
    matrix::{
        Error,
        admin::reports::{remove_event, remove_user},
    },
    output::Sentence,
};

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Removed {
    /// The number of the report.
    pub(crate) report_id: u64,
    /// Always true.
    pub(crate) removed: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Removed> {
    let operator = args.patience.operator(context)?;
    let report_id = args.id;
    context.would(format_args!("forget the report {report_id}"))?;
    let id = report_id.into();
    let done = if args.users {
        operator.send(remove_user::Request { id }).await.map(drop)
    } else {
        operator.send(remove_event::Request { id }).await.map(drop)
    };
    match done {
        Ok(()) => Ok(Reply::done(Removed { report_id, removed: true })),
        Err(error @ Error::Refused { .. }) if error.is_not_found() => Err(absent(report_id)),
        Err(error) => Err(error.into()),
    }
}

impl Sentence for Removed {
    fn sentence(&self) -> String {
        format!("forgot the report {}", self.report_id)
    }
}
