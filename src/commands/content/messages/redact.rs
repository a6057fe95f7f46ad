//! `content redact-message`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{
            NowOrLater, QueueArg, RoomArg, Sending, TransactionArg,
            queue::{Account, Later},
            transaction::{quoted, repeatable},
        },
    },
    context::Context,
    matrix::{message, names, room, thread::Place},
    outbox::entry::What,
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// The message to take away
    pub(crate) event: String,
    /// Why
    #[arg(long)]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) transaction: TransactionArg,
    #[command(flatten)]
    pub(crate) queue: QueueArg,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Redacted {
    pub(crate) room_id: String,
    /// The event that took the message away.
    pub(crate) event_id: String,
    /// The message that was taken away.
    pub(crate) redacts: String,
    /// Whether it was taken away before.
    pub(crate) already: bool,
    /// Of what was taken away now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) transaction_id: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<NowOrLater<Redacted>> {
    let Args { room, event, reason, transaction, queue, sending } = args;
    let of = names::event(&event)?;
    let id = transaction.id()?;
    message::check_size(&json!({ "redacts": of, "reason": reason }))?;
    if queue.queue {
        let account = Account::of(context, &sending)?;
        let what = What::Redaction { event: of, reason };
        let later = Later {
            room: room.as_str().to_owned(),
            what,
            place: Place::default(),
            transaction: transaction.is_given().then(|| id.to_string()),
        };
        let left = queue.leave(context, &sending, &account, vec![later]).await?;
        return Ok(left.map(NowOrLater::Later));
    }
    let (client, room_id) = sending.in_room(context, &room).await?;
    let operator = sending.operator(context)?;
    let message = room::require_event(&operator, &room_id, &of).await?;
    if let Some(event_id) = room::redaction(&operator, &room_id, &of).await? {
        let (room_id, redacts) = (room_id.into(), of.into());
        let answer = Redacted { room_id, event_id, redacts, already: true, transaction_id: None };
        return Ok(Reply::done_if(false, NowOrLater::Now(answer)));
    }
    context.would(format_args!("take {of} out of {room_id}"))?;
    let reason = reason.as_deref();
    let redact = async || message::take_away(&client, &room_id, &of, &message, &id, reason).await;
    let done = sending.within(&client, &room_id, context, redact).await.map_err(|error| {
        let words = [room.as_str(), event.as_str()].map(quoted).join(" ");
        repeatable(error, &format!("content redact-message {words}"), id.as_str())
    })?;
    Ok(Reply::done(NowOrLater::Now(Redacted {
        room_id: room_id.into(),
        event_id: done.into(),
        redacts: of.into(),
        already: false,
        transaction_id: Some(id.to_string()),
    })))
}

impl Sentence for Redacted {
    fn sentence(&self) -> String {
        if self.already {
            format!("{} was taken away already", self.redacts)
        } else {
            format!("took {} away", self.redacts)
        }
    }

    fn id(&self) -> &str {
        &self.event_id
    }
}
