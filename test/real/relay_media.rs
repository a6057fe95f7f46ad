//! Files, names, pictures and who is there, between an application and Matrix.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::OnceLock,
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    common::{file, wait_for},
    relay::{ANN, ANN_IN_MATRIX, BOB, Relay, read_until},
};

const PICTURE: &[u8] = b"GIF89a\x02\x00\x03\x00\x00\x00\x00;";

/// The application's own server: it has a picture at `/a%20picture.gif`, and at `/busy` on the third try.
fn application() -> String {
    static PORT: OnceLock<u16> = OnceLock::new();
    let port = PORT.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let mut tries = 0;
            for stream in listener.incoming() {
                let (mut stream, mut asked) = (stream.unwrap(), [0; 4096]);
                let length = stream.read(&mut asked).unwrap();
                let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
                let path = asked.split(' ').nth(1).unwrap_or_default();
                tries += u32::from(path == "/busy");
                let status = match path {
                    "/a%20picture.gif" => "200 OK",
                    "/busy" if tries >= 3 => "200 OK",
                    "/busy" => "503 Busy",
                    _ => "404 Not Found",
                };
                let body = if status.starts_with('2') { PICTURE } else { b"" };
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: image/gif\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                drop(stream.write_all(&[head.as_bytes(), body].concat()));
            }
        });
        port
    });
    format!("http://127.0.0.1:{port}")
}

