//! The settings of a Synapse that somebody else installed, read as Synapse itself reads them: what of them
//! becomes a setting of ours, what goes into `homeserver.d` as it is, and what is of no more use. Nothing of
//! theirs is ever written.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

use super::twice;
use crate::{
    config::{self, sections::database::Tls},
    error::{Explain, Kind},
    files as disk,
    secret::Secret,
};

/// What an installation elsewhere may be called.
const MAIN: &str = "homeserver.yaml";
/// Where Debian's package has what an administrator adds.
const MORE: &str = "conf.d";
/// The path under which a container sees the volume.
const VOLUME: &str = "/data/";
/// In days: for ever.
const EVER: &str = "36500d";

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("there is no `homeserver.yaml` at `{}`", .0.display())]
    None(PathBuf),
    #[error("`{}` is not YAML", path.display())]
    Yaml { path: PathBuf, source: Box<serde_yaml::Error> },
    #[error("`{}` is more than this program reads", path.display())]
    TooMuch { path: PathBuf, source: Box<serde_yaml::Error> },
    #[error("`{}` has no key `{key}`{}", path.display(), config::did_you_mean(suggestion.as_deref()))]
    NoSuchKey { path: PathBuf, key: String, suggestion: Option<String> },
    #[error("`{}` says no `{key}`", path.display())]
    Missing { path: PathBuf, key: &'static str },
    #[error("`{key}` has a value that this program cannot take over")]
    Odd { key: &'static str },
    #[error("the signing key `{}` is not there", .0.display())]
    NoKey(PathBuf),
    #[error("the Synapse of `{}` keeps nothing: its database is in memory alone", .0.display())]
    Memory(PathBuf),
    #[error("its data is in several databases")]
    Databases,
    #[error(transparent)]
    File(#[from] disk::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::File(error) => error.kind(),
            Self::Yaml { .. } | Self::TooMuch { .. } | Self::NoKey(_) => Kind::Environment,
            _ => Kind::Request,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::None(_) => {
                "`manage adopt /etc/matrix-synapse` looks at Debian's package; that of a container has it in its volume, `manage adopt /var/lib/docker/volumes/NAME/_data`".into()
            }
            Self::Yaml { path, .. } => format!("mend that place; `manage adopt {}` looks again", path.display()),
            Self::TooMuch { path, .. } => format!(
                "write out what its aliases (`*name`) stand for; `manage adopt {}` looks again", path.display()
            ),
            Self::NoSuchKey { path, .. } => format!(
                "`manage adopt {}` without it shows what would come along", path.display()
            ),
            Self::Missing { .. } => "`homeserver.yaml` and the files in `conf.d` beside it are read".into(),
            Self::Odd { key } => format!("`--leave {key}` does without it"),
            Self::NoKey(_) => {
                "without its key other servers would refuse this one: put the file back, or name it with `signing_key_path`".into()
            }
            Self::Memory(_) => {
                "there is nothing to take over: `manage install --server-name NAME` installs a new one; where there is a file after all, name it in `database.args.database`".into()
            }
            Self::Databases => "bring them together first (`databases` in homeserver.yaml)".into(),
            Self::File(error) => return error.hint(),
        })
    }
}

/// Their database.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    Sqlite(PathBuf),
    Postgres(Server),
}

/// A PostgreSQL, in libpq's words.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// A name, an address, or the folder of a unix socket.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: Option<Secret>,
    pub(crate) name: String,
    pub(crate) sslmode: String,
}

impl Server {
    /// Our word and libpq's for how a connection is encrypted.
    pub(crate) fn tls(&self) -> (Tls, &'static str) {
        match &*self.sslmode {
            "disable" => (Tls::Disable, "disable"),
            "require" | "verify-ca" => (Tls::Require, "require"),
            "verify-full" => (Tls::VerifyFull, "verify-full"),
            _ => (Tls::Prefer, "prefer"),
        }
    }
}

