//! `content purge-remote-media`.

use schemars::JsonSchema;
use serde::Serialize;

use super::since::before;
use crate::{
    commands::{Answered, Reply, content::arguments::Patience},
    config::values::shape::Span,
    context::Context,
    matrix::admin::media::purge_cache::Request,
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Delete the copies that nobody has looked at for so long, such as 30d
    #[arg(long, value_name = "SPAN")]
    pub(crate) older_than: Span,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Purged {
    /// How many copies were deleted.
    pub(crate) deleted: u64,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Purged> {
    let operator = args.patience.operator(context)?;
    let span = args.older_than;
    let before_ts = before(span)?;
    context.would(format_args!(
        "delete copies of files of other servers that nobody has looked at for {span}"
    ))?;
    let deleted = operator.send(Request { before_ts }).await?.deleted;
    Ok(Reply::done_if(deleted > 0, Purged { deleted }))
}

impl Sentence for Purged {
    fn sentence(&self) -> String {
        match self.deleted {
            0 => "there was nothing to delete".to_owned(),
            deleted => format!("deleted copies of files of other servers: {deleted}"),
        }
    }
}
