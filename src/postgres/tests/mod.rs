//! Against real servers: clusters of our own making in throw-away folders, on free ports, gone with
//! the test that made them.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{AssertSqlSafe, PgConnection};
use tempfile::TempDir;
use tokio::{
    process::Child,
    sync::Mutex,
    time::{Instant, sleep},
};

use super::{Error, Plan, Who, connect, connect::connect_by, embedded, ensure};
use crate::{
    config::{Config, sources::environment::Environment},
    data_dir::DataDir,
    process,
};

mod own;
mod shared;

/// One homeserver's data folder, and its server while it runs.
struct Home {
    folder: TempDir,
    config: Config,
    server: Option<Child>,
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn load(folder: &Path, flags: &[&str]) -> Config {
    let data = DataDir::new(folder.to_owned());
    data.create().unwrap();
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    Config::load(data, &flags, &Environment::default()).unwrap()
}

impl Home {
    fn with(flags: &[&str]) -> Self {
        // In memory where that can be: clusters write much and flush often.
        let memory = tempfile::Builder::new().tempdir_in("/dev/shm");
        let folder = memory.or_else(|_| tempfile::tempdir()).unwrap();
        let config = load(folder.path(), flags);
        Self { folder, config, server: None }
    }

    /// A homeserver with a cluster of its own.
    fn embedded() -> Self {
        Self::with(&[&format!("database.embedded_port={}", free_port())])
    }

    /// A running server that other homeservers share.
    async fn server() -> Self {
        let mut home = Self::embedded();
        embedded::create(&home.config).await.unwrap();
        home.start().await;
        home
    }

    /// The same, one for all tests that have names of their own on it; it ends with the last of them.
    async fn common() -> Arc<Self> {
        static COMMON: Mutex<Weak<Home>> = Mutex::const_new(Weak::new());
        let mut common = COMMON.lock().await;
        if let Some(server) = common.upgrade() {
            return server;
        }
        let server = Arc::new(Self::server().await);
        *common = Arc::downgrade(&server);
        server
    }

    /// Runs the server as the supervisor does, until it takes connections.
    async fn start(&mut self) {
        embedded::make_ready(&self.config).await.unwrap();
        let launch = embedded::launch(&self.config).await.unwrap();
        let mut command = process::command(&launch.program);
        let log = std::fs::File::create(self.log()).unwrap();
        command.args(&launch.args).envs(launch.env).stderr(log).process_group(0);
        self.server = Some(command.spawn().unwrap());
        let ready = async || {
            process::tool(process::command(&launch.ready[0]).args(&launch.ready[1..])).await
        };
        let until = soon();
        while let Err(error) = ready().await {
            assert!(
                Instant::now() < until,
                "{error}\n{}",
                std::fs::read_to_string(self.log()).unwrap()
            );
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn log(&self) -> PathBuf {
        self.config.data.logs().join("postgres.log")
    }

    /// Another homeserver, which uses this one's server as its shared one.
    fn guest(&self, flags: &[&str]) -> Self {
        let password = self.config.data.superuser_password();
        let password = crate::secret::Secret::read(&password).unwrap();
        let port = format!("database.port={}", self.config.database.embedded_port);
        let password = format!("database.admin_password={}", password.expose());
        let mut all =
            vec!["database.host=127.0.0.1", &port, "database.admin_user=postgres", &password];
        all.extend(flags);
        Self::with(&all)
    }

    async fn ensure(&self) -> Result<Plan, Error> {
        ensure(&self.config, soon(), &mut |_| {}).await
    }

    async fn admin(&self) -> PgConnection {
        connect_by(&self.config, Who::Admin, soon(), async || {}).await.unwrap()
    }

    async fn ask(&self, question: &str) -> String {
        let question = AssertSqlSafe(question.to_owned());
        sqlx::query_scalar(question).fetch_one(&mut self.admin().await).await.unwrap()
    }
}

async fn run(connection: &mut PgConnection, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(connection).await.unwrap();
}

/// The statements one by one: CREATE DATABASE stands alone.
async fn run_each(home: &Home, statements: &[&str]) {
    let mut admin = home.admin().await;
    for statement in statements {
        run(&mut admin, statement).await;
    }
}

async fn inside(home: &Home) -> PgConnection {
    connect(&home.config, Who::Synapse).await.unwrap()
}

impl Drop for Home {
    fn drop(&mut self) {
        let Some(pid) = embedded::running(&self.config.data) else { return };
        kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::QUIT).ok();
        let until = std::time::Instant::now() + Duration::from_secs(5);
        while embedded::running(&self.config.data).is_some() && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
