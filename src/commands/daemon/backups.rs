//! `daemon backups`: the service that makes backups by schedule.

use crate::{
    commands::reply::{Nothing, Stream},
    context::Context,
    daemons::backups,
    reply::{Outcome, Stop},
};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, _: &Context) -> Result<Stream<Nothing>, Stop> {
    super::log_to_stderr();
    Ok(Stream::new(async |context, _| {
        backups::run(|| context.config_now()).await?;
        Ok(Outcome::Done)
    }))
}
