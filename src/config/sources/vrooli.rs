//! What the Vrooli platform provides: its secrets, its PostgreSQL and Redis resources, its port registry.
//! All of it is read as text; nothing of the platform is executed but the command that starts a resource.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::{dotenv::unquoted, environment::Environment};
use crate::{
    config::{Config, Error, settings, values::source::Source},
    data_dir::DataDir,
    files, process,
};

/// Our name in the platform's files.
const NAME: &str = "matrix-synapse";

type Provided = BTreeMap<&'static str, (Value, String)>;

/// Settings that Vrooli knows, each with the file it was found in. As in the platform's own order,
/// `secrets.json` wins over what the PostgreSQL resource says of itself. A shell that does not know the
/// platform finds the Redis that was noted.
pub(crate) fn provided(data: &DataDir, environment: &Environment) -> Result<Provided, Error> {
    let mut found = Provided::new();
    let Some(root) = environment.vrooli_root() else {
        noted(&data.redis_note(), &mut found)?;
        return Ok(found);
    };
    let ports = root.join("scripts/resources/port_registry.sh");
    registered(&ports, NAME, "server.port", &mut found)?;
    redis(&root, &ports, &mut found)?;
    instance(&root.join("resources/postgres/instances/main/config/instance.conf"), &mut found)?;
    secrets(&root.join(".vrooli/secrets.json"), &mut found)?;
    Ok(found)
}

/// Whether the platform installs and starts this resource, by its `service.json`; none where there is
/// no platform, or it does not say.
pub(crate) fn enabled(environment: &Environment) -> Option<bool> {
    says_enabled(&service_json(&environment.vrooli_root()?), NAME)
}

fn service_json(root: &Path) -> PathBuf {
    root.join(".vrooli/service.json")
}

fn says_enabled(service_json: &Path, resource: &str) -> Option<bool> {
    let text = files::read_if_exists(service_json).ok()??;
    let document: Value = serde_json::from_str(&text).ok()?;
    document.pointer("/dependencies/resources")?.get(resource)?.get("enabled")?.as_bool()
}

/// The platform's Redis is a container whose port is on this machine, with a password only where
/// `secrets.json` has one. It leaves no file of its own: it is there where the platform starts it, or
/// where its command was registered and nothing is said.
fn redis(root: &Path, ports: &Path, found: &mut Provided) -> Result<(), Error> {
    let service = service_json(root);
    let command = root.join(".vrooli/resource-registry/redis.json");
    let file = match says_enabled(&service, "redis") {
        Some(true) => service,
        None if files::exists(&command)? => command,
        _ => return Ok(()),
    };
    found.insert("redis.host", ("127.0.0.1".into(), file.display().to_string()));
    registered(ports, "redis", "redis.port", found)
}

/// The platform's Redis as it was when the homeserver was last made ready.
fn noted(file: &Path, found: &mut Provided) -> Result<(), Error> {
    let Some(text) = files::read_if_exists(file)? else { return Ok(()) };
    let unreadable = |source| Error::Json { path: file.to_owned(), source };
    let mut document: BTreeMap<String, Value> = serde_json::from_str(&text).map_err(unreadable)?;
    for (name, key) in [("host", "redis.host"), ("port", "redis.port")] {
        if let Some(value) = document.remove(name) {
            found.insert(key, (value, file.display().to_string()));
        }
    }
    Ok(())
}

/// Notes the platform's Redis where it is the one in use, so that no other is taken for it later.
pub(crate) fn note_redis(config: &Config) -> Result<(), files::Error> {
    let file = config.data.redis_note();
    match config.shared_redis() {
        Some((host, port)) if is_provided(config, "redis.host") => {
            let note = json!({ "host": host, "port": port }).to_string();
            files::write_if_changed(&file, note.as_bytes(), files::PRIVATE).map(drop)
        }
        _ => files::remove(&file),
    }
}

/// Whether a setting is what the platform says.
pub(crate) fn is_provided(config: &Config, key: &str) -> bool {
    matches!(config.source(key), Source::Vrooli(_))
}

/// The platform's program, where it is what runs the server of this setting.
pub(crate) fn starter(config: &Config, host: &str) -> Option<PathBuf> {
    process::find("vrooli").filter(|_| is_provided(config, host))
}

/// Starts a resource of the platform. Whether that helped is seen by the next attempt to connect.
pub(crate) async fn start(vrooli: PathBuf, resource: &str, deadline: Instant) {
    let mut command = process::command(vrooli);
    command.args(["resource", resource, "manage", "start"]);
    drop(timeout_at(deadline, process::tool(&mut command)).await);
}

