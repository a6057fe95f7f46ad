//! Two homeservers of ours that talk to each other through their proxies, with certificates that are
//! verified: each is given the CA of the other, and nothing is switched off.

use std::{fs, process::Command};

use serde_json::Value;

use crate::common::{Instance, Said, wait_for};

/// A homeserver called `localhost:PORT`, PORT being where its proxy listens for other servers.
pub(crate) fn server(name: &str) -> Instance {
    let mut instance = Instance::with_environment(name);
    let port = instance.proxy[2];
    instance.variable("MATRIX_SYNAPSE_SERVER_NAME", &format!("localhost:{port}"));
    instance.variable("MATRIX_SYNAPSE_PROFILE", "isms");
    instance.variable("MATRIX_SYNAPSE_TLS_CERTIFICATE", "own");
    // Requests give up soon; how long a server is then left alone stays Synapse's default.
    fs::create_dir_all(instance.data.join("homeserver.d")).unwrap();
    let patience =
        "federation: {max_long_retries: 1, max_long_retry_delay: 1s, max_short_retries: 0}\n";
    fs::write(instance.data.join("homeserver.d/patience.yaml"), patience).unwrap();
    instance.run(&["manage", "install"]).success();
    instance
}

impl Instance {
    pub(crate) fn name(&self) -> String {
        format!("localhost:{}", self.proxy[2])
    }

    /// Speaks to that server, whose CA it gets, and to nobody else.
    pub(crate) fn befriend(&mut self, other: &Self) {
        self.variable("MATRIX_SYNAPSE_FEDERATION", "private");
        self.variable("MATRIX_SYNAPSE_FEDERATION_SERVERS", &other.name());
        let ca = other.data.join("tls/ca.pem").display().to_string();
        self.variable("MATRIX_SYNAPSE_FEDERATION_CA_LIST", &ca);
    }

    /// The verdicts and findings of a walk to that server.
    pub(crate) fn walk(&self, server: &str, code: i32) -> Vec<(String, String, String)> {
        let said = self.run(&["content", "federation-check", server, "--format", "json"]);
        let answer = said.exits(code).json();
        let text = |step: &Value, field: &str| step[field].as_str().unwrap_or_default().to_owned();
        let steps = answer["steps"].as_array().unwrap().iter();
        steps.map(|it| (text(it, "step"), text(it, "verdict"), text(it, "finding"))).collect()
    }

    pub(crate) fn join(&self, room: &str) -> Said {
        self.run(&["content", "join-room", room, "-q"])
    }

    pub(crate) fn send(&self, room: &str, text: &str) {
        self.run(&["content", "send-message", room, text]).success();
    }

    pub(crate) fn hears(&self, room: &str, text: &str) {
        wait_for(text, || self.bodies(room).iter().any(|body| body == text));
    }
}

fn find<'a>(walk: &'a [(String, String, String)], step: &str) -> &'a (String, String, String) {
    walk.iter().find(|it| it.0 == step).unwrap_or_else(|| panic!("no {step} in {walk:?}"))
}

