//! `daemon autoscale`: the service that changes the number of workers with the load.

use crate::{
    commands::reply::{Nothing, Stream},
    context::Context,
    daemons::autoscale,
    reply::{Outcome, Stop},
};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, _: &Context) -> Result<Stream<Nothing>, Stop> {
    super::log_to_stderr();
    Ok(Stream::new(async |context, _| {
        Box::pin(autoscale::run(|| context.config_now())).await?;
        Ok(Outcome::Done)
    }))
}