/// `.vrooli/secrets.json`: flat, by the names of variables; `_metadata` and the like are not ours.
fn secrets(file: &Path, found: &mut Provided) -> Result<(), Error> {
    let Some(text) = files::read_if_exists(file)? else { return Ok(()) };
    let unreadable = |source| Error::Json { path: file.to_owned(), source };
    let document: BTreeMap<String, Value> = serde_json::from_str(&text).map_err(unreadable)?;
    for setting in settings() {
        let value = setting.variables.iter().find_map(|variable| document.get(*variable));
        if let Some(value) = value.filter(|value| !value.is_null() && *value != "") {
            found.insert(setting.key, (value.clone(), file.display().to_string()));
        }
    }
    Ok(())
}

/// `instance.conf` of the platform's PostgreSQL: `port="5433"`, `password="…"`, `user="vrooli"`, a line
/// each. The server runs in a container whose port is on this machine; the user is its superuser.
fn instance(file: &Path, found: &mut Provided) -> Result<(), Error> {
    let Some(text) = files::read_if_exists(file)? else { return Ok(()) };
    let mut insert = |key, value: &str| {
        found.insert(key, (Value::from(value), file.display().to_string()));
    };
    insert("database.host", "127.0.0.1");
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let malformed = || Error::Line { path: file.to_owned(), number: number + 1 };
        let (name, value) = line.split_once('=').ok_or_else(malformed)?;
        let value = unquoted(value).ok_or_else(malformed)?;
        match name.trim_start_matches("export ").trim() {
            "port" => insert("database.port", &value),
            "user" => insert("database.admin_user", &value),
            "password" => insert("database.admin_password", &value),
            _ => {}
        }
    }
    Ok(())
}

