//! Rooms: made, shown, joined, left and removed.

use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};

use crate::common::{Instance, file, wait_for};

#[test]
fn a_room_is_made_with_all_that_was_asked() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "guest1"]).success();
    let made = server.json(&[
        "content",
        "create-room",
        "War \"Room\" 🦀",
        "--alias",
        "war",
        "--topic",
        "Topic",
        "--invite",
        "guest1",
    ]);
    let room = made["room_id"].as_str().unwrap();
    let shown = server.json(&["content", "get-room", room]);
    assert_eq!(shown["name"], "War \"Room\" 🦀");
    assert_eq!(shown["alias"], "#war:test.example");
    server.run(&["content", "create-room", "War", "--alias", "war"]).exits(2).says("already");
    assert_eq!((&made["encrypted"], &shown["encrypted"]), (&true.into(), &true.into()));
    // All have it, and so do those of its name, its alias or its id.
    let alias = "#WAR:test.example";
    for filter in
        [&[][..], &["--filter", "war \"ROOM"], &["--filter", alias], &["--filter", &room[3..20]]]
    {
        let all = server.json(&[&["content", "list-rooms"], filter].concat());
        assert!(all["rooms"].as_array().unwrap().iter().any(|it| it["room_id"] == room), "{all}");
    }
    let all = server.json(&["content", "list-rooms"]);
    let listed = all["rooms"].as_array().unwrap().iter().find(|it| it["room_id"] == room).unwrap();
    server
        .run(&["content", "list-rooms", "--filter", alias])
        .success()
        .says("MEMBERS  ENCRYPTED\n");
    // The server does not tell it with the list, and none is not what it is.
    assert_eq!((&shown["topic"], listed.get("topic")), (&"Topic".into(), None), "{listed}");
}

#[test]
fn a_room_is_encrypted_as_the_settings_have_it_unless_something_else_is_said() {
    let server = Instance::shared();
    let make = ["content", "create-room", "Sealed or not"];
    server.run(&[&make[..], &["--dry-run"]].concat()).success().says("make the encrypted room");
    server.run(&[&make[..], &["--encrypted", "--no-encryption"]].concat()).exits(1);
    server.run(&[&make[..], &["--encrypted", "--space"]].concat()).exits(1);
    let (all, none) = (["--set", "rooms.encrypt=all"], ["--set", "rooms.encrypt=none"]);
    for (words, encrypted) in [
        (&[][..], true),
        (&["--no-encryption"], false),
        (&["--public"], false),
        (&["--public", "--encrypted"], true),
        (&["--public", all[0], all[1]], true),
        (&["--space", all[0], all[1]], false),
        (&none, false),
        (&["--encrypted", none[0], none[1]], true),
        // Who could not speak there makes none.
        (&["--set", "encryption.enabled=false"], false),
        (&["--encrypted", "--set", "encryption.enabled=false"], true),
    ] {
        let made = server.json(&[&make[..], words].concat());
        assert_eq!(made["encrypted"], encrypted, "{words:?}: {made}");
        let shown = server.json(&["content", "get-room", made["room_id"].as_str().unwrap()]);
        assert_eq!(shown["encrypted"], encrypted, "{words:?}");
    }
    // One that is there stays as it is.
    let make = ["content", "create-room", "Stays", "--alias", "stays"];
    server.run(&[&make[..], &["--no-encryption"]].concat()).success().says(", not encrypted");
    server.run(&make).exits(2).says("(#stays:test.example), not encrypted");
    let said = server.run(&[&make[..], &["--encrypted"]].concat()).exits(2);
    said.says("not applied: `--encrypted`").says("`content encrypt-room '!");
    let encrypt = ["content", "encrypt-room", "#stays"];
    let would = server.run(&[&encrypt[..], &["--dry-run"]].concat()).success();
    would.says("would encrypt !").says("for good");
    server.run(&encrypt).success().says("which cannot be taken back");
    server.run(&encrypt).exits(2).says("is encrypted already");
    assert_eq!(server.json(&["content", "get-room", "#stays"])["encrypted"], true);
    server.run(&["content", "send-message", "#stays", "sealed"]).success();
    assert_eq!(server.bodies("#stays"), ["sealed"]);
    let space = server.run(&[&make[..2], &["Nobody talks", "--space", "-q"]].concat()).success();
    let space = ["content", "encrypt-room", space.line()];
    server.run(&space).exits(1).says("is a space").says("content list-space");

    // A bot whose program speaks for itself may not be able to; its webhook is ours.
    let bot = |name: &str, more: &[&str]| {
        let room = format!("#of-{name}");
        let words = [&["content", "add-bot", name, "--room", &room], more].concat();
        server.json(&words)["room"]["encrypted"].clone()
    };
    assert_eq!(bot("plain-bot", &[]), false);
    assert_eq!(bot("plain-bot-2", &["--encrypted"]), true);
    assert_eq!(bot("plain-bot-3", &all), true);
}

