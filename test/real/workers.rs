//! Redis and Synapse's workers: processes are killed and the set changes while messages are sent, and
//! every message that was accepted is there once and in order.

use std::{
    fs::{self, OpenOptions},
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::common::{Instance, kill_9, wait_for};

/// `read-messages` is asked for no more than this.
const MOST: usize = 900;

fn with_workers(name: &str, list: &str) -> Instance {
    let mut server = Instance::with_environment(name);
    server.variable("MATRIX_SYNAPSE_PROFILE", "scale");
    server.variable("MATRIX_SYNAPSE_MESSAGES_PER_SECOND", "1000");
    server.variable("MATRIX_SYNAPSE_MESSAGES_BURST", "1000");
    server.run(&["manage", "install", "--set", &format!("workers.list={list}")]).success();
    server.run(&["manage", "start"]).success();
    server
}

/// Of a request whose answer may never come: the status, or none.
fn answer(mut stream: impl Read + Write, request: &str) -> Option<String> {
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1).map(str::to_owned)
}

/// One message, by way of the main process or of a worker's socket; whether it was accepted.
fn put(server: &Instance, through: Option<&Path>, path: &str, body: &str) -> bool {
    /// A send hangs while Redis is away: it is given up and repeated.
    const PATIENCE: Duration = Duration::from_secs(5);
    let session = fs::read(server.data.join("secrets/operator.json")).unwrap();
    let session: Value = serde_json::from_slice(&session).unwrap();
    let token = session["access_token"].as_str().unwrap();
    let length = body.len();
    let request = format!(
        "PUT {path} HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let status = match through {
        Some(socket) => UnixStream::connect(socket).ok().and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            answer(stream, &request)
        }),
        None => TcpStream::connect(("127.0.0.1", server.port)).ok().and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            answer(stream, &request)
        }),
    };
    status.as_deref() == Some("200")
}

/// Sends numbered messages, in turn through the main process and through a worker, each noted before
/// it is sent and sent until it is accepted, always with its own transaction id.
fn send(server: &Instance, room: &str, accepted: &AtomicUsize, over: &AtomicBool) {
    let log = server.data.join("sent.log");
    let mut log = OpenOptions::new().create(true).append(true).open(log).unwrap();
    let worker = server.data.join("run/generic-1.http");
    for n in 0..MOST {
        writeln!(log, "{n}").unwrap();
        let path = format!("/_matrix/client/v3/rooms/{room}/send/m.room.message/w{n}");
        let body = format!(r#"{{"msgtype":"m.text","body":"{n}"}}"#);
        let through = (n % 2 == 1).then_some(worker.as_path());
        while !put(server, through, &path, &body) {
            thread::yield_now();
        }
        accepted.fetch_add(1, Ordering::Relaxed);
        if over.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// Does something while messages are sent, and compares what was sent with what the server holds.
/// `work` gets what waits until some more have been accepted.
fn under_load(server: &Instance, work: impl FnOnce(&dyn Fn(usize))) {
    let room = &server.room("Workers");
    let (accepted, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let sender = scope.spawn(|| send(server, room, &accepted, &over));
        work(&|more| {
            let enough = accepted.load(Ordering::Relaxed) + more;
            wait_for("messages are accepted", || {
                accepted.load(Ordering::Relaxed) >= enough || sender.is_finished()
            });
        });
        over.store(true, Ordering::Relaxed);
    });
    let sent = fs::read_to_string(server.data.join("sent.log")).unwrap();
    let sent: Vec<String> = sent.lines().map(str::to_owned).collect();
    assert_eq!(sent.len(), accepted.into_inner());
    assert_eq!(server.bodies(room), sent);
}

fn is_up(server: &Instance, service: &str, not: u32) -> bool {
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
