//! A message that was accepted is in the room: once, whole, in order.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    common::{Instance, file, go_on, halt, wait_for},
    load::asked,
};

#[test]
fn a_message_is_read_back_as_it_was_sent() {
    let server = Instance::shared();
    let room = server.room("Read back");
    let nasty = "\"quotes\" 'and' {\"json\": true} $(id) `x` \\ & < > ; | * ☃ 🦀\nsecond line";
    let event = server.run(&["content", "send-message", &room, nasty, "-q"]).success();
    assert!(event.line().starts_with('$'));
    assert_eq!(server.bodies(&room), [nasty]);
}

#[test]
fn a_room_is_found_by_id_alias_short_alias_and_name() {
    let server = Instance::shared();
    let made =
        server.json(&["content", "create-room", "Found by Name", "--alias", "found-by-alias"]);
    let room = made["room_id"].as_str().unwrap();
    for name in [room, "#found-by-alias", "#found-by-alias:test.example", "Found by Name"] {
        server.run(&["content", "send-message", name, name]).success();
    }
    assert_eq!(server.bodies(room).len(), 4);
    // Letters that the database does not make small, and signs that it reads as something else.
    for name in ["ÜBER Uns", "ПРИВЕТ", "50%_a\\B"] {
        let room = server.room(name);
        wait_for("it is found by its name", || {
            server.run(&["content", "get-room", name]).code == 0
        });
        server.run(&["content", "send-message", name, "hi"]).success();
        assert_eq!(server.bodies(&room), ["hi"]);
    }
    server.run(&["content", "send-message", "#nowhere", "hi"]).exits(1).says("#nowhere");
}

#[test]
fn the_same_transaction_id_sends_once() {
    let server = Instance::shared();
    let room = server.room("Once");
    let words = ["content", "send-message", &room, "once", "--transaction-id", "t1", "-q"];
    let first = server.run(&words).success();
    let second = server.run(&words).success();
    assert_eq!(first.line(), second.line());
    assert_eq!(server.bodies(&room), ["once"]);
}

#[test]
fn ids_that_differ_by_an_escape_are_two_messages() {
    let server = Instance::shared();
    let room = server.room("Escapes");
    let ids = ["A", "%41", "%2541", "a/b", "a%2Fb", "a\\b", "?a#b"];
    let events: std::collections::BTreeSet<String> = ids
        .iter()
        .map(|id| {
            let words = ["content", "send-message", &room, id, "--transaction-id", id, "-q"];
            let event = server.run(&words).success().line().to_owned();
            assert_eq!(server.run(&words).success().line(), event, "{id}");
            event
        })
        .collect();
    assert_eq!(events.len(), ids.len());
    assert_eq!(server.bodies(&room), ids);
}

#[test]
fn an_alias_with_an_escape_names_no_other_room() {
    let server = Instance::shared();
    let made = server.json(&["content", "create-room", "Plain", "--alias", "escape-x1"]);
    let room = made["room_id"].as_str().unwrap();
    let alias = "#escape-%78%31";
    server.run(&["content", "send-message", alias, "hi"]).exits(1).says(alias);
    server.run(&["content", "get-room", alias]).exits(2);
    server.run(&["content", "remove-room", alias]).exits(2);
    assert!(server.bodies(room).is_empty());
    let words = ["content", "create-room", "Escaped", "--alias", "escape-%78%31"];
    let other = server.json(&words);
    assert_ne!(other["room_id"], made["room_id"]);
    server.run(&["content", "send-message", alias, "hi"]).success();
    assert_eq!(server.bodies(other["room_id"].as_str().unwrap()), ["hi"]);
    assert!(server.bodies(room).is_empty());
}

#[test]
fn lines_of_a_file_arrive_in_order() {
    let server = Instance::shared();
    let room = server.room("In order");
    let folder = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..100).map(|n| format!("line {n}")).collect();
    let path = file(folder.path(), "lines", lines.join("\n").as_bytes());
    server.run(&["content", "send-message", &room, "--file", path.to_str().unwrap()]).success();
    assert_eq!(server.bodies(&room), lines);
}

#[test]
fn text_comes_from_stdin_and_bad_text_is_refused() {
    let server = Instance::shared();
    let room = server.room("Stdin");
    server.run_with(&["content", "send-message", &room, "-"], b"from a pipe\n").success();
    server.run_with(&["content", "send-message", &room, "-"], b"\xff\xfe").exits(1).says("UTF-8");
    server.run_with(&["content", "send-message", &room, "-"], b"a\0b").exits(1).says("NUL");
    let long = vec![b'x'; 65_537];
    server.run_with(&["content", "send-message", &room, "-"], &long).exits(1).says("65,536");
    assert_eq!(server.bodies(&room), ["from a pipe"]);
}

