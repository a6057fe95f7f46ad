//! `content vote`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::{
    poll::{RESPONSE, found::Poll},
    post::{Post, command},
};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending, TransactionArg},
    },
    context::Context,
    error::Failure,
    output::Sentence,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// The poll
    pub(crate) poll: String,
    /// What is chosen: the text, the number or the id of an answer
    #[arg(required = true)]
    pub(crate) answer: Vec<String>,
    #[command(flatten)]
    pub(crate) transaction: TransactionArg,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Voted {
    room_id: String,
    poll: String,
    /// The ids of what was chosen, in the place of what this user chose before.
    answers: Vec<String>,
    event_id: String,
    transaction_id: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Voted> {
    let Args { room, poll, answer, transaction, sending } = args;
    let id = transaction.id()?;
    let (client, room_id) = sending.in_room(context, &room).await?;
    let operator = sending.operator(context)?;
    let found = Poll::find(&operator, &client, &room_id, &poll).await?;
    let answers = found.chosen(&answer)?;
    let became = async || found.became(&operator, &client, &room_id).await;
    let became = sending.within(&client, &room_id, context, became).await?;
    if became.end.is_some() && !transaction.is_given() {
        return Err(Failure::request(format!("the poll `{poll}` is closed"))
            .hinted("`content list-relations ROOM POLL --type reference` shows what was answered")
            .into());
    }
    context.would(format_args!("answer the poll {poll} in {room_id}"))?;
    let content = json!({
        RESPONSE: { "answers": answers },
        "m.relates_to": { "rel_type": "m.reference", "event_id": found.event },
    });
    let words = [poll.as_str()].into_iter().chain(answer.iter().map(String::as_str));
    let command = command("vote", &room, words, &sending);
    let (sending, client, room, transaction) = (&sending, &client, &room_id, &transaction);
    let post = Post { context, sending, client, room, transaction, command };
    let posted = post.send(RESPONSE, &content, id).await?;
    Ok(Reply::done(Voted {
        room_id: posted.room_id,
        poll,
        answers,
        event_id: posted.event_id,
        transaction_id: posted.transaction_id,
    }))
}

impl Sentence for Voted {
    fn sentence(&self) -> String {
        format!("answered {}", self.poll)
    }

    fn id(&self) -> &str {
        &self.event_id
    }
}
