//! An installation can be run again, killed anywhere and taken away; what is wrong is found before
//! anything changes.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    common::{Instance, file, free_port, kill_9, signal, wait_for},
    lent::Lent,
};

const SECRETS: [&str; 4] =
    ["signing.key", "macaroon_secret_key", "form_secret", "synapse_registration_secret"];

fn secrets(server: &Instance) -> Vec<Option<Vec<u8>>> {
    SECRETS.iter().map(|name| fs::read(server.data.join("secrets").join(name)).ok()).collect()
}

/// Every file and folder with its time of change: what is the same was not touched.
fn everything(folder: &Path) -> String {
    let found = Command::new("find").arg(folder).args(["-printf", "%p %T@ %s\n"]).output().unwrap();
    let mut lines: Vec<_> = found.stdout.split(|byte| *byte == b'\n').collect();
    lines.sort_unstable();
    String::from_utf8(lines.join(&b'\n')).unwrap()
}

#[test]
fn an_install_again_changes_nothing() {
    let server = Instance::with_environment("idem");
    server.run(&["manage", "install"]).success();
    let before = secrets(&server);
    assert!(before.iter().all(Option::is_some));
    server.run(&["manage", "install"]).exits(2).says("already installed");
    server.run(&["install"]).success().says("already installed");
    let untouched = everything(&server.data);
    server.run(&["manage", "install", "--dry-run"]).success().says("nothing would have to be done");
    server
        .run(&["manage", "install", "--server-name", "other.example"])
        .exits(1)
        .says("test.example");
    let port = server.port.to_string();
    let clash = format!("server.metrics_port={port}");
    server.run(&["manage", "install", "--set", &clash]).exits(1).says("server.metrics_port");
    server.run(&["config", "render", "--diff"]).success();
    assert_eq!(everything(&server.data), untouched);
    assert_eq!(secrets(&server), before);
}

