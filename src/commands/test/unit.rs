//! `test unit`.

use crate::{commands::Result, context::Context, output::Output};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, context: &Context, output: &Output) -> Result {
    super::phase("unit", &["phases/test-unit.sh"], 60, context, output).await
}
