//! Chat for an application: what it says is stored first and then in Matrix once and in order, and the other way
//! round, whatever fails meanwhile.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use data_encoding::BASE64URL_NOPAD;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use serde_json::{Value, json};

use crate::{
    common::{Instance, file, free_port, kill_9, wait_for},
    relay_media,
};

mod again;
mod client;
mod outside;
mod people;

pub(crate) const ANN: &str = "550e8400-e29b-41d4-a716-446655440000";
pub(crate) const BOB: &str = "550e8400-e29b-41d4-a716-446655440001";
pub(crate) const ANN_IN_MATRIX: &str = "@nova-550e8400e29b41d4a716446655440000:test.example";
const NO_DATABASE: &str = "nothing is accepted: the database does not answer";
const ISSUER: &str = "https://id.test.example";

/// A server with the relay, and a program of the application.
pub(crate) struct Relay {
    pub(crate) server: Instance,
    pub(crate) port: u16,
    pub(crate) key: String,
    /// Who gives tokens to the application's users.
    issuer: Arc<Issuer>,
    /// Where the application's pages come from.
    pages: TcpListener,
}

/// One server for all of these, one after the other.
#[test]
fn an_application_and_matrix_hear_each_other_once_and_in_order() {
    let relay = Relay::started("relay");
    for promise in [
        the_first_message_makes_a_room_with_all_who_take_part,
        people::many_bring_in_the_same_people_at_once,
        a_message_is_in_the_database_and_in_matrix,
        an_edit_changes_the_message_in_both,
        a_deleted_message_is_gone_from_both,
        people::a_role_is_given_and_taken_with_its_power,
        people::what_was_said_in_a_room_that_is_gone_is_forgotten_with_it,
        a_message_of_matrix_reaches_the_application,
        who_reads_along_hears_all_once_and_goes_on_where_they_were,
        an_event_that_comes_again_is_taken_once,
        a_repeat_with_the_same_key_is_the_same_message_and_another_text_is_refused,
        what_is_wrong_with_a_request_is_said_and_nothing_is_stored,
        a_websocket_tells_the_same_and_takes_no_messages,
        client::pages_of_the_origins_that_are_set_may_ask_and_no_others,
        client::the_shell_client_of_the_document_says_it_once_and_reads_on,
        client::the_javascript_client_of_the_document_misses_and_doubles_nothing,
        client::a_page_in_a_browser_chats_and_goes_on_when_the_relay_is_back,
        a_token_opens_what_its_user_may_and_a_wrong_one_nothing,
        relay_media::a_file_of_an_address_or_a_body_is_shown_in_the_room,
        relay_media::a_file_that_cannot_be_fetched_is_put_aside_and_holds_up_nobody,
        relay_media::people_of_matrix_are_seen_with_their_files_names_and_presence,
        relay_media::users_have_names_pictures_and_presence_without_saying_anything,
    ] {
        promise(&relay);
    }
}

/// And another one for these, which stop it or ask it everything.
#[test]
fn nothing_is_lost_whatever_is_asked_killed_refused_or_begun_again() {
    let relay = Relay::started("relay-faults");
    for promise in [
        again::the_interface_answers_as_its_document_says,
        again::while_the_database_only_reads_nothing_is_taken_and_nothing_lost,
        people::who_was_removed_does_not_come_back_with_what_waits,
        again::connections_that_say_nothing_keep_nobody_out_and_are_closed,
        whatever_is_killed_each_message_is_there_once_and_in_order,
        again::what_matrix_has_not_is_told_again_and_what_it_has_begins_again,
    ] {
        promise(&relay);
    }
}

impl Relay {
    fn started(name: &str) -> Self {
        let mut server = Instance::empty(name);
        let port = free_port();
        let issuer = Arc::new(Issuer::new());
        let pages = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", pages.local_addr().unwrap());
        std::fs::create_dir_all(&server.data).unwrap();
        let keys = file(&server.data, "jwks.json", issuer.published().to_string().as_bytes());
        let keys = keys.display().to_string();
        file(
            &server.data,
            "settings.yaml",
            b"profiles: {chat: {services: [core, proxy, relay]}}\n",
        );
        for (name, value) in [
            ("MATRIX_SYNAPSE_PROFILE", "chat"),
            ("MATRIX_SYNAPSE_RELAY_PORT", &port.to_string()),
            ("MATRIX_SYNAPSE_RELAY_SERVICE_USER", "nova-service"),
            ("MATRIX_SYNAPSE_RELAY_FETCH_FROM", "127.0.0.0/8"),
            ("MATRIX_SYNAPSE_RELAY_ORIGINS", &origin),
            ("MATRIX_SYNAPSE_RELAY_PUBLIC", "true"),
            ("MATRIX_SYNAPSE_RELAY_JWT_ISSUER", ISSUER),
            ("MATRIX_SYNAPSE_RELAY_JWT_AUDIENCE", "chat"),
            ("MATRIX_SYNAPSE_RELAY_JWT_KEYS", &keys),
            ("MATRIX_SYNAPSE_RESTARTS", "1000"),
        ] {
            server.variable(name, value);
        }
        server.run(&["config", "set", "relay.prefix", "nova"]).success();
        server.run(&["manage", "install"]).success();
        server.run(&["config", "set", "synapse.presence", "true"]).success();
        server.run(&["manage", "start"]).success();
        let relay = Self { issuer, pages, ..Self::of(server, port) };
        Self { key: relay.new_key(), ..relay }
    }

