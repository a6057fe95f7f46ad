//! `content send-message` into several rooms: each in order, all of them at the same time.

use std::collections::{BTreeMap, btree_map::Entry};

use ruma::{OwnedRoomId, OwnedTransactionId, OwnedUserId, TransactionId};
use serde_json::Value;
use tokio::task::{JoinSet, LocalSet};

use super::{
    args::{Args, One, Sent},
    letters::letters,
    lines::Unfinished,
};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{
            ReplyArg, RoomArg,
            queue::{Account, Later, Left},
        },
    },
    context::Context,
    error::Failure,
    matrix::{Error, client::Client, message, names, room, thread::Place},
    outbox::entry::What,
    reply::Stop,
};

/// A message and where it goes.
struct Outgoing {
    /// Where it stands in its file.
    line: usize,
    room: String,
    content: Value,
    place: Place,
    mention: Vec<String>,
    mention_room: bool,
    transaction: Option<String>,
}

impl Outgoing {
    /// Why nothing is sent, with the line that it is about.
    fn stopped(&self, args: &Args, stop: Stop) -> Stop {
        match (stop, &args.jsonl) {
            (Stop::Failed(failure), Some(path)) => {
                Stop::Failed(at(&format!("line {} of `{}`", self.line, path.display()), failure))
            }
            (stop, _) => stop,
        }
    }
}

fn at(place: &str, failure: Failure) -> Failure {
    let error = format!("{place}: {failure}").into();
    Failure { error, ..failure }
}

/// All that was asked for, in its order; nobody is asked yet.
fn outgoing(args: &Args) -> Result<Vec<Outgoing>, Failure> {
    let base = args.transaction.is_given().then(|| args.transaction.id()).transpose()?;
    if let Some(path) = &args.jsonl {
        let mut all = Vec::new();
        let mut by_id = BTreeMap::new();
        let letters = letters(path, args.sending.timeout())?;
        for (number, (line, letter)) in letters.into_iter().enumerate() {
            let place = format!("line {line} of `{}`", path.display());
            let in_line = |failure| at(&place, failure);
            let given = letter.room.clone().or_else(|| args.room.clone());
            let room = given.ok_or_else(|| {
                Failure::request(format!("{place} names no room"))
                    .hinted("give it a `room`, or name one for all: `content send-message ROOM --jsonl FILE`")
            })?;
            let transaction = letter.transaction_id.clone().or_else(|| {
                let base = base.as_deref()?;
                Some(args.numbered(base, number).to_string())
            });
            // The server would take the second for a repeat of the first.
            if let Some(id) = &transaction
                && by_id
                    .insert((room.clone(), id.clone()), letter.text.clone())
                    .is_some_and(|it| it != letter.text)
            {
                return Err(in_line(Error::OtherWords { id: id.clone() }.into()));
            }
            let content =
                message::text(&letter.text, letter.markup(), letter.notice || args.notice);
            let reply = ReplyArg { reply_to: letter.reply_to, thread: letter.thread };
            all.push(Outgoing {
                line,
                room,
                content,
                place: reply.place().map_err(|error| in_line(error.into()))?,
                mention: letter.mention,
                mention_room: letter.mention_room,
                transaction,
            });
        }
        return Ok(all);
    }
    let texts = args.texts()?;
    let markup = args.markup.given().unwrap_or_default();
    let place = args.reply.place()?;
    let mut all = Vec::new();
    let mut rooms: Vec<&String> = Vec::new();
    for room in args.room.iter().chain(&args.also) {
        // Named twice, it is told once.
        if rooms.contains(&room) {
            continue;
        }
        rooms.push(room);
        for (number, (line, text)) in texts.iter().enumerate() {
            let numbered = |base| args.numbered(base, number).to_string();
            all.push(Outgoing {
                line: *line,
                room: room.clone(),
                content: message::text(text, markup, args.notice),
                place: place.clone(),
                mention: args.mentions.mention.clone(),
                mention_room: args.mentions.mention_room,
                transaction: base.as_deref().map(numbered),
            });
        }
    }
    Ok(all)
}

/// Leaves them to be sent later.
pub(super) async fn later(args: &Args, context: &Context) -> Answered<Left> {
    let account = Account::of(context, &args.sending)?;
    let mut all = Vec::new();
    for one in outgoing(args)? {
        let Outgoing { line: _, room, mut content, place, mention, mention_room, transaction } =
            one;
        message::mention(&mut content, account.mentioned(&mention)?, mention_room);
        all.push(Later { room, what: What::Content(content), place, transaction });
    }
    args.queue.leave(context, &args.sending, &account, all).await
}

/// One that is ready to be sent.
struct Ready {
    /// Its place among all.
    number: usize,
    line: usize,
    content: Value,
    id: Option<OwnedTransactionId>,
}

/// What is sent into one room.
type Load = Vec<Ready>;