#[test]
fn a_user_speaks_through_a_session_of_its_own() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "speaker"]).success();
    let room = server.room("As");
    server.run(&["content", "invite", &room, "speaker"]).success();
    server.run(&["content", "join-room", &room, "--as", "speaker"]).success();
    server.run(&["content", "send-message", &room, "mine", "--as", "speaker"]).success();
    let page = server.json(&["content", "read-messages", &room]);
    assert_eq!(page["messages"][0]["sender"], "@speaker:test.example");
    server
        .run(&["content", "send-message", &room, "x", "--as", "nobody-here"])
        .exits(1)
        .says("nobody-here");
}

#[test]
fn a_message_is_edited_and_redacted() {
    let server = Instance::shared();
    let room = server.room("Changed");
    let event = server.run(&["content", "send-message", &room, "tpyo", "-q"]).success();
    server.run(&["content", "edit-message", &room, event.line(), "typo"]).success();
    server.run(&["content", "redact-message", &room, event.line()]).success();
    server.run(&["content", "send-message", &room, "end"]).success();
    // Nothing of it can be read any more, the edit's text neither.
    assert_eq!(server.bodies(&room), ["end"]);
}

#[test]
fn an_edit_stands_in_the_place_of_its_message() {
    let server = Instance::shared();
    let room = server.clear_room("Edited");
    let event = server.run(&["content", "send-message", &room, "tpyo", "-q"]).success();
    server.run(&["content", "send-message", &room, "between"]).success();
    for text in ["first", "typo\n2026-01-01T00:00:00Z no message"] {
        server.run(&["content", "edit-message", &room, event.line(), text]).success();
    }
    assert_eq!(server.bodies(&room), ["typo\n2026-01-01T00:00:00Z no message", "between"]);
    let page = server.json(&["content", "read-messages", &room]);
    let [edited, between] = &page["messages"].as_array().unwrap()[..] else { panic!("{page}") };
    assert_eq!(edited["event_id"], event.line());
    assert!(edited["edited"]["event_id"].as_str().unwrap().starts_with('$'), "{page}");
    assert!(between["edited"].is_null(), "{page}");
    let text = server.run(&["content", "read-messages", &room]).success().stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].ends_with("@operator:test.example: typo"), "{text}");
    assert_eq!(lines[1], "  2026-01-01T00:00:00Z no message (edited)");
    assert_eq!(lines.len(), 3, "{text}");
    // A member sees the same.
    server.run(&["content", "add-user", "edit-reader"]).success();
    server.run(&["content", "invite", &room, "edit-reader"]).success();
    server.run(&["content", "join-room", &room, "--as", "edit-reader"]).success();
    let seen = server.run(&["content", "read-messages", &room, "--as", "edit-reader"]).success();
    assert_eq!(seen.stdout, text);
}

#[test]
fn in_a_stream_an_edit_is_a_line_that_names_its_message() {
    let server = Instance::shared();
    let room = server.room("Streamed");
    let event = server.run(&["content", "send-message", &room, "tpyo", "-q"]).success();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    let lines = File::create(&path).unwrap();
    let mut stream = server.command();
    stream.args(["content", "read-messages", &room, "--follow"]);
    let _stream = Stream(stream.stdout(lines).spawn().unwrap());
    let holds = |text: &str| std::fs::read_to_string(&path).unwrap().contains(text);
    wait_for("the past is shown", || holds(": tpyo\n"));
    server.run(&["content", "edit-message", &room, event.line(), "typo"]).success();
    let wanted = format!("@operator:test.example: (edits {}) typo\n", event.line());
    wait_for("the edit is shown", || holds(&wanted));
}

#[test]
fn a_stream_that_has_fallen_behind_leaves_nothing_out() {
    // More than the server hands over at once.
    const MANY: usize = 150;
    let server = Instance::shared();
    let room = server.room("Fallen behind");
    server.run(&["content", "send-message", &room, "first"]).success();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stream");
    let mut stream = server.command();
    stream.args(["content", "read-messages", &room, "--follow", "--format", "json"]);
    let stream = Stream(stream.stdout(File::create(&path).unwrap()).spawn().unwrap());
    let seen = || {
        let text = std::fs::read_to_string(&path).unwrap();
        let body = |line: &str| -> String {
            let line: Value = serde_json::from_str(line).unwrap_or_default();
            line["body"].as_str().unwrap_or_default().to_owned()
        };
        text.lines().map(body).collect::<Vec<_>>()
    };
    wait_for("the past is shown", || seen() == ["first"]);
    halt(stream.0.id());
    let lines: Vec<String> = (0..MANY).map(|n| n.to_string()).collect();
    let sent = file(folder.path(), "lines", lines.join("\n").as_bytes());
    server.run(&["content", "send-message", &room, "--file", sent.to_str().unwrap()]).success();
    go_on(stream.0.id());
    wait_for("the last one is shown", || seen().last() == lines.last());
    assert_eq!(seen()[1..], lines);
}

/// A command that ends with the test.
pub(crate) struct Stream(pub(crate) Child);

