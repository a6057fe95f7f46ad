//! The client against a server that misbehaves.

use std::os::unix::fs::PermissionsExt as _;

use ruma::{TransactionId, room_id, server_name, user_id};

use super::*;
use crate::{
    canned::{Answer, Server},
    error::{Explain as _, Kind},
    matrix::{message, relations, room},
};

fn session(server: &Server) -> Session {
    Session {
        url: server.url(),
        server_name: server_name!("x.org").to_owned(),
        user_id: user_id!("@op:x.org").to_owned(),
        device_id: "D".into(),
        access_token: Secret::new("old"),
        dendrite: false,
    }
}

fn client(server: &Server) -> Client {
    Client::new(session(server), None, Duration::from_secs(3)).unwrap()
}

async fn send(client: &Client) -> Result<String, Error> {
    let content = message::text("hi", message::Markup::Plain, false);
    let transaction = <&TransactionId>::from("t1").to_owned();
    let sent = message::send(client, room_id!("!r:x.org"), &content, &transaction).await;
    sent.map(|event| event.to_string())
}

const SEND: &str = "/_matrix/client/v3/rooms/!r:x.org/send/m.room.message/t1";

fn answers(server: &Server, times: usize, answer: Answer) {
    server.answers(answer.with_method(Method::PUT).at(SEND).times(times));
}

