//! `content block-room`.

pub(crate) use super::blocked::Args;
use super::blocked::{self, Blocked};
use crate::{commands::Answered, context::Context};

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Blocked> {
    blocked::set(args, context, true).await
}