#[test]
fn two_servers_talk_over_verified_connections_and_a_third_is_refused() {
    let (mut a, mut b) = (server("fed-a"), server("fed-b"));
    a.befriend(&b);
    b.befriend(&a);
    b.variable("MATRIX_SYNAPSE_IP_RANGE_WHITELIST", "127.0.0.0/8,::1");
    a.run(&["manage", "start"]).success();
    b.run(&["manage", "start"]).success();

    // Loopback is closed by default: called what it is, where Synapse speaks of DNS.
    let walk = a.walk(&b.name(), 1);
    assert!(
        find(&walk, "address").2.contains("in 127.0.0.0/8, to which our server does not speak")
    );
    assert_eq!(find(&walk, "certificate").1, "good", "{walk:?}");
    a.variable("MATRIX_SYNAPSE_IP_RANGE_WHITELIST", "127.0.0.0/8,::1");
    a.run(&["manage", "restart"]).success();
    for (one, other) in [(&a, &b), (&b, &a)] {
        let walk = one.walk(&other.name(), 0);
        for step in ["certificate", "version", "keys", "clock"] {
            assert_eq!(find(&walk, step).1, "good", "{walk:?}");
        }
        let own = one.walk("localhost:1", 1);
        assert!(find(&own, "settings").2.contains("is not in its list"), "{own:?}");
    }
    let own = a.walk(&a.name(), 0);
    assert!(find(&own, "certificate").1 == "doubtful", "only our own CA vouches for it: {own:?}");

    let room = a.run(&["content", "create-room", "Both", "--alias", "both", "--public", "-q"]);
    let room = room.success().line().to_owned();
    let alias = format!("#both:{}", a.name());
    b.join(&alias).success();
    a.send(&room, "from a");
    b.hears(&room, "from a");
    b.send(&room, "from b");
    a.hears(&room, "from b");

    // b is away: a notices, and would leave it alone for ten minutes.
    b.run(&["manage", "stop"]).success();
    a.join(&format!("#none:{}", b.name())).exits(1).says("federation-check");
    a.send(&room, "while b was away");
    wait_for("a waits", || {
        find(&a.walk(&b.name(), 1), "back-off").2.contains("does not speak to it until")
    });
    b.run(&["manage", "start"]).success();
    let waits = a.walk(&b.name(), 1);
    assert_eq!(find(&waits, "version").1, "good", "{waits:?}");
    assert_eq!(find(&waits, "back-off").1, "bad", "{waits:?}");
    a.run(&["content", "federation-check", &b.name(), "--reset"]).success().says("tries again");
    b.hears(&room, "while b was away");

    // A third one knows a, and a does not know it.
    let mut c = server("fed-c");
    c.befriend(&a);
    c.variable("MATRIX_SYNAPSE_IP_RANGE_WHITELIST", "127.0.0.0/8,::1");
    c.run(&["manage", "start"]).success();
    let walk = c.walk(&a.name(), 0);
    assert_eq!(find(&walk, "certificate").1, "good", "the way there is open: {walk:?}");
    c.join(&alias).exits(1);
    let seen = a.run(&["content", "get-room", &room]).success();
    assert!(!seen.stdout.contains(&c.name()), "{seen}");
    let stranger = format!("@operator:{}", c.name());
    a.run(&["content", "invite", &room, &stranger]).exits(1);
    assert!(find(&a.walk(&c.name(), 1), "settings").2.contains("is not in its list"));
    a.send(&room, "without c");
    b.hears(&room, "without c");
}

/// What a TLS client on this machine is shown: the certificate's serial number.
fn shown(port: u16) -> String {
    let line = format!(
        "openssl s_client -connect 127.0.0.1:{port} </dev/null 2>/dev/null | openssl x509 -noout -serial"
    );
    let output = Command::new("sh").args(["-c", &line]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_certificate_that_changes_is_served_without_a_restart_and_a_bad_one_is_not() {
    let mut server = server("fed-reload");
    server.run(&["manage", "start"]).success();
    let (port, proxy) = (server.proxy[1], server.pid("proxy"));
    let first = shown(port);
    assert!(first.starts_with("serial="), "{first}");
    // Our own is gone: another one is made.
    let own = server.data.join("tls/own.pem");
    fs::remove_file(&own).unwrap();
    wait_for("another certificate is served", || {
        let now = shown(port);
        now.starts_with("serial=") && now != first
    });
    assert_eq!(server.pid("proxy"), proxy, "the same nginx");
    server.run(&["logs", "certificates"]).success().says("reads its certificate again");

    // The operator's, and then a file that does not belong to the key.
    let given = |name: &str| server.data.join(name);
    fs::copy(&own, given("given.pem")).unwrap();
    fs::copy(server.data.join("secrets/tls.key"), given("given.key")).unwrap();
    let (certificate, key) = (given("given.pem"), given("given.key"));
    server.variable("MATRIX_SYNAPSE_TLS_CERTIFICATE", certificate.to_str().unwrap());
    server.variable("MATRIX_SYNAPSE_TLS_KEY", key.to_str().unwrap());
    server.run(&["manage", "restart"]).success();
    let good = shown(port);
    fs::copy(server.data.join("tls/ca.pem"), &certificate).unwrap();
    wait_for("it is refused", || {
        let said = server.run(&["logs", "certificates"]).stdout;
        said.contains("does not belong to the certificate")
    });
    assert_eq!(shown(port), good);
    server.run(&["manage", "restart"]).exits(1).says("does not belong to the certificate");
    assert_eq!(shown(port), good, "what runs goes on");
}
