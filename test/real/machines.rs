//! Workers on another machine: two hosts that share nothing but a network, of IPv6 and of IPv4, each a network
//! namespace, and a homeserver that has processes on both.

use std::{fs, process::Command};

use serde_json::Value;

use crate::{
    common::{Instance, free_port, not_checked, wait_for},
    load::under_load,
};

/// A host of its own, with these addresses on a wire to the other one.
struct Host {
    name: String,
    address: &'static str,
    older: &'static str,
}

fn ip(words: &str) {
    let status = Command::new("ip").args(words.split(' ')).status().unwrap();
    assert!(status.success(), "ip {words}");
}

impl Host {
    fn can_be_made() -> bool {
        Command::new("unshare").args(["--net", "true"]).status().is_ok_and(|it| it.success())
    }

    fn new(letter: char, address: &'static str, older: &'static str) -> Self {
        let host = Self { name: format!("rms-{letter}-{}", std::process::id()), address, older };
        ip(&format!("netns add {}", host.name));
        ip(&format!("-n {} link set lo up", host.name));
        host
    }

    /// What runs a program there.
    fn enter(&self) -> Vec<String> {
        ["ip", "netns", "exec", &self.name].map(str::to_owned).into()
    }

    /// Lays a wire between two hosts.
    fn wire(&self, other: &Self) {
        let (a, b) = (&self.name, &other.name);
        ip(&format!("link add wire netns {a} type veth peer name wire netns {b}"));
        for host in [self, other] {
            host.set("up");
        }
    }

