//! nginx in front: what it serves, what it keeps for itself, and that a change of it costs no request.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::{
        LazyLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    apart,
    common::{Instance, is_alive, kill_9, signal, wait_for},
};

/// A server behind a proxy that all tests here share which do not break it.
static BEHIND: LazyLock<Instance> = LazyLock::new(|| {
    let mut instance = Instance::installed("proxy");
    instance.variable("MATRIX_SYNAPSE_PROFILE", "isms");
    instance.variable("MATRIX_SYNAPSE_MAX_UPLOAD_SIZE", "16M");
    instance.variable("MATRIX_SYNAPSE_FEDERATION", "open");
    instance.run(&["manage", "install", "--start"]).success();
    instance
});

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        assert!(self.head.contains("\r\ncontent-type: application/json"), "{}", self.head);
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// It is refused with this status and code, in a way that a browser may read.
    #[track_caller]
    fn refused(&self, status: u16, errcode: &str) {
        assert_eq!(self.status, status, "{}\n{}", self.head, self.body);
        assert_eq!(self.json()["errcode"], errcode);
        assert_eq!(self.head.matches("access-control-allow-origin: *").count(), 1, "{}", self.head);
    }
}

/// One request, and what comes back; the names of headers in lower case.
fn ask(port: u16, what: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut head = format!("{what} HTTP/1.0\r\nHost: test.example\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    stream.write_all(head.as_bytes()).unwrap();
    // Who refuses a body does not read it to the end.
    drop(stream.write_all(body));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) =
        answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{what}: no answer: {answer}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase() + "\r\n", body: body.to_owned() }
}

impl Instance {
    fn bearer(&self) -> String {
        let session = fs::read(self.data.join("secrets/operator.json")).unwrap();
        let session: Value = serde_json::from_slice(&session).unwrap();
        format!("Bearer {}", session["access_token"].as_str().unwrap())
    }

    /// A request of the operator through the proxy.
    fn through(&self, what: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        ask(self.proxy[0], what, &[("Authorization", &self.bearer())], body.as_bytes())
    }
}

fn send(server: &Instance, room: &str, id: &str) -> Answer {
    let path = format!("/_matrix/client/v3/rooms/{room}/send/m.room.message/{id}");
    server.through(&format!("PUT {path}"), &json!({ "msgtype": "m.text", "body": id }))
}

#[test]
fn messages_are_sent_read_and_waited_for_through_it() {
    let server = &*BEHIND;
    let room = server.clear_room("Through");
    let first = server.through("GET /_matrix/client/v3/sync?timeout=0", &Value::Null).json();
    let since = first["next_batch"].as_str().unwrap();
    let poll = format!("GET /_matrix/client/v3/sync?timeout=30000&since={since}");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| server.through(&poll, &Value::Null).json());
        assert_eq!(send(server, &room, "one").status, 200);
        let woken = waiting.join().unwrap();
        let events = &woken["rooms"]["join"][&room]["timeline"]["events"];
        assert_eq!(events[0]["content"]["body"], "one", "{woken}");
    });
    let page = format!("GET /_matrix/client/v3/rooms/{room}/messages?dir=b&limit=1");
    assert_eq!(server.through(&page, &Value::Null).json()["chunk"][0]["content"]["body"], "one");
}

#[test]
fn what_is_not_for_clients_is_not_served() {
    let server = &*BEHIND;
    assert_eq!(ask(server.proxy[0], "GET /health", &[], b"").status, 200);
    for path in [
        "/",
        "/_matrix",
        "/_matrix/",
        "/_synapse/metrics",
        "/_synapse/admin/v1/server_version",
        "/_synapse%2Fadmin/v1/server_version",
        "/%5fsynapse/admin/v1/server_version",
        "//_synapse/admin/v1/server_version",
        "/_matrix/../_synapse/admin/v1/server_version",
        "/_matrix/%2e%2e/_synapse/admin/v1/server_version",
        "/_synapse/client/../admin/v1/server_version",
        "http://localhost/_synapse/admin/v1/server_version",
        "/_synapse/replication/get_presence",
    ] {
        let answer = server.through(&format!("GET {path}"), &Value::Null);
        answer.refused(404, "M_UNRECOGNIZED");
    }
    let admin = "GET /_synapse/admin/v1/server_version";
    let bearer = server.bearer();
    assert_eq!(ask(server.port, admin, &[("Authorization", &bearer)], b"").status, 200);
}

