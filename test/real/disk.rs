//! A disk that is full, or can only be read, is named; nothing is lost, doubled or left half-made.

use std::{
    fs,
    os::unix::fs::{chown, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgConnectOptions;

use crate::{
    apart::{disk, is_apart},
    common::{Instance, Said, file, is_alive, wait_for},
    hooks,
    provisioning::on_server,
    schedule::{next_second, typed},
};

fn mount(options: &str) -> bool {
    let mut mount = Command::new("mount");
    mount.args(["-o", &format!("remount,{options}")]).arg(std::env::temp_dir());
    mount.stderr(Stdio::null()).status().unwrap().success()
}

/// Leaves so many MB free; what is written meanwhile may only make it try again.
fn leave(megabytes: u64) {
    wait_for("the disk is full", || {
        let disk = rustix::fs::statvfs(std::env::temp_dir()).unwrap();
        let used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize;
        mount(&format!("size={}", used + (megabytes << 20)))
    });
}

fn fill() {
    leave(0);
}

/// Enough for all that is tried here, in MB; it takes memory only when it is used.
const LARGE: u32 = 1_500;

fn make_room(megabytes: u32) {
    assert!(mount(&format!("size={megabytes}m")));
}

/// Runs it on a large disk that others fill in the middle, up to some MB.
fn interrupted(server: &Instance, words: &[&str], left: u64, is_begun: &dyn Fn() -> bool) -> Said {
    make_room(LARGE);
    let mut command = server.command();
    command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut command = command.spawn().unwrap();
    // What it is in the middle of may be over soon.
    while !is_begun() && command.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(5));
    }
    leave(left);
    let said = Said::of(command.wait_with_output().unwrap());
    make_room(LARGE);
    said.exits(1)
}

