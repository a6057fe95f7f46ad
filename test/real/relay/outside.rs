//! The application's own database, which may be away, hang or be full; a second relay with it; and a homeserver that
//! hangs.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{ANN, ANN_IN_MATRIX, BOB, Relay, read_until};
use crate::{
    bridges::{sql, sql_in},
    common::{Instance, free_port, get, go_on, halt, wait_for},
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Cut,
    Laid,
    /// What is sent over it arrives when it is laid again.
    Slack,
    /// Whoever asks something over it is told by HTTP to come again after [`PAUSE`].
    Busy,
}

const PAUSE: Duration = Duration::from_millis(700);

/// A wire to a database or a homeserver.
#[derive(Clone)]
struct Wire(Arc<End>);

struct End {
    state: Mutex<State>,
    changed: Condvar,
    open: Mutex<Vec<TcpStream>>,
    /// When somebody was told to come again.
    refused: Mutex<Vec<Instant>>,
}

impl Wire {
    /// One that is cut yet, and the port of its end.
    fn to(database: u16) -> (Self, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let wire = Self(Arc::new(End {
            state: Mutex::new(State::Cut),
            changed: Condvar::new(),
            open: Mutex::default(),
            refused: Mutex::default(),
        }));
        let end = wire.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if end.is(State::Cut) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", database)) else { continue };
                end.0
                    .open
                    .lock()
                    .unwrap()
                    .extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                let asked = (near.try_clone().unwrap(), far.try_clone().unwrap());
                for (asks, (mut from, mut to)) in [(true, asked), (false, (far, near))] {
                    let end = end.clone();
                    thread::spawn(move || {
                        let mut some = [0; 8192];
                        while let Ok(count @ 1..) = from.read(&mut some) {
                            end.wait_while(State::Slack);
                            if asks && end.is(State::Busy) {
                                end.refuse(&mut from);
                                break;
                            }
                            if to.write_all(&some[..count]).is_err() {
                                break;
                            }
                        }
                        drop((from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)));
                    });
                }
            }
        });
        (wire, port)
    }

    fn is(&self, state: State) -> bool {
        *self.0.state.lock().unwrap() == state
    }

    /// Notes when somebody asked, and answers.
    fn refuse(&self, asks: &mut TcpStream) {
        self.0.refused.lock().unwrap().push(Instant::now());
        let wait = PAUSE.as_millis();
        let body =
            json!({ "errcode": "M_LIMIT_EXCEEDED", "error": "later", "retry_after_ms": wait });
        let body = body.to_string();
        let head = "HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nContent-Length:";
        drop(write!(asks, "{head} {}\r\n\r\n{body}", body.len()));
        drop(asks.shutdown(Shutdown::Write));
        drop(asks.read_to_end(&mut Vec::new()));
    }

    fn wait_while(&self, state: State) {
        drop(self.0.changed.wait_while(self.0.state.lock().unwrap(), |now| *now == state).unwrap());
    }

    fn set(&self, state: State) {
        *self.0.state.lock().unwrap() = state;
        self.0.changed.notify_all();
        if state == State::Cut {
            for stream in self.0.open.lock().unwrap().drain(..) {
                drop(stream.shutdown(Shutdown::Both));
            }
        }
    }
}

/// A relay on another machine.
struct Second {
    relay: Relay,
    process: Child,
    homeserver: Wire,
}

