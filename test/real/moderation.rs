//! Rooms kept in order: who is in them and with which power, what they say of themselves, and what is
//! taken out of them.

use serde_json::{Value, json};

use crate::common::Instance;

/// A member of a room, as `list-members` shows them.
fn member(server: &Instance, room: &str, user: &str) -> Value {
    let all = server.json(&["content", "list-members", room]);
    let id = format!("@{user}:test.example");
    let members = all["members"].as_array().unwrap();
    members.iter().find(|member| member["user_id"] == *id).cloned().unwrap_or_default()
}

/// The content of a state event, as the server has it.
fn state(server: &Instance, room: &str, event_type: &str) -> Value {
    let path = format!("GET /_matrix/client/v3/rooms/{room}/state/{event_type}/");
    server.json(&["content", "execute", "--name", &path])
}

#[test]
fn a_user_gets_power_is_taken_out_is_banned_and_may_come_back() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "unruly", "--display-name", "Unruly"]).success();
    server.run(&["content", "add-user", "landlord"]).success();
    let room = server.room("Orderly");
    server.run(&["content", "invite", &room, "unruly"]).success();
    assert_eq!(member(server, &room, "unruly")["membership"], "invite");
    server.run(&["content", "join-room", &room, "--as", "unruly"]).success();
    let shown = member(server, &room, "unruly");
    assert_eq!(
        (&shown["membership"], &shown["power"], &shown["name"]),
        (&"join".into(), &0.into(), &"Unruly".into())
    );
    // Who made a room of this version stands above all numbers.
    let own = member(server, &room, "operator");
    assert_eq!((&own["creator"], &own["power"]), (&true.into(), &Value::Null), "{own}");
    server
        .run(&["content", "set-power", &room, "operator", "admin"])
        .exits(1)
        .says("above all numbers");

    let power = ["content", "set-power", &room, "unruly", "moderator"];
    server.run(&[&power[..], &["--dry-run"]].concat()).success().says("would give");
    assert_eq!(server.json(&power)["before"], 0);
    server.run(&power).exits(2).says("already has the power 50");
    assert_eq!(state(server, &room, "m.room.power_levels")["users"]["@unruly:test.example"], 50);
    server.run(&["content", "set-power", &room, "unruly", "user"]).success();
    assert_eq!(member(server, &room, "unruly")["power"], 0);

    let kick = ["content", "kick-user", &room, "unruly", "--reason", "loud"];
    assert_eq!(server.json(&kick)["membership"], "leave");
    server.run(&kick).exits(2).says("is not in");
    let all = server.json(&["content", "list-members", &room, "--all"]);
    assert!(all.to_string().contains("\"leave\""), "{all}");
    let ban = ["content", "ban-user", &room, "unruly"];
    assert_eq!(server.json(&ban)["membership"], "ban");
    server.run(&ban).exits(2).says("already banned");
    assert_eq!(member(server, &room, "unruly")["membership"], "ban");
    server.run(&["content", "join-room", &room, "--as", "unruly"]).exits(1);
    let unban = ["content", "unban-user", &room, "unruly"];
    server.run(&unban).success();
    server.run(&unban).exits(2).says("is not banned");
    server.run(&["content", "kick-user", &room, "operator"]).exits(1).says("leave-room");

    // The operator takes what power it needs in a room of others.
    let theirs = ["content", "create-room", "Theirs", "--as", "landlord", "--invite", "unruly"];
    let theirs = server.run(&[&theirs[..], &["-q"]].concat()).success().line().to_owned();
    server.run(&["content", "join-room", &theirs, "--as", "unruly"]).success();
    server.run(&["content", "kick-user", &theirs, "unruly"]).success().says("as an admin of it");
    server.run(&["content", "ban-user", &theirs, "landlord"]).exits(1).says("nobody stands above");
    server.run(&["content", "ban-user", "!gone:test.example", "unruly"]).exits(1).says("no room");
}

#[test]
fn a_room_changes_its_name_and_topic_and_keeps_a_message_in_sight() {
    let server = Instance::shared();
    let room = server.room("Before");
    server.run(&["content", "set-name", &room, "After"]).success();
    server.run(&["content", "set-name", &room, "After"]).exits(2).says("already");
    let topic = ["content", "set-topic", &room, "What we do"];
    server.run(&topic).success();
    server.run(&topic).exits(2);
    let shown = server.json(&["content", "get-room", &room]);
    assert_eq!((&shown["name"], &shown["topic"]), (&"After".into(), &"What we do".into()));
    server.run(&["content", "set-topic", &room, ""]).success().says("no topic any more");

    let sent = server.run(&["content", "send-message", &room, "Rules", "-q"]).success();
    let event = sent.line();
    let pin = ["content", "pin-message", &room, event];
    server.run(&pin).success();
    server.run(&pin).exits(2).says("already pinned");
    assert_eq!(state(server, &room, "m.room.pinned_events"), json!({ "pinned": [event] }));
    server.run(&["content", "unpin-message", &room, event]).success();
    server.run(&["content", "unpin-message", &room, event]).exits(2);

    let react = ["content", "react", &room, event, "👍"];
    let sign = server.json(&react)["event_id"].as_str().unwrap().to_owned();
    server.run(&react).exits(2).says("already");
    let path = format!("GET /_matrix/client/v1/rooms/{room}/relations/{event}/m.annotation");
    let signs = server.json(&["content", "execute", "--name", &path]);
    assert_eq!(signs["chunk"].as_array().unwrap().len(), 1, "{signs}");
    assert_eq!(signs["chunk"][0]["event_id"], sign.as_str(), "{signs}");
}
