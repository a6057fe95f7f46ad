//! What a room is called and known by, who may come in, and what becomes of it when it is upgraded.

use serde_json::{Value, json};

use crate::{
    common::{Instance, file, wait_for},
    hooks::{hook, post},
};

/// The content of a state event, as the server has it.
fn state(server: &Instance, room: &str, event_type: &str) -> Value {
    let found = server.json(&["content", "get-state", room, "--type", event_type]);
    found["events"][0]["content"].clone()
}

/// A user of this name made for one test.
fn user(server: &Instance, name: &str) {
    server.run(&["content", "add-user", name]).success();
}

/// A room of this name and version, made by the operator.
fn room_of_version(server: &Instance, name: &str, version: &str) -> String {
    server.json(&["content", "create-room", name, "--room-version", version])["room_id"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[test]
fn a_room_and_a_user_get_a_picture_and_lose_it() {
    let server = Instance::shared();
    user(server, "pictured");
    let room = server.room("Pictured");
    let gif = b"GIF89a\x02\x00\x03\x00\x00\x00\x00;";
    let picture = file(&server.data, "room.gif", gif).display().to_string();
    let set = ["content", "set-avatar", &room, &picture];
    server.run(&[&set[..], &["--dry-run"]].concat()).success().says("would show");
    let shown = server.json(&set);
    let url = shown["url"].as_str().unwrap().to_owned();
    let content = state(server, &room, "m.room.avatar");
    assert_eq!((&content["url"], &content["info"]["w"]), (&json!(url), &json!(2)), "{content}");
    server.run(&["content", "set-avatar", &room, &url]).exits(2).says("already");
    server.run(&["content", "set-avatar", "@pictured", &url]).success();
    server.run(&["content", "set-avatar", "@pictured", &url]).exits(2);
    assert_eq!(server.json(&["content", "get-user", "pictured"])["avatar_url"], url);
    server.run(&["content", "set-avatar", "@pictured", ""]).success().says("no picture any more");
    server.run(&["content", "set-avatar", "@pictured", ""]).exits(2);
    server.run(&["content", "set-avatar", &room, ""]).success();
    assert_eq!(state(server, &room, "m.room.avatar"), json!({}));
    let text = file(&server.data, "no-picture.txt", b"x").display().to_string();
    server.run(&["content", "set-avatar", &room, &text]).exits(1).says("is no picture");
    server.run(&["content", "set-avatar", "@nobody-pictured", &url]).exits(2);
}

#[test]
fn aliases_are_given_chosen_listed_and_taken_away() {
    let server = Instance::shared();
    let (room, other) = (server.room("Known"), server.room("Unknown"));
    let add = ["content", "add-alias", &room, "known-a"];
    server.run(&[&add[..], &["--dry-run"]].concat()).success().says("would give");
    assert_eq!(server.json(&add)["alias"], "#known-a:test.example");
    server.run(&add).exits(2).says("already");
    server.run(&["content", "add-alias", &room, "#known-b"]).success();
    server.run(&["content", "add-alias", &other, "known-a"]).exits(1).says(&room);
    server
        .run(&["content", "add-alias", &room, "#known:other.example"])
        .exits(1)
        .says("is not one of `test.example`");
    server.run(&["content", "add-alias", "!gone:test.example", "gone"]).exits(1).says("no room");

    let main = ["content", "set-alias", &room, "known-a"];
    server.run(&main).success();
    server.run(&main).exits(2).says("already");
    server.run(&["content", "set-alias", &other, "known-a"]).exits(1).says(&room);
    server.run(&["content", "set-alias", &room, "known-c"]).exits(1).says("content add-alias");
    server
        .run(&["content", "set-alias", &room, "#known:other.example"])
        .exits(1)
        .says("federation is off");
    server.run(&["content", "set-alias", &room, "known-b"]).success();
    let said = state(server, &room, "m.room.canonical_alias");
    let wanted =
        json!({ "alias": "#known-b:test.example", "alt_aliases": ["#known-a:test.example"] });
    assert_eq!(said, wanted);
    let all = server.json(&["content", "list-aliases", "#known-a"]);
    let first = &all["aliases"][0];
    assert_eq!((&first["alias"], &first["main"]), (&json!("#known-b:test.example"), &json!(true)));
    assert_eq!(all["total"], 2, "{all}");
    let sorted = ["content", "list-aliases", &room, "--sort", "main", "--limit", "1", "-q"];
    assert_eq!(server.run(&sorted).success().line(), "#known-a:test.example");

    // What the room says of itself goes with the alias, also where others made it.
    user(server, "namer");
    let theirs = ["content", "create-room", "Named", "--alias", "named", "--as", "namer", "-q"];
    let theirs = server.run(&theirs).success().line().to_owned();
    for (alias, room) in [("known-b", &room), ("named", &theirs)] {
        let remove = ["content", "remove-alias", alias];
        assert_eq!(server.json(&remove)["removed"], true);
        server.run(&remove).exits(2).says("there is no alias");
        assert_eq!(state(server, room, "m.room.canonical_alias")["alias"], Value::Null);
    }
    let said = state(server, &room, "m.room.canonical_alias");
    assert_eq!(said["alt_aliases"], json!(["#known-a:test.example"]), "{said}");
}

#[test]
fn a_room_is_put_into_the_directory_found_there_and_taken_out() {
    let server = Instance::shared();
    user(server, "publisher");
    let room = server.room("Quinces and medlars");
    let search = ["content", "list-public-rooms", "--search", "medlars"];
    assert_eq!(server.json(&search)["total"], 0);
    let publish = ["content", "publish-room", &room];
    server.run(&publish).success().says("content set-join-rule");
    server.run(&["content", "set-join-rule", &room, "public"]).success();
    let said = server.run(&publish).exits(2).says("already");
    assert!(!said.stderr.contains("set-join-rule"), "{said}");
    // The directory follows a moment later.
    wait_for("the directory shows the room", || server.json(&search)["total"] == 1);
    let found = server.json(&[&search[..], &["--limit", "1"]].concat());
    assert_eq!(
        (&found["total"], &found["rooms"][0]["room_id"], &found["more"]),
        (&json!(1), &json!(room), &json!(false)),
        "{found}"
    );
    let second = server.room("Quinces and medlars");
    server.run(&["content", "set-join-rule", &second, "knock"]).success();
    server.run(&["content", "publish-room", &second]).success();
    wait_for("the directory shows both", || server.json(&search)["total"] == 2);
    let found = server.json(&[&search[..], &["--limit", "1"]].concat());
    assert_eq!((&found["total"], &found["more"]), (&json!(1), &json!(true)), "{found}");
    let rules = ["--fields", "join_rule", "--sort", "join_rule", "-q"];
    assert_eq!(server.run(&[&search[..], &rules].concat()).success().stdout, "knock\npublic\n");
    for room in [&room, &second] {
        server.run(&["content", "unpublish-room", room]).success();
    }
    server.run(&["content", "unpublish-room", &room]).exits(2);
    assert_eq!(server.json(&search)["total"], 0);
    server
        .run(&["content", "list-public-rooms", "--server", "other.example"])
        .exits(1)
        .says("federation is off");
    let theirs = ["content", "create-room", "Theirs", "--as", "publisher", "-q"];
    let theirs = server.run(&theirs).success().line().to_owned();
    server
        .run(&["content", "publish-room", &theirs, "--as", "publisher"])
        .exits(1)
        .says("room_list_publication_rules");
    server.run(&["content", "publish-room", "!gone:test.example"]).exits(1).says("no room");
}

#[test]
fn who_may_join_and_see_is_set_as_far_as_the_version_of_the_room_has_it() {
    let server = Instance::shared();
    user(server, "restricted-guest");
    let (room, club) = (server.room("Bar"), server.room("Club"));
    let rule = |rule: &str| server.run(&["content", "set-join-rule", &room, rule]);
    rule("public").success();
    rule("public").exits(2).says("already");
    rule("restricted").exits(1).says("--allow ROOM");
    let allow = ["content", "set-join-rule", &room, "restricted", "--allow", "Club"];
    server.run(&allow).success();
    server.run(&allow).exits(2);
    let said = state(server, &room, "m.room.join_rules");
    assert_eq!(said["allow"][0]["room_id"], club, "{said}");
    server.run(&["content", "set-join-rule", &room, "public", "--allow", &club]).exits(1);
    // A member of the one gets into the other.
    let path = format!("POST /_matrix/client/v3/join/{room}");
    let join = ["content", "execute", "--name", &path, "--as", "restricted-guest"];
    server.run(&join).exits(1);
    server.run(&["content", "join-room", &club, "--as", "restricted-guest"]).success();
    server.run(&join).success();
    server
        .run(&["content", "set-join-rule", &room, "knock-restricted", "--allow", &club])
        .success();

    let old = room_of_version(server, "Old bar", "6");
    server
        .run(&["content", "set-join-rule", &old, "knock"])
        .exits(1)
        .says("a room of version 6 has no join rule `knock`")
        .says("content upgrade-room");

    let history = ["content", "set-history", &room, "world-readable"];
    server.run(&history).success();
    server.run(&history).exits(2);
    let said = state(server, &room, "m.room.history_visibility");
    assert_eq!(said["history_visibility"], "world_readable");
    server.run(&["content", "set-guest-access", &room, "forbidden"]).success();
    server.run(&["content", "set-guest-access", &room, "forbidden"]).exits(2);
    assert_eq!(state(server, &room, "m.room.guest_access")["guest_access"], "forbidden");
}

/// What somebody is in a room.
fn membership(server: &Instance, room: &str, user: &str) -> Value {
    let all = server.json(&["content", "list-members", room, "--all"]);
    let id = format!("@{user}:test.example");
    let members = all["members"].as_array().unwrap();
    let found = members.iter().find(|member| member["user_id"] == *id);
    found.map(|member| member["membership"].clone()).unwrap_or_default()
}

#[test]
fn who_knocks_is_seen_and_let_in_or_sent_away() {
    let server = Instance::shared();
    for name in ["knocker", "peddler"] {
        user(server, name);
    }
    let room = server.room("Door");
    let knock =
        |name: &str| server.run(&["content", "knock", &room, "--reason", "Rain", "--as", name]);
    knock("knocker").exits(1).says("whose join rule is `invite`").says("content set-join-rule");
    server.run(&["content", "set-join-rule", &room, "knock"]).success();
    for name in ["knocker", "peddler"] {
        knock(name).success();
        knock(name).exits(2).says("already");
        assert_eq!(membership(server, &room, name), "knock");
    }
    server.run(&["content", "invite", &room, "knocker"]).success();
    knock("knocker").exits(2).says("is invited");
    server.run(&["content", "join-room", &room, "--as", "knocker"]).success();
    knock("knocker").exits(2).says("is in");
    server.run(&["content", "kick-user", &room, "peddler"]).success();
    assert_eq!(membership(server, &room, "peddler"), "leave");
    // Who thinks better of it goes.
    knock("peddler").success();
    server.run(&["content", "leave-room", &room, "--as", "peddler", "--forget"]).success();
    assert_eq!(membership(server, &room, "peddler"), "leave");

    let forget = ["content", "forget-room", &room, "--as", "knocker"];
    server.run(&forget).exits(1).says("leave-room ROOM --forget");
    server.run(&["content", "leave-room", &room, "--as", "knocker"]).success();
    server.run(&forget).success();
    let path = format!("GET /_matrix/client/v3/rooms/{room}/messages?dir=b");
    server.run(&["content", "execute", "--name", &path, "--as", "knocker"]).exits(1);
}

#[test]
fn events_of_any_type_are_sent_once_and_state_is_set() {
    let server = Instance::shared();
    let room = server.clear_room("Events");
    let body = r#"{"status":"green"}"#;
    let send =
        ["content", "send-event", &room, "org.example.build", body, "--transaction-id", "b1"];
    let sent = server.json(&send);
    assert_eq!(server.json(&send)["event_id"], sent["event_id"]);
    let event = server.json(&["content", "get-event", sent["event_id"].as_str().unwrap()]);
    assert_eq!(event["event"]["content"]["status"], "green", "{event}");
    let other =
        ["content", "send-event", &room, "org.example.build", "{}", "--transaction-id", "b1"];
    server.run(&other).exits(1).says("was used before");
    let path = file(&server.data, "event.json", br#"{"status":"red"}"#).display().to_string();
    let send = ["content", "send-event", &room, "org.example.build", &format!("@{path}")];
    server.run(&send).success();
    let piped = ["content", "send-event", &room, "org.example.build", "-"];
    server.run_with(&piped, body.as_bytes()).success();
    server
        .run(&["content", "send-event", &room, "org.example.build", "[]"])
        .exits(1)
        .says("object");
    server.run(&["content", "send-event", &room, "a b", "{}"]).exits(1).says("no type");

    let set = ["content", "send-state", &room, "org.example.owner", body, "--key", "ops"];
    assert_eq!(server.json(&set)["changed"], true);
    server.run(&set).exits(2).says("already");
    let found = server.json(&["content", "get-state", &room, "--type", "org.example.owner"]);
    assert_eq!(found["events"][0]["state_key"], "ops", "{found}");

    // The maker of this room has power by a number, and would have none.
    let old = room_of_version(server, "Levels", "11");
    let levels = ["content", "send-state", &old, "m.room.power_levels", r#"{"users":{}}"#];
    server.run(&levels).exits(1).says("could not change them any more").says("--force");
    server.run(&[&levels[..], &["--force"]].concat()).success();

    let encrypted = server.clear_room("Closed");
    let algorithm = r#"{"algorithm":"m.megolm.v1.aes-sha2"}"#;
    server.run(&["content", "send-message", &encrypted, "open"]).success();
    let set = ["content", "send-state", &encrypted, "m.room.encryption"];
    server.run(&[&set[..], &["{}"]].concat()).exits(1).says("has no `algorithm`").says(algorithm);
    // Somebody else may have.
    let path = format!("PUT /_matrix/client/v3/rooms/{encrypted}/state/m.room.encryption");
    server.run(&["content", "execute", "--name", &path, "--options", "{}"]).success();
    let send = ["content", "send-message", &encrypted, "x"];
    server.run(&send).exits(1).says("no `algorithm`").says("content encrypt-room '!");
    server.run(&[&set[..], &[algorithm]].concat()).success();
    let send = ["content", "send-event", &encrypted, "org.example.build", "{}"];
    let event = server.run(&[&send[..], &["-q"]].concat()).success().line().to_owned();
    let path = format!("GET /_matrix/client/v3/rooms/{encrypted}/event/{event}");
    server.run(&["content", "execute", "--name", &path]).success().says("m.room.encrypted");
}

#[test]
fn an_upgraded_room_goes_on_in_its_successor_with_its_people_and_addresses() {
    let server = Instance::shared();
    for name in ["mover", "rambler"] {
        user(server, name);
    }
    let old = room_of_version(server, "Moving house", "10");
    server.run(&["content", "add-alias", &old, "moving"]).success();
    server.run(&["content", "set-alias", &old, "moving"]).success();
    server.run(&["content", "publish-room", &old]).success();
    for name in ["mover", "rambler"] {
        server.run(&["content", "join-room", &old, "--as", name]).success();
    }
    server.run(&["content", "leave-room", &old, "--as", "rambler"]).success();
    server.run(&["content", "send-message", &old, "before"]).success();
    server.run(&["content", "upgrade-room", &old, "99"]).exits(1).says("no room version `99`");
    let unknown = ["content", "create-room", "Other house", "--room-version", "99"];
    server.run(&unknown).exits(1).says("no room version `99`").says("12 is that of new rooms");
    server.run(&["content", "upgrade-room", &old, "10"]).exits(2).says("version 10 already");
    server
        .run(&["content", "upgrade-room", &old, "11", "--dry-run"])
        .success()
        .says("would upgrade");
    let upgraded = server.json(&["content", "upgrade-room", &old, "11"]);
    let new = upgraded["successor_id"].as_str().unwrap().to_owned();
    assert_eq!(upgraded["joined"], json!(["@mover:test.example"]), "{upgraded}");
    assert_eq!(upgraded["version"], "11", "{upgraded}");
    let again = server.run(&["content", "upgrade-room", &old, "--json"]).exits(2).json();
    assert_eq!((&again["successor_id"], &again["joined"]), (&json!(new), &json!([])), "{again}");
    assert_eq!(state(server, &old, "m.room.tombstone")["replacement_room"], new);
    let shown = server.json(&["content", "get-room", "#moving"]);
    assert_eq!(
        (&shown["room_id"], &shown["alias"], &shown["public"]),
        (&json!(new), &json!("#moving:test.example"), &json!(true)),
        "{shown}"
    );
    assert_eq!(membership(server, &new, "rambler"), Value::Null);

    // The address and the name lead on; the id of the old room is read and not written.
    for room in ["#moving", "Moving house"] {
        server.run(&["content", "send-message", room, "after"]).success();
    }
    assert_eq!(server.bodies(&new), ["after", "after"]);
    assert_eq!(server.bodies(&old), ["before"]);
    let picture = file(&server.data, "late.txt", b"late").display().to_string();
    let event = server.json(&["content", "read-messages", &old, "--limit", "1"]);
    let event = event["messages"][0]["event_id"].as_str().unwrap();
    for words in [
        &["content", "send-message", &old, "lost"][..],
        &["content", "send-media", &old, &picture],
        &["content", "send-event", &old, "org.example.build", "{}"],
        &["content", "edit-message", &old, event, "lost"],
        &["content", "react", &old, event, "👍"],
    ] {
        server.run(words).exits(1).says("was upgraded").says(&new);
    }
    assert_eq!(server.bodies(&old), ["before"]);
    // Two rooms of one name: nobody removes the new one for the old one.
    server.run(&["content", "remove-room", "Moving house"]).exits(1).says("names 2 rooms");

    // A second upgrade: an alias of the first room that nobody moved leads through both.
    let newer = server.json(&["content", "upgrade-room", &new, "--no-members"]);
    let newest = newer["successor_id"].as_str().unwrap().to_owned();
    assert_eq!(newer["joined"], json!([]), "{newer}");
    assert_eq!(membership(server, &newest, "mover"), Value::Null);
    let late = server.run(&["content", "upgrade-room", &new, "--json"]).success().json();
    assert_eq!(late["changed"], true, "{late}");
    assert_eq!(late["joined"], json!(["@mover:test.example"]), "{late}");
    server.run(&["content", "add-alias", &old, "old-house"]).success();
    let shown = server.json(&["content", "get-room", "#old-house"]);
    assert_eq!(shown["room_id"], newest, "{shown}");
    server.run(&["content", "send-message", &old, "lost"]).exits(1).says(&newest);
    server.run(&["content", "send-message", "#old-house", "newest"]).success();
    assert_eq!(server.bodies(&newest), ["newest"]);
}

#[test]
fn of_many_who_upgrade_a_room_at_once_one_does_it_and_all_are_told_where_it_goes_on() {
    let server = Instance::shared();
    let room = room_of_version(server, "Stampede", "11");
    let words = ["content", "upgrade-room", &room, "--json"];
    let said: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| server.run(&words))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(said.iter().filter(|said| said.code == 0).count(), 1);
    for one in &said {
        assert_eq!(one.json()["successor_id"], said[0].json()["successor_id"], "{one}");
    }
}

#[test]
fn rooms_that_name_each_other_as_successors_lead_nowhere_and_to_an_end() {
    let server = Instance::shared();
    let (one, two) = (server.room("Ring one"), server.room("Ring two"));
    server.run(&["content", "add-alias", &one, "ring"]).success();
    for (from, to) in [(&one, &two), (&two, &one)] {
        let content = json!({ "body": "gone", "replacement_room": to }).to_string();
        server.run(&["content", "send-state", from, "m.room.tombstone", &content]).success();
    }
    assert_eq!(server.json(&["content", "get-room", "#ring"])["room_id"], two);
    server.run(&["content", "send-message", "#ring", "lost"]).exits(1).says("was upgraded");
}

#[test]
fn what_was_left_for_an_address_is_sent_to_the_successor_and_for_an_id_is_kept_with_the_reason() {
    let server = Instance::shared();
    let old = room_of_version(server, "Relay", "11");
    server.run(&["content", "add-alias", &old, "relay"]).success();
    let token = hook(server, "relay-bot", "#relay");
    server.run(&["content", "send-message", "#relay", "one", "--queue", "--wait"]).success();
    let new = server.json(&["content", "upgrade-room", &old])["successor_id"].clone();
    let new = new.as_str().unwrap().to_owned();
    // Its sender may still believe that the address leads to the old room.
    server.run(&["content", "send-message", "#relay", "two", "--queue", "--wait"]).success();
    let lost = ["content", "send-message", &old, "lost", "--queue", "--wait"];
    server.run(&lost).exits(1).says("was upgraded").says(&new);
    let refused = server.json(&["content", "queue", "list"]);
    assert!(refused.to_string().contains("was upgraded"), "{refused}");
    // A webhook goes on where its room did, and its bot with it.
    let posted = post(server.hooks, "relay-bot", &token, "", r#"{"text":"three"}"#);
    assert_eq!(posted.unwrap().0, 202);
    wait_for("the webhook spoke", || server.bodies(&new).len() == 2);
    assert_eq!(server.bodies(&new), ["two", "three"]);
    assert_eq!(server.bodies(&old), ["one"]);
    // The webhook learns where it is.
    let bot = ["content", "add-bot", "relay-bot", "--room", "#relay", "--hook"];
    server.run(&bot).success();
    server.run(&bot).exits(2);
}

#[test]
fn who_may_not_upgrade_a_room_is_told_who_may() {
    let server = Instance::shared();
    for name in ["architect", "tenant"] {
        user(server, name);
    }
    let make = ["content", "create-room", "Built", "--as", "architect", "--invite", "tenant", "-q"];
    let room = server.run(&make).success().line().to_owned();
    server.run(&["content", "join-room", &room, "--as", "tenant"]).success();
    let older = ["content", "upgrade-room", &room, "11", "--as", "architect"];
    server.run(&older).exits(1).says("the room has version 12, and 11 is older").says("--force");
    let upgrade = ["content", "upgrade-room", &room, "11", "--force"];
    server.run(&[&upgrade[..], &["--as", "tenant"]].concat()).exits(1).says("too little power");
    // Nobody but its creator may, in a room of this version.
    server.run(&upgrade).exits(1).says("--as USER");
    assert_eq!(state(server, &room, "m.room.tombstone"), Value::Null);
    let upgraded = server.json(&[&upgrade[..], &["--as", "architect"]].concat());
    assert!(upgraded["invited"].to_string().contains("@tenant:test.example"), "{upgraded}");
}
