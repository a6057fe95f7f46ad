//! `content unban-user`.

pub(crate) use super::moderate::Args;
use super::moderate::{self, Act, Moderated};
use crate::{commands::Answered, context::Context};

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Moderated> {
    moderate::run(args, context, Act::Unban).await
}
