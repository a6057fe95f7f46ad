//! What the Vrooli platform provides: its secrets, its PostgreSQL resource, its port registry. All of
//! it is read as text; nothing of the platform is executed.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{Error, dotenv::unquoted, environment::Environment, settings};
use crate::files;

/// Our name in the platform's files.
const NAME: &str = "matrix-synapse";

type Provided = BTreeMap<&'static str, (Value, String)>;

/// Settings that Vrooli knows, each with the file it was found in. As in the platform's own order,
/// `secrets.json` wins over what the PostgreSQL resource says of itself.
pub(crate) fn provided(environment: &Environment) -> Result<Provided, Error> {
    let mut found = Provided::new();
    let Some(root) = environment.vrooli_root() else { return Ok(found) };
    let registry = root.join("scripts/resources/port_registry.sh");
    let mut port_of = |name: &str, key| -> Result<(), Error> {
        if let Some(port) = port(&registry, name)? {
            found.insert(key, (port.into(), registry.display().to_string()));
        }
        Ok(())
    };
    port_of(NAME, "server.port")?;
    // Every resource has a line there, wanted or not.
    if is_enabled(&root, "redis") == Some(true) {
        port_of("redis", "redis.port")?;
        let file = root.join(SERVICES).display().to_string();
        found.insert("redis.host", ("127.0.0.1".into(), file));
    }
    instance(&root.join("resources/postgres/instances/main/config/instance.conf"), &mut found)?;
    secrets(&root.join(".vrooli/secrets.json"), &mut found)?;
    Ok(found)
}

/// Whether the platform installs and starts this resource, by its `service.json`; none where there is
/// no platform, or it does not say.
pub(crate) fn enabled(environment: &Environment) -> Option<bool> {
    is_enabled(&environment.vrooli_root()?, NAME)
}

/// What the platform says about its resources.
const SERVICES: &str = ".vrooli/service.json";

fn is_enabled(root: &Path, resource: &str) -> Option<bool> {
    let text = files::read_if_exists(&root.join(SERVICES)).ok()??;
    let document: Value = serde_json::from_str(&text).ok()?;
    document.pointer("/dependencies/resources")?.get(resource)?.get("enabled")?.as_bool()
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

/// The port of a resource in the registry: `["matrix-synapse"]="8008"`.
fn port(file: &Path, resource: &str) -> Result<Option<String>, Error> {
    let Some(text) = files::read_if_exists(file)? else { return Ok(None) };
    let entry = format!("[\"{resource}\"]=");
    let line = text
        .lines()
        .enumerate()
        .find_map(|(number, line)| Some((number + 1, line.trim().strip_prefix(&entry)?)));
    let Some((number, value)) = line else { return Ok(None) };
    let value = value.split('#').next().unwrap_or_default().trim().trim_matches('"');
    if value.parse::<u16>().is_err() {
        return Err(Error::Line { path: PathBuf::from(file), number });
    }
    Ok(Some(value.to_owned()))
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
    fn the_platforms_redis_is_used_where_the_platform_has_one() {
        let registry = (REGISTRY, "    [\"redis\"]=\"6390\"\n");
        let with_redis = |enabled: bool| {
            let text = format!(
                r#"{{"dependencies":{{"resources":{{"redis":{{"enabled":{enabled}}}}}}}}}"#
            );
            let (_root, environment) = with(&[registry, (SERVICES, &text)]);
            provided(&environment).unwrap()
        };
        let found = with_redis(true);
        assert_eq!(
            (&found["redis.host"].0, &found["redis.port"].0),
            (&"127.0.0.1".into(), &"6390".into())
        );
        assert!(with_redis(false).is_empty());
    }

    #[test]
    fn a_root_without_these_files_provides_nothing() {
        let (_root, environment) = with(&[]);
        assert!(provided(&environment).unwrap().is_empty());
        assert_eq!(enabled(&environment), None);
        assert!(provided(&Environment::default()).unwrap().is_empty());
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
