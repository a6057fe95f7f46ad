//! Redis and Synapse's workers: processes are killed and the set changes while messages are sent, and
//! every message that was accepted is there once and in order.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::Value;

use crate::{
    common::{Instance, file, free_port, kill_9, wait_for},
    load::under_load,
    messages,
};

pub(crate) fn installed(name: &str, list: &str) -> Instance {
    let mut server = Instance::installed(name);
    server.variable("MATRIX_SYNAPSE_PROFILE", "scale");
    server.run(&["manage", "install", "--set", &format!("workers.list={list}")]).success();
    server
}

pub(crate) fn with_workers(name: &str, list: &str) -> Instance {
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
    let worker = server.data.join("run/generic-1.http");
    messages::a_room_that_becomes_encrypted(&server, Some(&worker));
    assert!(!server.data.join("dump.rdb").exists() && !server.data.join("run/dump.rdb").exists());
}

#[test]
fn workers_come_and_go_while_messages_are_sent() {
    let server = with_workers("scaled", "event_persister=1,generic=1");
    let scale = |list: &str| server.run(&["manage", "scale", "--workers", list]);
    let all = ["synapse", "redis", "event-persister-1", "generic-1"];
    let pids = || all.map(|service| server.pid(service));
    // What waits for a restart is not brought into force by something else.
    let before = pids();
    server.run(&["config", "set", "synapse.presence", "true"]).success();
    let refused = scale("event_persister=1,generic=2").exits(1);
    refused.says("synapse.presence").says("`manage restart`");
    server.run(&["manage", "scale"]).success().says("synapse.presence");
    server.run(&["config", "set", "synapse.presence", ""]).success();
    assert_eq!(pids(), before);
    under_load(&server, |more| {
        more(6);
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
    // One that fails on its way says where it stands, and what leads on and back.
    let more = ["manage", "scale", "--workers", "event_persister=1,generic=2", "--timeout", "1ms"];
    let failed = server.run(&more).exits(1).says("the workers have changed in part");
    failed.says("`manage scale --workers generic=1,event_persister=1` goes back");
    server.run(&["manage", "start"]).success();
    assert!(is_up(&server, "generic-2", 0));
    let refused = scale("event_persister=1,generic=60").exits(1);
    refused.says("connections to `synapse`, and Synapse may open 620");
}

/// Ends the server of a pid file, also when a test fails.
struct Daemon(std::path::PathBuf);

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(pid) = fs::read_to_string(&self.0) {
            kill_9(pid.trim().parse().unwrap());
        }
    }
}

#[test]
fn the_platforms_redis_is_found_woken_and_stays_the_one_in_use() {
    let mut server = Instance::installed("platform-redis");
    let platform = tempfile::tempdir().unwrap();
    let root = platform.path();
    let port = free_port();
    let redis = Daemon(root.join("redis.pid"));
    let folder = |path: &str| {
        let folder = root.join(path);
        fs::create_dir_all(&folder).unwrap();
        folder
    };
    let enabled = br#"{"dependencies": {"resources": {"redis": {"enabled": true}}}}"#;
    file(&folder(".vrooli"), "service.json", enabled);
    file(&folder(".vrooli"), "secrets.json", br#"{"REDIS_PASSWORD": "hunter22"}"#);
    let registry = format!("    [\"redis\"]=\"{port}\"\n");
    file(&folder("scripts/resources"), "port_registry.sh", registry.as_bytes());
    let script = format!(
        "#!/bin/sh\necho \"$*\" >>'{0}/called'\nexec redis-server --port {port} --bind 127.0.0.1 \
         --requirepass hunter22 --save '' --daemonize yes --pidfile '{0}/redis.pid' >/dev/null\n",
        root.display()
    );
    let vrooli = file(&folder("tools"), "vrooli", script.as_bytes());
    fs::set_permissions(&vrooli, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var("PATH").unwrap();
    server.variable("MATRIX_SYNAPSE_WORKERS", "generic=1");
    server.variable("PATH", &format!("{}:{path}", root.join("tools").display()));
    file(&server.data, "settings.yaml", b"profiles: {small: {services: [core, workers]}}\n");

    server.variable("VROOLI_ROOT", root.to_str().unwrap());
    server.run(&["manage", "install", "--set", "stack.profile=small"]).success();
    assert!(!root.join("called").exists());
    server.run(&["manage", "start"]).success();
    let called = fs::read_to_string(root.join("called")).unwrap();
    assert_eq!(called, "resource redis manage start\n");
    let told = |server: &Instance| {
        let rendered = server.run(&["config", "render"]).success().stdout;
        rendered.contains(&format!("\"port\":{port}}}")) && !rendered.contains("redis.sock")
    };
    assert!(told(&server));
    // A shell that does not know the platform.
    server.variable("VROOLI_ROOT", "");
    assert!(told(&server));
    server.run(&["manage", "restart"]).success();
    server.run(&["manage", "stop"]).success();

    drop(redis);
    server.variable("PATH", &path);
    server.run(&["manage", "start"]).exits(1).says("does not answer");
}
