//! Events as they come: each once and in order, whoever is killed; handed to a command until that has done
//! what it should.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::Stdio,
    sync::mpsc::{Receiver, channel},
    thread,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use crate::{
    common::{Instance, file, go_on, halt, wait_for},
    messages::Stream,
};

/// One that writes its records to the end of a file.
fn listener(server: &Instance, words: &[&str], records: &std::path::Path) -> Stream {
    let records = OpenOptions::new().append(true).create(true).open(records).unwrap();
    let mut command = server.command();
    command.args(["content", "listen"]).args(words).args(["--format", "json"]);
    command.stdin(Stdio::null()).stdout(records).stderr(Stdio::null());
    Stream(command.spawn().unwrap())
}

fn heard(records: &std::path::Path) -> Vec<Value> {
    let text = fs::read_to_string(records).unwrap_or_default();
    // The last may be half written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn bodies(heard: &[Value]) -> Vec<String> {
    heard.iter().map(|it| it["content"]["body"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_listener_that_is_killed_again_and_again_misses_no_event_and_keeps_the_order() {
    const MESSAGES: usize = 120;
    const KILLS: usize = 6;
    let server = Instance::shared();
    let room = server.room("Heard");
    let records = server.data.join("heard.jsonl");
    let cursor = server.data.join("heard.cursor").display().to_string();
    let words = [&room, "--type", "m.room.message", "--cursor", &cursor];
    let mut running = listener(server, &words, &records);
    wait_for("it has noted where it begins", || fs::exists(&cursor).unwrap());
    let lines: String = (0..MESSAGES).map(|n| format!("line {n}\n")).collect();
    let lines = file(&server.data, "heard.txt", lines.as_bytes()).display().to_string();
    let mut sender = server.command();
    sender.args(["content", "send-message", &room, "--file", &lines]).stdout(Stdio::null());
    let mut sender = sender.spawn().unwrap();
    for kill in 1..=KILLS {
        wait_for("it has heard some more", || heard(&records).len() > kill * MESSAGES / 20);
        drop(running);
        running = listener(server, &words, &records);
    }
    assert!(sender.wait().unwrap().success());
    wait_for("it has heard the last", || heard(&records).len() >= MESSAGES);
    drop(running);
    // Killed between an event and the note that it was told, it tells that one again: that one, and no other.
    let told = heard(&records);
    let mut once = told.clone();
    once.dedup_by(|a, b| a["event_id"] == b["event_id"]);
    assert!(told.len() - once.len() <= KILLS, "{} of {}", told.len(), once.len());
    assert_eq!(bodies(&once), server.bodies(&room));
    let said = server.run(&[&["content", "listen"][..], &words, &["--timeout", "1"]].concat());
    assert!(said.success().stdout.is_empty(), "nothing comes again");
}

#[test]
fn a_listener_hears_what_was_said_before_and_what_kind_of_event_each_is() {
    let server = Instance::shared();
    let room = server.room("Overheard");
    let send = |text: &str| server.run(&["content", "send-message", &room, text, "-q"]).success();
    let first = send("first").line().to_owned();
    server.run(&["content", "edit-message", &room, &first, "better"]).success();
    let second = send("second").line().to_owned();
    server.run(&["content", "redact-message", &room, &second]).success();
    let words = ["content", "listen", &room, "--since", "1h", "--timeout", "2", "--format", "json"];
    let said = server.run(&words).success().stdout;
    let said: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(said[0]["type"], "m.room.create");
    assert!(said.iter().all(|it| it["room_id"] == *room && it["own"] == true), "{said:?}");
    let messages: Vec<&Value> = said.iter().filter(|it| it["type"] == "m.room.message").collect();
    assert_eq!(messages[1]["content"]["m.relates_to"]["rel_type"], "m.replace");
    assert_eq!(said.last().unwrap()["redacts"], *second);
    let words =
        ["content", "listen", &room, "--since", "1h", "--timeout", "2", "--type", "m.*.topic"];
    server.run(&words).success();
    server.run(&["content", "listen", "#no-such-room"]).exits(1).says("no-such-room");
    let notes = file(&server.data, "notes", b"buy milk\n").display().to_string();
    server.run(&["content", "listen", &room, "--cursor", &notes]).exits(1).says("is no cursor");
}

#[test]
fn who_goes_and_comes_back_hears_each_event_once_and_follows_a_room_that_was_upgraded() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "wanderer"]).success();
    let room = server
        .run(&["content", "create-room", "Inn", "--alias", "inn", "-q"])
        .success()
        .line()
        .to_owned();
    let send = |text: &str| server.run(&["content", "send-message", "#inn", text]).success();
    send("before anybody came");
    let go = |verb: &str| server.run(&["content", verb, &room, "wanderer"]).success();
    let come = || {
        go("invite");
        server.run(&["content", "join-room", &room, "--as", "wanderer"]).success();
    };
    come();
    let records = server.data.join("inn.jsonl");
    let cursor = server.data.join("inn.cursor").display().to_string();
    let words = ["#inn", "--as", "wanderer", "--cursor", &cursor, "--type", "m.room.message"];
    let running = listener(server, &words, &records);
    wait_for("it has noted where it begins", || fs::exists(&cursor).unwrap());
    let has = |text: &str| bodies(&heard(&records)).iter().any(|it| it == text);
    send("one");
    wait_for("it is heard", || has("one"));
    // What was said until one is sent away is heard, also by a listener that was busy meanwhile.
    halt(running.0.id());
    send("two");
    go("kick-user");
    go_on(running.0.id());
    wait_for("it is heard", || has("two"));
    come();
    send("three");
    wait_for("it is heard", || has("three"));
    server.run(&["content", "upgrade-room", "#inn", "11", "--force"]).success();
    send("four");
    wait_for("it is heard in the new room", || has("four"));
    assert_eq!(bodies(&heard(&records)), ["one", "two", "three", "four"]);
}

