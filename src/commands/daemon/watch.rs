//! `daemon watch`: the service that watches the others where somebody else keeps them.

use crate::{
    commands::reply::{Nothing, Stream},
    context::Context,
    error::Failure,
    reply::{Outcome, Stop},
    supervisor::{kept, notify},
};

#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, _: &Context) -> Result<Stream<Nothing>, Stop> {
    super::log_to_stderr();
    Ok(Stream::new(async |context, _| {
        let none = || Failure::request("this program keeps the services itself");
        let kept = context.kept()?.ok_or_else(none)?;
        let above = context.environment.get(notify::VARIABLE);
        let listens = || {
            if let Some(socket) = above {
                drop(notify::tell(socket.as_ref(), "READY=1"));
            }
        };
        kept::watch(&kept, &context.data()?, listens).await?;
        Ok(Outcome::Done)
    }))
}
