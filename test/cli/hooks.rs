//! Webhooks without a homeserver: what is refused and how, and that what was accepted is kept while
//! nobody can be told.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::common::Person;

const TOKEN: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";

/// `daemon hooks` with one webhook, `ci`.
struct Daemon {
    person: Person,
    port: u16,
    process: Child,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

struct Answer {
    status: u16,
    head: String,
    text: String,
    body: Value,
}

impl Daemon {
    fn start(settings: &str) -> Self {
        Self::with(settings, "")
    }

    /// With more of the webhook: fields of its file.
    fn with(settings: &str, more: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let person = Person::new().settings(format!("hooks:\n  port: {port}\n{settings}"));
        let folder = person.data().join("secrets/hooks");
        fs::create_dir_all(&folder).unwrap();
        let hook = format!(
            r##"{{"id":"ci","user_id":"@ci:x.org","room_id":"!r:x.org","room":"#r","token":"{TOKEN}"{more}}}"##
        );
        fs::write(folder.join("ci.json"), hook).unwrap();
        let process = spawn(&person);
        let daemon = Self { person, port, process };
        daemon.wait();
        daemon
    }

    fn wait(&self) {
        let limit = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < limit, "it does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn again(&mut self) {
        self.kill();
        self.process = spawn(&self.person);
        self.wait();
    }

    fn ask(&self, what: &str, headers: &str, body: &[u8]) -> Answer {
        let length = format!("{headers}Content-Length: {}\r\n", body.len());
        self.raw(what, &length, body)
    }

    fn raw(&self, what: &str, headers: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let head = format!("{what} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        // Whoever is refused early may be cut off.
        drop(stream.write_all(body));
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let text = body.to_owned();
        let body = serde_json::from_str(body).unwrap_or_default();
        Answer { status, head: head.to_lowercase(), text, body }
    }

    fn post(&self, headers: &str, body: &str) -> Answer {
        let headers = format!("Authorization: Bearer {TOKEN}\r\n{headers}");
        self.ask("POST /hook/ci", &headers, body.as_bytes())
    }

    /// The messages that wait, in order.
    fn messages(&self) -> Vec<String> {
        let mut files: Vec<_> = fs::read_dir(self.person.data().join("outbox"))
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
            .collect();
        files.sort();
        let text: String = files.iter().map(|path| fs::read_to_string(path).unwrap()).collect();
        let body = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["accepted"]["content"]["body"].as_str().unwrap().to_owned()
        };
        text.lines().map(body).collect()
    }

