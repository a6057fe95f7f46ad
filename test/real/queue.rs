//! Messages that are left to be sent: each is in its room once and in order, whoever is killed, however long
//! it took.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};

use crate::{
    bridges::sql_in,
    common::{Instance, file, kill_9, wait_for},
    lent::Lent,
};

fn queue(server: &Instance, words: &[&str]) -> Value {
    server.json(&[&["content", "queue"], words].concat())
}

fn drained(server: &Instance) {
    server.run(&["content", "queue", "drain", "--timeout", "120"]).success();
}

#[test]
fn what_is_left_is_sent_once_and_in_order_whatever_is_killed() {
    // `RMS_QUEUE_MESSAGES` and `RMS_QUEUE_KILLS` are more in `bench/outbox.py`.
    let number = |name: &str, short: usize| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(short)
    };
    let (messages, kills) = (number("RMS_QUEUE_MESSAGES", 80), number("RMS_QUEUE_KILLS", 6));
    let seed = number("RMS_QUEUE_SEED", 11);
    let mut random = StdRng::seed_from_u64(seed as u64);
    let mut server = Instance::installed("queue");
    server.variable("MATRIX_SYNAPSE_RESTARTS", "100000");
    server.run(&["manage", "start"]).success();
    // As many as are needed to read each of them at once.
    let rooms: Vec<String> =
        (0..messages.div_ceil(900).max(2)).map(|n| server.room(&format!("Left {n}"))).collect();
    let spaces: Vec<usize> = (0..kills).map(|_| random.random_range(0..messages)).collect();
    let mut sent = vec![Vec::new(); rooms.len()];
    for n in 0..messages {
        let (side, text, id) = (n % rooms.len(), format!("message {n}"), format!("t-{n}"));
        let words = ["content", "send-message", &rooms[side], &text, "--queue"];
        let mut command = |kill: bool| {
            let mut command: Command = server.command();
            command.args(words).args(["--transaction-id", &id]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            let mut running = command.spawn().unwrap();
            if kill {
                thread::sleep(Duration::from_micros(random.random_range(0..8000)));
                drop(running.kill());
            }
            running.wait().unwrap().success()
        };
        // Whether one that was killed has left it nobody knows: the id makes it harmless to ask again.
        command(n % 5 == 0);
        while !command(false) {}
        sent[side].push(text);
        for _ in spaces.iter().filter(|space| **space == n) {
            let services = ["hooks", "hooks", "synapse", "postgres"];
            let service = services[random.random_range(0..services.len())];
            let state = fs::read(server.data.join("run/state.json")).unwrap();
            let state: Value = serde_json::from_slice(&state).unwrap();
            if let Some(pid) = state["services"][service]["pid"].as_u64() {
                kill_9(u32::try_from(pid).unwrap());
            }
        }
    }
    wait_for("all services are back", || server.is_healthy());
    drained(&server);
    for (room, sent) in rooms.iter().zip(&sent) {
        let there: Vec<String> =
            server.bodies(room).into_iter().filter(|body| !body.is_empty()).collect();
        let first = there.iter().zip(sent).position(|(there, sent)| there != sent);
        let (there, sent) = (there.len(), sent.len());
        assert_eq!((there, first), (sent, None), "seed {seed}: how many, and the first other one");
    }
    let left = queue(&server, &["list"]);
    assert_eq!((&left["waiting"], &left["refused"]), (&json!(0), &json!(0)));
}

#[test]
fn what_is_left_while_nothing_runs_is_sent_at_the_next_start() {
    let server = Lent::up();
    let room = server.room("Patience");
    server.run(&["content", "create-room", "Later", "--alias", "later"]).success();
    server.run(&["manage", "stop"]).success();
    let said = server.run(&["content", "send-message", "#later", "first", "--queue"]).success();
    said.says("queued Q").says("the homeserver does not run: it is sent after `manage start`");
    let lines = file(&server.data, "later.txt", b"second\nthird\n").display().to_string();
    server.run(&["content", "send-message", "#later", "--file", &lines, "--queue"]).success();
    let unwanted = server.run(&["content", "send-message", "#later", "no", "--queue", "-q"]);
    let unwanted = unwanted.success().line().to_owned();
    let absent = ["content", "send-message", "!absent:example.com", "lost", "--queue"];
    server.run(&absent).success();
    let list = queue(&server, &["list"]);
    assert_eq!((&list["waiting"], &list["refused"]), (&json!(5), &json!(0)), "{list}");
    let texts: Vec<&Value> =
        list["messages"].as_array().unwrap().iter().map(|it| &it["text"]).collect();
    assert_eq!(texts, ["first", "second", "third", "no", "lost"]);
    server.run(&["content", "queue", "drop", &unwanted]).success().says("dropped 1 message");
    server.run(&["content", "queue", "drop", &unwanted]).exits(1).says("there is no message `Q");
    server.run(&["content", "queue", "drop"]).exits(1).says("which messages to drop");
    assert_eq!(queue(&server, &["list"])["waiting"], 4);

    // As a copy of the machine would have it that was made before they were sent.
    let outbox = server.data.join("outbox");
    let copied = server.data.join("outbox.copy");
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
        assert!(copied.success());
    };
    copy(&outbox, &copied);
    server.run(&["manage", "start"]).success();
    drained(&server);
    assert_eq!(server.bodies("#later"), ["first", "second", "third"]);
    let refused = queue(&server, &["list", "--refused"]);
    assert_eq!(refused["messages"][0]["text"], "lost", "{refused}");
    assert!(refused["messages"][0]["reason"].is_string());

    // A day later the server knows no transaction id any more.
    sql_in(&server, "synapse", "DELETE FROM event_txn_id_device_id");
    server.run(&["manage", "stop"]).success();
    fs::remove_dir_all(&outbox).unwrap();
    copy(&copied, &outbox);
    server.run(&["manage", "start"]).success();
    drained(&server);
    assert_eq!(server.bodies("#later"), ["first", "second", "third"], "none is there twice");
    let dropped = server.run(&["content", "queue", "drop", "--refused"]).success();
    dropped.says("dropped 1 message");
    server.run(&["content", "queue", "retry", "--refused"]).exits(2).says("nothing was refused");
    drop(room);
}

