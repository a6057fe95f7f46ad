//! nginx itself with the rendered settings, in front of stand-ins that say who they are.

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixListener,
    path::Path,
    process::Child,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal};

use super::{arguments, conf, conf as path_of, program, temporary};
use crate::{
    config::{Config, sections::stack::Part, sources::environment::Environment},
    data_dir::DataDir,
    files,
    synapse::workers::{self, endpoints::Endpoint},
};

/// What a stand-in does with a request.
#[derive(Clone, Copy)]
enum Does {
    Answer,
    /// Reads it and goes away.
    Drop,
}

struct Stage {
    config: Config,
    nginx: Child,
    /// Whoever got a request, and its first line.
    seen: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Killed outright it would leave its workers behind.
        rustix::process::kill_process(Pid::from_child(&self.nginx), Signal::TERM).unwrap();
        self.nginx.wait().unwrap();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// One request as text; none at the end of the connection.
fn read(stream: &mut impl Read) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return None;
        }
    }
    let length = head
        .to_lowercase()
        .split_once("content-length: ")
        .map_or(0, |(_, rest)| rest.split("\r\n").next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8(body).unwrap())
}

/// Answers each request with its own name and the request.
fn stand_in(
    name: &str,
    does: Does,
    seen: &Arc<Mutex<Vec<String>>>,
    streams: impl Iterator<Item = impl Read + Write + Send + 'static> + Send + 'static,
) {
    let (name, seen) = (name.to_owned(), Arc::clone(seen));
    thread::spawn(move || {
        for mut stream in streams {
            let (name, seen) = (name.clone(), Arc::clone(&seen));
            thread::spawn(move || {
                while let Some(request) = read(&mut stream) {
                    let first = request.lines().next().unwrap();
                    seen.lock().unwrap().push(format!("{name}: {first}"));
                    if matches!(does, Does::Drop) {
                        return;
                    }
                    let body = format!("{name}\n{request}");
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                    stream.write_all((head + &body).as_bytes()).unwrap();
                }
            });
        }
    });
}

/// nginx before a main process and these workers; a worker that is not named here does not run.
fn stage(list: &str, running: &[(&str, Does)], more: &[&str]) -> Stage {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::new(folder.path().to_owned());
    data.create().unwrap();
    let main = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut flags = vec![
        "stack.profile=scale".to_owned(),
        "synapse.federation=open".to_owned(),
        format!("workers.list={list}"),
        format!("server.port={}", main.local_addr().unwrap().port()),
        format!("proxy.http_port={}", free_port()),
    ];
    flags.extend(more.iter().map(|flag| (*flag).to_owned()));
    let mut config = Config::load(data, &flags, &Environment::default()).unwrap();
    config.profile.parts.push(Part::Relay);
    let seen = Arc::new(Mutex::new(Vec::new()));
    stand_in("main", Does::Answer, &seen, incoming(main));
    let workers = workers::chosen(&config).unwrap();
    for worker in &workers {
        if let Some((name, does)) = running.iter().find(|(name, _)| *name == worker.name()) {
            let listener = UnixListener::bind(worker.place(&config).url("").1.unwrap()).unwrap();
            let streams =
                std::iter::from_fn(move || listener.accept().ok().map(|(stream, _)| stream));
            stand_in(name, *does, &seen, streams);
        }
    }
    let endpoints = [
        ("^/_matrix/client/(r0|v3)/sync$", "GET"),
        ("^/_matrix/client/(r0|v3)/login$", "GET"),
        ("^/_matrix/client/(r0|v3)/rooms/(?P<room>[^/]*)/messages$", "GET"),
        ("^/_matrix/client/(r0|v3)/rooms/(?P<room>[^/]*)/send/(?P<a>[^/]*)/(?P<b>[^/]*)$", "PUT"),
        ("^/_matrix/client/(r0|v3)/rooms/(?P<room>[^/]*)/state/(?P<a>[^/]*)$", "PUT"),
        ("^/_matrix/client/(r0|v3)/(?P<action>pushrules/.*)$", "GET"),
        (r"^/_matrix/client/unstable/org\.matrix\.msc2432/rooms/[^/]*/aliases$", "GET"),
    ];
    let endpoints = endpoints.map(|(pattern, method)| Endpoint {
        pattern: pattern.to_owned(),
        methods: vec![method.to_owned()],
        all: !pattern.contains("pushrules"),
    });
    let text = conf::render(&config, &workers, &endpoints).unwrap();
    files::private_folder(&config.data.proxy()).unwrap();
    files::private_folder(&temporary(&config.data)).unwrap();
    let path = path_of(&config.data);
    files::write_atomically(&path, text.as_bytes(), files::PRIVATE).unwrap();
    let nginx = run(&config, &path);
    let stage = Stage { config, nginx, seen, _folder: folder };
    let limit = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", stage.config.proxy.http_port.0)).is_err() {
        assert!(Instant::now() < limit, "nginx does not listen");
        thread::sleep(Duration::from_millis(10));
    }
    stage
}