impl Second {
    fn of(first: &Relay, database: &str) -> Self {
        let mut server = Instance::empty("relay-second");
        let port = free_port();
        let (wire, end) = Wire::to(first.server.port);
        wire.set(State::Laid);
        let homeserver = format!("http://127.0.0.1:{end}");
        for (name, value) in [
            ("MATRIX_SYNAPSE_RELAY_PORT", &*port.to_string()),
            ("MATRIX_SYNAPSE_RELAY_PREFIX", "nova"),
            ("MATRIX_SYNAPSE_RELAY_SERVICE_USER", "nova-service"),
            ("MATRIX_SYNAPSE_RELAY_DATABASE_URL", database),
            ("MATRIX_SYNAPSE_RELAY_HOMESERVER", &homeserver),
        ] {
            server.variable(name, value);
        }
        let secrets = server.data.join("secrets");
        fs::create_dir_all(&secrets).unwrap();
        for folder in [&server.data, &secrets] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
        }
        for name in ["relay_as_token", "relay_hs_token"] {
            let from = first.server.data.join("secrets").join(name);
            fs::copy(from, secrets.join(name)).unwrap();
        }
        let process =
            server.command().args(["daemon", "relay"]).stderr(Stdio::null()).spawn().unwrap();
        wait_for("it takes chat", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok() && get(port, "/health").0 == 200
        });
        let relay = Relay { key: first.key.clone(), ..Relay::of(server, port) };
        Self { relay, process, homeserver: wire }
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn it_waits_for_the_applications_database_and_shares_it_with_other_relays() {
    let mut server = Instance::installed("relay-outside");
    let (wire, end) = Wire::to(server.ports[2]);
    let database = format!("postgres://app:app-password@127.0.0.1:{end}/app");
    let port = free_port();
    for (name, value) in [
        ("MATRIX_SYNAPSE_PROFILE", "relay"),
        ("MATRIX_SYNAPSE_RELAY_PORT", &*port.to_string()),
        ("MATRIX_SYNAPSE_RELAY_PREFIX", "nova"),
        ("MATRIX_SYNAPSE_RELAY_SERVICE_USER", "nova-service"),
        ("MATRIX_SYNAPSE_RELAY_DATABASE_URL", &database),
        ("MATRIX_SYNAPSE_PROBE_INTERVAL", "1s"),
        ("MATRIX_SYNAPSE_RESTARTS", "1000"),
    ] {
        server.variable(name, value);
    }
    // All else comes up; what is asked is refused, with the reason.
    server.run(&["manage", "start"]).success();
    let why = "nothing is accepted: the relay's database cannot be reached";
    wait_for("it says that it waits", || get(port, "/api/chat/conversations").1.contains(why));
    wait_for("so does status", || server.run(&["status"]).stdout.contains(why));
    sql(&server, "CREATE ROLE app LOGIN PASSWORD 'app-password'");
    sql(&server, "CREATE DATABASE app OWNER app");
    wire.set(State::Laid);
    wait_for("it is well when the database is there", || get(port, "/health").0 == 200);
    let mut relay = Relay::of(server, port);
    relay.key = relay.new_key();
    let relay = &relay;

    what_the_application_commits_is_told_and_nothing_else(relay);
    a_transaction_that_stays_open_keeps_only_its_own_conversation(relay);
    another_relay_tells_and_takes_what_this_one_does_not(relay, &database);
    a_database_that_is_full_hangs_or_goes_away_takes_nothing_and_loses_nothing(relay, &wire);
    a_homeserver_that_hangs_gets_all_of_it_once(relay);
    a_homeserver_that_has_lost_its_database_gets_rooms_and_people_again(relay);
}

fn what_the_application_commits_is_told_and_nothing_else(relay: &Relay) {
    let talk = relay.conversation();
    for (text, end) in [("in vain", "ROLLBACK"), ("for good", "COMMIT")] {
        let said = format!("SELECT relay.post_message('{talk}', '{ANN}', '{text}')");
        sql_in(&relay.server, "app", &format!("BEGIN; {said}; {end}"));
    }
    assert_eq!(relay.seen(&talk), [(ANN_IN_MATRIX.to_owned(), "for good".to_owned())]);
    // What a request would be refused for is refused here too.
    for (call, why) in [
        (format!("post_message('{talk}', '{ANN}', '')"), "no text"),
        (format!("post_message('{talk}', '{ANN}', repeat('x', 40000))"), "too long"),
        (format!("post_message('{talk}', '{ANN}', 'x', as_kind => 'image')"), "without a file"),
        (format!("put_user('{ANN}', repeat('n', 300))"), "1 to 255"),
        (format!("put_user('{ANN}', avatar => 'nonsense')"), "http://"),
        ("put_conversation(gen_random_uuid(), '..')".to_owned(), "a slug has"),
    ] {
        let call = format!(
            "DO $$ BEGIN PERFORM relay.{call}; RAISE 'it was taken';
            EXCEPTION WHEN SQLSTATE 'RL400' THEN IF SQLERRM NOT LIKE '%{why}%' THEN RAISE; END IF; END $$"
        );
        sql_in(&relay.server, "app", &call);
    }
    let made = "SELECT relay.put_conversation('550e8400-e29b-41d4-a716-446655440777', 'order-7')";
    sql_in(&relay.server, "app", made);
    assert_eq!(relay.history("order-7").len(), 0);
}

