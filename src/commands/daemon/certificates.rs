//! `daemon certificates`: the service that has new certificates read, and renews our own.

use crate::{
    commands::{Outcome, Result},
    context::Context,
    daemons::certificates,
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, context: &Context, _: &Output) -> Result {
    super::log_to_stderr();
    certificates::run(context.config()?).await?;
    Ok(Outcome::Done)
}