#[test]
fn its_largest_body_is_synapses() {
    const LIMIT: usize = 16 << 20;
    let server = &*BEHIND;
    let upload = |size| {
        let headers = [
            ("Authorization", server.bearer()),
            ("Content-Type", "application/octet-stream".to_owned()),
        ];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        ask(server.proxy[0], "POST /_matrix/media/v3/upload", &headers, &vec![b'x'; size])
    };
    assert_eq!(upload(LIMIT).status, 200);
    upload(LIMIT + 1).refused(413, "M_TOO_LARGE");
    let told = server.through("GET /_matrix/client/v1/media/config", &Value::Null).json();
    assert_eq!(told["m.upload.size"], LIMIT);
}

#[test]
fn browsers_may_ask() {
    let server = &*BEHIND;
    for path in ["/_matrix/client/v3/login", "/_matrix/media/v3/upload"] {
        let answer = ask(server.proxy[0], &format!("OPTIONS {path}"), &[], b"");
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
        for header in [
            "access-control-allow-origin: *\r\n",
            "access-control-allow-methods: get, head, post, put, delete, options\r\n",
            "access-control-allow-headers: x-requested-with, content-type, authorization",
        ] {
            assert!(answer.head.contains(header), "{}", answer.head);
        }
    }
    // Once, although Synapse says it as well.
    let answer = ask(server.proxy[0], "GET /_matrix/client/v3/account/whoami", &[], b"");
    answer.refused(401, "M_MISSING_TOKEN");
}

#[test]
fn a_path_arrives_as_it_was_written() {
    let server = &*BEHIND;
    // The alias `#a/b//c#%2f?:test.example`.
    let alias = "%23a%2Fb//c%23%252f%3F%3Atest.example".replace("//", "%2F%2f");
    let room = server.clear_room("Written");
    let path = format!("/_matrix/client/v3/directory/room/{alias}");
    let made = server.through(&format!("PUT {path}"), &json!({ "room_id": room }));
    assert_eq!(made.status, 200, "{}", made.body);
    for port in [server.proxy[0], server.port] {
        let found = ask(port, &format!("GET {path}"), &[], b"").json();
        assert_eq!(found["room_id"], room);
    }
    let escaped = room.replace('!', "%21");
    assert_eq!(send(server, &escaped, "a%2Fb%2e%2E").status, 200);
}

#[test]
fn whoever_asks_cannot_choose_an_address() {
    let server = &*BEHIND;
    let headers = [("X-Forwarded-For", "203.0.113.9"), ("User-Agent", "forger")];
    ask(server.proxy[0], "GET /_matrix/client/v3/account/whoami", &headers, b"");
    let log = || fs::read_to_string(server.data.join("logs/synapse.log")).unwrap();
    wait_for("Synapse logs the request", || log().contains("\"forger\""));
    let log = log();
    let line = log.lines().find(|line| line.contains("\"forger\"")).unwrap();
    assert!(line.contains("127.0.0.1 - ") && !line.contains("203.0.113.9"), "{line}");
}

#[test]
fn it_says_where_the_server_is() {
    let server = &*BEHIND;
    let url = format!("http://127.0.0.1:{}", server.proxy[0]);
    for (file, content) in [
        (
            "client",
            json!({ "m.homeserver": { "base_url": url }, "io.element.e2ee": { "default": true } }),
        ),
        ("server", json!({ "m.server": format!("test.example:{}", server.proxy[2]) })),
    ] {
        let answer = ask(server.proxy[0], &format!("GET /.well-known/matrix/{file}"), &[], b"");
        assert_eq!(answer.json(), content);
        assert!(answer.head.contains("\r\naccess-control-allow-origin: *\r\n"), "{}", answer.head);
    }
    assert_eq!(server.run(&["manage", "endpoint", "proxy"]).success().line(), url);
}