fn a_transaction_that_stays_open_keeps_only_its_own_conversation(relay: &Relay) {
    let (kept, free) = (relay.conversation(), relay.conversation());
    let say = |talk: &str| {
        let path = format!("/api/chat/conversations/{talk}/messages");
        let body = json!({ "sender_id": ANN, "plaintext": "hello" });
        let (status, answer) = relay.try_ask("POST", &path, &relay.key, "", &body).unwrap();
        (status, answer["detail"].as_str().unwrap_or_default().to_owned())
    };
    // What it takes away nobody has read yet, as nobody was told of it; it takes that back when it hears something.
    let script = "import sys, psycopg2
c = psycopg2.connect(host='127.0.0.1', port=sys.argv[1], user='app', dbname='app', password='app-password')
c.cursor().execute(sys.argv[2])
c.commit()
c.cursor().execute(sys.argv[3])
print('said', flush=True)
sys.stdin.readline()
c.rollback()";
    let id = "550e8400-e29b-41d4-a716-446655440999";
    let said =
        format!("SELECT relay.post_message('{kept}', '{BOB}', 'thinking', '{id}', aloud => false)");
    let undone = format!("SELECT relay.delete_message('{id}', '{BOB}')");
    let mut application = Command::new(relay.server.data.join("environments/synapse/bin/python"))
        .args(["-c", script, &relay.server.ports[2].to_string(), &said, &undone])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    application.stdout.as_mut().unwrap().read_exact(&mut [0; 4]).unwrap();
    thread::scope(|all| {
        // More than there are connections to the database.
        let waiting: Vec<_> = (0..20).map(|_| all.spawn(|| say(&kept))).collect();
        read_until(relay, &format!("conversation_id={free}"), "", "message.new", || {
            assert_eq!(say(&free).0, 201);
        });
        for one in waiting {
            let (status, why) = one.join().unwrap();
            assert_eq!((status, why.contains("has locked the conversation")), (503, true), "{why}");
        }
    });
    drop(application.stdin.take());
    assert!(application.wait().unwrap().success());
    let told = format!("/events?conversation_id={kept}");
    wait_for("nothing was taken away", || {
        relay.ask("GET", &told, &Value::Null).to_string().contains("thinking")
    });
    assert_eq!(say(&kept).0, 201);
    assert_eq!(relay.history(&kept).len(), 2);
}

fn another_relay_tells_and_takes_what_this_one_does_not(relay: &Relay, database: &str) {
    let second = Second::of(relay, database);
    let talk = relay.conversation();
    // Who reads along there hears what is said here, and the other way round.
    let query = format!("conversation_id={talk}");
    read_until(&second.relay, &query, "", "said here", || {
        relay.post(&talk, ANN, "said here");
    });
    read_until(relay, &query, "", "said there", || {
        second.relay.post(&talk, BOB, "said there");
    });
    let room = relay.room(&talk);
    relay.server.run(&["manage", "stop", "relay"]).success();
    second.relay.post(&talk, ANN, "while one is gone");
    let all = ["said here", "said there", "while one is gone"];
    wait_for("the other one tells it", || relay.server.bodies(&room) == all);
    a_homeserver_that_asks_for_a_pause_is_left_alone_that_long(&second, &talk);
    let all = [&all[..], &["hot", "hotter"]].concat();
    wait_for("then it has all in order", || relay.server.bodies(&room) == all);
    relay.server.run(&["content", "send-message", &room, "who is there?"]).success();
    relay.server.run(&["manage", "start"]).success();
    wait_for("what was said in Matrix meanwhile has come", || {
        second.relay.history(&talk).len() == 6 && relay.history(&talk).len() == 6
    });
}