#[test]
fn a_bot_of_a_few_lines_answers_once_and_a_command_that_could_not_yet_is_tried_again() {
    let server = Instance::shared();
    let room = server.room("Bots");
    server.run(&["content", "add-bot", "clock"]).success();
    server.run(&["content", "invite", &room, "clock"]).success();
    server.run(&["content", "join-room", &room, "--as", "clock"]).success();
    let program = crate::common::program().display().to_string();
    let tried = server.data.join("tried").display().to_string();
    let bot = format!(
        r#"[ "$RMS_OWN" = false ] || exit 0
        [ -e {tried} ] || {{ touch {tried}; exit 75; }}
        case "$RMS_BODY" in
        "!echo "*) {program} content send-message "$RMS_ROOM_ID" "${{RMS_BODY#!echo }}" --as clock --transaction-id "echo-$RMS_EVENT_ID" ;;
        "!fail") exit 3 ;;
        esac"#
    );
    let records = server.data.join("bot.jsonl");
    let cursor = server.data.join("bot.cursor").display().to_string();
    let words =
        [&room, "--type", "m.room.message", "--as", "clock", "--cursor", &cursor, "--exec", &bot];
    let running = listener(server, &words, &records);
    wait_for("it has noted where it begins", || fs::exists(&cursor).unwrap());
    for text in ["!echo one", "!fail", "!echo two"] {
        server.run(&["content", "send-message", &room, text]).success();
    }
    wait_for("it has answered", || server.bodies(&room).contains(&"two".to_owned()));
    wait_for("all was handed on", || heard(&records).len() >= 5);
    drop(running);
    let said = server.bodies(&room);
    assert_eq!(
        said.iter().filter(|it| ["one", "two"].contains(&it.as_str())).count(),
        2,
        "{said:?}"
    );
    let exits: BTreeMap<String, Value> = heard(&records)
        .iter()
        .map(|it| (it["content"]["body"].as_str().unwrap().to_owned(), it["exit"].clone()))
        .collect();
    assert_eq!((&exits["!echo one"], &exits["!fail"]), (&0.into(), &3.into()));
}

