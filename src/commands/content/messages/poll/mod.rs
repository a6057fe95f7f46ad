//! `content send-poll`, and what all verbs of polls know of them.
//!
//! Polls were accepted into the specification (MSC3381), but wait for extensible events, which no room version
//! has: up to Matrix 1.16 the specification has no `m.poll.start`, and the proposal wants the names that begin with
//! `org.matrix.msc3381.` in all rooms that there are. Those are what Element and others send and read, so they are
//! sent; the stable names are read as well.

pub(super) mod found;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::post::{Post, command};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{ReplyArg, RoomArg, Sending, TransactionArg, transaction::quoted},
    },
    context::Context,
    error::Failure,
    matrix::message,
    output::Sentence,
};

pub(super) const START: &str = "org.matrix.msc3381.poll.start";
pub(super) const RESPONSE: &str = "org.matrix.msc3381.poll.response";
pub(super) const END: &str = "org.matrix.msc3381.poll.end";
/// A text of extensible events, as they were when polls were proposed.
pub(super) const TEXT: &str = "org.matrix.msc1767.text";
/// The most answers that clients show (MSC3381).
const MOST: usize = 20;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) room: RoomArg,
    /// What is asked
    pub(crate) question: String,
    /// An answer that can be chosen; give two or more
    #[arg(long, value_name = "TEXT", required = true)]
    pub(crate) answer: Vec<String>,
    /// Let everybody choose this many answers
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_selections: u64,
    /// Show what was chosen only when the poll is closed
    #[arg(long)]
    pub(crate) hidden: bool,
    #[command(flatten)]
    pub(crate) reply: ReplyArg,
    #[command(flatten)]
    pub(crate) transaction: TransactionArg,
    #[command(flatten)]
    pub(crate) sending: Sending,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Asked {
    room_id: String,
    /// The poll, which `vote` and `close-poll` take.
    event_id: String,
    transaction_id: String,
    answers: Vec<Choice>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Choice {
    id: String,
    text: String,
}

pub(crate) async fn run(args: Args, context: &Context) -> Answered<Asked> {
    check(&args)?;
    let Args { room, question, answer, max_selections, hidden, reply, transaction, sending } = args;
    let id = transaction.id()?;
    reply.place()?;
    let mut content = content(&question, &answer, max_selections, hidden);
    message::check_size(&content)?;
    let (client, room_id) = sending.to_room(context, &room).await?;
    let found = reply.find(&sending, context, &client, &room_id).await?;
    if reply.is_any() {
        found.relate(&mut content, client.user_id());
    }
    message::check_size(&content)?;
    context.would(format_args!("ask `{question}` in {room_id}"))?;
    let mut command = command("send-poll", &room, [question.as_str()], &sending);
    command.extend(answer.iter().map(|answer| format!(" --answer {}", quoted(answer))));
    command += &format!(" --max-selections {max_selections}");
    command += if hidden { " --hidden" } else { "" };
    command += &reply.words();
    let post = Post {
        context,
        sending: &sending,
        client: &client,
        room: &room_id,
        transaction: &transaction,
        command,
    };
    let posted = post.send(START, &content, id).await?;
    let choice = |(number, text)| Choice { id: id_of(number), text };
    let answers = answer.into_iter().enumerate().map(choice).collect();
    let (room_id, event_id) = (posted.room_id, posted.event_id);
    let transaction_id = posted.transaction_id;
    Ok(Reply::done(Asked { room_id, event_id, transaction_id, answers }))
}

fn check(args: &Args) -> Result<(), Failure> {
    let no = |message: &str| Err(Failure::request(message));
    let answers = &args.answer;
    let mut apart: Vec<&String> = answers.iter().collect();
    apart.sort();
    apart.dedup();
    if args.question.trim().is_empty() || answers.iter().any(|it| it.trim().is_empty()) {
        return no("the question and each answer must not be blank");
    }
    if !(2..=MOST).contains(&answers.len()) {
        return no("a poll has 2 to 20 answers: give each with `--answer TEXT`");
    }
    if apart.len() < answers.len() {
        return no("two answers are the same");
    }
    if usize::try_from(args.max_selections).is_ok_and(|most| most <= answers.len()) {
        return Ok(());
    }
    no("`--max-selections` must not be larger than the number of answers")
}

/// The id of an answer: any text that is its own within the poll.
fn id_of(number: usize) -> String {
    (number + 1).to_string()
}

fn content(question: &str, answers: &[String], max_selections: u64, hidden: bool) -> Value {
    let kind = if hidden { "undisclosed" } else { "disclosed" };
    let answer = |(number, text): (usize, &String)| json!({ "id": id_of(number), TEXT: text });
    let listed =
        answers.iter().enumerate().map(|(number, text)| format!("\n{}. {text}", number + 1));
    // What programs show that know no polls.
    let whole = question.to_owned() + &listed.collect::<String>();
    json!({
        START: {
            "kind": format!("org.matrix.msc3381.poll.{kind}"),
            "max_selections": max_selections,
            "question": { TEXT: question, "body": question, "msgtype": "m.text" },
            "answers": answers.iter().enumerate().map(answer).collect::<Vec<_>>(),
        },
        TEXT: whole,
    })
}

impl Sentence for Asked {
    fn sentence(&self) -> String {
        format!("asked {}", self.event_id)
    }

    fn id(&self) -> &str {
        &self.event_id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_has_its_answers_and_a_text_for_those_who_know_no_polls() {
        let poll = content("Where?", &["here".into(), "there".into()], 1, true);
        assert_eq!(poll[TEXT], "Where?\n1. here\n2. there");
        let start = &poll[START];
        assert_eq!(start["kind"], "org.matrix.msc3381.poll.undisclosed");
        assert_eq!(start["answers"][1], json!({ "id": "2", TEXT: "there" }));
    }
}