impl Drop for Stream {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn what_the_limit_cut_off_is_said() {
    let server = Instance::shared();
    let room = server.room("Long");
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "lines", b"1\n2\n3");
    server.run(&["content", "send-message", &room, "--file", path.to_str().unwrap()]).success();
    let read = ["content", "read-messages", &room, "--limit"];
    let cut = server.json(&[&read[..], &["2"]].concat());
    assert_eq!((&cut["more"], cut["messages"].as_array().unwrap().len()), (&true.into(), 2));
    let whole = server.json(&[&read[..], &["3"]].concat());
    assert_eq!((&whole["more"], &whole["total"]), (&false.into(), &3.into()));
    let said = server.run(&[&read[..], &["2"]].concat()).success();
    assert_eq!(said.stdout.lines().count(), 2);
    let next = format!("`content read-messages '{room}' --limit 20` shows more");
    assert!(said.stderr.contains(&next), "{said}");
    assert_eq!(server.run(&[&read[..], &["3"]].concat()).success().stderr, "");
    // With `-q` the ids and nothing else.
    let ids = server.run(&[&read[..], &["2", "-q"]].concat()).success();
    assert!(ids.stdout.lines().count() == 2 && ids.stderr.is_empty(), "{ids}");
    assert!(ids.stdout.lines().all(|id| id.starts_with('$') && !id.contains(' ')), "{ids}");
}

#[test]
fn what_is_sent_into_an_encrypted_room_is_sealed_and_read_by_who_is_there() {
    let server = Instance::shared();
    server.run(&["content", "add-bot", "sealbot"]).success();
    let room = ["content", "create-room", "Sealed", "--encrypted", "-q"];
    let room = server.run(&room).success().line().to_owned();
    let send = |words: &[&str]| {
        let words = [&["content", "send-message", &room][..], words, &["-q"]].concat();
        server.run(&words).success().line().to_owned()
    };
    let begun = send(&["before it came"]);
    server.run(&["content", "invite", &room, "sealbot"]).success();
    let early = server.run(&["content", "read-messages", &room, "--as", "sealbot"]).exits(1);
    early.says(&format!("`content join-room '{room}' --as 'sealbot'`"));
    server.run(&["content", "join-room", &room, "--as", "sealbot"]).success();
    let event = send(&["a secret"]);
    let again = ["**once**", "--markdown", "--transaction-id", "sealed-once"];
    let once = send(&again);
    assert_eq!(send(&again), once);
    let other = ["content", "send-message", &room, "twice", "--transaction-id", "sealed-once"];
    server.run(&other).exits(1).says("sealed-once");
    send(&["from the bot", "--as", "sealbot", "--reply-to", &event]);
    server.run(&["content", "edit-message", &room, &event, "no secret"]).success();
    server.run(&["content", "react", &room, &event, "+", "--as", "sealbot"]).success();

    let path = format!("GET /_matrix/client/v3/rooms/{room}/event/{event}");
    let raw = server.run(&["content", "execute", "--name", &path]).success().stdout;
    assert!(raw.contains("m.room.encrypted") && !raw.contains("secret"), "{raw}");
    let found = server.json(&["content", "get-event", &once]);
    assert_eq!(found["event"]["content"]["body"], "**once**", "{found}");
    assert_eq!(server.bodies(&room), ["before it came", "no secret", "**once**", "from the bot"]);
    let seen = server.json(&["content", "read-messages", &room, "--as", "sealbot"]);
    let of = |key: &str| -> Vec<&Value> {
        seen["messages"].as_array().unwrap().iter().map(|it| &it[key]).collect()
    };
    assert_eq!(
        of("body"),
        [&Value::Null, &"no secret".into(), &"**once**".into(), &"from the bot".into()]
    );
    assert_eq!(of("reply_to")[3], &*event);
    assert_eq!(of("closed")[0], "it was sent before this device was given its key");
    assert_eq!(seen["unreadable"], 1);
    send(&["in a thread", "--thread", &begun]);
    send(&["in another", "--thread", &event, "--as", "sealbot"]);
    let threads = |more: &[&str]| {
        let words = ["content", "list-threads", &room, "--json", "--fields"];
        server.run(&[&words[..], more].concat()).success().json()["threads"].clone()
    };
    let both = json!([
        { "body": "a secret", "messages": 1, "newest_sender": "@sealbot:test.example" },
        { "body": "before it came", "messages": 1, "newest_sender": "@operator:test.example" },
    ]);
    assert_eq!(threads(&["body,messages,newest_sender"]), both);
    let closed = &threads(&["body,closed", "--as", "sealbot"])[1];
    assert_eq!(closed["closed"], of("closed")[0].clone(), "{closed}");
    let devices = server.run(&["content", "list-devices", "sealbot"]).success();
    devices.says("resource-matrix-synapse, encrypted rooms");
}

