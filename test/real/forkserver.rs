//! Processes of Synapse that are forked from one import: they are what they would be by themselves, and
//! whoever is killed, what is left goes on as before.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    common::{Instance, halt, is_alive, kill_9, wait_for},
    lent::Lent,
    messages,
    workers::{is_up, with_workers},
};

/// What the last process of each name believes, and what chance gave to any of them.
fn believed(file: &Path) -> (BTreeMap<String, Value>, Vec<String>) {
    let lines = fs::read_to_string(file).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let chance = lines.iter().flat_map(|it| it["chance"].as_array().unwrap());
    let chance = chance.map(ToString::to_string).collect();
    let name = |line: &Value| line["name"].as_str().unwrap().to_owned();
    (lines.iter().map(|line| (name(line), line["known"].clone())).collect(), chance)
}

/// Has all processes load a module that says what they believe; where it does.
fn ask_them(server: &Instance) -> PathBuf {
    let lib = server.data.join("environments/synapse/lib");
    let python = fs::read_dir(lib).unwrap().next().unwrap().unwrap().path();
    fs::write(python.join("site-packages/believes.py"), include_str!("believes.py")).unwrap();
    let file = server.data.join("believed");
    let modules =
        format!("modules: [{{module: believes.Believes, config: {{file: {}}}}}]\n", file.display());
    fs::write(server.data.join("homeserver.d/modules.yaml"), modules).unwrap();
    file
}

#[test]
fn a_forked_process_is_what_it_would_be_by_itself() {
    let server = with_workers("forked", "generic=2");
    let file = ask_them(&server);
    server.run(&["manage", "restart"]).success();
    let (forked, mut chance) = believed(&file);
    assert_eq!(forked.keys().collect::<Vec<_>>(), ["generic-1", "generic-2", "master"]);
    chance.sort();
    let given = chance.len();
    chance.dedup();
    assert_eq!(chance.len(), given, "two processes have the same chance");
    for metric in ["python_twisted_reactor_tick_time_sum", "process_start_time_seconds"] {
        let (_, all) = crate::common::get(server.ports[1], "/_synapse/metrics");
        let line = all.lines().find_map(|line| line.strip_prefix(metric)).unwrap();
        let value: f64 = line.trim().parse().unwrap();
        assert!(value > 0.0, "{line}");
    }
    assert!(is_up(&server, "forkserver", 0));
    // Our own module is there beside that one.
    messages::a_room_that_becomes_encrypted(&server, None);
    server.run(&["config", "set", "synapse.forkserver", "false"]).success();
    fs::remove_file(&file).unwrap();
    server.run(&["manage", "restart"]).success();
    assert!(!is_up(&server, "forkserver", 0));
    messages::a_room_that_becomes_encrypted(&server, None);
    let (alone, _) = believed(&file);
    for (name, known) in &alone {
        for (key, value) in known.as_object().unwrap() {
            assert_eq!(forked[name][key], *value, "{key} of {name}");
        }
    }
}

#[test]
fn whoever_is_killed_the_rest_goes_on_and_comes_back() {
    let server = with_workers("forks", "generic=1");
    let pids = || ["synapse", "generic-1", "forkserver"].map(|name| server.pid(name));
    let [synapse, worker, forkserver] = pids();
    // A child: with its exit code told, and its place taken by another one.
    kill_9(worker);
    wait_for("the worker is back", || is_up(&server, "generic-1", worker));
    let events = server.run(&["logs", "supervisor"]).success().stdout;
    assert!(events.contains("`generic-1` has ended: killed by SIGKILL"), "{events}");
    assert_eq!([server.pid("synapse"), server.pid("forkserver")], [synapse, forkserver]);
    // Who forks them: they live on, and it is back.
    kill_9(forkserver);
    wait_for("it is back", || is_up(&server, "forkserver", forkserver));
    assert!(server.is_healthy());
    let [same, worker, forkserver] = pids();
    assert_eq!(same, synapse);
    // One that does not answer: the worker starts by itself.
    halt(forkserver);
    kill_9(worker);
    wait_for("the worker is back", || is_up(&server, "generic-1", worker));
    let said = server.run(&["logs", "supervisor"]).success().stdout;
    assert!(said.contains("`generic-1` starts by itself, since `forkserver` does not"), "{said}");
    wait_for("it is there anew", || is_up(&server, "forkserver", forkserver));
    // One that was installed since is what the next processes come from.
    let environments = server.data.join("environments");
    let link = environments.join("synapse");
    let old = environments.join(fs::read_link(&link).unwrap());
    let new = old.with_extension("later");
    let copied = Command::new("cp").arg("-al").args([&old, &new]).status().unwrap();
    assert!(copied.success());
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(new.file_name().unwrap(), &link).unwrap();
    let [synapse, _, forkserver] = pids();
    server.run(&["manage", "restart", "worker"]).success();
    let [same, worker, anew] = pids();
    assert_eq!(same, synapse);
    assert_ne!(anew, forkserver);
    let used = fs::read_to_string(format!("/proc/{worker}/maps")).unwrap();
    assert!(used.contains(&new.display().to_string()), "{used}");
    // Who asked for them all: nothing of it stays.
    kill_9(server.supervisor());
    for pid in [synapse, worker, anew] {
        wait_for("it is gone", || !is_alive(pid));
    }
    server.run(&["manage", "start"]).success();
    server.run(&["manage", "stop"]).success();
}

#[test]
fn the_only_process_is_restarted_when_the_next_one_is_imported() {
    let server = Lent::up();
    let there = || {
        let state = fs::read(server.data.join("run/state.json")).unwrap();
        let state: Value = serde_json::from_slice(&state).unwrap();
        state["services"]["forkserver"].is_object()
    };
    assert!(!there());
    let before = server.pid("synapse");
    server.run(&["manage", "restart", "synapse"]).success();
    assert_ne!(server.pid("synapse"), before);
    wait_for("nothing is kept for one process", || !there());
    let log = server.run(&["logs", "supervisor"]).success().stdout;
    let place = |words: &str| log.rfind(words).unwrap_or_else(|| panic!("no `{words}` in {log}"));
    assert!(place("`forkserver` is ready") < place("`synapse` gets SIGTERM"));
    // A restart of everything, too: what the next supervisor needs is imported before the old one ends.
    server.run(&["manage", "restart"]).success();
    let log = server.run(&["logs", "supervisor"]).success().stdout;
    let ready = log.rfind("`forkserver` is ready").unwrap();
    let last = &log[log.rfind("`forkserver` starts").unwrap()..ready];
    assert!(
        !last.contains("`postgres` is ready"),
        "it was imported after the old one had ended: {log}"
    );
    // One that cannot be: Synapse starts all the same.
    let pid = server.pid("synapse");
    let socket = server.data.join("run/forkserver.sock");
    fs::remove_file(&socket).unwrap();
    fs::create_dir_all(socket.join("in-its-place")).unwrap();
    server.run(&["manage", "restart", "synapse"]).success();
    assert_ne!(server.pid("synapse"), pid);
    fs::remove_dir_all(socket).unwrap();
}