#[test]
fn with_a_certificate_it_speaks_https() {
    let mut server = Instance::installed("https");
    server.variable("MATRIX_SYNAPSE_PROFILE", "isms");
    server.variable("MATRIX_SYNAPSE_FEDERATION", "open");
    server.variable("MATRIX_SYNAPSE_TLS_CERTIFICATE", "own");
    let web = tempfile::tempdir().unwrap();
    fs::write(web.path().join("index.html"), "{\"page\":1}").unwrap();
    server.variable("MATRIX_SYNAPSE_WEB_CLIENT", web.path().to_str().unwrap());
    server.run(&["manage", "install", "--start"]).success();
    let [http, https, federation] = server.proxy;

    let url = format!("https://test.example:{https}");
    let versions = "/_matrix/client/versions?a=%2F";
    let sent_on = ask(http, &format!("GET {versions}"), &[], b"");
    assert_eq!(sent_on.status, 301);
    assert!(
        sent_on
            .head
            .contains(&format!("location: {}\r\n", (url.clone() + versions).to_lowercase()))
    );
    ask(http, "PUT /_matrix/client/v3/x", &[], b"{}").refused(403, "M_FORBIDDEN");
    assert_eq!(ask(http, "GET /health", &[], b"").status, 200);

    let client = trusting(&server.data.join("tls/ca.pem"));
    assert_eq!(fetch(&client, https, versions).0, 200);
    let (status, told) = fetch(&client, https, "/.well-known/matrix/client");
    assert_eq!((status, &told["m.homeserver"]["base_url"]), (200, &json!(url)));
    // Whoever asks Synapse itself is told the same.
    assert_eq!(told["io.element.e2ee"], json!({ "default": true }));
    let asked = ask(server.port, "GET /.well-known/matrix/client", &[], b"");
    assert_eq!(asked.json()["io.element.e2ee"], told["io.element.e2ee"]);
    assert_eq!(fetch(&client, https, "/"), (200, json!({ "page": 1 })));
    let (status, told) = fetch(&client, https, "/config.json");
    let server_of_web = &told["default_server_config"]["m.homeserver"];
    assert_eq!((status, &server_of_web["base_url"]), (200, &json!(url)));
    let (status, version) = fetch(&client, federation, "/_matrix/federation/v1/version");
    assert_eq!((status, &version["server"]["name"]), (200, &json!("Synapse")));

    // Another certificate is another reason to reload.
    let conf = || fs::read_to_string(server.data.join("proxy/nginx.conf")).unwrap();
    let before = conf();
    let (master, old) = (server.pid("proxy"), workers(server.pid("proxy")));
    fs::remove_file(server.data.join("tls/own.pem")).unwrap();
    assert_eq!(server.json(&["config", "check"])["unused"], json!(["nginx.conf"]));
    server.run(&["manage", "start"]).success();
    assert_ne!(before, conf());
    wait_for("nginx has read it", || workers(master).iter().any(|pid| !old.contains(pid)));
    assert_eq!(server.pid("proxy"), master);
    server.run(&["manage", "start"]).exits(2);
}

/// A client that trusts this CA alone, and finds `test.example` here.
fn trusting(ca: &Path) -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    let ca = reqwest::Certificate::from_pem(&fs::read(ca).unwrap()).unwrap();
    reqwest::Client::builder()
        .tls_certs_only([ca])
        .resolve("test.example", SocketAddr::from(([127, 0, 0, 1], 0)))
        .no_proxy()
        .build()
        .unwrap()
}

fn fetch(client: &reqwest::Client, port: u16, path: &str) -> (u16, Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let answer = client.get(format!("https://test.example:{port}{path}")).send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    })
}

#[test]
fn every_request_that_a_worker_answers_has_a_rule() {
    let server = &*BEHIND;
    let scale =
        ["config", "check", "--set", "stack.profile=scale", "--set", "workers.list=generic"];
    assert_eq!(server.json(&scale)["unrouted"], json!([]));
    let known = fs::read(server.data.join("cache/endpoints.json")).unwrap();
    let known: Value = serde_json::from_slice(&known).unwrap();
    assert!(known["endpoints"].as_array().unwrap().len() > 100);
}

