//! Services start in order, stop in reverse, and are started, stopped and asked for by name.

use std::{
    cell::RefCell,
    fs,
    io::{BufRead as _, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStdout, Stdio},
};

use serde_json::{Value, json};

use crate::{
    common::{Instance, is_alive, kill_9, wait_for},
    lent::Lent,
};

/// `state.json`, as others read it.
fn record(server: &Instance) -> Value {
    serde_json::from_slice(&fs::read(server.data.join("run/state.json")).unwrap()).unwrap()
}

fn state(server: &Instance, service: &str) -> String {
    record(server)["services"][service]["state"].as_str().unwrap().to_owned()
}

/// What happened since that number: `postgres running`, …
fn happened(server: &Instance, after: u64) -> Vec<String> {
    let events = server.json(&["manage", "events"]);
    let word = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    let events = events["events"].as_array().unwrap().iter();
    let new = events.filter(|event| event["number"].as_u64().unwrap() > after);
    new.map(|event| format!("{} {}", word(event, "service"), word(event, "state"))).collect()
}

#[track_caller]
fn place(events: &[String], event: &str) -> usize {
    events.iter().position(|it| it == event).unwrap_or_else(|| panic!("no `{event}`: {events:?}"))
}

#[test]
fn services_start_in_the_order_in_which_they_need_each_other() {
    let server = Lent::down();
    server.run(&["manage", "start"]).success();
    let events = happened(&server, 0);
    let order = ["postgres running", "database completed", "synapse starting", "synapse running"];
    let places = order.map(|event| place(&events, event));
    assert!(places.is_sorted(), "{events:?}");
    let record = record(&server);
    assert_eq!(record["order"], json!(["postgres", "database", "synapse", "crypto"]));
    for (service, state) in
        [("postgres", "running"), ("database", "completed"), ("synapse", "running")]
    {
        assert_eq!(record["services"][service]["state"], state, "{record}");
    }
    let synapse = &record["services"]["synapse"];
    assert!(synapse["health"]["healthy"].as_bool().unwrap(), "{record}");
    for time in [&synapse["started_at"], &synapse["ready_at"], &synapse["health"]["last_check"]] {
        assert!(time.as_str().unwrap().ends_with('Z'), "{record}");
    }
    assert!(is_alive(u32::try_from(synapse["pid"].as_u64().unwrap()).unwrap()));
}

#[test]
fn stopping_postgres_takes_synapse_down_first() {
    let server = Lent::up();
    let before = record(&server)["events"].as_u64().unwrap();
    let said = server.json(&["manage", "stop", "matrix-postgres"]);
    assert_eq!(said["services"], json!(["crypto", "database", "postgres", "synapse"]), "{said}");
    assert_eq!((&said["changed"], &said["running"]), (&true.into(), &false.into()));
    for service in ["synapse", "postgres"] {
        assert_eq!(state(&server, service), "stopped");
    }
    let events = happened(&server, before);
    assert!(place(&events, "synapse stopped") < place(&events, "postgres stopping"), "{events:?}");
    server.run(&["manage", "stop", "postgres"]).exits(2).says("not running");
    server.run(&["status"]).exits(2);
    // What it needs comes with it.
    server.run(&["manage", "start", "synapse"]).success();
    assert_eq!(["postgres", "synapse"].map(|it| state(&server, it)), ["running"; 2]);
    server.run(&["manage", "start"]).success();
    assert!(server.is_healthy());
}

#[test]
fn a_service_that_is_killed_is_started_again() {
    let server = Lent::down();
    server.run(&["manage", "start"]).success();
    let (pid, database) = (server.pid("synapse"), server.pid("postgres"));
    kill_9(pid);
    wait_for("synapse runs again", || {
        let record = record(&server);
        let synapse = &record["services"]["synapse"];
        synapse["state"] == "running" && synapse["pid"] != pid
    });
    assert_eq!(record(&server)["services"]["synapse"]["restarts"], 1);
    assert_eq!(server.pid("postgres"), database);
    server.run(&["manage", "events", "synapse"]).success().says("backoff: killed by SIGKILL");
}

#[test]
fn one_service_is_restarted_while_the_others_go_on() {
    let server = Lent::up();
    let (pid, database) = (server.pid("synapse"), server.pid("postgres"));
    server.run(&["manage", "restart", "synapse"]).success().says("restarted: synapse");
    assert!(!is_alive(pid) && is_alive(database));
    assert!(server.is_healthy());
    let said = server.run(&["manage", "restart", "synaps"]).exits(1);
    drop(said.says("there is no service `synaps`").says("did you mean `synapse`?"));
}

