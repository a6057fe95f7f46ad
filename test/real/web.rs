//! The client for browsers: built here, served by the proxy, and used as a person uses it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::LazyLock,
    time::Instant,
};

use serde_json::{Value, json};

use crate::{
    apart,
    browser::{Browser, ENTER},
    common::{Instance, file, kill_9, wait_for},
};

/// A server with Hydrogen that all tests here share which do not break it.
static SERVED: LazyLock<Instance> = LazyLock::new(|| {
    let mut instance = Instance::installed("web");
    instance.variable("MATRIX_SYNAPSE_PROFILE", "isms");
    instance.variable("MATRIX_SYNAPSE_WEB_CLIENT", "hydrogen");
    instance.run(&["manage", "install", "--start"]).success();
    instance
});

/// Gives an instance that is not installed yet the client that was built once in this run.
pub(crate) fn take_client(instance: &Instance) {
    fs::create_dir_all(&instance.data).unwrap();
    let from = SERVED.data.join("web");
    let mut copy = std::process::Command::new("cp");
    assert!(copy.arg("-al").arg(from).arg(&instance.data).status().unwrap().success());
}

/// Head, its names in lower case, and body of what the proxy answers.
fn ask(server: &Instance, what: &str, headers: &str) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.proxy[0])).unwrap();
    let head =
        format!("{what} HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).to_lowercase() + "\r\n";
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head, answer[end + 4..].to_vec())
}

/// A user with a password, in a room of this name; the room's id.
fn user(server: &Instance, name: &str, password: &str, room: &str) -> String {
    let add = ["content", "add-user", name, "--password-stdin"];
    server.run_with(&add, password.as_bytes()).success();
    let id = server.clear_room(room);
    server.run(&["content", "invite", &id, name]).success();
    server.run(&["content", "join-room", &id, "--as", name]).success();
    id
}

/// What the proxy answers to a GET, which has to be its words for nothing.
#[track_caller]
fn is_nothing(server: &Instance, what: &str) {
    let (status, head, body) = ask(server, what, "");
    let body = String::from_utf8_lossy(&body);
    assert!(status == 404 && body.contains("M_UNRECOGNIZED"), "{what}: {head}{body}");
}

#[test]
fn what_was_built_is_served_with_its_kind_and_kept_by_browsers() {
    let server = &*SERVED;
    let (status, head, page) = ask(server, "GET /", "");
    let page = String::from_utf8(page).unwrap();
    assert_eq!(status, 200, "{head}");
    for line in [
        "content-type: text/html\r\n",
        "cache-control: no-cache\r\n",
        "x-content-type-options: nosniff\r\n",
        "content-security-policy: frame-ancestors 'self'\r\n",
    ] {
        assert!(head.contains(line), "{head}");
    }
    let (status, head, told) = ask(server, "GET /config.json", "");
    let told: Value = serde_json::from_slice(&told).unwrap();
    let url = format!("http://127.0.0.1:{}", server.proxy[0]);
    assert_eq!((status, &told["defaultHomeServer"]), (200, &json!(url)));
    assert!(head.contains("cache-control: no-cache\r\n"), "{head}");

    let at = page.find("./assets/index-").unwrap() + 1;
    let script = &page[at..at + page[at..].find('"').unwrap()];
    let plain = ask(server, &format!("GET {script}"), "").2.len();
    let (status, head, packed) = ask(server, &format!("GET {script}"), "Accept-Encoding: gzip\r\n");
    assert_eq!(status, 200, "{head}");
    assert!(packed.len() < plain / 2, "{} of {plain}", packed.len());
    for line in ["content-type: text/javascript\r\n", "immutable\r\n", "content-encoding: gzip\r\n"]
    {
        assert!(head.contains(line), "{head}");
    }
    is_nothing(server, "GET /assets/");
    is_nothing(server, "GET /other");
    is_nothing(server, "POST /");
    let whole = server.json(&["manage", "services"]).to_string();
    assert!(whole.contains(&format!("\"web\":\"{url}/\"")), "{whole}");
}

