//! Another version of Synapse takes the place of the one that is there, with all its data; or the old one is back.

use std::{fs, path::Path, process::Stdio};

use crate::{
    common::{Instance, file, kill_9, wait_for},
    prepared,
};

/// The oldest that is tried: it needs a package of its time to be imported at all.
const OLD: &str = "1.140.0";

fn linked(server: &Instance) -> String {
    let link = fs::read_link(server.data.join("environments/synapse")).unwrap();
    link.file_name().unwrap().to_string_lossy().into_owned()
}

/// The environment of the version that this program ships, as an install would make it, in files of its own.
fn lend(server: &Instance) -> String {
    let from = prepared::folder().join("environments/synapse");
    let from = fs::canonicalize(from).unwrap();
    let name = from.file_name().unwrap().to_string_lossy().into_owned();
    let to = server.data.join("environments").join(&name);
    let copied = std::process::Command::new("cp").arg("-al").args([&from, &to]).status().unwrap();
    assert!(copied.success());
    name
}

/// Puts another text in a file's place; what others have of it stays as it is.
fn replace(path: &Path, text: &str) {
    fs::remove_file(path).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn a_version_is_changed_with_its_data_or_the_old_one_is_back() {
    let server = Instance::empty("upgrade");
    let own = server.data.join("homeserver.d");
    fs::create_dir_all(&own).unwrap();
    // What the database goes through by itself ends soon.
    file(&own, "soon.yaml", b"background_updates: {sleep_enabled: false}\n");
    let install = ["manage", "install", "--synapse-version", OLD, "--start"];
    // Which packages it has is written down with their hashes, so the next install gets the same.
    let said = server.run(&install).success();
    let lock = server.data.join(format!("locks/synapse-{OLD}.lock"));
    said.says(&lock.display().to_string()).says("prometheus-client");
    assert!(fs::read_to_string(&lock).unwrap().contains("--hash=sha256:"));
    let old = linked(&server);
    server.run(&["manage", "install"]).exits(2);
    assert_eq!(linked(&server), old);
    let room = server.room("Upgrade");
    server.run(&["content", "send-message", &room, "before"]).success();

    let new = lend(&server);
    let version = new.split('-').nth(1).unwrap().to_owned();
    let plan = server.json(&["manage", "upgrade", "--dry-run"]);
    assert_eq!(plan["plan"]["from"], OLD);
    assert_eq!(plan["plan"]["to"], version.as_str());
    assert_eq!(plan["plan"]["room_versions"]["12"], 1, "{plan}");
    assert_eq!(plan["plan"]["way_back"], true, "{plan}");

    // Settings that the new one does not take are said while the old one runs.
    let wrong = file(&own, "wrong.yaml", b"no_such_setting: 1\n");
    let upgrade = ["manage", "upgrade", "--no-backup"];
    server
        .run(&upgrade)
        .exits(1)
        .says("no setting `no_such_setting`")
        .says("cannot take the place");
    assert!(server.is_healthy());
    fs::remove_file(wrong).unwrap();

    // One that does not start is as if it had never been tried.
    let site = server.data.join("environments").join(&new).join("lib");
    let site = fs::read_dir(site).unwrap().next().unwrap().unwrap().path();
    let main = site.join("site-packages/synapse/app/homeserver.py");
    let whole = fs::read_to_string(&main).unwrap();
    let broken = "\n\ndef setup(*args, **kwargs):\n    raise RuntimeError(\"on purpose\")\n";
    replace(&main, &(whole.clone() + broken));
    server.run(&upgrade).exits(1).says("on purpose").says(&format!("so {OLD} is back"));
    assert_eq!(linked(&server), old);
    assert_eq!(server.bodies(&room), ["before"]);
    replace(&main, &whole);

    // Killed while the versions are exchanged, it goes on from there.
    let mut killed = server.command();
    let killed = killed.args(["manage", "upgrade"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut killed = killed.spawn().unwrap();
    let note = server.data.join("run/upgrading.json");
    wait_for("the versions are exchanged", || note.exists());
    kill_9(killed.id());
    killed.wait().unwrap();
    assert!([&old, &new].contains(&&linked(&server)));
    server
        .run(&["manage", "upgrade"])
        .success()
        .says(&format!("{version} took the place of {OLD}"));
    assert!(!note.exists());
    assert_eq!(server.bodies(&room), ["before"]);
    server.run(&["content", "send-message", &room, "after"]).success();
    server.run(&["manage", "upgrade"]).exits(2);
    assert_eq!(server.json(&["manage", "backup", "list"])["total"], 1);

    // What was written since is there with the old one too, which stays when the program is installed again.
    wait_for("what the new one does to the database has ended", || {
        server.run(&["manage", "rollback", "--dry-run"]).code == 0
    });
    let back = server.json(&["manage", "rollback"]);
    assert!(back["away"].as_f64().unwrap() < 20.0, "{back}");
    assert_eq!(linked(&server), old);
    assert_eq!(server.bodies(&room), ["before", "after"]);
    let status = server.json(&["status"]);
    assert_eq!(status["running_version"], OLD);
    server.run(&["manage", "install"]).exits(2);
    // Once back, it does not go on to the version that it came from.
    let again = server.run(&["manage", "rollback"]).exits(2);
    again.says(&format!("`manage upgrade --to {version}` goes on"));
    assert_eq!(linked(&server), old);
}
