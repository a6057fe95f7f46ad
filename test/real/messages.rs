//! A message that was accepted is in the room: once, whole, in order.

use crate::common::{Instance, file};

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
fn nothing_is_sent_in_the_clear_into_an_encrypted_room() {
    let server = Instance::shared();
    let made = server.json(&["content", "create-room", "Sealed", "--encrypted"]);
    let room = made["room_id"].as_str().unwrap();
    server.run(&["content", "send-message", room, "secret"]).exits(1).says("encrypt");
}

#[test]
fn a_file_is_uploaded_with_its_kind() {
    let server = Instance::shared();
    let room = server.room("Media");
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), "report.txt", b"numbers");
    server.run(&["content", "send-media", &room, path.to_str().unwrap()]).success();
    let page = server.json(&["content", "read-messages", &room]);
    assert_eq!(page["messages"][0]["msgtype"], "m.file");
}

#[test]
fn the_largest_message_that_passes_here_is_accepted() {
    let server = Instance::shared();
    let room = server.room("Largest");
    // The content is `{"body":"…","msgtype":"m.text"}`.
    let most = vec![b'x'; 63_488 - 30];
    server.run_with(&["content", "send-message", &room, "-"], &most).success();
    let more = vec![b'x'; 63_488 - 29];
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
