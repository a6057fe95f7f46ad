//! `content send-message` into several rooms: each in order, all of them at the same time.

use std::collections::{BTreeMap, btree_map::Entry};

use ruma::{OwnedRoomId, OwnedTransactionId, OwnedUserId, TransactionId};
use serde_json::Value;
use tokio::task::{JoinSet, LocalSet};

use super::{
    args::{Args, One, Sent},
    letters::letters,
    lines::lines,
};
use crate::{
    commands::{
        Answered, Reply,
        content::arguments::{
            ReplyArg, RoomArg,
            queue::{Account, Later, Left},
            text::message_text,
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
    room: String,
    content: Value,
    place: Place,
    mention: Vec<String>,
    mention_room: bool,
    transaction: Option<String>,
}

/// All that was asked for, in its order; nobody is asked yet.
fn outgoing(args: &Args) -> Result<Vec<Outgoing>, Failure> {
    if let Some(path) = &args.jsonl {
        let mut all = Vec::new();
        let mut by_id = BTreeMap::new();
        for (number, letter) in letters(path)?.into_iter().enumerate() {
            let line = |failure: Failure| {
                let line = format!("line {} of `{}`: {failure}", number + 1, path.display());
                Failure { error: line.into(), ..failure }
            };
            let given = letter.room.clone().or_else(|| args.room.clone());
            let room = given.ok_or_else(|| {
                Failure::request(format!("line {} of `{}` names no room", number + 1, path.display()))
                    .hinted("give it a `room`, or name one for all: `content send-message ROOM --jsonl FILE`")
            })?;
            let transaction = letter.transaction_id.clone().or_else(|| {
                args.transaction.transaction_id.as_ref().map(|base| format!("{base}.{number}"))
            });
            // The server would take the second for a repeat of the first.
            if let Some(id) = &transaction
                && by_id
                    .insert((room.clone(), id.clone()), letter.text.clone())
                    .is_some_and(|it| it != letter.text)
            {
                return Err(line(Error::OtherWords { id: id.clone() }.into()));
            }
            let content =
                message::text(&letter.text, letter.markup(), letter.notice || args.notice);
            let reply = ReplyArg { reply_to: letter.reply_to, thread: letter.thread };
            all.push(Outgoing {
                room,
                content,
                place: reply.place().map_err(|error| line(error.into()))?,
                mention: letter.mention,
                mention_room: letter.mention_room,
                transaction,
            });
        }
        return Ok(all);
    }
    args.transaction.id()?;
    let texts = match &args.file {
        Some(path) => lines(path)?,
        None => vec![message_text(args.text.clone())?],
    };
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
        for (number, text) in texts.iter().enumerate() {
            let base = args.transaction.transaction_id.as_ref();
            let numbered = |base: &String| {
                if args.file.is_some() { format!("{base}.{number}") } else { base.clone() }
            };
            all.push(Outgoing {
                room: room.clone(),
                content: message::text(text, markup, args.notice),
                place: place.clone(),
                mention: args.mentions.mention.clone(),
                mention_room: args.mentions.mention_room,
                transaction: base.map(numbered),
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
        let Outgoing { room, mut content, place, mention, mention_room, transaction } = one;
        message::mention(&mut content, account.mentioned(&mention)?, mention_room);
        all.push(Later { room, what: What::Content(content), place, transaction });
    }
    args.queue.leave(context, &args.sending, &account, all).await
}

/// What is sent into one room.
type Load = Vec<(usize, Value, OwnedTransactionId)>;

/// Sends them now.
pub(super) async fn now(args: &Args, context: &Context) -> Answered<Sent> {
    let all = outgoing(args)?;
    for one in &all {
        message::check_size(&one.content)?;
    }
    let client = args.sending.client(context).await?;
    let mut rooms: BTreeMap<String, OwnedRoomId> = BTreeMap::new();
    for one in &all {
        if let Entry::Vacant(place) = rooms.entry(one.room.clone()) {
            let arg = RoomArg::from(one.room.as_str());
            place.insert(args.sending.destination(context, &client, &arg).await?);
        }
    }
    context.would(format_args!("send {} messages to {} rooms", all.len(), rooms.len()))?;
    let data = context.data()?;
    for room in rooms.values() {
        // Nothing is sent as long as one of them does not take it.
        let ready = async || {
            room::require_joined(&client, room).await?;
            message::require_plain(&client, &data, room).await
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
        let id = one.transaction.map_or_else(TransactionId::new, OwnedTransactionId::from);
        loads.entry(room.clone()).or_default().push((number, content, id));
    }
    let progress = context.progress(format!("sending {total} messages"));
    let (sent, failed) = in_all(&client, loads).await;
    drop(progress);
    let messages: Vec<One> = sent.into_values().collect();
    let sent = Sent::Rooms { total: messages.len(), messages };
    match failed {
        None => Ok(Reply::done(sent)),
        Some(failure) => Err(Stop::broken(failure, sent)),
    }
}

fn mentioned(users: &[String], client: &Client) -> Result<Vec<OwnedUserId>, Failure> {
    users.iter().map(|name| Ok(names::anyone(name, client.server_name())?)).collect()
}

/// What was sent, by its place, and the first failure. A room that fails keeps up no other.
async fn in_all(
    client: &Client,
    loads: BTreeMap<OwnedRoomId, Load>,
) -> (BTreeMap<usize, One>, Option<Failure>) {
    let local = LocalSet::new();
    let mut tasks = JoinSet::new();
    for (room, load) in loads {
        tasks.spawn_local_on(in_one(client.afresh(), room, load), &local);
    }
    let (mut sent, mut failed) = (BTreeMap::new(), None);
    local
        .run_until(async {
            while let Some(done) = tasks.join_next().await {
                let Ok((done, failure)) = done else { continue };
                sent.extend(done);
                failed = failed.take().or(failure);
            }
        })
        .await;
    (sent, failed)
}

async fn in_one(
    client: Client,
    room: OwnedRoomId,
    load: Load,
) -> (Vec<(usize, One)>, Option<Failure>) {
    let (mut sent, all) = (Vec::new(), load.len());
    for (number, content, id) in load {
        match message::send(&client.afresh(), &room, &content, &id).await {
            Ok(event) => sent.push((
                number,
                One {
                    room_id: room.to_string(),
                    event_id: event.into(),
                    transaction_id: id.into(),
                },
            )),
            Err(error) => {
                let failure = failed(error, &room, sent.len(), all, &id);
                return (sent, Some(failure));
            }
        }
    }
    (sent, None)
}

fn failed(
    error: Error,
    room: &ruma::RoomId,
    sent: usize,
    all: usize,
    id: &TransactionId,
) -> Failure {
    let unknown = error.is_outcome_unknown();
    let cause = Failure::from(error);
    let kind = cause.kind;
    let said = format!("{sent} of {all} messages were sent to {room}: {cause}");
    let how = if unknown {
        format!("the next one has the transaction id {id}, with which a repeat is harmless; ")
    } else {
        String::new()
    };
    Failure { kind, ..Failure::request(said) }
        .hinted(format!("{how}`--queue` leaves them on the disk instead and sends each once"))
}
