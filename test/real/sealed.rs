//! Encrypted rooms, with clients that nobody here wrote: matrix-js-sdk with its crypto and matrix-nio with its own
//! read what is sent here, and are read. `RMS_SEALED_MESSAGES` and `RMS_CHAOS_SEED` make the kills more and others.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    chaos::number,
    common::{Instance, file, kill_9, wait_for},
    lent::Lent,
    messages::Stream,
    packages,
};

const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/test/clients");
const PASSWORD: &str = "a password of nobody";

/// The packages of npm, once for all tests.
static NPM: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    for name in ["package.json", "package-lock.json", "people.mjs"] {
        fs::copy(Path::new(CLIENTS).join(name), folder.path().join(name)).unwrap();
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--engine-strict", "--no-audit", "--no-fund"]);
    let said = npm.arg("--prefer-offline").current_dir(&folder).output();
    let said = said.unwrap_or_else(|error| panic!("npm: {error}; `apt-get install -y npm`"));
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    folder
});

/// Those of Python, with uv where it is there.
fn nio() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let list = PathBuf::from(CLIENTS).join("nio.lock");
    let mut uv = Command::new("uv");
    uv.args(["pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary"]);
    uv.args([":all:", "--python"]).arg(packages::python()).arg("--target").arg(folder.path());
    match uv.arg("--requirements").arg(&list).output() {
        Ok(said) => assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr)),
        Err(_) => packages::pip(&["install", "--no-compile", "--target"], folder.path(), &list),
    }
    folder
}

/// People with clients that stay open, asked a line at a time.
struct People {
    child: Child,
    answers: BufReader<ChildStdout>,
    /// What it needs as long as it runs.
    _folder: Option<TempDir>,
}

impl People {
    /// With matrix-js-sdk.
    fn come(server: &Instance) -> Self {
        let mut node = Command::new("node");
        node.arg("people.mjs").arg(url(server)).current_dir(NPM.path());
        Self::of(node, None)
    }

    /// With matrix-nio.
    fn with_nio(server: &Instance, folder: TempDir) -> Self {
        let mut python = Command::new(packages::python());
        python.arg(Path::new(CLIENTS).join("people.py")).arg(url(server)).arg(folder.path());
        python.env("PYTHONPATH", folder.path());
        Self::of(python, Some(folder))
    }

    fn of(mut command: Command, folder: Option<TempDir>) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers, _folder: folder }
    }

    #[track_caller]
    fn ask(&mut self, verb: &str, name: &str, mut with: Value) -> Value {
        with["do"] = verb.into();
        with["name"] = name.into();
        writeln!(self.child.stdin.as_mut().unwrap(), "{with}").unwrap();
        let mut answer = String::new();
        assert!(self.answers.read_line(&mut answer).unwrap() > 0, "it ended at {with}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["error"].is_null(), "{with}: {answer}");
        answer
    }

    /// Lets somebody in; `how` is one of those of `people.mjs`.
    #[track_caller]
    fn enter(&mut self, name: &str, user: &str, how: &str) -> Value {
        self.ask("enter", name, json!({ "user": user, "password": PASSWORD, how: true }))
    }

    #[track_caller]
    fn join(&mut self, name: &str, room: &str) {
        self.ask("join", name, json!({ "room": room }));
    }

    /// The event as it is shown to somebody.
    #[track_caller]
    fn read(&mut self, name: &str, room: &str, event: &str) -> Value {
        self.ask("read", name, json!({ "room": room, "event_id": event }))
    }

    /// The text of it.
    #[track_caller]
    fn reads(&mut self, name: &str, room: &str, event: &str, text: &str) {
        let read = self.read(name, room, event);
        assert!(read["content"]["body"] == text && read["encrypted"] == true, "{read}");
    }

    #[track_caller]
    fn cannot_read(&mut self, name: &str, room: &str, event: &str) -> String {
        let with = json!({ "room": room, "event_id": event, "seconds": 1 });
        let read = self.ask("read", name, with);
        read["failed"].as_str().unwrap_or_else(|| panic!("it is read: {read}")).to_owned()
    }

    #[track_caller]
    fn say(&mut self, name: &str, room: &str, text: &str) {
        let content = json!({ "msgtype": "m.text", "body": text });
        self.ask("say", name, json!({ "room": room, "content": content }));
    }

    /// All that was sealed in a room.
    #[track_caller]
    fn history(&mut self, name: &str, room: &str) -> Vec<Value> {
        let all = self.ask("history", name, json!({ "room": room }));
        all["events"].as_array().unwrap().clone()
    }
}

