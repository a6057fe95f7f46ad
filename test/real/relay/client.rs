//! The client of the document as it stands there: in a shell, in Node and in a page of a browser; and from where pages
//! may ask at all.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{ChildStdin, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{ANN, BOB, Relay, answer_of};
use crate::{
    browser::{Browser, ENTER},
    common::{self, file, kill_9, wait_for},
    documents::{Group, block},
};

/// Of the document's shell part.
const LUNCH: &str = "0b0f3f4e-6a0c-4b52-8f7e-2f4d1c9a7e10";

impl Relay {
    /// Where it is asked through the front door.
    fn door(&self) -> String {
        format!("http://127.0.0.1:{}/api/chat", self.server.proxy[0])
    }

    /// The origin of the application's pages.
    fn origin(&self) -> String {
        format!("http://{}", self.pages.local_addr().unwrap())
    }

    fn kill(&self) {
        kill_9(self.server.pid("relay"));
    }

    fn is_back(&self) -> bool {
        answer_of(self, "GET", "/api/chat/conversations?limit=1", "", &Value::Null).is_some()
    }

    /// The head of what is answered, its names in lower case.
    fn head(&self, port: u16, what: &str, headers: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let key = &self.key;
        let head = format!(
            "{what} HTTP/1.1\r\nHost: chat.example\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            text.extend(byte);
        }
        String::from_utf8(text).unwrap().to_lowercase()
    }
}

