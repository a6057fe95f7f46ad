//! What was interrupted, repeated or met a server that was away is in the room once, and in order.

use std::{collections::BTreeSet, fs, process::Stdio};

use crate::{
    common::{Instance, file, kill_9, signal, wait_for},
    lent::Lent,
};

#[test]
fn a_file_that_was_interrupted_goes_on_and_doubles_nothing() {
    let server = Instance::shared();
    for name in ["INT", "TERM"] {
        let room = server.room("Interrupted");
        let folder = tempfile::tempdir().unwrap();
        let lines: Vec<String> = (0..300).map(|n| format!("line {n}")).collect();
        let path = file(folder.path(), "lines", lines.join("\n").as_bytes());
        let send = ["content", "send-message", &room, "--file", path.to_str().unwrap()];
        let mut first = server.command();
        let first = first.args(send).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for("some were sent", || server.bodies(&room).len() > 5);
        signal(first.id(), name);
        let said = first.wait_with_output().unwrap();
        assert_eq!(said.status.code(), Some(if name == "INT" { 130 } else { 143 }));
        let told = String::from_utf8(said.stderr).unwrap();
        assert!(told.contains("interrupted after ") && told.contains(" of 300 lines"), "{told}");
        let command =
            format!("content send-message '{room}' --file '{}'` sends the rest", path.display());
        assert!(told.contains(&command), "{told}");
        server.run(&send).success().says("sent 300 messages");
        assert_eq!(server.bodies(&room), lines);
    }
}

#[test]
fn a_file_that_was_sent_whole_may_be_sent_again() {
    let server = Instance::shared();
    let room = server.room("Twice");
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "lines", b"same\nsame\n");
    for _ in 0..2 {
        server.run(&["content", "send-message", &room, "--file", path.to_str().unwrap()]).success();
    }
    assert_eq!(server.bodies(&room), ["same"; 4]);
}

#[test]
fn a_transaction_id_does_not_stand_for_two_texts() {
    let server = Instance::shared();
    let room = server.room("Two texts");
    let send = |text: &str| {
        server.run(&["content", "send-message", &room, text, "--transaction-id", "same", "-q"])
    };
    let event = send("one").success().line().to_owned();
    send("two").exits(1).says("the transaction id `same` was used before").says(&event);
    assert_eq!(send("one").success().line(), event);
    let edit = |text: &str| {
        server.run(&["content", "edit-message", &room, &event, text, "--transaction-id", "edit"])
    };
    edit("three").success();
    edit("three").success();
    edit("four").exits(1).says("the transaction id `edit` was used before");
    assert_eq!(server.bodies(&room), ["three"]);
    let folder = tempfile::tempdir().unwrap();
    let media = |content: &[u8]| {
        let path = file(folder.path(), "a.txt", content);
        let words =
            ["content", "send-media", &room, path.to_str().unwrap(), "--transaction-id", "m"];
        server.run(&words)
    };
    media(b"one").success();
    media(b"one").success();
    media(b"other").exits(1).says("the transaction id `m` was used before");
}

#[test]
fn a_message_waits_for_a_server_that_is_being_brought_back() {
    let server = Lent::up();
    let room = server.room("Back");
    kill_9(server.pid("synapse"));
    server.run(&["content", "send-message", &room, "after the crash"]).success();
    assert_eq!(server.bodies(&room), ["after the crash"]);
    // Nobody brings back what was stopped.
    server.run(&["manage", "stop"]).success();
    let begun = std::time::Instant::now();
    server.run(&["content", "send-message", &room, "x"]).exits(1).says("`manage start` starts it");
    assert!(begun.elapsed() < std::time::Duration::from_secs(10));
}

#[test]
fn a_stream_begins_where_it_is_told_and_says_each_message_once() {
    let server = Instance::shared();
    let room = server.room("Streams");
    server.run(&["content", "add-user", "streamer"]).success();
    server.run(&["content", "invite", &room, "streamer"]).success();
    server.run(&["content", "join-room", &room, "--as", "streamer"]).success();
    let follow = |more: &[&str]| {
        let words = ["content", "read-messages", &room, "--follow", "--as", "streamer"];
        let said =
            server.run(&[&words[..], more, &["--timeout", "2", "--format", "json"]].concat());
        let of = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["room_id"], room.as_str());
            line["body"].as_str().unwrap().to_owned()
        };
        said.success().stdout.lines().map(of).collect::<Vec<_>>()
    };
    assert!(follow(&[]).is_empty());
    for text in ["1", "2", "3"] {
        server.run(&["content", "send-message", &room, text]).success();
    }
    assert_eq!(follow(&["--limit", "1"]), ["3"]);
    assert_eq!(follow(&[]), ["1", "2", "3"]);
    // One that begins after all of them says none again.
    wait_for("a second has passed", || {
        server
            .run(&["content", "read-messages", &room, "--since", "1s"])
            .success()
            .stdout
            .is_empty()
    });
    assert!(follow(&["--since", "1s"]).is_empty());
}

#[test]
fn a_stream_says_that_a_message_was_taken_away() {
    let server = Instance::shared();
    let room = server.room("Taken");
    let event = server.run(&["content", "send-message", &room, "gone", "-q"]).success();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines");
    let mut stream = server.command();
    stream.args(["content", "read-messages", &room, "--follow"]);
    let mut stream = stream.stdout(fs::File::create(&path).unwrap()).spawn().unwrap();
    let holds = |text: &str| fs::read_to_string(&path).unwrap().contains(text);
    wait_for("the past is shown", || holds(": gone\n"));
    server.run(&["content", "redact-message", &room, event.line(), "--reason", "typo"]).success();
    let wanted = format!("(took {} away) typo\n", event.line());
    wait_for("the redaction is shown", || holds(&wanted));
    stream.kill().unwrap();
    stream.wait().unwrap();
    let ids: BTreeSet<String> =
        fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(ids.len(), 2);
}