/// How often the server was asked by somebody for what is new in the cheaper way.
fn slid(server: &Instance, user: &str) -> usize {
    let log = fs::read_to_string(server.data.join("logs/synapse.log")).unwrap();
    let by = format!("{{@{user}:test.example}}");
    let is_one = |line: &&str| line.contains("simplified_msc3575/sync") && line.contains(&by);
    log.lines().filter(is_one).count()
}

#[test]
fn a_listener_that_is_live_costs_the_server_less_and_misses_nothing() {
    // What makes an answer less than all: more events at once than it holds.
    const MANY: usize = 40;
    let server = Instance::shared();
    server.run(&["content", "add-bot", "slider"]).success();
    let enter = |name: &str| {
        let room = server.room(name);
        server.run(&["content", "invite", &room, "slider"]).success();
        server.run(&["content", "join-room", &room, "--as", "slider"]).success();
        room
    };
    let room = enter("Slides");
    let records = server.data.join("slider.jsonl");
    let cursor = server.data.join("slider.cursor").display().to_string();
    let words = ["--as", "slider", "--type", "m.room.m*", "--cursor", &cursor];
    let mut running = listener(server, &words, &records);
    wait_for("it has noted where it begins", || fs::exists(&cursor).unwrap());
    let say = |room: &str, text: &str| {
        let id = server.run(&["content", "send-message", room, text, "-q"]).success();
        let id = id.line().to_owned();
        wait_for("it was heard", || heard(&records).iter().any(|it| it["event_id"] == id));
    };
    // One after the other until it is live, and some more.
    let live = |more: usize| {
        let begun = slid(server, "slider");
        for n in 0.. {
            say(&room, &format!("{begun} {n}"));
            if slid(server, "slider") > begun + more {
                break;
            }
            assert!(n < 200, "it never is live");
        }
    };
    live(10);
    halt(running.0.id());
    let lines: String = (0..MANY).map(|n| format!("line {n}\n")).collect();
    let lines = file(&server.data, "slides.txt", lines.as_bytes()).display().to_string();
    server.run(&["content", "send-message", &room, "--file", &lines]).success();
    go_on(running.0.id());
    wait_for("all are heard", || bodies(&heard(&records)).contains(&format!("line {}", MANY - 1)));
    live(3);
    // One that is killed goes on.
    drop(running);
    running = listener(server, &words, &records);
    live(3);
    let other = enter("Slides as well");
    say(&other, "elsewhere");
    server.run(&["content", "leave-room", &other, "--as", "slider"]).success();
    say(&room, "the last");
    drop(running);
    let said: Vec<Value> = heard(&records);
    let here = |room: &str| -> Vec<String> {
        let here =
            said.iter().filter(|it| it["room_id"] == *room && it["type"] == "m.room.message");
        bodies(&here.cloned().collect::<Vec<_>>())
    };
    assert_eq!(here(&room), server.bodies(&room));
    assert_eq!(here(&other), ["elsewhere"]);
    let joined =
        |it: &Value| it["type"] == "m.room.member" && it["content"]["membership"] == "join";
    assert!(said.iter().any(|it| it["room_id"] == *other && joined(it) && it["own"] == true));
}

/// What was posted: its headers and its body.
type Post = (BTreeMap<String, String>, String);

/// Takes what is posted and answers as its text wishes: `busy` once, `no` never.
fn receiver() -> (String, Receiver<Post>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/matrix?key=shown-to-nobody", listener.local_addr().unwrap());
    let (posts, got) = channel();
    thread::spawn(move || {
        let mut busy = true;
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (headers, body) = request(&stream);
            let text = serde_json::from_str::<Value>(&body).unwrap()["content"]["body"].clone();
            let status = match text.as_str().unwrap() {
                "busy" if std::mem::take(&mut busy) => "503 Service Unavailable",
                "no" => "400 Bad Request",
                _ => "204 No Content",
            };
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                .unwrap();
            if posts.send((headers, body)).is_err() {
                return;
            }
        }
    });
    (address, got)
}