#[test]
fn a_removed_room_is_gone() {
    let server = Instance::shared();
    let room = server.room("Short-lived");
    server.run(&["content", "remove-room", &room]).success();
    server.run(&["content", "get-room", &room]).exits(2);
    server.run(&["content", "remove-room", &room]).exits(2);
}

#[test]
fn the_operator_joins_a_room_of_others_where_it_must() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "owner"]).success();
    let room = server.run(&["content", "create-room", "Private", "--as", "owner", "-q"]).success();
    server.run(&["content", "send-message", room.line(), "hello"]).success().says("joined");
    assert_eq!(server.bodies(room.line()), ["hello"]);
}

#[test]
fn a_room_is_left() {
    let server = Instance::shared();
    let room = server.room("Left");
    assert_eq!(server.json(&["content", "leave-room", &room])["left"], true);
    server.run(&["content", "leave-room", &room]).exits(2);
}

#[test]
fn a_room_that_all_have_left_is_named_with_what_frees_its_alias() {
    let server = Instance::shared();
    let make = ["content", "create-room", "Deserted", "--alias", "deserted"];
    server.run(&make).success();
    server.run(&["content", "leave-room", "#deserted"]).success().says("nobody is in the room");
    for words in [&make[..], &["content", "send-message", "#deserted", "a"]] {
        server.run(words).exits(1).says("nobody can enter it").says("content remove-room");
    }
    server.run(&["content", "remove-room", "#deserted"]).success();
    server.run(&make).success();
}

#[test]
fn of_many_who_make_a_room_at_once_one_makes_it_and_all_are_told_its_id() {
    let server = Instance::shared();
    let words = ["content", "create-room", "Race", "--alias", "race", "--json"];
    let said: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8).map(|_| scope.spawn(|| server.run(&words))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let made: Vec<_> = said.iter().filter(|said| said.code == 0).collect();
    assert_eq!(made.len(), 1);
    for one in &said {
        assert_eq!(one.json()["room_id"], made[0].json()["room_id"], "{one}");
        assert_eq!(one.json()["existed"], one.code == 2, "{one}");
    }
    // A room that is just being made has no event for a moment; one that was refused never has.
    wait_for("no room without an event is kept", || rooms_without_events(server) == 0);
}

/// What Synapse keeps of rooms that nobody can see.
fn rooms_without_events(server: &Instance) -> i64 {
    let password = std::fs::read_to_string(server.data.join("secrets/database_password")).unwrap();
    let options = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(server.ports[2])
        .username("synapse")
        .password(&password)
        .database("synapse");
    let question =
        "SELECT count(*) FROM rooms WHERE room_id NOT IN (SELECT DISTINCT room_id FROM events)";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        sqlx::query_scalar(question).fetch_one(&mut connection).await.unwrap()
    })
}

/// What `content list` shows of one thing: its type, id and name.
fn listed(server: &Instance, id: &str) -> Option<(String, String)> {
    let all = server.json(&["content", "list"]);
    let items = all["items"].as_array().unwrap();
    assert_eq!(all["total"], items.len(), "{all}");
    let item = items.iter().find(|item| item["id"] == id)?;
    let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
    Some((text("type"), text("name")))
}

