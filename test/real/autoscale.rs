//! A busy worker gets another one beside it, and an idle one goes; what was said meanwhile is there, once.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use serde_json::Value;

use crate::common::{Instance, wait_for};

#[test]
fn a_busy_worker_gets_help_and_gives_it_back_and_no_message_is_lost() {
    let mut server = Instance::installed("autoscale");
    for (name, value) in [
        ("MATRIX_SYNAPSE_PROFILE", "scale"),
        ("MATRIX_SYNAPSE_AUTOSCALE", "on"),
        ("MATRIX_SYNAPSE_AUTOSCALE_MAX", "2"),
        ("MATRIX_SYNAPSE_AUTOSCALE_CPU_PERCENT", "8"),
        ("MATRIX_SYNAPSE_AUTOSCALE_WINDOW", "3s"),
        ("MATRIX_SYNAPSE_WORKERS_CORES", "4"),
    ] {
        server.variable(name, value);
    }
    server.run(&["config", "set", "workers.list", "event_creator=1"]).success();
    server.run(&["manage", "install", "--start"]).success();
    let room = server.clear_room("Rush");
    let session = fs::read_to_string(server.data.join("secrets/operator.json")).unwrap();
    let session: Value = serde_json::from_str(&session).unwrap();
    let token = session["access_token"].as_str().unwrap();
    let service = |name: &str| {
        let state = fs::read_to_string(server.data.join("run/state.json")).unwrap();
        let state: Value = serde_json::from_str(&state).unwrap();
        state["services"][name].clone()
    };
    let address = service("event-creator-1")["endpoints"]["http"].as_str().unwrap().to_owned();
    let socket = address.strip_prefix("unix://").unwrap();
    let runs = |name: &str| service(name)["runs"].as_u64();
    let two = || service("event-creator-2")["state"] == "running";
    let before = [runs("event-creator-1"), runs("synapse")];

    let over = AtomicBool::new(false);
    let sent: Vec<String> = thread::scope(|scope| {
        let speaker = scope.spawn(|| {
            let mut sent = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let body = format!("line {}", sent.len());
                send(socket, token, &room, &body);
                sent.push(body);
            }
            sent
        });
        wait_for("a second worker runs", || two() || speaker.is_finished());
        over.store(true, Ordering::Relaxed);
        speaker.join().unwrap()
    });
    wait_for("the second worker is gone", || service("event-creator-2").is_null());

    // Nobody else was restarted, and the settings say what runs.
    assert_eq!([runs("event-creator-1"), runs("synapse")], before);
    let list = server.json(&["config", "show", "workers.list"]);
    assert!(list.to_string().contains("event_creator=1"), "{list}");
    let log = server.run(&["logs", "autoscale"]).success().stdout;
    assert!(log.contains("event_creator: 1 to 2, busy"), "{log}");
    assert!(log.contains("plan: start [\"event-creator-2\"], stop [], restart []"), "{log}");
    assert!(log.contains("event_creator: 2 to 1, busy"), "{log}");
    let mut said = server.bodies(&room);
    said.retain(|body| body.starts_with("line "));
    // The page may be too short for the first ones.
    assert!(said.len() >= sent.len().min(900), "{} of {}", said.len(), sent.len());
    assert!(sent.ends_with(&said), "{said:?}");
}

/// One message to a worker itself, on its own socket.
#[track_caller]
fn send(socket: &str, token: &str, room: &str, body: &str) {
    let content = format!(r#"{{"msgtype":"m.text","body":"{body}"}}"#);
    let path = format!(
        "/_matrix/client/v3/rooms/{}/send/m.room.message/{}",
        room.replace('!', "%21"),
        body.replace(' ', "-")
    );
    let length = content.len();
    let request = format!(
        "PUT {path} HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{content}"
    );
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"), "{answer}");
}