fn a_homeserver_that_asks_for_a_pause_is_left_alone_that_long(second: &Second, talk: &str) {
    let refused = || second.homeserver.0.refused.lock().unwrap().clone();
    second.homeserver.set(State::Busy);
    for text in ["hot", "hotter"] {
        second.relay.post(talk, ANN, text);
    }
    wait_for("it is asked several times", || refused().len() >= 4);
    second.homeserver.set(State::Laid);
    for two in refused().windows(2) {
        assert!(two[1] - two[0] >= PAUSE, "{:?}", two[1] - two[0]);
    }
}

fn a_database_that_is_full_hangs_or_goes_away_takes_nothing_and_loses_nothing(
    relay: &Relay,
    wire: &Wire,
) {
    let talk = relay.conversation();
    let path = format!("/api/chat/conversations/{talk}/messages");
    let say = |text: &str| {
        let body = json!({ "sender_id": ANN, "plaintext": text });
        let key = format!("Idempotency-Key: {text}\r\n");
        let (status, answer) = relay.try_ask("POST", &path, &relay.key, &key, &body).unwrap();
        (status, answer["detail"].as_str().unwrap_or_default().to_owned())
    };
    sql_in(
        &relay.server,
        "app",
        "CREATE FUNCTION public.full() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER no_room BEFORE INSERT ON relay.messages EXECUTE FUNCTION public.full()",
    );
    let (status, why) = say("one");
    assert_eq!((status, why.contains("the disk of the database is full")), (507, true), "{why}");
    sql_in(&relay.server, "app", "DROP TRIGGER no_room ON relay.messages");
    assert_eq!(say("one").0, 201);

    wire.set(State::Slack);
    let (status, why) = say("two");
    // Whichever of them is late: who asks, or the connection that it would be asked over.
    let late = ["did not answer in time", "the database does not answer"];
    assert_eq!((status, late.iter().any(|late| why.contains(late))), (503, true), "{why}");
    wire.set(State::Laid);
    // It may have been accepted: asked again it is the same.
    wait_for("it is accepted", || say("two").0 == 201);

    wire.set(State::Cut);
    wait_for("it refuses at once", || say("three") == (503, super::NO_DATABASE.to_owned()));
    wire.set(State::Laid);
    wait_for("it is accepted again", || say("three").0 == 201);
    let texts: Vec<String> = relay.seen(&talk).into_iter().map(|it| it.1).collect();
    assert_eq!(texts, ["one", "two", "three"]);
}

fn a_homeserver_that_hangs_gets_all_of_it_once(relay: &Relay) {
    let talk = relay.conversation();
    relay.post(&talk, ANN, "before");
    relay.settled();
    let homeserver = relay.server.pid("synapse");
    halt(homeserver);
    for text in ["first", "second"] {
        relay.post(&talk, ANN, text);
    }
    assert_eq!(relay.status()["waiting"], 2);
    go_on(homeserver);
    let texts: Vec<String> = relay.seen(&talk).into_iter().map(|it| it.1).collect();
    assert_eq!(texts, ["before", "first", "second"]);
    let listed = relay.ask("GET", "/conversations?limit=200", &Value::Null);
    assert_eq!(listed["conversations"].as_array().unwrap().len(), 7);
}

fn a_homeserver_that_has_lost_its_database_gets_rooms_and_people_again(relay: &Relay) {
    let talk = relay.conversation();
    relay.post(&talk, ANN, "before");
    let room = relay.room(&talk);
    relay.server.run(&["manage", "stop", "synapse"]).success();
    let found = "SELECT datname FROM pg_database WHERE datname NOT IN ('app', 'postgres') AND NOT datistemplate";
    let [name] = &sql(&relay.server, found)[..] else { panic!("which database is Synapse's?") };
    sql(&relay.server, &format!("DROP DATABASE \"{name}\" WITH (FORCE)"));
    fs::remove_file(relay.server.data.join("database.json")).unwrap();
    relay.post(&talk, ANN, "while it has none");
    relay.server.run(&["manage", "restart"]).success();
    relay.post(&talk, BOB, "after");
    let seen = relay.seen(&talk);
    let texts: Vec<&str> = seen.iter().map(|it| it.1.as_str()).collect();
    assert_eq!(texts, ["while it has none", "after"]);
    assert_ne!(relay.room(&talk), room);
    assert_eq!((relay.history(&talk).len(), &relay.status()["dead"]), (3, &json!(0)));
}