#[test]
fn some_services_start_alone_and_the_rest_later() {
    let server = Lent::down();
    server.run(&["manage", "start", "postgres"]).success();
    assert_eq!(state(&server, "synapse"), "stopped");
    let database = server.pid("postgres");
    server.run(&["status"]).exits(2).says("stopped: database, synapse");
    server.run(&["manage", "start", "postgres"]).exits(2).says("already running");
    // Somebody else has its port, and waits for tokens.
    let other = TcpListener::bind(("127.0.0.1", server.port)).unwrap();
    other.set_nonblocking(true).unwrap();
    server.run(&["content", "list-users"]).exits(1).says("it does not run");
    assert!(other.accept().is_err(), "somebody was asked");
    drop(other);
    server.run(&["manage", "start"]).success();
    assert_eq!(server.pid("postgres"), database);
    assert!(server.is_healthy());
}

#[test]
fn two_starts_at_once_of_different_services_are_one_server() {
    let server = Lent::down();
    let start = |service: &str| {
        let mut command = server.command();
        command.args(["manage", "start", service]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let starts = [start("synapse"), start("postgres")];
    for start in starts {
        let said = start.wait_with_output().unwrap();
        assert!(matches!(said.status.code(), Some(0 | 2)), "{said:?}");
    }
    assert_eq!(["postgres", "synapse"].map(|it| state(&server, it)), ["running"; 2]);
}

#[test]
fn the_address_of_a_service_is_printed() {
    let server = Lent::up();
    let [client, metrics, database] = server.ports;
    let client = format!("http://127.0.0.1:{client}");
    assert_eq!(server.run(&["manage", "endpoint", "synapse"]).success().line(), client);
    assert_eq!(server.run(&["manage", "endpoint", "matrix-synapse", "client"]).line(), client);
    let said = server.run(&["manage", "endpoint", "synapse", "metrics"]).success();
    assert_eq!(said.line(), format!("http://127.0.0.1:{metrics}/_synapse/metrics"));
    let said = server.json(&["manage", "endpoint", "postgres"]);
    assert_eq!(said["url"], format!("postgresql://127.0.0.1:{database}/synapse"));
    assert_eq!((&said["name"], &said["ready"]), (&"postgresql".into(), &true.into()));
    let said = server.run(&["manage", "endpoint", "synapse", "clinet"]).exits(1);
    drop(said.says("has no address `clinet`").says("did you mean `client`?"));
    server.run(&["manage", "endpoint", "database"]).exits(1).says("has no address");
    server.run(&["manage", "endpoint", "nobody"]).exits(1).says("there is no service `nobody`");
    server.run(&["manage", "stop"]).success();
    assert_eq!(server.run(&["manage", "endpoint", "synapse"]).exits(2).line(), client);
}

/// The lines of a command that goes on, one JSON document each.
struct Followed {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Followed {
    fn new(server: &Instance, words: &[&str]) -> Self {
        let mut command = server.command();
        command.args(words).args(["--format", "json"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads until this happens.
    fn until(&mut self, service: &str, state: &str) -> Value {
        self.find(|event| event["service"] == service && event["state"] == state)
            .unwrap_or_else(|| panic!("{service} is never {state}"))
    }

    /// Reads until there is such a document.
    fn find(&mut self, wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        self.lines
            .by_ref()
            .map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap())
            .find(wanted)
    }
}

#[test]
fn what_happens_is_told_line_by_line() {
    // Of this supervisor nothing has been told yet.
    let server = Lent::down();
    server.run(&["manage", "start"]).success();
    let mut all = Followed::new(&server, &["manage", "events", "--follow"]);
    let mut some = Followed::new(&server, &["manage", "events", "--follow", "synapse"]);
    let first = all.until("synapse", "running");
    kill_9(server.pid("synapse"));
    let backoff = all.until("synapse", "backoff");
    assert_eq!(backoff["was"], "running");
    assert_eq!(backoff["message"], "killed by SIGKILL");
    assert!(backoff["number"].as_u64() > first["number"].as_u64());
    all.until("synapse", "running");
    server.run(&["manage", "stop", "synapse"]).success();
    all.until("synapse", "stopped");
    server.run(&["manage", "stop"]).success();
    // The end of the supervisor is the end of the stream.
    all.until("postgres", "stopped");
    assert_eq!(all.lines.by_ref().count(), 0);
    assert!(all.child.wait().unwrap().success());
    let only = some.lines.by_ref().map(|line| line.unwrap());
    let only: Vec<String> = only.collect();
    assert!(only.iter().all(|line| line.contains(r#""service":"synapse""#)), "{only:?}");
    assert!(some.child.wait().unwrap().success());
    server.run(&["manage", "events"]).exits(2);
}

#[test]
fn a_stream_says_that_the_supervisor_was_killed() {
    let server = Lent::down();
    server.run(&["manage", "start"]).success();
    let mut events = Followed::new(&server, &["manage", "events", "--follow"]);
    events.until("synapse", "running");
    kill_9(server.supervisor());
    let error = events.find(|line| line["error"].is_object()).unwrap();
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("the supervisor has ended"), "{error}");
    assert_eq!(events.child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_stream_ends_with_its_reader_although_no_line_comes() {
    let server = Instance::shared();
    let room = server.room("Quiet");
    server.run(&["content", "send-message", &room, "the first"]).success();
    let idle = server.run(&["content", "create-room", "Nobody writes", "-q"]).success();
    for words in [
        &["manage", "events", "--follow"][..],
        &["content", "read-messages", &room, "--follow"],
        &["content", "read-messages", idle.line(), "--follow"],
        &["logs", "postgres", "--tail", "1", "--follow"],
        &["status", "--watch"],
    ] {
        let mut child = server.command().args(words).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        if words.get(2) != Some(&idle.line()) {
            out.read_line(&mut String::new()).unwrap();
        }
        drop(out);
        let child = RefCell::new(child);
        let ended = || child.borrow_mut().try_wait().unwrap();
        wait_for(&format!("{words:?} has ended"), || ended().is_some());
        assert!(ended().unwrap().success(), "{words:?}");
    }
}

#[test]
fn the_services_are_listed_with_what_they_need() {
    let server = Lent::up();
    let said = server.run(&["manage", "services"]).success();
    assert_eq!(
        said.stdout,
        "profile core: PostgreSQL and Synapse\n\
         └─ postgres [running] PostgreSQL\n   \
            └─ database [completed] role and database made ready\n      \
               └─ synapse [running] Synapse; also needs postgres\n         \
                  └─ crypto [running] keeps the keys of encrypted rooms\n"
    );
    let list = server.json(&["manage", "services"]);
    assert_eq!((&list["profile"], &list["total"]), (&"core".into(), &4.into()));
    let synapse = &list["services"][2];
    assert_eq!(synapse["name"], "synapse");
    assert_eq!(
        synapse["needs"],
        json!([
            { "service": "postgres", "condition": "healthy" },
            { "service": "database", "condition": "completed" },
        ])
    );
    assert_eq!(synapse["restart"], "always");
    assert_eq!(synapse["tags"], json!(["homeserver"]));
    server.run(&["manage", "services", "--profile", "cor"]).exits(1).says("must be one of");
}

#[test]
fn the_status_is_told_with_every_change() {
    let server = Lent::up();
    let mut watched = Followed::new(&server, &["status", "--watch"]);
    assert_eq!(watched.find(|_| true).unwrap()["status"], "running");
    server.run(&["manage", "stop", "synapse"]).success();
    let stopped = |now: &Value| {
        let message = now["health_message"].as_str().unwrap_or_default();
        ["crypto", "synapse"].iter().all(|it| message.contains(it)) && message.contains("stopped")
    };
    let now = watched.find(stopped).unwrap();
    assert_eq!((&now["status"], &now["healthy"]), (&"stopped".into(), &false.into()));
    server.run(&["manage", "start"]).success();
    watched.find(|now| now["status"] == "running").unwrap();
    server.run(&["manage", "stop"]).success();
    watched.find(|now| now["services"].as_array().unwrap().is_empty()).unwrap();
    watched.child.kill().unwrap();
    watched.child.wait().unwrap();
}

const OFFICE: &str = "
services:
  echo:
    summary: says what it was told
    command: [sh, -c, 'echo level $LEVEL at $MATRIX_SYNAPSE_URL with $TOKEN; exec sleep 1000']
    environment: {TOKEN: hunter2222, LEVEL: low}
    needs: [matrix-synapse]
    tags: [bots]
    endpoints: {api: 'http://127.0.0.1:7/'}
  apart:
    summary: needs nobody
    command: [sleep, '1000']
profiles:
  office:
    services: [core, echo, apart]
    environment:
      shared: {OFFICE: 'yes'}
      groups: {bots: {LEVEL: high}}
      services: {synapse: {SYNAPSE_LOG_LEVEL: WARNING}}
  desk:
    services: [core, echo]
";

#[test]
fn services_and_profiles_of_ones_own_take_part() {
    let server = Lent::up();
    let file = server.data.join("settings.yaml");
    let settings = fs::read_to_string(&file).unwrap_or_default();
    fs::write(&file, format!("{settings}{OFFICE}")).unwrap();
    let database = server.pid("postgres");
    server.run(&["manage", "start", "--profile", "office"]).success();
    let now = record(&server);
    assert_eq!(now["profiles"]["office"]["services"], now["order"], "{now}");
    assert_eq!(now["order"], json!(["postgres", "database", "synapse", "crypto", "apart", "echo"]));
    assert_eq!(server.run(&["config", "show", "synapse.log_level", "-q"]).line(), "WARNING");
    // Each got its variables, and what did not need to be restarted was not.
    let variables = |service: &str| {
        let text = fs::read(format!("/proc/{}/environ", server.pid(service))).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    };
    assert!(variables("synapse").contains("OFFICE=yes"));
    assert!(variables("echo").contains("LEVEL=high"));
    assert!(variables("postgres").contains("OFFICE=yes") && server.pid("postgres") != database);
    let said = server.run(&["logs", "bots"]).success();
    let url = format!("level high at http://127.0.0.1:{} with *****", server.port);
    assert!(said.stdout.contains(&url) && !said.stdout.contains('\x1b'), "{said}");
    let said = server.run(&["manage", "endpoint", "echo"]).success();
    assert_eq!(said.line(), "http://127.0.0.1:7/");
    let said = server.run(&["manage", "services"]).success();
    assert!(said.stdout.contains("└─ echo [running] says what it was told"), "{said}");
    // Lines of several services, as they come.
    let mut followed =
        Followed::new(&server, &["logs", "echo", "synapse", "--follow", "--tail", "0"]);
    server.run(&["manage", "restart", "bots"]).success().says("restarted: echo");
    assert!(followed.find(|line| line["service"] == "echo").is_some());
    followed.child.kill().unwrap();
    followed.child.wait().unwrap();
    // It goes down before what it needs, and takes that along when it comes back.
    let before = record(&server)["events"].as_u64().unwrap();
    server.run(&["manage", "stop", "synapse"]).success().says("stopped: crypto, echo, synapse");
    let events = happened(&server, before);
    assert!(place(&events, "echo stopped") < place(&events, "synapse stopping"), "{events:?}");
    let said = server.run(&["status", "--profile", "office"]).exits(2);
    said.says("stopped: synapse, crypto, echo").says("manage start --profile office");
    server.run(&["manage", "start", "echo", "crypto"]).success();
    server.run(&["status", "--profile", "office"]).success();
    // Of another profile than the one that is set only what is in it.
    let apart = server.pid("apart");
    let said = server.run(&["manage", "stop", "--profile", "desk"]).success();
    said.says("stopped: crypto, database, echo, postgres, synapse");
    assert_eq!(server.pid("apart"), apart);
    server.run(&["manage", "stop", "--profile", "desk"]).exits(2);
    server.run(&["manage", "start"]).success();
    // And also where the settings do not know the others any more.
    server.run(&["manage", "stop", "echo"]).success();
    server.run(&["status"]).exits(1).says("stopped: echo").says("what is stopped: ");
    // What was never started has no log.
    let said = server.run(&["status", "--profile", "compliance"]).exits(1);
    assert!(said.says("manage start --profile compliance").stdout.matches("logs").count() == 0);
    fs::write(&file, settings).unwrap();
    server.run(&["status", "--profile", "core"]).success();
    server.run(&["manage", "stop", "--profile", "core"]).success();
    server.run(&["status", "--profile", "core"]).exits(2);
    assert_eq!(server.pid("apart"), apart);
    server.run(&["manage", "restart", "--profile", "core"]).success();
    let order = json!(["postgres", "database", "synapse", "crypto"]);
    assert_eq!(record(&server)["order"], order);
}
