//! `content prune-extremities`.

use schemars::JsonSchema;
use serde::Serialize;

use super::get::named;
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{Patience, RoomArg},
    },
    context::Context,
    matrix::admin::rooms,
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Pruned {
    pub(crate) room_id: String,
    /// How many ends its history had.
    pub(crate) before: u64,
    /// How many of them were taken away.
    pub(crate) removed: u64,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Pruned> {
    let operator = args.patience.operator(context)?;
    let id = named(context, &operator, &args.room).await?;
    let room_id = || id.clone().into();
    let before = operator.send(rooms::extremities::Request { room_id: room_id() }).await?.count;
    let mut removed = 0;
    if before > 1 {
        context.would(format_args!("leave the history of {id} one of its {before} ends"))?;
        let request = rooms::prune_extremities::Request { room_id: room_id() };
        removed = operator.send(request).await?.deleted;
    }
    Ok(Reply::done_if(removed > 0, Pruned { room_id: id.into(), before, removed }))
}

impl Sentence for Pruned {
    fn sentence(&self) -> String {
        let Self { room_id, before, removed } = self;
        if *removed > 0 {
            format!("took away {removed} of the {before} ends of the history of {room_id}")
        } else {
            format!("the history of {room_id} has one end, as it should")
        }
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}
