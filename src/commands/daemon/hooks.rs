//! `daemon hooks`: the service that takes webhooks.

use crate::{
    commands::{Outcome, Result},
    context::Context,
    hooks,
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, context: &Context, _: &Output) -> Result {
    super::log_to_stderr();
    hooks::run(context.config()?).await?;
    Ok(Outcome::Done)
}