#[test]
fn things_of_all_types_are_made_shown_and_removed_by_name_alone() {
    let server = Instance::shared();
    let text = "[{name: '@untyped'}, {name: '#untyped-room'}, {name: untyped-bot, type: bot}]";
    let file = file(&server.data, "untyped.yaml", text.as_bytes());
    let add = ["content", "add", "--file", file.to_str().unwrap()];
    let made = server.json(&add);
    assert_eq!(made["total"], 3, "{made}");
    assert_eq!(made["items"][1]["alias"], "#untyped-room:test.example", "{made}");
    server.run(&add).exits(2);
    let room = made["items"][1]["room_id"].as_str().unwrap();
    let user = "@untyped:test.example";
    let bot = "@untyped-bot:test.example";
    assert_eq!(listed(server, room), Some(("room".into(), "untyped-room".into())));
    assert_eq!(listed(server, user).unwrap().0, "user");
    assert_eq!(listed(server, bot).unwrap().0, "bot");
    let ids = server.run(&["content", "list", "--filter", "untyped", "-q"]).success();
    assert_eq!(ids.stdout.lines().collect::<Vec<_>>(), [room, user, bot]);

    let get = |name: &str| server.json(&["content", "get", "--name", name]);
    assert_eq!(get("untyped")["user_id"], user);
    assert_eq!(get("untyped-bot")["user_id"], bot);
    assert_eq!(get("untyped-room")["room_id"], room);
    assert_eq!(get("#untyped-room")["room_id"], room);
    let absent = server.run(&["content", "get", "--name", "untyped-thing"]).exits(2);
    assert_eq!(absent.line(), "there is no user, bot, room or hook `untyped-thing`");

    for (name, id) in [("untyped", user), ("untyped-bot", bot), ("untyped-room", room)] {
        let remove = ["content", "remove", "--name", name];
        server.run(&remove).exits(1).says("--force");
        let forced = [&remove[..], &["--force"]].concat();
        server.run(&forced).success().says(id);
        server.run(&forced).exits(2);
        assert_eq!(listed(server, id), None);
    }
}

#[test]
fn a_name_of_several_things_is_not_guessed() {
    let server = Instance::shared();
    let bot = ["content", "add-bot", "twofold", "--room", "#twofold", "--hook"];
    server.run(&bot).success();
    for line in [&["get"][..], &["remove", "--force"]] {
        let line = [&["content"], line, &["--name", "twofold"]].concat();
        let said = server.run(&line).exits(1);
        assert!(said.stderr.contains("`twofold` is a bot and a room and a hook"), "{said}");
        assert!(said.stderr.contains("`--type bot` or `--type room` or `--type hook`"), "{said}");
    }
    let hook = server.json(&["content", "get", "--type", "hook", "--name", "twofold"]);
    assert_eq!(hook["room"], "#twofold", "{hook}");
    assert_eq!(listed(server, "twofold").unwrap().0, "hook");
    for kind in ["hook", "bot"] {
        let words = ["content", "remove", "--type", kind, "--name", "twofold"];
        server.run(&words).success();
    }
    server.run(&["content", "remove", "--name", "twofold", "--force"]).success().says("!");
}

#[test]
fn what_a_file_made_before_an_error_is_told_with_it() {
    let server = Instance::shared();
    let text = "[{name: '@half-way'}, {name: half-way, type: bot}, {name: '@never-made'}]";
    let file = file(&server.data, "half-way.yaml", text.as_bytes());
    let said = server.run(&["content", "add", "--file", file.to_str().unwrap(), "--json"]).exits(1);
    let answer = said.json();
    assert!(
        answer["error"]["message"].as_str().unwrap().contains("is a user, not a bot"),
        "{said}"
    );
    assert_eq!(answer["items"][0]["user_id"], "@half-way:test.example", "{said}");
    server.run(&["content", "get", "--name", "never-made"]).exits(2);
}

