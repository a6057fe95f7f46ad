//! Services that behave badly: each is named with what it does, and harms nothing but itself.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    ops::Deref,
    process::Command,
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::common::{Instance, is_alive, wait_for};

static SERVER: LazyLock<(Mutex<Instance>, String)> = LazyLock::new(|| {
    let mut server = Instance::installed("bad");
    server.variable("MATRIX_SYNAPSE_LOG_SIZE", "200K");
    server.variable("MATRIX_SYNAPSE_LOG_FILES", "1");
    server.run(&["manage", "install"]).success();
    let settings = fs::read_to_string(server.data.join("settings.yaml")).unwrap_or_default();
    (Mutex::new(server), settings)
});

/// The server of this file with these services of its own; tests take turns. Nothing runs.
struct Bad(MutexGuard<'static, Instance>);

impl Bad {
    fn new(services: &str) -> Self {
        let server = Self(SERVER.0.lock().unwrap_or_else(PoisonError::into_inner));
        let stopped = server.run(&["manage", "stop"]);
        assert!([0, 2].contains(&stopped.code), "{stopped}");
        server.are(services);
        server
    }

    /// From now on the services are these.
    fn are(&self, services: &str) {
        let settings = format!("{}\nservices:\n{services}\n", SERVER.1);
        fs::write(self.data.join("settings.yaml"), settings).unwrap();
    }

    fn report(&self, service: &str) -> Value {
        let state = fs::read(self.data.join("run/state.json")).unwrap();
        serde_json::from_slice::<Value>(&state).unwrap()["services"][service].clone()
    }
}

impl Deref for Bad {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        &self.0
    }
}

#[test]
fn one_that_exits_at_once_has_failed_with_its_last_words() {
    let server = Bad::new(
        "  bad: {command: \"sh -c 'echo no luck today; exit 3'\"}\n  \
           once: {command: \"sh -c 'exit 4'\", restart: never}\n  \
           job: {command: 'true', restart: on-failure}",
    );
    let said = server.run(&["manage", "start", "bad"]).exits(1);
    let said = said.says("the service `bad` has failed: it was started 3 times");
    drop(said.says("the last time with exit code 3").says("no luck today").says("`logs bad`"));
    // Nothing is left of a start that failed.
    server.run(&["manage", "events"]).exits(2);
    let said = server.run(&["manage", "start", "once"]).exits(1);
    drop(said.says("the service `once` has failed: it was started once"));
    server.run(&["manage", "start", "job"]).success();
    assert_eq!(server.report("job")["state"], "completed");
    // The failure of one is not that of another.
    server.run(&["manage", "start", "once"]).exits(1);
    assert_eq!(server.report("once")["state"], "failed");
    server.run(&["manage", "start", "job"]).exits(2);
}

#[test]
fn one_that_ignores_the_signal_is_killed_after_its_grace() {
    let server = Bad::new(
        "  deaf: {command: \"sh -c 'trap \\\"\\\" TERM; while :; do sleep 100; done'\", stop_grace: 1s}",
    );
    server.run(&["manage", "start", "deaf"]).success();
    let pid = server.pid("deaf");
    let began = Instant::now();
    server.run(&["manage", "stop", "deaf"]).success().says("stopped: deaf");
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(!is_alive(pid));
    server.run(&["logs", "supervisor"]).success().says("`deaf` has not ended and is killed");
}

#[test]
fn a_pipe_in_the_place_of_a_log_holds_nobody_up() {
    let server = Instance::installed("pipes");
    let log = |name: &str| server.data.join("logs").join(format!("{name}.log"));
    let pipes = ["supervisor", "synapse", "postgres"];
    for name in pipes {
        fs::remove_file(log(name)).ok();
        assert!(Command::new("mkfifo").arg(log(name)).status().unwrap().success());
    }
    server.run(&["manage", "start"]).success().says("supervisor.log` cannot be written");
    server.run(&["status"]).success();
    server.run(&["logs", "synapse"]).exits(1).says("a pipe");
    for name in pipes {
        fs::remove_file(log(name)).unwrap();
    }
    server.run(&["manage", "restart", "synapse"]).success();
    let written = server.run(&["logs", "synapse", "--tail", "10000"]).success();
    written.says("lines are missing here");
    server.run(&["manage", "stop"]).success();
}

