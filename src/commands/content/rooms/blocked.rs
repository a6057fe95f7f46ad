//! Rooms that nobody of this server may join: what blocking one and unblocking it have in common.

use schemars::JsonSchema;
use serde::Serialize;

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
pub(crate) struct Blocked {
    pub(crate) room_id: String,
    /// Whether it is blocked now.
    pub(crate) blocked: bool,
    /// False where it was so before.
    pub(crate) changed: bool,
}

/// The room need not be one that the server knows: where it is named by its id, that is enough.
pub(super) async fn set(args: Args, context: &Context, block: bool) -> Answered<Blocked> {
    let operator = args.patience.operator(context)?;
    let id = args.room.named(context, &operator).await?;
    let now = operator.send(rooms::get_block::Request { room_id: id.clone().into() }).await?;
    let changed = now.block != block;
    if changed {
        let act = if block { "block" } else { "unblock" };
        context.would(format_args!("{act} the room {id}"))?;
        operator.send(rooms::block::Request { room_id: id.clone().into(), block }).await?;
    }
    Ok(Reply::done_if(changed, Blocked { room_id: id.into(), blocked: block, changed }))
}

impl Sentence for Blocked {
    fn sentence(&self) -> String {
        let Self { room_id, blocked, changed } = self;
        let is = match (blocked, changed) {
            (true, true) => "is blocked now: nobody of this server can join it",
            (true, false) => "is already blocked",
            (false, true) => "is not blocked any more",
            (false, false) => "is not blocked",
        };
        format!("{room_id} {is}")
    }

    fn id(&self) -> &str {
        &self.room_id
    }
}