    /// One that is there, without a key.
    fn of(server: Instance, port: u16) -> Self {
        let pages = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { server, port, key: String::new(), issuer: Arc::new(Issuer::new()), pages }
    }

    fn new_key(&self) -> String {
        let key = self.server.run(&["content", "relay", "add-key", "app", "-q"]);
        key.success().line().to_owned()
    }

    /// A request on a connection of its own; none where that was lost.
    fn try_ask(
        &self,
        method: &str,
        path: &str,
        key: &str,
        headers: &str,
        body: &Value,
    ) -> Option<(u16, Value)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        drop(stream.write_all((head + &body).as_bytes()));
        let mut text = String::new();
        drop(stream.read_to_string(&mut text));
        let (head, body) = text.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, serde_json::from_str(body).ok()?))
    }

    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.answer(method, path, body);
        assert!((200..300).contains(&status), "{status} {answer}");
        answer
    }

    #[track_caller]
    pub(crate) fn answer(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.try_ask(method, &format!("/api/chat{path}"), &self.key, "", body).unwrap()
    }

    /// A conversation of Ann and Bob; its id.
    pub(crate) fn conversation(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let slug = format!("talk-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let people = json!([
            { "user_id": ANN, "name": "Ann" },
            { "user_id": BOB, "name": "Bob", "role": "moderator" },
        ]);
        let new = json!({ "slug": slug, "name": slug, "participants": people });
        self.ask("POST", "/conversations", &new)["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn post(&self, conversation: &str, sender: &str, text: &str) -> String {
        let new = json!({ "sender_id": sender, "plaintext": text });
        let path = format!("/conversations/{conversation}/messages");
        self.ask("POST", &path, &new)["id"].as_str().unwrap().to_owned()
    }

    /// What is stored of it, oldest first.
    pub(crate) fn history(&self, conversation: &str) -> Vec<Value> {
        let path = format!("/conversations/{conversation}/messages?after=0&limit=200");
        self.ask("GET", &path, &Value::Null)["messages"].as_array().unwrap().clone()
    }

    pub(crate) fn message(&self, conversation: &str, id: &str) -> Value {
        self.history(conversation).into_iter().find(|it| it["id"] == id).unwrap()
    }

    /// Waits until the homeserver has all of it.
    pub(crate) fn settled(&self) {
        wait_for("the homeserver has been told all", || self.status()["waiting"] == 0);
    }

    fn status(&self) -> Value {
        self.server.json(&["content", "relay", "status"])
    }

    pub(crate) fn room(&self, conversation: &str) -> String {
        self.settled();
        let path = format!("/conversations/{conversation}");
        let there = self.ask("GET", &path, &Value::Null);
        let room = there["matrix_room_id"].as_str();
        let dead = || self.server.json(&["content", "relay", "dead"]);
        room.unwrap_or_else(|| panic!("{conversation} has no room: {}", dead())).to_owned()
    }

    /// What people see in its room, oldest first: who, and what.
    pub(crate) fn seen(&self, conversation: &str) -> Vec<(String, String)> {
        let room = self.room(conversation);
        let read = self.server.json(&["content", "read-messages", &room, "--limit", "200"]);
        let message = |it: &Value| {
            let word = |name: &str| it[name].as_str().unwrap_or_default().to_owned();
            (word("sender"), word("body"))
        };
        read["messages"].as_array().unwrap().iter().map(message).collect()
    }

    fn metric(&self, name: &str) -> u64 {
        let (_, text) = crate::common::get(self.port, "/metrics");
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Tells it what the homeserver would.
    fn transaction(&self, id: &str, events: &Value) -> (u16, Value) {
        let token =
            std::fs::read_to_string(self.server.data.join("secrets/relay_hs_token")).unwrap();
        let path = format!("/_matrix/app/v1/transactions/{id}");
        self.try_ask("PUT", &path, token.trim(), "", &json!({ "events": events })).unwrap()
    }
}

fn the_first_message_makes_a_room_with_all_who_take_part(relay: &Relay) {
    let talk = relay.conversation();
    assert!(
        relay.ask("GET", &format!("/conversations/{talk}"), &Value::Null)["matrix_room_id"]
            .is_null()
    );
    relay.post(&talk, ANN, "hello");
    let room = relay.room(&talk);
    let members = relay.server.json(&["content", "list-members", &room]);
    let members: Vec<&str> = members["members"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["user_id"].as_str().or(it.as_str()))
        .collect();
    let ghosts = members.iter().filter(|it| it.starts_with("@nova-550e"));
    assert_eq!(ghosts.count(), 2, "{members:?}");
    assert_eq!(relay.seen(&talk), [(ANN_IN_MATRIX.to_owned(), "hello".to_owned())]);

    // Who comes later is brought into the room.
    let carl = "550e8400-e29b-41d4-a716-446655440002";
    let path = format!("/conversations/{talk}/participants");
    relay.ask("POST", &path, &json!({ "user_id": carl, "name": "Carl" }));
    relay.post(&talk, carl, "me too");
    assert_eq!(relay.seen(&talk)[1].1, "me too");
    relay.ask("DELETE", &format!("{path}/{carl}"), &Value::Null);
    relay.settled();
    let (status, _) = relay.answer(
        "POST",
        &format!("/conversations/{talk}/messages"),
        &json!({ "sender_id": carl, "plaintext": "still here" }),
    );
    assert_eq!(status, 403);
}