#[test]
fn nothing_of_a_file_is_made_where_one_of_its_items_cannot_be() {
    let server = Instance::shared();
    for wrong in [
        "{name: '@B'}",
        "{name: '@b', displayname: B}",
        "{type: user}",
        "{type: room, name: No alias}",
        "{type: bot, name: b, room: '#b', hook_template: /nowhere}",
    ] {
        let text = format!("[{{name: '@not-made'}}, {{name: '#not-made'}}, {wrong}]");
        let file = file(&server.data, "wrong.yaml", text.as_bytes());
        let said = server.run(&["content", "add", "--file", file.to_str().unwrap()]).exits(1);
        assert!(said.stderr.contains("item 3: "), "{said}");
    }
    server.run(&["content", "get-user", "not-made"]).exits(2);
    server.run(&["content", "get-room", "#not-made"]).exits(2);
}

#[test]
fn nobody_of_another_server_is_invited_where_federation_is_off_and_nothing_is_made() {
    let server = Instance::shared();
    let create = ["content", "create-room", "Abroad", "--alias", "abroad"];
    let said = server.run(&[&create[..], &["--invite", "@b:other.example"]].concat()).exits(1);
    assert!(said.stderr.contains("federation is off"), "{said}");
    assert!(said.stderr.contains("synapse.federation"), "{said}");
    server.run(&["content", "get-room", "#abroad"]).exits(2);
    let owner = server.room("Home");
    let said = server.run(&["content", "invite", &owner, "@b:other.example"]).exits(1);
    assert!(said.stderr.contains("synapse.federation"), "{said}");
    assert!(!said.stderr.contains("joined"), "{said}");
}

#[test]
fn a_room_that_exists_gets_its_missing_guests_and_the_rest_is_said() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "late-guest"]).success();
    let create = ["content", "create-room", "Repeated", "--alias", "repeated"];
    server.run(&create).success();
    let more = ["--invite", "late-guest", "--topic", "T", "--public", "--space"];
    let said = server.run(&[&create[..], &more].concat()).exits(2);
    let words = "which exists; not applied: `--topic`, `--public`, `--space`";
    assert!(said.stderr.contains("the alias `repeated` is that of the room `Repeated`"), "{said}");
    assert!(said.stderr.contains(words), "{said}");
    server.run(&["content", "invite", "#repeated", "late-guest"]).exits(2).says("already");
    let said = server.run(&create).exits(2);
    assert!(!said.stderr.contains("not applied"), "{said}");
}

#[test]
fn a_room_that_the_server_would_refuse_half_way_leaves_nothing() {
    let server = Instance::shared();
    let rooms = || server.json(&["content", "list-rooms", "--filter", "half"])["total"].clone();
    let topic = "x".repeat(70_000);
    let said = server.run(&["content", "create-room", "half", "--topic", &topic]).exits(1);
    assert!(said.stderr.contains("the topic is too large"), "{said}");
    assert_eq!(rooms(), 0);
    let topic = "x".repeat(29_000);
    server.run(&["content", "create-room", "whole", "--topic", &topic]).success();
}

#[test]
fn a_public_room_is_in_the_directory_or_said_not_to_be() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "passer-by"]).success();
    let create = ["content", "create-room", "Market", "--public", "--topic", "Fruit"];
    let made = server.json(&create);
    let room = made["room_id"].as_str().unwrap().to_owned();
    let shown = server.json(&["content", "get-room", &room]);
    assert_eq!(shown["join_rule"], "public", "{shown}");
    assert_eq!(shown["public"], true, "{shown} {made}");
    let listed = ["content", "execute", "--name", "GET /_matrix/client/v3/publicRooms"];
    assert!(server.run(&listed).success().stdout.contains(&room));
    assert_eq!(shown["topic"], "Fruit", "{shown}");
    server.run(&["content", "join-room", &room, "--as", "passer-by"]).success();
    // Synapse lets nobody else list one.
    let words = ["content", "create-room", "Stall", "--public", "--as", "passer-by", "--json"];
    let made = server.run(&words).success().json();
    assert!(made["warnings"].to_string().contains("room_list_publication_rules"), "{made}");
    let room = made["room_id"].as_str().unwrap();
    assert_eq!(server.json(&["content", "get-room", room])["public"], false);
}