#[test]
fn one_that_floods_its_log_never_takes_more_than_the_limit() {
    let server = Bad::new("  flood: {command: yes a line of a service that never stops}");
    server.run(&["manage", "start", "flood"]).success();
    let size = |name: &str| fs::metadata(server.data.join(name)).map_or(0, |file| file.len());
    let total =
        || ["logs/flood.log", "logs/flood.log.1", "logs/flood.log.2"].map(size).iter().sum();
    wait_for("a log is put aside", || size("logs/flood.log.1") > 0);
    for _ in 0..200 {
        let total: u64 = total();
        assert!(total <= 2 * 200 * 1024 + 16 * 1024, "{total}");
        thread::sleep(Duration::from_millis(1));
    }
    // Others are still heard.
    let began = Instant::now();
    server.run(&["logs", "flood", "--tail", "1"]).success().says("never stops");
    server.run(&["manage", "stop"]).success();
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
}

const GOOD: u8 = 0;
const GARBAGE: u8 = 1;
const SILENT: u8 = 2;
const ILL: u8 = 3;

/// A server that answers as it is told; its port.
fn moody(mood: &Arc<AtomicU8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mood = Arc::clone(mood);
    thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let answer = match mood.load(Ordering::Relaxed) {
                GOOD => "HTTP/1.1 204 No Content\r\n\r\n",
                GARBAGE => "\0\x7f what is this, a web server for ants?\n",
                ILL => "HTTP/1.1 503 Unwell\r\n\r\n",
                _ => {
                    held.push(stream);
                    continue;
                }
            };
            drop(stream.read(&mut [0; 512]));
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    port
}

#[test]
fn one_that_answers_badly_is_not_ready_and_says_why() {
    let mood = Arc::new(AtomicU8::new(GARBAGE));
    let port = moody(&mood);
    let server = Bad::new(&format!(
        "  ill:\n    command: sleep 1000\n    stop_grace: 1s\n    \
           health: {{type: http, port: {port}, interval: 100ms, timeout: 300ms, hung_after: 1s}}"
    ));
    let start = |timeout: &str| server.run(&["manage", "start", "ill", "--timeout", timeout]);
    for (bad, why) in
        [(GARBAGE, "does not speak HTTP"), (SILENT, "no answer within 0.3 s"), (ILL, "answers 503")]
    {
        mood.store(bad, Ordering::Relaxed);
        let said = start("2").exits(1).says("the homeserver was not ready within 2 s");
        drop(said.says("`ill` is starting").says(why));
    }
    mood.store(GOOD, Ordering::Relaxed);
    start("20").success();
    let health = server.report("ill")["health"].clone();
    assert_eq!(health["healthy"], true);
    assert_eq!(health["endpoint"], format!("http://127.0.0.1:{port}/"));
    let pid = server.pid("ill");
    mood.store(SILENT, Ordering::Relaxed);
    wait_for("it is told that it is not well", || {
        server.run(&["manage", "events", "ill"]).stdout.contains("not well: no answer within 0.3 s")
    });
    wait_for("it is restarted", || !is_alive(pid));
    mood.store(GOOD, Ordering::Relaxed);
    wait_for("it runs again", || {
        let report = server.report("ill");
        report["state"] == "running" && report["pid"] != pid
    });
}

#[test]
fn what_cannot_be_is_refused_and_what_runs_goes_on() {
    let good = "  good: {command: sleep 1000, stop_grace: 1s}\n";
    let server = Bad::new(good);
    server.run(&["manage", "start", "good"]).success();
    let pid = server.pid("good");
    for (services, why) in [
        ("  bad: {command: nobinary}", "the service `bad` cannot start `nobinary`"),
        ("  a: {command: 'true', needs: [b]}\n  b: {command: 'true', needs: [a]}", "in a circle"),
        ("  a: {command: 'true', needs: [nobody]}", "needs `nobody`, which is not in the profile"),
        (
            "  a: {command: 'true', endpoints: {x: 'http://localhost:31', y: 'http://[::1]:32'}}\n  \
               b: {command: 'true', health: {type: tcp, port: 31}}",
            "the services `a` and `b` both use port 31",
        ),
        ("  a: {command: 'true', env_files: [/no/such.env]}", "`/no/such.env` does not exist"),
    ] {
        server.are(&format!("{good}{services}"));
        let commands = ["manage start", "manage restart", "manage install", "config check"];
        for command in commands.map(|line| line.split(' ').collect::<Vec<_>>()) {
            server.run(&command).exits(1).says(why);
        }
        assert_eq!(server.pid("good"), pid);
    }
}

