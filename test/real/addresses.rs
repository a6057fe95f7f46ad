//! Where a homeserver listens, and what is said of it.

use std::{
    fs,
    net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream},
};

use crate::{
    common::{Instance, free_port, kill_9, wait_for},
    hooks::{hook, post_to},
};

fn exported(server: &Instance, name: &str) -> String {
    let text = fs::read_to_string(server.data.join("instance.env")).unwrap();
    let start = format!("{name}=");
    text.lines().find_map(|line| line.strip_prefix(&start)).unwrap().to_owned()
}

#[test]
fn a_homeserver_listens_on_ipv6_or_on_several_addresses() {
    let mut server = Instance::installed("six");
    server.variable("MATRIX_SYNAPSE_PROFILE", "isms");
    for name in ["ADDRESS", "PROXY_ADDRESS", "HOOKS_ADDRESS"] {
        server.variable(&format!("MATRIX_SYNAPSE_{name}"), "::1");
    }
    server.run(&["config", "check"]).success();
    server.run(&["manage", "install", "--start"]).success();
    let url = format!("http://[::1]:{}", server.port);
    assert_eq!(server.run(&["manage", "endpoint", "synapse", "client", "-q"]).line(), url);
    assert_eq!(exported(&server, "MATRIX_SYNAPSE_URL"), url);
    assert_eq!(exported(&server, "MATRIX_SYNAPSE_HOST"), "[::1]");
    let status = server.run(&["status", "--fast", "--json"]).success().json();
    assert_eq!(status["health_url"], format!("{url}/health"));
    TcpStream::connect(("127.0.0.1", server.port)).unwrap_err();
    let room = server.room("Six");
    let token = hook(&server, "six", &room);
    for port in [server.proxy[0], server.hooks] {
        let address = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
        assert_eq!(post_to(address, "six", &token, "", r#"{"text":"hi"}"#).unwrap().0, 202);
    }

    // Both, of which this program takes the one that more programs know.
    server.variable("MATRIX_SYNAPSE_ADDRESS", "::1, 127.0.0.1");
    server.run(&["manage", "restart"]).success();
    for address in ["127.0.0.1", "::1"] {
        TcpStream::connect((address, server.port)).unwrap();
    }
    assert_eq!(exported(&server, "MATRIX_SYNAPSE_HOST"), "127.0.0.1");
    // All there are.
    server.variable("MATRIX_SYNAPSE_ADDRESS", "0.0.0.0, ::");
    server.run(&["manage", "restart"]).success();
    server.run(&["content", "list-rooms"]).success();
}

#[test]
fn a_start_of_one_that_runs_changes_nothing_that_it_says_it_does_not() {
    let mut server = Instance::started("moves");
    let (old, synapse) = (server.port, server.pid("synapse"));
    let as_before = |server: &Instance| {
        assert_eq!(server.pid("synapse"), synapse);
        assert_eq!(exported(server, "MATRIX_SYNAPSE_PORT"), old.to_string());
        let said = server.run(&["credentials", "--json"]).success().json();
        assert_eq!(said["connections"][0]["connection"]["port"], old);
        server.run(&["content", "list-rooms"]).success();
    };
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = stranger.local_addr().unwrap().port();
    let metrics = server.all_ports()[1];
    for (port, why) in [(taken, "is taken"), (metrics, "is used by both")] {
        let port = format!("server.port={port}");
        server.run(&["--set", &port, "manage", "start"]).exits(1).says(why);
        as_before(&server);
    }

    // A port that is free waits for a restart too, and nobody is told of it before.
    server.variable("MATRIX_SYNAPSE_PORT", &free_port().to_string());
    let said = server.run(&["manage", "start"]).exits(2);
    said.says(&format!("http://127.0.0.1:{old}")).says("server.port; `manage restart` applies");
    as_before(&server);
    server.run(&["manage", "install"]).says("`manage restart` applies");
    as_before(&server);
    // So does what another service needs that is started meanwhile.
    let room = server.room("Told");
    hook(&server, "told", &room);
    as_before(&server);
    // Also where it has to come back by itself, and where the database waits as well.
    let database = free_port().to_string();
    server.variable("MATRIX_SYNAPSE_EMBEDDED_DB_PORT", &database);
    server.run(&["config", "check"]).success().says("database.embedded_port");
    server.run(&["status"]).success();
    kill_9(synapse);
    wait_for("it is back where it was", || {
        let now = server.run(&["status", "--json"]);
        now.code == 0 && now.json()["pid"] != synapse
    });
    assert_eq!(exported(&server, "MATRIX_SYNAPSE_PORT"), old.to_string());
    server.run(&["content", "send-message", &room, "still here"]).success();
    server.run(&["manage", "restart"]).success();
    let new = exported(&server, "MATRIX_SYNAPSE_PORT");
    assert_ne!(new, old.to_string());
    server.run(&["content", "list-rooms"]).success();
    server.run(&["manage", "start"]).exits(2).says(&format!("http://127.0.0.1:{new}"));
}
