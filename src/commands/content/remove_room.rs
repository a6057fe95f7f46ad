//! `content remove-room`.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{
    answer::{Answer, Patience, only_planned, resolved},
    get_room::absent,
};
use crate::{
    clock::Backoff,
    commands::{Outcome, Result},
    context::Context,
    matrix::{Error, admin::rooms, message, room},
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The room: id, alias or exact name
    pub(super) room: String,
    /// Purge it even if a local user cannot be made to leave
    #[arg(long)]
    pub(super) force: bool,
    /// Keep anybody of this server from joining it again
    #[arg(long)]
    pub(super) block: bool,
    #[command(flatten)]
    pub(super) patience: Patience,
}

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let operator = args.patience.operator(context)?;
    let id = match resolved(context, &operator, &args.room).await {
        Ok(id) => id,
        Err(error) if error.is_not_found() => return Ok(absent(&args.room, output)),
        Err(error) => return Err(error.into()),
    };
    if room::details(&operator, &id).await?.is_none() {
        return Ok(absent(&args.room, output));
    }
    if only_planned(context, output, &format!("remove the room {id}")) {
        return Ok(Outcome::Done);
    }
    let request = rooms::delete::Request {
        room_id: id.clone().into(),
        purge: true,
        force_purge: args.force,
        block: args.block,
    };
    let delete_id = operator.send(request).await?.delete_id;
    let progress = output.progress(format!("removing {id}"));
    let deadline = Instant::now() + args.patience.timeout();
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
    loop {
        let request = rooms::delete_status::Request { delete_id: delete_id.clone().into() };
        let state = operator.send(request).await?;
        match state.status.as_str() {
            "complete" => break,
            "failed" => {
                let reason = state.error.unwrap_or_else(|| "no reason given".into());
                return Err(Error::NotRemoved { room: id.to_string(), reason }.into());
            }
            status => progress.now(format!("removing {id}: {status}")),
        }
        if Instant::now() + backoff.peek() > deadline {
            let reason = "it is still at work; it goes on without us".into();
            return Err(Error::NotRemoved { room: id.to_string(), reason }.into());
        }
        tokio::time::sleep(backoff.pause()).await;
    }
    drop(progress);
    message::forget(&context.data()?, &id);
    let fields = json!({ "room_id": id, "removed": true });
    output.emit(&Answer::new(format!("removed {id}"), Some(id.as_str()), fields));
    Ok(Outcome::Done)
}
