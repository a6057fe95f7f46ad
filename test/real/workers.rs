//! Redis and Synapse's workers: processes are killed and the set changes while messages are sent, and
//! every message that was accepted is there once and in order.

use std::fs;

use serde_json::Value;

use crate::{
    common::{Instance, kill_9, wait_for},
    load::under_load,
};

pub(crate) fn installed(name: &str, list: &str) -> Instance {
    let mut server = Instance::with_environment(name);
    server.variable("MATRIX_SYNAPSE_PROFILE", "scale");
    server.run(&["manage", "install", "--set", &format!("workers.list={list}")]).success();
    server
}

fn with_workers(name: &str, list: &str) -> Instance {
    let server = installed(name, list);
    server.run(&["manage", "start"]).success();
    server
}

pub(crate) fn is_up(server: &Instance, service: &str, not: u32) -> bool {
    let state = fs::read(server.data.join("run/state.json")).unwrap();
    let Ok(state) = serde_json::from_slice::<Value>(&state) else { return false };
    let report = &state["services"][service];
    report["state"] == "running" && report["pid"].as_u64().is_some_and(|pid| pid != u64::from(not))
}

#[test]
fn no_message_is_lost_or_doubled_when_a_worker_or_redis_is_killed() {
    let server = with_workers("killed", "event_persister=2,generic=1");
    under_load(&server, |more| {
        for victim in ["event-persister-1", "generic-1", "redis", "event-persister-2"] {
            more(6);
            let pid = server.pid(victim);
            kill_9(pid);
            wait_for("it is up again", || is_up(&server, victim, pid));
        }
        more(6);
    });
    assert!(!server.data.join("dump.rdb").exists() && !server.data.join("run/dump.rdb").exists());
}

#[test]
fn workers_come_and_go_while_messages_are_sent() {
    let server = with_workers("scaled", "event_persister=1,generic=1");
    let scale = |list: &str| server.run(&["manage", "scale", "--workers", list]);
    let all = ["synapse", "redis", "event-persister-1", "generic-1"];
    let pids = || all.map(|service| server.pid(service));
    under_load(&server, |more| {
        more(6);
        let before = pids();
        scale("event_persister=1,generic=2").success().says("started: generic-2");
        assert_eq!(pids(), before, "a worker that only answers restarts nobody");
        more(6);
        scale("event_persister=2,generic=1").success().says("stopped: generic-2");
        assert_ne!(server.pid("synapse"), before[0], "all must know who writes events");
        assert_eq!(server.pid("redis"), before[1]);
        more(6);
        scale("event_persister=1,generic=1").success().says("stopped: event-persister-2");
        more(6);
    });
    scale("event_persister=1,generic=1").exits(2).says("nothing to change");
    assert!(!server.data.join("synapse/workers/generic-2.yaml").exists());
    let yaml = fs::read_to_string(server.data.join("synapse/homeserver.yaml")).unwrap();
    let secret = server.data.join("secrets/worker_replication_secret");
    assert!(!yaml.contains(fs::read_to_string(secret).unwrap().trim()));
    let refused = scale("event_persister=1,generic=60").exits(1);
    refused.says("connections to `synapse`, and Synapse may open 620");
}
