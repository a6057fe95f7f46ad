//! `daemon hooks`: the service that takes webhooks.

use crate::{
    commands::reply::{Nothing, Stream},
    context::Context,
    hooks,
    reply::{Outcome, Stop},
};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, _: &Context) -> Result<Stream<Nothing>, Stop> {
    super::log_to_stderr();
    Ok(Stream::new(async |context, _| {
        hooks::run(context.config()?).await?;
        Ok(Outcome::Done)
    }))
}
