//! Moving in: what somebody else installed goes on here as the same server, what is theirs stays as it is, and
//! there is a way back.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::common::{Instance, file, free_port, get, kill_9, post, signal, wait_for};

/// A Synapse as somebody sets one up by hand: on SQLite, with a folder of settings beside its own.
struct Old {
    folder: PathBuf,
    port: u16,
    python: PathBuf,
    process: Option<Child>,
}

impl Old {
    fn new(python: &Path, folder: PathBuf, port: u16) -> Self {
        fs::create_dir_all(folder.join("conf.d")).unwrap();
        let old = Self { folder, port, python: python.to_owned(), process: None };
        let mut generate = old.synapse();
        generate.args([
            "--generate-config",
            "--server-name",
            "test.example",
            "--report-stats",
            "no",
        ]);
        let made = generate.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let site = json!({
            "listeners": [{
                "port": port, "type": "http", "tls": false, "bind_addresses": ["127.0.0.1"],
                "resources": [{ "names": ["client", "federation"] }],
            }],
            "enable_registration": true,
            "enable_registration_without_verification": true,
            "a_setting_of_long_ago": 1,
            "bcrypt_rounds": 4,
            "user_directory": { "search_all_users": true },
        });
        // As PyYAML reads it the last one counts.
        let site = site.to_string().replacen('{', "{\"bcrypt_rounds\": 5, ", 1);
        file(&old.folder.join("conf.d"), "site.yaml", site.as_bytes());
        old
    }

    /// What its Python says of `it`.
    fn tells(&self, code: &str) -> String {
        let mut python = Command::new(&self.python);
        let said = python.arg("-c").arg(format!("{code}\nprint(it)")).output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap().trim().to_owned()
    }

    /// Makes its database one of that schema by what it says.
    fn has_schema(&self, version: u32) {
        let file = self.folder.join("homeserver.db");
        self.tells(&format!(
            "import sqlite3\nit = sqlite3.connect({file:?})\nit.execute('UPDATE schema_version SET version = {version}')\nit.commit()\nit.close()"
        ));
    }

    fn synapse(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.args(["-m", "synapse.app.homeserver", "--config-path"]);
        command.arg(self.folder.join("homeserver.yaml"));
        command.current_dir(&self.folder).stdin(Stdio::null());
        command
    }

    fn start(&mut self) {
        let mut command = self.synapse();
        command.arg("--config-path").arg(self.folder.join("conf.d"));
        let started = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        self.process = Some(started);
        let port = self.port;
        wait_for("the old Synapse answers", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok() && get(port, "/health").0 == 200
        });
    }

    fn stop(&mut self) {
        let mut process = self.process.take().unwrap();
        signal(process.id(), "TERM");
        process.wait().unwrap();
    }

    /// Every file but its own log, with what is in it.
    fn all(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    found.insert(path.clone(), fs::read(path).unwrap());
                }
            }
        }
        let mut found = BTreeMap::new();
        walk(&self.folder, &mut found);
        found
    }
}

impl Drop for Old {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            drop(process.kill());
            drop(process.wait());
        }
    }
}

/// A person of the server: what was given out before has to go on.
struct Person {
    token: String,
}

impl Person {
    fn ask(&self, port: u16, what: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let head = format!(
            "{what} HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
            self.token,
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
        let status = std::str::from_utf8(&answer[..end]).unwrap().split(' ').nth(1).unwrap();
        (status.parse().unwrap(), answer[end + 4..].to_vec())
    }

    #[track_caller]
    fn json(&self, port: u16, what: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, answer) = self.ask(port, what, body.as_bytes());
        assert_eq!(status, 200, "{what}: {}", String::from_utf8_lossy(&answer));
        serde_json::from_slice(&answer).unwrap()
    }