#[test]
fn rooms_are_put_into_a_space_and_taken_out() {
    let server = Instance::shared();
    let space = server.run(&["content", "create-room", "Teams", "--space", "-q"]).success();
    let space = space.line().to_owned();
    let room = server.room("In a space");
    let state = |event_type: &str, key: &str| {
        let path = format!("GET /_matrix/client/v3/rooms/{space}/state/{event_type}/{key}");
        server.json(&["content", "execute", "--name", &path])
    };
    assert_eq!(state("m.room.power_levels", "")["events_default"], 100);
    assert_eq!(state("m.room.history_visibility", "")["history_visibility"], "invited");
    let add = ["content", "add-to-space", &space, &room];
    server.run(&[&add[..], &["--dry-run"]].concat()).success().says("would put");
    assert_eq!(server.json(&add)["changed"], true);
    server.run(&add).exits(2).says("already in the space");
    assert_eq!(server.json(&["content", "get-room", &space])["rooms"], serde_json::json!([room]));
    assert_eq!(state("m.space.child", &room)["via"][0], "test.example");
    let remove = ["content", "remove-from-space", &space, &room];
    assert_eq!(server.json(&remove)["member"], false);
    server.run(&remove).exits(2).says("is not in the space");
    server.run(&["content", "add-to-space", &room, &space]).exits(1).says("not a space");
    server.run(&["content", "add-to-space", &space, &space]).exits(1);
    server.run(&["content", "add-to-space", &space, "!gone:test.example"]).exits(1);

    // In a public one everybody looks and invites, and nobody talks.
    let open = server.run(&["content", "create-room", "Open teams", "--space", "--public", "-q"]);
    let path = format!("GET /_matrix/client/v3/rooms/{}/state/m.room.", open.success().line());
    let of = |what: &str| server.json(&["content", "execute", "--name", &format!("{path}{what}/")]);
    assert_eq!(of("history_visibility")["history_visibility"], "world_readable");
    assert_eq!(
        (&of("power_levels")["invite"], &of("power_levels")["events_default"]),
        (&0.into(), &100.into())
    );
}

#[test]
fn nobody_leaves_a_room_unasked_that_nobody_else_could_lead() {
    let server = Instance::shared();
    for user in ["heir", "founder"] {
        server.run(&["content", "add-user", user]).success();
    }
    let room = server.run(&["content", "create-room", "Led", "--invite", "heir", "-q"]).success();
    let room = room.line().to_owned();
    let leave = ["content", "leave-room", &room];
    server.run(&["content", "join-room", &room, "--as", "heir"]).success();
    let shown = server.json(&["content", "get-room", &room]);
    assert_eq!(
        (&shown["invited"], &shown["join_rule"]),
        (&serde_json::json!([]), &"invite".into())
    );
    server.run(&leave).exits(1).says("nobody who stays").says("--force");
    server.run(&["content", "leave-room", &room, "--as", "heir"]).success();
    server.run(&["content", "invite", &room, "heir"]).success();
    let shown = server.json(&["content", "get-room", &room]);
    assert_eq!(shown["invited"], serde_json::json!(["@heir:test.example"]));
    server.run(&["content", "join-room", &room, "--as", "heir"]).success();
    server.run(&[&leave[..], &["--force"]].concat()).success();
    // What is then said leads back in.
    server.run(&["content", "send-message", &room, "lost"]).exits(1).says("--as MEMBER");
    server.run(&["content", "invite", &room, "operator", "--as", "heir"]).success();
    server.run(&["content", "send-message", &room, "back"]).success();

    let theirs = ["content", "create-room", "Founded", "--as", "founder", "--invite", "heir", "-q"];
    let theirs = server.run(&theirs).success().line().to_owned();
    server.run(&["content", "join-room", &theirs, "--as", "heir"]).success();
    let remove = ["content", "remove-user", "founder"];
    server.run(&remove).exits(1).says("Founded").says("--force");
    server.run(&["content", "get-user", "founder"]).success();
    server.run(&[&remove[..], &["--force"]].concat()).success();
}
