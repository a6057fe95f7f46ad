//! `content unpin-message`.

pub(crate) use super::pinned::Args;
use super::pinned::{self, Kept};
use crate::{commands::Answered, context::Context};

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Kept> {
    pinned::set(args, context, false).await
}