fn a_message_is_in_the_database_and_in_matrix(relay: &Relay) {
    let talk = relay.conversation();
    let id = relay.post(&talk, ANN, "both");
    relay.settled();
    let stored = relay.message(&talk, &id);
    assert_eq!((&stored["plaintext"], &stored["sequence_number"]), (&json!("both"), &json!(1)));
    assert!(stored["matrix_event_id"].as_str().unwrap().starts_with('$'), "{stored}");
    assert_eq!(relay.seen(&talk), [(ANN_IN_MATRIX.to_owned(), "both".to_owned())]);
}

fn an_edit_changes_the_message_in_both(relay: &Relay) {
    let talk = relay.conversation();
    let id = relay.post(&talk, ANN, "helo");
    let edit = |sender: &str, text: &str| {
        let edit = json!({ "sender_id": sender, "plaintext": text });
        relay.answer("PUT", &format!("/messages/{id}"), &edit).0
    };
    assert_eq!((edit(BOB, "mine"), edit(ANN, "hello")), (403, 200));
    relay.settled();
    let stored = relay.message(&talk, &id);
    assert_eq!(stored["plaintext"], "hello");
    assert!(stored["edited_at_ms"].is_u64());
    assert_eq!(relay.seen(&talk), [(ANN_IN_MATRIX.to_owned(), "hello".to_owned())]);
}

fn a_deleted_message_is_gone_from_both(relay: &Relay) {
    let talk = relay.conversation();
    let (first, second) = (relay.post(&talk, ANN, "keep"), relay.post(&talk, ANN, "lose"));
    let third = relay.post(&talk, BOB, "of a moderator");
    let path = |id: &str, who: &str| format!("/messages/{id}?user_id={who}");
    assert_eq!(relay.answer("DELETE", &path(&third, ANN), &Value::Null).0, 403);
    // A moderator takes away what others said.
    relay.ask("DELETE", &path(&second, BOB), &Value::Null);
    relay.settled();
    let stored = relay.message(&talk, &second);
    assert_eq!(stored["plaintext"], "");
    assert!(stored["deleted_at_ms"].is_u64());
    let seen: Vec<String> = relay.seen(&talk).into_iter().map(|it| it.1).collect();
    assert!(!seen.contains(&"lose".to_owned()) && seen.contains(&"keep".to_owned()), "{seen:?}");
    // Its edits say the text by themselves, and so does what can be read again by position.
    let edited = relay.post(&talk, ANN, "private");
    let edit = json!({ "sender_id": ANN, "plaintext": "private still" });
    relay.ask("PUT", &format!("/messages/{edited}"), &edit);
    relay.settled();
    relay.ask("DELETE", &path(&edited, ANN), &Value::Null);
    relay.settled();
    let room = relay.room(&talk);
    let raw = relay.server.run(&["content", "read-messages", &room, "--format", "json"]).success();
    assert!(!raw.stdout.contains("private"), "{raw}");
    let told = relay.ask("GET", &format!("/events?conversation_id={talk}&limit=200"), &Value::Null);
    assert!(!told.to_string().contains("private"), "{told}");
    let late = json!({ "sender_id": ANN, "plaintext": "late" });
    assert_eq!(relay.answer("PUT", &format!("/messages/{second}"), &late).0, 410);
    drop(first);
}

fn a_message_of_matrix_reaches_the_application(relay: &Relay) {
    let talk = relay.conversation();
    let asked = relay.post(&talk, ANN, "anybody there?");
    let room = relay.room(&talk);
    let said = relay.server.run(&["content", "send-message", &room, "the operator is", "-q"]);
    let event = said.success().line().to_owned();
    wait_for("it has come", || relay.history(&talk).len() == 2);
    let stored = relay.history(&talk).pop().unwrap();
    assert_eq!(stored["plaintext"], "the operator is");
    let operator = stored["sender_id"].clone();
    assert_eq!(stored["matrix_event_id"], event.as_str());
    // Whoever reads along is told so, and who joined before.
    let path = format!("/events?conversation_id={talk}&limit=200");
    wait_for("it is told last", || {
        let told = relay.ask("GET", &path, &Value::Null);
        told["events"].as_array().unwrap().last().unwrap()["document"]["plaintext"]
            == "the operator is"
    });

    relay.server.run(&["content", "edit-message", &room, &event, "the operator was"]).success();
    relay.server.run(&["content", "react", &room, &event, "👍"]).success();
    let mine = relay.message(&talk, &asked)["matrix_event_id"].as_str().unwrap().to_owned();
    relay.server.run(&["content", "react", &room, &mine, "👍"]).success();
    wait_for("the edit has come", || relay.history(&talk)[1]["plaintext"] == "the operator was");
    wait_for("both reactions have come", || {
        let told = relay.ask("GET", &path, &Value::Null);
        let all = told["events"].as_array().unwrap();
        all.iter().filter(|it| it["type"] == "reaction.added").count() == 2
    });
    let stored = relay.message(&talk, &asked);
    assert_eq!(stored["reactions"], json!([{ "key": "👍", "user_id": operator }]), "{stored}");
    relay.server.run(&["content", "redact-message", &room, &event]).success();
    wait_for("it is gone", || relay.history(&talk)[1]["deleted_at_ms"].is_u64());
    // Nothing of what came from there goes back.
    assert_eq!(relay.status()["waiting"], 0);
}