    fn register(port: u16, name: &str) -> Self {
        let body = json!({
            "username": name, "password": "wonderland-12345", "auth": { "type": "m.login.dummy" },
        });
        let (status, made) = post(port, "/_matrix/client/v3/register", &body.to_string());
        assert_eq!(status, 200, "{made}");
        let made: Value = serde_json::from_str(&made).unwrap();
        Self { token: made["access_token"].as_str().unwrap().to_owned() }
    }

    /// The bodies of a room, oldest first.
    fn bodies(&self, port: u16, room: &str) -> Vec<String> {
        let path = format!("GET /_matrix/client/v3/rooms/{room}/messages?dir=f&limit=100");
        let page = self.json(port, &path, &Value::Null);
        let chunk = page["chunk"].as_array().unwrap();
        chunk
            .iter()
            .filter_map(|it| it["content"]["body"].as_str().map(ToOwned::to_owned))
            .collect()
    }

    fn send(&self, port: u16, room: &str, body: &str) {
        let path =
            format!("PUT /_matrix/client/v3/rooms/{room}/send/m.room.message/{}", body.len());
        self.json(port, &path, &json!({ "msgtype": "m.text", "body": body }));
    }

    fn upload(&self, port: u16, content: &[u8]) -> String {
        let (status, answer) =
            self.ask(port, "POST /_matrix/media/v3/upload?filename=a.bin", content);
        assert_eq!(status, 200);
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        answer["content_uri"].as_str().unwrap().trim_start_matches("mxc://").to_owned()
    }

    fn download(&self, port: u16, uri: &str) -> Vec<u8> {
        let (status, content) =
            self.ask(port, &format!("GET /_matrix/client/v1/media/download/{uri}"), b"");
        assert_eq!(status, 200);
        content
    }
}

fn killed(server: &Instance, words: &[&str], when: &dyn Fn() -> bool) {
    let mut command = server.command();
    let command = command.args(words).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    wait_for("it is in the midst of it", when);
    kill_9(child.id());
    child.wait().unwrap();
}

