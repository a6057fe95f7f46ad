//! In the foreground, as containers and systemd run it: lines on stdout, `sd_notify`, signals.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::json;

use crate::common::{Instance, is_alive, signal};

/// What the program tells whoever started it.
fn above(server: &Instance) -> (UnixDatagram, impl Fn(&UnixDatagram) -> String) {
    let socket = UnixDatagram::bind(server.data.join("run/above")).unwrap();
    socket.set_read_timeout(Some(Duration::from_mins(2))).unwrap();
    let next = |socket: &UnixDatagram| {
        let mut bytes = [0; 512];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    (socket, next)
}

fn foreground(server: &Instance) -> Child {
    let mut command = server.command();
    command.args(["manage", "start", "--foreground"]);
    command.env("NOTIFY_SOCKET", server.data.join("run/above"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn it_says_when_it_is_ready_shows_the_logs_and_ends_in_order() {
    let server = Instance::installed("foreground");
    let (socket, next) = above(&server);
    let child = foreground(&server);
    let ready = next(&socket);
    assert!(ready.starts_with("READY=1\n"), "{ready}");
    // The account that the program acts with is there by then.
    let room = server.room("In the foreground");
    server.run(&["content", "send-message", &room, "hello"]).success();
    server.run(&["status"]).success();
    server.run(&["manage", "start"]).exits(2);
    // A restart would end it for whoever started it; single services are restarted as ever.
    let pids = [server.pid("synapse"), server.pid("postgres")];
    let refused = server.run(&["manage", "restart"]).exits(1);
    refused.says("in the foreground of another program").says("`manage restart SERVICE`");
    assert_eq!([server.pid("synapse"), server.pid("postgres")], pids);
    server.run(&["manage", "restart", "synapse"]).success();
    let pids = [server.pid("synapse"), server.pid("postgres")];
    signal(child.id(), "TERM");
    assert_eq!(next(&socket), "STOPPING=1");
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stdout}");
    assert!(!pids.into_iter().any(is_alive));
    for words in [" postgres   ", "database system is ready", " synapse    ", " supervisor "] {
        assert!(stdout.contains(words), "no `{words}` in {stdout}");
    }
    server.run(&["status"]).exits(2);
    // The same lines are kept, each with one time.
    let kept = server.run(&["logs", "synapse", "--since", "10m"]).success();
    let line = kept.stdout.lines().find(|line| line.contains("SynapseSite starting")).unwrap();
    let day = &line[..11];
    assert_eq!(line.matches(day.trim_end_matches('T')).count(), 1, "{line}");
    assert!(stdout.contains(line), "{line}");
    server.run(&["logs", "--since", "2100-01-01T00:00:00Z"]).exits(2);

    // What was stopped goes on elsewhere, as docs/start.md copies it.
    let copy = Instance::with_environment("copied");
    let archive = server.data.with_extension("tar");
    let (archive, from) = (archive.to_str().unwrap(), server.data.to_str().unwrap());
    let left = ["environments", "cache", "run"].map(|name| format!("--exclude=./{name}"));
    let tar = |words: &[&str]| {
        assert!(Command::new("tar").args(words).status().unwrap().success(), "{words:?}");
    };
    tar(&["-C", from, &left[0], &left[1], &left[2], "-cf", archive, "."]);
    tar(&["-C", copy.data.to_str().unwrap(), "-xf", archive]);
    fs::remove_file(archive).unwrap();
    copy.run(&["manage", "install", "--start"]).success();
    assert_eq!(copy.bodies(&room), ["hello"]);
    // With the password in its file the operator logs in with any client.
    let password = fs::read_to_string(copy.data.join("secrets/operator_password")).unwrap();
    let body = json!({
        "type": "m.login.password", "password": password.trim_end(),
        "identifier": { "type": "m.id.user", "user": "operator" },
    });
    let (status, answer) = copy.post("/_matrix/client/v3/login", &body.to_string());
    assert_eq!(status, 200, "{answer}");
    let said = copy.run(&["content", "set-password", "operator"]).exits(1);
    said.says("secrets/operator_password");
}
