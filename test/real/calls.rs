//! Calls: the relay is coturn itself, and who asks it has credentials that the homeserver gave out.

use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::common::{Instance, free_port, free_ports, wait_for};

/// Somebody at the other end of the relay, who sends back what comes.
struct Peer {
    child: Child,
    port: u16,
}

impl Peer {
    fn new(address: &str) -> Self {
        let port = free_port();
        let child = Command::new("turnutils_peer")
            .args(["-L", address, "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let here = format!("{port:04X}");
        wait_for("the peer listens", || {
            ["udp", "udp6"].iter().any(|kind| {
                let bound = std::fs::read_to_string(format!("/proc/net/{kind}"));
                bound.unwrap_or_default().contains(&format!(":{here} "))
            })
        });
        Self { child, port }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends packets through the relay and back; the exit code, and what was said.
fn relayed(
    words: &[&str],
    user: &str,
    password: &str,
    relay: (&str, u16),
    peer: (&str, u16),
) -> (i32, String) {
    let said = Command::new("timeout")
        .args(["30", "turnutils_uclient"])
        .args(words)
        .args(["-u", user, "-w", password, "-p", &relay.1.to_string()])
        .args(["-e", peer.0, "-r", &peer.1.to_string(), "-n", "10", "-m", "1", relay.0])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&said.stdout) + String::from_utf8_lossy(&said.stderr);
    (said.status.code().unwrap_or(-1), text.into_owned())
}

#[test]
fn a_call_is_relayed_for_users_of_this_server_and_into_no_private_network() {
    let mut server = Instance::installed("calls");
    let relay = free_port();
    let relay_ports = 20;
    let relay_port = free_ports(relay_ports);
    server.variable("MATRIX_SYNAPSE_TURN", "true");
    server.variable("MATRIX_SYNAPSE_TURN_PORT", &relay.to_string());
    server.variable("MATRIX_SYNAPSE_TURN_RELAY_PORT", &relay_port.to_string());
    server.variable("MATRIX_SYNAPSE_TURN_RELAY_PORTS", &relay_ports.to_string());
    server.variable("MATRIX_SYNAPSE_TURN_ALLOWED_PEERS", "127.0.0.1");
    let tls_port = free_port();
    server.variable("MATRIX_SYNAPSE_TURN_TLS_PORT", &tls_port.to_string());
    server.variable("MATRIX_SYNAPSE_TLS_CERTIFICATE", "own");
    server.run(&["manage", "install", "--start"]).success();
    let asked = "GET /_matrix/client/v3/voip/turnServer";
    let given = server.json(&["content", "execute", "--name", asked]);
    let word = |name: &str| given[name].as_str().unwrap_or_else(|| panic!("{given}")).to_owned();
    let (user, password) = (word("username"), word("password"));
    assert_eq!(given["uris"][0], format!("turns:127.0.0.1:{tls_port}?transport=tcp"));
    assert_eq!(given["uris"][1], format!("turn:127.0.0.1:{relay}?transport=udp"));
    assert_eq!(given["ttl"], 3600);

    let peer = Peer::new("127.0.0.1");
    let to = ("127.0.0.1", peer.port);
    let at = ("127.0.0.1", relay);
    for transport in [&[][..], &["-t"]] {
        let (code, said) = relayed(transport, &user, &password, at, to);
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("tot_recv_msgs=20"), "{said}");
    }
    // With TLS as well, and with a certificate that our CA vouches for.
    let line = format!(
        "openssl s_client -connect 127.0.0.1:{tls_port} -CAfile '{}' -verify_return_error </dev/null",
        server.data.join("tls/ca.pem").display()
    );
    let shown = Command::new("sh").args(["-c", &line]).output().unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.contains("Verify return code: 0 (ok)"), "{shown}");
    let (code, said) = relayed(&[], &user, "wrong", at, to);
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("Cannot complete Allocation"), "{said}");
    let (code, said) = relayed(&[], &user, &password, at, ("10.0.0.1", peer.port));
    assert_ne!(code, 0, "{said}");
    assert!(said.contains("403") || said.contains("Forbidden"), "{said}");

    let state: Value = server.json(&["manage", "services"]);
    let listed = state["services"].as_array().unwrap().iter().find(|it| it["name"] == "turn");
    let turn = listed.unwrap();
    assert_eq!(turn["state"], "running");
    let secret = std::fs::read_to_string(server.data.join("secrets/turn_secret")).unwrap();
    for text in [&state.to_string(), &server.run(&["logs", "turn"]).success().stdout] {
        assert!(!text.contains(secret.trim()), "{text}");
    }
    server.run(&["manage", "endpoint", "turn", "udp"]).success().says(&format!(":{relay}"));

    // The same on IPv6.
    server.variable("MATRIX_SYNAPSE_TURN_ADDRESS", "::1");
    server.variable("MATRIX_SYNAPSE_TURN_ALLOWED_PEERS", "::1");
    server.run(&["manage", "restart"]).success();
    let given = server.json(&["content", "execute", "--name", asked]);
    assert_eq!(given["uris"][1], format!("turn:[::1]:{relay}?transport=udp"));
    let endpoint = server.run(&["manage", "endpoint", "turn", "udp"]).success();
    drop(endpoint.says(&format!("[::1]:{relay}")));
    let peer = Peer::new("::1");
    let word = |name: &str| given[name].as_str().unwrap_or_else(|| panic!("{given}"));
    let (user, password) = (word("username"), word("password"));
    let (code, said) = relayed(&["-x"], user, password, ("::1", relay), ("::1", peer.port));
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("tot_recv_msgs=20"), "{said}");
}