#[test]
fn a_start_takes_up_what_has_changed() {
    let server = Bad::new("  one: {command: sleep 1000}\n  two: {command: sleep 1000}");
    server.run(&["manage", "start", "one", "two"]).success();
    let pids = [server.pid("one"), server.pid("two")];
    server.run(&["manage", "start", "one", "two"]).exits(2);
    // One stays, one changes, one is new and not asked for.
    server.are(
        "  one: {command: sleep 1000}\n  two: {command: sleep 2000}\n  three: {command: 'false'}",
    );
    server.run(&["manage", "start", "two"]).success();
    assert_eq!(server.pid("one"), pids[0]);
    assert_ne!(server.pid("two"), pids[1]);
    assert_eq!(server.report("three")["state"], "stopped");
    server.are("  one: {command: sleep 1000}");
    server.run(&["manage", "start", "one"]).success();
    wait_for("what is gone ends", || server.report("two").is_null());
    server.are("  one: {command: sleep 3000}");
    server.run(&["manage", "restart", "one"]).success();
    let command = fs::read(format!("/proc/{}/cmdline", server.pid("one"))).unwrap();
    assert!(String::from_utf8_lossy(&command).contains("3000"));
}

#[test]
fn the_homeserver_starts_without_one_that_fails() {
    let server = Bad::new(
        "  bad: {command: \"sh -c 'echo no luck; exit 3'\", needs: {postgres: started}}\n  \
           behind: {command: sleep 1000, needs: [bad]}\n  \
           good: {command: sleep 1000, needs: [synapse]}",
    );
    let said = server.run(&["manage", "start"]).exits(1);
    let said = said.says("the homeserver runs, but not all of your own services");
    drop(said.says("the service `bad` has failed").says("no luck"));
    server.run(&["content", "list-users"]).success();
    server.run(&["status"]).exits(1).says("bad is failed: exit code 3");
    assert_eq!(server.report("behind")["state"], "waiting");
    wait_for("the others run", || server.report("good")["state"] == "running");
    // It was mended.
    server.are("  bad: {command: sleep 1000}\n  good: {command: sleep 1000, needs: [synapse]}");
    let pid = server.pid("good");
    server.run(&["manage", "start"]).success();
    server.run(&["status"]).success();
    assert_eq!(server.pid("good"), pid);
}

#[test]
fn one_is_asked_as_its_settings_say_with_the_variables_they_give() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().display();
    fs::write(folder.path().join("a.env"), "export FROM='a file' # ours\nOTHER=file\n").unwrap();
    let port = crate::common::free_port();
    let server = Bad::new(&format!(
        "  asked:\n    folder: {home}\n    env_files: [{home}/a.env]\n    \
           environment: {{OTHER: settings}}\n    command: [sh, -c, 'echo $FROM, $OTHER; pwd; exec sleep 1000']\n    \
           stop_signal: INT\n    health: {{type: exec, command: [test, -e, ready], interval: 100ms}}\n  \
           heard:\n    command: sleep 1000\n    health: {{type: tcp, port: {port}, interval: 100ms}}"
    ));
    let said = server.run(&["manage", "start", "asked", "--timeout", "6"]).exits(1);
    drop(said.says("`asked` is starting").says("`test` failed"));
    fs::write(folder.path().join("ready"), "").unwrap();
    server.run(&["manage", "start", "asked"]).success();
    let said = server.run(&["logs", "asked"]).success().says("a file, settings");
    drop(said.says(&home.to_string()));
    let said = server.run(&["manage", "start", "heard", "--timeout", "6"]).exits(1);
    drop(said.says(&format!("`127.0.0.1:{port}` cannot be reached")));
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    // It is asked again and again, so a start may find it well already.
    let said = server.run(&["manage", "start", "heard"]);
    assert!([0, 2].contains(&said.code), "{said}");
    wait_for("it is well", || server.report("heard")["state"] == "running");
    drop(listener);
    wait_for("it is not well", || server.report("heard")["health"]["healthy"] == false);
    server.run(&["manage", "stop", "asked"]).success();
    server.run(&["manage", "events", "asked"]).success().says("stopped: killed by SIGINT");
}
