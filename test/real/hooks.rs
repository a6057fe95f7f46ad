//! Webhooks: what was accepted is in the room once and in order, whatever is killed meanwhile.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use crate::common::{Instance, file, free_port, kill_9, wait_for};

/// A request on a connection of its own; none where that was lost.
pub(crate) fn post(
    port: u16,
    id: &str,
    token: &str,
    headers: &str,
    body: &str,
) -> Option<(u16, Value)> {
    post_to(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), id, token, headers, body)
}

pub(crate) fn post_to(
    address: SocketAddr,
    id: &str,
    token: &str,
    headers: &str,
    body: &str,
) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let length = body.len();
    let head = format!(
        "POST /hook/{id} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    // Whoever is refused before all is read may be cut off, and has the answer all the same.
    drop(stream.write_all((head + body).as_bytes()));
    let mut text = String::new();
    drop(stream.read_to_string(&mut text));
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).ok()?))
}

fn accepted(answer: Option<(u16, Value)>) -> String {
    let (status, body) = answer.unwrap();
    assert_eq!(status, 202, "{body}");
    body["id"].as_str().unwrap().to_owned()
}

/// Makes a bot with a webhook of the same name; its token.
pub(crate) fn hook(server: &Instance, name: &str, room: &str) -> String {
    let made = server.json(&["content", "add-bot", name, "--room", room, "--hook"]);
    made["hook"]["token"].as_str().unwrap().to_owned()
}

