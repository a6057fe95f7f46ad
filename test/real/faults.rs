//! What stands in the way of a message, and what the command says of it: a sentence, and the next command to
//! type, which is then typed and helps.

use serde_json::{Value, json};

use crate::common::{Instance, Said};

/// A user in a room of the operator's, with the room's id.
fn guest(server: &Instance, name: &str) -> String {
    server.run(&["content", "add-user", name]).success();
    let room = server.run(&["content", "create-room", &format!("Room of {name}"), "-q"]).success();
    let room = room.line().to_owned();
    server.run(&["content", "invite", &room, name]).success();
    server.run(&["content", "join-room", &room, "--as", name]).success();
    room
}

fn send(server: &Instance, room: &str, name: &str) -> Said {
    server.run(&["content", "send-message", room, "hello", "--as", name])
}

/// The command that a hint names, word by word as a shell takes it.
#[track_caller]
fn hinted(said: &Said) -> Vec<String> {
    let hint = said.stderr.split("hint: ").nth(1).unwrap_or_else(|| panic!("no hint: {said}"));
    let command = hint.split('`').nth(1).unwrap_or_else(|| panic!("no command: {said}"));
    shlex::split(command).unwrap()
}

/// Types what was hinted.
#[track_caller]
fn heed(server: &Instance, said: &Said) {
    let words = hinted(said);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    server.run(&words).success();
}

#[test]
fn a_session_that_was_ended_is_made_again_without_a_word() {
    let server = Instance::shared();
    let room = guest(server, "comeback");
    send(server, &room, "comeback").success();
    for user in [&[][..], &["--as", "comeback"]] {
        let end = ["content", "raw", "POST", "/_matrix/client/v3/logout", "--data", "{}"];
        server.run(&[&end[..], user].concat()).success();
        let words = ["content", "send-message", &room, "back again"];
        let said = server.run(&[&words[..], user].concat()).success();
        assert_eq!(said.stderr, "", "{said}");
    }
    let bodies = server.bodies(&room);
    assert_eq!(bodies.iter().filter(|body| *body == "back again").count(), 2, "{bodies:?}");
}

#[test]
fn an_address_that_leads_nowhere_is_named_with_where_to_look() {
    let server = Instance::shared();
    let said = server.run(&["content", "send-message", "#nowhere-at-all", "x"]).exits(1);
    said.says("there is no room `#nowhere-at-all`").says("--alias nowhere-at-all` makes it");
    let said = server.run(&["content", "send-message", "!nowhere:test.example", "x"]).exits(1);
    said.says("there is no room `!nowhere:test.example`").says("`content list-rooms`");
    let said = server.run(&["content", "send-message", "#a:other.example", "x"]).exits(1);
    said.says("belongs to another server, and federation is off");
    let room = server.room("Addresses that lead nowhere");
    let said = send(server, &room, "@alice:other.example").exits(1);
    said.says("belongs to another homeserver than `test.example`").says("leave the part");
    send(server, &room, "nobody-at-all").exits(1).says("there is no user").says("content add-user");
}

#[test]
fn who_has_no_right_to_speak_is_told_who_gives_it() {
    let server = Instance::shared();
    let room = guest(server, "listener");
    let set = json!({ "events_default": 50 }).to_string();
    let path = format!("/_matrix/client/v3/rooms/{room}/state/m.room.power_levels");
    server.run(&["content", "raw", "PUT", &path, "--data", &set]).success();
    let said = send(server, &room, "listener").exits(1);
    let said = said.says("`@listener:test.example` has no right to do that in the room");
    assert!(!said.stderr.contains("joined the room"), "{said}");
    heed(server, &said);
    send(server, &room, "listener").success();
    // Nor can one who is outside and not invited.
    server.run(&["content", "add-user", "outsider"]).success();
    let said = send(server, &room, "outsider").exits(1);
    said.says("`@outsider:test.example` cannot enter the room").says("content invite");
    server.run(&["content", "invite", &room, "outsider"]).success();
    let said = send(server, &room, "outsider").exits(1);
    let said = said.says("has no right to do that");
    heed(server, &said);
    send(server, &room, "outsider").success();
}

#[test]
fn a_blocked_room_says_so_to_everybody_who_is_outside() {
    let server = Instance::shared();
    let room = guest(server, "lodger");
    server.run(&["content", "block-room", &room]).success();
    // Who is in it may go on.
    send(server, &room, "lodger").success();
    for user in [&["--as", "lodger"][..], &[]] {
        server.run(&[&["content", "leave-room", &room, "--force"], user].concat()).success();
        let words = ["content", "send-message", &room, "x"];
        let said = server.run(&[&words[..], user].concat()).exits(1);
        let said = said.says("is blocked on this server: nobody can enter it");
        assert_eq!(hinted(&said)[..2], ["content", "unblock-room"]);
        if user.is_empty() {
            heed(server, &said);
        }
    }
}

#[test]
fn an_account_that_may_not_speak_is_opened_by_the_hint() {
    let server = Instance::shared();
    let room = guest(server, "barred");
    for (verb, cause) in [("lock-user", "M_USER_LOCKED"), ("suspend-user", "M_USER_SUSPENDED")] {
        server.run(&["content", verb, "barred"]).success();
        let said = send(server, &room, "barred").exits(1).says(cause);
        assert_eq!(hinted(&said), ["content", "unlock-user", "USER"]);
        server.run(&["content", "unlock-user", "barred"]).success();
        send(server, &room, "barred").success();
    }
    server.run(&["content", "remove-user", "barred", "--force"]).success();
    let said = send(server, &room, "barred").exits(1).says("M_USER_DEACTIVATED");
    assert_eq!(hinted(&said), ["content", "reactivate-user", "USER"]);
    let opened: Value = server.json(&["content", "reactivate-user", "barred"]);
    assert_eq!(opened["user_id"], "@barred:test.example");
}
