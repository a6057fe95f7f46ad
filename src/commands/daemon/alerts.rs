//! `daemon alerts`: the service that tells a room how the others are.

use crate::{
    commands::{Outcome, Result},
    context::Context,
    daemons::alerts,
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, context: &Context, _: &Output) -> Result {
    super::log_to_stderr();
    alerts::run(context.config()?).await?;
    Ok(Outcome::Done)
}
