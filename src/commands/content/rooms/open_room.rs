//! `content open-room`.

pub(crate) use super::voice::Args;
use super::voice::{self, Voice};
use crate::{commands::Answered, context::Context};

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Voice> {
    voice::set(args, context, false).await
}
