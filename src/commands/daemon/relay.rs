//! `daemon relay`: the service that is chat for an application.

use crate::{
    commands::reply::{Nothing, Stream},
    context::Context,
    relay,
    reply::{Outcome, Stop},
};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, _: &Context) -> Result<Stream<Nothing>, Stop> {
    super::log_to_stderr();
    Ok(Stream::new(async |context, _| {
        relay::run(context.config()?).await?;
        Ok(Outcome::Done)
    }))
}
