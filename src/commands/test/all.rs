//! `test all`.

use super::Tested;
use crate::{commands::Answered, context::Context};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, context: &Context) -> Answered<Tested> {
    super::phase("all", &["run-tests.sh", "--all"], 600, context).await
}
