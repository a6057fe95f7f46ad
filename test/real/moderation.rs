//! Rooms kept in order: who is in them and with which power, what they say of themselves, and what is
//! taken out of them.

use serde_json::{Value, json};

use crate::common::{Instance, file};

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
    assert!(all.to_string().contains("\"reason\":\"loud\""), "{all}");
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

#[test]
fn in_a_closed_room_only_moderators_write_until_it_is_opened() {
    let server = Instance::shared();
    let room = server.room("Announcements");
    server.run(&["content", "add-user", "crier"]).success();
    server.run(&["content", "invite", &room, "crier"]).success();
    let send = ["content", "send-message", &room, "hear, hear", "--as", "crier"];
    server.run(&send).success();
    let close = ["content", "close-room", &room];
    server.run(&close).success().says("who has the power 50");
    server.run(&close).exits(2);
    server.run(&send).exits(1).says("has no right to do that");
    server.run(&["content", "send-message", &room, "order"]).success();
    let open = ["content", "open-room", &room];
    server.run(&open).success().says("who has the power 0");
    server.run(&open).exits(2);
    server.run(&send).success();
}

#[test]
fn a_room_is_blocked_and_what_is_old_is_purged() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "historian"]).success();
    let room = server.clear_room("Archive");
    let block = ["content", "block-room", &room];
    server.run(&block).success();
    server.run(&block).exits(2).says("already blocked");
    let invite = ["content", "invite", &room, "historian"];
    server.run(&invite).exits(1).says("blocked");
    server.run(&["content", "unblock-room", &room]).success();
    server.run(&invite).success();
    server.run(&["content", "join-room", &room, "--as", "historian"]).success();
    // Also one that the server does not know yet.
    server.run(&["content", "block-room", "!evil:other.example"]).success();
    server.run(&["content", "unblock-room", "!evil:other.example"]).success();
    server.run(&["content", "unblock-room", "!evil:other.example"]).exits(2);

    let send = |text: &str| {
        let sent = server.run(&["content", "send-message", &room, text, "-q"]).success();
        sent.line().to_owned()
    };
    let (old, new) = (send("old"), send("new"));
    let event = server.json(&["content", "get-event", &old]);
    assert_eq!(event["event"]["content"]["body"], "old", "{event}");
    let at = event["event"]["origin_server_ts"].as_i64().unwrap();
    let at = jiff::Timestamp::from_millisecond(at).unwrap().to_string();
    assert_eq!(server.json(&["content", "find-event", &room, "--at", &at])["event_id"], *old);
    let back = ["content", "find-event", &room, "--at", "0s", "--backwards"];
    assert_eq!(server.json(&back)["event_id"], *new);
    server.run(&["content", "find-event", &room, "--at", "2100-01-01T00:00:00Z"]).exits(2);

    let all = server.json(&["content", "get-state", &room]);
    assert!(all["total"].as_u64().unwrap() > 4, "{all}");
    let create = server.json(&["content", "get-state", &room, "--type", "m.room.create"]);
    assert_eq!(create["total"], 1, "{create}");
    assert_eq!(create["events"][0]["sender"], "@operator:test.example");

    let purge = ["content", "purge-history", &room, "--before", &new, "--local-too"];
    server.run(&[&purge[..], &["--dry-run"]].concat()).success().says("would purge");
    assert_eq!(server.json(&purge)["purged"], true);
    assert_eq!(server.bodies(&room), ["new"]);
    server.run(&["content", "get-event", &old]).exits(2).says("there is no event");
    server.run(&["content", "purge-history", &room, "--before", "9y"]).exits(2);
    let tasks = server.json(&["content", "list-tasks"]);
    assert!(tasks.to_string().contains("purge_history"), "{tasks}");
    server.run(&["content", "prune-extremities", &room]).exits(2).says("has one end");
}

