//! `manage` and its words at the top level, where nothing is installed.

use std::{fs, process::Command};

use crate::common::Person;

#[test]
fn nothing_to_stop_is_two_below_manage_and_nought_at_the_top() {
    for (below, top) in [("manage stop", "stop"), ("manage uninstall", "uninstall")] {
        let below = Person::new().types(below);
        let top = Person::new().types(top);
        assert_eq!((below.code, top.code), (Some(2), Some(0)), "{below}");
        assert_eq!((below.stdout, below.stderr), (top.stdout, top.stderr));
    }
}

/// As another account where we may become one, else where nobody may look.
#[test]
fn what_may_not_be_looked_at_is_no_stopped_homeserver() {
    use std::os::unix::fs::PermissionsExt as _;
    let person = Person::new();
    let home = person.home.path().to_owned();
    let mode = |path: &std::path::Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::create_dir_all(person.data().join("run")).unwrap();
    fs::create_dir_all(person.data().join("logs")).unwrap();
    mode(&home, 0o755);
    mode(&person.data(), 0o700);
    let program = assert_cmd::cargo::cargo_bin!("resource-matrix-synapse");
    let root = person.command("id").arg("-u").output().unwrap().stdout == b"0\n";
    if !root {
        mode(&person.data(), 0);
    }
    for line in ["manage stop --json", "manage stop synapse", "manage events", "logs", "status"] {
        let mut command = person.command(if root { "setpriv" } else { "env" });
        if root {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        let output = command.arg(program).args(line.split(' ')).output().unwrap();
        if root && output.status.code() == Some(127) {
            return;
        }
        let said = person.said(&output);
        assert_eq!(said.code, Some(1), "{line}\n{said}");
        assert!(said.to_string().contains("Permission denied"), "{line}\n{said}");
    }
    mode(&person.data(), 0o700);
}

#[test]
fn a_file_in_the_place_of_the_logs_is_an_error() {
    let person = Person::new().settings("");
    fs::write(person.data().join("logs"), "").unwrap();
    let said = person.types("logs");
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stderr.contains("Not a directory"), "{said}");
}

#[test]
fn a_log_that_is_no_file_is_named_and_not_waited_for() {
    let person = Person::new().settings("");
    let logs = person.data().join("logs");
    fs::create_dir_all(logs.join("folder.log")).unwrap();
    let pipe = logs.join("pipe.log");
    assert!(person.command("mkfifo").arg(&pipe).output().unwrap().status.success());
    fs::write(logs.join("good.log"), "2026-11-21T05:20:00.000Z hello\n").unwrap();
    let said = person.types("logs");
    assert_eq!(said.code, Some(0), "{said}");
    assert!(said.stdout.contains("hello"), "{said}");
    for name in ["folder", "pipe"] {
        let named = format!("logs/{name}.log`: it is a folder, a device, a pipe or a socket");
        assert!(said.stderr.contains(&named), "{said}");
        let alone = person.types(&format!("logs {name}"));
        assert_eq!(alone.code, Some(1), "{alone}");
        assert!(alone.stderr.contains(&named.replace("`: it", "`\n  because: it")), "{alone}");
    }
    assert_eq!(person.types("logs --json").json()["warnings"].as_array().unwrap().len(), 2);
}

#[test]
fn a_start_names_the_install() {
    for line in ["manage start", "start", "manage restart", "restart"] {
        let said = Person::new().types(line);
        assert_eq!(said.code, Some(1), "{said}");
        assert!(said.stderr.contains("`manage install --start` installs and starts it"), "{said}");
    }
}

#[test]
fn a_dry_run_makes_nothing() {
    let person = Person::new();
    for line in ["manage stop --dry-run", "manage uninstall --dry-run", "logs", "status"] {
        person.types(line);
    }
    assert_eq!(fs::read_dir(person.home.path()).unwrap().count(), 0);
}

#[test]
fn without_a_terminal_nothing_is_erased_unless_forced() {
    let person = Person::new().settings("server:\n  port: 8100\n");
    let said = person.types("manage uninstall --purge");
    assert_eq!(said.code, Some(1), "{said}");
    assert!(said.stderr.contains("`manage uninstall --purge --force` erases it"), "{said}");
    assert!(person.data().join("settings.yaml").exists());
    assert_eq!(person.types("manage uninstall --purge --force").code, Some(0));
    assert!(!person.data().exists());
}

#[test]
fn a_dry_run_of_an_uninstall_says_where_there_is_nothing() {
    for line in ["manage uninstall --dry-run", "manage uninstall --purge --dry-run"] {
        let said = Person::new().types(line);
        assert_eq!((said.stdout.trim(), said.code), ("not installed", Some(2)), "{said}");
    }
}