#[expect(clippy::disallowed_methods, reason = "a test without a runtime")]
fn run(config: &Config, path: &Path) -> Child {
    let mut command = std::process::Command::new(program(config).unwrap());
    command.args(arguments(&config.data, path)).spawn().unwrap()
}

fn incoming(listener: TcpListener) -> impl Iterator<Item = TcpStream> + Send + 'static {
    std::iter::from_fn(move || listener.accept().ok().map(|(stream, _)| stream))
}

impl Stage {
    /// What nginx answers, head and body.
    fn ask(&self, what: &str, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.config.proxy.http_port.0)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let length = body.len();
        let head = format!(
            "{what} HTTP/1.1\r\nHost: a.example:99\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        // Whoever is refused before all is read may be cut off, and has the answer all the same.
        drop(stream.write_all((head + body).as_bytes()));
        let mut answer = String::new();
        drop(stream.read_to_string(&mut answer));
        answer
    }

    /// Who answers a request without a body.
    fn who(&self, what: &str) -> String {
        let answer = self.ask(what, "", "");
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        body.lines().next().unwrap_or_default().to_owned()
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

const ROOM: &str = "/_matrix/client/v3/rooms/!a";

#[test]
fn who_is_asked_depends_on_method_and_path() {
    let all = ["generic-1", "synchrotron-1", "synchrotron-2", "media-1"];
    let stage = stage("generic,synchrotron=2,media", &all.map(|name| (name, Does::Answer)), &[]);
    for (what, name) in [
        ("GET /_matrix/client/v3/login", "generic-1"),
        ("GET /_matrix/client/v3/login?access_token=a/b", "generic-1"),
        ("GET /_matrix/client/v3/login/sso/redirect", "main"),
        ("GET /_matrix/client/v3/pushrules/global/x", "main"),
        ("PUT /_matrix/client/v3/pushrules/global/x", "main"),
        ("GET /_matrix/client/v3/account/3pid/x", "main"),
        ("GET /_matrix/client/unstable/org.matrix.msc2432/rooms/%21a%2Fb/aliases", "generic-1"),
        ("GET /_matrix/client/unstable/orgXmatrix.msc2432/rooms/a/aliases", "main"),
        ("POST /_matrix/media/v3/upload", "media-1"),
        ("GET /_synapse/client/x", "main"),
    ] {
        assert_eq!(stage.who(what), name, "{what}");
    }
    assert!(stage.ask("GET /_synapse/admin/v1/rooms", "", "").contains("M_UNRECOGNIZED"));
    // A user's tokens lead to the same process, and different users to different ones.
    let sync = |token: &str| {
        let header = format!("Authorization: Bearer {token}\r\n");
        let answer = stage.ask("GET /_matrix/client/v3/sync", &header, "");
        answer.split_once("\r\n\r\n").unwrap().1.lines().next().unwrap().to_owned()
    };
    let mut names = std::collections::BTreeSet::new();
    for user in 'a'..='p' {
        let name = sync(&format!("syt_{user}_first_1"));
        assert_eq!(name, sync(&format!("syt_{user}_second_2")));
        let query = format!("GET /_matrix/client/v3/sync?access_token=syt_{user}_third_3");
        assert_eq!(name, stage.who(&query));
        names.insert(name);
    }
    assert_eq!(names.len(), 2);
}

#[test]
fn what_reaches_a_process_is_what_was_asked() {
    let stage = stage("generic", &[("generic-1", Does::Answer)], &[]);
    let path = format!("{ROOM}%3Ax%2F/send/m%2Fx/..%2f?a=%3F&b");
    let answer = stage.ask(
        &format!("PUT {path}"),
        "X-Forwarded-For: 192.0.2.7\r\nUpgrade: h2c\r\n",
        "{\"a\":1}",
    );
    let request = answer.split_once("\r\n\r\n").unwrap().1.to_lowercase();
    assert!(request.starts_with(&format!("generic-1\nput {path} http/1.1\r\n").to_lowercase()));
    for line in ["host: a.example:99", "x-forwarded-for: 127.0.0.1", "x-forwarded-proto: http"] {
        assert_eq!(request.matches(line).count(), 1, "{request}");
    }
    assert!(!request.contains("192.0.2.7") && !request.contains("\r\nconnection"), "{request}");
    assert!(!request.contains("h2c") && request.ends_with("{\"a\":1}"), "{request}");
    let socket = stage.ask("GET /_matrix/client/x", "Upgrade: websocket\r\n", "").to_lowercase();
    assert!(socket.contains("\r\nupgrade: websocket\r\n"), "{socket}");
    assert!(socket.contains("\r\nconnection: upgrade\r\n"), "{socket}");
}

#[test]
fn a_proxy_before_ours_says_who_asks_and_how() {
    let stage = stage("generic", &[("generic-1", Does::Answer)], &["server.behind_proxy=true"]);
    let asked = |headers: &str| stage.ask("GET /_matrix/client/x", headers, "").to_lowercase();
    let https = "X-Forwarded-For: 198.51.100.4, 203.0.113.9\r\nX-Forwarded-Proto: https\r\n";
    // What stands before the last was said by somebody whom nobody knows.
    let said = asked(https);
    for line in ["\r\nx-forwarded-for: 203.0.113.9\r\n", "\r\nx-forwarded-proto: https\r\n"] {
        assert!(said.contains(line), "{said}");
    }
    assert!(!said.contains("198.51.100.4"), "{said}");
    let said = asked("X-Forwarded-For: 2001:db8::7\r\nX-Forwarded-Proto: gopher\r\n");
    for line in ["\r\nx-forwarded-for: 2001:db8::7\r\n", "\r\nx-forwarded-proto: http\r\n"] {
        assert!(said.contains(line), "{said}");
    }
    assert!(asked("").contains("\r\nx-forwarded-for: 127.0.0.1\r\n"));
}

#[test]
fn the_main_process_answers_for_workers_that_are_away() {
    let list = "generic=2,event_creator=2,media";
    let stage = stage(list, &[("event-creator-1", Does::Answer)], &[]);
    for (what, body) in [
        ("GET /_matrix/client/v3/login".to_owned(), ""),
        ("PUT /_matrix/client/v3/rooms/!a/messages".to_owned(), "{}"),
        ("POST /_matrix/client/v3/rooms/!a/messages".to_owned(), "{\"long\":\"body\"}"),
    ] {
        let answer = stage.ask(&what, "", body);
        assert!(answer.contains("\r\n\r\nmain\n") && answer.ends_with(body), "{answer}");
    }
    stage.seen();
    // One of two is away: either the other one answers, or the main process.
    for room in 'a'..='h' {
        for request in ["send/x/1", "state/x"] {
            let answer =
                stage.ask(&format!("PUT /_matrix/client/v3/rooms/!{room}/{request}"), "", "{}");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        }
    }
    assert_eq!(stage.seen().len(), 16);
    let answer = stage.ask("POST /_matrix/media/v3/upload", "", "x");
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("M_UNKNOWN"), "{answer}");
    assert!(stage.seen().is_empty());
}

#[test]
fn only_what_may_be_repeated_is_sent_again() {
    let stage = stage("generic", &[("generic-1", Does::Drop)], &[]);
    for (what, again) in [
        ("GET /_matrix/client/v3/sync", true),
        ("PUT /_matrix/client/v3/rooms/!a/send/m.room.message/1", true),
        ("PUT /_matrix/client/v3/rooms/!a/state/m.room.name", false),
        ("POST /_matrix/client/v3/login", false),
        ("DELETE /_matrix/client/v3/login", false),
    ] {
        let answer = stage.ask(what, "", "{}");
        let mut seen = vec![format!("generic-1: {what} HTTP/1.1")];
        if again {
            seen.push(format!("main: {what} HTTP/1.1"));
            assert!(answer.starts_with("HTTP/1.1 200 "), "{what}: {answer}");
        } else {
            assert!(answer.starts_with("HTTP/1.1 502 "), "{what}: {answer}");
            assert!(answer.contains("Access-Control-Allow-Origin: *\r\n"), "{answer}");
            assert!(answer.ends_with("answer at the moment\"}"), "{answer}");
        }
        assert_eq!(stage.seen(), seen);
    }
}

#[test]
fn the_client_for_browsers_is_its_folder_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let web = folder.path().join("web");
    let write = |name: &str, text: &str| {
        let path = web.join(name);
        files::private_folder(path.parent().unwrap()).unwrap();
        files::write_atomically(&path, text.as_bytes(), files::PUBLIC).unwrap();
    };
    let long = "/* long */".repeat(1000);
    write("index.html", "the page");
    write("guide/index.html", "the guide");
    write("bundles/0123456789abcdef0123/app.js", &long);
    write("assets/logo-12345678.svg", "<svg/>");
    write(".git/config", "hidden");
    write("_matrix/client", "no");
    write("../secret", "secret");
    write("config.json", "the client's own");
    let client = format!("web.client={}", web.display());
    let stage = stage("generic", &[("generic-1", Does::Answer)], &[&client]);
    crate::web::write(&stage.config).unwrap();
    for (what, kind, kept, body) in [
        ("GET /", "text/html", "no-cache", "the page"),
        ("GET /?loginToken=a/../b", "text/html", "no-cache", "the page"),
        ("GET /guide/", "text/html", "no-cache", "the guide"),
        ("GET /assets/logo-12345678.svg?v=1", "image/svg+xml", "no-cache", "<svg/>"),
        (
            "GET /bundles/0123456789abcdef0123/app.js",
            "text/javascript",
            "public, max-age=31536000, immutable",
            &long,
        ),
        ("HEAD /", "text/html", "no-cache", ""),
    ] {
        let answer = stage.ask(what, "", "");
        let (head, got) = answer.split_once("\r\n\r\n").unwrap();
        let head = format!("{head}\r\n");
        assert!(head.starts_with("HTTP/1.1 200 ") && got == body, "{what}: {answer}");
        for line in [
            format!("\r\nContent-Type: {kind}\r\n"),
            format!("\r\nCache-Control: {kept}\r\n"),
            "\r\nX-Content-Type-Options: nosniff\r\n".to_owned(),
            "\r\nContent-Security-Policy: frame-ancestors 'self'\r\n".to_owned(),
        ] {
            assert!(head.contains(&line), "{what}: {head}");
        }
    }
    let told = stage.ask("GET /config.json", "", "");
    assert!(told.contains("\"defaultHomeServer\"") && !told.contains("own"), "{told}");
    for what in [
        "GET /guide",
        "GET /assets/",
        "GET /.git/config",
        "GET /guide/.x",
        "GET /../secret",
        "GET /guide/../../secret",
        "GET /%2e%2e/secret",
        "GET /guide/..%2f..%2fsecret",
        "GET //index.html",
        "GET /index%2ehtml",
        "GET /index.html/",
        "GET /index.html%00",
        "GET /_matrix",
        "GET /_synapse/admin/v1/rooms",
        "GET /other",
        "POST /",
        "PUT /index.html",
    ] {
        let answer = stage.ask(what, "", "");
        let refused = ["HTTP/1.1 404 ", "HTTP/1.1 400 "].iter().any(|it| answer.starts_with(it));
        assert!(refused, "{what}: {answer}");
        assert!(answer.contains("\"errcode\":\"M_UN"), "{what}: {answer}");
        assert!(answer.contains("\r\nContent-Type: application/json\r\n"), "{what}: {answer}");
    }
    assert_eq!(stage.who("GET /_matrix/client"), "main");
    assert_eq!(stage.who("GET /_matrix/client/v3/login"), "generic-1");
}

