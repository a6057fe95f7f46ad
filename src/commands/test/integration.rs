//! `test integration`.

use crate::{commands::Result, context::Context, output::Output};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, context: &Context, output: &Output) -> Result {
    super::phase("integration", &["phases/test-integration.sh"], 120, context, output).await
}