#[test]
fn a_reload_drops_no_request() {
    const RELOADS: usize = 4;
    let mut server = Instance::installed("reload");
    server.variable("MATRIX_SYNAPSE_PROFILE", "isms");
    server.run(&["manage", "install", "--start"]).success();
    let server = &server;
    let room = server.clear_room("Reloaded");
    let first = server.through("GET /_matrix/client/v3/sync?timeout=0", &Value::Null).json();
    let since = first["next_batch"].as_str().unwrap();
    // Nothing that this filter lets through happens: it waits to the end.
    let poll = format!(
        "GET /_matrix/client/v3/sync?timeout=5000&since={since}&filter=%7B%22room%22%3A%7B%22rooms%22%3A%5B%5D%7D%7D"
    );
    let master = server.pid("proxy");
    let over = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let waiting = scope.spawn(|| server.through(&poll, &Value::Null));
        let sending = scope.spawn(|| keep_sending(server, &room, &over));
        for _ in 0..RELOADS {
            let old = workers(master);
            signal(master, "HUP");
            wait_for("new workers run", || workers(master).iter().any(|pid| !old.contains(pid)));
        }
        let waited = waiting.join().unwrap();
        assert_eq!(waited.status, 200, "{}", waited.body);
        over.store(true, Ordering::Relaxed);
        sending.join().unwrap()
    });
    assert!(sent > RELOADS, "{sent}");
    assert_eq!(server.bodies(&room).len(), sent);
    assert_eq!(server.pid("proxy"), master);

    // Killed, it comes back: what it left behind holds its port no longer.
    let orphans = workers(master);
    kill_9(master);
    let state = server.data.join("run/state.json");
    wait_for("nginx runs again", || {
        let state: Value = serde_json::from_slice(&fs::read(&state).unwrap()).unwrap();
        let proxy = &state["services"]["proxy"];
        proxy["state"] == "running" && proxy["pid"] != master
    });
    assert_eq!(ask(server.proxy[0], "GET /_matrix/client/versions", &[], b"").status, 200);
    assert!(orphans.iter().all(|pid| !is_alive(*pid)));

    // It quotes a request that fails, and no token comes with that into its log.
    kill_9(server.pid("synapse"));
    let deprecated = "GET /_matrix/client/v3/joined_rooms?access_token=syt_hidden&x=1";
    assert_eq!(ask(server.proxy[0], deprecated, &[], b"").status, 502);
    let log = || fs::read_to_string(server.data.join("logs/proxy.log")).unwrap();
    wait_for("it is logged", || log().contains("joined_rooms?access_token=*****&x=1"));
    assert!(!log().contains("syt_hidden"));

    // What nginx refuses is refused here, in its words, and changes nothing.
    let conf = server.data.join("proxy/nginx.conf");
    let before = fs::read(&conf).unwrap();
    server
        .run(&["manage", "install", "--set", "proxy.address=192.0.2.1"])
        .exits(1)
        .says("nginx refuses its settings")
        .says("bind() to 192.0.2.1");
    assert_eq!(fs::read(&conf).unwrap(), before);
    server.run(&["config", "show", "proxy.address"]).success().says("127.0.0.1");
}

/// Sends one message after the other until it is over, each of which has to be taken; how many.
fn keep_sending(server: &Instance, room: &str, over: &AtomicBool) -> usize {
    let mut sent = 0;
    while !over.load(Ordering::Relaxed) {
        let answer = send(server, room, &format!("message-{sent}"));
        assert_eq!(answer.status, 200, "{}", answer.body);
        sent += 1;
    }
    sent
}

#[test]
fn workers_are_restarted_in_turn_without_a_failed_request() {
    let mut server = Instance::installed("turns");
    server.variable("MATRIX_SYNAPSE_PROFILE", "scale");
    server.run(&["manage", "install", "--start", "--set", "workers.list=generic=2"]).success();
    let server = &server;
    let room = server.clear_room("In turn");
    let over = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let sending = scope.spawn(|| keep_sending(server, &room, &over));
        for worker in ["generic-1", "generic-2"] {
            server.run(&["manage", "restart", worker]).success();
        }
        over.store(true, Ordering::Relaxed);
        sending.join().unwrap()
    });
    assert_eq!(server.bodies(&room).len(), sent);
    let log = |worker: &str| fs::read_to_string(server.data.join(format!("logs/{worker}.log")));
    // What Synapse logs it holds back for some seconds.
    wait_for("one of them has written that it took a message", || {
        ["generic-1", "generic-2"].iter().any(|it| log(it).unwrap().contains("/send/"))
    });
}

/// The processes that do nginx's work.
fn workers(master: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children"));
    children.unwrap().split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

#[test]
fn without_nginx_nothing_is_changed() {
    const HIDDEN: &str = "for nginx in $(type -ap nginx) /usr/sbin/nginx; do \
        test ! -e $nginx || mount --bind /dev/null $nginx; done";
    if !apart::is_apart(without_nginx_nothing_is_changed, &format!("bash -c '{HIDDEN}'")) {
        return;
    }
    let server = Instance::empty("no-nginx");
    for words in [&["--dry-run"][..], &[], &["--start"]] {
        let install = ["manage", "install", "--set", "stack.profile=isms"];
        server
            .run(&[&install[..], words].concat())
            .exits(1)
            .says("this machine has no nginx")
            .says("`apt-get install -y --no-install-recommends nginx-light` installs it");
        assert!(!server.data.exists());
    }
}