#[test]
fn chat_goes_to_the_relay_where_that_is_public_and_nothing_else_of_it_does() {
    let relay = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("relay.port={}", relay.local_addr().unwrap().port());
    let closed = stage("generic", &[], &[&port]);
    assert!(closed.ask("GET /api/chat/events", "", "").contains("M_UNRECOGNIZED"));
    drop(closed);
    let sizes = ["relay.largest_file=3M", "synapse.max_upload_size=2M"];
    let stage = stage("generic", &[], &["relay.public=true", &port, sizes[0], sizes[1]]);
    stand_in("relay", Does::Answer, &stage.seen, incoming(relay));
    let path = "/api/chat/conversations/a%2Fb/files?name=x%20y";
    let headers = "Origin: https://app.example\r\nUpgrade: websocket\r\n";
    let answer = stage.ask(&format!("POST {path}"), headers, "body").to_lowercase();
    for line in [
        &format!("relay\npost {} http/1.1\r\n", path.to_lowercase()),
        "\r\nhost: a.example:99\r\n",
        "\r\norigin: https://app.example\r\n",
        "\r\nupgrade: websocket\r\n",
        "\r\nconnection: upgrade\r\n",
    ] {
        assert!(answer.contains(line), "{answer}");
    }
    assert_eq!(stage.who("OPTIONS /api/chat/events"), "relay");
    let large = |size: usize| stage.ask("POST /api/chat/x", "", &"x".repeat(size));
    assert!(large(2 << 20).starts_with("HTTP/1.1 200 "));
    assert!(large((2 << 20) + 1).starts_with("HTTP/1.1 413 "));
    stage.seen();
    for what in [
        "GET /api/chat",
        "GET /api/chat/../../_matrix/app/v1/users/x",
        "GET /_matrix/app/v1/users/x%2f..%2f..%2f..%2f..%2f..%2fapi%2fchat%2fx",
        "PUT /_matrix/app/v1/transactions/..%2f..%2f..%2f..%2fapi/chat/x",
        "GET /metrics/../api/chat/x",
        "GET //api/chat/x",
        "GET /api%2fchat/x",
        "GET /metrics",
    ] {
        stage.ask(what, "", "");
        let seen = stage.seen();
        assert!(!seen.iter().any(|it| it.starts_with("relay")), "{what}: {seen:?}");
    }
    assert_eq!(stage.who("GET /health"), "OK");
}