#[test]
fn who_has_left_an_encrypted_room_reads_nothing_that_comes_after() {
    let server = Instance::shared();
    server.run(&["content", "add-bot", "gone-reader"]).success();
    let make = ["content", "create-room", "Left", "--encrypted", "--invite", "gone-reader", "-q"];
    let room = server.run(&make).success().line().to_owned();
    server.run(&["content", "join-room", &room, "--as", "gone-reader"]).success();
    let say = |text: &str| server.run(&["content", "send-message", &room, text]).success();
    say("both");
    server.run(&["content", "leave-room", &room, "--as", "gone-reader"]).success();
    say("one");
    server.run(&["content", "invite", &room, "gone-reader"]).success();
    server.run(&["content", "join-room", &room, "--as", "gone-reader"]).success();
    say("both again");
    let seen = server.json(&["content", "read-messages", &room, "--as", "gone-reader"]);
    let seen: Vec<&Value> = seen["messages"].as_array().unwrap().iter().collect();
    let bodies: Vec<&str> = seen.iter().filter_map(|it| it["body"].as_str()).collect();
    assert!(!bodies.contains(&"one"), "{seen:?}");
    assert_eq!(bodies.last(), Some(&"both again"));
}

#[test]
fn a_file_is_uploaded_with_its_kind() {
    let server = Instance::shared();
    let room = server.clear_room("Media");
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "report.txt", b"numbers");
    server.run(&["content", "send-media", &room, path.to_str().unwrap()]).success();
    let page = server.json(&["content", "read-messages", &room]);
    assert_eq!(page["messages"][0]["msgtype"], "m.file");

    // Of an encrypted room the server has neither the bytes nor the name, and a repeat is one message.
    let made = server.json(&["content", "create-room", "Sealed media", "--encrypted"]);
    let room = made["room_id"].as_str().unwrap();
    let send = ["content", "send-media", room, path.to_str().unwrap()];
    let once = [&send[..], &["--transaction-id", "sealed-media"]].concat();
    let (sent, again) = (server.json(&once), server.json(&once));
    assert_eq!((&sent["event_id"], &sent["url"]), (&again["event_id"], &again["url"]));
    let (event, url) = (sent["event_id"].as_str().unwrap(), sent["url"].as_str().unwrap());
    let known = server.json(&["content", "get-media", url]);
    assert_eq!(known["media_type"], "application/octet-stream", "{known}");
    assert!(known["upload_name"].is_null() && known["media_length"] == 7, "{known}");
    let fetch = ["content", "download-media"];
    let to_stdout = |what: &[&str]| {
        let words = [&fetch[..], what, &["--out", "-"]].concat();
        server.run(&words).success().stdout
    };
    let bare = folder.path().join("bare");
    server.run(&[&fetch[..], &[url, "--out", bare.to_str().unwrap()]].concat()).success();
    let bare = std::fs::read(bare).unwrap();
    assert!(bare.len() == 7 && bare != b"numbers", "{bare:?}");
    assert_eq!(to_stdout(&[room, event]), "numbers");
    let queued = server.json(&[&send[..], &["--queue", "--wait"]].concat());
    assert_eq!(
        to_stdout(&[room, queued["messages"][0]["event_id"].as_str().unwrap()]),
        "numbers",
        "{queued}"
    );
    let page = server.json(&["content", "read-messages", room]);
    assert_eq!(page["total"], 2, "{page}");
    for message in page["messages"].as_array().unwrap() {
        assert_eq!(
            (&message["url"], &message["file"]["key"]["k"]),
            (&Value::Null, &"*****".into())
        );
    }
    let into = folder.path().join("into");
    std::fs::create_dir(&into).unwrap();
    let fetch = [&fetch[..], &[room, event, "--out", into.to_str().unwrap()]].concat();
    let saved = server.json(&fetch);
    assert_eq!((&saved["mimetype"], &saved["bytes"]), (&"text/plain".into(), &7.into()), "{saved}");
    let copy = into.join("report.txt");
    assert_eq!(
        (std::fs::read(&copy).unwrap(), &saved["path"]),
        (b"numbers".to_vec(), &copy.to_str().into())
    );
    // What was altered there is not handed out.
    let id = url.rsplit('/').next().unwrap();
    let stored =
        server.data.join("media/local_content").join(&id[..2]).join(&id[2..4]).join(&id[4..]);
    std::fs::write(&stored, b"altered").unwrap();
    std::fs::remove_file(&copy).unwrap();
    server.run(&fetch).exits(1).says("its SHA-256 is another");
    server.run(&["content", "download-media", room, event, "--out", "-"]).exits(1).says("SHA-256");
    assert_eq!(std::fs::read_dir(&into).unwrap().count(), 0);
}

#[test]
fn the_largest_message_that_passes_here_is_accepted() {
    let server = Instance::shared();
    let room = server.clear_room("Largest");
    // The content is `{"body":"…","m.mentions":{},"msgtype":"m.text"}`.
    let most = vec![b'x'; 63_488 - 46];
    server.run_with(&["content", "send-message", &room, "-"], &most).success();
    let more = vec![b'x'; 63_488 - 45];
    server.run_with(&["content", "send-message", &room, "-"], &more).exits(1).says("63488");
    assert_eq!(server.bodies(&room).len(), 1);
}

