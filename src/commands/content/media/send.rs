//! `content send-media`.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{
            MentionsArg, NowOrLater, QueueArg, ReplyArg, RoomArg, Sending, TransactionArg,
            VerifiedArg,
            queue::{Account, Later, Left},
            transaction::{quoted, repeatable},
        },
    },
    context::Context,
    error::Failure,
    files,
    matrix::{
        Error,
        media::{Media, Uploaded},
        message, names, room,
    },
    outbox::{
        entry::{Attached, What},
        intake::Intake,
    },
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// The file
    pub(crate) file: PathBuf,
    /// What it is, as a MIME type; by default its name says it
    #[arg(long, value_name = "TYPE")]
    pub(crate) mime: Option<String>,
    /// The text to show with it
    #[arg(long)]
    pub(crate) caption: Option<String>,
    /// Send a recording as a voice message
    #[arg(long)]
    pub(crate) voice: bool,
    #[command(flatten)]
    pub(crate) reply: ReplyArg,
    #[command(flatten)]
    pub(crate) mentions: MentionsArg,
    #[command(flatten)]
    pub(crate) transaction: TransactionArg,
    #[command(flatten)]
    pub(crate) verified: VerifiedArg,
    #[command(flatten)]
    pub(crate) queue: QueueArg,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

/// More than any homeserver takes; its own limit is `synapse.max_upload_size`.
const LARGEST: u64 = 1 << 30;

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Sent {
    pub(crate) room_id: String,
    pub(crate) event_id: String,
    /// Where the file is: `mxc://…`.
    pub(crate) url: String,
    /// Where the still picture of a video is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thumbnail_url: Option<String>,
    /// `m.image`, `m.audio`, `m.video` or `m.file`.
    pub(crate) msgtype: String,
    pub(crate) mimetype: String,
    /// How large the file is, in bytes.
    pub(crate) size: usize,
    /// A repeat with it does nothing.
    pub(crate) transaction_id: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<NowOrLater<Sent>> {
    let id = args.transaction.id()?;
    args.reply.place()?;
    let media = media(&args).await?;
    if args.queue.queue {
        return Ok(later(&args, context, &media).await?.map(NowOrLater::Later));
    }
    let (client, room) = args.sending.to_room(context, &args.room).await?;
    let client = args.verified.of(client);
    media.fits(&client).await?;
    let users = args.mentions.users(&args.sending, context, &client, &room).await?;
    let answered = args.reply.find(&args.sending, context, &client, &room).await?;
    context.would(format_args!("send `{}` to {room}", media.name))?;
    let data = context.data()?;
    // Before the upload, so that nothing is left behind where the message is not welcome.
    let plain = async || {
        room::require_joined(&client, &room).await?;
        message::require_way(&client, &data, &room).await?;
        message::require_readers(&client, &data, &room)
    };
    args.sending.within(&client, &room, context, plain).await?;
    let progress = context.progress(format!("uploading {}", media.name));
    let mut at = media.upload(&client, message::is_known_sealed(&data, &room)).await?;
    drop(progress);
    let with = |at: &Uploaded| {
        let mut shown = shown(&args, &media, at);
        answered.relate(&mut shown, client.user_id());
        message::mention(&mut shown, users.iter().cloned(), args.mentions.mention_room);
        shown
    };
    let mut shown = with(&at);
    let send = async || message::send_file(&client, &room, &shown, &id).await;
    let mut sent = args.sending.within(&client, &room, context, send).await;
    if matches!(sent, Err(Error::InTheClear)) {
        // Somebody has just encrypted the room.
        if let Ok(operator) = args.sending.operator(context) {
            at.remove(&operator).await;
        }
        let _progress = context.progress(format!("uploading {} encrypted", media.name));
        at = media.upload(&client, true).await?;
        shown = with(&at);
        sent = message::send_file(&client, &room, &shown, &id).await;
    }
    let event = sent.map_err(|error| {
        let file = quoted(&args.file.to_string_lossy());
        let command = format!("content send-media {} {file}", quoted(args.room.as_str()));
        repeatable(error, &format!("{command}{}", words(&args)), id.as_str())
    })?;
    if args.transaction.is_given() {
        let operator = args.sending.operator(context)?;
        let sent = message::require_same(&operator, &client, &event, &shown, &id).await?;
        // A repeat has uploaded once more, and the message shows what came first.
        if let Some(first) = sent.as_ref().and_then(|sent| Uploaded::of(&sent["content"])) {
            at = first;
        }
    }
    Ok(Reply::done(NowOrLater::Now(Sent {
        room_id: room.into(),
        event_id: event.into(),
        url: at.file.url,
        thumbnail_url: at.thumbnail.map(|at| at.url),
        msgtype: media.message_type().to_owned(),
        size: media.bytes.len(),
        mimetype: media.kind,
        transaction_id: id.into(),
    })))
}

/// Leaves a copy of the file to be sent.
async fn later(args: &Args, context: &Context, media: &Media) -> Answered<Left> {
    let account = Account::of(context, &args.sending)?;
    let mention = account.mentioned(&args.mentions.mention)?;
    names::room(args.room.as_str(), &account.server)?;
    context.would(format_args!("leave `{}` to be sent to {}", media.name, args.room.as_str()))?;
    let stored = Intake::open(&context.data()?)?.attach(&media.bytes)?;
    let file = Attached {
        stored,
        hash: HEXLOWER.encode(&digest(&SHA256, &media.bytes).as_ref()[..16]),
        name: media.name.clone(),
        mime: Some(media.kind.clone()),
        caption: args.caption.clone(),
        voice: args.voice,
        mention,
        mention_room: args.mentions.mention_room,
    };
    let later = Later {
        room: args.room.as_str().to_owned(),
        what: What::File(file),
        place: args.reply.place()?,
        transaction: args.transaction.transaction_id.clone(),
    };
    args.queue.leave(context, &args.sending, &account, vec![later]).await
}

/// The file that was named, if it can be sent at all.
async fn media(args: &Args) -> Result<Media, Failure> {
    if let Some(kind) = &args.mime {
        names::mime(kind)?;
    }
    if args.file.as_os_str() == "-" {
        return Err(Failure::request("a file is not read from stdin, because it needs a name")
            .hinted("name the file: `content send-media ROOM FILE`; `./-` is one of that name"));
    }
    let bytes = files::read_named(&args.file, LARGEST, args.sending.timeout())?;
    if bytes.is_empty() {
        return Err(Failure::request(format!("`{}` is empty", args.file.display()))
            .hinted("name a file that has something in it; `content send-message` sends a text"));
    }
    let mut media = Media::new(&args.file, bytes, args.mime.clone());
    if args.voice && media.message_type() != "m.audio" {
        let message = format!("`{}` is no recording but {}", args.file.display(), media.kind);
        return Err(Failure::request(message)
            .hinted("leave `--voice` out, or say what it is with `--mime audio/ogg`"));
    }
    media.decode(&args.file, args.voice).await;
    message::check_size(&shown(args, &media, &Uploaded::longest()))?;
    Ok(media)
}

/// The message that shows the file.
fn shown(args: &Args, media: &Media, at: &Uploaded) -> Value {
    let caption = args.caption.as_deref();
    if args.voice { media.voice(at, caption) } else { media.content(at, caption) }
}

/// What else was typed, for whoever has to type it again.
fn words(args: &Args) -> String {
    let mut words = String::new();
    let mut option = |name: &str, value: &str| words += &format!(" {name} {}", quoted(value));
    for (name, value) in [("--mime", &args.mime), ("--caption", &args.caption)] {
        if let Some(value) = value {
            option(name, value);
        }
    }
    for user in &args.mentions.mention {
        option("--mention", user);
    }
    if let Some(user) = &args.sending.acting {
        option("--as", user);
    }
    words += &args.reply.words();
    words += args.verified.words();
    for (flag, given) in [("--voice", args.voice), ("--mention-room", args.mentions.mention_room)] {
        if given {
            words += &format!(" {flag}");
        }
    }
    words
}

impl Sentence for Sent {
    fn sentence(&self) -> String {
        format!("sent {}", self.event_id)
    }

    fn id(&self) -> &str {
        &self.event_id
    }
}