impl Drop for People {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn url(server: &Instance) -> String {
    format!("http://127.0.0.1:{}", server.port)
}

/// A server where many may log in within a moment.
fn server() -> Lent {
    let server = Lent::down();
    server.run(&["config", "set", "synapse.logins_burst", "1000"]).success();
    server.run(&["manage", "start"]).success();
    server
}

/// A command at a terminal of its own, where a person answers.
struct Terminal {
    child: Child,
    said: Arc<Mutex<String>>,
}

impl Terminal {
    fn of(server: &Instance, words: &[&str]) -> Self {
        let plain = server.command();
        let quoted = |word: &str| format!("'{word}'");
        let program = quoted(plain.get_program().to_str().unwrap());
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        let mut script = Command::new("script");
        script.args(["-qefc", &format!("{program} {}", words.join(" ")), "/dev/null"]);
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut from, said) = (child.stdout.take().unwrap(), Arc::<Mutex<String>>::default());
        let to = Arc::clone(&said);
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = from.read(&mut piece) {
                to.lock().unwrap().push_str(&String::from_utf8_lossy(&piece[..length]));
            }
        });
        Self { child, said }
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    #[track_caller]
    fn waits(&self) {
        wait_for("it waits", || self.said().contains("waiting until"));
    }

    /// What both see is the same; the person here says whether it is.
    #[track_caller]
    fn compare(&mut self, shown: &Value, is: bool) {
        wait_for("it asks", || self.said().contains("is it the same?"));
        let said = self.said();
        let numbers: Vec<String> =
            shown["decimal"].as_array().unwrap().iter().map(Value::to_string).collect();
        assert!(said.contains(&numbers.join(" ")), "{shown} {said}");
        for emoji in shown["emoji"].as_array().into_iter().flatten() {
            let (picture, name) = (emoji[0].as_str().unwrap(), emoji[1].as_str().unwrap());
            assert!(said.contains(&format!("{picture}  {name} (")), "{shown} {said}");
        }
        let answer: &[u8] = if is { b"y\n" } else { b"n\n" };
        self.child.stdin.as_mut().unwrap().write_all(answer).unwrap();
    }

    #[track_caller]
    fn ends(mut self, code: i32, with: &str) {
        let ended = self.child.wait().unwrap();
        wait_for("all of it is read", || Arc::strong_count(&self.said) == 1);
        let said = self.said();
        assert!(ended.code() == Some(code) && said.contains(with), "{ended} {said}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if thread::panicking() {
            // Without what turns while it waits.
            let said = self.said();
            let pieces = said.split(['\r', '\n']).filter(|piece| !piece.contains(" waiting "));
            eprintln!("at the terminal: {}", pieces.collect::<Vec<_>>().join("\n"));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// With a password.
fn add(server: &Instance, user: &str) {
    let add = ["content", "add-user", user, "--password-stdin"];
    server.run_with(&add, PASSWORD.as_bytes()).success();
}

/// An encrypted room that these are asked into.
fn room_of(server: &Instance, name: &str, guests: &[&str]) -> String {
    let mut make = vec!["content", "create-room", name, "--encrypted", "-q"];
    make.extend(guests.iter().flat_map(|guest| ["--invite", guest]));
    server.run(&make).success().line().to_owned()
}

/// What is sent with these words; its id.
#[track_caller]
fn send(server: &Instance, room: &str, words: &[&str]) -> String {
    let words = [&["content", "send-message", room, "-q"], words].concat();
    server.run(&words).success().line().to_owned()
}

/// The place in the ratchet that a message was made with ([format]).
///
/// [format]: https://gitlab.matrix.org/matrix-org/olm/-/blob/master/docs/megolm.md#message-format
fn used(event: &Value) -> (String, u64) {
    let message = BASE64_STANDARD_NO_PAD.decode(event["ciphertext"].as_str().unwrap()).unwrap();
    assert_eq!(message[..2], [3, 8]);
    let mut index = 0;
    for (place, byte) in message[2..].iter().enumerate() {
        index |= u64::from(byte & 127) << (7 * place);
        if *byte < 128 {
            break;
        }
    }
    (event["session_id"].as_str().unwrap().to_owned(), index)
}

/// No two messages were made with the same key.
#[track_caller]
fn no_key_twice(events: &[Value]) {
    let all: BTreeSet<(String, u64)> = events.iter().map(used).collect();
    assert_eq!(all.len(), events.len(), "{events:?}");
}

fn texts(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["content"]["body"].as_str().unwrap_or("-")).collect()
}

#[test]
fn people_with_another_client_read_what_is_sealed_here_and_are_read() {
    let packages = thread::spawn(nio);
    let lent = server();
    let server: &Instance = &lent;
    for user in ["alice.sealed", "bob.sealed", "carol.sealed"] {
        add(server, user);
    }
    let mut people = People::come(server);
    let room = &room_of(server, "Sealed talk", &["alice.sealed", "bob.sealed"]);
    for (name, user) in [("alice", "alice.sealed"), ("bob", "bob.sealed")] {
        assert_eq!(people.enter(name, user, "own")["signed"], true);
        people.join(name, room);
    }

    // Texts, HTML, answers, edits; our own device is signed, or they would not read what it sends.
    let hello = send(server, room, &["hello"]);
    let answer = send(server, room, &["<b>bold</b>", "--html", "--reply-to", &hello]);
    people.reads("alice", room, &hello, "hello");
    let read = people.read("bob", room, &answer);
    assert_eq!(read["content"]["formatted_body"], "<b>bold</b>");
    assert_eq!(read["reply"], *hello);
    server.run(&["content", "edit-message", room, &hello, "better"]).success();
    let edited = json!({ "room": room, "event_id": hello, "edited": true });
    let read = people.ask("read", "bob", edited);
    assert_eq!(read["content"]["body"], "better", "{read}");
    let once = ["once", "--transaction-id", "sealed-once"];
    let first = send(server, room, &once);
    assert_eq!(send(server, room, &once), first);
    server
        .run(&[&["content", "send-message", room, "other"], &once[1..]].concat())
        .exits(1)
        .says("was used before, for other content");

    // What they say is read and heard: they send keys to devices alone that are signed.
    let records = server.data.join("sealed.jsonl");
    let mut listen = server.command();
    listen.args(["content", "listen", room, "--since", "1h", "--format", "json"]);
    let listen = listen.stdout(fs::File::create(&records).unwrap()).spawn().unwrap();
    let listening = Stream(listen);
    people.say("alice", room, "from alice");
    people.say("bob", room, "from bob");
    assert_eq!(server.bodies(room), ["better", "bold", "once", "from alice", "from bob"]);
    let heard = || fs::read_to_string(&records).unwrap();
    wait_for("it is heard", || heard().contains("\"body\":\"from bob\""));
    assert!(heard().contains("\"body\":\"hello\"") && heard().contains("\"body\":\"from alice\""));
    drop(listening);

    // Another device of the same person gets what comes after, and so does who comes; but one that nobody has signed
    // is told that it gets none.
    assert_eq!(people.enter("alice-2", "alice.sealed", "recover")["signed"], true);
    server.run(&["content", "invite", room, "carol.sealed"]).success();
    assert_eq!(people.enter("carol", "carol.sealed", "unsigned")["signed"], false);
    people.join("carol", room);
    let said = server.run(&["content", "send-message", room, "after"]).success();
    let said = said.says("(it is not trusted); `content verify '@carol.sealed:test.example'`");
    let after = said.line().strip_prefix("sent ").unwrap().to_owned();
    people.reads("alice-2", room, &after, "after");
    assert_eq!(
        people.cannot_read("carol", room, &after),
        "MEGOLM_KEY_WITHHELD_FOR_UNVERIFIED_DEVICE"
    );
    assert_eq!(people.cannot_read("alice-2", room, &answer), "HISTORICAL_MESSAGE_NO_KEY_BACKUP");
    assert_eq!(people.enter("carol-2", "carol.sealed", "own")["signed"], true);
    let later = server.run(&["content", "send-message", room, "later", "-q"]).success();
    assert_eq!(later.stderr, "", "it was told already, {later}");
    let later = later.line().to_owned();
    people.reads("carol-2", room, &later, "later");

    // Who has left gets no key for what comes after, also where somebody hands them the event.
    people.ask("leave", "bob", json!({ "room": room }));
    let secret = send(server, room, &["without bob"]);
    people.reads("alice", room, &secret, "without bob");
    let mut open = |event: &str| {
        people.ask("open", "bob", json!({ "room": room, "event_id": event, "from": "alice" }))
    };
    assert_eq!(open(&later)["content"]["body"], "later");
    assert_eq!(open(&secret)["failed"], "MEGOLM_UNKNOWN_INBOUND_SESSION_ID");
    let all = people.history("alice", room);
    let sent = ["hello", "bold", "* better", "once", "from alice", "from bob"];
    assert_eq!(texts(&all), [&sent[..], &["after", "later", "without bob"]].concat());
    no_key_twice(&all);
    server.run(&["content", "remove-room", room, "--force"]).success();

    let room = &a_bot_is_read_and_a_room_has_keys_as_often_as_it_says(server, &mut people);
    people_are_verified_by_a_fingerprint_and_by_emoji(server, &mut people);
    keys_come_back_from_the_backup_also_in_other_clients(server, &mut people, room);
    with_nio(server, packages.join().unwrap(), &mut people);
}

/// A bot has a device from the beginning; what was said before it was invited stays closed, and it is said why.
fn a_bot_is_read_and_a_room_has_keys_as_often_as_it_says(
    server: &Instance,
    people: &mut People,
) -> String {
    const EVERY_THREE: &str = r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":3}"#;
    server.run(&["content", "add-bot", "sealer"]).success();
    let room = &room_of(server, "Sealed bot", &["alice.sealed"]);
    people.join("alice", room);
    people.say("alice", room, "before");
    server.run(&["content", "send-state", room, "m.room.encryption", EVERY_THREE]).success();
    server.run(&["content", "invite", room, "sealer"]).success();
    server.run(&["content", "join-room", room, "--as", "sealer"]).success();
    for n in 0..7 {
        send(server, room, &["--as", "sealer", &format!("number {n}")]);
    }
    let all = people.history("alice", room);
    assert_eq!(texts(&all[1..]), [0, 1, 2, 3, 4, 5, 6].map(|n| format!("number {n}")));
    let indices: Vec<u64> = all[1..].iter().map(|event| used(event).1).collect();
    assert_eq!(indices, [0, 1, 2, 0, 1, 2, 0]);
    no_key_twice(&all);
    let page = server.run(&["content", "read-messages", room, "--as", "sealer"]).success();
    let page = page.says("number 6").says("its key was never sent to this device");
    assert!(!page.stdout.contains("before\n"), "{page}");
    people.say("alice", room, "to the bot");
    let page = server.run(&["content", "read-messages", room, "--as", "sealer"]).success();
    page.says("to the bot");
    room.clone()
}

/// Who speaks here without a client of their own has what they need to use one later, and who has one can have this
/// program go on with what that one made.
fn keys_come_back_from_the_backup_also_in_other_clients(
    server: &Instance,
    people: &mut People,
    before: &str,
) {
    for user in ["dora.sealed", "erin.sealed"] {
        add(server, user);
    }
    let room = &room_of(server, "Sealed backup", &["dora.sealed", "erin.sealed"]);
    people.ask(
        "enter",
        "erin",
        json!({
            "user": "erin.sealed", "password": PASSWORD, "own": true, "backup": true,
        }),
    );
    people.join("erin", room);
    server.run(&["content", "join-room", room, "--as", "dora.sealed"]).success();
    let hers = send(server, room, &["from dora", "--as", "dora.sealed"]);
    people.reads("erin", room, &hers, "from dora");
    let keys = ["content", "keys", "backup", "--as", "dora.sealed", "--format", "json"];
    assert_eq!(server.run(&keys).success().json()["recovery_key"], "*****");
    let backup = server.run(&[&keys[..], &["--show-secrets"]].concat()).success().json();
    assert_eq!(backup["keys"], 1, "{backup}");
    let dora = json!({
        "user": "dora.sealed", "password": PASSWORD, "recover": true,
        "recovery_key": backup["recovery_key"],
    });
    assert_eq!(people.ask("enter", "dora", dora)["signed"], true);
    people.reads("dora", room, &hers, "from dora");

    // What erin's client made is not touched, until somebody types what opens it.
    let restore = ["content", "keys", "restore", "--as", "erin.sealed"];
    server.run(&restore).exits(1).says("was made by another program").says("--recovery-key-file");
    server.run(&["content", "keys", "backup", "--as", "erin.sealed"]).exits(1);
    server.run(&["status"]).success().says("is not signed").says("--as @erin.sealed");
    let theirs = backup["recovery_key"].as_str().unwrap();
    let wrong = file(&server.data, "wrong.key", theirs.as_bytes());
    let with = ["--recovery-key-file", wrong.to_str().unwrap()];
    let said = server.run(&[&restore[..], &with].concat()).exits(1);
    said.says("does not open the account's secret storage");
    let key = people.ask("recovery_key", "erin", json!({ "user": "erin.sealed" }));
    let key = file(&server.data, "erin.key", key["recovery_key"].as_str().unwrap().as_bytes());
    let with = ["--recovery-key-file", key.to_str().unwrap(), "--format", "json"];
    let json = [&restore[..], &with].concat();
    wait_for("her client has backed up what she has read", || {
        let restored = server.run(&json).success().json();
        assert_eq!(restored["signed"], true, "{restored}");
        restored["keys"] == 1
    });
    let page = server.run(&["content", "read-messages", room, "--as", "erin.sealed"]).success();
    page.says("from dora");
    let signed = send(server, room, &["from erin", "--as", "erin.sealed"]);
    people.reads("dora", room, &signed, "from erin");
    assert!(!server.run(&["status"]).success().stdout.contains("not signed"));

    // Of somebody without a backup the keys are with their own client, which is asked for them.
    let key = people.ask("recovery_key", "alice", json!({ "user": "alice.sealed" }));
    let key = file(&server.data, "alice.key", key["recovery_key"].as_str().unwrap().as_bytes());
    let with = ["--as", "alice.sealed", "--recovery-key-file", key.to_str().unwrap()];
    let said = server.run(&[&["content", "keys", "restore"], &with[..]].concat()).success();
    said.says("has 0 keys");
    let page = || server.run(&["content", "read-messages", before, "--as", "alice.sealed"]);
    wait_for("she is sent them", || page().success().stdout.contains("number 6\n"));
}

const ONLY: &str = "--only-verified";

/// Who acts where nobody else is named.
fn sent_by(server: &Instance) -> String {
    server.json(&["content", "verify"])["by"].as_str().unwrap().to_owned()
}

/// The device with which this program acts as the operator.
fn own_device(server: &Instance) -> String {
    let shown = server.json(&["content", "verify"]);
    let devices = shown["devices"].as_array().unwrap().iter();
    let mut ids = devices.filter_map(|it| it["device_id"].as_str());
    ids.find(|id| id.starts_with("RMS_")).unwrap().to_owned()
}

fn people_are_verified_by_a_fingerprint_and_by_emoji(server: &Instance, people: &mut People) {
    let id = |user: &str| format!("@{user}:test.example");
    let (alice, bob, carol) = (id("alice.sealed"), id("bob.sealed"), id("carol.sealed"));
    let is_verified = |user: &str| server.json(&["content", "verify", user])["verified"] == true;

    // By a fingerprint, which scripts can.
    let shown = server.json(&["content", "verify", "carol.sealed"]);
    let devices = shown["devices"].as_array().unwrap();
    let of = |key: &str| devices.iter().filter(|it| it[key] == true).count();
    assert_eq!((devices.len(), of("signed"), of("gets_keys"), of("verified")), (2, 1, 1, 0));
    let known = people.ask("fingerprints", "carol-2", json!({}));
    let (key, other) = (known["identity"].as_str().unwrap(), known["device"].as_str().unwrap());
    let wrong = server.run(&["content", "verify", &carol, "--fingerprint", other]).exits(1);
    wrong.says("has another fingerprint").says(&key[..4]);
    assert!(!is_verified(&carol));
    server.run(&["content", "verify", &carol, "--fingerprint", key]).success();
    server.run(&["content", "verify", &carol, "--fingerprint", key]).exits(2);
    assert!(is_verified(&carol));
    server.run(&["content", "verify", "sealer", "--kept"]).success().says("is verified");
    server.run(&["content", "verify", &alice, "--kept"]).exits(1).says("nothing is kept here");
    let refused = server.run(&["content", "verify", &alice, "--emoji"]).exits(1);
    refused.says("--fingerprint KEY` does it for scripts");

    // By emoji, in the direct room, asked from here: first they differ.
    let sent = server.json(&["content", "send-message", &alice, "good morning"]);
    let direct = sent["room_id"].as_str().unwrap();
    people.join("alice", direct);
    for is in [false, true] {
        let mut here = Terminal::of(server, &["content", "verify", &alice, "--emoji"]);
        let shown = people.ask("compare", "alice", json!({ "user_id": alice }));
        here.compare(&shown, is);
        if is {
            let same = people.ask("same", "alice", json!({ "is": true }));
            assert_eq!(same["failed"], Value::Null);
            here.ends(0, "is verified");
        } else {
            here.ends(1, "is not verified: what both see is not the same");
        }
        assert_eq!(is_verified(&alice), is);
    }
    let operator = &sent_by(server);
    assert_eq!(people.ask("trusts", "alice", json!({ "user_id": operator }))["verified"], true);

    // What only those may read who are verified.
    let room = &room_of(server, "Verified", &["alice.sealed", "bob.sealed"]);
    for name in ["alice", "bob"] {
        people.join(name, room);
    }
    let only = ["content", "send-message", room, ONLY, "for the verified"];
    let refused = server.run(&only).exits(1).says("is verified: @bob.sealed:test.example\n");
    refused.says("`content verify '@bob.sealed:test.example'`");
    assert!(server.bodies(room).is_empty());
    let make = ["content", "create-room", "In the clear", "--no-encryption", "-q"];
    let plain = server.run(&make).success().line().to_owned();
    server.run(&["content", "send-message", &plain, ONLY, "x"]).exits(1).says("is not encrypted");

    // Asked from there: in the room, and from device to device.
    let device = own_device(server);
    let by_room = ("alice", &alice, json!({ "user_id": operator, "room": direct }));
    let by_device = ("bob", &bob, json!({ "user_id": operator, "device_id": device }));
    for (name, user, asks) in [by_room, by_device] {
        let mut here = Terminal::of(server, &["content", "verify", user, "--emoji", "--wait"]);
        here.waits();
        let shown = people.ask("compare", name, asks);
        here.compare(&shown, true);
        assert_eq!(people.ask("same", name, json!({ "is": true }))["failed"], Value::Null);
        here.ends(0, "is verified");
    }
    assert!(is_verified(&bob));
    let sent = send(server, room, &[ONLY, "for the verified"]);
    for name in ["alice", "bob"] {
        people.reads(name, room, &sent, "for the verified");
    }

    // Another device of the same person: it hands on with what others are signed.
    let own = ["content", "verify", "--as", "alice.sealed"];
    let mut here = Terminal::of(server, &[&own[..], &["--emoji"]].concat());
    let shown = people.ask("compare", "alice", json!({}));
    here.compare(&shown, true);
    assert_eq!(people.ask("same", "alice", json!({ "is": true }))["failed"], Value::Null);
    here.ends(0, "know each other");
    let devices = server.json(&own)["devices"].clone();
    let signed = devices.as_array().unwrap().iter().filter(|it| it["signed"] == true);
    assert_eq!(signed.count(), 3, "{devices}");
    // It does so at the latest when it says something: until then it has no session with the new device.
    people.say("alice", room, "from a person");
    let words = ["content", "verify", &carol, "--fingerprint", key, "--as", "alice.sealed"];
    server.run(&words).success().says("is verified");

    // Whoever has another identity now is sent nothing until somebody says so.
    let room = &room_of(server, "Changed", &["carol.sealed"]);
    people.join("carol-2", room);
    send(server, room, &["to carol"]);
    let again = json!({ "user": "carol.sealed", "password": PASSWORD });
    people.ask("reset", "carol-2", again);
    let refused = server.run(&["content", "send-message", room, "to whom?"]).exits(1);
    refused.says("the identity that was verified of @carol.sealed:test.example is another now");
    assert_eq!(server.json(&["content", "verify", &carol])["identity_changed"], true);
    server.run(&["content", "verify", &carol, "--forget"]).success();
    let sent = send(server, room, &["to carol again"]);
    people.reads("carol-2", room, &sent, "to carol again");
}

/// It has no identities: it reads nothing of us until another client of the same person has signed its device. What it
/// says is read in any case.
fn with_nio(server: &Instance, packages: TempDir, people: &mut People) {
    let mut nio = People::with_nio(server, packages);
    let room = &room_of(server, "Sealed for nio", &["alice.sealed"]);
    let device = nio.enter("alice", "alice.sealed", "unsigned")["device_id"].clone();
    nio.join("alice", room);
    let unsigned = send(server, room, &["unsigned"]);
    assert_eq!(nio.cannot_read("alice", room, &unsigned), "EncryptionError");
    nio.say("alice", room, "from nio");
    // It compares without requests, whoever begins.
    let (user, operator) = ("@alice.sealed:test.example", sent_by(server));
    let here = own_device(server);
    let device_id = device.as_str().unwrap();
    for (words, with) in [
        (["--bare", device_id], json!({ "user_id": operator })),
        (["--wait", "--timeout=60"], json!({ "user_id": operator, "device_id": here })),
    ] {
        let words = [&["content", "verify", user, "--emoji"], &words[..]].concat();
        let mut here = Terminal::of(server, &words);
        if words.contains(&"--wait") {
            here.waits();
        }
        let shown = nio.ask("compare", "alice", with);
        here.compare(&shown, true);
        assert_eq!(nio.ask("same", "alice", json!({}))["failed"], Value::Null);
        here.ends(0, "is verified");
    }
    let only = send(server, room, &["only", ONLY]);
    nio.reads("alice", room, &only, "only");
    people.ask("sign", "alice", json!({ "device_id": device }));
    let signed = send(server, room, &["signed"]);
    nio.reads("alice", room, &signed, "signed");
    let bodies = ["unsigned", "from nio", "only", "signed"];
    assert_eq!(server.bodies(room), bodies);

    // Files with keys, both ways.
    let (ours, theirs) = (server.data.join("ours.txt"), server.data.join("theirs.txt"));
    let passphrase = file(&server.data, "passphrase", PASSWORD.as_bytes());
    let keys = |action, path: &Path, user| {
        let (path, passphrase) = (path.to_str().unwrap(), passphrase.to_str().unwrap());
        let words =
            ["content", "keys", action, path, "--passphrase-file", passphrase, "--as", user];
        server.run(&words).success()
    };
    keys("export", &ours, "operator");
    nio.ask("take", "alice", json!({ "file": ours, "passphrase": PASSWORD }));
    nio.reads("alice", room, &unsigned, "unsigned");
    nio.ask("export", "alice", json!({ "file": theirs, "passphrase": PASSWORD }));
    server.run(&["content", "invite", room, "sealer"]).success();
    server.run(&["content", "join-room", room, "--as", "sealer"]).success();
    keys("import", &theirs, "sealer").says("new to @sealer");
    let page = server.run(&["content", "read-messages", room, "--as", "sealer"]).success();
    page.says("unsigned\n").says("from nio\n").says("signed\n");

    // Where all devices are given keys, one that nobody has verified still reads nothing that is for those alone.
    nio.enter("late", "alice.sealed", "unsigned");
    server.run(&["config", "set", "encryption.share_with", "all"]).success();
    server.run(&["manage", "restart"]).success();
    let all = send(server, room, &["all"]);
    nio.reads("late", room, &all, "all");
    let only = send(server, room, &["only", ONLY]);
    nio.reads("alice", room, &only, "only");
    assert_eq!(nio.cannot_read("late", room, &only), "EncryptionError");
}

/// Sends ten by themselves and ten lines of a file in turns, each again until it is sent. The process that does is kept where
/// it can be killed.
fn send_all(server: &Instance, room: &str, all: &[String], now: &Mutex<Option<u32>>) {
    let until_sent = |words: &[&str]| loop {
        let mut command = server.command();
        command.args(["content", "send-message", room, "-q"]).args(words);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        *now.lock().unwrap() = Some(child.id());
        // While it is not waited for, its id is nobody else's.
        wait_for("it has ended", || {
            let mut now = now.lock().unwrap();
            let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
            let has_ended = stat.contains(") Z ");
            if has_ended {
                *now = None;
            }
            has_ended
        });
        if child.wait().unwrap().success() {
            break;
        }
    };
    for (n, texts) in all.chunks(10).enumerate() {
        if n % 2 == 0 {
            for text in texts {
                until_sent(&[text, "--transaction-id", &text.replace(' ', "-")]);
            }
        } else {
            let lines = file(&server.data, "sealed.txt", texts.join("\n").as_bytes());
            until_sent(&["--file", lines.to_str().unwrap()]);
        }
    }
}

#[test]
fn whatever_is_killed_each_sealed_message_arrives_once_in_order_and_no_key_is_used_twice() {
    let seed = number("RMS_CHAOS_SEED", 7);
    let messages = number("RMS_SEALED_MESSAGES", 40);
    let mut random = StdRng::seed_from_u64(seed);
    let lent = server();
    let server: &Instance = &lent;
    add(server, "alice.killed");
    let room = &room_of(server, "Sealed and killed", &["alice.killed"]);
    let mut people = People::come(server);
    people.enter("alice", "alice.killed", "own");
    people.join("alice", room);
    let all: Vec<String> = (0..messages).map(|n| format!("message {n}")).collect();
    let (now, over) = (Mutex::new(None), AtomicBool::new(false));
    let mut killed = [0; 3];
    thread::scope(|scope| {
        scope.spawn(|| {
            send_all(server, room, &all, &now);
            over.store(true, Ordering::Relaxed);
        });
        while !over.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(random.random_range(100..600)));
            let victim = random.random_range(0..10);
            match victim {
                0 => kill_9(server.pid("synapse")),
                1..=4 => match running(server, "crypto") {
                    Some(pid) => kill_9(pid),
                    // It waits to be started again.
                    None => continue,
                },
                _ => {
                    if let Some(now) = *now.lock().unwrap() {
                        kill_9(now);
                        killed[2] += 1;
                    }
                    continue;
                }
            }
            killed[usize::from(victim > 0)] += 1;
            // What ends again and again is left alone for longer and longer, unless somebody asks for it.
            drop(server.run(&["manage", "start"]));
        }
    });
    // Her client comes back to a server that was killed when it likes to, and the last keys are under way until then.
    let begun = Instant::now();
    let events = loop {
        let events = people.history("alice", room);
        let is_late = begun.elapsed() > Duration::from_secs(30);
        if is_late || events.iter().all(|event| event["failed"].is_null()) {
            break events;
        }
        thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(texts(&events), all, "seed {seed}, killed {killed:?}");
    no_key_twice(&events);
    assert!(killed[1] > 0 && killed[2] > 0, "seed {seed}, killed {killed:?}");
    if messages < 1_000 {
        assert_eq!(server.bodies(room), all, "seed {seed}");
    }
    a_store_that_is_put_back_or_lost_uses_no_key_twice(server, &mut people, room);
}

