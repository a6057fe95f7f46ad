//! A server starts, stops and comes back, whatever happens to its processes.

use std::{fs, net::TcpListener, process::Stdio};

use crate::{
    common::{Instance, is_alive, kill_9, wait_for},
    lent::Lent,
};

#[test]
fn a_second_start_and_a_second_stop_say_so() {
    let server = Lent::up();
    server.run(&["manage", "start"]).exits(2).says("already running");
    server.run(&["start"]).success();
    server.run(&["status"]).success().says("✅ Running: Yes");
    server.run(&["manage", "stop"]).success();
    server.run(&["status"]).exits(2).says("Running: No");
    server.run(&["manage", "stop"]).exits(2);
    server.run(&["stop"]).success();
    // Whoever takes its port gets no token of ours.
    let stranger = TcpListener::bind(("127.0.0.1", server.port)).unwrap();
    stranger.set_nonblocking(true).unwrap();
    server.run(&["content", "list-users"]).exits(1).says("it does not run").says("manage start");
    stranger.accept().unwrap_err();
    drop(stranger);
    server.run(&["manage", "restart"]).success();
    assert!(server.is_healthy());
}

#[test]
fn a_second_start_makes_an_operator_session_again_that_does_not_work() {
    let server = Lent::up();
    let file = server.data.join("secrets/operator.json");
    let kept = fs::read_to_string(&file).unwrap();
    server.run(&["manage", "start"]).exits(2).says("already running");
    assert_eq!(fs::read_to_string(&file).unwrap(), kept);
    let session: serde_json::Value = serde_json::from_str(&kept).unwrap();
    let unknown = kept.replace(session["access_token"].as_str().unwrap(), "syt_unknown");
    for broken in [Some(unknown.as_str()), Some("{"), None] {
        match broken {
            Some(text) => fs::write(&file, text).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        if broken != Some(unknown.as_str()) {
            server.run(&["status"]).exits(1).says("this program cannot act on the homeserver");
        }
        let said = server.run(&["manage", "start", "--format", "json"]).success().json();
        assert_eq!((&said["changed"], &said["change"]), (&true.into(), &"session".into()));
        server.run(&["manage", "start"]).exits(2).says("already running");
    }
    fs::write(&file, &unknown).unwrap();
    server.run(&["manage", "start"]).success().says("session was invalid and was renewed");
    server.run(&["content", "list-users"]).success();
}

#[test]
fn whatever_is_killed_comes_back_with_every_message() {
    let server = Lent::up();
    let room = server.room("Kept");
    let mut sent = Vec::new();
    let send = |sent: &mut Vec<String>, text: &str| {
        server.run(&["content", "send-message", &room, text]).success();
        sent.push(text.to_owned());
    };
    send(&mut sent, "before");
    for service in ["synapse", "postgres"] {
        let pid = server.pid(service);
        kill_9(pid);
        wait_for(&format!("{service} has a new process"), || {
            !is_alive(pid) && server.run(&["status"]).code == 0 && server.pid(service) != pid
        });
        send(&mut sent, &format!("after {service}"));
    }
    let children = [server.pid("synapse"), server.pid("postgres")];
    kill_9(server.supervisor());
    wait_for("the services die with their supervisor", || !children.into_iter().any(is_alive));
    server.run(&["status"]).exits(2);
    server.run(&["manage", "start"]).success();
    send(&mut sent, "after the supervisor");
    assert_eq!(server.bodies(&room), sent);
}

#[test]
fn two_starts_at_once_make_one_server() {
    let server = Lent::down();
    let start = || {
        server
            .command()
            .args(["manage", "start"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
    };
    let (one, two) = (start().unwrap(), start().unwrap());
    let (one, two) = (one.wait_with_output().unwrap(), two.wait_with_output().unwrap());
    let codes = [one.status.code().unwrap(), two.status.code().unwrap()];
    assert!(codes.contains(&0), "{codes:?} {one:?} {two:?}");
    assert!(server.is_healthy());
}

#[test]
fn a_port_that_is_taken_is_named_with_its_holder() {
    let server = Lent::down();
    let holder = TcpListener::bind(("127.0.0.1", server.port)).unwrap();
    let said = server.run(&["manage", "start"]).exits(1);
    let said = said.says(&server.port.to_string()).says(&std::process::id().to_string());
    drop((said, holder));
    server.run(&["status"]).exits(2);
    server.run(&["manage", "start"]).success();
}

#[test]
fn a_start_after_a_stop_that_was_killed_ends_with_a_server_that_runs() {
    let server = Lent::up();
    let supervisor = server.supervisor();
    let mut stop = server.command();
    let stop = stop.args(["manage", "stop"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut stop = stop.spawn().unwrap();
    let state = server.data.join("run/state.json");
    wait_for("it has been told", || {
        fs::read_to_string(&state).is_ok_and(|state| state.contains("\"stopping\""))
            || !is_alive(supervisor)
    });
    // Nobody waits for its end any more, and the supervisor goes on ending.
    kill_9(stop.id());
    stop.wait().unwrap();
    server.run(&["manage", "start"]).success();
    assert!(server.is_healthy());
}

#[test]
fn a_stopped_server_leaves_no_process() {
    let server = Lent::up();
    let pids = [server.pid("synapse"), server.pid("postgres")];
    server.run(&["manage", "stop"]).success();
    assert!(!pids.into_iter().any(is_alive));
}

#[test]
fn a_restart_that_would_fail_stops_nothing() {
    let server = Lent::up();
    let pid = server.pid("synapse");
    let own = server.data.join("homeserver.d/own.yaml");
    for bad in ["no_such_setting: 5\n", "rc_message: [\n"] {
        fs::write(&own, bad).unwrap();
        let said = server.run(&["manage", "restart"]).exits(1).says("so it was not stopped");
        assert!(
            said.stderr.contains("own.yaml") || said.stderr.contains("no_such_setting"),
            "{said}"
        );
        assert_eq!(server.pid("synapse"), pid);
        assert!(server.is_healthy());
    }
    fs::remove_file(&own).unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let metrics = format!("server.metrics_port={port}");
    server.run(&["manage", "restart", "--set", &metrics]).exits(1).says(&port);
    assert_eq!(server.pid("synapse"), pid);
    // Its own ports are not in its way.
    server.run(&["manage", "restart"]).success();
    assert!(server.pid("synapse") != pid && server.is_healthy());
}

#[test]
fn what_runs_says_which_settings_it_does_not_use_yet() {
    let server = Instance::with_environment("unused");
    let said = server.run(&["manage", "install", "--start"]).success();
    said.says("server.port (variable MATRIX_SYNAPSE_PORT)");
    let check = || server.run(&["config", "check"]).success();
    check().says("valid and applied");
    server.run(&["config", "set", "supervision.probe_interval", "25s"]).success().says("restart");
    check().says("supervision.probe_interval").says("`manage restart` applies them");
    server.run(&["manage", "restart"]).success();
    check().says("valid and applied");
    fs::write(server.data.join("homeserver.d/own.yaml"), "rc_message: {burst_count: 9}\n").unwrap();
    check().says("homeserver.yaml");
    // Nothing of it is put in place while Synapse runs without it.
    server.run(&["manage", "install"]).exits(2).says("`manage restart` applies");
    check().says("homeserver.yaml");
    server.run(&["manage", "restart"]).success();
    check().says("valid and applied");
    let begun = std::time::Instant::now();
    server.run(&["manage", "uninstall", "--purge", "--force"]).success();
    eprintln!("the purge took {:?}", begun.elapsed());
}

#[test]
fn without_synapse_the_server_is_stopped_and_says_what_is() {
    let server = Lent::up();
    server.run(&["manage", "stop", "synapse"]).success();
    let status = server.run(&["status", "--json"]).exits(2).json();
    assert_eq!((&status["status"], &status["running"]), (&"stopped".into(), &false.into()));
    assert_eq!(status["health_message"], "stopped: synapse, crypto");
    server.run(&["manage", "start"]).success();
}
