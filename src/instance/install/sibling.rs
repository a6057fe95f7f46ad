//! Several homeservers on one machine: a named one gets ports, a role and a database that none of the
//! others has, chosen when it is installed and written down then.

use std::{collections::BTreeSet, fs, net::TcpListener, path::Path};

use crate::{
    config::{
        self, Config,
        sources::environment::Environment,
        values::{setting::Setting, source::Source},
    },
    data_dir::DataDir,
};

/// Each named homeserver has its ports so far above the defaults, times its number.
const STEP: u16 = 100;
const MOST: u16 = 90;

/// What has to be set for a homeserver of that name: `section.name` and a value, where nothing else
/// sets it; of one that `came` with its settings from elsewhere also a port that another has here. None if no ports are left.
pub(crate) fn settings(
    config: &Config,
    name: &str,
    came: bool,
) -> Option<Vec<(&'static str, String)>> {
    // Servers that several homeservers share stay where they are.
    let shared_redis = config.redis.host.is_some() || config.shared_redis().is_some();
    let is_theirs = |key: &str| key == "database.port" || (key == "redis.port" && shared_redis);
    let taken = taken_by_others(&config.data);
    let is_free =
        |port: u16| !taken.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok();
    let ports_now = config.ports();
    let is_others = |key: &str| {
        came && config.source(key) == Source::SettingsFile
            && ports_now.iter().any(|(known, port)| *known == key && !is_free(*port))
    };
    let is_default = |setting: &&Setting| {
        let key = setting.key;
        !is_theirs(key) && (config.source(key) == Source::Default || is_others(key))
    };
    let mut chosen: Vec<(&'static str, String)> = Vec::new();
    let word = format!("synapse_{}", name.replace('-', "_"));
    for key in ["database.name", "database.user"] {
        if config.source(key) == Source::Default {
            chosen.push((key, word.clone()));
        }
    }
    let ports: Vec<(&'static str, u16)> =
        config::port_settings().filter(is_default).filter_map(default_of).collect();
    let number = (1..=MOST).find(|number| {
        ports.iter().all(|(_, port)| port.checked_add(number * STEP).is_some_and(is_free))
    })?;
    chosen.extend(ports.into_iter().map(|(key, port)| (key, (port + number * STEP).to_string())));
    Some(chosen)
}

fn default_of(setting: &Setting) -> Option<(&'static str, u16)> {
    Some((setting.key, setting.default.parse().ok()?))
}

/// The ports of the homeservers beside this one, running or not.
fn taken_by_others(data: &DataDir) -> BTreeSet<u16> {
    let Some((parent, name)) = data.root().parent().zip(data.root().file_name()) else {
        return BTreeSet::new();
    };
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let others = entries.filter(|entry| entry.file_name() != name).map(|entry| entry.path());
    others
        .filter(|path| DataDir::new(path.clone()).settings().is_file())
        .flat_map(ports_of)
        .collect()
}

fn ports_of(folder: impl AsRef<Path>) -> Vec<u16> {
    let data = DataDir::new(folder.as_ref().to_owned());
    // One whose settings cannot be read is no reason not to install another.
    let Ok(config) = Config::load(data, &[], &Environment::default()) else { return Vec::new() };
    config.ports().into_iter().map(|(_, port)| port).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files;

    #[test]
    fn a_named_server_gets_what_no_other_has_and_keeps_what_was_set() {
        let folder = tempfile::tempdir().unwrap();
        let load = |name: &str| {
            let data = DataDir::new(folder.path().join(name));
            Config::load(data, &["server.metrics_port=19".to_owned()], &Environment::default())
                .unwrap()
        };
        let port = |name: &str| {
            let all = settings(&load(name), name, false).unwrap();
            assert!(all.iter().all(|(key, _)| *key != "server.metrics_port"), "{all:?}");
            assert!(all.contains(&("database.name", format!("synapse_{name}"))));
            assert!(all.iter().all(|(key, _)| *key != "database.port"), "{all:?}");
            let (_, port) = all.into_iter().find(|(key, _)| *key == "server.port").unwrap();
            port
        };
        let first = port("a");
        let data = DataDir::new(folder.path().join("a"));
        data.create().unwrap();
        let text = format!("server:\n  port: {first}\n");
        files::write_atomically(&data.settings(), text.as_bytes(), files::PRIVATE).unwrap();
        assert_ne!(port("b"), first);
        // What came from elsewhere keeps what it had, unless somebody has it here.
        let data = DataDir::new(folder.path().join("c"));
        data.create().unwrap();
        let text = format!("server:\n  port: {first}\n  metrics_port: 29\n");
        files::write_atomically(&data.settings(), text.as_bytes(), files::PRIVATE).unwrap();
        let copy = Config::load(data, &[], &Environment::default()).unwrap();
        let has = |came, key| settings(&copy, "c", came).unwrap().iter().any(|it| it.0 == key);
        assert!(has(true, "server.port") && !has(false, "server.port"));
        assert!(!has(true, "server.metrics_port"));
    }
}
