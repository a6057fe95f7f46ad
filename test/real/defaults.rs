//! A new server is closed, limited and measured.

use std::fs;

use crate::common::{Instance, get};

#[test]
fn nobody_registers_by_themselves() {
    let server = Instance::shared();
    let (status, body) = server.post("/_matrix/client/v3/register", "{}");
    assert_eq!(status, 403, "{body}");
}

#[test]
fn every_port_is_on_loopback() {
    let server = Instance::shared();
    let ours = server.ports.map(|port| format!(":{port:04X}"));
    let mut found = 0;
    for line in fs::read_to_string("/proc/net/tcp").unwrap().lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        // 0A is LISTEN (include/net/tcp_states.h); addresses are in the order of the machine.
        if words[3] == "0A" && ours.iter().any(|port| words[1].ends_with(port)) {
            assert!(words[1].starts_with("0100007F"), "{line}");
            found += 1;
        }
    }
    assert_eq!(found, 3);
    for line in fs::read_to_string("/proc/net/tcp6").unwrap_or_default().lines().skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(words[3] != "0A" || !ours.iter().any(|port| words[1].ends_with(port)), "{line}");
    }
}

#[test]
fn a_user_is_limited_and_the_operator_and_bots_are_not() {
    let server = Instance::shared();
    server.run(&["content", "add-user", "talker"]).success();
    let room = server.room("Limited");
    server.run(&["content", "add-bot", "chatterbox", "--room", &room]).success();
    server.run(&["content", "invite", &room, "talker"]).success();
    server.run(&["content", "join-room", &room, "--as", "talker"]).success();
    let folder = tempfile::tempdir().unwrap();
    let lines = crate::common::file(folder.path(), "lines", "line\n".repeat(60).as_bytes());
    let lines = lines.to_str().unwrap();
    let send = ["content", "send-message", &room, "--file", lines, "--as", "talker"];
    // A machine that has much to do may need more than that second for one line.
    let all = (0..30).map(|_| server.run(&[&send[..], &["--timeout", "1"]].concat()).exits(1));
    let limited = all.into_iter().find(|said| said.stderr.contains("asks to wait"));
    limited.unwrap().says("of 60 lines were sent");
    let send = ["content", "send-message", &room, "--file", lines, "--timeout", "5"];
    server.run(&send).success();
    server.run(&[&send[..], &["--as", "chatterbox"]].concat()).success();
}

#[test]
fn metrics_and_health_answer() {
    let server = Instance::shared();
    let (status, body) = get(server.ports[1], "/_synapse/metrics");
    assert_eq!(status, 200);
    assert!(body.contains("synapse_build_info"), "{body}");
    let (status, _) = get(server.port, "/_matrix/client/versions");
    assert_eq!(status, 200);
}

#[test]
fn no_secret_is_in_the_rendered_settings_or_in_the_logs() {
    let server = Instance::shared();
    let mut secrets = Vec::new();
    for file in fs::read_dir(server.data.join("secrets")).unwrap() {
        let file = file.unwrap().path();
        if file.is_file() {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&file).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{}", file.display());
            secrets.push(fs::read_to_string(&file).unwrap().trim().to_owned());
        }
    }
    assert!(secrets.len() >= 6, "{}", secrets.len());
    let session: serde_json::Value =
        serde_json::from_slice(&fs::read(server.data.join("secrets/operator.json")).unwrap())
            .unwrap();
    secrets.push(session["access_token"].as_str().unwrap().to_owned());
    let mut texts = vec![fs::read_to_string(server.data.join("synapse/homeserver.yaml")).unwrap()];
    for log in fs::read_dir(server.data.join("logs")).unwrap() {
        texts.push(fs::read_to_string(log.unwrap().path()).unwrap());
    }
    for text in &texts {
        let leaked = secrets.iter().position(|secret| !secret.is_empty() && text.contains(secret));
        assert_eq!(leaked, None);
    }
}
