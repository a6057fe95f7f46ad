//! `test smoke`.

use crate::{commands::Result, context::Context, output::Output};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, context: &Context, output: &Output) -> Result {
    super::phase("smoke", &["phases/test-smoke.sh"], 30, context, output).await
}
