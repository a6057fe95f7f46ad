//! A backup is the server again: with its people, rooms, files, keys and sessions, and nothing is lost on the way.

use std::{fs, process::Stdio};

use serde_json::Value;

use crate::{
    apart::in_own_memory,
    common::{Instance, Said, file, free_port, get, kill_9, wait_for},
};

fn made(server: &Instance, to: &str) -> String {
    let made = server.json(&["manage", "backup", "--to", to]);
    made["backups"][0]["path"].as_str().unwrap().to_owned()
}

/// The texts that a client sees which has been away since this token.
fn since(server: &Instance, token: &str, room: &str) -> Vec<String> {
    let path = format!("/_matrix/client/v3/sync?since={token}");
    let seen = server.json(&["content", "raw", "GET", &path]);
    let events = &seen["rooms"]["join"][room]["timeline"]["events"];
    let body = |event: &Value| event["content"]["body"].as_str().map(ToOwned::to_owned);
    events.as_array().map(|events| events.iter().filter_map(body).collect()).unwrap_or_default()
}

#[test]
fn a_backup_made_while_messages_are_sent_brings_back_all_that_was_acknowledged() {
    let server = Instance::started("backup");
    let folder = tempfile::tempdir().unwrap();
    let room = server.clear_room("Backup");
    let picture = file(folder.path(), "a.bin", &vec![9; 300_000]);
    let send = ["content", "send-media", &room, picture.to_str().unwrap(), "--format", "json"];
    let sent = server.run(&send).success().json();
    let uri = sent["url"].as_str().unwrap_or_else(|| panic!("{sent}")).to_owned();
    let before: Vec<String> = (0..30).map(|n| format!("before {n}")).collect();
    let lines = file(folder.path(), "before", before.join("\n").as_bytes());
    let from = |path: &str| ["content", "send-message", &room, "--file", path].map(str::to_owned);
    let send = from(lines.to_str().unwrap());
    server.run(&send.each_ref().map(String::as_str)).success();
    let whoami = ["content", "raw", "GET", "/_matrix/client/v3/account/whoami"];
    let session = server.json(&whoami);

    // A backup while others write.
    let during: Vec<String> = (0..400).map(|n| format!("during {n}")).collect();
    let lines = file(folder.path(), "during", during.join("\n").as_bytes());
    let mut writing = server.command();
    let writing = writing.args(from(lines.to_str().unwrap()));
    let mut writing = writing.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("some are sent", || server.bodies(&room).len() > 35);
    let acknowledged = server.bodies(&room);
    let backup = made(&server, folder.path().to_str().unwrap());
    writing.kill().unwrap();
    writing.wait().unwrap();

    // It can be tried while the server runs, and leaves nothing.
    let mut verify = server.command();
    verify.args(["manage", "backup", "verify", &backup, "--format", "json"]);
    // Nor shared memory of PostgreSQL's.
    let tried = Said::of(in_own_memory(verify).output().unwrap()).success().json();
    crate::schema::check(&["manage", "backup", "verify", &backup], &tried);
    assert_eq!(tried["verified"]["compared"]["hashed"], 1, "{tried}");
    assert_eq!(tried["verified"]["compared"]["missing"], Value::Array(Vec::new()));
    assert!(!server.data.join("run/verify").exists());

    // What comes later is not in it, and this client knows it.
    server.run(&["content", "send-message", &room, "after the backup"]).success();
    let seen = server.json(&["content", "raw", "GET", "/_matrix/client/v3/sync"]);
    let token = seen["next_batch"].as_str().unwrap();

    let restore = ["manage", "restore", &backup];
    server.run(&restore).exits(1).says("is not empty").says("--force");
    // One that is damaged takes nothing away.
    let whole = fs::read(&backup).unwrap();
    let cut = file(folder.path(), "cut.tar.zst", &whole[..whole.len() / 2]);
    let cut = ["manage", "restore", cut.to_str().unwrap(), "--force"];
    server.run(&cut).exits(1).says("is cut off");
    assert!(server.is_healthy());
    // Killed when all is unpacked, and again when the database is being filled.
    let kill = |words: &[&str], when: &str| {
        let mut killed = server.command();
        let killed = killed.args(words).stdout(Stdio::null()).stderr(Stdio::null());
        let mut killed = killed.spawn().unwrap();
        let note = server.data.join("run/restoring.json");
        wait_for(when, || fs::read_to_string(&note).is_ok_and(|note| note.contains(when)));
        kill_9(killed.id());
        killed.wait().unwrap();
        server.run(&["manage", "start"]).exits(1).says("was interrupted").says(&backup);
        let status = server.run(&["status"]).exits(1).says("was interrupted");
        status.says(&format!("manage restore {backup}")).says("What was there before is in");
    };
    kill(&["manage", "restore", &backup, "--force"], "unpacked");
    kill(&restore, "filling");
    server.run(&["manage", "restore", &backup, "--start"]).success().says("running");

    let now = server.bodies(&room);
    assert!(now.starts_with(&acknowledged), "{} of {}", now.len(), acknowledged.len());
    assert!(!now.contains(&"after the backup".to_owned()));
    assert_eq!(server.json(&whoami), session, "the session goes on");
    let out = folder.path().join("b.bin");
    server.run(&["content", "download-media", &uri, "--out", out.to_str().unwrap()]).success();
    assert_eq!(fs::read(&out).unwrap(), vec![9; 300_000]);
    // A client that was away over the restore misses nothing that is written now.
    server.run(&["content", "send-message", &room, "after the restore"]).success();
    assert!(since(&server, token, &room).contains(&"after the restore".to_owned()));
    assert!(!server.data.join(".restored").exists());
}