#[test]
fn a_synapse_of_somebody_else_goes_on_as_the_same_server_and_can_be_given_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = Instance::with_environment("adopted");
    let (port, python) = (server.port, server.data.join("environments/synapse/bin/python"));
    let mut old = Old::new(&python, folder.path().join("old"), port);
    old.start();
    let (alice, bob) = (Person::register(port, "alice"), Person::register(port, "bob"));
    let room = alice.json(port, "POST /_matrix/client/v3/createRoom", &json!({ "name": "Old" }));
    let room = room["room_id"].as_str().unwrap().to_owned();
    let texts: Vec<String> = (1..6).map(|n| "x".repeat(n)).collect();
    for text in &texts {
        alice.send(port, &room, text);
    }
    let picture = vec![7; 100_000];
    let uri = alice.upload(port, &picture);
    let key = |port| -> Value {
        let keys: Value = serde_json::from_str(&get(port, "/_matrix/key/v2/server").1).unwrap();
        keys["verify_keys"].clone()
    };
    let signs = key(port);

    // As long as it runs it is nobody else's.
    let path = old.folder.to_str().unwrap().to_owned();
    let adopt = ["manage", "adopt", &path, "--yes"];
    server.run(&adopt).exits(1).says("the old Synapse still runs");
    old.stop();
    // What is newer than the Synapse that would be installed is refused by the schema of that one.
    let newest = old.tells("from synapse.storage.schema import SCHEMA_VERSION as it");
    let newest: u32 = newest.parse().unwrap();
    old.has_schema(newest + 1);
    let newer = format!("(schema {}) than the one installed here (schema {newest})", newest + 1);
    server.run(&["manage", "adopt", &path]).exits(1).says(&newer);
    old.has_schema(newest);
    let before = old.all();
    let said =
        server.run(&["manage", "adopt", &path]).success().says("would take over test.example");
    let said = said.says("registration token").says("user_directory").says("Nothing was changed");
    said.says("`bcrypt_rounds` is more than once").says(&format!("\n  the port {port}\n"));
    let elsewhere = ["manage", "adopt", &path, "--set", "server.port=7999"];
    let planned = server.json(&elsewhere);
    assert_eq!(planned["plan"]["port"], 7999);
    server.run(&elsewhere).success().says(&format!("`server.port` is 7999 and not {port} (--set)"));
    server.run(&[&adopt[..], &["--leave", "bcrypt_round"]].concat()).exits(1).says("did you mean");
    assert_eq!(fs::read_dir(&server.data).unwrap().count(), 1, "the environment alone");

    // Killed while the database is copied: nothing starts, and the same command finishes it.
    let note = server.data.join("run/importing.json");
    killed(&server, &adopt, &|| fs::read_to_string(&note).is_ok_and(|note| note.contains("ready")));
    server.run(&["manage", "start"]).exits(1).says("was interrupted").says(&path);
    let said = server.run(&["status"]).exits(1).says("was interrupted");
    said.says(&format!("manage adopt {path} --yes")).says("manage adopt --undo --yes");
    let said = server.run(&["manage", "adopt", &path, "--yes", "--start"]).success();
    let said =
        said.says("taken over: test.example").says("2 accounts, 1 rooms").says("as many as before");
    said.says(&format!("it answers at http://127.0.0.1:{port}"));
    let own = fs::read_to_string(server.data.join("homeserver.d/10-adopted.yaml")).unwrap();
    assert!(own.contains("search_all_users") && !own.contains("a_setting_of_long_ago"), "{own}");

    assert_eq!(key(port), signs, "it is the same server to others");
    assert_eq!(alice.bodies(port, &room), texts, "with the token of before");
    assert_eq!(alice.download(port, &uri), picture);
    let find = json!({ "search_term": "bob" });
    wait_for("the directory is filled again", || {
        let found = alice.json(port, "POST /_matrix/client/v3/user_directory/search", &find);
        found["results"].as_array().is_some_and(|it| it.len() == 1)
    });
    alice.json(
        port,
        &format!("POST /_matrix/client/v3/rooms/{room}/invite"),
        &json!({ "user_id": "@bob:test.example" }),
    );
    bob.json(port, &format!("POST /_matrix/client/v3/rooms/{room}/join"), &json!({}));
    assert_eq!(old.all(), before, "nothing of theirs has changed");

    // What it has become is taken over by another one, on the PostgreSQL where it is.
    let mut texts = texts;
    texts.push("of the new one".into());
    alice.send(port, &room, "of the new one");
    let second = folder.path().join("second");
    fs::create_dir(&second).unwrap();
    let secret = |name: &str| fs::read_to_string(server.data.join("secrets").join(name)).unwrap();
    let theirs = json!({
        "server_name": "test.example",
        "signing_key_path": server.data.join("secrets/signing.key"),
        "macaroon_secret_key": secret("macaroon_secret_key"),
        "media_store_path": server.data.join("media"),
        "user_directory": { "search_all_users": true },
        "database": { "name": "psycopg2", "args": {
            "host": "127.0.0.1", "port": server.ports[2], "user": "synapse", "dbname": "synapse",
            "password": secret("database_password"), "sslmode": "disable",
        }},
    });
    file(&second, "homeserver.yaml", theirs.to_string().as_bytes());
    let mut heir = Instance::with_environment("heir");
    heir.variable("MATRIX_SYNAPSE_OPERATOR", "operator2");
    let path = second.to_str().unwrap();
    heir.run(&["manage", "adopt", path, "--yes"]).exits(1).says("connections use the database");
    server.run(&["manage", "stop"]).success();
    server.run(&["manage", "start", "postgres"]).success();
    heir.run(&["manage", "adopt", path, "--yes", "--start"]).success().says("taken over");
    assert_eq!(alice.bodies(heir.port, &room), texts);
    texts.push("while it was elsewhere".into());
    alice.send(heir.port, &room, "while it was elsewhere");
    let later = alice.upload(heir.port, b"later");
    let said = heir.run(&["manage", "adopt", "--undo", "--yes"]).success();
    said.says("given back").says("its database has all that was written since");
    // The database has what was written meanwhile, and the files are beside it.
    let again = ["manage", "adopt", path, "--database", "move", "--yes"];
    heir.run(&again).exits(1).says("there is an account `operator2` already");
    heir.variable("MATRIX_SYNAPSE_OPERATOR", "operator3");
    heir.take_environment();
    let said = heir.json(&again);
    assert_eq!(said["imported"]["counts"]["users"], 4, "{said}");
    server.run(&["manage", "stop"]).success();
    newer_postgres(&server);
    server.run(&["manage", "start"]).success();
    assert_eq!(alice.bodies(port, &room), texts);
    assert_eq!(alice.download(port, &later), b"later");
}