#[test]
fn what_there_would_be_is_listed_before_an_install_and_nothing_has_happened() {
    let said = Person::new().types("manage services");
    assert_eq!(said.code, Some(0), "{said}");
    assert!(said.stdout.contains("synapse [stopped] Synapse"), "{said}");
    let said = Person::new().types("manage events");
    assert_eq!(said.code, Some(2), "{said}");
    assert!(said.stdout.starts_with("not running"), "{said}");
}

#[test]
fn before_an_install_the_install_is_named() {
    for line in ["content list-users", "content send-message !r hi", "content add-bot b"] {
        let said = Person::new().types(line);
        assert_eq!(said.code, Some(1), "{said}");
        assert!(said.stderr.contains("the homeserver is not installed in `~/"), "{said}");
        assert!(said.stderr.contains("`manage install --start`"), "{said}");
    }
    assert_eq!(Person::new().types("logs nope").code, Some(1));
    assert_eq!(Person::new().types("logs synapse").code, Some(2));
    assert_eq!(Person::new().types("logs supervisor").code, Some(2));
    let status = Person::new().with("MATRIX_SYNAPSE_PORT", "8123").types("status --json").json();
    assert_eq!(
        (&status["port"], &status["health_url"]),
        (&8123.into(), &"http://127.0.0.1:8123/health".into())
    );
}

#[test]
fn the_generic_forms_name_their_flags() {
    for (line, shape) in [
        ("content add user alice", "`content add [--type <TYPE>] --name <NAME>`"),
        ("content list users", "`content list [--type <TYPE>]`"),
        ("content get alice", "`content get [--type <TYPE>] --name <NAME>`"),
        ("content remove alice", "`content remove [--type <TYPE>] --name <NAME>`"),
        ("content execute GET /x", "`content execute --name '<METHOD> <PATH>' --options <JSON>`"),
    ] {
        let said = Person::new().types(line);
        assert!(said.stderr.contains(shape), "{said}");
    }
}

#[test]
fn a_pid_alone_is_no_reason_to_kill_a_process() {
    let person = Person::new();
    let run = person.data().join("run");
    fs::create_dir_all(&run).unwrap();
    let mut bystander = Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = bystander.id();
    let lock = run.join("supervisor.lock");
    let of_before = format!("`daemon supervise` (pid {pid})");
    let of_another = format!(r#"{{"pid":{pid},"start_ticks":1,"purpose":"daemon supervise"}}"#);
    for text in [&of_before, &of_another] {
        fs::write(&lock, text).unwrap();
        let held = fs::File::open(&lock).unwrap();
        held.lock().unwrap();
        let said = person.types("manage stop --force");
        assert_eq!(said.code, Some(1), "{said}");
        assert!(said.stderr.contains(&of_before) && said.stderr.contains("fuser"), "{said}");
    }
    let lives = bystander.try_wait().unwrap().is_none();
    bystander.kill().unwrap();
    bystander.wait().unwrap();
    assert!(lives, "it was killed");
}

#[test]
fn what_cannot_be_taken_over_is_said_before_anything_is_made() {
    let person = Person::new();
    let theirs = person.home.path().join("theirs");
    fs::create_dir_all(&theirs).unwrap();
    let line = format!("manage adopt {} --yes", theirs.display());
    let refused = |words: &str| {
        let said = person.types(&line);
        assert_eq!(said.code, Some(1), "{said}");
        assert!(said.stderr.contains(words), "{said}");
    };
    refused("there is no `homeserver.yaml`");
    let write = |name: &str, text: &str| fs::write(theirs.join(name), text).unwrap();
    write(
        "homeserver.yaml",
        "server_name: old.example\ndatabase: {name: sqlite3, args: {database: a.db}}",
    );
    refused("old.example.signing.key` is not there");
    write("old.example.signing.key", "ed25519 a_b c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI");
    write("a.db", "no database");
    refused("is not a database of SQLite");
    let other = "database: {name: psycopg2, args: {host: 127.0.0.1, port: 1}}";
    write("homeserver.yaml", &format!("server_name: old.example\n{other}"));
    refused("cannot be reached");
    assert!(!person.data().exists());
    let said = person.types("manage adopt --undo --yes");
    assert!(said.stderr.contains("was not taken over from elsewhere"), "{said}");
    let said = person.types("manage upgrade-postgres");
    assert!(said.stderr.contains("not installed"), "{said}");
}