#[test]
fn a_flood_arrives_once_and_in_order_whatever_is_killed() {
    /// Through each of so many senders, which send one after the other; `bench/hooks.py` sends more.
    const EACH: usize = 60;
    const SENDERS: usize = 8;
    let mut server = Instance::installed("hooks");
    server.variable("MATRIX_SYNAPSE_RESTARTS", "1000");
    server.run(&["manage", "start"]).success();
    let token = hook(&server, "flood", "#flood");
    let taken = AtomicUsize::new(0);
    let (server, token, count) = (&server, &token, &taken);
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            scope.spawn(move || {
                for n in 0..EACH {
                    // Without an answer nobody knows: the key makes it harmless to ask again.
                    let key = format!("Idempotency-Key: {sender}-{n}\r\n");
                    let body = json!({ "text": format!("{sender} {n}") }).to_string();
                    let port = server.hooks;
                    while post(port, "flood", token, &key, &body).is_none_or(|it| it.0 != 202) {
                        thread::sleep(Duration::from_millis(20));
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let at = |n: usize| {
            wait_for("requests are accepted", || count.load(Ordering::Relaxed) >= n);
        };
        at(100);
        kill_9(server.pid("hooks"));
        at(200);
        kill_9(server.pid("synapse"));
        at(300);
        kill_9(server.pid("hooks"));
        at(EACH * SENDERS);
    });
    wait_for("Synapse is back", || server.is_healthy());
    // Once more while it sends.
    kill_9(server.pid("hooks"));
    let waiting = || {
        let list = server.json(&["content", "list-hooks"]);
        list["hooks"][0]["waiting"].as_u64().unwrap()
    };
    wait_for("all are sent", || waiting() == 0);
    let bodies = server.bodies("#flood");
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).filter(|it| !it.is_empty()).collect();
    for sender in 0..SENDERS {
        let sent: Vec<String> = (0..EACH).map(|n| format!("{sender} {n}")).collect();
        let start = format!("{sender} ");
        let of: Vec<&str> = bodies.iter().copied().filter(|it| it.starts_with(&start)).collect();
        assert_eq!(of, sent);
    }
    assert_eq!(bodies.len(), EACH * SENDERS);
    // The room that was made for it is encrypted.
    server.hides("#flood", &["0 1", "m.text"]);

    // A profile that was only set brings no proxy yet: what is shown is where webhooks are taken now.
    let asks = |words: &[&str]| server.run(&[words, &["--set", "stack.profile=isms"]].concat());
    let list = asks(&["content", "list-hooks", "--json"]).success().json();
    assert_eq!(list["hooks"][0]["url"], list["hooks"][0]["local_url"], "{list}");
    asks(&["content", "list-hooks"]).success().says("through the proxy, at ");
    asks(&["config", "check"]).success().says("not all of them are applied yet: stack.profile");
    let said = asks(&["manage", "endpoint", "proxy"]).exits(1);
    said.says("there is no service `proxy`").says("the profile `core` runs");
}

#[test]
fn a_webhook_is_made_used_listed_and_taken_away_while_all_runs() {
    let mut server = Instance::installed("hooked");
    server.variable("MATRIX_SYNAPSE_PROFILE", "isms");
    server.variable("MATRIX_SYNAPSE_REGISTRATION_SECRET", "of-the-environment-alone");
    server.run(&["manage", "install", "--start"]).success();
    let [proxy, direct] = [server.proxy[0], server.hooks];
    assert_eq!(post(proxy, "ci", "x", "", "{}").unwrap().0, 404);

    let words = ["content", "add-bot", "ci", "--room", "#builds", "--hook"];
    let made = server.json(&words);
    let hook = &made["hook"];
    assert_eq!((&made["existed"], &made["room"]["made"]), (&json!(false), &json!(true)));
    assert_eq!(hook["url"], format!("http://127.0.0.1:{proxy}/hook/ci"));
    assert_eq!(hook["local_url"], format!("http://127.0.0.1:{direct}/hook/ci"));
    // A secret that is in its file is in no environment.
    for pid in [server.supervisor(), server.pid("hooks"), server.pid("synapse")] {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
        assert!(!String::from_utf8_lossy(&environment).contains("of-the-environment"));
    }
    let token = hook["token"].as_str().unwrap();
    for file in [&made["token_file"], &hook["file"]] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(file.as_str().unwrap()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    // The second time nothing is new, and nothing secret is shown.
    let again = server.run(&[&words[..], &["--json"]].concat()).exits(2);
    assert!(!again.stdout.contains(token), "{again}");
    assert_eq!(again.json()["hook"]["url"], hook["url"]);
    let shown = server.run(&[&words[..], &["--show-secrets"]].concat()).exits(2);
    shown.says(&format!("webhook token: {token}"));

    let first = json!({ "text": "1", "html": "<b>1</b>", "notice": true }).to_string();
    let key = "Idempotency-Key: build-1\r\n";
    let id = accepted(post(proxy, "ci", token, key, &first));
    assert_eq!(accepted(post(direct, "ci", token, key, &first)), id);
    accepted(post(proxy, "ci", token, "Content-Type: text/plain\r\n", "2 ä"));
    wait_for("they are in the room", || server.bodies("#builds").len() == 2);
    let page = server.json(&["content", "read-messages", "#builds"]);
    assert_eq!(server.bodies("#builds"), ["1", "2 ä"]);
    assert_eq!(page["messages"][0]["sender"], "@ci:test.example");
    assert_eq!(made["room"]["encrypted"], true);
    server.hides("#builds", &["<b>1</b>", "2 ä"]);

    // What the daemon refuses the proxy hands on, and what is too large it refuses itself.
    for (id, token, body, status) in [
        ("no", token, "{}", 404),
        ("ci", "x", "{}", 401),
        ("ci", token, "{", 400),
        ("ci", token, &"x".repeat(200 << 10), 413),
    ] {
        let Some((said, body)) = post(proxy, id, token, "", body) else { panic!("{status}") };
        assert_eq!(said, status, "{body}");
        assert!(body["errcode"].as_str().unwrap().starts_with("M_"), "{body}");
    }

    // Each of these is in the log and counted.
    server.run(&["logs", "hooks"]).success().says("of the webhook `ci` was refused with 401");
    let list = server.json(&["content", "list-hooks", "--filter", "ci"]);
    assert_eq!(list["hooks"][0]["refused_calls"]["calls"], 2, "{list}");

    // What it reads is changed on the way: a template, and a secret of the sender's.
    let folder = tempfile::tempdir().unwrap();
    let template = file(folder.path(), "push.md", b"**{{ job }}** is {{ state }}");
    let secret = file(folder.path(), "github.secret", b"It's a Secret to Everybody\n");
    let given = [&template, &secret].map(|path| path.to_str().unwrap().to_owned());
    let more = ["--hook-template", &given[0], "--hook-secret-file", &given[1]];
    let changed = server.json(&[&words[..], &more].concat());
    assert_eq!(
        (&changed["hook"]["existed"], &changed["hook"]["changed"]),
        (&json!(true), &json!(true))
    );
    server.run(&[&words[..], &more].concat()).exits(2);
    let shown = server.run(&["content", "get", "--type", "hook", "--name", "ci", "--json"]);
    assert!(!shown.success().stdout.contains("Everybody"));
    accepted(post(direct, "ci", token, "", r#"{"job":"web","state":"red"}"#));
    wait_for("it is in the room", || server.bodies("#builds").len() == 3);
    assert_eq!(server.bodies("#builds")[2], "**web** is red");
    server
        .run(&[&words[..], &["--hook-template", "", "--hook-secret-file", ""]].concat())
        .success();

    // What the homeserver refuses is put aside and holds up nobody.
    let other = server.json(&[
        "content",
        "add-bot",
        "ci",
        "--room",
        "#other",
        "--hook-name",
        "ci-2",
        "--no-encryption",
    ]);
    assert_eq!((&other["existed"], &other["room"]["encrypted"]), (&json!(true), &json!(false)));
    let other = other["hook"]["token"].as_str().unwrap().to_owned();
    server.run(&["content", "leave-room", "#other", "--as", "ci"]).success();
    accepted(post(direct, "ci-2", &other, "", r#"{"text":"lost"}"#));
    accepted(post(direct, "ci", token, "", r#"{"text":"3"}"#));
    wait_for("the next one arrives", || server.bodies("#builds").len() == 4);
    wait_for("it is counted", || {
        let list = server.json(&["content", "list-hooks", "--filter", "ci-2"]);
        list["hooks"][0]["refused"] == 1 && list["hooks"][0]["waiting"] == 0
    });
    server.run(&["logs", "hooks"]).success().says("of the webhook `ci-2`").says("M_FORBIDDEN");
    assert!(!server.run(&["logs", "hooks"]).stdout.contains(token));
    let taken = ["content", "add-bot", "ci2", "--room", "#builds", "--hook-name", "ci"];
    server.run(&taken).exits(1).says("the webhook `ci` exists and sends to #builds");

    // While the homeserver is away messages are taken, and sent when it is back.
    server.run(&["manage", "stop", "synapse"]).success();
    accepted(post(direct, "ci", token, "", r#"{"text":"4"}"#));
    server.run(&["manage", "start"]).success();
    wait_for("it is sent", || server.bodies("#builds").len() == 5);

    // Another port is one from the next restart on, and until then it is said where they are taken.
    let free = free_port();
    let set = format!("hooks.port={free}");
    for words in [&words[..], &["content", "list-hooks"]] {
        let said = server.run(&[words, &["--set", &set]].concat());
        let until = format!("are taken at http://127.0.0.1:{direct} until `manage restart`");
        said.says(&until).says(&format!("at http://127.0.0.1:{free} from then on"));
    }
    let words = ["content", "list-hooks", "--filter", "ci", "--set", &set];
    let list = server.json(&words);
    let local = format!("http://127.0.0.1:{direct}/hook/ci");
    assert_eq!(list["hooks"][0]["local_url"], local, "{list}");
    accepted(post(proxy, "ci", token, "", r#"{"text":"5"}"#));
    wait_for("it is sent", || server.bodies("#builds").len() == 6);

    // Synapse is not touched by any of this.
    let synapse = server.pid("synapse");
    assert_eq!(server.json(&["content", "remove-hook", "ci-2"])["removed"], true);
    assert_eq!(post(direct, "ci-2", &other, "", "{}").unwrap().0, 404);
    server.run(&["content", "remove-user", "ci"]).success().says("its webhooks are gone: ci");
    wait_for("nobody listens any more", || TcpStream::connect(("127.0.0.1", direct)).is_err());
    wait_for("the proxy knows it", || {
        let answer = post(proxy, "ci", token, "", "{}").unwrap();
        answer.0 == 404 && answer.1["errcode"] == "M_UNRECOGNIZED"
    });
    assert_eq!(server.pid("synapse"), synapse);
    wait_for("it is told that the service has ended", || {
        let events = server.json(&["manage", "events"]);
        let mut events = events["events"].as_array().unwrap().iter().rev();
        events.find(|event| event["service"] == "hooks").unwrap()["state"] == "stopped"
    });
}
