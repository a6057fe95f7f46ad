//! `content send-media`.

use crate::commands::content::{
    answer::Answer, answer::only_planned, arguments::RoomArg, arguments::Sending,
    arguments::TransactionArg, arguments::transaction::quoted, arguments::transaction::repeatable,
};
use std::path::PathBuf;

use rustix::fs::FileType;
use serde_json::json;

use crate::{
    commands::{Outcome, Result},
    context::Context,
    error::Failure,
    files,
    matrix::{media::Media, message, names, room},
    output::Output,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    room: RoomArg,
    /// The file
    file: PathBuf,
    /// What it is, as a MIME type; by default its name says it
    #[arg(long, value_name = "TYPE")]
    mime: Option<String>,
    /// The text to show with it
    #[arg(long)]
    caption: Option<String>,
    #[command(flatten)]
    transaction: TransactionArg,
    #[command(flatten)]
    sending: Sending,
}

/// More than any homeserver takes; its own limit is `synapse.max_upload_size`.
const LARGEST: u64 = 1 << 30;

pub(crate) async fn run(args: Args, context: &Context, output: &Output) -> Result {
    let id = args.transaction.id()?;
    if let Some(kind) = &args.mime {
        names::mime(kind)?;
    }
    if args.file.as_os_str() == "-" {
        return Err(Failure::request("a file is not read from stdin, because it needs a name")
            .hinted("name the file: `content send-media ROOM FILE`; `./-` is one of that name"));
    }
    let bytes = files::read_bytes(&args.file, LARGEST, &[FileType::RegularFile, FileType::Fifo])?;
    if bytes.is_empty() {
        return Err(Failure::request(format!("`{}` is empty", args.file.display())));
    }
    let media = Media::new(&args.file, bytes, args.mime);
    // With the longest address that it can get.
    message::check_size(&media.content(&"x".repeat(300), args.caption.as_deref()))?;
    let client = args.sending.client(context).await?;
    let room = args.sending.room(context, &client, &args.room).await?;
    media.fits(&client).await?;
    if only_planned(context, output, &format!("send `{}` to {room}", media.name)) {
        return Ok(Outcome::Done);
    }
    let data = context.data()?;
    // Before the upload, so that nothing is left behind where the message is not welcome.
    let plain = async || {
        room::require_joined(&client, &room).await?;
        message::require_plain(&client, &data, &room).await
    };
    args.sending.within(&client, &room, context, plain).await?;
    let progress = output.progress(format!("uploading {}", media.name));
    let url = media.upload(&client).await?;
    drop(progress);
    let shown = media.content(&url, args.caption.as_deref());
    let send = async || message::send(&client, &room, &shown, &id).await;
    let event = args.sending.within(&client, &room, context, send).await.map_err(|error| {
        let file = quoted(&args.file.to_string_lossy());
        repeatable(
            error,
            &format!("content send-media {} {file}", quoted(args.room.as_str())),
            id.as_str(),
        )
    })?;
    let fields = json!({
        "room_id": room, "event_id": event, "url": url, "msgtype": media.message_type(),
        "mimetype": media.kind, "size": media.bytes.len(), "transaction_id": id,
    });
    output.emit(&Answer::new(format!("sent {event}"), Some(event.as_str()), fields));
    Ok(Outcome::Done)
}