/// Reads server-sent events until one is as wanted; what came, its position and its type.
pub(crate) fn read_until(
    relay: &Relay,
    query: &str,
    headers: &str,
    wanted: &str,
    act: impl FnOnce(),
) -> Vec<(Option<u64>, String)> {
    let stream = TcpStream::connect(("127.0.0.1", relay.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let key = &relay.key;
    let head = format!(
        "GET /api/chat/stream?{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n{headers}\r\n"
    );
    (&stream).write_all(head.as_bytes()).unwrap();
    let (mut all, mut position, mut act) = (Vec::new(), None, Some(act));
    for line in BufReader::new(&stream).lines() {
        let line = line.unwrap();
        if line == ": here" {
            act.take().into_iter().for_each(|act| act());
        } else if let Some(id) = line.strip_prefix("id: ") {
            position = id.parse().ok();
        } else if let Some(kind) = line.strip_prefix("event: ") {
            all.push((position.take(), kind.to_owned()));
        } else if line.starts_with("data: ") && line.contains(wanted) {
            return all;
        }
    }
    panic!("the stream ended: {all:?}");
}

fn who_reads_along_hears_all_once_and_goes_on_where_they_were(relay: &Relay) {
    let talk = relay.conversation();
    let path = format!("/conversations/{talk}");
    let there = || relay.ask("GET", &path, &Value::Null);
    let query = format!("conversation_id={}&after=0", there()["slug"].as_str().unwrap());
    let heard = read_until(relay, &query, "", "three", || {
        for text in ["one", "two", "three"] {
            relay.post(&talk, ANN, text);
        }
    });
    let kinds: Vec<&str> = heard.iter().map(|it| it.1.as_str()).collect();
    let new = "message.new";
    assert_eq!(kinds, ["participant.joined", "participant.joined", new, new, new]);
    assert!(heard.is_sorted_by_key(|it| it.0.unwrap()), "{heard:?}");
    let headers = format!("Last-Event-ID: {}\r\n", heard[2].0.unwrap());
    assert_eq!(read_until(relay, &query, &headers, "three", || ())[..], heard[3..]);

    // Who types and who has read is heard both ways.
    let room = relay.room(&talk);
    let id = relay.history(&talk)[2]["id"].as_str().unwrap().to_owned();
    relay.server.run(&["content", "send-message", &room, "four"]).success();
    wait_for("it has come", || relay.history(&talk).len() == 4);
    let query = format!("user_id={BOB}");
    let heard = read_until(relay, &query, "", "\"typing\":true", || {
        relay.ask("POST", &format!("{path}/typing"), &json!({ "user_id": ANN, "typing": true }));
    });
    assert_eq!(heard.last().unwrap(), &(None, "typing".to_owned()));
    let heard = read_until(relay, &query, "", "\"read_up_to\":4", || {
        relay.server.run(&["content", "mark-read", &room]).success();
    });
    assert_eq!(heard.last().unwrap().1, "receipt");
    let read = |who: &str| {
        relay.ask("POST", &format!("/messages/{id}/receipts"), &json!({ "user_id": who }))["read"]
            .clone()
    };
    assert_eq!((read(BOB), read(BOB)), (json!(true), json!(false)));
    let people = there()["participants"].as_array().unwrap().clone();
    assert_eq!(people.iter().find(|it| it["user_id"] == BOB).unwrap()["read_up_to"], 3);
    relay.settled();
    assert_eq!(relay.status()["dead"], 0);
}

fn an_event_that_comes_again_is_taken_once(relay: &Relay) {
    let talk = relay.conversation();
    relay.post(&talk, ANN, "first");
    let room = relay.room(&talk);
    let event = json!([{
        "type": "m.room.message", "event_id": "$once-only", "room_id": room,
        "sender": "@eve:test.example", "origin_server_ts": 1_700_000_000_000_u64,
        "content": { "msgtype": "m.text", "body": "again?" },
    }]);
    let before = relay.metric("matrix_duplicate_events_total");
    for id in ["9001", "9001", "9002"] {
        assert_eq!(relay.transaction(id, &event), (200, json!({})));
    }
    assert_eq!(relay.metric("matrix_duplicate_events_total") - before, 2);
    assert_eq!(relay.history(&talk).len(), 2);

    // Of many at once each is taken as if it came by itself: what is wrong keeps out none of the others.
    let said = |id: &str, body: &str, relation: Value| {
        json!({
            "type": "m.room.message", "event_id": id, "room_id": room, "sender": "@eve:test.example",
            "origin_server_ts": 1_700_000_000_000_u64,
            "content": { "msgtype": "m.text", "body": body, "m.relates_to": relation },
        })
    };
    let many = json!([
        said("$many-1", "one", Value::Null),
        said("$many-2\0", "nobody has such an id", Value::Null),
        said("$once-only", "again?", Value::Null),
        said("$many-3", "two", json!({ "m.in_reply_to": { "event_id": "$many-1" } })),
        said("$many-4", "two", json!({ "m.in_reply_to": { "event_id": "$many-3" } })),
        said("$many-4", "two", Value::Null),
    ]);
    assert_eq!(relay.transaction("9003", &many), (200, json!({})));
    let stored = relay.history(&talk);
    let texts: Vec<&str> = stored.iter().filter_map(|it| it["plaintext"].as_str()).collect();
    assert_eq!(texts, ["first", "again?", "one", "two", "two"]);
    assert_eq!(
        (&stored[3]["reply_to"], &stored[4]["reply_to"]),
        (&stored[2]["id"], &stored[3]["id"])
    );
    assert_eq!(relay.metric("matrix_duplicate_events_total") - before, 4);
    // What cannot be kept holds up nothing else.
    let mine = relay.history(&talk)[0]["matrix_event_id"].clone();
    let odd = |id: &str, key: &str| {
        json!({
            "type": "m.reaction", "event_id": id, "room_id": room, "sender": "@eve:test.example",
            "content": { "m.relates_to": { "rel_type": "m.annotation", "event_id": mine, "key": key } },
        })
    };
    let events = json!([
        odd("$odd-one", &"x".repeat(9000)),
        odd(&"$".repeat(20_000), "y"),
        odd("$good", "z")
    ]);
    assert_eq!(relay.transaction("9003", &events), (200, json!({})));
    let refused = relay.try_ask("PUT", "/_matrix/app/v1/transactions/1", "wrong", "", &json!({}));
    assert_eq!(refused.unwrap().0, 403);
}

fn a_repeat_with_the_same_key_is_the_same_message_and_another_text_is_refused(relay: &Relay) {
    let talk = relay.conversation();
    let path = format!("/api/chat/conversations/{talk}/messages");
    let post = |text: &str| {
        let body = json!({ "sender_id": ANN, "plaintext": text });
        relay.try_ask("POST", &path, &relay.key, "Idempotency-Key: k-1\r\n", &body).unwrap()
    };
    let (first, second, other) = (post("once"), post("once"), post("twice"));
    assert_eq!((first.0, second.0, other.0), (201, 201, 409), "{other:?}");
    assert!(other.1["detail"].as_str().unwrap().contains("`Idempotency-Key`"), "{other:?}");
    assert_eq!(first.1["id"], second.1["id"]);
    // Nor by another name of the conversation.
    let body = json!({ "sender_id": ANN, "plaintext": "once" });
    let named = format!("/api/chat/event/{}/message", talk.to_uppercase());
    let key = "Idempotency-Key: k-1\r\n";
    let (_, named) = relay.try_ask("POST", &named, &relay.key, key, &body).unwrap();
    assert_eq!(first.1["id"], named["id"]);
    assert_eq!(relay.history(&talk).len(), 1);
    assert_eq!(relay.seen(&talk).len(), 1);
    let path = format!("/api/chat/messages/{}", first.1["id"].as_str().unwrap());
    let edit = |text: &str| {
        let body = json!({ "sender_id": ANN, "plaintext": text });
        relay.try_ask("PUT", &path, &relay.key, "Idempotency-Key: k-2\r\n", &body).unwrap().0
    };
    assert_eq!((edit("new"), edit("new"), edit("newer")), (200, 200, 409));
    let make = |name: &str| {
        let body = json!({ "name": name });
        let path = "/api/chat/conversations";
        relay.try_ask("POST", path, &relay.key, "Idempotency-Key: k-3\r\n", &body).unwrap().0
    };
    assert_eq!((make("one"), make("one"), make("two")), (201, 200, 409));
}

fn what_is_wrong_with_a_request_is_said_and_nothing_is_stored(relay: &Relay) {
    let talk = relay.conversation();
    let messages = format!("/conversations/{talk}/messages");
    let long = "x".repeat(40_000);
    let stranger = "550e8400-e29b-41d4-a716-44665544ffff";
    for (method, path, body, status) in [
        ("POST", messages.as_str(), json!({ "sender_id": ANN }), 400),
        ("POST", &messages, json!({ "sender_id": ANN, "plaintext": "" }), 400),
        ("POST", &messages, json!({ "sender_id": ANN, "plaintext": "x", "colour": 1 }), 400),
        ("POST", &messages, json!({ "sender_id": "ann", "plaintext": "x" }), 400),
        ("POST", &messages, json!({ "sender_id": ANN, "plaintext": long }), 413),
        ("POST", &messages, json!({ "sender_id": stranger, "plaintext": "x" }), 403),
        ("POST", "/conversations/7/messages", json!({ "sender_id": ANN, "plaintext": "x" }), 404),
        ("POST", &messages, json!([null, ANN, "x"]), 400),
        ("POST", "/conversations", json!({ "slug": ANN }), 400),
        ("POST", "/conversations", json!({ "slug": "a/b" }), 400),
        ("POST", "/conversations", json!({ "slug": ".." }), 400),
        ("GET", "/conversations/%ff", Value::Null, 400),
        ("PUT", "/users/ann", json!({}), 400),
        ("GET", "/events?conversation_id=nowhere", Value::Null, 404),
        ("DELETE", "/stream", Value::Null, 405),
        ("GET", "/conversations/550e8400-e29b-41d4-a716-44665544ffff", Value::Null, 404),
        ("GET", "/nothing", Value::Null, 404),
        ("PATCH", "/conversations", Value::Null, 405),
        ("GET", "/events?limit=1000", Value::Null, 400),
    ] {
        let (said, answer) = relay.answer(method, path, &body);
        assert_eq!(said, status, "{method} {path} {answer}");
        assert_eq!(answer["status"], status);
        assert!(!answer["detail"].as_str().unwrap().is_empty());
    }
    for (body, named) in [
        (json!({ "plaintext": "x" }), "`sender_id`"),
        (json!({ "sender_id": ANN, "plaintext": "a\0b" }), "`plaintext` holds the character NUL"),
    ] {
        let (status, why) = relay.answer("POST", &messages, &body);
        assert!(status == 400 && why["detail"].as_str().unwrap().contains(named), "{why}");
    }
    assert!(relay.history(&talk).is_empty());
    let refused =
        |key: &str| relay.try_ask("GET", "/api/chat/conversations", key, "", &Value::Null);
    assert_eq!(refused("wrong").unwrap().0, 401);
    let made = relay.server.json(&["content", "relay", "add-key", "reader", "--read-only"]);
    let reader = made["key"].as_str().unwrap();
    assert_eq!(refused(reader).unwrap().0, 200);
    let body = json!({ "sender_id": ANN, "plaintext": "x" });
    let path = format!("/api/chat{messages}");
    assert_eq!(relay.try_ask("POST", &path, reader, "", &body).unwrap().0, 403);
    let listed = relay.server.run(&["content", "relay", "keys"]).success();
    assert!(listed.stdout.contains("reader") && !listed.stdout.contains(reader));
    let mut reads = Socket::opened(relay, "", reader);
    relay.server.run(&["content", "relay", "remove-key", "reader"]).success();
    wait_for("the key is forgotten", || refused(reader).unwrap().0 == 401);
    reads.until("its key was removed");
    let (kind, said) = reads.next();
    assert_eq!((kind, u16::from_be_bytes([said[0], said[1]])), (8, 1008));
}

fn whatever_is_killed_each_message_is_there_once_and_in_order(relay: &Relay) {
    const MESSAGES: usize = 30;
    let seed = rand::rng().random();
    println!("seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let talk = relay.conversation();
    let path = format!("/api/chat/conversations/{talk}/messages");
    let mut wanted = BTreeMap::new();
    for n in 0..MESSAGES {
        if n % 10 == 5 {
            let service = ["relay", "synapse", "postgres"][dice.random_range(0..3_usize)];
            let now = std::fs::read(relay.server.data.join("run/state.json")).unwrap();
            let now: Value = serde_json::from_slice(&now).unwrap();
            // It may not be back from the last time.
            if let Some(pid) = now["services"][service]["pid"].as_u64() {
                kill_9(u32::try_from(pid).unwrap());
            }
        }
        // Without an answer nobody knows: the key makes it harmless to ask again.
        let again = |method: &str, path: &str, key: &str, body: &Value| {
            let key = format!("Idempotency-Key: {key}\r\n");
            let accepted = RefCell::new(None);
            wait_for("it is accepted", || {
                accepted.replace(answer_of(relay, method, path, &key, body));
                accepted.borrow().is_some()
            });
            accepted.into_inner().unwrap()
        };
        let body = json!({ "sender_id": ANN, "plaintext": format!("{n}") });
        let id = again("POST", &path, &format!("storm-{n}"), &body)["id"].clone();
        let id = id.as_str().unwrap().to_owned();
        let mut text = n.to_string();
        if dice.random_range(0..3) == 0 {
            text.push_str(" edited");
            let edit = json!({ "sender_id": ANN, "plaintext": text });
            again("PUT", &format!("/api/chat/messages/{id}"), &format!("edit-{n}"), &edit);
        }
        wanted.insert(n, text);
    }
    wait_for("it can be asked again", || {
        let path = "/api/chat/conversations?limit=1";
        relay.server.run(&["content", "relay", "status"]).code == 0
            && answer_of(relay, "GET", path, "", &Value::Null).is_some()
    });
    relay.settled();
    let wanted: Vec<String> = wanted.into_values().collect();
    let stored = relay.history(&talk);
    let texts: Vec<&str> = stored.iter().filter_map(|it| it["plaintext"].as_str()).collect();
    assert_eq!(texts, wanted);
    let seen: Vec<String> = relay.seen(&talk).into_iter().map(|it| it.1).collect();
    assert_eq!(seen, wanted);
    assert_eq!(relay.status()["dead"], 0);

    // What it said is kept while the homeserver is away, and sent when it is back.
    let failed = relay.metric("matrix_send_failure_total");
    let others: Vec<String> = (0..4).map(|_| relay.conversation()).collect();
    relay.server.run(&["manage", "stop", "synapse"]).success();
    relay.post(&talk, ANN, "while it was away");
    wait_for("it was tried in vain", || relay.metric("matrix_send_failure_total") > failed);
    assert_eq!(relay.status()["waiting"], 1);
    // Where so much fails, the service is not well: `status` shows that, and alerts tell it.
    for other in &others {
        relay.post(other, ANN, "nobody hears it yet");
    }
    wait_for("it is not well, with the reason", || {
        let (status, why) = crate::common::get(relay.port, "/health");
        status == 503 && why.contains("tries to tell the homeserver have failed")
    });
    let log = relay.server.run(&["logs", "relay", "--tail", "50"]).success();
    assert!(log.stdout.contains("waits"), "{log}");
    relay.server.run(&["manage", "start"]).success();
    assert_eq!(relay.seen(&talk).last().unwrap().1, "while it was away");

    // Who may not speak there any more holds up nobody, and it is said why.
    let room = relay.room(&talk);
    let manage = |words: &[&str]| relay.server.run(&[&["content"], words].concat()).success();
    manage(&["ban-user", &room, ANN_IN_MATRIX]);
    wait_for("the application hears of it", || {
        let there = relay.ask("GET", &format!("/conversations/{talk}"), &Value::Null);
        there["participants"].as_array().unwrap().iter().all(|it| it["user_id"] != ANN)
    });
    relay.ask("POST", &format!("/conversations/{talk}/participants"), &json!({ "user_id": ANN }));
    relay.post(&talk, ANN, "let me in");
    relay.post(&talk, BOB, "she is banned");
    assert_eq!(relay.seen(&talk).last().unwrap().1, "she is banned");
    let dead = relay.server.json(&["content", "relay", "dead"]);
    let letter = dead["dead"].as_array().unwrap().last().unwrap();
    assert_eq!((&letter["kind"], &letter["text"]), (&json!("message"), &json!("let me in")));
    assert!(letter["reason"].as_str().unwrap().contains("banned"), "{letter}");
    // What is deleted is gone, whoever may not be there.
    let first = stored[0]["id"].as_str().unwrap();
    relay.ask("DELETE", &format!("/messages/{first}?user_id={ANN}"), &Value::Null);
    assert!(relay.seen(&talk).iter().all(|it| it.1 != wanted[0]), "{}", wanted[0]);
    assert_eq!(relay.status()["dead"], dead["dead"].as_array().unwrap().len());
    manage(&["unban-user", &room, ANN_IN_MATRIX]);
    manage(&["relay", "retry", letter["id"].as_str().unwrap()]);
    assert_eq!(relay.seen(&talk).last().unwrap().1, "let me in");
    manage(&["relay", "drop", "--all"]);
    assert_eq!(relay.status()["dead"], 0);

    // Strangers are refused and nothing goes to Matrix, where the settings say so.
    let set = |key: &str, value: &str| relay.server.run(&["config", "set", key, value]).success();
    set("relay.strangers", "refuse");
    set("relay.matrix", "false");
    relay.server.run(&["manage", "restart", "relay"]).success();
    let before = relay.history(&talk).len();
    let event = json!([{
        "type": "m.room.message", "event_id": "$stranger", "room_id": room,
        "sender": "@nova-not-a-uuid:test.example", "origin_server_ts": 1,
        "content": { "msgtype": "m.text", "body": "who am I?" },
    }]);
    assert_eq!(relay.transaction("7001", &event).0, 200);
    assert_eq!(relay.history(&talk).len(), before);
    let log = relay.server.run(&["logs", "relay", "--tail", "50"]).success();
    assert!(log.stdout.contains("@nova-not-a-uuid:test.example is no user"), "{log}");
    let here =
        relay.answer("PUT", &format!("/users/{ANN}/presence"), &json!({ "presence": "online" }));
    let why = "nothing goes to Matrix (`relay.matrix`)";
    assert_eq!((here.0, &here.1["detail"]), (409, &json!(why)));
    let id = relay.post(&talk, ANN, "for us alone");
    assert_eq!(relay.message(&talk, &id)["plaintext"], "for us alone");
    assert_eq!(relay.seen(&talk).last().unwrap().1, "let me in");
}

fn answer_of(
    relay: &Relay,
    method: &str,
    path: &str,
    headers: &str,
    body: &Value,
) -> Option<Value> {
    let (status, answer) = relay.try_ask(method, path, &relay.key, headers, body)?;
    (200..300).contains(&status).then_some(answer)
}

/// A WebSocket that only listens.
struct Socket(TcpStream);

impl Socket {
    fn opened(relay: &Relay, query: &str, token: &str) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", relay.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        let head = format!(
            "GET /api/chat/socket?{query} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: bearer, {token}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            answer.extend(byte);
        }
        let answer = String::from_utf8(answer).unwrap().to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 101 "), "{answer}");
        assert!(answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"));
        assert!(answer.contains("sec-websocket-protocol: bearer\r\n"), "{answer}");
        Self(stream)
    }

    /// The kind of a frame, and what it holds.
    fn next(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.0.read_exact(&mut length).unwrap();
                usize::from(u16::from_be_bytes(length))
            }
            length => usize::from(length),
        };
        let mut said = vec![0; length];
        self.0.read_exact(&mut said).unwrap();
        (head[0] & 0x0F, said)
    }

    /// What is told, up to what is wanted.
    fn until(&mut self, wanted: &str) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let (kind, said) = self.next();
            if kind == 1 {
                let text = String::from_utf8(said).unwrap();
                all.push(serde_json::from_str(&text).unwrap());
                if text.contains(wanted) {
                    return all;
                }
            }
        }
    }
}