#[test]
fn only_an_event_of_the_room_is_answered_changed_or_taken_away() {
    let server = Instance::shared();
    let (room, other) = (server.room("Mine"), server.room("Not mine"));
    let event = server.run(&["content", "send-message", &other, "elsewhere", "-q"]).success();
    let nowhere = "$31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM";
    for (id, why) in [("nonsense", "event id"), (nowhere, "no event"), (event.line(), "no event")] {
        for words in [
            vec!["content", "redact-message", &room, id],
            vec!["content", "edit-message", &room, id, "x"],
            vec!["content", "send-message", &room, "x", "--reply-to", id],
        ] {
            server.run(&words).exits(1).says(why);
        }
    }
    let reply = ["content", "send-message", &other, "reply", "--reply-to", event.line()];
    server.run(&reply).success();
    assert!(server.bodies(&room).is_empty());
}

#[test]
fn what_is_not_there_is_said_at_once() {
    let server = Instance::shared();
    let unknown = "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM";
    server.run(&["content", "read-messages", unknown]).exits(1).says("there is no room");
    let begun = std::time::Instant::now();
    server.run(&["content", "read-messages", "#x:other.example"]).exits(1).says("another server");
    server.run(&["content", "get-room", "#x:other.example"]).exits(2);
    assert!(begun.elapsed() < std::time::Duration::from_secs(10));
}

#[test]
fn following_ends_with_the_time_that_was_given() {
    let server = Instance::shared();
    let room = server.room("Followed for a while");
    server.run(&["content", "send-message", &room, "before"]).success();
    // Where the server is busy its first answer may take as long as that.
    let follow = ["content", "read-messages", &room, "--follow", "--timeout", "5"];
    server.run(&follow).success().says("before");
    server.run(&["content", "read-messages", &room, "--limit", "0"]).exits(1).says("--limit");
}

#[test]
fn a_file_that_is_too_large_is_refused_before_it_is_sent() {
    let server = Instance::shared();
    let room = server.room("Too large");
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "film.mp4", b"");
    File::options().write(true).open(&path).unwrap().set_len(52_500_000).unwrap();
    let send = ["content", "send-media", &room, path.to_str().unwrap()];
    server.run(&[&send[..], &["--dry-run"]].concat()).exits(1).says("the homeserver takes at most");
    let said = server.run(&send).exits(1);
    let said = said.says("`film.mp4` has 52500000 bytes, and the homeserver takes at most");
    said.says("(50M)").says("`config set synapse.max_upload_size 51M` and `manage restart`");
    server.run(&["content", "send-media", &room, "-"]).exits(1).says("stdin");
}

#[test]
fn what_was_taken_away_is_neither_changed_nor_taken_away_again() {
    let server = Instance::shared();
    let room = server.room("Taken away");
    let sent = server.run(&["content", "send-message", &room, "gone", "-q"]).success();
    let event = sent.line();
    server.run(&["content", "redact-message", &room, event]).success();
    server.run(&["content", "redact-message", &room, event]).exits(2).says("already");
    server.run(&["content", "edit-message", &room, event, "new"]).exits(1).says("was redacted");
    assert!(server.bodies(&room).is_empty());
}

#[test]
fn an_alias_without_its_sign_is_suggested_and_a_file_is_marked() {
    let server = Instance::shared();
    server.run(&["content", "create-room", "Signs", "--alias", "signless"]).success();
    let said = server.run(&["content", "send-message", "signless", "hi"]).exits(1);
    said.says("there is no room named `signless`, but there is `#signless`");
    // So is one that is nearly called so, in any capitals.
    for (typed, meant) in [("#signles", "did you mean `#signless`?"), ("SIGNS", "`Signs`?")] {
        server.run(&["content", "send-message", typed, "hi"]).exits(1).says(meant);
    }
    let said = server.run(&["content", "send-message", "#qwk-zzj", "hi"]).exits(1);
    said.says("`content create-room NAME --alias qwk-zzj` makes it");
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "p.png", b"not really");
    server.run(&["content", "send-media", "#signless", path.to_str().unwrap()]).success();
    server.run(&["content", "read-messages", "#signless"]).success().says(": [image p.png mxc://");
    let path = file(folder.path(), "one", b"single line");
    let sent = server.run(&["content", "send-message", "Signs", "--file", path.to_str().unwrap()]);
    sent.success().says("sent 1 message to ");
    server.run(&["content", "get-room", "Signs"]).success();
}