pub(super) fn pages_of_the_origins_that_are_set_may_ask_and_no_others(relay: &Relay) {
    let own = format!("Origin: {}\r\n", relay.origin());
    let preflight = "Access-Control-Request-Method: PUT\r\n";
    let allows = format!("\r\naccess-control-allow-origin: {}\r\n", relay.origin());
    for port in [relay.port, relay.server.proxy[0]] {
        let told =
            relay.head(port, "OPTIONS /api/chat/conversations", &format!("{own}{preflight}"));
        assert!(told.starts_with("http/1.1 200 ") && told.contains(&allows), "{told}");
        for line in [
            "access-control-allow-headers: authorization,content-type,idempotency-key,last-event-id\r\n",
            "access-control-allow-methods: get,post,put,delete\r\n",
            "access-control-max-age: 600\r\n",
            "vary: origin\r\n",
        ] {
            assert!(told.contains(line), "{told}");
        }
        for (what, status) in [
            ("GET /api/chat/conversations", "200"),
            ("GET /api/chat/events?limit=0", "400"),
            ("PATCH /api/chat/conversations", "405"),
        ] {
            let said = relay.head(port, what, &own);
            assert!(said.starts_with(&format!("http/1.1 {status} ")), "{said}");
            assert!(said.contains(&allows) && said.contains("\r\nvary: origin\r\n"), "{said}");
            assert!(said.contains("access-control-expose-headers: retry-after\r\n"), "{said}");
            let others = relay.head(port, what, "Origin: https://other.example\r\n");
            assert!(!others.contains("access-control-allow-origin"), "{others}");
        }
        let opened = |origin: &str| {
            let headers = format!(
                "{origin}Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            );
            // nginx says the connection is to be upgraded; without it the client does.
            let headers = headers + if port == relay.port { "Connection: upgrade\r\n" } else { "" };
            let head = relay.head(port, "GET /api/chat/socket", &headers);
            head.split(' ').nth(1).unwrap().to_owned()
        };
        for (origin, status) in [
            ("", "101"),
            (own.as_str(), "101"),
            ("Origin: https://chat.example\r\n", "101"),
            ("Origin: https://other.example\r\n", "403"),
            ("Origin: null\r\n", "403"),
        ] {
            assert_eq!(opened(origin), status, "{port} {origin}");
        }
    }
    // What the homeserver says is none of a page's business, and nobody's at the front door.
    let told = relay.head(relay.port, "OPTIONS /_matrix/app/v1/ping", &format!("{own}{preflight}"));
    assert!(told.starts_with("http/1.1 405 "), "{told}");
    let closed = relay.head(relay.server.proxy[0], "GET /metrics", "");
    assert!(closed.starts_with("http/1.1 404 "), "{closed}");
}

/// A program that runs a client of the document.
struct Client {
    _process: Group,
    says: ChildStdin,
    /// Each answer, and each event of it where it is a page of those.
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Client {
    fn of(mut command: Command) -> Self {
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (says, tells) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let list = Arc::clone(&heard);
        thread::spawn(move || {
            for line in BufReader::new(tells).lines().map_while(Result::ok) {
                let said: Value = serde_json::from_str(&line).unwrap();
                let events = said["events"].as_array().cloned();
                list.lock().unwrap().extend(events.unwrap_or_else(|| vec![said]));
            }
        });
        Self { _process: Group(process), says, heard }
    }

    /// The shell's.
    fn shell(relay: &Relay, position: &Value) -> Self {
        let script = block("relay.md", "bash", "Idempotency-Key");
        let mut shell = Command::new("bash");
        shell.args(["-c", &script, "lunch.sh", &position.to_string()]).env("KEY", &relay.key);
        shell.env("CHAT", format!("http://127.0.0.1:{}/api/chat", relay.port));
        Self::of(shell)
    }

    /// The JavaScript, run by Node.
    fn node(relay: &Relay, folder: &Path, url: &str, talk: &str, after: &Value) -> Self {
        file(folder, "chat.mjs", block("relay.md", "js", "export function chat").as_bytes());
        file(folder, "client.mjs", include_bytes!("client.mjs"));
        let mut node = Command::new("node");
        node.args(["--experimental-websocket", "--no-warnings", "client.mjs"]);
        node.args([url, talk, ANN, &after.to_string()]).env("KEY", &relay.key);
        node.current_dir(folder);
        Self::of(node)
    }

    fn say(&mut self, text: &str) {
        writeln!(self.says, "{text}").unwrap();
    }

    /// The messages that it has heard once this one is among them.
    fn until(&self, text: &str) -> Vec<Value> {
        let messages = || -> Vec<Value> {
            let heard = self.heard.lock().unwrap();
            heard.iter().filter(|it| it["type"] == "message.new").cloned().collect()
        };
        wait_for(text, || messages().iter().any(|it| it["document"]["plaintext"] == text));
        messages()
    }
}

pub(super) fn the_shell_client_of_the_document_says_it_once_and_reads_on(relay: &Relay) {
    let client = Client::shell(relay, &json!(0));
    let first = client.until("lunch?");
    relay.kill();
    wait_for("it is back", || relay.is_back());
    relay.post(LUNCH, ANN, "anybody?");
    let heard = client.until("anybody?");
    assert_eq!(texts(&heard), ["lunch?", "anybody?"]);
    drop(client);
    let again = Client::shell(relay, &first[0]["position"]);
    assert_eq!(again.until("anybody?")[..], heard[1..]);
    assert_eq!(again.heard.lock().unwrap()[1]["id"], heard[0]["document"]["id"]);
    assert_eq!(relay.history(LUNCH).len(), 2);
}

fn texts(messages: &[Value]) -> Vec<&str> {
    messages.iter().filter_map(|it| it["document"]["plaintext"].as_str()).collect()
}

pub(super) fn the_javascript_client_of_the_document_misses_and_doubles_nothing(relay: &Relay) {
    const MESSAGES: usize = 30;
    let (folder, talk) = (tempfile::tempdir().unwrap(), relay.conversation());
    let kept = format!("{talk} {ANN}");
    let nowhere = format!("http://127.0.0.1:{}/api/chat", common::free_port());
    let mut client = Client::node(relay, folder.path(), &nowhere, &talk, &json!(0));
    client.say("kept");
    wait_for("it is kept", || {
        fs::read_to_string(folder.path().join(&kept)).is_ok_and(|it| it.contains("\"kept\""))
    });
    drop(client);

    let mut client = Client::node(relay, folder.path(), &relay.door(), &talk, &json!(0));
    let path = format!("/api/chat/conversations/{talk}/messages");
    for n in 0..MESSAGES {
        if n % 15 == 5 {
            wait_for("it is back", || relay.is_back());
            relay.kill();
        }
        client.say(&n.to_string());
        // Somebody else at the same time, who does not wait for it to be back.
        if n % 5 == 0 {
            let body = json!({ "sender_id": BOB, "plaintext": format!("bob {n}") });
            let key = format!("Idempotency-Key: bob-{n}\r\n");
            wait_for("it is accepted", || answer_of(relay, "POST", &path, &key, &body).is_some());
        }
    }
    client.until(&(MESSAGES - 1).to_string());
    relay.post(&talk, BOB, "the end");
    let heard = client.until("the end");
    let hers: Vec<&Value> = heard.iter().filter(|it| it["document"]["sender_id"] == ANN).collect();
    let hers: Vec<&str> =
        hers.iter().filter_map(|it| it["document"]["plaintext"].as_str()).collect();
    let wanted: Vec<String> =
        ["kept".to_owned()].into_iter().chain((0..MESSAGES).map(|n| n.to_string())).collect();
    assert_eq!(hers, wanted);
    let stored = relay.history(&talk);
    let stored: Vec<&str> = stored.iter().filter_map(|it| it["plaintext"].as_str()).collect();
    assert_eq!(texts(&heard), stored);
    drop(client);

    // Another process goes on where this one was.
    let client = Client::node(relay, folder.path(), &relay.door(), &talk, &heard[9]["position"]);
    assert_eq!(client.until("the end")[..], heard[10..]);
    assert_eq!(fs::read_to_string(folder.path().join(&kept)).unwrap(), "[]");
}

/// What the application itself serves: its page, the document's client, and a token for whoever has logged in.
fn serve(relay: &Relay, frames: String) {
    let listener = relay.pages.try_clone().unwrap();
    let issuer = Arc::clone(&relay.issuer);
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut line = String::new();
            let mut reader = BufReader::new(&stream);
            if reader.read_line(&mut line).is_err() {
                continue;
            }
            let mut rest = String::new();
            while rest != "\r\n" && reader.read_line(&mut rest).is_ok_and(|it| it > 0) {
                if rest != "\r\n" {
                    rest.clear();
                }
            }
            let asked = line.split(' ').nth(1).unwrap_or_default();
            let (path, query) = asked.split_once('?').unwrap_or((asked, ""));
            let (kind, body) = match path {
                "/chat.mjs" => ("text/javascript", block("relay.md", "js", "export function chat")),
                "/token" => {
                    let user = query.strip_prefix("user=").unwrap_or_default();
                    ("text/plain", issuer.token(&json!({ "sub": user })))
                }
                "/page" => ("text/html", include_str!("page.html").to_owned()),
                "/" => ("text/html", frames.clone()),
                _ => ("text/plain", String::new()),
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            drop(stream.write_all((head + &body).as_bytes()));
        }
    });
}

