//! What hangs is seen within ten seconds, and is either restarted or ended by force.

use std::time::{Duration, Instant};

use crate::{
    common::{Instance, Said, is_alive, signal, wait_for},
    lent::Lent,
};

/// `status --json` answers on one line and in time, whatever hangs.
#[track_caller]
fn status(server: &Instance) -> Said {
    let begun = Instant::now();
    let said = server.run(&["status", "--json"]);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(said.stdout.trim_end().lines().count(), 1, "{said}");
    said.json();
    said
}

#[test]
fn a_hung_synapse_is_restarted() {
    let mut server = Instance::installed("hung-synapse");
    server.variable("MATRIX_SYNAPSE_PROBE_INTERVAL", "1s");
    server.variable("MATRIX_SYNAPSE_HUNG_AFTER", "2s");
    server.variable("MATRIX_SYNAPSE_STOP_TIMEOUT", "2s");
    server.run(&["manage", "start"]).success();
    status(&server).exits(0);
    let pid = server.pid("synapse");
    signal(pid, "STOP");
    status(&server).exits(1);
    wait_for("Synapse has a new process", || !is_alive(pid) && server.is_healthy());
    assert_ne!(server.pid("synapse"), pid);
    server.run(&["manage", "stop"]).success();
    status(&server).exits(2);
}

#[test]
fn a_hung_postgres_is_seen_and_well_again_when_it_goes_on() {
    let server = Lent::up();
    let pid = server.pid("postgres");
    signal(pid, "STOP");
    status(&server).exits(1);
    signal(pid, "CONT");
    wait_for("it is well again", || server.is_healthy());
}

#[test]
fn a_hung_supervisor_is_named_and_ended_by_force() {
    let server = Lent::up();
    let (supervisor, synapse) = (server.supervisor(), server.pid("synapse"));
    signal(supervisor, "STOP");
    status(&server).exits(1).says("supervisor");
    server.run(&["manage", "start"]).exits(1).says("manage stop --force");
    server.run(&["manage", "stop", "--force"]).success();
    assert!(!is_alive(supervisor) && !is_alive(synapse));
    status(&server).exits(2);
    server.run(&["manage", "start"]).success();
    status(&server).exits(0);
}

#[test]
fn a_stop_with_a_deadline_kills_a_hung_synapse_and_then_stops_postgres_in_order() {
    let server = Lent::up();
    let synapse = server.pid("synapse");
    signal(synapse, "STOP");
    let begun = Instant::now();
    server.run(&["manage", "stop", "--timeout", "6"]).success();
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
    assert!(!is_alive(synapse));
    let log = std::fs::read_to_string(server.data.join("logs/postgres.log")).unwrap();
    assert!(log.contains("received fast shutdown request"), "{log}");
    assert!(log.trim_end().ends_with("database system is shut down"), "{log}");
    server.run(&["manage", "start"]).success();
    status(&server).exits(0);
}