#[test]
fn an_edit_keeps_what_it_does_not_change() {
    let server = Instance::shared();
    let room = server.clear_room("Kept");
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "p.png", b"not really");
    let words = ["content", "send-media", &room, path.to_str().unwrap(), "--caption", "a", "-q"];
    let media = server.run(&words).success();
    server.run(&["content", "edit-message", &room, media.line(), "b"]).success();
    let words = ["content", "send-message", &room, "**n1**", "--notice", "--markdown", "-q"];
    let notice = server.run(&words).success();
    server.run(&["content", "edit-message", &room, notice.line(), "*n2*"]).success();
    let page = server.json(&["content", "read-messages", &room]);
    let [media, notice] = &page["messages"].as_array().unwrap()[..] else { panic!("{page}") };
    assert_eq!((&media["msgtype"], &media["body"]), (&"m.image".into(), &"b".into()));
    assert_eq!((&media["filename"], &media["info"]["size"]), (&"p.png".into(), &10.into()));
    assert!(media["url"].as_str().unwrap().starts_with("mxc://"), "{page}");
    let kept = (&notice["msgtype"], &notice["formatted_body"]);
    assert_eq!(kept, (&"m.notice".into(), &"<em>n2</em>".into()));
}

#[test]
fn only_its_sender_edits_a_message() {
    let server = Instance::shared();
    let room = server.room("Of another");
    server.run(&["content", "add-user", "author"]).success();
    server.run(&["content", "invite", &room, "author"]).success();
    let send = ["content", "send-message", &room, "x", "--as", "author", "-q"];
    let event = server.run(&send).success();
    let edit = ["content", "edit-message", &room, event.line(), "y"];
    server.run(&edit).exits(1).says("is by `@author:test.example`").says("--as '@author:test");
    server.run(&[&edit[..], &["--as", "author"]].concat()).success();
    assert_eq!(server.bodies(&room), ["y"]);
}

#[test]
fn a_message_wakes_whom_it_names_or_answers_and_nobody_else() {
    let server = Instance::shared();
    let room = server.clear_room("Woken");
    server.run(&["content", "add-user", "sleeper"]).success();
    server.run(&["content", "invite", &room, "sleeper"]).success();
    let asked = ["content", "send-message", &room, "question", "--as", "sleeper", "-q"];
    let asked = server.run(&asked).success();
    let users = serde_json::json!({ "user_ids": ["@sleeper:test.example"] });
    let pill = "<a href=\"https://matrix.to/#/@sleeper:test.example\">Sleeper</a>";
    for (words, wanted) in [
        (vec!["node sleeper is down"], serde_json::json!({})),
        (vec!["answer", "--reply-to", asked.line()], users.clone()),
        (vec!["look", "--mention", "sleeper"], users.clone()),
        (vec![pill, "--html"], users),
        (vec!["all", "--mention-room"], serde_json::json!({ "room": true })),
    ] {
        let send = ["content", "send-message", &room];
        let event = server.run(&[&send[..], &words, &["-q"]].concat()).success();
        let path = format!("GET /_synapse/admin/v1/fetch_event/{}", event.line());
        let found = server.json(&["content", "execute", "--name", &path]);
        assert_eq!(found["event"]["content"]["m.mentions"], wanted, "{words:?}");
    }
    let send = ["content", "send-message", &room, "x", "--mention", "nobody-there"];
    server.run(&send).exits(1).says("nobody-there");
}

#[test]
fn a_text_may_begin_with_a_hyphen() {
    let server = Instance::shared();
    let room = server.room("Hyphens");
    for text in ["-5 degrees", "- item", "-h", "--- cut ---"] {
        server.run(&["content", "send-message", &room, text]).success();
    }
    assert_eq!(server.bodies(&room), ["-5 degrees", "- item", "-h", "--- cut ---"]);
    let misspelt = ["content", "send-message", &room, "--markdwon"];
    server.run_with(&misspelt, b"**x**").exits(1).says("--markdown");
}

#[test]
fn what_cannot_be_read_is_counted() {
    let server = Instance::shared();
    let made = server.json(&["content", "create-room", "Unread", "--encrypted"]);
    let room = made["room_id"].as_str().unwrap();
    let sealed = r#"{"algorithm":"m.megolm.v1.aes-sha2","ciphertext":"x","session_id":"s"}"#;
    for id in ["t1", "t2"] {
        let path = format!("PUT /_matrix/client/v3/rooms/{room}/send/m.room.encrypted/{id}");
        server.run(&["content", "execute", "--name", &path, "--options", sealed]).success();
    }
    let page = server.json(&["content", "read-messages", room]);
    assert_eq!((&page["unreadable"], &page["total"]), (&2.into(), &2.into()));
    let said = server.run(&["content", "read-messages", room]).success();
    assert!(said.stderr.contains("2 messages are encrypted and cannot be read here"), "{said}");
    assert!(said.stdout.contains("(cannot be read: "), "{said}");
}

const ENCRYPTION: &str = r#"{"algorithm":"m.megolm.v1.aes-sha2"}"#;

/// Somebody encrypts a room without a word to the program, by way of the main process or of a worker's socket.
fn encrypt(server: &Instance, through: Option<&Path>, room: &str) {
    let what = format!("PUT /_matrix/client/v3/rooms/{room}/state/m.room.encryption");
    asked(server, through, &what, ENCRYPTION).unwrap();
}