/// Whether something in there has such a name.
fn is_begun(folder: &Path, name: &str) -> bool {
    let children = fs::read_dir(folder).into_iter().flatten().flatten();
    children.into_iter().any(|child| child.file_name().to_string_lossy().starts_with(name))
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
    let (room, sealed) = (server.clear_room("Full"), server.room("Full and sealed"));
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
    // Who keeps the keys has no room for them either.
    let send_sealed = |n| {
        let words = ["content", "send-message", &sealed, "-", "--timeout", "1"];
        server.run_with(&words, text(n).as_bytes())
    };
    (0..100).map(send_sealed).find(|said| said.code != 0).unwrap().exits(1).says(&named);

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
    let interrupted = |begun: &dyn Fn() -> bool| {
        let said = interrupted(&server, &["manage", "install"], 0, begun);
        server.run(&["status"]).exits(2).says("not installed");
        said
    };
    let said = interrupted(&|| is_begun(&environments, "synapse-"));
    said.says(&format!("the disk of `{data}/logs` is full: 0 MB are left"));
    // Nothing was left there.
    fs::remove_dir(&environments).unwrap();

    // And while the cluster is made.
    server.take_environment();
    let postgres = server.data.join("postgres");
    let said = interrupted(&|| is_begun(&postgres, "data.new"));
    said.says("No space left on device");
    assert!(!postgres.join("data").exists());

    server.run(&["manage", "install"]).success();
    server.run(&["manage", "install"]).exits(2);
    server.run(&["config", "check"]).success();
    assert!(!is_begun(&postgres, "data.new"), "a cluster was left");
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

/// Has it say that it was another version until now, and that the one it is still has to be made: that is what
/// an upgrade meets, and no other version has to be had for it.
fn pretend_an_older_version(server: &Instance) -> (PathBuf, PathBuf) {
    let environments = server.data.join("environments");
    let link = environments.join("synapse");
    let name = fs::read_link(&link).unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    let old = environments.join(format!("synapse-1.140.0-{}", name.rsplit_once('-').unwrap().1));
    let new = environments.join(name);
    fs::rename(&new, &old).unwrap();
    fs::remove_file(&link).unwrap();
    symlink(&old, &link).unwrap();
    (old, new)
}

#[test]
fn a_restore_and_an_upgrade_without_room_lose_nothing_and_end_well_with_it() {
    let test = a_restore_and_an_upgrade_without_room_lose_nothing_and_end_well_with_it;
    if !is_apart(test, &disk(LARGE)) {
        return;
    }
    let server = Instance::installed("change");
    let data = server.data.display();
    server.run(&["config", "set", "backup.point_in_time", "true"]).success();
    server.run(&["manage", "start"]).success();
    let room = server.clear_room("Change");
    let send = |text: &str| server.run(&["content", "send-message", &room, text]).success();
    // What nobody makes smaller: a backup takes that much.
    let noise: Vec<u8> = (0..1_u32 << 18).flat_map(|n| Sha256::digest(n.to_le_bytes())).collect();
    let noise = file(&std::env::temp_dir(), "noise", &noise);
    server.run(&["content", "send-media", &room, noise.to_str().unwrap()]).success();
    send("before");
    // And what takes room only when it is back.
    let zeros = server.data.join("media/local_content/zeros");
    fs::File::create_new(&zeros).unwrap().set_len(64 << 20).unwrap();
    let backup = server.json(&["manage", "backup"])["backups"][0]["path"].clone();
    let backup = backup.as_str().unwrap();
    let goes_on = |texts: &[&str]| {
        make_room(LARGE);
        // The database may have given up itself meanwhile.
        wait_for("all is as it was", || server.is_healthy());
        assert_eq!(server.bodies(&room), texts);
    };

    // To a moment: the database in use stays until the other one is there and could start.
    next_second();
    send("then");
    let at = typed(next_second());
    send("after");
    let all = ["noise", "before", "then", "after"];
    let back = ["manage", "restore", "--at", &at];
    leave(20);
    let refused = server.run(&back).exits(1).says("restoring takes about");
    refused.says(&format!("the disk of `{data}` has ")).says("free some disk space");
    let recovering = server.data.join("postgres/recovering");
    let said = interrupted(&server, &back, 0, &|| recovering.exists());
    said.says(&format!("the disk of `{data}` is full: 0 MB are left")).says("free some disk space");
    assert!(!recovering.exists());
    goes_on(&all);
    let promoted = recovering.join("pg_wal/00000002.history");
    let said = interrupted(&server, &back, 40, &|| promoted.exists());
    said.says(&format!("the disk of `{data}` is full: ")).says("free some disk space");
    assert!(!recovering.exists());
    goes_on(&all);
    server.run(&back).success().says("running");
    goes_on(&all[..3]);

    // What is there before a backup is archived first, and the backup is unpacked.
    fill();
    let restore = ["manage", "restore", backup];
    let force = [&restore[..], &["--force"]].concat();
    server.run(&restore).exits(1).says("is not empty").says("--force");
    let refused = server.run(&force).exits(1).says("restoring takes about");
    refused.says(&format!("the disk of `{data}` has 0 MB left")).says("free some disk space");
    goes_on(&all[..3]);
    let synapse = server.pid("synapse");
    let said = interrupted(&server, &force, 40, &|| !is_alive(synapse));
    let aside = fs::read_dir(server.data.join("aside")).unwrap().next().unwrap().unwrap().path();
    let said = said.says(&format!("cannot write `{data}/.restored/"));
    let said = said.says("No space left on device").says("free some disk space");
    said.says(&format!("`manage install --restore {}` brings that back", aside.display()));
    assert!(aside.join("postgres/data/PG_VERSION").exists() && aside.join("secrets").exists());
    assert!(!server.data.join(".restored").exists());
    // The environment went as with any uninstall, and need not be made for this.
    server.take_environment();
    let note = server.data.join("run/restoring.json");
    let is_filling = || fs::read_to_string(&note).is_ok_and(|note| note.contains("filling"));
    let said = interrupted(&server, &restore, 0, &is_filling);
    let again = format!("`manage restore {backup}` again finishes it");
    said.says(&format!("the disk of `{data}` is full: 0 MB are left")).says(&again);
    server
        .run(&["status"])
        .exits(1)
        .says("was interrupted")
        .says(&format!("manage restore {backup}"));
    server.run(&[&restore[..], &["--start"]].concat()).success().says("running");
    goes_on(&all[..2]);
    fs::remove_file(zeros).unwrap();

    // Of an upgrade nothing is made that has no room, and what is made half is taken away.
    server.run(&["config", "set", "backup.point_in_time", "false"]).success();
    let (old, new) = pretend_an_older_version(&server);
    let upgrade = ["manage", "upgrade"];
    leave(300);
    let refused = server.run(&upgrade).exits(1).says("MiB on the disk, and ").says(" are left");
    refused.says("free some disk space").says("`--no-backup` needs less");
    assert!(!new.exists());
    let said = interrupted(&server, &upgrade, 0, &|| new.exists());
    said.says(&format!("the disk of `{data}/logs` is full: 0 MB are left"));
    assert!(!new.exists());
    goes_on(&all[..2]);
    symlink(fs::read_link(&old).unwrap(), &new).unwrap();
    // Enough to begin with, whatever the database writes meanwhile; after the backup too little to start again.
    let more = server.data.join("media/local_content/more");
    fs::create_dir(&more).unwrap();
    for n in 0..5 {
        fs::copy(&noise, more.join(n.to_string())).unwrap();
    }
    leave(104);
    let said = server.run(&upgrade).exits(1).says("so it was not stopped");
    said.says(&format!("the disk of `{data}` is full: ")).says("`--no-backup` makes no other");
    fs::remove_dir_all(more).unwrap();
    goes_on(&all[..2]);
    server.run(&upgrade).success().says(" took the place of 1.140.0");
    goes_on(&all[..2]);
}
