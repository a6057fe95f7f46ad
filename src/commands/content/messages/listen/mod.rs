//! `content listen`: every event of rooms as it comes, as records or handed to a command, and with a cursor
//! from where the last one ended.

mod cursor;
mod handed;
mod heard;
mod posted;

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use ruma::OwnedRoomId;
use serde_json::Value;
use tokio::time::Instant;

use self::{
    cursor::{Cursor, Place},
    handed::To,
    heard::{Answer, Heard, Told},
    posted::Address,
};
use crate::{
    commands::{
        content::arguments::{RoomArg, Sending, json},
        moment::past,
        offered,
        reply::{Lines, Stream},
    },
    context::Context,
    error::Failure,
    matrix::{
        Error, api,
        client::Client,
        room, sealed,
        sliding::Sliding,
        stream::{self, News, Said},
    },
    reply::{Outcome, Stop},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The rooms: id, alias or exact name; without any, all that whoever listens is in
    #[arg(value_name = "ROOM", add = offered::rooms())]
    rooms: Vec<String>,
    /// Only events of this type; may be repeated, and `m.room.*` stands for many
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Begin with those since then: a time (2026-11-21T05:00:00Z) or a span (10m, 2h, 3d)
    #[arg(long, value_name = "TIME", value_parser = past)]
    since: Option<Timestamp>,
    /// Keep the place in this file, and go on from there the next time
    #[arg(long, value_name = "FILE")]
    cursor: Option<PathBuf>,
    /// Hand each event to this shell command, on its stdin and in RMS_* variables; exit code 75 tries again
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    /// Post each event to this address, signed; what it will never take is kept beside the cursor
    #[arg(long, value_name = "URL", requires = "cursor", conflicts_with = "exec")]
    webhook: Option<String>,
    /// Sign with the key in this file, `whsec_` and base64, and not with the one in `secrets/listen.key`
    #[arg(long, value_name = "FILE", requires = "webhook")]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    sending: Sending,
}