/// A resource's line of the port registry: `["matrix-synapse"]="8008"`.
fn registered(
    file: &Path,
    resource: &str,
    key: &'static str,
    found: &mut Provided,
) -> Result<(), Error> {
    let Some(text) = files::read_if_exists(file)? else { return Ok(()) };
    let entry = format!("[\"{resource}\"]=");
    let line = text
        .lines()
        .enumerate()
        .find_map(|(number, line)| Some((number + 1, line.trim().strip_prefix(&entry)?)));
    let Some((number, value)) = line else { return Ok(()) };
    let value = value.split('#').next().unwrap_or_default().trim().trim_matches('"');
    if value.parse::<u16>().is_err() {
        return Err(Error::Line { path: file.to_owned(), number });
    }
    found.insert(key, (Value::from(value), file.display().to_string()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(content: &[(&str, &str)]) -> (tempfile::TempDir, Environment) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in content {
            let path = root.path().join(path);
            files::private_folder(path.parent().unwrap()).unwrap();
            files::write_atomically(&path, text.as_bytes(), files::PRIVATE).unwrap();
        }
        let environment = Environment::with(&[("VROOLI_ROOT", root.path().to_str().unwrap())]);
        (root, environment)
    }

    fn provided(environment: &Environment) -> Result<Provided, Error> {
        super::provided(&DataDir::new("/nowhere".into()), environment)
    }

    const INSTANCE: &str = "resources/postgres/instances/main/config/instance.conf";
    const SECRETS: &str = ".vrooli/secrets.json";
    const REGISTRY: &str = "scripts/resources/port_registry.sh";

    #[test]
    fn everything_that_the_platform_knows_is_found() {
        let (_root, environment) = with(&[
            (
                INSTANCE,
                "# main\nport=\"5433\"\npassword=\"a\\\"b\\$c\"\ntemplate=\ncreated=\"now\"\nuser=\"vrooli\"\n",
            ),
            (
                SECRETS,
                r#"{"SYNAPSE_DB_PASSWORD": "from-secrets", "OTHER": 1, "_metadata": {"x": 1}}"#,
            ),
            (
                REGISTRY,
                "declare -g -A RESOURCE_PORTS=(\n    [\"matrix-synapse\"]=\"8018\" # Matrix\n)\n",
            ),
        ]);
        let found = provided(&environment).unwrap();
        let value = |key: &str| found[key].0.as_str().unwrap().to_owned();
        assert_eq!(value("database.host"), "127.0.0.1");
        assert_eq!(value("database.port"), "5433");
        assert_eq!(value("database.admin_user"), "vrooli");
        assert_eq!(value("database.admin_password"), "a\"b$c");
        assert_eq!(value("database.password"), "from-secrets");
        assert_eq!(value("server.port"), "8018");
        assert_eq!(found.len(), 6);
        assert!(found["database.port"].1.ends_with(INSTANCE));
    }

    #[test]
    fn a_root_without_these_files_provides_nothing() {
        let (_root, environment) = with(&[]);
        assert!(provided(&environment).unwrap().is_empty());
        assert_eq!(enabled(&environment), None);
        assert!(provided(&Environment::default()).unwrap().is_empty());
    }

    #[test]
    fn its_redis_is_found_where_the_platform_starts_it() {
        let ports = (REGISTRY, "    [\"redis\"]=\"6390\"\n    [\"redis-commander\"]=\"8081\"\n");
        let enabled = |it: bool| {
            format!(r#"{{"dependencies": {{"resources": {{"redis": {{"enabled": {it}}}}}}}}}"#)
        };
        let (on, off) = (enabled(true), enabled(false));
        let service = |text| (".vrooli/service.json", text);
        let (on, off) = (service(on.as_str()), service(off.as_str()));
        let command = (".vrooli/resource-registry/redis.json", "{}");
        let secret = (SECRETS, r#"{"REDIS_PASSWORD": "hunter22"}"#);
        for (files, expected) in [
            (vec![ports, on], Some("6390")),
            (vec![ports, command], Some("6390")),
            // The registry names each port there could be.
            (vec![ports], None),
            (vec![ports, off, command], None),
        ] {
            let (_root, environment) = with(&files);
            let found = provided(&environment).unwrap();
            assert_eq!(found.get("redis.port").map(|it| it.0.as_str().unwrap()), expected);
            assert_eq!(found.contains_key("redis.host"), expected.is_some());
        }
        let (_root, environment) = with(&[on, secret]);
        let data = DataDir::new("/nowhere".into());
        let config = Config::load(data.clone(), &[], &environment).unwrap();
        assert_eq!(config.shared_redis(), Some(("127.0.0.1", 6380)));
        assert_eq!(config.redis.password.unwrap().0.expose(), "hunter22");
        let own = Config::load(data, &["redis.kind=own".into()], &environment).unwrap();
        assert_eq!(own.shared_redis(), None);
        let (_root, environment) = with(&[on, (REGISTRY, "[\"redis\"]=\"x\"")]);
        assert!(provided(&environment).unwrap_err().to_string().ends_with("in line 1"));
    }

    #[test]
    fn its_redis_stays_the_one_in_a_shell_that_does_not_know_the_platform() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        let load = |flags: &[&str], environment: &Environment| {
            let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
            Config::load(data.clone(), &flags, environment).unwrap()
        };
        let elsewhere = Environment::default();
        let enabled = r#"{"dependencies": {"resources": {"redis": {"enabled": true}}}}"#;
        let (_root, environment) =
            with(&[(".vrooli/service.json", enabled), (REGISTRY, "[\"redis\"]=\"6390\"")]);
        note_redis(&load(&[], &environment)).unwrap();
        let later = load(&[], &elsewhere);
        assert_eq!(later.shared_redis(), Some(("127.0.0.1", 6390)));
        note_redis(&later).unwrap();
        assert_eq!(load(&[], &elsewhere).shared_redis(), Some(("127.0.0.1", 6390)));
        let chosen = load(&["redis.host=cache.example", "redis.port=6379"], &elsewhere);
        assert_eq!(chosen.shared_redis(), Some(("cache.example", 6379)));
        note_redis(&load(&["redis.kind=own"], &elsewhere)).unwrap();
        assert_eq!(load(&[], &elsewhere).shared_redis(), None);
    }

    #[test]
    fn a_malformed_file_is_named() {
        for (path, text, expected) in [
            (SECRETS, "{", "secrets.json` is not valid JSON"),
            (SECRETS, "[1]", "secrets.json` is not valid JSON"),
            (
                INSTANCE,
                "port=\"5433\"\npassword=\"open\n",
                "instance.conf` cannot be understood in line 2",
            ),
            (
                REGISTRY,
                "[\"matrix-synapse\"]=\"$PORT\"",
                "port_registry.sh` cannot be understood in line 1",
            ),
        ] {
            let (_root, environment) = with(&[(path, text)]);
            let error = provided(&environment).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_platform_says_whether_it_wants_this_resource() {
        let text = r#"{"dependencies": {"resources": {"matrix-synapse": {"enabled": true}}}}"#;
        let (_root, environment) = with(&[(".vrooli/service.json", text)]);
        assert_eq!(enabled(&environment), Some(true));
    }
}