/// The events of a room as the server has them, oldest first.
fn events(server: &Instance, room: &str) -> Vec<Value> {
    let what = format!("GET /_matrix/client/v3/rooms/{room}/messages?dir=f&limit=500");
    let page = asked(server, None, &what, "").unwrap();
    page["chunk"].as_array().unwrap().clone()
}

/// What was said after a room was encrypted is in none of the events since.
fn is_sealed(server: &Instance, room: &str, said: &str) {
    let events = events(server, room);
    let since = events.iter().position(|it| it["type"] == "m.room.encryption").unwrap();
    let since = &events[since + 1..];
    assert!(since.iter().any(|it| it["type"] == "m.room.encrypted"), "{since:?}");
    assert!(since.iter().all(|it| !it.to_string().contains(said)), "{since:?}");
}

/// A room is encrypted right after a message, and the next one is, too.
pub(crate) fn a_room_that_becomes_encrypted(server: &Instance, through: Option<&Path>) {
    let room = server.clear_room("Sealed at once");
    for n in 0..3 {
        server.run(&["content", "send-message", &room, &format!("plain {n}")]).success();
    }
    encrypt(server, through, &room);
    server.run(&["content", "send-message", &room, "a secret"]).success();
    is_sealed(server, &room, "secret");
    assert_eq!(server.bodies(&room)[2..], ["plain 2", "a secret"]);
    // Nor has anything failed in our module, which would have been passed over.
    let mut failed = Command::new("grep");
    failed.args(["-rF", "rms_modules/sealing.py"]).arg(server.data.join("logs"));
    let failed = failed.output().unwrap();
    assert_eq!(failed.status.code(), Some(1), "{}", String::from_utf8_lossy(&failed.stdout));
}

#[test]
fn a_room_that_becomes_encrypted_gets_nothing_more_in_the_clear() {
    let server = Instance::shared();
    let room = server.clear_room("Sealed later");
    server.run(&["content", "send-message", &room, "plain"]).success();
    let path = format!("PUT /_matrix/client/v3/rooms/{room}/state/m.room.encryption");
    let words = ["content", "execute", "--name", &path, "--options", ENCRYPTION];
    server.run(&words).success();
    server.run(&["content", "send-message", &room, "secret"]).success();
    is_sealed(server, &room, "secret");
    let path = format!("PUT /_matrix/client/v3/rooms/{room}/send/m.room.message/clear");
    let words = [
        "content",
        "execute",
        "--name",
        &path,
        "--options",
        r#"{"msgtype":"m.text","body":"secret"}"#,
    ];
    server.run(&words).exits(1).says("the room is encrypted, and this was not");
    let of = events(server, &room).pop().unwrap();
    server.run(&["content", "react", &room, of["event_id"].as_str().unwrap(), "+"]).success();
    assert_eq!(server.bodies(&room), ["plain", "secret"]);

    a_room_that_becomes_encrypted(server, None);

    // A file is uploaded anew, and what came first is gone.
    let path = file(&server.data, "secret.txt", b"only for those who are there");
    for more in [&[][..], &["--queue", "--wait"]] {
        let room = server.clear_room("Sealed file");
        server.run(&["content", "send-message", &room, "plain"]).success();
        encrypt(server, None, &room);
        let send = ["content", "send-media", &room, path.to_str().unwrap(), "--caption", "secret"];
        server.run(&[&send[..], more].concat()).success();
        is_sealed(server, &room, "secret");
        let sent = server.json(&["content", "read-messages", &room]);
        let sent = &sent["messages"][1];
        assert!(sent["body"] == "secret" && sent["url"].is_null(), "{sent}");
        let event = sent["event_id"].as_str().unwrap();
        let opened = server.run(&["content", "download-media", &room, event, "--out", "-"]);
        assert_eq!(opened.success().stdout, "only for those who are there");
        let mut clear = Command::new("grep");
        clear.args(["-rlF", "only for those"]).arg(server.data.join("media/local_content"));
        assert_eq!(clear.output().unwrap().status.code(), Some(1), "it lies there in the clear");
    }

    // Of many lines each comes once and in order. One may have been under way when the room became encrypted.
    let room = server.clear_room("Sealed meanwhile");
    let lines: Vec<String> = (0..60).map(|n| format!("line {n}")).collect();
    let path = file(&server.data, "meanwhile.txt", lines.join("\n").as_bytes());
    let send = ["content", "send-message", &room, "--file", path.to_str().unwrap()];
    let mut sending = server.command().args(send).stdout(Stdio::null()).spawn().unwrap();
    let types = || -> Vec<String> {
        let events = events(server, &room);
        events.iter().map(|it| it["type"].as_str().unwrap().to_owned()).collect()
    };
    let clear = |types: &[String]| types.iter().filter(|it| *it == "m.room.message").count();
    wait_for("lines are sent", || clear(&types()) > 2);
    encrypt(server, None, &room);
    let before = clear(&types());
    assert!(sending.wait().unwrap().success());
    assert_eq!(server.bodies(&room), lines);
    let types = types();
    // The order of the room does not tell which were there first: that is by depth.
    assert!(
        clear(&types) <= before + 1 && types.last().unwrap() == "m.room.encrypted",
        "{types:?}"
    );
}