/// A folder with an npm that is this shell script.
fn npm(folder: &Path, script: &str) -> String {
    let npm = file(folder, "npm", format!("#!/bin/sh\n{script}\n").as_bytes());
    fs::set_permissions(npm, fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

#[test]
fn a_build_that_fails_or_is_killed_leaves_everything_as_it_was() {
    let mut server = Instance::installed("web-fails");
    server.variable("MATRIX_SYNAPSE_PROFILE", "isms");
    server.run(&["manage", "install", "--start"]).success();
    let conf = fs::read(server.data.join("proxy/nginx.conf")).unwrap();
    let install = ["manage", "install", "--set", "web.client=hydrogen"];
    let made = |server: &Instance| fs::read_dir(server.data.join("web")).unwrap().count();
    let folder = tempfile::tempdir().unwrap();

    // Killed in the middle of it.
    let path = npm(folder.path(), "echo $$ >half; exec sleep 300");
    let mut killed = server.command().args(install).env("PATH", path).spawn().unwrap();
    let half = || {
        let work = fs::read_dir(server.data.join("web")).ok()?.flatten().next()?.path();
        fs::read_to_string(work.join("half")).ok()?.trim().parse().ok()
    };
    wait_for("npm is at work", || half().is_some());
    let at_work = half().unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    kill_9(at_work);
    assert_eq!(made(&server), 1);

    // No package can be had.
    let cache = folder.path().join("cache").display().to_string();
    let mut alone = server.command();
    alone.env("npm_config_registry", "http://127.0.0.1:9").env("npm_config_fetch_retries", "0");
    let said = alone.env("npm_config_cache", &cache).args(install).output().unwrap();
    let words = String::from_utf8_lossy(&said.stderr);
    assert_eq!(said.status.code(), Some(1), "{words}");
    assert!(words.contains("the web client `hydrogen` cannot be built: "), "{words}");
    assert!(
        words.contains("reason: connect ECONNREFUSED")
            && words.contains("logs/install.log` has the whole output"),
        "{words}"
    );
    // The same where the network is not to be asked.
    let offline = [&install[..], &["--offline", folder.path().to_str().unwrap()]].concat();
    let said = server.command().args(offline).env("npm_config_cache", &cache).output().unwrap();
    let words = String::from_utf8_lossy(&said.stderr);
    assert!(
        words.contains("ENOTCACHED") && words.contains("npm has only its own cache"),
        "{words}"
    );

    assert_eq!(made(&server), 0);
    assert_eq!(fs::read(server.data.join("proxy/nginx.conf")).unwrap(), conf);
    server.run(&["config", "show", "web.client"]).success().says("default");
    assert!(server.is_healthy());

    // One that is built already is taken as it is, and served by the proxy that runs.
    take_client(&server);
    let path = npm(folder.path(), "exit 1");
    let said = server.command().args(install).env("PATH", path).output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    server.run(&["manage", "restart"]).success();
    assert_eq!(ask(&server, "GET /", "").0, 200);

    // A client that is gone is not the homeserver's illness.
    fs::remove_file(server.data.join("web/hydrogen")).unwrap();
    server
        .run(&["manage", "restart"])
        .success()
        .says("is not built yet: `manage install` builds it");
    assert!(server.is_healthy());
    is_nothing(&server, "GET /");
}

#[test]
fn what_cannot_be_served_is_refused_before_anything_is_changed() {
    let server = Instance::empty("web-refused");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    let page = file(folder.path(), "page.html", b"<p>").display().to_string();
    for (profile, client, words) in [
        ("isms", "element".to_owned(), "must be `hydrogen`, the absolute path of a folder"),
        ("isms", format!("{path}"), "has no index.html"),
        ("isms", format!("{path}/none"), "does not exist"),
        ("isms", page, "is a file"),
        ("core", "hydrogen".to_owned(), "the profile `core` has no proxy that could serve"),
    ] {
        let (profile, client) =
            (format!("stack.profile={profile}"), format!("web.client={client}"));
        server
            .run(&["manage", "install", "--set", &profile, "--set", &client])
            .exits(1)
            .says(words);
        assert!(!server.data.exists());
    }
}

#[test]
fn without_npm_nothing_is_changed() {
    const HIDDEN: &str = "for npm in $(type -ap npm); do mount --bind /dev/null $npm; done";
    if !apart::is_apart(without_npm_nothing_is_changed, &format!("bash -c '{HIDDEN}'")) {
        return;
    }
    let server = Instance::empty("no-npm");
    for words in [&["--dry-run"][..], &[]] {
        let client = ["--set", "stack.profile=isms", "--set", "web.client=hydrogen"];
        server
            .run(&[&["manage", "install"][..], &client, words].concat())
            .exits(1)
            .says("is built with `npm`, which this machine does not have")
            .says("`apt-get install -y --no-install-recommends nodejs npm` installs it");
        assert!(!server.data.exists());
    }
}

#[test]
fn a_person_logs_in_reads_and_answers_in_the_browser() {
    let server = &*SERVED;
    let room = user(server, "wendy", "wendys long password", "Coffee kitchen");
    server.run(&["content", "send-message", &room, "The coffee is ready"]).success();

    let url = server.run(&["manage", "endpoint", "proxy", "web"]).success().line().to_owned();
    let browser = Browser::start();
    let began = Instant::now();
    browser.open(&url);
    let told = browser.find("#homeserver");
    let value = browser.script("return document.querySelector('#homeserver').value");
    assert_eq!(format!("{}/", value.as_str().unwrap()), url, "{told:?}");
    browser.fill("#username", "wendy");
    browser.fill("#password", "wendys long password");
    browser.screenshot("login");
    browser.click(&browser.find(".PasswordLoginView button[type=submit]"));

    let entry = browser.find_text(".RoomList li", "Coffee kitchen");
    println!("from an empty cache to the list of rooms: {:.1} s", began.elapsed().as_secs_f64());
    browser.click(&entry);
    browser.find_text(".Timeline .Timeline_messageBody", "The coffee is ready");

    let composer = browser.find(".MessageComposer textarea");
    browser.type_into(&composer, "On my way");
    browser.type_into(&composer, ENTER);
    wait_for("what was typed is on the server", || {
        server.bodies(&room).iter().any(|body| body == "On my way")
    });
    server.run(&["content", "send-message", &room, "There is cake as well"]).success();
    browser.find_text(".Timeline .Timeline_messageBody", "There is cake as well");
    browser.screenshot("room");
    assert!(browser.url().starts_with(&format!("{url}#/session/")), "{}", browser.url());
}