/// A request whose body or answer is no JSON: the head of the answer, and its body.
fn asked(relay: &Relay, request: &str, headers: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(("127.0.0.1", relay.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let (method, path) = request.split_once(' ').unwrap();
    let (key, length) = (&relay.key, body.len());
    let head = format!(
        "{method} /api/chat{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    (String::from_utf8(answer[..end].to_vec()).unwrap(), answer[end + 4..].to_vec())
}

/// Shows a file of that address; the message.
fn shown(relay: &Relay, talk: &str, path: &str, more: &Value) -> Value {
    let mut new = json!({ "sender_id": ANN, "url": format!("{}{path}", application()) });
    for (name, value) in more.as_object().unwrap() {
        new[name] = value.clone();
    }
    let request = format!("POST /conversations/{talk}/files");
    let json = "Content-Type: application/json\r\n";
    let (head, body) = asked(relay, &request, json, new.to_string().as_bytes());
    assert!(head.starts_with("HTTP/1.1 201"), "{head} {}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap()
}

/// What people see of a message.
fn event(relay: &Relay, talk: &str, message: &Value) -> Value {
    relay.settled();
    let stored = relay.message(talk, message["id"].as_str().unwrap());
    let event = stored["matrix_event_id"].as_str().unwrap_or_else(|| panic!("{stored}"));
    relay.server.json(&["content", "get-event", event])["event"].clone()
}

pub(crate) fn a_file_of_an_address_or_a_body_is_shown_in_the_room(relay: &Relay) {
    let talk = relay.conversation();
    let message = shown(relay, &talk, "/a%20picture.gif", &json!({ "caption": "look" }));
    assert_eq!((&message["kind"], &message["plaintext"]), (&json!("image"), &json!("look")));
    assert_eq!(message["media"]["name"], "a picture.gif");
    let seen = event(relay, &talk, &message)["content"].clone();
    assert_eq!((&seen["msgtype"], &seen["body"]), (&json!("m.image"), &json!("look")), "{seen}");
    assert_eq!((&seen["filename"], &seen["info"]["h"]), (&json!("a picture.gif"), &json!(3)));
    let id = message["id"].as_str().unwrap();
    let stored = relay.message(&talk, id)["media"].clone();
    assert_eq!((&stored["url"], &stored["size"]), (&seen["url"], &json!(PICTURE.len())));
    // Another caption leaves the picture where it is.
    let edit = json!({ "sender_id": ANN, "plaintext": "look there" });
    relay.ask("PUT", &format!("/messages/{id}"), &edit);
    relay.settled();
    let seen = relay.seen(&talk);
    assert_eq!(seen.last().unwrap().1, "look there", "{seen:?}");

    let request = format!(
        "POST /conversations/{talk}/files?sender_id={BOB}&name=%C3%BC.gif&caption=mine&reply_to={id}"
    );
    let key = "Idempotency-Key: file-1\r\n";
    let post = |bytes: &[u8]| {
        let (head, body) = asked(relay, &request, key, bytes);
        (head[9..12].to_owned(), serde_json::from_slice::<Value>(&body).unwrap())
    };
    let (first, second) = (post(PICTURE), post(PICTURE));
    assert_eq!((&*first.0, &first.1["id"]), ("201", &second.1["id"]), "{first:?} {second:?}");
    assert_eq!((&*post(b"another").0, &*post(b"").0), ("409", "400"));
    // What holds more than the file is refused, and is not taken for one that is fetched.
    let form = "Content-Type: multipart/form-data; boundary=x\r\n";
    assert!(asked(relay, &request, form, PICTURE).0.starts_with("HTTP/1.1 400"));
    let odd = json!({ "mime": "multipart/form-data; boundary=x", "name": "odd" });
    let odd = shown(relay, &talk, "/a%20picture.gif", &odd);
    assert_eq!(event(relay, &talk, &odd)["content"]["filename"], "odd");
    let seen = event(relay, &talk, &first.1)["content"].clone();
    assert_eq!(
        (&seen["filename"], &seen["info"]["mimetype"]),
        (&json!("ü.gif"), &json!("image/gif"))
    );
    assert!(seen["m.relates_to"]["m.in_reply_to"]["event_id"].is_string(), "{seen}");
    // It comes back as it was.
    let path = format!("GET /messages/{}/file", first.1["id"].as_str().unwrap());
    let (head, body) = asked(relay, &path, "", b"");
    assert!(body == PICTURE, "{head}");
    let head = head.to_ascii_lowercase();
    for header in ["type: image/gif", "nosniff", "attachment; filename*=utf-8''%c3%bc.gif"] {
        assert!(head.contains(header), "{head}");
    }
    let large = format!("Content-Length: {}\r\n", 11 << 20);
    let request = request.replace("%C3%BC.gif", "large");
    let mut stream = TcpStream::connect(("127.0.0.1", relay.port)).unwrap();
    let path = request.strip_prefix("POST ").unwrap();
    let head = format!(
        "POST /api/chat{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n{large}\r\n",
        relay.key
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut said = [0; 12];
    stream.read_exact(&mut said).unwrap();
    assert_eq!(&said[..], b"HTTP/1.1 413");
}

pub(crate) fn a_file_that_cannot_be_fetched_is_put_aside_and_holds_up_nobody(relay: &Relay) {
    let talk = relay.conversation();
    let gone = shown(relay, &talk, "/nothing", &json!({}));
    let private = shown(relay, &talk, "", &json!({ "url": "http://10.255.255.1/x.png" }));
    let other = shown(relay, &talk, "/busy", &json!({ "name": "later.gif" }));
    assert_eq!(event(relay, &talk, &other)["content"]["body"], "later.gif");
    let dead = relay.server.json(&["content", "relay", "dead"]);
    let why = |message: &Value| {
        let all = dead["dead"].as_array().unwrap();
        all.iter().find(|it| it["message_id"] == message["id"]).unwrap()["reason"].clone()
    };
    assert_eq!(why(&gone), "127.0.0.1 answers 404 Not Found");
    // The application sees it too.
    let stored = relay.message(&talk, gone["id"].as_str().unwrap());
    assert_eq!(stored["matrix_refused"], why(&gone));
    assert_eq!(
        why(&private),
        "`10.255.255.1` is in a private network; `relay.fetch_from` allows ranges of addresses"
    );
    let path = format!("GET /messages/{}/file", private["id"].as_str().unwrap());
    assert!(asked(relay, &path, "", b"").0.starts_with("HTTP/1.1 404"));
    relay.server.run(&["content", "relay", "drop", "--all"]).success();
}

pub(crate) fn people_of_matrix_are_seen_with_their_files_names_and_presence(relay: &Relay) {
    let server = &relay.server;
    let talk = relay.conversation();
    relay.post(&talk, ANN, "show me");
    let room = relay.room(&talk);
    let picture = file(&server.data, "theirs.gif", PICTURE).display().to_string();
    server.run(&["content", "send-media", &room, &picture]).success();
    wait_for("it has come", || relay.history(&talk).len() == 2);
    let message = relay.history(&talk).pop().unwrap();
    assert_eq!(
        (&message["kind"], &message["media"]["name"]),
        (&json!("image"), &json!("theirs.gif"))
    );
    let path = format!("GET /messages/{}/file", message["id"].as_str().unwrap());
    let (head, body) = asked(relay, &path, "", b"");
    assert!(head.contains("image/gif") && body == PICTURE, "{head}");

    // Who they are.
    let them = message["sender_id"].as_str().unwrap();
    let their = || relay.ask("GET", &format!("/users/{them}"), &Value::Null);
    let user = their()["matrix_user_id"].as_str().unwrap().to_owned();
    let of_talk = format!("conversation_id={talk}");
    let heard = read_until(relay, &of_talk, "", "\"name\":\"The Operator\"", || {
        server.run(&["content", "rename-user", &user, "The Operator"]).success();
    });
    assert_eq!(heard.last().unwrap().1, "participant.changed");
    server.run(&["content", "set-avatar", &user, &picture]).success();
    wait_for("their name and picture have come", || {
        let there = relay.ask("GET", &format!("/conversations/{talk}"), &Value::Null);
        let people = there["participants"].as_array().unwrap().clone();
        people.iter().any(|it| {
            it["name"] == "The Operator"
                && it["avatar_url"].as_str().is_some_and(|it| it.starts_with("mxc"))
        })
    });
    assert!(asked(relay, &format!("GET /users/{them}/avatar"), "", b"").1 == PICTURE);
    let theirs = relay.answer("PUT", &format!("/users/{them}"), &json!({ "name": "Else" }));
    assert_eq!(theirs.0, 403);

    // Whether they are there.
    let heard =
        read_until(relay, &format!("user_id={BOB}"), "", "\"presence\":\"unavailable\"", || {
            server
                .run(&["content", "set-presence", "unavailable", "--status", "at lunch"])
                .success();
        });
    assert_eq!(heard.last().unwrap(), &(None, "presence".to_owned()));
}

pub(crate) fn users_have_names_pictures_and_presence_without_saying_anything(relay: &Relay) {
    let server = &relay.server;
    let talk = relay.conversation();
    relay.post(&talk, ANN, "here I am");
    relay.settled();
    let user = format!("/users/{ANN}");
    let profile = |name: &str| {
        let path = format!("GET /_matrix/client/v3/profile/{ANN_IN_MATRIX}");
        server.json(&["content", "execute", "--name", &path])[name].clone()
    };
    let avatar = format!("{}/a%20picture.gif", application());
    let of_talk = format!("conversation_id={talk}");
    let heard = read_until(relay, &of_talk, "", "\"name\":\"Anna\"", || {
        let put = relay.ask("PUT", &user, &json!({ "name": "Anna", "avatar_url": avatar }));
        assert_eq!((&put["name"], &put["avatar_url"]), (&json!("Anna"), &json!(avatar)));
    });
    assert_eq!(heard.last().unwrap().1, "participant.changed");
    wait_for("the homeserver has the picture", || profile("avatar_url").is_string());
    assert_eq!(profile("displayname"), "Anna");
    let wrong = format!("{}/nothing", application());
    relay.ask("PUT", &user, &json!({ "avatar_url": wrong }));
    wait_for("it is said what is wrong with it", || {
        relay.ask("GET", &user, &Value::Null)["avatar_trouble"] == "127.0.0.1 answers 404 Not Found"
    });
    relay.ask("PUT", &user, &json!({ "name": "Ann", "avatar_url": "" }));
    wait_for("the picture is gone", || profile("avatar_url").as_str().is_none_or(str::is_empty));
    assert_eq!(relay.ask("GET", &user, &Value::Null)["avatar_trouble"], Value::Null);
    assert_eq!(
        relay.answer("GET", &format!("/users/{}", ANN.replace("00", "ee")), &Value::Null).0,
        404
    );
    let wrong = json!({ "avatar_url": "ftp://x/a" });
    assert_eq!(relay.answer("PUT", &user, &wrong).0, 400);

    let here = json!({ "presence": "online", "status": "at work" });
    let heard = read_until(relay, &format!("user_id={BOB}"), "", "at work", || {
        relay.ask("PUT", &format!("{user}/presence"), &here);
    });
    assert_eq!(heard.last().unwrap(), &(None, "presence".to_owned()));
    let seen = server.json(&["content", "get-presence", ANN_IN_MATRIX]);
    assert_eq!((&seen["presence"], &seen["status"]), (&json!("online"), &json!("at work")));
}