#[test]
fn a_queue_takes_every_kind_of_message_and_says_what_became_of_it() {
    let server = Lent::up();
    let room = server.room("Kinds of the queue");
    let left = |words: &[&str]| {
        let words = [words, &["--queue", "--wait", "--format", "json"]].concat();
        let said = server.run(&words).success().json();
        assert_eq!(said["queued"], false, "{said}");
        said["messages"][0]["event_id"].as_str().unwrap().to_owned()
    };
    let first = left(&["content", "send-message", &room, "frist"]);
    left(&["content", "edit-message", &room, &first, "first"]);
    left(&["content", "send-message", &room, "answer", "--reply-to", &first]);
    let gone = left(&["content", "send-message", &room, "gone"]);
    left(&["content", "redact-message", &room, &gone]);
    let text = file(&server.data, "a.txt", b"in a file").display().to_string();
    left(&["content", "send-media", &room, &text, "--caption", "look"]);
    assert_eq!(server.bodies(&room), ["first", "answer", "look"]);
    let page = server.json(&["content", "read-messages", &room]);
    let answer = &page["messages"][1];
    assert_eq!(answer["reply_to"], first, "{page}");
    // What was sent needs no copy any more.
    let copies = || fs::read_dir(server.data.join("outbox/files")).unwrap().count();
    wait_for("the copy of the file is gone", || copies() == 0);

    // Once with an id, whatever is typed again; another text with it is refused.
    let once = ["content", "send-message", &room, "once", "--queue", "--transaction-id", "o1"];
    let name = |said: Value| said["messages"][0]["queue_id"].clone();
    let before = name(server.run(&[&once[..], &["--json"]].concat()).success().json());
    assert_eq!(name(server.run(&[&once[..], &["--json"]].concat()).success().json()), before);
    let other = ["content", "send-message", &room, "two", "--queue", "--transaction-id", "o1"];
    server.run(&other).exits(1).says("was used before, for something else");
    drained(&server);
    assert_eq!(server.bodies(&room).last().unwrap(), "once");

    // An address that leads nowhere is an error while somebody can say so.
    let typo = ["content", "send-message", "#kidns", "x", "--queue"];
    server.run(&typo).exits(1).says("there is no room `#kidns`");

    // Several rooms, and lines with a room each.
    let side = server.room("Beside the queue");
    let both = ["content", "send-message", &room, "both", "--also", &side];
    server.run(&both).success().says("sent 2 messages");
    let lines = format!(
        "{}\n{}\n",
        json!({ "room": side, "text": "by line", "notice": true }),
        json!({ "text": "at home" })
    );
    let lines = file(&server.data, "lines.jsonl", lines.as_bytes()).display().to_string();
    server.run(&["content", "send-message", &room, "--jsonl", &lines]).success();
    let queued = ["content", "send-message", &room, "--jsonl", &lines, "--queue", "--wait"];
    server.run(&queued).success().says("sent 2 messages");
    assert_eq!(server.bodies(&side), ["both", "by line", "by line"]);
    assert_eq!(server.bodies(&room)[4..], ["both", "at home", "at home"]);

    // Two texts with one id are refused before anything is sent; a room that is named twice is told once.
    let line = |text: &str| format!("{}\n", json!({ "text": text, "transaction_id": "same" }));
    let twice = file(&server.data, "twice.jsonl", (line("a") + &line("b")).as_bytes());
    let twice = ["content", "send-message", &room, "--jsonl", twice.to_str().unwrap()];
    server.run(&twice).exits(1).says("line 2 of").says("was used before");
    server.run(&[&twice[..], &["--queue"]].concat()).exits(1).says("line 2 of");
    let nowhere =
        format!("{}\n{}\n", json!({ "text": "a" }), json!({ "text": "b", "room": "#nowhere" }));
    let nowhere = file(&server.data, "nowhere.jsonl", nowhere.as_bytes());
    let nowhere = ["content", "send-message", &room, "--jsonl", nowhere.to_str().unwrap()];
    server.run(&nowhere).exits(1).says("line 2 of").says("nowhere");
    let again = ["content", "send-message", &side, "told once", "--also", &side];
    server.run(&again).success().says("sent");
    assert_eq!(server.bodies(&side)[3..], ["told once"]);

    // What the server refuses is kept with its reason, and holds up nobody; mended it goes its way.
    server.run(&["content", "add-user", "muted"]).success();
    server.run(&["content", "ban-user", &room, "muted"]).success();
    let refused = ["content", "send-message", &room, "let me in", "--queue", "--as", "muted"];
    let said = server.run(&[&refused[..], &["--wait"]].concat()).exits(1);
    said.says("was refused: ").says("`content queue retry Q");
    server.run(&["content", "unban-user", &room, "muted"]).success();
    server.run(&["content", "join-room", &room, "--as", "muted"]).success();
    server
        .run(&["content", "queue", "retry", "--refused"])
        .success()
        .says("1 message will be sent again, as Q");
    drained(&server);
    assert_eq!(server.bodies(&room).last().unwrap(), "let me in");
    assert_eq!(queue(&server, &["list"])["refused"], 0);
}