    fn waiting(&self) -> u64 {
        let list = self.person.runs(&["content", "list-hooks", "--json"]).json();
        list["hooks"][0]["waiting"].as_u64().unwrap()
    }
}

/// Where the daemon's log is in these tests.
fn log(person: &Person) -> std::path::PathBuf {
    person.home.path().join("hooks.log")
}

fn spawn(person: &Person) -> Child {
    Command::new(assert_cmd::cargo_bin!())
        .args(["daemon", "hooks"])
        .env_clear()
        .env("HOME", person.home.path())
        .stdin(Stdio::null())
        .stderr(fs::File::options().append(true).create(true).open(log(person)).unwrap())
        .spawn()
        .unwrap()
}

#[test]
fn what_cannot_be_taken_is_refused_with_the_reason() {
    let daemon = Daemon::start("  largest_body: 4K\n");
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let good = br#"{"text":"a"}"#.as_slice();
    for (what, headers, body, status, errcode, error) in [
        ("POST /hook/no", bearer.as_str(), good, 404, "M_NOT_FOUND", "no such webhook"),
        ("POST /hook/..%2f..%2foperator", &bearer, good, 404, "M_NOT_FOUND", "no such webhook"),
        ("POST /hook", &bearer, good, 404, "M_UNRECOGNIZED", "nothing at this address"),
        ("POST /hook/ci", "", good, 401, "M_MISSING_TOKEN", "`Authorization: Bearer TOKEN`"),
        ("POST /hook/ci", "Authorization: Bearer x\r\n", good, 401, "M_UNKNOWN_TOKEN", "`ci`"),
        ("POST /hook/ci", "Authorization: Basic x\r\n", good, 401, "M_MISSING_TOKEN", "missing"),
        ("POST /hook/ci?token=x", "", good, 401, "M_UNKNOWN_TOKEN", "not the token"),
        ("GET /hook/ci", &bearer, b"", 405, "M_UNRECOGNIZED", "only POST"),
        ("PUT /hook/ci", &bearer, good, 405, "M_UNRECOGNIZED", "only POST"),
        ("POST /hook/ci", &bearer, b"{\"text\":", 400, "M_NOT_JSON", "line 1, column 8"),
        ("POST /hook/ci", &bearer, b"{\"text\":\"\xff\"}", 400, "M_NOT_JSON", "UTF-8"),
        ("POST /hook/ci", &bearer, b"", 400, "M_NOT_JSON", "line 1, column 0"),
        ("POST /hook/ci", &bearer, b"{\"fallback\":\"a\"}", 400, "M_BAD_JSON", "no `text`"),
        ("POST /hook/ci", &bearer, &[b'x'; 5000], 413, "M_TOO_LARGE", "larger than 4096 bytes"),
    ] {
        let answer = daemon.ask(what, headers, body);
        assert_eq!(answer.status, status, "{what}: {}", answer.body);
        assert_eq!(answer.body["errcode"], errcode, "{what}");
        let said = answer.body["error"].as_str().unwrap();
        assert!(said.contains(error) && !said.contains(TOKEN), "{what}: {said}");
        assert_eq!(answer.head.contains("\r\nallow: post"), status == 405, "{}", answer.head);
    }
    let key = format!("Idempotency-Key: {}\r\n", "k".repeat(300));
    assert_eq!(daemon.post(&key, r#"{"text":"a"}"#).status, 400);
    assert_eq!(daemon.waiting(), 0);
    // Each of them is in the log, with what was wrong, and counted where there is a webhook.
    let log = fs::read_to_string(log(&daemon.person)).unwrap();
    assert_eq!(log.matches("a call of the webhook `ci` was refused with").count(), 12, "{log}");
    assert!(log.contains("of the webhook `no` was refused with 404: there is no such webhook"));
    assert!(log.contains("refused with 400: the body is not valid JSON (line 1, column 8)"));
    assert!(!log.contains(TOKEN) && !log.contains("xxxx"), "{log}");
    let list = daemon.person.runs(&["content", "list-hooks", "--json"]).json();
    let hook = &list["hooks"][0];
    assert_eq!((&hook["refused"], &hook["refused_calls"]["calls"]), (&12.into(), &12.into()));
    assert_eq!(hook["refused_calls"]["status"], 400);
    let last = hook["refused_calls"]["reason"].as_str().unwrap();
    assert!(last.starts_with("`Idempotency-Key` has 1 to 255"), "{last}");
    let listed = daemon.person.types("content list-hooks -v").to_string();
    assert!(listed.contains("ci: 12 calls refused, the last 20"), "{listed}");
    // A token behind the address is as good where no header says otherwise.
    let answer = daemon.ask(&format!("POST /hook/ci?a=b&token={TOKEN}"), "", good);
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(daemon.post("Content-Type: text/plain\r\n", "ä").status, 202);
    assert_eq!(daemon.waiting(), 2);
}

#[test]
fn a_body_of_any_size_is_neither_kept_nor_waited_for() {
    let daemon = Daemon::start("");
    let before = memory(daemon.process.id());
    // Announced, and not sent at all.
    let headers = format!("Authorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n", 100 << 20);
    assert_eq!(daemon.raw("POST /hook/ci", &headers, b"").status, 413);
    // Sent, and never announced.
    let headers = format!("Authorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n");
    let mut body = format!("{:x}\r\n", 100 << 20).into_bytes();
    body.resize(8 << 20, b'x');
    assert_eq!(daemon.raw("POST /hook/ci", &headers, &body).status, 413);
    let grown = memory(daemon.process.id()) - before;
    assert!(grown < 8 << 10, "{grown} kB");
}

/// Resident memory, in kB.
fn memory(pid: u32) -> i64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_flood_is_told_when_to_come_again() {
    let daemon = Daemon::start("  burst: 3\n  per_second: 0.5\n");
    let refused = (0..10).map(|_| daemon.post("", r#"{"text":"a"}"#)).find(|it| it.status == 429);
    let refused = refused.unwrap();
    assert_eq!(refused.body["errcode"], "M_LIMIT_EXCEEDED");
    assert!((1..=2000).contains(&refused.body["retry_after_ms"].as_u64().unwrap()));
    assert!(refused.head.contains("\r\nretry-after: "), "{}", refused.head);
    let full = Daemon::start("  queue: 4K\n");
    let text = format!(r#"{{"text":"{}"}}"#, "a".repeat(1000));
    let answers: Vec<u16> = (0..5).map(|_| full.post("", &text).status).collect();
    assert_eq!(answers, [202, 202, 503, 503, 503]);
}

#[test]
fn a_sender_that_takes_429_for_the_end_is_told_503() {
    const ALERT: &str = r#"{"receiver":"m","status":"firing","version":"4","groupKey":"k","alerts":[{"status":"firing","labels":{"alertname":"Down"}}]}"#;
    const SLACK: &str = r#"{"text":"<https://x.org|a>"}"#;
    const TEXT: &str = r#"{"text":"a"}"#;
    let signature = "X-Gitlab-Token: s\r\n";
    let limited = |more: &str| {
        let daemon = Daemon::with("  burst: 1\n  per_second: 0.001\n", more);
        assert!(daemon.post("", ALERT).status < 300);
        daemon
    };
    let daemon = limited(r#","secret":"s""#);
    for (headers, body, status) in [
        ("", ALERT, 503),
        ("User-Agent: Alertmanager/0.28.1\r\n", SLACK, 503),
        ("X-Gitlab-Event: Push Hook\r\n", "{}", 503),
        ("", SLACK, 429),
        ("", TEXT, 429),
        ("X-GitHub-Event: push\r\n", "{}", 429),
        ("", "{", 429),
    ] {
        let answer = daemon.post(headers, body);
        assert_eq!(answer.status, status, "{headers}{body}: {}", answer.body);
        assert_eq!(answer.body["errcode"], "M_LIMIT_EXCEEDED");
        assert!(answer.head.contains("\r\nretry-after: "), "{}", answer.head);
    }
    let signed = daemon.ask("POST /hook/ci", signature, ALERT.as_bytes());
    assert_eq!(signed.status, 503, "{}", signed.body);
    assert_eq!(daemon.waiting(), 1);
    // Where the format is fixed, the body is not needed for it.
    let daemon = limited(r#","format":"alertmanager""#);
    assert_eq!(daemon.post("", TEXT).status, 503);
}

#[test]
fn a_client_that_is_too_slow_is_sent_away() {
    let daemon = Daemon::start("");
    let begin = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let headers = format!("Authorization: Bearer {TOKEN}\r\nContent-Length: 9\r\n");
            let answer = daemon.raw("POST /hook/ci", &headers, b"{");
            assert_eq!(answer.status, 408, "{}", answer.body);
        });
        // One that does not even say what it wants, and one that says it and stays.
        for said in ["POST /hook/ci HT", "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"] {
            scope.spawn(|| {
                let mut stream = TcpStream::connect(("127.0.0.1", daemon.port)).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
                stream.write_all(said.as_bytes()).unwrap();
                stream.read_to_end(&mut Vec::new()).unwrap();
            });
        }
    });
    assert!(begin.elapsed() < Duration::from_secs(25));
}

#[test]
fn what_was_accepted_is_there_after_a_kill_and_a_repeat_is_the_same() {
    let mut daemon = Daemon::start("");
    let first = daemon.post("Idempotency-Key: a\r\n", r#"{"text":"1"}"#);
    assert_eq!(first.status, 202);
    daemon.post("", r#"{"text":"2"}"#);
    daemon.again();
    let repeat = daemon.post("X-Idempotency-Key: a\r\n", r#"{"text":"1"}"#);
    assert_eq!((repeat.status, &repeat.body["id"]), (202, &first.body["id"]));
    assert_ne!(daemon.post("", r#"{"text":"1"}"#).body["id"], first.body["id"]);
    assert_eq!(daemon.waiting(), 3);
    assert_eq!(daemon.messages(), ["1", "2", "1"]);
}

#[test]
fn a_key_that_comes_with_another_text_is_refused_and_the_first_is_kept() {
    let mut daemon = Daemon::start("");
    let first = daemon.post("Idempotency-Key: a\r\n", r#"{"text":"1"}"#);
    for _ in 0..2 {
        let other = daemon.post("Idempotency-Key: a\r\n", r#"{"text":"2"}"#);
        assert_eq!((other.status, &other.body["errcode"]), (409, &"M_INVALID_PARAM".into()));
        assert!(other.body["error"].as_str().unwrap().contains("`Idempotency-Key`"));
        let same = daemon.post("Idempotency-Key: a\r\n", r#"{"text":"1"}"#);
        assert_eq!((same.status, &same.body["id"]), (202, &first.body["id"]));
        daemon.again();
    }
    assert_eq!(daemon.messages(), ["1"]);
}

#[test]
fn each_sender_is_answered_as_it_expects_and_its_body_shown() {
    let daemon = Daemon::start("");
    let slack = daemon.post("", r#"{"text":"","attachments":[{"fallback":"f","text":"Hello"}]}"#);
    assert_eq!((slack.status, slack.text.as_str()), (200, "ok"));
    assert!(slack.head.contains("content-type: text/plain"), "{}", slack.head);
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let slack = daemon
        .post(form, "payload=%7B%22text%22%3A%22%3Chttps%3A%2F%2Fx.org%7Cjob%3E+%26amp%3B+x%22%7D");
    assert_eq!((slack.status, slack.text.as_str()), (200, "ok"));
    let ping = daemon.post("X-GitHub-Event: ping\r\n", r#"{"zen":"Be simple.","hook_id":1}"#);
    assert_eq!(ping.status, 200, "{}", ping.text);
    let push = r#"{"ref":"refs/heads/main","pusher":{"name":"alice"},"sender":{"login":"alice"},"compare":"https://github.example.org/c","commits":[{"message":"Fix the door","url":"https://github.example.org/1"}],"repository":{"full_name":"example/hello","html_url":"https://github.example.org/example/hello"}}"#;
    let github = "X-GitHub-Event: push\r\n";
    assert_eq!(daemon.post(github, push).status, 202);
    let encoded: String = push.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let answer = daemon.post(&format!("{form}{github}"), &format!("payload={encoded}"));
    assert_eq!(answer.status, 202, "{}", answer.text);
    let alert = r#"{"receiver":"m","status":"firing","version":"4","groupKey":"k","alerts":[{"status":"firing","labels":{"alertname":"Down"},"annotations":{"summary":"a is down"}}]}"#;
    assert_eq!(daemon.post("", alert).status, 202);
    let pushed =
        "alice pushed 1 commit to example/hello main: Fix the door (https://github.example.org/1)";
    assert_eq!(
        daemon.messages(),
        [
            "Hello",
            "job (https://x.org) & x",
            pushed,
            pushed,
            "[1 firing] Alerts\nFiring:\n- Down: a is down"
        ]
    );
    let answer = daemon.post("", r#"{"text":"a","build":42}"#);
    assert_eq!(answer.status, 400);
    assert!(answer.body["error"].as_str().unwrap().starts_with("`build` is not known"));
}

#[test]
fn a_sender_that_signs_needs_no_token() {
    let daemon = Daemon::with("", r#","secret":"It's a Secret to Everybody""#);
    let good = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let ask = |headers: &str, body: &str| {
        let headers = format!("Content-Type: text/plain\r\n{headers}");
        daemon.ask("POST /hook/ci", &headers, body.as_bytes())
    };
    let signed = format!("X-Hub-Signature-256: sha256={good}\r\n");
    assert_eq!(ask(&signed, "Hello, World!").status, 202);
    assert_eq!(ask("X-Gitlab-Token: It's a Secret to Everybody\r\n", "a").status, 202);
    for headers in [signed.as_str(), "X-Gitlab-Token: x\r\n", "X-Hub-Signature-256: sha256=\r\n"] {
        let answer = ask(headers, "Hello, World?");
        assert_eq!((answer.status, &answer.body["errcode"]), (401, &"M_UNKNOWN_TOKEN".into()));
        assert!(!answer.text.contains("Secret"), "{}", answer.text);
    }
    assert_eq!(ask("", "a").status, 401);
    assert_eq!(daemon.post("", r#"{"text":"with its token"}"#).status, 202);
    let listed = daemon.person.runs(&["content", "list-hooks", "--json"]).json();
    assert_eq!(listed["hooks"][0]["signed"], true);
    // Without a secret a signature says nothing.
    let other = Daemon::start("");
    let answer = other.ask("POST /hook/ci", &signed, b"Hello, World!");
    assert_eq!((answer.status, &answer.body["errcode"]), (401, &"M_MISSING_TOKEN".into()));
}

#[test]
fn a_template_is_tried_without_sending_and_its_error_is_a_refusal() {
    let template = r#","template":{"text":"{{ job }} is {{ state.name }}","kind":"plain"}"#;
    let daemon = Daemon::with("", template);
    let body = r#"{"job":"<web>","state":{"name":"red"}}"#;
    let file = daemon.person.home.path().join("body.json");
    fs::write(&file, body).unwrap();
    let file = file.to_str().unwrap();
    let tries =
        |more: &str| daemon.person.types(&format!("content try-hook ci --file {file}{more}"));
    insta::assert_snapshot!(tries(""), @"<web> is red");
    insta::assert_snapshot!(tries(" -v"), @r"
    <web> is red
    read as: template
    ");
    assert_eq!(daemon.waiting(), 0);
    assert_eq!(daemon.post("", body).status, 202);
    assert_eq!(daemon.messages(), ["<web> is red"]);
    let answer = daemon.post("", r#"{"job":"secret words"}"#);
    assert_eq!(answer.status, 422, "{}", answer.text);
    let log = fs::read_to_string(log(&daemon.person)).unwrap();
    assert!(
        log.contains(
            "refused with 422: the template fails in line 1: undefined value `state.name`"
        ),
        "{log}"
    );
    assert!(!log.contains("secret words"));
    fs::write(file, r#"{"job":"web"}"#).unwrap();
    insta::assert_snapshot!(tries(""), @r"
    ------- stderr -------
    error: the webhook `ci` would refuse this: the template fails in line 1: undefined value `state.name`
    [exit 1]
    ");
    insta::assert_snapshot!(daemon.person.types(&format!("content try-hook no --file {file}")), @r"
    there is no webhook `no`
    [exit 2]
    ");
    insta::assert_snapshot!(tries(" --header push"), @r"
    ------- stderr -------
    error: `push` is no header

    hint: write it as `--header 'X-GitHub-Event: push'`
    [exit 1]
    ");
}

#[test]
fn a_webhook_that_is_taken_away_is_gone_at_once() {
    let daemon = Daemon::start("");
    assert_eq!(daemon.post("", r#"{"text":"1"}"#).status, 202);
    let listed = daemon.person.types("content list-hooks").to_string();
    insta::assert_snapshot!(listed.replace(&daemon.port.to_string(), "PORT"), @r"
    HOOK  BOT        ROOM  WAITING  REFUSED  ADDRESS
    ci    @ci:x.org  #r    1                 http://127.0.0.1:PORT/hook/ci
    ");
    insta::assert_snapshot!(daemon.person.types("content list-hooks --filter X.ORG -q"), @"ci");
    insta::assert_snapshot!(daemon.person.types("content remove --type hook --name ci"), @"removed ci; the messages it has accepted are still sent");
    assert_eq!(daemon.post("", r#"{"text":"1"}"#).status, 404);
    let counts = fs::read_to_string(daemon.person.data().join("outbox/refused.json"));
    assert!(!counts.unwrap_or_default().contains("ci"));
    insta::assert_snapshot!(daemon.person.types("content remove-hook ci"), @r"
    there is no webhook ci
    [exit 2]
    ");
    insta::assert_snapshot!(daemon.person.types("content list-hooks -q"), @"");
}

#[test]
fn one_whose_file_is_damaged_is_named_and_not_taken_for_none() {
    let person = Person::new();
    let folder = person.data().join("secrets/hooks");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("ci.json");
    fs::write(&file, "{\"id\": ").unwrap();
    let said = person.types("content get --type hook --name ci");
    let text = said.to_string();
    let file = "secrets/hooks/ci.json`";
    assert!(text.contains("the file of the webhook `ci` is damaged"), "{text}");
    assert!(text.contains(file) && text.contains("`content remove-hook ci` removes it"), "{text}");
    assert_eq!(said.code, Some(1));
    let said = person.types("content get --type hook --name cd").to_string();
    assert!(said.contains("there is no webhook `cd`") && said.contains(file), "{said}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let said = Person::new().settings(format!("hooks: {{port: {port}}}")).types("daemon hooks");
    let said = said.to_string().replace(&port.to_string(), "PORT");
    insta::assert_snapshot!(said, @r"
    ------- stderr -------
    error: webhooks cannot listen on 127.0.0.1:PORT
      because: Address already in use (os error 98)

    hint: `config set hooks.port PORT` takes another port
    [exit 1]
    ");
}