fn a_websocket_tells_the_same_and_takes_no_messages(relay: &Relay) {
    let talk = relay.conversation();
    let query = format!("conversation_id={talk}&after=0");
    let mut socket = Socket::opened(relay, &query, &relay.key);
    for text in ["one", "two", "three"] {
        relay.post(&talk, ANN, text);
    }
    let heard = socket.until("three");
    let kinds: Vec<&str> = heard.iter().filter_map(|it| it["type"].as_str()).collect();
    let new = "message.new";
    assert_eq!(kinds, ["participant.joined", "participant.joined", new, new, new]);
    let query = format!("conversation_id={talk}&after={}", heard[2]["position"]);
    assert_eq!(Socket::opened(relay, &query, &relay.key).until("three"), heard[3..]);

    // A ping is answered, and a message ends it.
    socket.0.write_all(&[0x89, 0x82, 0, 0, 0, 0, b'h', b'i']).unwrap();
    while socket.next() != (10, b"hi".to_vec()) {}
    socket.0.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).unwrap();
    let end = socket.until("\"type\":\"end\"").pop().unwrap();
    assert_eq!(end["resume"], heard[4]["position"], "{end}");
    let (kind, said) = socket.next();
    assert_eq!((kind, u16::from_be_bytes([said[0], said[1]])), (8, 1003));
    assert_eq!(socket.0.read(&mut [0; 8]).unwrap(), 0);
    let plain = relay.answer("GET", "/socket", &Value::Null);
    assert_eq!(plain.0, 426, "{plain:?}");
}