/// The line that could not be sent, its room, and why.
type Stuck = (usize, OwnedRoomId, Error);

/// Sends them now.
pub(super) async fn now(args: &Args, context: &Context) -> Answered<Sent> {
    let all = outgoing(args)?;
    for one in &all {
        message::check_size(&one.content)?;
    }
    let client = args.verified.of(args.sending.client(context).await?);
    let mut rooms: BTreeMap<String, OwnedRoomId> = BTreeMap::new();
    for one in &all {
        if let Entry::Vacant(place) = rooms.entry(one.room.clone()) {
            let arg = RoomArg::from(one.room.as_str());
            let found = args.sending.destination(context, &client, &arg).await;
            place.insert(found.map_err(|stop| one.stopped(args, stop))?);
        }
    }
    context.would(format_args!("send {} messages to {} rooms", all.len(), rooms.len()))?;
    let data = context.data()?;
    for room in rooms.values() {
        // Nothing is sent as long as one of them does not take it.
        let ready = async || {
            room::require_joined(&client, room).await?;
            message::require_way(&client, &data, room).await?;
            message::require_readers(&client, &data, room)
        };
        args.sending.within(&client, room, context, ready).await?;
    }
    let (mut loads, total) = (BTreeMap::<OwnedRoomId, Load>::new(), all.len());
    for (number, one) in all.into_iter().enumerate() {
        let Some(room) = rooms.get(&one.room) else { continue };
        let mut content = one.content;
        if one.place != Place::default() {
            let operator = args.sending.operator(context)?;
            let found = one.place.find(&operator, &client, room).await?;
            found.relate(&mut content, client.user_id());
        }
        message::mention(&mut content, mentioned(&one.mention, &client)?, one.mention_room);
        message::check_size(&content)?;
        let id = one.transaction.map(OwnedTransactionId::from);
        loads.entry(room.clone()).or_default().push(Ready { number, line: one.line, content, id });
    }
    let unfinished = if args.lines_of().is_some() && !args.transaction.is_given() {
        let messages = loads
            .iter()
            .flat_map(|(room, load)| load.iter().map(move |ready| (&**room, &ready.content)));
        Unfinished::of(&data, &client.session(), messages)
    } else {
        None
    };
    let base = match &unfinished {
        Some(unfinished) => unfinished.base().to_owned(),
        None => args.transaction.id()?,
    };
    // What a person is told to type: a note of ours knows the ids of the lines.
    let again = match &unfinished {
        Some(_) => args.again(),
        None => format!("{} --transaction-id {base}", args.again()),
    };
    for ready in loads.values_mut().flatten() {
        ready.id.get_or_insert_with(|| args.numbered(&base, ready.number));
    }
    let progress = context.progress(format!("sending {total} messages"));
    let (sent, stuck) = in_all(&client, loads).await;
    drop(progress);
    let messages: Vec<One> = sent.into_values().collect();
    let done = messages.len();
    let sent = Sent::Rooms { total: done, messages };
    if let Some((line, room, error)) = stuck {
        let failure = args.broken(error.into(), &again, (line, &room), (done, total));
        return Err(Stop::broken(failure, sent));
    }
    if let Some(unfinished) = unfinished {
        unfinished.finished();
    }
    Ok(Reply::done(sent))
}

fn mentioned(users: &[String], client: &Client) -> Result<Vec<OwnedUserId>, Failure> {
    users.iter().map(|name| Ok(names::anyone(name, client.server_name())?)).collect()
}

/// What was sent, by its place, and the first failure. A room that fails keeps up no other.
async fn in_all(
    client: &Client,
    loads: BTreeMap<OwnedRoomId, Load>,
) -> (BTreeMap<usize, One>, Option<Stuck>) {
    let local = LocalSet::new();
    let mut tasks = JoinSet::new();
    for (room, load) in loads {
        tasks.spawn_local_on(in_one(client.afresh(), room, load), &local);
    }
    let (mut sent, mut stuck) = (BTreeMap::new(), None);
    local
        .run_until(async {
            while let Some(done) = tasks.join_next().await {
                let Ok((done, error)) = done else { continue };
                sent.extend(done);
                stuck = stuck.take().or(error);
            }
        })
        .await;
    (sent, stuck)
}

async fn in_one(
    client: Client,
    room: OwnedRoomId,
    load: Load,
) -> (Vec<(usize, One)>, Option<Stuck>) {
    let mut sent = Vec::new();
    for Ready { number, line, content, id } in load {
        let id = id.unwrap_or_else(TransactionId::new);
        match message::send(&client.afresh(), &room, &content, &id).await {
            Ok(event) => sent.push((
                number,
                One {
                    room_id: room.to_string(),
                    event_id: event.into(),
                    transaction_id: id.into(),
                },
            )),
            Err(error) => return (sent, Some((line, room, error))),
        }
    }
    (sent, None)
}
