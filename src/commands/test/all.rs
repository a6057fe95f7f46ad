//! `test all`.

use crate::{commands::Result, context::Context, output::Output};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, context: &Context, output: &Output) -> Result {
    super::phase("all", &["run-tests.sh", "--all"], 600, context, output).await
}
