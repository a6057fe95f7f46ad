//! Messages that are sent while something happens: each is noted before it is sent, and repeated with the
//! same transaction id until it is accepted; then what was sent is compared with what the server holds.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::common::{Instance, wait_for};

/// `read-messages` is asked for no more than this.
const MOST: usize = 900;
/// Messages go to so many rooms in turn: each event persister has some of them.
const ROOMS: usize = 4;

/// Of a request whose answer may never come: all of it, or none.
fn answer(mut stream: impl Read + Write, request: &str) -> Option<String> {
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// One request of the operator that the program knows nothing of, by way of the main process or of a worker's
/// socket; what was answered if it was accepted.
pub(crate) fn asked(
    server: &Instance,
    through: Option<&Path>,
    what: &str,
    body: &str,
) -> Option<Value> {
    /// A send may hang while Redis or another process is away: it is given up and repeated.
    const PATIENCE: Duration = Duration::from_secs(5);
    let session = fs::read(server.data.join("secrets/operator.json")).unwrap();
    let session: Value = serde_json::from_slice(&session).unwrap();
    let token = session["access_token"].as_str().unwrap();
    let length = body.len();
    let request = format!(
        "{what} HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let answer = match through {
        Some(socket) => UnixStream::connect(socket).ok().and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            answer(stream, &request)
        }),
        None => TcpStream::connect(("127.0.0.1", server.port)).ok().and_then(|stream| {
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            answer(stream, &request)
        }),
    };
    let (head, body) = answer.as_deref()?.split_once("\r\n\r\n")?;
    (head.split(' ').nth(1) == Some("200")).then(|| serde_json::from_str(body).unwrap())
}

/// Sends numbered messages, in turn through the main process and through a worker where there is one.
fn send(server: &Instance, rooms: &[String], accepted: &AtomicUsize, over: &AtomicBool) {
    let mut log = File::create(server.data.join("sent.log")).unwrap();
    let worker = server.data.join("run/generic-1.http");
    for n in 0..MOST {
        writeln!(log, "{n}").unwrap();
        let room = &rooms[n % rooms.len()];
        let what = format!("PUT /_matrix/client/v3/rooms/{room}/send/m.room.message/w{n}");
        let body = format!(r#"{{"msgtype":"m.text","body":"{n}"}}"#);
        // The main process of another host is reached from there alone.
        let by_worker = !server.host.is_empty() || worker.exists() && n / rooms.len() % 2 == 1;
        let through = by_worker.then_some(worker.as_path());
        while asked(server, through, &what, &body).is_none() {
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
pub(crate) fn under_load(server: &Instance, work: impl FnOnce(&dyn Fn(usize))) {
    let rooms: Vec<String> = (0..ROOMS).map(|n| server.clear_room(&format!("Load {n}"))).collect();
    let (accepted, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let sender = scope.spawn(|| send(server, &rooms, &accepted, &over));
        work(&|more| {
            let enough = accepted.load(Ordering::Relaxed) + more;
            wait_for("messages are accepted", || {
                accepted.load(Ordering::Relaxed) >= enough || sender.is_finished()
            });
        });
        over.store(true, Ordering::Relaxed);
    });
    let sent = fs::read_to_string(server.data.join("sent.log")).unwrap();
    let sent: Vec<&str> = sent.lines().collect();
    assert_eq!(sent.len(), accepted.into_inner());
    for (n, room) in rooms.iter().enumerate() {
        let expected: Vec<&str> = sent.iter().copied().skip(n).step_by(rooms.len()).collect();
        assert_eq!(server.bodies(room), expected);
    }
}