#[test]
fn a_relay_that_is_away_is_said_in_its_own_words() {
    let port = format!("relay.port={}", free_port());
    let stage = stage("generic", &[], &["relay.public=true", &port]);
    let answer = stage.ask("GET /api/chat/events", "", "");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    for line in ["\r\nContent-Type: application/problem+json\r\n", "\r\nRetry-After: 2\r\n"] {
        assert!(answer.contains(line), "{answer}");
    }
}

#[test]
fn an_address_that_cannot_be_understood_is_refused_in_words() {
    let stage = stage("generic", &[], &[]);
    for (what, status) in [
        ("GET /../x".to_owned(), "400"),
        ("GET /%00".to_owned(), "400"),
        (format!("GET /{}", "x".repeat(40_000)), "414"),
        ("GET /.bad".to_owned(), "404"),
        ("GET /.long".to_owned(), "404"),
    ] {
        let answer = stage.ask(&what, "", "");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("\r\nAccess-Control-Allow-Origin: *\r\n"), "{answer}");
        assert!(answer.contains("\r\n\r\n{\"errcode\":\"M_"), "{answer}");
    }
}

#[test]
fn browsers_are_sent_to_a_client_that_is_served_elsewhere() {
    let stage = stage("generic", &[], &["web.client=https://app.example.org/x"]);
    let answer = stage.ask("GET /", "", "");
    assert!(answer.starts_with("HTTP/1.1 302 "), "{answer}");
    assert!(answer.contains("\r\nLocation: https://app.example.org/x/\r\n"), "{answer}");
    assert!(stage.ask("GET /other", "", "").contains("M_UNRECOGNIZED"));
}

