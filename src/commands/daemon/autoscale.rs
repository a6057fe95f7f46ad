//! `daemon autoscale`: the service that changes the number of workers with the load.

use crate::{
    commands::{Outcome, Result},
    context::Context,
    daemons::autoscale,
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, context: &Context, _: &Output) -> Result {
    super::log_to_stderr();
    autoscale::run(|| context.config_now()).await?;
    Ok(Outcome::Done)
}
