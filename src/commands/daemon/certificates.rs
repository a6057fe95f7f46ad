//! `daemon certificates`: the service that has new certificates read, and renews our own.

use crate::{
    commands::reply::{Nothing, Stream},
    context::Context,
    daemons::certificates,
    reply::{Outcome, Stop},
};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, _: &Context) -> Result<Stream<Nothing>, Stop> {
    super::log_to_stderr();
    Ok(Stream::new(async |context, _| {
        certificates::run(context.config()?).await?;
        Ok(Outcome::Done)
    }))
}