#[test]
fn a_body_is_executed_from_an_argument_a_file_and_a_pipe() {
    let server = Instance::shared();
    let room = server.clear_room("Bodies");
    let folder = tempfile::tempdir().unwrap();
    let body = |text: &str| format!(r#"{{"msgtype":"m.text","body":"{text}"}}"#);
    let path = file(folder.path(), "body.json", body("file").as_bytes());
    let from_file = format!("@{}", path.display());
    let of = |id: &str| format!("PUT /_matrix/client/v3/rooms/{room}/send/m.room.message/{id}");
    for (number, (options, input)) in [
        (vec!["--options", &body("argument")], String::new()),
        (vec!["--options", &from_file], String::new()),
        (vec!["--options", "-"], body("dash")),
        (vec![], body("pipe")),
    ]
    .into_iter()
    .enumerate()
    {
        let name = of(&format!("body{number}"));
        let words = [&["content", "execute", "--name", &name][..], &options].concat();
        server.run_with(&words, input.as_bytes()).success();
    }
    let path = format!("/_matrix/client/v3/rooms/{room}/send/m.room.message/raw");
    let raw = ["content", "raw", "put", &path, "--data", &from_file];
    assert!(server.json(&raw)["event_id"].is_string());
    server.run(&["content", "raw", "PATCH", "/x"]).exits(1).says("GET, POST, PUT or DELETE");
    assert_eq!(server.bodies(&room), ["argument", "file", "dash", "pipe", "file"]);
}

#[test]
fn a_file_is_shown_with_its_size_and_length_and_answers_a_message() {
    let server = Instance::shared();
    let room = server.clear_room("Recordings");
    let path = |name: &str| format!("{}/test/media/{name}", env!("CARGO_MANIFEST_DIR"));
    let asked = server.run(&["content", "send-message", &room, "how was it?", "-q"]).success();
    let content = |words: &[&str]| {
        let sent = server.json(&[&["content", "send-media", &room], words].concat());
        let event = format!(
            "GET /_matrix/client/v3/rooms/{room}/event/{}",
            sent["event_id"].as_str().unwrap()
        );
        server.json(&["content", "execute", "--name", &event])["content"].clone()
    };
    let video = content(&[&path("upright.mp4"), "--reply-to", asked.line()]);
    assert_eq!((&video["info"]["w"], &video["info"]["h"]), (&48.into(), &64.into()));
    assert!(video["info"]["duration"].as_u64().unwrap() >= 2000, "{video}");
    // Its still picture stands upright too, and can be had from the server.
    let still = &video["info"]["thumbnail_info"];
    assert_eq!((&still["w"], &still["h"]), (&48.into(), &64.into()), "{video}");
    assert_eq!(still["mimetype"], "image/jpeg");
    let at = video["info"]["thumbnail_url"].as_str().unwrap().strip_prefix("mxc://").unwrap();
    let download = format!("GET /_matrix/client/v1/media/download/{at}");
    server.run(&["content", "execute", "--name", &download]).says("answered something unexpected");
    assert_eq!(video["m.relates_to"]["m.in_reply_to"]["event_id"], asked.line());
    let sound = content(&[&path("sound.m4a")]);
    assert_eq!(
        (&sound["msgtype"], &sound["info"]["mimetype"]),
        (&"m.audio".into(), &"audio/mp4".into())
    );
    let voice = content(&[&path("voice.ogg"), "--voice"]);
    assert!(voice["org.matrix.msc3245.voice"].is_object(), "{voice}");
    assert_eq!(voice["org.matrix.msc1767.audio"]["duration"], voice["info"]["duration"]);
    let waveform = voice["org.matrix.msc1767.audio"]["waveform"].as_array().unwrap();
    assert_eq!(waveform.len(), 100);
    assert_eq!(waveform.iter().filter_map(Value::as_u64).max(), Some(1024));
    // What calls itself a video and is a list of others, or is none at all, is sent without a picture.
    let list = b"#EXTM3U\n#EXTINF:1,\nupright.mp4\n";
    let list = file(&server.data, "list.mp4", list).display().to_string();
    assert!(content(&[&list])["info"].get("thumbnail_url").is_none());
    // A repeat is the first message, with the file that it shows.
    let again = ["content", "send-media", &room, &path("voice.ogg"), "--transaction-id", "spoken"];
    assert_eq!(server.json(&again)["url"], server.json(&again)["url"]);
    let spoken = ["content", "send-media", &room, &path("upright.jpg"), "--voice"];
    server.run(&spoken).exits(1).says("--voice");
}
