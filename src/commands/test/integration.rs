//! `test integration`.

use super::Tested;
use crate::{commands::Answered, context::Context};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, context: &Context) -> Answered<Tested> {
    super::phase("integration", &["phases/test-integration.sh"], 120, context).await
}