    /// Puts the plug in or pulls it out, which takes an IPv6 address along.
    fn set(&self, state: &str) {
        ip(&format!("-n {} link set wire {state}", self.name));
        if state == "up" {
            ip(&format!("-n {} addr replace {}/64 dev wire nodad", self.name, self.address));
            ip(&format!("-n {} addr replace {}/24 dev wire", self.name, self.older));
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(Command::new("ip").args(["netns", "del", &self.name]).status());
    }
}

#[test]
fn a_homeserver_has_workers_on_another_machine_and_loses_nothing_when_that_is_cut_off() {
    if !Host::can_be_made() {
        not_checked("only root makes hosts, and only where the machine allows it");
        return;
    }
    let near = Host::new('a', "fd93:7::1", "10.93.7.1");
    let far = Host::new('b', "fd93:7::2", "10.93.7.2");
    near.wire(&far);
    let mut server = Instance::installed("near");
    server.host = near.enter();
    server.variable("MATRIX_SYNAPSE_PROFILE", "scale");
    server.variable("MATRIX_SYNAPSE_WORKERS", "generic=2,event_persister=2");
    let elsewhere = "generic-2=fd93:7::2,event-persister-2=10.93.7.2";
    server.run(&["manage", "install"]).success();
    server.run(&["manage", "join-file", "/nowhere/file"]).exits(1).says("no worker of this");
    server.run(&["config", "set", "workers.elsewhere", elsewhere]).success();
    server.run(&["manage", "start"]).exits(1).says("`config set workers.address ADDRESS`");
    server.run(&["config", "set", "workers.address", near.address]).success();
    server.run(&["manage", "start"]).success();
    // A list that brings nothing new, so that nothing has to be fetched.
    let list = crate::common::file(
        &server.data,
        "own.lock",
        format!("attrs==26.1.0 --hash=sha256:{}\n", "0".repeat(64)).as_bytes(),
    );
    server.run(&["config", "set", "synapse.modules", list.to_str().unwrap()]).success();
    let file = server.data.join("join.json").display().to_string();
    let said = server.run(&["manage", "join-file", &file]).success();
    said.says("fd93:7::2: resource-matrix-synapse manage start worker generic-2")
        .says("10.93.7.2: resource-matrix-synapse manage start worker event-persister-2");

    let mut workers = Instance::with_environment("far");
    workers.forget_settings();
    workers.host = far.enter();
    let join = |words: &[&str]| {
        workers.run(&[&["manage", "start", "worker"], words, &["--join", &file]].concat())
    };
    join(&["generic-1"]).exits(1).says("the file has no worker `generic-1`, but event-persister-2");
    join(&["generic-2"]).success();
    join(&["event-persister-2"]).success();
    join(&[]).exits(2).says("already running");
    assert!(workers.is_healthy());
    let theirs = workers.data.join("modules.lock");
    assert_eq!(fs::read(&theirs).unwrap(), fs::read(&list).unwrap());
    let shown = workers.json(&["config", "show", "synapse.modules"]).to_string();
    assert!(shown.contains(theirs.to_str().unwrap()), "{shown}");
    workers.run(&["manage", "services"]).success().says("generic-2 [running]");
    workers
        .run(&["content", "list-rooms"])
        .exits(1)
        .says("type it on the machine of the homeserver");
    server
        .run(&["manage", "start", "--join", &file])
        .exits(1)
        .says("the data folder of a homeserver");
    refuses_other_settings(&server, &workers, &file);
    // What was set there is taken up.
    join(&[]).success();
    join(&[]).exits(2).says("already running");
    let away = || server.json(&["status"])["elsewhere"].clone();
    assert_eq!(away()[0]["name"], "generic-2");
    assert_eq!((&away()[0]["healthy"], &away()[1]["healthy"]), (&true.into(), &true.into()));

    let written = |name: &str| workers.run(&["logs", name, "--tail", "10000"]).success().stdout;
    under_load(&server, |more| {
        more(8);
        far.set("down");
        let said = server.run(&["status"]).exits(1);
        said.says("Health: event-persister-2 on 10.93.7.2 does not answer")
            .says("generic-2 (fd93:7::2): the server does not answer");
        server.run(&["status", "--fast"]).success();
        far.set("up");
        more(8);
        workers.run(&["manage", "stop"]).success();
        join(&[]).success();
        more(8);
    });
    // Which of the two writes a room is decided by its id.
    for n in 0..16 {
        let room = server.room(&format!("Far {n}"));
        server.run(&["content", "send-message", &room, "hello"]).success();
    }
    wait_for("the other machine writes events", || {
        written("event-persister-2").contains("/_synapse/replication/fed_send_events/")
            || written("event-persister-2").contains("send_event")
    });
    let scale = |list: &str| server.run(&["manage", "scale", "--workers", list, "--dry-run"]);
    scale("generic=2,event_persister=3").success().says(
        "on other machines, with a new file of `manage join-file`: generic-2, event-persister-2",
    );
    scale("generic=1,event_persister=2").exits(1).says("`workers.elsewhere` names `generic-2`");
    both_begin_at_once(&server, &workers);
    let port = free_port().to_string();
    server.run(&["config", "set", "redis.port", &port]).success();
    scale("generic=3,event_persister=2").exits(1).says("does not use these settings yet");
    workers.run(&["manage", "uninstall", "--purge", "--force"]).success();
    server.run(&["status"]).exits(1).says("event-persister-2 on 10.93.7.2 does not answer");
    server.run(&["status", "--fast"]).success();
}

/// What belongs to the homeserver comes from it, and is looked at before anything changes.
fn refuses_other_settings(server: &Instance, workers: &Instance, file: &str) {
    workers
        .run(&["config", "set", "synapse.presence", "true"])
        .exits(1)
        .says("`synapse.presence` is a setting of the homeserver");
    workers.run(&["config", "set", "supervision.probe_interval", "14s"]).success();
    let mut joining: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    joining["settings"]["synapse.presence"] = "perhaps".into();
    let bad = server.data.join("bad.json");
    fs::write(&bad, joining.to_string()).unwrap();
    let before = fs::read_to_string(workers.data.join("settings.yaml")).unwrap();
    let said = workers.run(&["manage", "start", "--join", &bad.display().to_string()]).exits(1);
    said.says("cannot be used").says("`synapse.presence` must be").says("`manage join-file FILE`");
    assert_eq!(fs::read_to_string(workers.data.join("settings.yaml")).unwrap(), before);
}

/// As after a power cut: the machine with the workers waits for the database and for Redis.
fn both_begin_at_once(server: &Instance, workers: &Instance) {
    workers.run(&["manage", "stop"]).success();
    server.run(&["manage", "stop"]).success();
    std::thread::scope(|scope| {
        scope.spawn(|| workers.run(&["manage", "start", "--timeout", "2m"]).success());
        server.run(&["manage", "start"]).success();
    });
    assert!(workers.is_healthy());
}
