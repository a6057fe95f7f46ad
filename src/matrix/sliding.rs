//! The stream of what happens in rooms, heard in the way that costs the server less: simplified sliding sync
//! (MSC4186) while little comes at once, and `/sync` else.
//!
//! `/sync` says what there is to hear, and sliding sync may never say less: only an answer that is whole is
//! taken from it. After one that is not (too much at once, a room that is new or was left), and after any
//! error, `/sync` goes on from the place before, and the connection is given up. A place has the same form in
//! both: Synapse's `pos` is the connection's position, a slash and a token of `/sync`.
//!
//! To begin a connection costs the server about as much as it saves with three messages a room: one begins when so
//! many answers came, and not with a great many rooms. The server forgets one that nobody has used for a week.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use ruma::{OwnedRoomId, UserId, serde::Raw};
use serde_json::{Value, json};

use super::{
    Error,
    api::{joined_rooms, sliding_sync},
    client::Client,
    stream::{self, HOLD, News, Said},
};

/// The most events of a room in an answer. In a connection it never changes: with a larger one the server
/// would say again what it said.
const AT_ONCE: u32 = 10;
/// So many answers that were whole come before a connection begins: for each room, and at least.
const FOR_EACH: usize = 3;
const FEWEST: usize = 20;
/// The first answer is about all rooms: with more of them it would take too long, and too much memory.
const MOST_ROOMS: usize = 500;

/// A stream of some rooms, or of all.
pub(crate) struct Sliding {
    /// Tells its connection from those of others with the same session, which would end it.
    id: String,
    named: Vec<OwnedRoomId>,
    filter: Value,
    /// How many answers of `/sync` brought something and had no gap.
    heard: usize,
    /// How many of them it takes until a connection begins.
    price: usize,
    connection: Option<Connection>,
}

struct Connection {
    position: String,
    /// The rooms that it is about. While one's state is fetched from another server it is not among them, and
    /// when it is again, only `/sync` says all that happened in it.
    rooms: BTreeSet<OwnedRoomId>,
}

/// What an attempt to do without `/sync` came to.
enum Slid {
    News(Connection, News),
    /// From this place on `/sync` is asked.
    Until(String),
}

impl Sliding {
    /// Of the rooms that are named in the filter of [`stream::filter`], too.
    pub(crate) fn new(named: &[OwnedRoomId], filter: Value) -> Self {
        let id = format!("listen-{:x}", rand::random::<u64>());
        let named = named.to_vec();
        Self { id, named, filter, heard: 0, price: FEWEST, connection: None }
    }

