//! `content resume-background-updates`.

pub(crate) use super::paused::Args;
use super::paused::{self, Paused};
use crate::{commands::Answered, context::Context};

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Paused> {
    paused::set(args, context, false).await
}
