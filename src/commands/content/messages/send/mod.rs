//! `content send-message`: now or later, into one room or several.

mod args;
mod letters;
mod lines;
mod many;
mod one;

pub(crate) use args::{Args, Sent};

use crate::{
    commands::{Answered, content::arguments::NowOrLater},
    context::Context,
};

pub(crate) async fn run(args: Args, context: &Context) -> Answered<NowOrLater<Sent>> {
    if args.queue.queue {
        return Ok(many::later(&args, context).await?.map(NowOrLater::Later));
    }
    if args.jsonl.is_some() || !args.also.is_empty() {
        return Ok(many::now(&args, context).await?.map(NowOrLater::Now));
    }
    Ok(one::now(args, context).await?.map(NowOrLater::Now))
}
