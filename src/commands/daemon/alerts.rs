//! `daemon alerts`: the service that tells a room how the others are.

use crate::{
    commands::reply::{Nothing, Stream},
    context::Context,
    daemons::alerts,
    reply::{Outcome, Stop},
};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, _: &Context) -> Result<Stream<Nothing>, Stop> {
    super::log_to_stderr();
    Ok(Stream::new(async |context, _| {
        alerts::run(context.config()?, || context.config_now()).await?;
        Ok(Outcome::Done)
    }))
}