/// What is taken over.
#[derive(Debug)]
pub(crate) struct Taking {
    /// The files that were read.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) server_name: String,
    /// Our settings that follow from theirs.
    pub(crate) settings: Vec<(&'static str, Value)>,
    /// What goes into `homeserver.d` as it is.
    pub(crate) own: Map<String, Value>,
    /// Those of it of which theirs said nothing, and ours would say something else than Synapse.
    pub(crate) unsaid: Vec<&'static str>,
    /// The line of the key that signs.
    pub(crate) signing_key: Secret,
    /// By the names of our files.
    pub(crate) secrets: Vec<(&'static str, Secret)>,
    pub(crate) media: PathBuf,
    pub(crate) database: Database,
    pub(crate) registrations: Vec<PathBuf>,
    /// On which it listens, as long as it runs.
    pub(crate) ports: Vec<u16>,
    pub(crate) pid_file: Option<PathBuf>,
    /// What is other than before: clauses.
    pub(crate) changes: Vec<String>,
    /// Keys that are of no more use.
    pub(crate) leaves: Vec<String>,
    /// What else should be known of their files: sentences.
    pub(crate) notes: Vec<String>,
}

/// What is ours, or is about processes that are ours to make.
const OF_NO_USE: &[&str] = &[
    "pid_file",
    "daemonize",
    "log_config",
    "log_file",
    "verbose",
    "enable_metrics",
    "metrics_port",
    "jwt_config",
    "redis",
    "instance_map",
    "stream_writers",
    "federation_sender_instances",
    "pusher_instances",
    "worker_replication_secret",
    "worker_replication_secret_path",
    "send_federation",
    "start_pushers",
    "notify_appservices",
    "notify_appservices_from_worker",
    "update_user_directory",
    "update_user_directory_from_worker",
    "run_background_tasks_on",
    "enable_media_repo",
    "media_instance_running_background_jobs",
    "tls_certificate_path",
    "tls_private_key_path",
    "enable_registration_without_verification",
    "registration_requires_token",
];
/// Of these nobody has to be told.
const UNSAID: &[&str] = &[
    "pid_file",
    "daemonize",
    "log_config",
    "enable_metrics",
    "registration_requires_token",
    "enable_registration_without_verification",
];

struct Reader {
    folder: PathBuf,
    main: PathBuf,
    content: Map<String, Value>,
}

/// Reads a folder or a file; `leave` are keys that are not to come along.
pub(crate) fn read(path: &Path, leave: &[String]) -> Result<Taking, Error> {
    let main = if path.is_dir() { path.join(MAIN) } else { path.to_owned() };
    if !main.is_file() {
        return Err(Error::None(path.to_owned()));
    }
    let folder = main.parent().unwrap_or(Path::new("/")).to_owned();
    let mut files = vec![main.clone()];
    let more = disk::entries(&folder.join(MORE)).unwrap_or_default();
    files.extend(more.into_iter().filter(|file| file.extension().is_some_and(|it| it == "yaml")));
    let mut content = Map::new();
    let mut notes = Vec::new();
    for path in &files {
        let read = disk::read(path)?;
        let (read, twice) = twice::parse(&read).map_err(|source| {
            let (path, is_too_much) = (path.clone(), twice::is_too_much(&source));
            let source = Box::new(source);
            if is_too_much { Error::TooMuch { path, source } } else { Error::Yaml { path, source } }
        })?;
        notes.extend(twice.into_iter().map(|it| {
            let (key, file, line) = (it.key, path.display(), it.line);
            format!("`{key}` is more than once in {file}: the last one counts, in line {line}")
        }));
        // As Synapse does: what a later file says replaces what an earlier one did.
        if let Value::Object(more) = read {
            content.extend(more);
        }
    }
    if let Some(key) = leave.iter().find(|key| !content.contains_key(*key)) {
        let suggestion = config::nearest(key, content.keys().map(String::as_str));
        return Err(Error::NoSuchKey { path: path.to_owned(), key: key.clone(), suggestion });
    }
    let mut reader = Reader { folder, main, content };
    let mut leaves = Vec::new();
    for key in leave {
        if reader.content.remove(key).is_some() {
            leaves.push(key.clone());
        }
    }
    let mut taking = reader.take()?;
    taking.files = files;
    taking.notes = notes;
    taking.leaves.splice(0..0, leaves);
    Ok(taking)
}

/// A text, or a number that is meant as one.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

impl Reader {
    /// Takes out what is a text, or a number that is meant as one.
    fn word(&mut self, key: &'static str) -> Result<Option<String>, Error> {
        match self.content.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => text(&value).map(Some).ok_or(Error::Odd { key }),
        }
    }

    /// Where a file of theirs is here: in a container their folder has another name.
    fn place(&self, path: &str) -> PathBuf {
        let within = |rest: &str| self.folder.join(rest);
        match path.strip_prefix(VOLUME) {
            Some(rest) if within(rest).exists() => within(rest),
            _ if Path::new(path).is_absolute() => PathBuf::from(path),
            _ => within(path),
        }
    }

    /// A secret that stands in the settings or in a file that they name.
    fn secret(&mut self, key: &'static str, path: &'static str) -> Result<Option<Secret>, Error> {
        let (inline, file) = (self.word(key)?, self.word(path)?);
        let found = match (inline, file) {
            (Some(text), _) => text,
            (None, Some(file)) => disk::read(&self.place(&file))?.trim().to_owned(),
            (None, None) => return Ok(None),
        };
        Ok((!found.is_empty()).then(|| Secret::new(found)))
    }

    fn key(&mut self, server_name: &str) -> Result<Secret, Error> {
        let (inline, path) = (self.word("signing_key")?, self.word("signing_key_path")?);
        if let Some(text) = inline {
            return Ok(Secret::new(text));
        }
        let path = match path {
            Some(path) => self.place(&path),
            None => self.folder.join(format!("{server_name}.signing.key")),
        };
        match disk::read_if_exists(&path)? {
            Some(text) if !text.trim().is_empty() => Ok(Secret::new(text)),
            _ => Err(Error::NoKey(path)),
        }
    }

    fn take(&mut self) -> Result<Taking, Error> {
        let missing = |main: &Path, key| Error::Missing { path: main.to_owned(), key };
        let server_name = self.word("server_name")?;
        let server_name = server_name.ok_or_else(|| missing(&self.main, "server_name"))?;
        let signing_key = self.key(&server_name)?;
        let mut settings = vec![("server.name", json!(server_name))];
        let mut changes = Vec::new();
        let mut secrets = Vec::new();
        for (name, key, path) in [
            ("macaroon_secret_key", "macaroon_secret_key", "macaroon_secret_key_path"),
            ("form_secret", "form_secret", "form_secret_path"),
            (
                "synapse_registration_secret",
                "registration_shared_secret",
                "registration_shared_secret_path",
            ),
        ] {
            if let Some(secret) = self.secret(key, path)? {
                secrets.push((name, secret));
            }
        }
        let database = self.database(&mut settings)?;
        let media = self.word("media_store_path")?.unwrap_or_else(|| "media_store".into());
        let media = self.place(&media);
        let ports = self.listeners(&mut settings, &mut changes);
        if let Some(url) = self.word("public_baseurl")? {
            settings.push(("server.public_url", json!(url.trim_end_matches('/'))));
        }
        self.federation(&mut settings);
        self.people(&mut settings, &mut changes);
        self.lasting(&mut settings);
        let registrations = match self.content.remove("app_service_config_files") {
            Some(Value::Array(list)) => {
                list.iter().filter_map(Value::as_str).map(|path| self.place(path)).collect()
            }
            _ => Vec::new(),
        };
        let pid_file = self.content.get("pid_file").and_then(Value::as_str);
        let pid_file = pid_file.map(|path| self.place(path));
        let mut leaves = Vec::new();
        for key in OF_NO_USE {
            if self.content.remove(*key).is_some() && !UNSAID.contains(key) {
                leaves.push((*key).to_owned());
            }
        }
        if leaves.iter().any(|key| key == "instance_map" || key == "redis") {
            changes.push("one process does all; `workers.list` makes workers".into());
        }
        if leaves.iter().any(|key| key == "jwt_config") {
            changes.push("nobody logs in with tokens of another program (`jwt_config`)".into());
        }
        if self
            .content
            .get("modules")
            .is_some_and(|it| it.as_array().is_some_and(|it| !it.is_empty()))
        {
            changes.push(
                "its modules are installed from the list that `synapse.modules` names".into(),
            );
        }
        self.content.retain(|_, value| !value.is_null());
        let mut own = Value::Object(std::mem::take(&mut self.content));
        self.moved(&mut own);
        let mut own = match own {
            Value::Object(own) => own,
            _ => Map::new(),
        };
        let mut unsaid = Vec::new();
        // Where theirs says nothing, ours would log people out, or forget what they have left.
        for (key, value) in [
            ("delete_stale_devices_after", Value::Null),
            ("forget_rooms_on_leave", json!(false)),
            ("forgotten_room_retention_period", Value::Null),
            ("limit_remote_rooms", json!({ "enabled": false })),
        ] {
            if !own.contains_key(key) {
                own.insert(key.to_owned(), value);
                unsaid.push(key);
            }
        }
        if own.get("report_stats") == Some(&json!(false)) {
            own.remove("report_stats");
        }
        Ok(Taking {
            files: Vec::new(),
            server_name,
            settings,
            own,
            unsaid,
            signing_key,
            secrets,
            media,
            database,
            registrations,
            ports,
            pid_file,
            changes,
            leaves,
            notes: Vec::new(),
        })
    }

    /// Paths below the volume of a container, as they are here.
    fn moved(&self, value: &mut Value) {
        match value {
            Value::String(text) if text.starts_with(VOLUME) => {
                *text = self.place(text).display().to_string();
            }
            Value::Array(list) => list.iter_mut().for_each(|it| self.moved(it)),
            Value::Object(map) => map.values_mut().for_each(|it| self.moved(it)),
            _ => {}
        }
    }

    fn database(&mut self, settings: &mut Vec<(&'static str, Value)>) -> Result<Database, Error> {
        if self.content.remove("databases").is_some() {
            return Err(Error::Databases);
        }
        let database = self.content.remove("database").unwrap_or(Value::Null);
        let args = &database["args"];
        let first = |keys: &[&str]| keys.iter().find_map(|key| text(&args[*key]));
        match database["name"].as_str() {
            Some("psycopg2") => {}
            Some("sqlite3") | None => {
                let file = first(&["database"]).unwrap_or_else(|| "homeserver.db".into());
                // SQLite's words for one that is gone when it is closed.
                if file.is_empty() || file == ":memory:" {
                    return Err(Error::Memory(self.main.clone()));
                }
                return Ok(Database::Sqlite(self.place(&file)));
            }
            Some(_) => return Err(Error::Odd { key: "database" }),
        }
        for (setting, key) in
            [("database.connections_min", "cp_min"), ("database.connections_max", "cp_max")]
        {
            if let Some(number) = args[key].as_u64() {
                settings.push((setting, json!(number)));
            }
        }
        let port = first(&["port"]).map_or(Ok(5432), |port| port.parse());
        Ok(Database::Postgres(Server {
            host: first(&["host"]).unwrap_or_else(|| "/var/run/postgresql".into()),
            port: port.map_err(|_| Error::Odd { key: "database" })?,
            user: first(&["user"]).unwrap_or_else(|| "synapse_user".into()),
            password: first(&["password"]).map(Secret::new),
            name: first(&["dbname", "database"]).unwrap_or_else(|| "synapse".into()),
            sslmode: first(&["sslmode"]).unwrap_or_else(|| "prefer".into()),
        }))
    }

    /// The first plain listener for clients is ours; all ports that there are.
    fn listeners(
        &mut self,
        settings: &mut Vec<(&'static str, Value)>,
        changes: &mut Vec<String>,
    ) -> Vec<u16> {
        let list = match self.content.remove("listeners") {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        };
        let port = |it: &Value| it["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        let is_http = |it: &&Value| it["type"].as_str().is_none_or(|kind| kind == "http");
        let serves = |it: &Value, name: &str| {
            let resources = it["resources"].as_array().into_iter().flatten();
            let mut names = resources.flat_map(|it| match &it["names"] {
                Value::Array(names) => names.clone(),
                name => vec![name.clone()],
            });
            names.any(|it| it == name)
        };
        let clients = list.iter().filter(is_http).filter(|it| serves(it, "client"));
        let plain = clients.clone().find(|it| it["tls"] != true && port(it).is_some());
        if let Some(listener) = plain {
            settings.push(("server.port", json!(port(listener))));
            let addresses = match (&listener["bind_addresses"], &listener["bind_address"]) {
                (Value::Array(list), _) if !list.is_empty() => {
                    list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
                }
                (_, Value::String(one)) if !one.is_empty() => vec![one.clone()],
                // In a container all addresses are only those of the container.
                _ if self.folder != Path::new("/data") && self.is_container() => {
                    vec!["127.0.0.1".to_owned()]
                }
                _ => vec!["::".to_owned(), "0.0.0.0".to_owned()],
            };
            settings.push(("server.address", json!(addresses.join(", "))));
            if listener["x_forwarded"] == true {
                settings.push(("server.behind_proxy", json!(true)));
            }
        }
        if list.iter().any(|it| it["tls"] == true) {
            changes.push(
                "Synapse does not speak TLS itself: a proxy does, ours (`--profile full`) or yours"
                    .into(),
            );
        }
        let metrics = list.iter().find(|it| it["type"] == "metrics").and_then(port);
        if let Some(port) = metrics {
            settings.push(("server.metrics_port", json!(port)));
        }
        let kept = plain.and_then(port);
        let others = clients.filter_map(port).filter(|port| Some(*port) != kept);
        for port in others {
            changes.push(format!("nothing listens on port {port} any more"));
        }
        list.iter().filter_map(port).collect()
    }

    /// Whether the settings speak of a folder as a container sees it.
    fn is_container(&self) -> bool {
        let key = self.content.get("log_config").and_then(Value::as_str);
        key.is_some_and(|path| path.starts_with(VOLUME))
    }

    fn federation(&mut self, settings: &mut Vec<(&'static str, Value)>) {
        match self.content.remove("federation_domain_whitelist") {
            Some(Value::Array(list)) if list.is_empty() => {
                settings.push(("synapse.federation", json!("off")));
            }
            Some(Value::Array(list)) => {
                settings.push(("synapse.federation", json!("private")));
                settings.push(("synapse.federation_servers", Value::Array(list)));
            }
            _ => settings.push(("synapse.federation", json!("open"))),
        }
    }

    fn people(&mut self, settings: &mut Vec<(&'static str, Value)>, changes: &mut Vec<String>) {
        let is = |content: &Map<String, Value>, key: &str| content.get(key) == Some(&json!(true));
        if is(&self.content, "enable_registration") {
            settings.push(("synapse.registration", json!(true)));
            if !is(&self.content, "registration_requires_token") {
                changes.push("whoever registers needs a registration token".into());
            }
        }
        self.content.remove("enable_registration");
        // As Synapse has it where nothing is said.
        let presence = self.content.remove("presence").unwrap_or(Value::Null);
        let old = self.content.remove("use_presence").and_then(|it| it.as_bool());
        let shown = match &presence["enabled"] {
            Value::Bool(shown) => *shown,
            Value::String(_) => true,
            _ => old.unwrap_or(true),
        };
        settings.push(("synapse.presence", json!(shown)));
        if let Some(size) = self.content.remove("max_upload_size") {
            settings.push(("synapse.max_upload_size", size));
        }
        if let Some(version) = self.content.remove("default_room_version") {
            let version = text(&version).unwrap_or_default();
            settings.push(("synapse.room_version", json!(version)));
        }
        if self.content.get("password_config").is_none_or(|it| it["policy"].is_null()) {
            changes.push(
                "a new password has 12 characters at least (`synapse.password_length`)".into(),
            );
        }
        for key in
            ["require_auth_for_profile_requests", "limit_profile_requests_to_users_who_share_rooms"]
        {
            if !self.content.contains_key(key) {
                changes.push("profiles are shown to those who share a room".into());
                break;
            }
        }
    }

    /// How long things are kept: as long as before.
    fn lasting(&mut self, settings: &mut Vec<(&'static str, Value)>) {
        let kept = self.content.remove("media_retention").unwrap_or(Value::Null);
        let span = |value: &Value| match value {
            Value::Number(number) => Some(json!(format!("{number}ms"))),
            Value::String(_) => Some(value.clone()),
            _ => None,
        };
        let remote = span(&kept["remote_media_lifetime"]).unwrap_or_else(|| json!(EVER));
        settings.push(("synapse.remote_media_lifetime", remote));
        if let Some(local) = span(&kept["local_media_lifetime"]) {
            settings.push(("media.local_lifetime", local));
        }
    }
}

/// Whether a process that this file names is a Synapse.
pub(crate) fn runs_by(pid_file: &Path) -> Option<u32> {
    let pid: u32 = fs::read_to_string(pid_file).ok()?.trim().parse().ok()?;
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    String::from_utf8_lossy(&line).contains("synapse").then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ed25519 a_Xy12 c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI\n";

    /// A file with this in it.
    fn put(path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        disk::write_atomically(path.as_ref(), content.as_ref(), disk::PRIVATE).unwrap();
    }

    /// A folder with these files and a signing key.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("x.org.signing.key", KEY)].iter().chain(files) {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            put(path, text);
        }
        folder
    }

    fn setting(taking: &Taking, key: &str) -> Value {
        let found = taking.settings.iter().find(|(known, _)| *known == key);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    #[test]
    fn the_layout_of_debians_package_is_read_with_what_an_administrator_added() {
        let folder = folder(&[
            (
                "homeserver.yaml",
                "pid_file: /run/x.pid\nlisteners: [{port: 8008, type: http, x_forwarded: true, bind_addresses: ['::1', '127.0.0.1'], resources: [{names: [client, federation]}]}]\ndatabase: {name: sqlite3, args: {database: /var/lib/matrix-synapse/homeserver.db}}\nmedia_store_path: /var/lib/matrix-synapse/media\nemail: {smtp_host: old}",
            ),
            ("conf.d/server_name.yaml", "server_name: x.org"),
            (
                "conf.d/zz.yaml",
                "email: {smtp_host: new}\nturn_shared_secret: s\nmax_upload_size: 20M",
            ),
            ("conf.d/none.txt", "a: ["),
        ]);
        let taking = read(folder.path(), &[]).unwrap();
        assert_eq!((&*taking.server_name, taking.files.len()), ("x.org", 3));
        assert_eq!(setting(&taking, "server.port"), 8008);
        assert_eq!(setting(&taking, "server.address"), "::1, 127.0.0.1");
        assert_eq!(setting(&taking, "server.behind_proxy"), true);
        assert_eq!(setting(&taking, "synapse.max_upload_size"), "20M");
        assert_eq!(setting(&taking, "synapse.federation"), "open");
        assert_eq!(taking.own["email"]["smtp_host"], "new");
        assert_eq!(taking.own["turn_shared_secret"], "s");
        assert!(!taking.own.contains_key("pid_file") && !taking.own.contains_key("listeners"));
        assert!(
            matches!(&taking.database, Database::Sqlite(file) if file.ends_with("homeserver.db"))
        );
        assert_eq!(taking.signing_key.expose(), KEY);
        assert_eq!(taking.ports, [8008]);
    }

    #[test]
    fn what_a_container_calls_data_is_the_folder_of_its_settings() {
        let folder = folder(&[
            (
                "homeserver.yaml",
                "server_name: x.org\nsigning_key_path: /data/x.org.signing.key\nmedia_store_path: /data/media_store\nlog_config: /data/x.log.config\nlisteners: [{port: 8008, resources: [{names: [client]}]}]\ndatabase: {name: psycopg2, args: {host: db, user: me, password: pass, database: syn, cp_max: 20}}\nmacaroon_secret_key: m\nform_secret_path: /data/form\nregistration_shared_secret: r\nmedia_storage_providers: [{module: file_system, config: {directory: /data/more}}]\napp_service_config_files: [/data/irc.yaml]",
            ),
            ("media_store/a", ""),
            ("more/a", ""),
            ("form", "f\n"),
            ("irc.yaml", ""),
        ]);
        let here = |name: &str| folder.path().join(name);
        let taking = read(&here("homeserver.yaml"), &[]).unwrap();
        assert_eq!(taking.media, here("media_store"));
        assert_eq!(taking.registrations, [here("irc.yaml")]);
        let more = &taking.own["media_storage_providers"][0]["config"]["directory"];
        assert_eq!(more, here("more").to_str().unwrap());
        assert_eq!(setting(&taking, "server.address"), "127.0.0.1");
        assert_eq!(setting(&taking, "database.connections_max"), 20);
        let secrets: Vec<_> =
            taking.secrets.iter().map(|(name, secret)| (*name, secret.expose())).collect();
        let all = [
            ("macaroon_secret_key", "m"),
            ("form_secret", "f"),
            ("synapse_registration_secret", "r"),
        ];
        assert_eq!(secrets, all);
        let Database::Postgres(server) = taking.database else { panic!() };
        assert_eq!(
            (&*server.host, server.port, &*server.user, &*server.name),
            ("db", 5432, "me", "syn")
        );
    }

    #[test]
    fn nothing_is_deleted_that_was_kept_and_nobody_is_logged_out() {
        let folder = folder(&[("homeserver.yaml", "server_name: x.org")]);
        let taking = read(folder.path(), &[]).unwrap();
        assert_eq!(taking.own["delete_stale_devices_after"], Value::Null);
        assert_eq!(taking.own["forgotten_room_retention_period"], Value::Null);
        assert_eq!(setting(&taking, "synapse.remote_media_lifetime"), EVER);
        assert_eq!(setting(&taking, "synapse.presence"), true);
        let folder = self::folder(&[(
            "homeserver.yaml",
            "server_name: x.org\ndelete_stale_devices_after: 5d\nmedia_retention: {remote_media_lifetime: 30d, local_media_lifetime: 1y}\npresence: {enabled: false}",
        )]);
        let taking = read(folder.path(), &[]).unwrap();
        assert_eq!(taking.own["delete_stale_devices_after"], "5d");
        assert_eq!(setting(&taking, "synapse.remote_media_lifetime"), "30d");
        assert_eq!(setting(&taking, "media.local_lifetime"), "1y");
        assert_eq!(setting(&taking, "synapse.presence"), false);
    }

    #[test]
    fn what_is_other_than_before_and_what_is_left_is_told() {
        let folder = folder(&[(
            "homeserver.yaml",
            "server_name: x.org\nenable_registration: true\nredis: {enabled: true}\nsend_federation: false\nlisteners: [{port: 8448, tls: true, resources: [{names: [client, federation]}]}, {port: 8009, type: metrics}]\ntls_certificate_path: /a.crt\nsome_thing: 1",
        )]);
        let taking = read(folder.path(), &["some_thing".into()]).unwrap();
        let all = taking.changes.join("; ");
        for words in
            ["registration token", "one process does all", "does not speak TLS", "port 8448"]
        {
            assert!(all.contains(words), "{all}");
        }
        assert_eq!(
            taking.leaves,
            ["some_thing", "redis", "send_federation", "tls_certificate_path"]
        );
        assert_eq!(setting(&taking, "server.metrics_port"), 8009);
        assert_eq!(setting(&taking, "server.port"), Value::Null);
    }

    #[test]
    fn without_its_name_or_its_key_nothing_is_taken_over() {
        let folder = folder(&[("homeserver.yaml", "report_stats: false")]);
        let refused = |folder: &Path| read(folder, &[]).unwrap_err().to_string();
        assert!(refused(folder.path()).ends_with("says no `server_name`"));
        put(folder.path().join("homeserver.yaml"), "server_name: y.org");
        assert!(refused(folder.path()).ends_with("y.org.signing.key` is not there"));
        assert!(refused(&folder.path().join("none")).starts_with("there is no `homeserver.yaml`"));
        put(folder.path().join("homeserver.yaml"), "server_name: [x");
        assert!(refused(folder.path()).ends_with("is not YAML"));
        let text = "server_name: x.org\ndatabase: {name: sqlite3, args: {database: ':memory:'}}";
        put(folder.path().join("homeserver.yaml"), text);
        assert!(refused(folder.path()).contains("keeps nothing"));
    }

    #[test]
    fn a_key_that_is_there_twice_is_told_and_one_that_is_not_there_cannot_be_left() {
        let folder = folder(&[(
            "homeserver.yaml",
            "server_name: y.org\nbcrypt_rounds: 4\nserver_name: x.org\n",
        )]);
        let taking = read(folder.path(), &[]).unwrap();
        assert_eq!(taking.server_name, "x.org");
        assert_eq!(taking.notes.len(), 1);
        assert!(taking.notes[0].starts_with("`server_name` is more than once in "));
        assert!(taking.notes[0].ends_with("the last one counts, in line 3"));
        let refused = |key: &str| read(folder.path(), &[key.into()]).unwrap_err().to_string();
        assert!(refused("bcrypt_round").ends_with("; did you mean `bcrypt_rounds`?"));
        assert!(refused("").ends_with("has no key ``"));
    }
}
