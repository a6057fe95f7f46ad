//! What the commands say of a damaged session, of a program that is no homeserver, and of input that
//! no server has to see.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::common::{Person, Said};

const ROOM: &str = "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM";

fn session(url: &str) -> String {
    format!(
        r#"{{"url":"{url}","server_name":"x.org","user_id":"@op:x.org","device_id":"D","access_token":"syt_x"}}"#
    )
}

fn with_session(content: impl AsRef<[u8]>) -> Person {
    let person = Person::new();
    fs::create_dir_all(person.data().join("secrets")).unwrap();
    fs::write(person.data().join("secrets/operator.json"), content).unwrap();
    person
}

/// Reads a whole request, in small letters: what is left unread at the end resets the connection.
fn read_request(stream: &mut TcpStream) -> String {
    let (mut read, mut part) = (Vec::new(), [0; 8192]);
    while let Ok(length @ 1..) = stream.read(&mut part) {
        read.extend_from_slice(&part[..length]);
        let text = String::from_utf8_lossy(&read).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let wanted = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= wanted.map_or(0, |length| length.parse().unwrap()) {
            return text;
        }
    }
    String::new()
}

fn refused(said: &Said, what: &str) {
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""), "{said}");
    assert!(said.stderr.contains(what) && !said.stderr.contains("panicked"), "{said}");
}

#[test]
fn a_damaged_session_is_called_so_with_what_to_do() {
    let whole = session("http://127.0.0.1:9");
    let damaged: [Vec<u8>; 4] = [
        session("http:// a b").into(),
        whole.replace("syt_x", "syt\\nx").into(),
        whole[..whole.len() / 2].into(),
        b"\xff\xfe".to_vec(),
    ];
    for content in damaged {
        let said = with_session(content).runs(&["content", "send-message", ROOM, "hi"]);
        refused(&said, "operator.json` is damaged");
        assert!(said.stderr.contains("`manage start` creates it again"), "{said}");
    }
}

#[test]
fn a_program_that_answers_everything_with_nothing_is_no_success() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let person = with_session(session(&format!("http://{}", listener.local_addr().unwrap())));
    // Ends with this process: it only waits for the next connection.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            read_request(&mut stream);
            drop(
                stream.write_all(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
                ),
            );
        }
    });
    for (words, why) in [
        (&["content", "create-room", "R"][..], "answered something unexpected"),
        (&["content", "read-messages", ROOM], "answered something unexpected"),
        // Such an answer has a room, too, that somebody encrypted and did not say how.
        (&["content", "send-message", ROOM, "hi"], "has no `algorithm`"),
    ] {
        refused(&person.runs(words), why);
    }
}

#[test]
fn a_stopped_servers_token_goes_to_nobody_else() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let person = with_session(session(&format!("http://{}", listener.local_addr().unwrap())));
    fs::create_dir_all(person.data().join("run")).unwrap();
    // Also where an uninstall kept the data, and only an install brings the server back.
    let nobody_is_asked = |hint: &str| {
        for words in [
            &["content", "send-message", ROOM, "hi"][..],
            &["content", "add-user", "al"],
            &["content", "execute", "--name", "GET /_synapse/admin/v1/server_version"],
        ] {
            let said = person.runs(words);
            refused(&said, "it does not run");
            assert!(said.stderr.contains(hint), "{said}");
        }
    };
    // What a supervisor leaves behind; its process is another one by now.
    let lock = person.data().join("run/supervisor.lock");
    fs::write(&lock, format!("`daemon supervise` (pid {})\n", std::process::id())).unwrap();
    nobody_is_asked("hint: `manage install --start` installs and starts it");
    for folder in ["environments/synapse", "synapse"] {
        fs::create_dir_all(person.data().join(folder)).unwrap();
    }
    for file in ["synapse/homeserver.yaml", "instance.env"] {
        fs::write(person.data().join(file), "").unwrap();
    }
    nobody_is_asked("hint: `manage start` starts it");
    // Its supervisor lives, and it alone was stopped.
    let held = fs::File::open(&lock).unwrap();
    held.lock().unwrap();
    fs::create_dir(person.data().join("run/down")).unwrap();
    fs::write(person.data().join("run/down/synapse"), "").unwrap();
    nobody_is_asked("hint: `manage start` starts it");
    assert!(listener.accept().is_err(), "somebody was asked");
}