/// A key with which somebody signs tokens.
struct Issuer(Ed25519KeyPair);

impl Issuer {
    fn new() -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self(Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }

    fn published(&self) -> Value {
        let x = BASE64URL_NOPAD.encode(self.0.public_key().as_ref());
        json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "one", "x": x }] })
    }

    /// A token of Ann for a minute, with this changed.
    fn token(&self, change: &Value) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": ISSUER, "aud": "chat", "sub": ANN, "exp": now + 60,
            "scope": "openid relay:read relay:write",
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let head = json!({ "alg": "EdDSA", "kid": change["kid"].as_str().unwrap_or("one") });
        let part = |it: &Value| BASE64URL_NOPAD.encode(it.to_string().as_bytes());
        let text = format!("{}.{}", part(&head), part(&claims));
        format!("{text}.{}", BASE64URL_NOPAD.encode(self.0.sign(text.as_bytes()).as_ref()))
    }
}

fn a_token_opens_what_its_user_may_and_a_wrong_one_nothing(relay: &Relay) {
    let issuer = &relay.issuer;
    let ask = |method: &str, path: &str, token: &str, body: &Value| {
        relay.try_ask(method, &format!("/api/chat{path}"), token, "", body).unwrap()
    };
    let ann = issuer.token(&json!({}));
    let hers = relay.conversation();
    let dan = "550e8400-e29b-41d4-a716-446655440003";
    let people = json!({ "participants": [{ "user_id": BOB }, { "user_id": dan }] });
    let others = relay.ask("POST", "/conversations", &people)["id"].as_str().unwrap().to_owned();
    let say = |who: &str| json!({ "sender_id": who, "plaintext": "hello" });
    let (in_hers, in_others) =
        (format!("/conversations/{hers}/messages"), format!("/conversations/{others}/messages"));
    let theirs = relay.post(&others, BOB, "not for her");
    for (method, path, body, status) in [
        ("POST", in_hers.as_str(), say(ANN), 201),
        ("POST", &in_hers, json!({ "plaintext": "it is me" }), 201),
        ("POST", &in_hers, say(BOB), 403),
        ("GET", &format!("/users/{ANN}"), Value::Null, 200),
        ("GET", &format!("/users/{BOB}"), Value::Null, 200),
        ("GET", &format!("/users/{dan}"), Value::Null, 404),
        ("GET", &format!("/users/{dan}/avatar"), Value::Null, 404),
        ("GET", &format!("/events?conversation_id={others}"), Value::Null, 403),
        ("GET", "/events?conversation_id=nowhere", Value::Null, 403),
        ("POST", &in_others, say(ANN), 403),
        ("GET", &in_hers, Value::Null, 200),
        ("GET", &in_others, Value::Null, 403),
        ("GET", &format!("/conversations/{others}"), Value::Null, 403),
        ("POST", &format!("/messages/{theirs}/receipts"), json!({ "user_id": ANN }), 403),
        ("DELETE", &format!("/messages/{theirs}?user_id={BOB}"), Value::Null, 403),
        ("GET", &format!("/stream?user_id={BOB}"), Value::Null, 403),
        ("POST", "/conversations", json!({}), 403),
        ("POST", &format!("/conversations/{others}/participants"), json!({ "user_id": ANN }), 403),
        ("POST", &format!("/event/{others}/join"), json!({ "user_id": ANN }), 403),
    ] {
        let (said, answer) = ask(method, path, &ann, &body);
        assert_eq!(said, status, "{method} {path} {answer}");
    }
    let listed = ask("GET", "/conversations?limit=200", &ann, &Value::Null).1.to_string();
    assert!(listed.contains(&hers) && !listed.contains(&others));
    let heard = Socket::opened(relay, "after=0", &ann).until(&format!("\"{hers}\""));
    assert!(heard.iter().all(|it| it["conversation_id"] != others.as_str()));

    // Who is no user acts for the application, with the scope for that.
    let service = json!({ "sub": "service", "scope": "relay:admin relay:write" });
    assert_eq!(ask("POST", &in_others, &issuer.token(&service), &say(BOB)).0, 201);
    for (token, status, detail) in [
        (issuer.token(&json!({ "iss": "https://other.example" })), 401, "of another issuer"),
        (issuer.token(&json!({ "aud": "other" })), 401, "not for this audience"),
        (issuer.token(&json!({ "exp": 1 })), 401, "has expired"),
        (issuer.token(&json!({ "sub": "service" })), 403, "relay:admin"),
        (issuer.token(&json!({ "scope": "relay:read" })), 403, "no scope to write"),
        (issuer.token(&json!({ "kid": "two" })), 401, "its issuer does not name"),
        (Issuer::new().token(&json!({})), 401, "signature of the token is wrong"),
        (ann.replacen("ey", "eyJ9", 1), 401, "could be read"),
    ] {
        let (said, answer) = ask("POST", &in_hers, &token, &say(ANN));
        assert_eq!(said, status, "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains(detail), "{answer}");
        assert!(!answer.to_string().contains(&token[..20]), "{answer}");
    }

    // Who asks too often is refused, and nobody else. This is counted before it is refused.
    let often = || ask("GET", "/events?limit=0", &ann, &Value::Null).0;
    let refused = (0..2000).find(|_| often() == 429).unwrap();
    assert!(refused >= 400, "{refused}");
    assert_eq!(relay.answer("GET", "/events?limit=0", &Value::Null).0, 400);
}