fn ok() -> Answer {
    Answer::new(200, r#"{"event_id":"$e"}"#)
}

#[tokio::test]
async fn a_busy_server_is_waited_for_as_it_asks() {
    let server = Server::start().await;
    let busy = r#"{"errcode":"M_LIMIT_EXCEEDED","error":"slow","retry_after_ms":30}"#;
    answers(&server, 2, Answer::new(429, busy));
    answers(&server, 1, ok());
    assert_eq!(send(&client(&server)).await.unwrap(), "$e");
}

#[tokio::test]
async fn what_no_address_has_room_for_is_refused_before_anything_is_sent() {
    let server = Server::start().await;
    for length in [16_001, 70_000] {
        let word = "x".repeat(length);
        let transaction = <&TransactionId>::from(word.as_str()).to_owned();
        let content = message::text("hi", message::Markup::Plain, false);
        let client = client(&server);
        let sent = message::send(&client, room_id!("!r:x.org"), &content, &transaction);
        let path = format!("/_synapse/admin/v1/rooms?search_term={word}");
        let asked = client.raw(Method::GET, &path, None).await;
        for error in [sent.await.unwrap_err(), asked.unwrap_err()] {
            assert!(matches!(error, Error::LongAddress), "{error}");
            assert_eq!(error.kind(), Kind::Request);
        }
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_wait_beyond_the_deadline_is_not_begun() {
    let server = Server::start().await;
    let busy = r#"{"errcode":"M_LIMIT_EXCEEDED","error":"slow","retry_after_ms":90000}"#;
    answers(&server, 1, Answer::new(429, busy));
    let error = send(&client(&server)).await.unwrap_err();
    assert_eq!(error.to_string(), "the homeserver asks to wait 90 seconds before the next request");
}

#[tokio::test]
async fn a_failing_server_gets_the_same_transaction_again() {
    let server = Server::start().await;
    let broken = r#"{"errcode":"M_UNKNOWN","error":"Internal server error"}"#;
    answers(&server, 1, Answer::new(500, broken));
    answers(&server, 1, Answer::new(502, "<html>"));
    answers(&server, 1, ok());
    assert_eq!(send(&client(&server)).await.unwrap(), "$e");
}

#[tokio::test]
async fn a_silent_server_leaves_the_outcome_unknown() {
    let server = Server::start().await;
    answers(&server, 1, ok().after(Duration::from_secs(30)));
    let client = Client::new(session(&server), None, Duration::from_millis(200)).unwrap();
    assert!(send(&client).await.unwrap_err().is_outcome_unknown());
}

#[tokio::test]
async fn something_else_on_the_port_is_named_as_such() {
    let server = Server::start().await;
    answers(&server, 1, Answer::new(404, "<h1>nginx</h1>"));
    let error = send(&client(&server)).await.unwrap_err();
    assert!(matches!(error, Error::NotMatrix { status: 404, .. }), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_not_json_is_an_error() {
    let server = Server::start().await;
    answers(&server, 1, Answer::new(200, "<h1>hi</h1>"));
    let error = send(&client(&server)).await.unwrap_err();
    assert!(matches!(error, Error::Answer { .. }), "{error}");
}

#[tokio::test]
async fn nobody_on_the_port_is_unreachable() {
    let server = Server::start().await;
    let session = Session { url: "http://127.0.0.1:9".into(), ..session(&server) };
    let client = Client::new(session, None, Duration::from_secs(3)).unwrap();
    let error = send(&client).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_forgotten_session_is_renewed_once_and_kept() {
    let server = Server::start().await;
    let gone = r#"{"errcode":"M_UNKNOWN_TOKEN","error":"Invalid access token"}"#;
    server.answers(Answer::new(401, gone).at(SEND).for_token("old").times(1));
    let fresh = r#"{"access_token":"new","user_id":"@op:x.org","device_id":"D"}"#;
    server.answers(Answer::new(200, fresh).at("/login").times(1));
    server.answers(ok().at(SEND).for_token("new").times(1));
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::new(folder.path().to_owned());
    let file = session::operator_file(&data);
    let home = Some((data, file.clone()));
    let client = Client::new(session(&server), home, Duration::from_secs(3)).unwrap();
    assert_eq!(send(&client).await.unwrap(), "$e");
    assert_eq!(Session::load(&file).unwrap().unwrap().access_token.expose(), "new");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

/// However many find at once that their session is gone: a second login would end what the first one got.
#[tokio::test]
async fn tasks_that_share_a_client_renew_its_session_once() {
    let server = Server::start().await;
    let gone = r#"{"errcode":"M_UNKNOWN_TOKEN","error":"Invalid access token"}"#;
    server.answers(Answer::new(401, gone).at(SEND).for_token("old"));
    let fresh = Answer::new(200, r#"{"access_token":"new"}"#);
    server.answers(fresh.at("/login").times(1));
    server.answers(ok().at(SEND).for_token("new").times(8));
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::new(folder.path().to_owned());
    let file = session::operator_file(&data);
    let client = Client::new(session(&server), Some((data, file)), Duration::from_mins(1)).unwrap();
    let tasks = (0..8).map(|_| client.afresh());
    let sent = tasks.map(|client| tokio::spawn(async move { send(&client).await }));
    for task in sent.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap().unwrap(), "$e");
    }
}

#[tokio::test]
async fn what_was_lost_is_asked_again_where_the_request_allows_it() {
    let server = Server::start().await;
    let broken = r#"{"errcode":"M_UNKNOWN","error":"Internal server error"}"#;
    // Both are POSTs.
    for end in ["/join", "/invite"] {
        server.answers(Answer::new(500, broken).at(end).times(1));
    }
    server.answers(Answer::new(200, "{}").at("/join").times(1));
    let (client, room) = (client(&server), room_id!("!r:x.org"));
    room::join(&client, room).await.unwrap();
    let user_id = user_id!("@u:x.org").to_owned();
    let invite = api::invite::Request { room_id: room.to_owned().into(), user_id };
    let error = client.send(invite).await.unwrap_err();
    assert!(matches!(error, Error::Refused { status: 500, .. }), "{error}");
}

#[tokio::test]
async fn the_longest_wait_that_can_be_asked_for_is_refused_like_any_other() {
    for most in [u64::MAX, u64::MAX - 1, i64::MAX as u64] {
        let server = Server::start().await;
        let busy = Answer::new(429, r#"{"errcode":"M_LIMIT_EXCEEDED","error":"slow"}"#);
        let busy = busy.header(header::RETRY_AFTER, most.to_string());
        answers(&server, 1, busy);
        let error = send(&client(&server)).await.unwrap_err();
        let said = format!("the homeserver asks to wait {most} seconds before the next request");
        assert_eq!(error.to_string(), said);
    }
}

#[tokio::test]
async fn an_empty_answer_is_unexpected_and_no_success() {
    let server = Server::start().await;
    server.answers(Answer::new(200, "{}"));
    let client = client(&server);
    let error = send(&client).await.unwrap_err();
    assert!(matches!(error, Error::Answer { .. }), "{error}");
    let error = room::is_encrypted(&client, room_id!("!r:x.org")).await.unwrap_err();
    assert!(matches!(error, Error::NoAlgorithm(_)), "{error}");
    let event = ruma::event_id!("$e:x.org");
    let error = room::require_event(&client, room_id!("!r:x.org"), event).await.unwrap_err();
    assert!(matches!(error, Error::Answer { .. }), "{error}");
}

#[tokio::test]
async fn an_event_of_another_room_is_not_in_this_one() {
    let server = Server::start().await;
    let found = r#"{"event":{"event_id":"$e:x.org","room_id":"!other:x.org"}}"#;
    server.answers(Answer::new(200, found).at("/fetch_event/"));
    let event = ruma::event_id!("$e:x.org");
    let client = client(&server);
    let error = room::require_event(&client, room_id!("!r:x.org"), event).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no event `$e:x.org` in the room `!r:x.org`");
    room::require_event(&client, room_id!("!other:x.org"), event).await.unwrap();
}

#[tokio::test]
async fn the_alias_of_a_server_that_cannot_be_asked_is_not_waited_for() {
    let server = Server::start().await;
    let failed = r#"{"errcode":"M_UNKNOWN","error":"Failed to fetch alias"}"#;
    server.answers(Answer::new(502, failed).at("/directory/room/"));
    let client = Client::new(session(&server), None, Duration::from_secs(1)).unwrap();
    let error = room::resolve(&client, "#a:other.example").await.unwrap_err();
    assert!(matches!(error, Error::Elsewhere(_)), "{error}");
    assert!(error.is_not_found());
}

#[tokio::test]
async fn an_answer_without_an_end_is_read_up_to_a_limit() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::task::spawn_blocking(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n").unwrap();
        let page = vec![b' '; 1 << 20];
        let mut written = 0;
        // Until the reader has enough.
        while stream.write_all(&page).is_ok() {
            written += page.len();
        }
        written
    });
    let bare = Server::start().await;
    let session = Session { url, ..session(&bare) };
    let client = Client::new(session, None, Duration::from_mins(1)).unwrap();
    let error = client.raw(Method::GET, "/_matrix/client/versions", None).await.unwrap_err();
    assert!(error.to_string().ends_with("is larger than 64 MB"), "{error}");
    drop(client);
    assert!(server.await.unwrap() < 2 * LARGEST_ANSWER);
}

#[tokio::test]
async fn the_server_sees_what_was_typed_in_every_path() {
    // Each of these is a legal letter of an id, and means something in an address.
    const LETTERS: &str = "%41%2F%2e?#&+=;~!$'()*,@|^\\";
    let server = Server::start().await;
    server.answers(Answer::new(404, ""));
    let client = client(&server);
    let room: ruma::OwnedRoomId = format!("!r{LETTERS}:x.org").try_into().unwrap();
    let event: ruma::OwnedEventId = format!("$e{LETTERS}:x.org").try_into().unwrap();
    let alias = format!("#a{LETTERS}:x.org");
    let id = <&TransactionId>::from(LETTERS).to_owned();
    let user = user_id!("@u%41:x.org").to_owned();
    let content = message::text("hi", message::Markup::Plain, false);
    message::send(&client, &room, &content, &id).await.unwrap_err();
    message::redact(&client, &room, &event, &id, None).await.unwrap_err();
    relations::all(&client, &room, &event, "m.replace").await.unwrap_err();
    room::resolve(&client, &alias).await.unwrap_err();
    room::details(&client, &room).await.unwrap_err();
    room::join(&client, &room).await.unwrap_err();
    room::leave(&client, &room).await.unwrap_err();
    room::membership(&client, &room, &user).await.unwrap_err();
    room::is_encrypted(&client, &room).await.unwrap_err();
    room::require_event(&client, &room, &event).await.unwrap_err();
    let members = crate::matrix::admin::rooms::members::Request { room_id: room.clone().into() };
    client.send(members).await.unwrap_err();
    let asked = crate::matrix::admin::users::get::Request { user_id: user.clone().into() };
    client.send(asked).await.unwrap_err();

    let decoded = |part: &str| {
        let mut bytes = part.bytes();
        let mut text = Vec::new();
        while let Some(byte) = bytes.next() {
            let mut digit =
                || u8::try_from(char::from(bytes.next().unwrap()).to_digit(16).unwrap()).unwrap();
            text.push(if byte == b'%' { digit() * 16 + digit() } else { byte });
        }
        String::from_utf8(text).unwrap()
    };
    let requests = server.asked();
    let paths: Vec<Vec<String>> = requests
        .iter()
        .map(|request| request.path().split('/').skip(3).map(decoded).collect())
        .collect();
    let (room, event, id, user) = (room.as_str(), event.as_str(), id.as_str(), user.as_str());
    let wanted: [&[&str]; 12] = [
        &["v3", "rooms", room, "send", "m.room.message", id],
        &["v3", "rooms", room, "redact", event, id],
        &["v1", "rooms", room, "relations", event, "m.replace"],
        &["v3", "directory", "room", &alias],
        &["v1", "rooms", room],
        &["v3", "rooms", room, "join"],
        &["v3", "rooms", room, "leave"],
        &["v3", "rooms", room, "state", "m.room.member", user],
        &["v3", "rooms", room, "state", "m.room.encryption", ""],
        &["v1", "fetch_event", event],
        &["v1", "rooms", room, "members"],
        &["v2", "users", user],
    ];
    assert_eq!(paths, wanted);
    assert!(
        requests.iter().all(|request| request.query().is_none_or(|query| query == "limit=100"))
    );
}

#[tokio::test]
async fn an_endpoint_that_fails_in_the_same_words_three_times_has_answered() {
    let server = Server::start().await;
    let body = serde_json::json!({ "errcode": "M_UNKNOWN", "error": "Internal server error" });
    server.answers(Answer::new(500, body.to_string()).times(3));
    let path = "/_synapse/admin/v1/statistics/database/rooms";
    let error = client(&server).raw(Method::GET, path, None).await.unwrap_err();
    assert!(matches!(error, Error::Refused { status: 500, .. }), "{error}");
}

#[tokio::test]
async fn what_is_refused_for_being_in_the_clear_is_sent_encrypted_or_not_at_all() {
    let refused = serde_json::json!({
        "errcode": "M_FORBIDDEN", "error": "the room is encrypted", sealing::MARK: true,
    });
    let server = Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::new(folder.path().to_owned());
    let home = Some((data.clone(), data.secret("operator.json")));
    let homely = Client::new(session(&server), home, Duration::from_secs(3)).unwrap();
    let room = room_id!("!r:x.org");
    let id = <&TransactionId>::from("t1").to_owned();
    let refuses = |times| answers(&server, times, Answer::new(403, refused.to_string()));

    refuses(2);
    assert!(matches!(send(&client(&server)).await, Err(Error::InTheClear)));
    assert!(!message::is_known_sealed(&data, room));
    // Beside the tests there is no program that encrypts.
    assert!(matches!(send(&homely).await, Err(Error::Encrypted(_))));
    assert!(message::is_known_sealed(&data, room));
    assert!(matches!(send(&homely).await, Err(Error::Encrypted(_))));

    // A file has to be uploaded anew, also where somebody else has found out meanwhile.
    message::forget(&data, room);
    refuses(1);
    let content = serde_json::json!({ "msgtype": "m.file", "body": "a", "url": "mxc://x/1" });
    for _ in 0..2 {
        let sent = message::send_file(&homely, room, &content, &id).await;
        assert!(matches!(sent, Err(Error::InTheClear)), "{sent:?}");
        assert!(message::is_known_sealed(&data, room));
    }
    let content = serde_json::json!({ "msgtype": "m.file", "body": "a", "file": {} });
    let sent = message::send_file(&homely, room, &content, &id).await;
    assert!(matches!(sent, Err(Error::Encrypted(_))), "{sent:?}");
    assert_eq!(server.asked().len(), 3);
}
