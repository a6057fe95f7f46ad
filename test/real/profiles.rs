//! A homeserver that runs goes from one profile to another and back, and takes up what the documents have
//! one set; whatever is refused, what runs goes on.

use std::net::UdpSocket;

use crate::common::{Instance, free_port};

#[test]
fn a_running_homeserver_goes_from_one_profile_to_another_and_back() {
    let server = Instance::installed("profiles");
    server.run(&["manage", "install", "--start", "--set", "stack.profile=isms"]).success();
    let room = server.room("Through");
    let says = |text: &str| server.run(&["content", "send-message", &room, text]).success();
    says("before");
    server.run(&["manage", "start", "--profile", "scale"]).success();
    says("with workers");
    let wanted = ["manage", "scale", "--preset", "by-load", "--cores", "16", "--dry-run"];
    server.run(&wanted).success().says("to start: ");
    server.run(&["manage", "scale"]).success().says("nothing to change");
    server.run(&["config", "check"]).success().says("all settings are valid and applied");
    server.run(&["manage", "start", "--profile", "isms"]).success();
    says("without");
    server.run(&["manage", "start"]).exits(2).says("already running");
    let state = server.json(&["status"]);
    assert!(!state.to_string().contains("redis"), "{state}");
    server.run(&["config", "check"]).success().says("all settings are valid and applied");
    let page = server.json(&["content", "read-messages", &room]);
    let bodies = page["messages"].as_array().unwrap().iter().map(|it| it["body"].clone());
    assert_eq!(bodies.collect::<Vec<_>>(), ["before", "with workers", "without"]);

    // A relay, as docs/calls.md has it; first its port is somebody else's, with UDP.
    let port = free_port();
    let udp = UdpSocket::bind(("127.0.0.1", port)).unwrap();
    server.run(&["config", "set", "turn.port", &port.to_string()]).success();
    server.run(&["config", "set", "turn.relay_port", &free_port().to_string()]).success();
    server.run(&["config", "set", "turn.relay_ports", "2"]).success();
    server.run(&["config", "set", "turn.enabled", "true"]).success();
    server.run(&["config", "check"]).success();
    let synapse = server.pid("synapse");
    let said = server.run(&["manage", "restart"]).exits(1);
    said.says(&format!("port {port} is taken by `real-")).says("was not stopped");
    assert_eq!(server.pid("synapse"), synapse);
    drop(udp);
    server.run(&["manage", "restart"]).success();
    assert!(server.is_healthy() && server.pid("turn") > 0);
    // A secret alone is a change too.
    server
        .run(&["manage", "install", "--set", "turn.secret=another-secret-of-the-relay"])
        .success()
        .says("`manage restart` applies them");
}
