//! A disk that is full, or can only be read, is named; nothing is lost, doubled or left half-made.

use std::{
    fs,
    os::unix::fs::chown,
    path::Path,
    process::{Command, Stdio},
};

use sqlx::postgres::PgConnectOptions;

use crate::{
    apart::{disk, is_apart},
    common::{Instance, wait_for},
    hooks,
    provisioning::on_server,
};

fn mount(options: &str) -> bool {
    let mut mount = Command::new("mount");
    mount.args(["-o", &format!("remount,{options}")]).arg(std::env::temp_dir());
    mount.stderr(Stdio::null()).status().unwrap().success()
}

/// Leaves nothing free; what is written meanwhile may only make it try again.
fn fill() {
    wait_for("the disk is full", || {
        let disk = rustix::fs::statvfs(std::env::temp_dir()).unwrap();
        mount(&format!("size={}", (disk.f_blocks - disk.f_bfree) * disk.f_frsize))
    });
}

fn make_room(megabytes: u32) {
    assert!(mount(&format!("size={megabytes}m")));
}

/// The embedded PostgreSQL's.
fn superuser(server: &Instance) -> PgConnectOptions {
    let password = server.data.join("secrets/postgres_superuser_password");
    let password = fs::read_to_string(password).unwrap();
    let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(server.ports[2]);
    options.username("postgres").password(password.trim()).database("postgres")
}

fn what_could_not_start_again_is_not_stopped(server: &Instance) {
    let run = server.data.join("run").display().to_string();
    let mounted = |program: &str, words: &[&str]| {
        assert!(Command::new(program).args(words).arg(&run).status().unwrap().success());
    };
    let synapse = server.pid("synapse");
    mounted("mount", &["--bind", &run]);
    mounted("mount", &["-o", "remount,bind,ro"]);
    let refused = server.run(&["manage", "restart", "synapse"]).exits(1);
    mounted("umount", &[]);
    refused.says(&format!("`{run}` is on a disk that can only be read"));
    assert_eq!(server.pid("synapse"), synapse);
}