/// Where the machine has an older PostgreSQL than this program brings.
fn newer_postgres(server: &Instance) {
    let version = || fs::read_to_string(server.data.join("postgres/data/PG_VERSION")).unwrap();
    let upgrade = ["manage", "upgrade-postgres"];
    let planned = server.run(&["manage", "upgrade-postgres", "--dry-run"]);
    if planned.code == 2 {
        return;
    }
    let old = version();
    let new = server.data.join(".upgrading/postgres/data/PG_VERSION");
    killed(server, &upgrade, &|| new.exists());
    assert_eq!(version(), old, "the old one is whole");
    wait_for("its servers have ended with it", || {
        server.run(&["manage", "upgrade-postgres", "--dry-run"]).code == 0
    });
    server.run(&upgrade).success().says("as many as before");
    assert_ne!(version(), old);
    server.run(&upgrade).exits(2);
    server.run(&["manage", "upgrade-postgres", "--undo"]).success().says("back to PostgreSQL");
    assert_eq!(version(), old);
    server.run(&upgrade).success();
    assert!(!server.data.join(".upgrading").exists());
}

#[test]
fn a_database_of_sqlite_is_imported_only_where_it_belongs() {
    let server = Instance::shared();
    let folder = tempfile::tempdir().unwrap();
    let none = file(folder.path(), "a.db", b"SQLite is not in it");
    let import = |file: &Path| server.run(&["manage", "import-sqlite", file.to_str().unwrap()]);
    import(&none).exits(1).says("is not a database of SQLite");
    import(&folder.path().join("none.db")).exits(1).says("there is no file").says("find / -xdev");
    let empty = file(folder.path(), "b.db", b"SQLite format 3\0");
    import(&empty).exits(1).says("the homeserver runs");
    let port = free_port();
    let text = format!("server_name: y.example\nlisteners: [{{port: {port}}}]");
    let theirs = file(folder.path(), "homeserver.yaml", text.as_bytes());
    let adopt = server.run(&["manage", "adopt", theirs.to_str().unwrap()]);
    adopt.exits(1).says("signing key").says("is not there");
    let nowhere = server.run(&["manage", "adopt", "/nonexist"]).exits(1);
    nowhere.says("manage adopt /etc/matrix-synapse");
    file(
        folder.path(),
        "y.example.signing.key",
        b"ed25519 a_Xy12 c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI\n",
    );
    let adopt = server.run(&["manage", "adopt", theirs.to_str().unwrap()]);
    adopt.exits(1).says("homeserver.db`, which").says("looks again");
    let text = b"SQLite format 3\0and then what is damaged";
    file(folder.path(), "homeserver.db", text);
    let adopt = server.run(&["manage", "adopt", theirs.to_str().unwrap()]).exits(1);
    adopt.says("homeserver.db` cannot be looked into: sqlite3.").says("homeserver.db 'PRAGMA");
    server.run(&["manage", "adopt", "--undo"]).exits(1).says("was not taken over");
}