#[test]
fn who_comes_too_many_is_told_to_wait() {
    let stage = stage("generic", &[], &["proxy.requests_at_once=1"]);
    let worker = workers::chosen(&stage.config).unwrap()[0];
    let listener = UnixListener::bind(worker.place(&stage.config).url("").1.unwrap()).unwrap();
    let (say, arrived): (_, Receiver<()>) = channel();
    let (end, over) = channel::<()>();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read(&mut stream).unwrap();
        say.send(()).unwrap();
        over.recv().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").unwrap();
    });
    thread::scope(|scope| {
        let first = scope.spawn(|| stage.ask("GET /_matrix/client/v3/sync", "", ""));
        arrived.recv().unwrap();
        let second = stage.ask("GET /_matrix/client/v3/sync", "", "");
        assert!(second.starts_with("HTTP/1.1 429 "), "{second}");
        assert!(second.contains("\r\nRetry-After: 2\r\n"), "{second}");
        assert!(second.contains("\"errcode\":\"M_LIMIT_EXCEEDED\""), "{second}");
        // Those who ask others are not concerned.
        assert_eq!(stage.who("GET /_matrix/client/v3/account/3pid/x"), "main");
        end.send(()).unwrap();
        assert!(first.join().unwrap().ends_with("late"));
    });
}