#[test]
fn a_file_is_hidden_protected_shown_and_deleted() {
    let server = Instance::shared();
    let room = server.clear_room("Files");
    let path = file(&server.data, "to-hide.txt", b"not for all eyes").display().to_string();
    let sent = server.json(&["content", "send-media", &room, &path]);
    let uri = sent["url"].as_str().unwrap();
    let listed = server.json(&["content", "list-room-media", &room]);
    assert_eq!(listed["files"], json!([{ "uri": uri, "local": true }]), "{listed}");
    let info = || server.json(&["content", "get-media", uri]);
    assert_eq!(info()["user_id"], "@operator:test.example");
    assert_eq!(info()["media_length"], 16);

    let quarantine = ["content", "quarantine-media", uri];
    server.run(&quarantine).success();
    server.run(&quarantine).exits(2).says("already");
    assert_eq!(info()["quarantined_by"], "@operator:test.example");
    let said = server.run(&["content", "download-media", uri, "--out", "-"]).exits(1);
    said.says("was quarantined by @operator:test.example").says("unquarantine-media");
    server.run(&["content", "unquarantine-media", uri]).success();
    server.run(&["content", "unquarantine-media", uri]).exits(2);
    assert_eq!(info()["quarantined_by"], Value::Null);

    server.run(&["content", "protect-media", uri]).success();
    server.run(&["content", "protect-media", uri]).exits(2);
    assert_eq!(info()["safe_from_quarantine"], true);
    server.run(&quarantine).exits(1).says("unprotect-media");
    server.run(&["content", "quarantine-media", "--room", &room]).exits(2);
    server.run(&["content", "unprotect-media", uri]).success();
    let all = ["content", "quarantine-media", "--room", &room];
    assert_eq!(server.json(&all)["quarantined"], 1);

    server.run(&["content", "remove-media", uri]).success();
    server.run(&["content", "remove-media", uri]).exits(2);
    server.run(&["content", "get-media", uri]).exits(2).says("there is no file");
    server
        .run(&["content", "remove-media", "mxc://other.example/a"])
        .exits(1)
        .says("another server");
    server.run(&["content", "remove-media", "--older-than", "9y"]).exits(2);
    server.run(&["content", "purge-remote-media", "--older-than", "9y"]).exits(2);
    server.run(&["content", "quarantine-media", "--user", "nobody-with-files"]).exits(2);
}

#[test]
fn what_users_report_is_listed_shown_and_forgotten() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "reporter"]).success();
    let room = server.room("Reported");
    server.run(&["content", "invite", &room, "reporter"]).success();
    server.run(&["content", "join-room", &room, "--as", "reporter"]).success();
    let sent = server.run(&["content", "send-message", &room, "rude", "-q"]).success();
    let event = sent.line();
    let report = |path: String| {
        let path = format!("POST /_matrix/client/v3/{path}");
        let words = ["content", "execute", "--name", &path, "--as", "reporter", "--options"];
        server.run(&[&words[..], &[r#"{"reason":"rude"}"#]].concat()).success();
    };
    report(format!("rooms/{room}/report/{event}"));
    report("users/@operator:test.example/report".to_owned());
    for (flags, field, about) in
        [(&[][..], "event_id", event), (&["--users"], "target_user_id", "@operator:test.example")]
    {
        let listed = server.json(&[&["content", "list-reports"], flags].concat());
        let reports = listed["reports"].as_array().unwrap();
        let found = reports.iter().find(|it| it[field] == about).unwrap();
        assert_eq!(
            (&found["reason"], &found["user_id"]),
            (&"rude".into(), &"@reporter:test.example".into())
        );
        let id = found["id"].to_string();
        let shown = server.json(&[&["content", "get-report", &id], flags].concat());
        assert_eq!(shown["report"][field], about, "{shown}");
        let remove = [&["content", "remove-report", &id], flags].concat();
        server.run(&remove).success();
        server.run(&remove).exits(2).says("there is no report");
        server.run(&[&["content", "get-report", &id], flags].concat()).exits(2);
    }
    let notice = ["content", "send-notice", "reporter", "Thank you"];
    server.run(&notice).exits(1).says("server_notices").says("homeserver.d");
}

#[test]
fn what_the_server_does_beside_is_shown_paused_and_goes_on() {
    let server = Instance::shared();
    let pause = ["content", "pause-background-updates"];
    server.run(&pause).success();
    server.run(&pause).exits(2).says("already paused");
    assert_eq!(server.json(&["content", "list-background-updates"])["paused"], true);
    server.run(&["content", "resume-background-updates"]).success();
    assert_eq!(server.json(&["content", "list-background-updates"])["paused"], false);
    // PostgreSQL has figures of a table some time after there is something in it.
    let largest = server.run(&["content", "largest-rooms"]);
    assert!(largest.code == 0 || largest.stderr.contains("has no figures yet"), "{largest}");
    assert_eq!(server.json(&["content", "list-destinations"])["total"], 0);

    let make = |words: &[&str]| {
        let words = [&["content", "create-room"], words, &["-q"]].concat();
        server.run(&words).success().line().to_owned()
    };
    let (outer, inner) = (make(&["Outer", "--space"]), make(&["Inner", "--space"]));
    let room = make(&["Innermost"]);
    server.run(&["content", "add-to-space", &outer, &inner]).success();
    server.run(&["content", "add-to-space", &inner, &room]).success();
    let tree = server.json(&["content", "list-space", &outer]);
    let part =
        |at: usize| (tree["rooms"][at]["room_id"].clone(), tree["rooms"][at]["depth"].clone());
    assert_eq!(part(0), (json!(inner), json!(1)), "{tree}");
    assert_eq!(part(1), (json!(room), json!(2)), "{tree}");
}