pub(super) fn a_page_in_a_browser_chats_and_goes_on_when_the_relay_is_back(relay: &Relay) {
    let talk = relay.conversation();
    let frame = |user: &str| {
        let url = relay.door();
        format!(
            "<iframe title=\"{user}\" src=\"/page?user={user}&talk={talk}&url={url}\"></iframe>"
        )
    };
    let style = "body{margin:0;display:flex;gap:8px;height:100vh;background:#76859a}iframe{flex:1;border:0}";
    let both = format!(
        "<!doctype html><title>Both</title><style>{style}</style>{}{}",
        frame(ANN),
        frame(BOB)
    );
    serve(relay, both);
    let browser = Browser::start();
    browser.open(&format!("{}/", relay.origin()));
    let (ann, bob) = (0, 1);
    let says = |who: u32, text: &str| {
        browser.frame(Some(who));
        browser.type_into(&browser.find("#text"), &format!("{text}{ENTER}"));
    };
    let sees = |who: u32, text: &str| {
        browser.frame(Some(who));
        browser.find_text("#said li", text);
    };
    says(ann, "lunch?");
    sees(bob, "Ann\nlunch?");
    says(bob, "in five minutes");
    sees(ann, "Bob\nin five minutes");
    let room = relay.room(&talk);
    relay.server.run(&["content", "send-message", &room, "the soup is hot"]).success();
    sees(ann, "the soup is hot");
    sees(bob, "the soup is hot");

    // Nobody loads the page again.
    relay.server.run(&["manage", "stop", "relay"]).success();
    for who in [ann, bob] {
        browser.frame(Some(who));
        browser.find_text("#state", "Cut off");
    }
    says(ann, "are you there?");
    browser.find_text("#waiting li", "are you there?");
    browser.frame(None);
    browser.screenshot("relay-cut-off");
    relay.server.run(&["manage", "start", "relay"]).success();
    sees(bob, "are you there?");
    sees(ann, "are you there?");
    says(bob, "yes");
    sees(ann, "yes");
    for who in [ann, bob] {
        browser.frame(Some(who));
        browser.until("it says that it is back", || {
            browser.all("#waiting li").is_empty().then_some(())?;
            (browser.script("return document.getElementById('state').innerText") == "")
                .then_some(())
        });
        let all = browser.all("#said li");
        assert_eq!(all.len(), 5, "{:?}", all.iter().map(|it| browser.text(it)).collect::<Vec<_>>());
    }
    browser.frame(None);
    browser.screenshot("relay");
}