fn request(stream: &TcpStream) -> Post {
    let mut reader = BufReader::new(stream);
    let (mut headers, mut line) = (BTreeMap::new(), String::new());
    reader.read_line(&mut line).unwrap();
    assert!(line.starts_with("POST /matrix?key="), "{line}");
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers["content-length"].parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    (headers, String::from_utf8(body).unwrap())
}

#[test]
fn events_are_posted_signed_and_in_order_and_what_is_refused_is_kept() {
    let server = Instance::shared();
    let room = server.room("Posted");
    let (address, posts) = receiver();
    let records = server.data.join("posted.jsonl");
    let cursor = server.data.join("posted.cursor").display().to_string();
    let words = [&room, "--type", "m.room.message", "--cursor", &cursor, "--webhook", &address];
    let running = listener(server, &words, &records);
    wait_for("it has noted where it begins", || fs::exists(&cursor).unwrap());
    let send = |text: &str| server.run(&["content", "send-message", &room, text]).success();
    let texts = ["one", "busy", "no", "two"];
    for text in texts {
        send(text);
    }
    wait_for("all were posted", || heard(&records).len() == texts.len());
    drop(running);
    // One that begins again goes on where this one ended.
    let running = listener(server, &words, &records);
    send("three");
    wait_for("it was posted", || heard(&records).len() == texts.len() + 1);
    drop(running);

    let posts: Vec<Post> = posts.try_iter().collect();
    let texts: Vec<String> = posts
        .iter()
        .map(|(_, body)| serde_json::from_str::<Value>(body).unwrap()["content"]["body"].clone())
        .map(|body| body.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(texts, ["one", "busy", "busy", "no", "two", "three"]);
    let key = fs::read_to_string(server.data.join("secrets/listen.key")).unwrap();
    let key = BASE64_STANDARD.decode(key.strip_prefix("whsec_").unwrap()).unwrap();
    for (headers, body) in &posts {
        let event: Value = serde_json::from_str(body).unwrap();
        assert_eq!(headers["webhook-id"], event["event_id"]);
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        let signed = format!("{}.{}.{body}", headers["webhook-id"], headers["webhook-timestamp"]);
        mac.update(signed.as_bytes());
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        assert_eq!(headers["webhook-signature"], format!("v1,{signature}"));
    }
    let refused: Vec<Value> = heard(&server.data.join("posted.cursor.refused.jsonl"));
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(
        (&refused[0]["status"], &refused[0]["event"]["content"]["body"]),
        (&400.into(), &"no".into())
    );
    let answers: Vec<Value> =
        heard(&records).iter().map(|it| it["answer"]["status"].clone()).collect();
    assert_eq!(answers, [204, 204, 400, 204, 204]);

    // An address that is away is named as such, and gets later what it could not get.
    send("four");
    let away = ["content", "listen", &room, "--cursor", &cursor, "--timeout", "2", "--webhook"];
    let said = server.run(&[&away[..], &["http://127.0.0.1:9/"]].concat()).success();
    said.says("takes nothing now (it cannot be reached): it is asked again");
    let running = listener(server, &words, &records);
    wait_for("it was posted", || heard(&records).len() == answers.len() + 1);
    drop(running);

    let nothing = ["content", "listen", &room, "--cursor", &cursor, "--exec", ""];
    server.run(&nothing).exits(1).says("the command of `--exec` is empty");
    let bad = [
        "content",
        "listen",
        &room,
        "--cursor",
        &cursor,
        "--webhook",
        "ftp://x:hidden@example.org",
    ];
    let said = server.run(&bad).exits(1).says("`--webhook` is no address of HTTP");
    assert!(!format!("{said}").contains("hidden"), "{said}");
}