#[test]
fn a_full_disk_is_named_and_loses_and_doubles_nothing() {
    if !is_apart(a_full_disk_is_named_and_loses_and_doubles_nothing, &disk(300)) {
        return;
    }
    let server = Instance::started("full");
    what_could_not_start_again_is_not_stopped(&server);
    let named = format!("the disk of `{}` is full: 0 MB are left", server.data.display());
    let room = server.room("Full");
    // Long enough that soon no page of the database has room for one more.
    let text = |n: usize| format!("{n} {}", "x".repeat(20_000));
    let send = |n: usize, seconds| {
        let id = format!("full-{n}");
        let words = ["content", "send-message", &room, "-", "--transaction-id", &id];
        server.run_with(&[&words[..], &["--timeout", seconds]].concat(), text(n).as_bytes())
    };
    send(0, "60").success();
    let token = hooks::hook(&server, "full", &room);
    let post = |n: u32| {
        let body = format!(r#"{{"text":"hook {n}"}}"#);
        hooks::post(server.hooks, "full", &token, "", &body).unwrap()
    };
    let superuser = superuser(&server);
    on_server(&superuser, async |connection| sqlx::query("SELECT").execute(connection).await)
        .unwrap();
    fill();
    server.run(&["status"]).exits(1).says(&named);
    server.run(&["status", "--fast", "--json"]).exits(1).says(&named);
    // Nobody is promised what cannot be kept.
    let (status, body) = post(0);
    assert_eq!(status, 507, "{body}");
    let refusal = body["error"].as_str().unwrap();
    assert_eq!(refusal, "nothing was accepted: the disk of the server is full");
    let is_refused = |n: usize| {
        let said = send(n, "1");
        if said.code == 0 {
            return false;
        }
        said.exits(1).says(&named).says(&format!("--transaction-id full-{n}"));
        true
    };
    let refused = (1..100).find(|&n| is_refused(n)).unwrap();

    // PostgreSQL itself gives up when its journal has no room.
    on_server(&superuser, async |connection| {
        let much = "SELECT pg_logical_emit_message(true, '', repeat('x', 1000000))
            FROM generate_series(1, 20)";
        sqlx::query(much).execute(connection).await
    })
    .unwrap_err();
    // It may come back with room for a little: what it gave up is gone from its journal.
    wait_for("its end is noticed", || {
        server.run(&["status"]).exits(1).stdout.contains("postgres is ")
    });
    is_refused(refused);
    make_room(300);
    assert!([0, 2].contains(&server.run(&["manage", "start"]).code));
    wait_for("it is healthy again", || server.is_healthy());
    wait_for("the call that was refused is counted", || {
        server.json(&["content", "list-hooks"])["hooks"][0]["refused_calls"]["status"] == 507
    });

    fill();
    server.run(&["manage", "stop"]).success();
    server.run(&["manage", "start"]).exits(1).says(&named).says("--force");
    make_room(300);
    server.run(&["manage", "start"]).success();
    assert!(server.is_healthy());
    for n in 0..=refused {
        send(n, "60").success();
    }
    let mut sent: Vec<String> = (0..=refused).map(text).collect();
    assert!(server.bodies(&room) == sent);
    assert_eq!(post(1).0, 202);
    sent.push("hook 1".to_owned());
    wait_for("the webhook's message is there", || server.bodies(&room) == sent);
}

#[test]
fn an_install_without_room_leaves_nothing_half_made_and_ends_well_with_it() {
    let test = an_install_without_room_leaves_nothing_half_made_and_ends_well_with_it;
    if !is_apart(test, &disk(200)) {
        return;
    }
    let server = Instance::empty("room");
    let data = server.data.display();
    let refusal = format!("the disk of `{data}` has 200 MB left, and this takes 600 MB");
    server.run(&["manage", "install", "--dry-run"]).exits(1).says(&refusal);
    server.run(&["manage", "install"]).exits(1).says(&refusal).says("free some disk space");
    assert!(!server.data.exists());

    // Others fill the disk while packages are installed.
    let environments = server.data.join("environments");
    let begun = |folder: &Path, name: &str| {
        let children = fs::read_dir(folder).into_iter().flatten().flatten();
        children.into_iter().any(|child| child.file_name().to_string_lossy().starts_with(name))
    };
    let interrupted = |begun: &dyn Fn() -> bool| {
        make_room(1_000);
        let mut install = server.command();
        install.args(["manage", "install"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let install = install.spawn().unwrap();
        wait_for("it is in the middle", begun);
        fill();
        let output = install.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        server.run(&["status"]).exits(2).says("not installed");
        make_room(1_000);
        said
    };
    let said = interrupted(&|| begun(&environments, "synapse-"));
    assert!(said.contains(&format!("the disk of `{data}/logs` is full: 0 MB are left")), "{said}");
    // Nothing was left there.
    fs::remove_dir(&environments).unwrap();

    // And while the cluster is made.
    server.take_environment();
    let postgres = server.data.join("postgres");
    let said = interrupted(&|| begun(&postgres, "data.new"));
    assert!(said.contains("No space left on device"), "{said}");
    assert!(!postgres.join("data").exists());

    server.run(&["manage", "install"]).success();
    server.run(&["manage", "install"]).exits(2);
    server.run(&["config", "check"]).success();
    assert!(!begun(&postgres, "data.new"), "a cluster was left");
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named_and_stays_as_it_is() {
    let test = a_data_folder_that_cannot_be_written_is_named_and_stays_as_it_is;
    if !is_apart(test, &disk(300)) {
        return;
    }
    let server = Instance::installed("read-only");
    let data = server.data.display().to_string();
    let new = std::env::temp_dir().join("new");
    let new = new.to_str().unwrap();
    assert!(mount("ro"));
    let refusals = [
        &["manage", "install", "--force"][..],
        &["manage", "start"],
        &["manage", "uninstall"],
        &["config", "set", "server.port", "8009"],
    ];
    for words in refusals {
        server.run(words).exits(1).says(&data).says("MATRIX_SYNAPSE_DATA_DIR");
    }
    let install = ["--data-dir", new, "manage", "install"];
    server.run(&install).exits(1).says(&format!("`{new}` is on a disk that can only be read"));
    server.run(&["status"]).exits(2);
    server.run(&["config", "check"]).success();
    assert!(mount("rw"));
    chown(&server.data, Some(65_534), None).unwrap();
    let refusal = format!("the data folder `{data}` belongs to another user");
    server.run(&["manage", "install"]).exits(1).says(&refusal);
    chown(&server.data, Some(0), None).unwrap();
    server.run(&["manage", "install"]).exits(2);
}
