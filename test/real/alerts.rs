//! A room is told when a service ends by itself, once, and that it is well again.

use std::fs;

use crate::common::{Instance, kill_9, wait_for};

#[test]
fn a_room_is_told_of_a_death_once_and_nothing_is_doubled_by_another() {
    let server = Instance::installed("alerts");
    server.run(&["manage", "start"]).success();
    server.run(&["config", "set", "alerts.room", "#ops"]).success();
    server.run(&["config", "set", "alerts.interval", "1s"]).success();
    // A room that is not there is told to whoever sets it.
    for line in [["config", "check"], ["manage", "start"]] {
        let said = server.run(&line).success();
        said.says("there is no room `#ops`")
            .says("`content create-room NAME --alias ops` makes it");
    }
    server.run(&["content", "create-room", "Ops", "--alias", "ops"]).success();
    let said = server.run(&["config", "check"]).success();
    assert!(!said.stderr.contains("warning"), "{said}");
    let told = |what: &str| {
        let bodies = server.bodies("#ops");
        bodies.iter().filter(|body| body.contains(what)).count()
    };
    kill_9(server.pid("synapse"));
    wait_for("the room is told", || {
        server.is_healthy() && told("synapse ended by itself and is well again") == 1
    });
    let failed =
        r#"{"failed":{"at":"2026-11-28T03:00:00Z","why":"there is no folder `/mnt/backups`"}}"#;
    fs::write(server.data.join("run/backups.json"), failed).unwrap();
    // It goes on where it was, and tells nothing twice.
    kill_9(server.pid("alerts"));
    wait_for("its own death is told", || told("alerts ended by itself and is well again") == 1);
    assert_eq!(told("synapse"), 1);
    wait_for("that no backup was made is told", || {
        told("the backup of 2026-11-28 03:00 UTC failed: there is no folder `/mnt/backups`") == 1
    });
    // The room is encrypted as every private one.
    server.hides("#ops", &["ended by itself", "the backup of"]);
    let told = server.run(&["logs", "alerts"]).stdout;
    assert!(!told.contains("access_token"), "{told}");
}