/// A homeserver that answers a request so: its status and its body.
fn answering(answer: impl Fn(&str) -> (&'static str, &'static str) + Send + 'static) -> Person {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let person = with_session(session(&format!("http://{}", listener.local_addr().unwrap())));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (status, body) = answer(&read_request(&mut stream));
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    person
}

const TAKEN: (&str, &str) = ("200 OK", r#"{"event_id":"$e"}"#);
const NOT_THERE: (&str, &str) = ("404 Not Found", r#"{"errcode":"M_NOT_FOUND","error":"no"}"#);

/// A homeserver that takes every message.
fn accepting() -> Person {
    answering(|request| if request.starts_with("put ") { TAKEN } else { NOT_THERE })
}

#[test]
fn lines_that_were_not_all_sent_are_sent_by_the_same_command_and_none_twice() {
    let (asked, is_mended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
    let (heard, mended) = (Arc::clone(&asked), Arc::clone(&is_mended));
    let person = answering(move |request| {
        if !request.starts_with("put ") {
            let is_joined = request.contains("/joined_members");
            return if is_joined { ("200 OK", r#"{"joined":{}}"#) } else { NOT_THERE };
        }
        let path = request.split(' ').nth(1).unwrap();
        heard.lock().unwrap().push(path.rsplit('/').next().unwrap().to_owned());
        if request.contains("two") && !mended.load(Ordering::Relaxed) {
            return ("403 Forbidden", r#"{"errcode":"M_FORBIDDEN","error":"no"}"#);
        }
        TAKEN
    });
    let lines = "\n{\"text\":\"one\"}\n\n{\"text\":\"two\"}\n{\"text\":\"three\"}\n";
    fs::write(person.home().join("lines"), lines).unwrap();
    let words = ["content", "send-message", ROOM, "--jsonl", "lines", "--quiet"];
    let said = person.runs(&words);
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), "$e\n"), "{said}");
    assert!(said.stderr.contains("1 of 3 lines were sent, but not line 4 of `lines`"), "{said}");
    let hint = format!("`content send-message '{ROOM}' --jsonl 'lines'` sends the rest and none");
    assert!(said.stderr.contains(&hint), "{said}");
    is_mended.store(true, Ordering::Relaxed);
    for _ in 0..2 {
        let said = person.runs(&words);
        assert_eq!((said.code, said.stdout.as_str()), (Some(0), "$e\n$e\n$e\n"), "{said}");
    }
    let asked = asked.lock().unwrap();
    let [first, again, anew] = [&asked[..2], &asked[2..5], &asked[5..8]];
    assert_eq!(first, &again[..2], "{asked:?}");
    assert_ne!(again, anew);
}

#[test]
fn nothing_is_left_to_be_sent_as_somebody_whom_the_homeserver_does_not_know() {
    let words = ["content", "send-message", ROOM, "hi", "--queue", "--as", "nobody"];
    let said = accepting().runs(&words);
    refused(&said, "there is no user `@nobody:x.org`");
    // Where it cannot be asked, that is found out later.
    let said = with_session(session("http://127.0.0.1:9")).runs(&words);
    assert!(said.code == Some(0) && said.stdout.starts_with("queued Q"), "{said}");
}

#[test]
fn where_no_file_may_grow_it_is_said_how_it_may() {
    let person = with_session(session("http://127.0.0.1:9"));
    let program = assert_cmd::cargo::cargo_bin!("resource-matrix-synapse").to_str().unwrap();
    let line =
        format!("ulimit -f 0; exec {program} content send-message '{ROOM}' hi --queue | cat");
    let output = person.command("bash").args(["-c", &line]).output().unwrap();
    let said = person.said(&output);
    assert!(said.stderr.contains("cannot write `~"), "{said}");
    assert!(said.stderr.contains("`ulimit -f unlimited` lets them"), "{said}");
}

#[test]
fn a_notice_whose_transaction_id_had_another_text_is_refused() {
    let person = answering(|request| {
        if request.starts_with("put ") {
            return TAKEN;
        }
        let body = if request.contains("/fetch_event/") {
            r#"{"event":{"content":{"msgtype":"m.text","body":"one","m.mentions":{}}}}"#
        } else {
            r#"{"name":"@al:x.org"}"#
        };
        ("200 OK", body)
    });
    let notice = |text| {
        person.runs(&["content", "send-notice", "al", text, "--transaction-id", "n1", "--quiet"])
    };
    let said = notice("one");
    assert_eq!(said.stdout, "$e\n", "{said}");
    refused(&notice("two"), "the transaction id `n1` was used before");
}

#[test]
fn what_several_drop_at_once_is_counted_once() {
    let person = with_session(session("http://127.0.0.1:9"));
    let lines: String = (0..40).map(|number| format!("{number}\n")).collect();
    fs::write(person.home().join("lines"), lines).unwrap();
    let words = ["content", "send-message", ROOM, "--file", "lines", "--queue", "--json"];
    assert_eq!(person.runs(&words).json()["total"], 40);
    let dropped = std::thread::scope(|scope| {
        let drop_all = || {
            let said = person.types("content queue drop --waiting --json").json();
            let changed = said["changed"].as_u64().unwrap();
            assert_eq!(said["messages"].as_array().unwrap().len() as u64, changed);
            changed
        };
        let all: Vec<_> = (0..4).map(|_| scope.spawn(drop_all)).collect();
        all.into_iter().map(|one| one.join().unwrap()).sum::<u64>()
    });
    assert_eq!(dropped, 40);
}

#[test]
fn a_message_that_was_sent_is_known_although_the_answer_cannot_be_written() {
    let person = accepting();
    let program = assert_cmd::cargo::cargo_bin!("resource-matrix-synapse").to_str().unwrap();
    let sent = |how: &str, format: &str| {
        let line = format!(
            "{how}; exec {program} content send-message '{ROOM}' hi --transaction-id t1 {format}"
        );
        let output = person.command("bash").args(["-c", &line]).output().unwrap();
        person.said(&output)
    };
    // A file that may not grow, a full disk: also where the answer is for a machine.
    for (how, why) in [
        ("ulimit -f 0; exec >answer", "File too large"),
        ("exec >/dev/full", "No space left on device"),
    ] {
        for format in ["", "-q", "--json", "--format=yaml"] {
            let said = sent(how, format);
            assert_eq!(said.code, Some(1), "{how}\n{said}");
            for part in [why, "event_id $e", "--transaction-id t1"] {
                assert!(said.stderr.contains(part), "{how}\n{said}");
            }
        }
    }
    // Nobody asks for the answer.
    for how in ["exec >&-", "exec >/dev/null"] {
        assert_eq!(sent(how, "").to_string(), "", "{how}");
    }
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_is_asked() {
    let person = with_session(session("http://127.0.0.1:9"));
    let file = person.data().join("a.txt");
    fs::write(&file, "x").unwrap();
    let file = file.to_str().unwrap();
    let items = person.data().join("items.yaml");
    fs::write(&items, "[{name: '@first'}, {name: second}]").unwrap();
    let cats = person.data().join("cats.yaml");
    fs::write(&cats, "[{name: tom, type: cat}]").unwrap();
    let (items, cats) = (items.to_str().unwrap(), cats.to_str().unwrap());
    let export = ["content", "keys", "export", "--passphrase-file", file];
    for (words, why) in [
        (&["content", "send-message", ROOM, "hi", "--transaction-id", ".."][..], "transaction id"),
        (&["content", "send-message", ROOM, " \r\n"], "blank"),
        (&["content", "send-message", ROOM, "hi", "--reply-to", "x"], "event id `x`"),
        (&["content", "redact-message", ROOM, "$x"], "event id `$x`"),
        (&["content", "edit-message", ROOM, "$x", "hi"], "event id `$x`"),
        (&["content", "send-media", ROOM, file, "--mime", "garbage"], "MIME type `garbage`"),
        (&["content", "send-media", ROOM, file, "--mime", ""], "MIME type"),
        (&["content", "list-users", "--as", "nobody"], "--as"),
        (&["content", "add", "--type", "bot", "--name", "b", "--as", "nobody"], "leave `--as` out"),
        (&["content", "remove", "--name", "ops"], "say which: `--type room` or `--type user`"),
        (&["content", "remove", "--name", "ops", "-q"], "`ops` may be a room or a user"),
        (&["content", "remove", "--name", "ops"], "`--force` removes what has that name"),
        (&["content", "add", "--name", "ops"], "`ops` may be a user, bot, room or message"),
        (&["content", "add", "--name", "ops"], "`--type user`, `bot`, `room` or `message`"),
        (&["content", "add", "--name", "!ops"], "an id, which the server gives a room"),
        (&["content", "add", "--file", items], "`second` may be a user, bot, room or message"),
        (&["content", "add", "--file", cats], "no content of the type `cat`"),
        (&["content", "add-user", "a", "--display-name", "a\nb"], "control characters"),
        (&["content", "send-message", "#x:other.example", "hi"], "another server"),
        (&["config", "set", "synapse.room_version", ""], "must be a version of rooms such as"),
        (&["content", "listen", "--type", ""], "`` is no type of an event"),
        (&["content", "listen", "--since", "2100-01-01T00:00:00Z"], "still to come"),
        (&["content", "download-media", "mxc://x.org/a", "--out", "no/a"], "no folder `no`"),
        (&["content", "download-media", "mxc://x.org/a", "--out", "no/"], "no folder `no/`"),
        (&["content", "download-media", "mxc://x.org/a/b"], "must be the address of a file"),
        (&["content", "download-media", "report.pdf"], "`report.pdf` is no address of a file"),
        (
            &["content", "download-media", "mxc://x.org/a", "$x"],
            "is the address of a file, not a room",
        ),
        (&["content", "download-media", ROOM, "$x"], "event id `$x`"),
        (&["content", "send-event", ROOM, "org.x", r#"{"a": 1.5}"#], "has the number 1.5"),
        (&["content", "send-state", ROOM, "m.room.encryption", "{}"], "content encrypt-room ROOM"),
        (&[&export[..], &[file]].concat(), "a.txt` is there already"),
        (&[&export[..], &[file, "--dry-run"]].concat(), "`--force` replaces it"),
        (&["content", "keys", "backup", "--force"], "leave `--force` out"),
    ] {
        refused(&person.runs(words), why);
    }
}

#[test]
fn a_type_that_there_is_not_is_named_with_those_that_the_command_knows() {
    let person = Person::new();
    for (line, types) in [
        ("content list --type bogus", "hint: the types are user, bot, room and hook\n"),
        ("content get --type bogus --name x", "hint: the types are user, bot, room and hook\n"),
        ("content remove --type bogus --name x", "hint: the types are user, bot, room and hook\n"),
        ("content add --type bogus --name x", "hint: the types are user, bot, room and message\n"),
    ] {
        let said = person.types(line);
        refused(&said, "no content of the type `bogus`");
        assert!(said.stderr.contains(types), "{said}");
    }
}

#[test]
fn what_a_request_waits_for_is_shown_on_a_terminal_and_nowhere_else() {
    let person = with_session(session("http://127.0.0.1:9"));
    let program = assert_cmd::cargo::cargo_bin!("resource-matrix-synapse");
    let terminal = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";
    let on_terminal = |words: &[&str]| {
        let mut command = person.command("python3");
        command.args(["-c", terminal]).arg(program).args(words).env("TERM", "xterm");
        person.said(&command.output().unwrap())
    };
    let waits = "waiting: the homeserver cannot be reached";
    let said = on_terminal(&["content", "list-rooms"]);
    assert!(said.code == Some(1) && said.stdout.contains(waits), "{said}");
    for words in [&["content", "list-rooms", "--json"][..], &["content", "list-rooms", "-q"]] {
        let said = on_terminal(words);
        assert!(said.code == Some(1) && !said.stdout.contains(waits), "{said}");
    }
    let said = person.runs(&["content", "list-rooms"]);
    assert!(said.code == Some(1) && !said.to_string().contains(waits), "{said}");
}