impl Args {
    /// Who gets the events, if they are not only printed.
    fn to(&self, context: &Context) -> Result<Option<To>, Failure> {
        Ok(match (&self.exec, &self.webhook, &self.cursor) {
            (Some(command), ..) if command.trim().is_empty() => {
                return Err(Failure::request("the command of `--exec` is empty")
                    .hinted("it is one of the shell, such as `--exec 'sh bot.sh'`"));
            }
            (Some(command), ..) => Some(To::Command(command.as_str().into())),
            (None, Some(url), Some(cursor)) => {
                let address = Address::new(url, self.key_file.as_deref(), cursor, context)?;
                Some(To::Address(Arc::new(address)))
            }
            _ => None,
        })
    }
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Stream<Heard>, Stop> {
    let end = args.sending.given().map(|time| Instant::now() + time);
    let to = args.to(context)?;
    for kind in &args.types {
        json::event_type(kind)?;
    }
    let client = args.sending.client(context).await?;
    let mut rooms = Vec::new();
    for name in &args.rooms {
        let room = RoomArg::from(name.as_str());
        let room = args.sending.room(context, &client, &room).await?;
        let joined = async || room::require_joined(&client, &room).await;
        args.sending.within(&client, &room, context, joined).await?;
        rooms.push(room);
    }
    let (cursor, found) = match &args.cursor {
        Some(path) => {
            let (cursor, found) = Cursor::open(path, client.user_id(), &rooms)?;
            if let Some(before) = cursor.was_of() {
                context.warn(format!(
                    "the cursor `{}` was kept for {before}: of other rooms only what came after it is told",
                    path.display()
                ));
            }
            (Some(cursor), found)
        }
        None => (None, None),
    };
    // What is said from now on is encrypted for the devices that there are then.
    sealed::prepare(&client).await;
    let filter = stream::filter(&rooms, &args.types);
    let is_new = found.is_none();
    let (place, seen) = if let Some(found) = found {
        found
    } else {
        let token = stream::now(&client, filter.clone()).await?;
        let from = args.since.map(Timestamp::as_millisecond);
        (Place::new(client.user_id(), token, from), BTreeSet::new())
    };
    let types = args.types;
    let stream = Sliding::new(&rooms, filter);
    let waits_for_keys = false;
    let mut listener =
        Listener { client, rooms, types, stream, place, seen, cursor, to, waits_for_keys, end };
    if is_new {
        listener.keep_place()?;
    }
    Ok(Stream::new(async move |context, lines| listener.listen(context, &lines).await))
}

struct Listener {
    client: Client,
    /// Those that were named.
    rooms: Vec<OwnedRoomId>,
    types: Vec<String>,
    stream: Sliding,
    place: Place,
    /// What came after the place and was handed on.
    seen: BTreeSet<String>,
    cursor: Option<Cursor>,
    to: Option<To>,
    /// Whether it was said that the keys cannot be had.
    waits_for_keys: bool,
    /// When to stop, if that was said.
    end: Option<Instant>,
}

/// How long somebody who is away is not asked.
const PAUSE: Duration = Duration::from_secs(1);

/// How handing on ended.
enum Went {
    On,
    /// The server was away before all was there.
    Away,
    /// Nobody waits for more.
    Unwanted,
}

impl Listener {
    /// Until nobody reads any more, or the time that was given is over.
    async fn listen(
        &mut self,
        context: &Context,
        lines: &Lines<'_, Heard>,
    ) -> Result<Outcome, Failure> {
        while let Some(next) = self.next(lines).await {
            match next {
                Ok(News { rooms, next: token }) => {
                    match self.hand_all_on(rooms, context, lines).await? {
                        Went::On => {}
                        // What was handed on is noted.
                        Went::Away => continue,
                        Went::Unwanted => break,
                    }
                    self.place = Place::new(self.client.user_id(), token, None);
                    self.seen.clear();
                    self.keep_place()?;
                }
                // The server is away: it comes back, and the token still says where we were.
                Err(error) if error.is_away() => {
                    let pause = tokio::time::sleep(PAUSE);
                    if while_wanted(self.end, lines, pause).await.is_none() {
                        break;
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Outcome::Done)
    }

    fn keep_place(&mut self) -> Result<(), Failure> {
        match &mut self.cursor {
            Some(cursor) => Ok(cursor.is_at(&self.place)?),
            None => Ok(()),
        }
    }

    /// What comes next, and the place after it.
    async fn next(&mut self, lines: &Lines<'_, Heard>) -> Option<Result<News, Error>> {
        let client = self.client.afresh();
        let token = self.place.token.clone();
        if let Some(from) = self.place.from {
            let past = while_wanted(self.end, lines, self.past(&client, from)).await?;
            return Some(past.map(|rooms| News { rooms, next: token }));
        }
        // Only when it is opened its own type shows.
        let wanted = |kind: &str| kind == sealed::TYPE || is_wanted(&self.types, kind);
        let next = self.stream.since(&client, &token, &wanted);
        while_wanted(self.end, lines, next).await
    }

    /// What was said from then to the place in the stream.
    async fn past(&self, client: &Client, from: i64) -> Result<Vec<Said>, Error> {
        let rooms = match self.rooms.as_slice() {
            [] => client.send(api::joined_rooms::Request {}).await?.joined_rooms,
            named => named.to_vec(),
        };
        let old = |event: &Value| event["origin_server_ts"].as_i64().unwrap_or(0) < from;
        let mut found = Vec::new();
        for room in rooms {
            let token = self.place.token.clone();
            let events = stream::back(client, &room, token, &old).await?;
            found.push(Said { room, gap: None, events });
        }
        Ok(found)
    }

    /// What the server left out first, page by page, then what it did not.
    async fn hand_all_on(
        &mut self,
        mut rooms: Vec<Said>,
        context: &Context,
        lines: &Lines<'_, Heard>,
    ) -> Result<Went, Failure> {
        for Said { room, gap, .. } in &mut rooms {
            let Some(gap) = gap else { continue };
            loop {
                let client = self.client.afresh();
                let page = while_wanted(self.end, lines, gap.page(&client, room)).await;
                let page = match page {
                    None => return Ok(Went::Unwanted),
                    Some(Err(error)) if error.is_away() => return Ok(Went::Away),
                    Some(page) => page?,
                };
                let Some(page) = page else { break };
                match self.hand_on(vec![(room.clone(), page)], context, lines).await? {
                    Went::On => {}
                    ended => return Ok(ended),
                }
            }
        }
        let rooms = rooms.into_iter().map(|said| (said.room, said.events)).collect();
        self.hand_on(rooms, context, lines).await
    }

    async fn hand_on(
        &mut self,
        batch: Vec<(OwnedRoomId, Vec<Value>)>,
        context: &Context,
        lines: &Lines<'_, Heard>,
    ) -> Result<Went, Failure> {
        let mut rooms = Vec::new();
        for (room, mut events) in batch {
            // Who is told of an event is not told again: it waits for its keys as for the server.
            match sealed::open_at_last(&self.client.afresh(), &room, &mut events).await {
                Err(error @ (Error::Keys(_) | Error::Store { .. })) => {
                    if !std::mem::replace(&mut self.waits_for_keys, true) {
                        context.warn(format!(
                            "what is said in {room} waits: {}",
                            Failure::from(error)
                        ));
                    }
                    let pause = tokio::time::sleep(PAUSE);
                    let waited = while_wanted(self.end, lines, pause).await;
                    return Ok(waited.map_or(Went::Unwanted, |()| Went::Away));
                }
                opened => opened?,
            }
            self.waits_for_keys = false;
            for event in &events {
                self.follow(&room, event);
            }
            let heard = |event: &Value| Heard::of(event, &room, self.client.user_id());
            let mut heard: Vec<Heard> = events.iter().map(heard).collect();
            heard.retain(|event| {
                // What fills a gap is of every type.
                let is_wanted = is_wanted(&self.types, &event.kind) || event.closed.is_some();
                is_wanted && !self.seen.contains(&event.event_id)
            });
            rooms.push(heard);
        }
        let Some(to) = &self.to else {
            for event in rooms.iter().flatten() {
                if !lines.emit(event)? {
                    return Ok(Went::Unwanted);
                }
                self.note(&event.event_id)?;
            }
            return Ok(Went::On);
        };
        let mut handed = handed::hand(rooms, to);
        loop {
            let Some(next) = while_wanted(self.end, lines, handed.recv()).await else {
                return Ok(Went::Unwanted);
            };
            let event = match next {
                None => return Ok(Went::On),
                Some(Told::Done(event)) => *event,
                Some(Told::Away(why)) => {
                    context.warn(format!(
                        "the address of `--webhook` takes nothing now ({why}): it is asked again"
                    ));
                    continue;
                }
                Some(Told::Back) => {
                    context.say("the address of `--webhook` takes events again");
                    continue;
                }
            };
            self.note(&event.event_id)?;
            if let Some(exit) = event.exit.filter(|exit| *exit != 0) {
                let id = &event.event_id;
                context.warn(format!(
                    "the command ended with {exit} for {id}, which is not tried again"
                ));
            }
            if let Some(Answer { status, kept: Some(kept) }) = &event.answer {
                let id = &event.event_id;
                context
                    .warn(format!("the address answered {status} for {id}, which is in `{kept}`"));
            }
            if !lines.emit(&event)? {
                return Ok(Went::Unwanted);
            }
        }
    }

    /// A room that was named and has gone on in another one is listened to there as well.
    fn follow(&mut self, room: &OwnedRoomId, event: &Value) {
        if event["type"] != "m.room.tombstone" || !self.rooms.contains(room) {
            return;
        }
        let next = event["content"]["replacement_room"].as_str();
        let Some(next) = next.and_then(|id| OwnedRoomId::try_from(id).ok()) else { return };
        if self.rooms.contains(&next) {
            return;
        }
        if let Some(cursor) = &mut self.cursor {
            cursor.is_for(&next);
        }
        self.rooms.push(next);
        self.stream = Sliding::new(&self.rooms, stream::filter(&self.rooms, &self.types));
    }

    fn note(&mut self, event: &str) -> Result<(), Failure> {
        self.seen.insert(event.to_owned());
        match &mut self.cursor {
            Some(cursor) => Ok(cursor.has_handed_on(event)?),
            None => Ok(()),
        }
    }
}

/// Nothing where nobody waits for it any more.
async fn while_wanted<T>(
    end: Option<Instant>,
    lines: &Lines<'_, Heard>,
    wait: impl Future<Output = T>,
) -> Option<T> {
    let wait = lines.while_read(wait);
    match end {
        Some(end) => tokio::time::timeout_at(end, wait).await.ok().flatten(),
        None => wait.await,
    }
}

/// Whether it is one of these types; without any, all are wanted ([docs]).
///
/// [docs]: https://spec.matrix.org/latest/client-server-api/#filtering
fn is_wanted(types: &[String], kind: &str) -> bool {
    let fits = |wanted: &String| match wanted.split_once('*') {
        None => wanted == kind,
        Some((first, rest)) => {
            let mut left = kind.strip_prefix(first);
            let mut parts = rest.split('*').peekable();
            while let (Some(text), Some(part)) = (left, parts.next()) {
                left = if parts.peek().is_none() {
                    text.ends_with(part).then_some("")
                } else {
                    text.find(part).map(|at| &text[at + part.len()..])
                };
            }
            left.is_some()
        }
    };
    types.is_empty() || types.iter().any(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters_of_a_type() {
        let wanted = |wanted: &str, kind: &str| is_wanted(&[wanted.to_owned()], kind);
        assert!(is_wanted(&[], "m.room.topic"));
        assert!(wanted("m.room.topic", "m.room.topic") && !wanted("m.room.topic", "m.room.topics"));
        assert!(wanted("m.room.*", "m.room.topic") && !wanted("m.room.*", "m.sticker"));
        assert!(wanted("*", "m.sticker") && wanted("m.*.start", "m.poll.start"));
        assert!(!wanted("m.*.start", "m.poll.end"));
        assert!(wanted("*.poll.*", "org.matrix.msc3381.poll.end"));
    }
}
