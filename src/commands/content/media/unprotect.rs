//! `content unprotect-media`.

pub(crate) use super::marked::Args;
use super::marked::{self, Act, Marked};
use crate::{commands::Answered, context::Context};

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Marked> {
    marked::set(args, context, Act::Unprotect).await
}
