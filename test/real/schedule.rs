//! Backups are made without anybody, tried, and told about.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{
    common::{file, wait_for},
    lent::Lent,
};

#[test]
fn a_backup_that_was_missed_is_made_up_for_tried_and_seen() {
    let server = Lent::up();
    let record = server.data.join("run/backups.json");
    let none = server.run(&["manage", "backup", "schedule"]).success();
    none.says("no backups are made by schedule");
    let wrong = server.run(&["manage", "backup", "schedule", "3 am"]).exits(1);
    wrong.says("such as `0 3 * * *` for every night at three");
    server.run(&["manage", "backup", "schedule", "--keep", "daily=1"]).exits(1).says("yet");

    // Once a year, so that none is due by itself.
    let set =
        ["manage", "backup", "schedule", "0 3 1 1 * UTC", "--keep", "last=1", "--verify", "always"];
    let planned = server.json(&set)["schedule"].clone();
    assert_eq!(
        (&planned["running"], &planned["keep"]),
        (&json!(true), &json!("last=1")),
        "{planned}"
    );
    assert!(planned["next"].as_str().unwrap().ends_with("-01-01T03:00:00Z"), "{planned}");
    let again = server.run(&[&set[..], &["--format", "json"]].concat()).exits(2);
    assert_eq!(again.json()["changed"], false, "{again}");
    // What nobody here can open is not promised to be tried.
    let key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    server.run(&["config", "set", "backup.recipients", key]).success();
    server.run(&set).exits(1).says("names no secret key");
    let both = ["config", "set", "backup.passphrase_file", "/nowhere"];
    server.run(&both).success();
    server.run(&["config", "check"]).exits(1).says("are both set");
    for key in ["backup.recipients", "backup.passphrase_file"] {
        server.run(&["config", "set", key, ""]).success();
    }

    // The machine was down when it was due, more than once.
    server.run(&["manage", "stop", "backups"]).success();
    let mut noted: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
    noted["schedule"]["at"] = json!("2020-01-01T00:00:00Z");
    fs::write(&record, noted.to_string()).unwrap();
    server.run(&["config", "check"]).success().says("overdue");
    server.run(&["manage", "start", "backups"]).success();
    let backups = || server.json(&["status"])["backups"].clone();
    wait_for("it is made and tried", || backups()["verified"] == true);
    assert_eq!(backups()["troubles"], json!([]));
    let listed = server.json(&["manage", "backup", "list"]);
    let listed = listed["backups"].as_array().unwrap();
    assert_eq!((listed.len(), &listed[0]["tried"]["good"]), (1, &json!(true)), "{listed:?}");
    assert!(!server.data.join("run/verify").exists());

    // Of the next one on it is no longer needed; what nobody here has made stays.
    let first = listed[0]["path"].as_str().unwrap().to_owned();
    let foreign = file(&server.data.join("backups"), "notes.tar.zst", b"of somebody");
    server.run(&["manage", "backup", "schedule", "--verify", "never"]).success();
    let again = |change: fn(&mut Value)| {
        let mut noted: Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
        noted["begun"] = json!("2020-01-01T00:00:00Z");
        change(&mut noted);
        fs::write(&record, noted.to_string()).unwrap();
        server.run(&["manage", "restart", "backups"]).success();
    };
    // The last that was verified would stay.
    again(|noted| noted["backups"][0]["tried"] = Value::Null);
    wait_for("the older one is removed", || !Path::new(&first).exists());
    let listed = server.json(&["manage", "backup", "list"]);
    assert_eq!(listed["backups"].as_array().unwrap().len(), 2, "{listed}");
    assert!(foreign.exists());
    server.run(&["logs", "backups"]).success().says(&format!("removed {first}: kept are last=1"));

    // One that cannot be made is told, and the last good one stays.
    let nowhere = tempfile::tempdir().unwrap();
    let to = nowhere.path().to_str().unwrap();
    server.run(&["manage", "backup", "schedule", "--to", to]).success();
    drop(nowhere);
    again(|_| ());
    let trouble = || backups()["troubles"][0].as_str().unwrap_or_default().to_owned();
    wait_for("it fails", || trouble().contains("there is no folder"));
    assert!(backups()["last"].is_string());

    server.run(&["manage", "backup", "schedule", "--off"]).success();
    wait_for("its service is gone", || {
        !server.run(&["manage", "services"]).stdout.contains("makes and tries backups")
    });
    let state = fs::read_to_string(server.data.join("run/state.json")).unwrap();
    assert!(!state.contains("\"backups\""), "{state}");
    fs::remove_file(record).unwrap();
    fs::remove_dir_all(server.data.join("backups")).unwrap();
}

#[test]
fn the_database_comes_back_as_it_was_at_a_second() {
    let server = Lent::up();
    let told = server.run(&["config", "set", "backup.point_in_time", "true"]).success();
    told.says("is kept, ").says("a day");
    server.run(&["manage", "restart"]).success();
    server.run(&["manage", "restore", "--at", "1m"]).exits(1).says("nothing is kept");
    let backups = tempfile::tempdir().unwrap();
    server.run(&["manage", "backup", "--to", backups.path().to_str().unwrap()]).success();
    server
        .run(&["manage", "restore", "--at", "2020-01-01T00:00Z"])
        .exits(1)
        .says("is the earliest");
    server.run(&["manage", "restore", "--at", "2100-01-01T00:00Z"]).exits(1).says("to come");

    let room = server.clear_room("Moments");
    let send = |text: &str| server.run(&["content", "send-message", &room, text]).success();
    next_second();
    send("before");
    let seen = server.json(&["content", "raw", "GET", "/_matrix/client/v3/sync"]);
    let token = seen["next_batch"].as_str().unwrap();
    let at = typed(next_second());
    send("after");
    let back = server.json(&["manage", "restore", "--at", &at]);
    assert_eq!(back["running"], true, "{back}");
    assert_eq!(server.bodies(&room), ["before"], "{at}");
    let aside = back["before"].as_str().unwrap();
    assert!(Path::new(aside).join("PG_VERSION").exists(), "{back}");
    // A client that was away over it misses nothing that is written now.
    send("again");
    let seen =
        server.json(&["content", "raw", "GET", &format!("/_matrix/client/v3/sync?since={token}")]);
    assert!(seen.to_string().contains("again"), "{seen}");
    // From there on it goes on, and any moment of it can be reached too.
    let at = typed(next_second());
    send("too late");
    server.run(&["manage", "restore", "--at", &at]).success();
    assert_eq!(server.bodies(&room), ["before", "again"], "{at}");
    assert!(server.json(&["status"])["backups"]["moments_since"].is_string());
    server.run(&["config", "set", "backup.point_in_time", "false"]).success();
    server.run(&["manage", "restart"]).success();
    fs::remove_file(server.data.join("run/backups.json")).unwrap();
}

/// Waits for it: a whole second, which all that was before is surely older than.
pub(crate) fn next_second() -> u64 {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let before = now();
    wait_for("the next second", || now() > before);
    before + 1
}

/// As it is typed: RFC 3339.
pub(crate) fn typed(seconds: u64) -> String {
    let mut date = Command::new("date");
    date.args(["-u", "+%Y-%m-%dT%H:%M:%SZ", "-d"]).arg(format!("@{seconds}"));
    String::from_utf8(date.output().unwrap().stdout).unwrap().trim().to_owned()
}
