//! Hookshot: its files are such as it takes, and what comes to its webhooks comes into a room. Its own
//! program cannot be had here, so a stand-in that refuses what it refuses speaks for it.

use serde_json::Value;

use crate::{
    bridges::{keeps_secrets, python_program},
    bridges_mautrix::room_with,
    common::{post, wait_for},
    lent::Lent,
};

#[test]
fn hookshots_files_are_such_as_it_takes_and_a_webhook_of_it_speaks_in_a_room() {
    let server = Lent::up();
    let program = python_program(&server, "hookshot", include_str!("../stand_in_hookshot.py"));
    let add = ["content", "add-bridge", "hookshot", "--program", &program];
    let added = server.run(&add).success().says("was reached, but does not support the ping");
    keeps_secrets(&server, "hookshot", &[&added], &["-----BEGIN PRIVATE KEY-----"]);
    server.run(&add).exits(2).says("exists already");
    let listed = server.bridge("hookshot");
    assert_eq!((&listed["state"], &listed["last_ping"]["ok"]), (&"running".into(), &true.into()));
    assert_eq!(listed["database"], Value::Null);

    let room = room_with(&server, "hookshot");
    server.run(&["content", "send-message", &room, "!hookshot webhook ci"]).success();
    let hooks = server.run(&["manage", "endpoint", "bridge-hookshot", "hooks"]).success();
    let hooks = hooks.line().to_owned();
    wait_for("its address is told", || server.heard(&room, &format!("the webhook is {hooks}ci")));
    let port = hooks.trim_start_matches("http://127.0.0.1:").trim_end_matches("/webhook/");
    let port = port.parse().unwrap();
    assert_eq!(post(port, "/webhook/ci", "{\"text\": \"built\"}").0, 200);
    let page = server.json(&["content", "read-messages", &room]);
    let said = page["messages"].as_array().unwrap().iter().find(|it| it["body"] == "built");
    assert_eq!(said.unwrap()["sender"], "@hookshot_ci:test.example");

    // Both of its ports are its own, and another one has others.
    let taken = port.to_string();
    let other = ["content", "add-bridge", "irc", "--port", &taken, "--dry-run"];
    server.run(&other).exits(1).says("is taken by the bridge `hookshot`");
    let more = ["content", "add-bridge", "hookshot", "--name", "second", "--program", &program];
    server.run(&more).success();
    server.run(&["content", "remove-bridge", "second"]).success();
    server.run(&["content", "remove-bridge", "hookshot"]).success();
    assert!(server.is_healthy() && !server.data.join("bridges").exists());
}