    /// What came since a place; waits for it. What is not `wanted` by its type may be left out.
    pub(crate) async fn since(
        &mut self,
        client: &Client,
        place: &str,
        wanted: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<News, Error> {
        let mut place = place.to_owned();
        // Whatever goes wrong, it is gone.
        if let Some(connection) = self.connection.take() {
            match self.slide(client, connection, place, wanted).await {
                Slid::News(connection, news) => {
                    self.connection = Some(connection);
                    return Ok(news);
                }
                Slid::Until(reached) => place = reached,
            }
        }
        let begun = self.begun(client).await;
        // What happened before it began is heard first.
        let hold = if begun.is_some() { 0 } else { HOLD };
        let news = stream::held(&client.afresh(), &self.filter, &place, hold).await?;
        if news.rooms.iter().any(|said| said.gap.is_some()) {
            self.heard = 0;
        } else {
            self.heard += usize::from(!news.rooms.is_empty());
            self.connection = begun;
        }
        Ok(news)
    }

    async fn slide(
        &mut self,
        client: &Client,
        Connection { mut position, rooms }: Connection,
        mut place: String,
        wanted: &(dyn Fn(&str) -> bool + Sync),
    ) -> Slid {
        let asked = Instant::now();
        loop {
            let pos = Some(format!("{position}/{place}"));
            let answer = match self.ask(client, pos, HOLD).await {
                Ok(answer) => answer,
                Err(error) => {
                    self.gives_up(&error);
                    return Slid::Until(place);
                }
            };
            let named = rooms_of(&answer);
            let Some((next_position, next)) = parts(&answer.pos).filter(|_| named == rooms) else {
                return Slid::Until(place);
            };
            let Some(mut said) = whole(answer.rooms, client.user_id()) else {
                return Slid::Until(place);
            };
            (position, place) = (next_position, next);
            for Said { events, .. } in &mut said {
                events.retain(|event| wanted(event["type"].as_str().unwrap_or_default()));
            }
            said.retain(|said| !said.events.is_empty());
            // As with `/sync`, whoever waits is told of a new place now and then.
            if !said.is_empty() || asked.elapsed() >= Duration::from_millis(HOLD) {
                return Slid::News(
                    Connection { position, rooms },
                    News { next: place, rooms: said },
                );
            }
        }
    }

    /// A new connection, if it is worth that.
    async fn begun(&mut self, client: &Client) -> Option<Connection> {
        if self.heard < self.price {
            return None;
        }
        let rooms = if self.named.is_empty() {
            let joined = client.afresh().send(joined_rooms::Request {}).await.ok()?;
            joined.joined_rooms.len()
        } else {
            self.named.len()
        };
        self.price = if rooms > MOST_ROOMS { usize::MAX } else { FEWEST.max(rooms * FOR_EACH) };
        if self.heard < self.price {
            return None;
        }
        self.heard = 0;
        match self.ask(client, None, 0).await {
            Ok(answer) => {
                let (position, _) = parts(&answer.pos)?;
                Some(Connection { position, rooms: rooms_of(&answer) })
            }
            Err(error) => {
                self.gives_up(&error);
                None
            }
        }
    }

    /// For good, where the server does not have it.
    fn gives_up(&mut self, error: &Error) {
        if is_for_good(error) {
            self.price = usize::MAX;
        }
    }

    async fn ask(
        &self,
        client: &Client,
        pos: Option<String>,
        timeout: u64,
    ) -> Result<sliding_sync::Response, Error> {
        // A room whose state is not all there yet is left out only where it is asked of somebody elsewhere.
        let wish = json!({
            "timeline_limit": AT_ONCE,
            "required_state": [["m.room.member", "@nobody:elsewhere.invalid"]],
        });
        let (mut lists, mut subscriptions) = (json!({}), json!({}));
        if self.named.is_empty() {
            lists["all"] = wish;
            lists["all"]["ranges"] = json!([[0, 100_000]]);
        } else {
            for room in &self.named {
                subscriptions[room.as_str()] = wish.clone();
            }
        }
        let request = sliding_sync::Request {
            pos,
            timeout,
            conn_id: self.id.clone(),
            lists,
            room_subscriptions: subscriptions,
        };
        client.afresh().send(request).await
    }
}

/// The position of the connection, and the place in the stream.
fn parts(pos: &str) -> Option<(String, String)> {
    let (position, place) = pos.split_once('/')?;
    Some((position.to_owned(), place.to_owned()))
}

fn rooms_of(answer: &sliding_sync::Response) -> BTreeSet<OwnedRoomId> {
    let ranges = answer.lists.values().flat_map(|list| &list.ops);
    ranges.flat_map(|range| &range.room_ids).cloned().collect()
}

/// What was said, if that is all there was: a room that is new, or has more than an answer holds, or that whoever
/// listens left, is told differently by `/sync`.
fn whole(rooms: BTreeMap<OwnedRoomId, sliding_sync::Room>, listener: &UserId) -> Option<Vec<Said>> {
    let mut said = Vec::new();
    for (room, sliding_sync::Room { initial, limited, timeline }) in rooms {
        if initial || limited {
            return None;
        }
        let events: Result<Vec<Value>, _> = timeline.iter().map(Raw::deserialize).collect();
        let events = events.ok()?;
        let own = |event: &Value| {
            event["type"] == "m.room.member" && event["state_key"] == listener.as_str()
        };
        if events.iter().any(own) {
            return None;
        }
        said.push(Said { room, gap: None, events });
    }
    Some(said)
}

/// Whether it makes no sense to ask this server again. One that forgot the connection, or stumbled, may be.
fn is_for_good(error: &Error) -> bool {
    match error {
        Error::Refused { status: ..500, errcode, .. } => errcode != "M_UNKNOWN_POS",
        Error::NotMatrix { status: ..500, .. } | Error::Answer { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use ruma::{room_id, server_name, user_id};

    use super::*;
    use crate::{
        canned::{Answer, Server},
        matrix::session::Session,
        secret::Secret,
    };

    fn rooms(json: &Value) -> BTreeMap<OwnedRoomId, sliding_sync::Room> {
        serde_json::from_value(json.clone()).unwrap()
    }

    #[test]
    fn only_what_sync_would_say_just_so_is_taken() {
        let message = json!({ "type": "m.room.message", "event_id": "$e" });
        let other = json!({ "type": "m.room.member", "state_key": "@b:x.org" });
        let own = json!({ "type": "m.room.member", "state_key": "@op:x.org" });
        let whole = |room: Value| whole(rooms(&json!({ "!r:x.org": room })), user_id!("@op:x.org"));
        let said = whole(json!({ "timeline": [message, other], "limited": false })).unwrap();
        assert_eq!(said[0].events, [message.clone(), other]);
        assert!(said[0].gap.is_none());
        // An invitation has no timeline.
        assert!(whole(json!({ "notification_count": 1 })).unwrap()[0].events.is_empty());
        assert!(whole(json!({ "timeline": [message], "limited": true })).is_none());
        assert!(whole(json!({ "timeline": [message], "initial": true })).is_none());
        assert!(whole(json!({ "timeline": [message, own] })).is_none());
    }

    const SLIDING: &str = "simplified_msc3575";
    const SYNC: &str = "/v3/sync";

    fn client(server: &Server) -> Client {
        let session = Session {
            url: server.url(),
            server_name: server_name!("x.org").to_owned(),
            user_id: user_id!("@op:x.org").to_owned(),
            device_id: "D".into(),
            access_token: Secret::new("t"),
            dendrite: false,
        };
        Client::new(session, None, Duration::from_secs(3)).unwrap()
    }

    /// What `/sync` answers: one message.
    fn message(next: &str) -> Answer {
        let timeline = json!({ "events": [{ "type": "m.room.message", "event_id": "$e" }] });
        let join = json!({ "!r:x.org": { "timeline": timeline } });
        let answer = json!({ "next_batch": next, "rooms": { "join": join } }).to_string();
        Answer::new(200, answer).at(SYNC)
    }

    fn slides(server: &Server, times: usize, pos: &str, room: &Value) {
        let answer = json!({ "pos": pos, "rooms": { "!r:x.org": room } }).to_string();
        let answer = Answer::new(200, answer).with_method(Method::POST).at(SLIDING);
        server.answers(answer.times(times));
    }

    fn asked(server: &Server, path: &str) -> Vec<String> {
        let asked = server.asked().into_iter().map(|uri| uri.to_string());
        asked.filter(|uri| uri.contains(path)).collect()
    }

    async fn next(stream: &mut Sliding, server: &Server, place: &str) -> News {
        let wanted = |kind: &str| kind == "m.room.message";
        stream.since(&client(server), place, &wanted).await.unwrap()
    }

    fn stream() -> Sliding {
        let named = [room_id!("!r:x.org").to_owned()];
        Sliding::new(&named, stream::filter(&named, &[]))
    }

    #[tokio::test]
    async fn a_server_without_sliding_sync_is_asked_for_it_once() {
        let server = Server::start().await;
        server.answers(message("s1"));
        let mut stream = stream();
        for _ in 0..FEWEST * 3 {
            assert_eq!(next(&mut stream, &server, "s0").await.rooms.len(), 1);
        }
        assert_eq!(asked(&server, SLIDING).len(), 1);
    }

    #[tokio::test]
    async fn what_is_not_whole_is_asked_of_sync_from_the_place_before() {
        let server = Server::start().await;
        let said = |kind: &str| json!([{ "type": kind, "event_id": "$e" }]);
        slides(&server, 1, "1/s9", &json!({ "initial": true, "timeline": said("m.room.message") }));
        slides(&server, 1, "1/s2", &json!({ "timeline": said("m.reaction") }));
        slides(&server, 1, "2/s3", &json!({ "timeline": said("m.room.message") }));
        slides(&server, 1, "2/s6", &json!({ "timeline": said("m.room.message"), "limited": true }));
        server.answers(message("s1").times(FEWEST + 1));
        server.answers(message("s7"));
        let mut stream = stream();
        for _ in 0..=FEWEST {
            next(&mut stream, &server, "s0").await;
        }
        // What is of no type that is wanted is passed over.
        let news = next(&mut stream, &server, "s1").await;
        assert_eq!((&*news.next, news.rooms.len()), ("s3", 1));
        let news = next(&mut stream, &server, &news.next).await;
        assert_eq!(news.next, "s7");
        let places: Vec<String> = asked(&server, SLIDING);
        let places: Vec<&str> = places.iter().filter_map(|it| it.split("pos=").nth(1)).collect();
        assert_eq!(
            places,
            ["1%2Fs1", "1%2Fs2", "2%2Fs3"].map(|pos| pos.to_owned() + "&timeout=20000")
        );
        let synced = asked(&server, SYNC);
        // What was said while the connection began is not waited for.
        assert!(synced[FEWEST].ends_with("since=s0&timeout=0"), "{synced:?}");
        assert!(synced[FEWEST + 1].ends_with("since=s3&timeout=20000"), "{synced:?}");
        next(&mut stream, &server, "s7").await;
        assert_eq!(asked(&server, SLIDING).len(), 4, "the connection is given up");
    }
}
