//! Lists: the same records in every format, in the fields, the order and the number that were asked for, and
//! whole where the server restarts before the last page.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::PermissionsExt as _,
    process::{ChildStdout, Stdio},
};

use serde_json::{Value, json};

use crate::{
    bridges::sql_in,
    common::{Instance, wait_for},
    messages::Stream,
};

/// More users than come on three pages.
const USERS: usize = 3500;

/// The ids in the lines of a list.
fn ids(lines: &str) -> Vec<String> {
    let id = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        record["user_id"].as_str().unwrap().to_owned()
    };
    lines.lines().map(id).collect()
}

/// A server with so many users that a list of them takes several pages.
fn crowded() -> Instance {
    let server = Instance::started("crowded");
    let statement = format!(
        "INSERT INTO users (name, creation_ts, admin, is_guest, deactivated, locked, approved)
        SELECT '@one-of-many-' || n || ':test.example', n, 0, 0, 0, FALSE, TRUE
        FROM generate_series(1, {USERS}) n ON CONFLICT DO NOTHING"
    );
    sql_in(&server, "synapse", &statement);
    server
}

/// A list that stands still after its first page: nobody reads on.
fn halted(
    server: &Instance,
    format: &str,
    patience: &str,
) -> (Stream, BufReader<ChildStdout>, String) {
    let mut command = server.command();
    command.args(["content", "list-users", "--filter", "one-of-many-", "--format", format]);
    command.args(["--timeout", patience]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut read = BufReader::with_capacity(64, child.stdout.take().unwrap());
    let mut first = Vec::new();
    read.read_until(b'}', &mut first).unwrap();
    (Stream(child), read, String::from_utf8(first).unwrap())
}

#[test]
fn the_records_are_the_same_in_every_format() {
    let server = Instance::shared();
    for name in ["format-b", "format-a", "format-c"] {
        server.run(&["content", "add-user", name, "--display-name", "In a list"]).success();
    }
    let list = ["content", "list-users", "--filter", "format-"];
    let whole = server.json(&list);
    let users = whole["users"].as_array().unwrap();
    assert_eq!((users.len(), &whole["total"]), (3, &json!(3)));
    let with = |more: &[&str]| server.run(&[&list[..], more].concat()).success().stdout;
    let lines = with(&["--format", "jsonl"]);
    let lines: Vec<Value> = lines.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(lines, *users);
    assert_eq!(with(&["--format", "table"]), with(&[]));
    assert!(with(&["--format", "yaml"]).starts_with("users:\n- admin: false\n"));
    let fields = ["--fields", "display_name,user_id"];
    let line = r#"{"display_name":"In a list","user_id":"@format-a:test.example"}"#;
    let more = [&fields[..], &["--limit", "1", "--format"]].concat();
    assert_eq!(with(&[&more[..], &["jsonl"]].concat()).trim_end(), line);
    let document = format!(r#"{{"users":[{line}],"total":1,"more":true}}"#);
    assert_eq!(with(&[&more[..], &["json"]].concat()).trim_end(), document);
    let yaml = "users:\n- display_name: In a list\n  user_id: \"@format-a:test.example\"\ntotal: 1\nmore: true\n";
    assert_eq!(with(&[&more[..], &["yaml"]].concat()), yaml);
    let table = with(&fields);
    assert!(table.starts_with("DISPLAY NAME  USER ID\nIn a list     @format-a:test.example\n"));
    let bare = with(&["--fields", "user_id,admin", "-q", "--limit", "1"]);
    assert_eq!(bare, "@format-a:test.example\tfalse\n");
    let said = server.run(&[&list[..], &["--limit", "2"]].concat()).success();
    assert!(said.stderr.contains("only the first 2 are shown"), "{said}");
    assert_eq!(server.run(&[&list[..], &["--limit", "3"]].concat()).success().stderr, "");
}

#[test]
fn a_list_is_in_the_order_that_was_asked_for_whoever_sorts_it() {
    let server = Instance::shared();
    for (name, topic) in [("Order 1", "b"), ("Order 2", "a"), ("Order 3", "c")] {
        server.run(&["content", "create-room", name, "--topic", topic]).success();
    }
    server.run(&["content", "add-user", "orderly"]).success();
    server.run(&["content", "invite", "Order 2", "orderly"]).success();
    server.run(&["content", "join-room", "Order 2", "--as", "orderly"]).success();
    let sorted = |by: &str| {
        let words = ["content", "list-rooms", "--filter", "order ", "--sort", by, "--fields"];
        let said = server.run(&[&words[..], &["name", "-q"]].concat()).success().stdout;
        said.split_whitespace().filter_map(|it| it.parse().ok()).collect::<Vec<u32>>()
    };
    assert_eq!((sorted("name"), sorted("-name")), (vec![1, 2, 3], vec![3, 2, 1]));
    wait_for("the server has counted", || sorted("-members_count")[0] == 2);
    assert_eq!(sorted("members_count")[2], 2);
    // The server does not know this one.
    assert_eq!(sorted("room_id").len(), 3);
    let members = |by: &str| {
        let words = ["content", "list-members", "Order 2", "--sort", by, "-q", "--limit", "1"];
        server.run(&words).success().line().to_owned()
    };
    assert_eq!(members("user_id"), "@operator:test.example");
    assert_eq!(members("-user_id"), "@orderly:test.example");
}

#[test]
fn every_list_has_fields_and_lines() {
    let server = Instance::shared();
    server.run(&["content", "add-bot", "liney"]).success();
    server.run(&["content", "add-registration-token"]).success();
    let room = server.clear_room("Lines");
    let sent = ["content", "send-message", &room, "lines", "-q"];
    let sent = server.run(&sent).success().line().to_owned();
    server.run(&["content", "react", &room, &sent, "👍"]).success();
    server.run(&["content", "set-tag", &room, "lines"]).success();
    server.run(&["content", "add-alias", &room, "lines"]).success();
    for (words, field) in [
        (&["list-users"][..], "user_id"),
        (&["list-rooms"], "room_id"),
        (&["list-members", &room], "power"),
        (&["list-space", &room], "depth"),
        (&["list-devices", "operator"], "device_id"),
        (&["list-sessions", "operator"], "ip"),
        (&["list-user-rooms", "operator"], "membership"),
        (&["list-user-media", "operator"], "size_bytes"),
        (&["list-pushers", "operator"], "kind"),
        (&["list-threads", &room], "newest_ms"),
        (&["list-relations", &room, &sent], "key"),
        (&["list-tags", &room], "tag"),
        (&["list-aliases", &room], "main"),
        (&["list-public-rooms"], "members_count"),
        (&["list-registration-tokens"], "token"),
        (&["list-hooks"], "id"),
        (&["list-bridges"], "name"),
        (&["list-room-media", &room], "uri"),
        (&["list-reports"], "event_id"),
        (&["list-reports", "--users"], "target_user_id"),
        (&["list-destinations"], "server"),
        (&["list-tasks"], "id"),
        (&["list-background-updates"], "name"),
        (&["list"], "type"),
        (&["list", "--type", "bot"], "user_id"),
        (&["queue", "list"], "queue_id"),
    ] {
        let words = [&["content"], words, &["--sort", field, "--fields", field]].concat();
        let lines = server.run(&[&words[..], &["--format", "jsonl"]].concat()).success().stdout;
        let whole = server.run(&[&words[..], &["--json"]].concat()).success().json();
        let records = whole.as_object().unwrap().values().find_map(Value::as_array).unwrap();
        // Other tests make users and rooms meanwhile.
        let mut lines: Vec<Value> =
            lines.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
        lines.extend(records.iter().cloned());
        assert_eq!(whole["total"], records.len(), "{words:?}");
        for record in lines {
            assert_eq!(record.as_object().unwrap().keys().collect::<Vec<_>>(), [field]);
        }
    }
    server
        .run(&["content", "list", "--type", "room", "--fields", "user_id"])
        .exits(1)
        .says("there is no field `user_id` in this list");
}

#[test]
fn a_long_list_is_whole_over_a_restart_and_says_where_it_broke() {
    let server = crowded();
    goes_on_where_the_server_restarts_and_users_come_in_between(&server);
    says_what_came_and_why_no_more(&server);
}

fn goes_on_where_the_server_restarts_and_users_come_in_between(server: &Instance) {
    let (mut list, mut read, first) = halted(server, "jsonl", "60");
    crate::common::kill_9(server.pid("synapse"));
    // It stands before all others, and moves each of them onto the next place.
    let statement = "INSERT INTO users (name, creation_ts, admin, is_guest, deactivated, locked)
        VALUES ('@0ne-of-many-0:test.example', 1, 0, 0, 0, FALSE) ON CONFLICT DO NOTHING";
    sql_in(server, "synapse", statement);
    let mut rest = String::new();
    read.read_to_string(&mut rest).unwrap();
    assert!(list.0.wait().unwrap().success());
    let found = ids(&(first + &rest));
    let each: BTreeSet<&String> = found.iter().collect();
    assert_eq!((found.len(), each.len()), (USERS, USERS), "one is missing, or comes twice");
}

fn says_what_came_and_why_no_more(server: &Instance) {
    for format in ["jsonl", "json"] {
        drop(server.run(&["manage", "start"]));
        let (mut list, mut read, first) = halted(server, format, "5");
        server.run(&["manage", "stop"]).success();
        let mut rest = String::new();
        read.read_to_string(&mut rest).unwrap();
        assert_eq!(list.0.wait().unwrap().code(), Some(1));
        let said = first + &rest;
        let last = said.lines().last().unwrap();
        let last: Value = serde_json::from_str(last).unwrap();
        assert_eq!(last["error"]["kind"], "environment", "{}", last["error"]);
        let came = if format == "json" {
            assert_eq!(last["total"], last["users"].as_array().unwrap().len());
            last["users"].as_array().unwrap().len()
        } else {
            said.lines().count() - 1
        };
        // The first page has one that is not wanted.
        assert!((999..USERS).contains(&came), "{came}");
    }
}

#[test]
fn what_a_shell_is_offered_is_remembered_where_nobody_else_reads_it() {
    let server = Instance::shared();
    let offered = |words: &[&str]| {
        let mut command = server.command();
        command.env("RESOURCE_MATRIX_SYNAPSE_COMPLETE", "bash");
        command.env("_CLAP_COMPLETE_INDEX", words.len().to_string());
        command.env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_IFS", "\n");
        let output = command.args(["--", "resource-matrix-synapse"]).args(words).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        String::from_utf8(output.stdout).unwrap()
    };
    server.run(&["content", "add-user", "remembered"]).success();
    wait_for("the user is offered", || offered(&["content", "get-user", "remem"]) == "remembered");
    let cache = server.data.join("run/completions.json");
    assert_eq!(fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o600);
    server.run(&["content", "add-user", "remembered-not"]).success();
    assert_eq!(offered(&["content", "get-user", "remem"]), "remembered");
    fs::remove_file(&cache).unwrap();
    let both = || offered(&["content", "get-user", "remem"]).lines().count() == 2;
    wait_for("both are offered", both);
    assert_eq!(offered(&["manage", "scale", "--preset", "sm"]), "small");
    let field = offered(&["content", "list-users", "--fields", "user_id,last"]);
    assert_eq!(field, "user_id,last_seen_ms");
}