#[test]
fn a_killed_install_leaves_a_sound_state_and_the_next_finishes() {
    let server = Instance::with_environment("kill");
    let mut chance = 0x2545_f491_u64;
    let mut before = vec![None; SECRETS.len()];
    for _ in 0..5 {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mut install = server
            .command()
            .args(["manage", "install"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Another moment each time; there is no condition to wait for.
        thread::sleep(Duration::from_millis(100 + (chance >> 33) % 2_500));
        install.kill().unwrap();
        install.wait().unwrap();
        let after = secrets(&server);
        for (old, new) in before.iter().zip(&after) {
            assert!(old.is_none() || old == new, "a secret has changed");
        }
        before = after;
    }
    assert!([0, 2].contains(&server.run(&["manage", "install"]).code));
    server.run(&["manage", "install"]).exits(2);
    server.run(&["manage", "start"]).success();
    assert!(server.is_healthy());
}

#[test]
fn a_killed_force_leaves_the_old_environment_working() {
    let server = Instance::installed("force");
    let environments = server.data.join("environments");
    let link = || fs::read_link(environments.join("synapse")).unwrap();
    let folders = || fs::read_dir(&environments).unwrap().count();
    let (old, count) = (link(), folders());
    let force = || {
        let mut force = server.command();
        force.args(["manage", "install", "--force"]);
        force.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    // Whoever ends the command alone, as a service manager may, ends what it runs.
    let mut asked = force();
    wait_for("the new environment is begun", || folders() > count);
    signal(asked.id(), "INT");
    assert_eq!(asked.wait().unwrap().code(), Some(130));
    let left = || Command::new("pgrep").arg("-f").arg(&environments).output().unwrap().stdout;
    // Much sooner than an environment is made; the kernel may need a moment.
    assert!((0..50).any(|_| left().is_empty()), "{}", String::from_utf8(left()).unwrap());
    assert_eq!(link(), old);
    let begun = folders();
    let mut force = force();
    wait_for("the new environment is begun", || folders() > begun);
    force.kill().unwrap();
    force.wait().unwrap();
    assert_eq!(link(), old);
    server.run(&["config", "check"]).success();
    // The tool may still write for a while.
    wait_for("what was begun is removed", || {
        server.run(&["manage", "install"]).exits(2);
        folders() == count
    });
    assert_eq!(link(), old);
}

#[test]
fn a_lost_key_is_not_replaced_unasked() {
    let server = Instance::installed("lost");
    let key = server.data.join("secrets/signing.key");
    let lost = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let untouched = everything(&server.data);
    server.run(&["manage", "install"]).exits(1).says("test.example").says("--fresh-keys");
    server.run(&["manage", "install", "--dry-run"]).exits(1).says("--fresh-keys");
    assert_eq!(everything(&server.data), untouched);
    let aside = server.data.join("aside/20260101T000000Z");
    fs::create_dir_all(aside.join("secrets")).unwrap();
    file(&aside, "secrets/signing.key", &lost);
    let offer = format!("--restore {}", aside.display());
    server.run(&["manage", "install"]).exits(1).says(&offer);
    server.run(&["manage", "install", "--fresh-keys"]).success();
    assert_ne!(fs::read(&key).unwrap(), lost);
}

#[test]
fn a_server_whose_secrets_are_all_lost_goes_on_with_fresh_ones() {
    let server = Instance::started("bare");
    let room = server.room("Kept");
    server.run(&["content", "send-message", &room, "before"]).success();
    let secrets = server.data.join("secrets");
    let lost = server.data.join("lost");
    a_running_server_gets_no_other_key(&server, &secrets.join("signing.key"));
    fs::rename(&secrets, &lost).unwrap();
    server.run(&["manage", "install", "--fresh-keys"]).exits(1).says("`manage stop`");
    server.run(&["manage", "stop"]).success();
    let untouched = everything(&server.data);
    server.run(&["manage", "install"]).exits(1).says("--fresh-keys");
    let planned = server.run(&["manage", "install", "--fresh-keys", "--dry-run"]).success();
    drop(planned.says("superuser").says("signing key"));
    assert_eq!(everything(&server.data), untouched);
    server.run(&["manage", "start"]).exits(1).says("signing.key` is lost").says("--fresh-keys");
    assert_eq!(fs::read_dir(&secrets).unwrap().count(), 1, "only the folder of sessions");
    server.run(&["manage", "install", "--fresh-keys", "--start"]).success();
    server.run(&["content", "send-message", &room, "after"]).success();
    assert_eq!(server.bodies(&room), ["before", "after"]);
    server.run(&["manage", "install"]).exits(2);
    server.run(&["manage", "restart"]).success();
    assert!(server.is_healthy());
}

/// Synapse alone would make one: neither a command nor the supervisor starts it without its own.
fn a_running_server_gets_no_other_key(server: &Instance, key: &Path) {
    let aside = server.data.join("signing.key");
    fs::rename(key, &aside).unwrap();
    for words in [&["manage", "restart"][..], &["manage", "restart", "synapse"]] {
        server.run(words).exits(1).says("it was not stopped").says("signing.key` is lost");
    }
    assert!(server.is_healthy());
    kill_9(server.pid("synapse"));
    wait_for("the supervisor says why it does not start", || {
        let state = fs::read_to_string(server.data.join("run/state.json")).unwrap();
        state.contains("signing.key` is lost")
    });
    let said = server.run(&["manage", "start", "synapse"]).exits(1);
    drop(said.says("signing.key` is lost").says("--fresh-keys"));
    assert!(!key.exists());
    fs::rename(&aside, key).unwrap();
    server.run(&["manage", "start"]).success();
}

#[test]
fn a_damaged_note_of_the_database_is_named_and_can_be_removed() {
    // The database itself names its folder, which for a copy is another one.
    let server = Instance::with_environment("note");
    server.run(&["manage", "install"]).success();
    let note = server.data.join("database.json");
    let kept = fs::read(&note).unwrap();
    file(&server.data, "database.json", &kept[..kept.len() / 2]);
    let untouched = everything(&server.data);
    let set = ["--set", "database.kind=embedded"];
    for words in [&["config", "check"][..], &["manage", "install"], &["manage", "start"]] {
        for words in [words.to_vec(), [words, &set].concat()] {
            server.run(&words).exits(1).says("database.json` cannot be read").says("remove it");
        }
    }
    // Who waited for whom is noted in its lock.
    let notes_apart =
        |all: &str| all.lines().filter(|l| !l.contains("/run")).collect::<Vec<_>>().join("\n");
    assert_eq!(notes_apart(&everything(&server.data)), notes_apart(&untouched));
    fs::remove_file(&note).unwrap();
    server.run(&["manage", "start"]).success();
    assert!(server.is_healthy());
    assert!(note.exists());
}

#[test]
fn what_is_uninstalled_is_set_aside_kept_or_erased() {
    let server = Instance::with_environment("gone");
    // Of two at once one installs, and the other finds it done.
    let both = [(), ()].map(|()| {
        let mut install = server.command();
        install.args(["manage", "install", "--json"]).stdout(Stdio::piped()).spawn().unwrap()
    });
    let mut ended = both.map(|install| {
        let said = install.wait_with_output().unwrap();
        let answer: Value = serde_json::from_slice(&said.stdout).unwrap();
        (said.status.code(), answer["changed"].as_bool(), answer["installed"].as_bool())
    });
    ended.sort_unstable();
    let installed = Some(true);
    assert_eq!(ended, [(Some(0), Some(true), installed), (Some(2), Some(false), installed)]);
    let before = secrets(&server);
    file(&server.data.join("media"), "picture", b"picture");
    let said = server.run(&["manage", "uninstall", "--keep-data"]).success();
    for text in ["secrets  (signing key,", "media  (files", "`manage install` takes them up again"]
    {
        assert!(said.stdout.contains(text), "no `{text}` in {said}");
    }
    assert!(!server.data.join("environments").exists() && !server.data.join("synapse").exists());
    assert_eq!(secrets(&server), before);
    server.run(&["manage", "uninstall", "--keep-data"]).exits(2);

    server.take_environment();
    server.run(&["manage", "install"]).success();
    let gone = server.json(&["manage", "uninstall"]);
    let aside = gone["aside"].as_str().unwrap().to_owned();
    assert!(secrets(&server).iter().all(Option::is_none));

    // A restore that cannot be is refused before anything is moved.
    let clash = format!("server.metrics_port={}", server.port);
    let moved = ["manage", "install", "--restore", &aside];
    server.run(&[&moved[..], &["--set", &clash]].concat()).exits(1).says("is used by both");
    let mut without_python = server.command();
    let said = without_python.args(moved).env("PATH", "/nowhere").output().unwrap();
    assert!(String::from_utf8_lossy(&said.stderr).contains("apt-get install python3"));
    server.run(&["manage", "install", "--restore", "/nowhere"]).exits(1).says("/nowhere");
    assert!(Path::new(&aside).join("media/picture").exists());

    server.take_environment();
    server.run(&moved).success();
    assert_eq!(secrets(&server), before);
    assert_eq!(fs::read(server.data.join("media/picture")).unwrap(), b"picture");
    // It was copied. Done already, it is not done again.
    assert!(Path::new(&aside).join("media/picture").exists());
    server.run(&moved).exits(2).says("already installed");

    // A purge says what it erases, and keeps what an earlier uninstall archived.
    let purge = ["manage", "uninstall", "--purge", "--force"];
    let planned = server.run(&[&purge[..], &["--dry-run"]].concat()).success();
    planned.says("these archives and backups stay:").says(&aside);
    // Of two at once one does it.
    let (did, other) = thread::scope(|scope| {
        let [one, two] = [(), ()].map(|()| scope.spawn(|| server.run(&purge)));
        let (one, two) = (one.join().unwrap(), two.join().unwrap());
        if one.code == 0 { (one, two) } else { (two, one) }
    });
    did.success().says("everything is erased but earlier archives").says(&aside);
    other.exits(2).says("not installed");
    assert!(secrets(&server).iter().all(Option::is_none));
    assert!(Path::new(&aside).join("media/picture").exists());
    server.run(&purge).exits(2);
    let purge = [&purge[..], &["--archives"]].concat();
    server.run(&[&purge[..], &["--dry-run"]].concat()).success().says(&aside);
    server.run(&purge).success();
    assert!(!server.data.exists());
    server.run(&["manage", "uninstall", "--purge", "--force"]).exits(2);
}

#[test]
fn what_is_in_the_way_is_named_before_anything_changes() {
    let server = Instance::empty("way");
    let refused = |path: &str, text: &str| {
        let output =
            server.command().env("PATH", path).args(["manage", "install"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(text), "no `{text}` in: {said}");
    };
    let tools = tempfile::tempdir().unwrap();
    let python = |answer: &str| {
        let path = file(tools.path(), "python3", format!("#!/bin/sh\necho {answer}\n").as_bytes());
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    refused("/nowhere", "apt-get install python3");
    python("3 9 1 /usr/bin/python3");
    refused(tools.path().to_str().unwrap(), "only 3.9");
    python("3 11 0 /usr/bin/python3");
    refused(tools.path().to_str().unwrap(), "apt-get install python3-venv");
    let nowhere = tools.path().join("link");
    symlink("/nowhere/at/all", &nowhere).unwrap();
    let at = |path: &Path| server.run(&["--data-dir", path.to_str().unwrap(), "manage", "install"]);
    at(&nowhere).exits(1).says("leads nowhere");
    at(&file(tools.path(), "plain", b"")).exits(1).says("is not a folder");
    at(Path::new("/proc/rms")).exits(1);
    // Of several ports that are taken each is said.
    let port = std::net::TcpListener::bind(("127.0.0.1", server.port)).unwrap();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let metrics = other.local_addr().unwrap().port();
    let set = format!("server.metrics_port={metrics}");
    server
        .run(&["manage", "install", "--start", "--set", &set])
        .exits(1)
        .says(&format!("port {} is taken by", server.port))
        .says(&format!("port {metrics} is taken by"))
        .says(&format!("`config set server.metrics_port {}`", metrics.saturating_add(100)))
        .says(&std::process::id().to_string());
    drop((port, other));
    server.run(&["config", "render"]).success();
    server.run(&["config", "check"]).success();
    assert!(!server.data.exists());
}

#[test]
fn a_value_of_the_wrong_shape_or_at_the_wrong_place_is_named_with_its_file() {
    let server = Lent::any();
    let overrides = server.data.join("homeserver.d");
    for (content, key) in [
        ("listeners: 5", "`listeners`"),
        ("rc_message: []", "`rc_message`"),
        ("caches: 5", "`caches`"),
        ("email: [1]", "`email`"),
        ("remote_media_lifetime: 3d", "did you mean `media_retention.remote_media_lifetime`"),
        ("caches: {max_upload_size: 5M}", "did you mean `max_upload_size`"),
    ] {
        file(&overrides, "mine.yaml", content.as_bytes());
        server.run(&["config", "check"]).exits(1).says(key).says("mine.yaml");
    }
    // What several items of a list have is said once.
    let sizes = b"thumbnail_sizes:\n- {width: 32, height: 32, method: crop, methd: crop}\n\
        - {width: 64, height: 64, method: scale, methd: crop}\n";
    file(&overrides, "mine.yaml", sizes);
    let said = server.run(&["config", "check"]).exits(1).says("did you mean").to_string();
    assert_eq!(said.matches("did you mean").count(), 1, "{said}");
}

#[test]
fn synapse_reads_back_what_was_meant() {
    let server = Lent::any();
    let nasty = vec![
        "no",
        "22:30:00",
        "0o17",
        "0600",
        "1e3",
        "~",
        "null",
        "- a",
        "a: b",
        "#x",
        " a ",
        "'",
        "\"",
        "a\nb",
        "\u{85}x",
        "\u{2028}",
        "é🦀",
        "*a",
        "&a",
        "!!int 3",
        "{{ x }}",
        "{% x %}",
        "\t",
        "=",
        "<<",
        "%a",
        "@a",
        "`a`",
        "\\n",
        "...",
        "---",
        ".inf",
        "1_000",
        "0x1F",
        "+1",
        "\u{7f}",
        "\u{1b}[0m",
    ];
    // YAML takes this one only escaped.
    let document =
        serde_json::json!({ "turn_uris": nasty }).to_string().replace('\u{7f}', "\\u007f");
    file(&server.data.join("homeserver.d"), "mine.yaml", document.as_bytes());
    let rendered = server.run(&["config", "render"]).success().stdout;
    let path = file(&server.data, "rendered", rendered.as_bytes());
    let python = server.data.join("environments/synapse/bin/python");
    let script =
        "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))['turn_uris']))";
    let read = Command::new(python).args(["-c", script]).arg(path).output().unwrap();
    let read: Value = serde_json::from_slice(&read.stdout).unwrap();
    assert_eq!(read, serde_json::json!(nasty));
}

#[test]
fn the_platform_is_told_of_this_resource() {
    let mut server = Instance::with_environment("vrooli");
    let root = tempfile::tempdir().unwrap();
    let scripts = root.path().join("scripts/lib/resources");
    fs::create_dir_all(&scripts).unwrap();
    let note = root.path().join("note");
    let script = format!("echo \"$@\" >>{}\n", note.display());
    file(&scripts, "install-resource-cli.sh", script.as_bytes());
    server.variable("VROOLI_ROOT", root.path().to_str().unwrap());
    server.variable("RMS_RESOURCE_DIR", "/the/resource");
    server.run(&["manage", "install"]).success();
    assert_eq!(fs::read_to_string(&note).unwrap(), "/the/resource\n");
    file(&scripts, "install-resource-cli.sh", b"echo it is broken >&2; exit 3\n");
    let port = format!("server.metrics_port={}", free_port());
    server.run(&["manage", "install", "--set", &port]).success().says("it is broken");
}
