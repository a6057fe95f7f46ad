//! A real homeserver, installed and started by the program under test, in a folder of its own on
//! ports of its own.

use std::{
    fmt,
    fs::{self, File},
    io::{PipeWriter, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU16, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;

/// What one run of the program said.
pub(crate) struct Said {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

impl Said {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    #[track_caller]
    pub(crate) fn success(self) -> Self {
        self.exits(0)
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Everything it said holds this text.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(
            self.stdout.contains(text) || self.stderr.contains(text),
            "no `{text}` in:\n{self}"
        );
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert!(self.stderr.is_empty(), "stderr must stay empty in JSON mode:\n{self}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}:\n{self}"))
    }

    pub(crate) fn line(&self) -> &str {
        self.stdout.trim()
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}------- stderr -------\n{}[exit {}]", self.stdout, self.stderr, self.code)
    }
}

/// One homeserver. When the test process ends, however it ends, a janitor stops it and removes its
/// folder.
pub(crate) struct Instance {
    pub(crate) data: PathBuf,
    pub(crate) port: u16,
    /// Of the API, of the metrics, of the embedded PostgreSQL.
    pub(crate) ports: [u16; 3],
    /// Of the proxy, where the profile has one: HTTP, HTTPS, other servers.
    pub(crate) proxy: [u16; 3],
    /// Of the webhooks.
    pub(crate) hooks: u16,
    /// What takes it to the machine that it runs on, where that is one of its own.
    pub(crate) host: Vec<String>,
    variables: Vec<(String, String)>,
    leash: Option<PipeWriter>,
    janitor: Option<Child>,
}

static SHARED: LazyLock<Instance> = LazyLock::new(|| Instance::started("shared"));

impl Instance {
    /// The server that all tests share which neither stop nor break it.
    pub(crate) fn shared() -> &'static Self {
        &SHARED
    }

    /// Only a name and ports: nothing is installed.
    pub(crate) fn empty(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let data = std::env::temp_dir().join(format!("rms-{name}-{}-{number}", std::process::id()));
        let ports = [free_port(), free_port(), free_port()];
        let proxy = [free_port(), free_port(), free_port()];
        let hooks = free_port();
        let port = ports[0];
        let variables = [
            ("MATRIX_SYNAPSE_DATA_DIR", data.display().to_string()),
            ("MATRIX_SYNAPSE_SERVER_NAME", "test.example".to_owned()),
            ("MATRIX_SYNAPSE_PORT", port.to_string()),
            ("MATRIX_SYNAPSE_METRICS_PORT", ports[1].to_string()),
            ("MATRIX_SYNAPSE_EMBEDDED_DB_PORT", ports[2].to_string()),
            ("MATRIX_SYNAPSE_PROXY_HTTP_PORT", proxy[0].to_string()),
            ("MATRIX_SYNAPSE_PROXY_HTTPS_PORT", proxy[1].to_string()),
            ("MATRIX_SYNAPSE_PROXY_FEDERATION_PORT", proxy[2].to_string()),
            ("MATRIX_SYNAPSE_HOOKS_PORT", hooks.to_string()),
            ("MATRIX_SYNAPSE_BCRYPT_ROUNDS", "4".to_owned()),
            ("MATRIX_SYNAPSE_START_TIMEOUT", "120s".to_owned()),
        ];
        let (leash_end, leash) = std::io::pipe().unwrap();
        let janitor = Command::new("sh")
            .arg("-c")
            .arg("trap '' INT TERM HUP; cat >/dev/null; \"$1\" --data-dir \"$2\" manage stop --force; rm -rf \"$2\"")
            .arg("janitor")
            .arg(program())
            .arg(&data)
            .stdin(leash_end)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            data,
            port,
            ports,
            proxy,
            hooks,
            host: Vec::new(),
            variables: variables.map(|(name, value)| (name.to_owned(), value)).into(),
            leash: Some(leash),
            janitor: Some(janitor),
        }
    }

    /// Sets a variable for everything that is run on this instance.
    pub(crate) fn variable(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// The setting has what `config set` says.
    pub(crate) fn unset(&mut self, name: &str) {
        self.variables.retain(|(known, _)| known != name);
    }

    /// All that it may listen on.
    pub(crate) fn all_ports(&self) -> [u16; 7] {
        let ([client, metrics, database], [http, https, federation]) = (self.ports, self.proxy);
        [client, metrics, database, http, https, federation, self.hooks]
    }

    /// Has the settings come from its data folder alone.
    pub(crate) fn forget_settings(&mut self) {
        self.variables.retain(|(name, _)| name == "MATRIX_SYNAPSE_DATA_DIR");
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = match self.host.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program());
                command
            }
            None => Command::new(program()),
        };
        let ours = ["MATRIX_", "SYNAPSE_", "POSTGRES_", "VROOLI_", "RMS_"];
        for (name, _) in std::env::vars() {
            if ours.iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().cloned()).env("COLUMNS", "100").stdin(Stdio::null());
        command
    }

    #[must_use = "compare what it said, or ask for `.success()`"]
    pub(crate) fn run(&self, words: &[&str]) -> Said {
        Said::of(self.command().args(words).output().unwrap())
    }

    /// Runs it with this text on stdin.
    #[must_use = "compare what it said, or ask for `.success()`"]
    pub(crate) fn run_with(&self, words: &[&str], input: &[u8]) -> Said {
        let mut child = self
            .command()
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that refuses early does not read to the end.
        drop(child.stdin.take().unwrap().write_all(input));
        Said::of(child.wait_with_output().unwrap())
    }

    #[track_caller]
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let answer = self.run(&[words, &["--format", "json"]].concat()).success().json();
        crate::schema::check(words, &answer);
        answer
    }

    /// A room of this name made for one test; its id.
    #[track_caller]
    pub(crate) fn room(&self, name: &str) -> String {
        self.run(&["content", "create-room", name, "-q"]).success().line().to_owned()
    }

    /// The same without encryption, for what is looked at as the server has it.
    #[track_caller]
    pub(crate) fn clear_room(&self, name: &str) -> String {
        let make = ["content", "create-room", name, "--no-encryption", "-q"];
        self.run(&make).success().line().to_owned()
    }

    /// The bodies of the messages of a room, oldest first, read from the server.
    #[track_caller]
    pub(crate) fn bodies(&self, room: &str) -> Vec<String> {
        let page = self.json(&["content", "read-messages", room, "--limit", "1000"]);
        let body = |message: &Value| message["body"].as_str().unwrap_or_default().to_owned();
        page["messages"].as_array().unwrap().iter().map(body).collect()
    }

    /// The server has events of this room that are encrypted, and none with one of these texts.
    #[track_caller]
    pub(crate) fn hides(&self, room: &str, texts: &[&str]) {
        let room = self.json(&["content", "get-room", room])["room_id"].clone();
        let room = room.as_str().unwrap();
        let path = format!("GET /_matrix/client/v3/rooms/{room}/messages?dir=b&limit=500");
        let raw = self.run(&["content", "execute", "--name", &path]).success().stdout;
        assert!(raw.contains("\"m.room.encrypted\""), "{raw}");
        assert!(!raw.contains("m.room.message"), "{raw}");
        assert!(texts.iter().all(|text| !raw.contains(text)), "{raw}");
    }

    /// The process id of a service, as the supervisor says.
    #[track_caller]
    pub(crate) fn pid(&self, service: &str) -> u32 {
        let state: Value =
            serde_json::from_slice(&fs::read(self.data.join("run/state.json")).unwrap()).unwrap();
        let pid = &state["services"][service]["pid"];
        u32::try_from(pid.as_u64().unwrap_or_else(|| panic!("{service} has no pid: {state}")))
            .unwrap()
    }

    /// The supervisor's process id, as its lock says.
    #[track_caller]
    pub(crate) fn supervisor(&self) -> u32 {
        let holder = fs::read(self.data.join("run/supervisor.lock")).unwrap();
        let holder: Value = serde_json::from_slice(&holder).unwrap();
        u32::try_from(holder["pid"].as_u64().unwrap()).unwrap()
    }

    /// A POST without a token.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, String) {
        post(self.port, path, body)
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.run(&["status"]).code == 0
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // The end of the leash wakes the janitor; a test waits for it, so that it leaves nothing.
        drop(self.leash.take());
        if let Some(mut janitor) = self.janitor.take() {
            drop(janitor.wait());
        }
    }
}

