//! `content close-poll`.

use std::fmt::{self, Write as _};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    poll::{
        END, TEXT,
        found::{Became, Poll},
    },
    post::{Post, command},
};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{RoomArg, Sending, TransactionArg},
    },
    context::Context,
    error::Failure,
    matrix::leaders::Powers,
    output::Report,
};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// The poll
    pub(crate) poll: String,
    #[command(flatten)]
    pub(crate) transaction: TransactionArg,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Closed {
    room_id: String,
    poll: String,
    /// The event that closed it.
    event_id: String,
    /// In the order of the poll.
    answers: Vec<Counted>,
    /// Whether it was closed before.
    already: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Counted {
    text: String,
    /// How many users chose it.
    votes: u64,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Closed> {
    let Args { room, poll, transaction, sending } = args;
    let id = transaction.id()?;
    let (client, room_id) = sending.in_room(context, &room).await?;
    let operator = sending.operator(context)?;
    let found = Poll::find(&operator, &client, &room_id, &poll).await?;
    let became = async || found.became(&operator, &client, &room_id).await;
    let Became { end, votes } = sending.within(&client, &room_id, context, became).await?;
    let count = |(text, votes): (&str, u64)| Counted { text: text.to_owned(), votes };
    let answers: Vec<Counted> = found.texts().zip(votes).map(count).collect();
    if let Some(event_id) = end {
        let room_id = room_id.into();
        let answer = Closed { room_id, poll, event_id, answers, already: true };
        return Ok(Reply::done_if(false, answer));
    }
    let user = client.user_id().as_str();
    if user != found.author && !Powers::of(&operator, &room_id).await?.redacts(user) {
        let message = format!("the poll is by `{}`, and `{user}` may not close it", found.author);
        let hint = format!("`--as '{}'` acts as its author", found.author);
        return Err(Failure::request(message).hinted(hint).into());
    }
    context.would(format_args!("close the poll {poll} in {room_id}"))?;
    let content = content(found.event.as_str(), &answers);
    let command = command("close-poll", &room, [poll.as_str()], &sending);
    let (sending, client, room, transaction) = (&sending, &client, &room_id, &transaction);
    let post = Post { context, sending, client, room, transaction, command };
    let posted = post.send(END, &content, id).await?;
    let (room_id, event_id) = (posted.room_id, posted.event_id);
    Ok(Reply::done(Closed { room_id, poll, event_id, answers, already: false }))
}

fn content(poll: &str, answers: &[Counted]) -> Value {
    let most = answers.iter().map(|answer| answer.votes).max().unwrap_or_default();
    let first = answers.iter().filter(|it| it.votes == most && most > 0);
    let first: Vec<&str> = first.map(|it| it.text.as_str()).collect();
    let text = match first.as_slice() {
        [] => "The poll is closed: nobody has answered.".to_owned(),
        first => format!("The poll is closed. Most chose: {}", first.join(", ")),
    };
    json!({
        END: {},
        TEXT: text,
        "body": text,
        "m.relates_to": { "rel_type": "m.reference", "event_id": poll },
    })
}

impl Report for Closed {
    fn text(&self, page: &mut String) -> fmt::Result {
        let was = if self.already { "was closed already" } else { "is closed" };
        writeln!(page, "{} {was}", self.poll)?;
        for Counted { text, votes } in &self.answers {
            writeln!(page, "{votes:>5}  {text}")?;
        }
        Ok(())
    }

    fn id(&self) -> Option<&str> {
        Some(&self.event_id)
    }
}
