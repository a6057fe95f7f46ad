//! Synapse on SQLite, as others run it: what its database holds, and Synapse's own tools that finish what it had
//! begun and carry it over to PostgreSQL. Only a copy is ever written to.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde::Deserialize;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader},
    process::Command,
};

use super::{Error, files::DatabaseSettings, script};
use crate::{config::Config, files as disk, process, python::Environment};

const SCRIPT: &str = include_str!("sqlite.py");
/// What a database of SQLite begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// What of it lies beside it where it was not closed.
const BESIDE: [&str; 2] = ["-wal", "-journal"];

/// What such a database says of itself.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Looked {
    pub(crate) is_synapse: bool,
    /// The name in its user ids; none if nobody has registered yet.
    #[serde(default)]
    pub(crate) server_name: Option<String>,
    /// The signing keys of the newest event that was sent here; none where nobody has sent any.
    #[serde(default)]
    pub(crate) keys: Vec<String>,
    #[serde(default)]
    pub(crate) version: u32,
    /// How many background updates are unfinished.
    #[serde(default)]
    pub(crate) updates: u32,
    /// Whether there is an account of our operator's name.
    #[serde(default)]
    pub(crate) operator: bool,
    /// Whether SQLite moves its rows by itself.
    #[serde(default)]
    pub(crate) vacuums: bool,
    /// The schema of the Synapse that was asked, where one was.
    #[serde(default)]
    pub(crate) newest: Option<u32>,
    /// Its tables that are carried over, with their rows, where they were counted.
    #[serde(default)]
    pub(crate) tables: BTreeMap<String, i64>,
}

/// Whether a file is a database of SQLite, by how it begins.
pub(crate) fn is_one(file: &Path) -> Result<bool, disk::Error> {
    use std::io::Read as _;
    let mut head = [0; MAGIC.len()];
    let opened = std::fs::File::open(file).map_err(disk::Error::io("read", file))?;
    let read = opened.take(MAGIC.len() as u64).read_exact(&mut head);
    Ok(read.is_ok() && head == MAGIC)
}

/// The file, and what lies beside it of what was not written into it yet.
pub(crate) fn parts(file: &Path) -> Vec<PathBuf> {
    let beside = BESIDE.iter().map(|end| PathBuf::from(format!("{}{end}", file.display())));
    [file.to_owned()].into_iter().chain(beside.filter(|part| part.exists())).collect()
}

/// Looks into one that is not ours. Nothing is written there; what lies beside it is not looked at.
pub(crate) async fn look(python: &Path, file: &Path, operator: &str) -> Result<Looked, Error> {
    let mut command = process::command(python);
    command.args(["-I", "-c", SCRIPT]).arg(file).arg("theirs").arg(operator);
    script::answer(command, "").await?.map_err(Error::Sqlite)
}

/// Looks into a copy, and counts.
pub(crate) async fn count(environment: &Environment, file: &Path) -> Result<Looked, Error> {
    let mut command = script::command(environment, SCRIPT);
    command.arg(file).args(["ours", "", "count"]);
    script::answer(command, "").await?.map_err(Error::Sqlite)
}

/// Brings the schema of a copy, or of the database it goes to, up to this Synapse's, and finishes all updates that
/// run in the background.
pub(crate) async fn settle(
    config: &Config,
    environment: &Environment,
    file: &Path,
    to: Option<&DatabaseSettings>,
    log: &Path,
) -> Result<(), Error> {
    let sqlite = || json!({ "name": "sqlite3", "args": { "database": file } });
    let settings = settings(config, file, &to.map_or_else(sqlite, postgres))?;
    let mut command = bound(environment.program("update_synapse_database"));
    command.arg("--database-config").arg(&settings).arg("--run-background-updates");
    run(command, log, &mut |_| {}).await
}

/// Carries a copy over into the PostgreSQL database, from where an earlier run came to. `on_line` hears what the
/// tool says.
pub(crate) async fn port(
    config: &Config,
    environment: &Environment,
    file: &Path,
    to: &DatabaseSettings,
    log: &Path,
    on_line: &mut dyn FnMut(&str),
) -> Result<(), Error> {
    let settings = settings(config, file, &postgres(to))?;
    let mut command = bound(environment.program("synapse_port_db"));
    command.arg("--sqlite-database").arg(file).arg("--postgres-config").arg(&settings);
    run(command, log, on_line).await
}

fn postgres(to: &DatabaseSettings) -> serde_json::Value {
    let DatabaseSettings { host, port, user, dbname, sslmode, sslrootcert, passfile } = to;
    let mut args = json!({
        "host": host, "port": port, "user": user, "dbname": dbname, "sslmode": sslmode,
        "passfile": passfile, "cp_min": 1, "cp_max": 4,
    });
    if let Some(root) = sslrootcert {
        args["sslrootcert"] = json!(root);
    }
    json!({ "name": "psycopg2", "args": args })
}

/// The few settings that the tools read, beside the copy.
fn settings(
    config: &Config,
    file: &Path,
    database: &serde_json::Value,
) -> Result<PathBuf, disk::Error> {
    let path = file.with_extension("yaml");
    let settings = json!({
        "server_name": config.server.name.to_string(),
        "report_stats": false,
        "suppress_key_server_warning": true,
        "signing_key_path": config.data.signing_key(),
        "media_store_path": config.data.media(),
        "database": database,
    });
    // JSON is YAML.
    disk::write_atomically(&path, settings.to_string().as_bytes(), disk::PRIVATE)?;
    Ok(path)
}

fn bound(program: PathBuf) -> Command {
    let mut command = process::bound(program);
    command.env("PYTHONUNBUFFERED", "1");
    command
}

async fn run(mut command: Command, log: &Path, on_line: &mut dyn FnMut(&str)) -> Result<(), Error> {
    let failed = |source| process::Error::Start { program: "synapse".into(), source };
    let file = disk::append(log).map_err(disk::Error::io("write", log))?;
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let said = tokio::spawn(words(stderr, file));
    if let Some(stdout) = stdout {
        let mut lines = BufReader::new(stdout).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            on_line(&line);
        }
    }
    let status = child.wait().await.map_err(failed)?;
    let last = said.await.unwrap_or_default();
    if status.success() {
        return Ok(());
    }
    Err(Error::Tool { last, log: log.to_owned() })
}

/// Keeps what a tool says in the log; its last line.
async fn words<R: AsyncRead + Unpin>(from: Option<R>, mut log: std::fs::File) -> String {
    use std::io::Write as _;
    let mut last = String::new();
    if let Some(from) = from {
        let mut lines = BufReader::new(from.take(1 << 30)).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            // On a full disk the tool itself says why it ends.
            drop(writeln!(log, "{line}"));
            if !line.trim().is_empty() {
                last = line;
            }
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with this in it.
    fn put(path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        disk::write_atomically(path.as_ref(), content.as_ref(), disk::PRIVATE).unwrap();
    }

    #[test]
    fn a_database_is_known_by_how_it_begins_and_has_its_journal_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        put(path("a.db"), b"SQLite format 3\0more");
        put(path("a.db-wal"), b"x");
        put(path("b.db"), b"SQLite");
        assert!(is_one(&path("a.db")).unwrap() && !is_one(&path("b.db")).unwrap());
        assert!(is_one(&path("none")).is_err());
        assert_eq!(parts(&path("a.db")), [path("a.db"), path("a.db-wal")]);
        assert_eq!(parts(&path("b.db")), [path("b.db")]);
    }
}
