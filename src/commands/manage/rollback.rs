//! `manage rollback`: the version of Synapse that was there before an upgrade, where it can read what is there now.

use std::path::PathBuf;

use super::upgrade::{self, Wanted};
use crate::{
    commands::{Answered, arguments::ReadyArg},
    context::Context,
    instance::guard,
    instance::upgrade::Way,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// This version of Synapse; without it the one of before the last upgrade, which is kept
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    /// Install from this folder of wheels, without a network
    #[arg(long, value_name = "FOLDER")]
    offline: Option<PathBuf>,
    #[command(flatten)]
    ready: ReadyArg,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<upgrade::Answer> {
    guard::kept_by_us(&context.data()?)?;
    let Args { to, offline, ready } = args;
    // Nothing is taken away: where it could be, it is refused.
    let (way, backup) = (Way::Back, false);
    upgrade::go(context, Wanted { way, to, backup, offline }, ready).await
}