/// The program under test: the one that is named, or the one that was built along with the tests.
pub(crate) fn program() -> PathBuf {
    let named = std::env::var_os("RMS_TEST_PROGRAM").map(PathBuf::from);
    named.unwrap_or_else(|| assert_cmd::cargo_bin!().into())
}

/// Says that this machine cannot check what the test promises; CI has to be one that can.
#[track_caller]
pub(crate) fn not_checked(why: &str) {
    let thread = std::thread::current();
    let said = format!("not checked: {}: {why}", thread.name().unwrap_or("a test"));
    assert!(std::env::var_os("CI").is_none(), "{said}");
    eprintln!("{said}");
}

/// A port that nobody listens on, outside the range that outgoing connections take theirs from.
pub(crate) fn free_port() -> u16 {
    free_ports(1)
}

/// The first of as many ports in a row, which no other test of this run is given.
pub(crate) fn free_ports(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = 20_000 + u16::try_from(std::process::id() % 1_000).unwrap() * 10;
    loop {
        let first = start + NEXT.fetch_add(count, Ordering::Relaxed);
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (first..first + count).all(free) {
            return first;
        }
    }
}

/// What a GET on this machine answers: status and body.
#[track_caller]
pub(crate) fn get(port: u16, path: &str) -> (u16, String) {
    request(port, &format!("GET {path}"), "")
}

/// What a POST without a token answers.
#[track_caller]
pub(crate) fn post(port: u16, path: &str, body: &str) -> (u16, String) {
    request(port, &format!("POST {path}"), body)
}

#[track_caller]
fn request(port: u16, what: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let length = body.len();
    let head = format!("{what} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// Waits until something is so; the limit only bounds a failing test. To look costs a process, often, so the
/// longer it takes the seldomer it is looked at.
#[track_caller]
pub(crate) fn wait_for(what: &str, condition: impl Fn() -> bool) {
    const LIMIT: Duration = Duration::from_mins(2);
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < LIMIT, "waited in vain until {what}");
        let pause = begun.elapsed() / 10;
        std::thread::sleep(pause.clamp(Duration::from_millis(20), Duration::from_millis(150)));
    }
}

pub(crate) fn kill_9(pid: u32) {
    signal(pid, "KILL");
}

#[track_caller]
pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Halts a process and all that come from it, the first one first: it can make no more of them.
#[track_caller]
pub(crate) fn halt(pid: u32) {
    signal(pid, "STOP");
    children(pid).into_iter().for_each(halt);
}

/// Lets them go on, the first one last: until then none of the others is gone for good.
#[track_caller]
pub(crate) fn go_on(pid: u32) {
    children(pid).into_iter().for_each(go_on);
    signal(pid, "CONT");
}

fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    children.unwrap_or_default().split_whitespace().map(|child| child.parse().unwrap()).collect()
}

pub(crate) fn is_alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
        && !fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

/// A file written for one test.
pub(crate) fn file(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
    let path = folder.join(name);
    File::create(&path).unwrap().write_all(content).unwrap();
    path
}