/// What has it goes on as another device, which is signed as the first was, and who is in the room reads it.
fn a_store_that_is_put_back_or_lost_uses_no_key_twice(
    server: &Instance,
    people: &mut People,
    room: &str,
) {
    let store = server.data.join("crypto");
    let copy = tempfile::tempdir().unwrap();
    let again = |with: &dyn Fn()| {
        server.run(&["manage", "stop", "crypto"]).success();
        fs::remove_dir_all(&store).unwrap();
        with();
        server.run(&["manage", "start", "crypto"]).success();
    };
    copied(&store, &copy.path().join("crypto"));
    send(server, room, &["sent since"]);
    // Of a room that is newer than the copy there is nothing in it.
    let newer = &room_of(server, "Sealed since", &["alice.killed"]);
    people.join("alice", newer);
    send(server, newer, &["sent since"]);
    again(&|| copied(&copy.path().join("crypto"), &store));
    let event = send(server, newer, &["put back"]);
    people.reads("alice", newer, &event, "put back");
    no_key_twice(&people.history("alice", newer));
    let event = send(server, room, &["put back"]);
    people.reads("alice", room, &event, "put back");
    again(&|| ());
    let event = send(server, room, &["lost"]);
    people.reads("alice", room, &event, "lost");
    no_key_twice(&people.history("alice", room));
    // The backup at the homeserver has what the new device was never sent.
    let read = server.run(&["content", "read-messages", room, "--limit", "3"]).success();
    read.says("lost").says("put back").says("sent since");
}

fn copied(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(done.success());
}

/// The process of a service, while it has one.
fn running(server: &Instance, service: &str) -> Option<u32> {
    let state = fs::read(server.data.join("run/state.json")).ok()?;
    let state: Value = serde_json::from_slice(&state).ok()?;
    u32::try_from(state["services"][service]["pid"].as_u64()?).ok()
}