#[test]
fn a_backup_is_there_whole_or_not_at_all() {
    let server = Instance::shared();
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().to_str().unwrap();
    let nowhere = folder.path().join("none/a.tar.zst");
    server
        .run(&["manage", "backup", "--to", nowhere.to_str().unwrap()])
        .exits(1)
        .says("there is no folder");
    // A disk that is not there is no name for a file.
    let unmounted = folder.path().join("disk");
    server
        .run(&["manage", "backup", "--to", unmounted.to_str().unwrap()])
        .exits(1)
        .says("no folder");
    assert!(!unmounted.exists());
    let backup = made(server, to);
    server.run(&["manage", "backup", "--to", &backup]).exits(1).says("is there already");
    let shown = server.run(&["manage", "backup", "show", &backup]).success();
    let shown = shown.says("test.example as it was at").says("signing key ed25519:");
    shown.says("redacted in the week before");
    // Encrypted and incremental: without the passphrase nobody opens it, and what opens it is said.
    let words = file(folder.path(), "words", b"six words that nobody ever guesses\n");
    let opened = ["--passphrase-file", words.to_str().unwrap()];
    let seal = ["manage", "backup", "--to", to, "--incremental"];
    let stored = server.json(&[&seal[..], &opened].concat());
    let new = stored["stored"]["files"].as_u64().unwrap();
    let again = server.json(&[&seal[..], &opened].concat());
    // Others may have uploaded something meanwhile.
    assert!(again["stored"]["known"].as_u64().unwrap() >= new, "{again}");
    let [first, sealed] =
        [stored, again].map(|made| made["backups"][0]["path"].as_str().unwrap().to_owned());
    let shut = server.run(&["manage", "backup", "show", &sealed]).exits(1);
    shut.says("it is encrypted with a passphrase").says("`--passphrase-file FILE` names");
    server.run(&["manage", "backup", "remove", &first]).success();
    // Cut off, it is said to be, and nothing is changed.
    let whole = fs::read(&backup).unwrap();
    let cut = file(folder.path(), "cut.tar.zst", &whole[..whole.len() - 20]);
    let mut other = Instance::empty("restored");
    // A variable that says another name refuses it, and is in no other's way.
    other.variable("MATRIX_SYNAPSE_SERVER_NAME", "other.example");
    let refused = other.run(&["manage", "restore", &backup]).exits(1);
    refused.says("the backup is of `test.example`");
    other.unset("MATRIX_SYNAPSE_SERVER_NAME");
    let port = free_port();
    other.variable("MATRIX_SYNAPSE_PORT", &port.to_string());
    other.run(&["manage", "restore", cut.to_str().unwrap()]).exits(1).says("is cut off");
    other.run(&["manage", "start"]).exits(1).says("not installed");
    // Another data folder becomes the same server.
    let restore = ["manage", "restore", &sealed, "--start"];
    let restored = other.run(&[&restore[..], &opened].concat()).success();
    restored.says("restored: test.example");
    let key = "/_matrix/key/v2/server";
    let keys = |port| -> Value { serde_json::from_str(&get(port, key).1).unwrap() };
    assert_eq!(keys(port)["verify_keys"], keys(server.port)["verify_keys"]);
    // Also where there was one with another password.
    let password = ["config", "set", "database.password"];
    other.run_with(&password, b"another one 12").success();
    let again = [&restore[..], &["--force"], &opened].concat();
    other.run(&again).success().says("what was there before is in").says("running");
    server.run(&["manage", "backup", "remove", &backup]).success();
    server.run(&["manage", "backup", "remove", &backup]).exits(2);
    assert_eq!(
        server.run(&["manage", "backup", "list", "--to", to]).success().stdout.lines().count(),
        3,
        "a heading, the one that is cut off, the encrypted one"
    );
    server.run(&["manage", "backup", "remove", &sealed]).success();
    let left = fs::read_dir(folder.path().join("blobs")).into_iter().flatten().flatten();
    let left = left.flat_map(|folder| fs::read_dir(folder.path()).unwrap()).count();
    assert_eq!(left, 0, "what no backup needs is removed");
}
