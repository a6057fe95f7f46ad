//! A room is told when a service ends by itself, once, and that it is well again.

use crate::common::{Instance, kill_9, wait_for};

#[test]
fn a_room_is_told_of_a_death_once_and_nothing_is_doubled_by_another() {
    let mut server = Instance::installed("alerts");
    server.run(&["manage", "start"]).success();
    server.run(&["content", "create-room", "Ops", "--alias", "ops"]).success();
    server.run(&["manage", "stop"]).success();
    server.variable("MATRIX_SYNAPSE_ALERTS_ROOM", "#ops");
    server.variable("MATRIX_SYNAPSE_ALERTS_INTERVAL", "1s");
    server.run(&["manage", "start"]).success();
    let told = |what: &str| {
        let bodies = server.bodies("#ops");
        bodies.iter().filter(|body| body.contains(what)).count()
    };
    kill_9(server.pid("synapse"));
    wait_for("the room is told", || {
        server.is_healthy() && told("synapse ended by itself and is well again") == 1
    });
    // It goes on where it was, and tells nothing twice.
    kill_9(server.pid("alerts"));
    wait_for("its own death is told", || told("alerts ended by itself and is well again") == 1);
    assert_eq!(told("synapse"), 1);
    let told = server.run(&["logs", "alerts"]).stdout;
    assert!(!told.contains("access_token"), "{told}");
}
