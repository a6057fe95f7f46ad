//! `content unpublish-room`.

pub(crate) use super::published::Args;
use super::published::{self, Published};
use crate::{commands::Answered, context::Context};

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Published> {
    published::set(args, context, false).await
}
