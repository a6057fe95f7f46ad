//! The application's own database, which may be away, hang or be full; a second relay with it; and a homeserver that
//! hangs.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    process::{Child, Stdio},
    sync::{Arc, Condvar, Mutex},
    thread,
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
}

/// A wire to a database.
#[derive(Clone)]
struct Wire(Arc<(Mutex<State>, Condvar, Mutex<Vec<TcpStream>>)>);

impl Wire {
    /// One that is cut yet, and the port of its end.
    fn to(database: u16) -> (Self, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let wire = Self(Arc::new((Mutex::new(State::Cut), Condvar::new(), Mutex::default())));
        let end = wire.clone();
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if end.is(State::Cut) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", database)) else { continue };
                end.0
                    .2
                    .lock()
                    .unwrap()
                    .extend([near.try_clone().unwrap(), far.try_clone().unwrap()]);
                for (mut from, mut to) in
                    [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)]
                {
                    let end = end.clone();
                    thread::spawn(move || {
                        let mut some = [0; 8192];
                        while let Ok(count @ 1..) = from.read(&mut some) {
                            end.wait_while(State::Slack);
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
        *self.0.0.lock().unwrap() == state
    }

    fn wait_while(&self, state: State) {
        drop(self.0.1.wait_while(self.0.0.lock().unwrap(), |now| *now == state).unwrap());
    }

    fn set(&self, state: State) {
        *self.0.0.lock().unwrap() = state;
        self.0.1.notify_all();
        if state == State::Cut {
            for stream in self.0.2.lock().unwrap().drain(..) {
                drop(stream.shutdown(Shutdown::Both));
            }
        }
    }
}

/// A relay on another machine.
struct Second {
    relay: Relay,
    process: Child,
}

impl Second {
    fn of(first: &Relay, database: &str) -> Self {
        let mut server = Instance::empty("relay-second");
        let port = free_port();
        let homeserver = format!("http://127.0.0.1:{}", first.server.port);
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
        Self { relay: Relay { key: first.key.clone(), ..Relay::of(server, port) }, process }
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
    another_relay_tells_and_takes_what_this_one_does_not(relay, &database);
    a_database_that_is_full_hangs_or_goes_away_takes_nothing_and_loses_nothing(relay, &wire);
    a_homeserver_that_hangs_gets_all_of_it_once(relay);
}

fn what_the_application_commits_is_told_and_nothing_else(relay: &Relay) {
    let talk = relay.conversation();
    for (text, end) in [("in vain", "ROLLBACK"), ("for good", "COMMIT")] {
        let said = format!("SELECT relay.post_message('{talk}', '{ANN}', '{text}')");
        sql_in(&relay.server, "app", &format!("BEGIN; {said}; {end}"));
    }
    assert_eq!(relay.seen(&talk), [(ANN_IN_MATRIX.to_owned(), "for good".to_owned())]);
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
    relay.server.run(&["content", "send-message", &room, "who is there?"]).success();
    relay.server.run(&["manage", "start"]).success();
    wait_for("what was said in Matrix meanwhile has come", || {
        second.relay.history(&talk).len() == 4 && relay.history(&talk).len() == 4
    });
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
    assert_eq!((status, why.contains("did not answer in time")), (503, true), "{why}");
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
    assert_eq!(listed["conversations"].as_array().unwrap().len(), 4);
}
