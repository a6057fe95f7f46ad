//! Which settings the supervisor that runs was started with: `run/settings.json`, to tell which ones have
//! changed since.

use std::{collections::BTreeMap, fs, time::SystemTime};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    config::{self, Config, values::setting::shown},
    error::{Explain, Failure, Kind},
    files, services,
    supervisor::{
        control,
        record::{Snapshot, Supervisor},
    },
};

/// What no process that runs reads.
const OURS: [&str; 6] = [
    "supervision.start_timeout",
    "database.admin_user",
    "database.admin_password",
    "stack.profile",
    "synapse.modules",
    "synapse.version",
];

/// Whether it is of backups: each one looks for itself.
pub(crate) fn is_of_backups(key: &str) -> bool {
    key.starts_with("backup.") && key != "backup.point_in_time"
}

/// The values of all settings, of secret ones a hash, and whose they are.
#[derive(Debug, Serialize, Deserialize)]
struct Used {
    pid: u32,
    start_ticks: u64,
    /// Whether another program started it and waits for its end.
    #[serde(default)]
    foreground: bool,
    values: BTreeMap<String, String>,
}

fn file(config: &Config) -> std::path::PathBuf {
    config.data.run().join("settings.json")
}

fn values(config: &Config) -> BTreeMap<String, String> {
    let text = |setting: &config::values::setting::Setting| {
        let set = config.values.0.get(setting.key).map(|(value, _)| shown(value));
        set.unwrap_or_else(|| setting.default.to_owned())
    };
    let all = config::settings()
        .filter(|setting| !is_of_backups(setting.key) && !OURS.contains(&setting.key));
    let known = |setting: &config::values::setting::Setting| {
        let text = text(setting);
        if setting.secret && !text.is_empty() { hash(setting.key, &text) } else { text }
    };
    all.map(|setting| (setting.key.to_owned(), known(setting))).collect()
}

/// Tells two secrets apart and nothing else.
fn hash(key: &str, secret: &str) -> String {
    let hash = Sha256::new().chain_update(key).chain_update(secret).finalize();
    HEXLOWER.encode(&hash)
}

/// Notes what this process, a supervisor, was started with.
pub(crate) fn note(config: &Config, foreground: bool) -> Result<(), files::Error> {
    let Supervisor { pid, start_ticks, .. } = Supervisor::of_this_process();
    let used = Used { pid, start_ticks, foreground, values: values(config) };
    let text = serde_json::to_string(&used).unwrap_or_default();
    files::write_atomically(&file(config), text.as_bytes(), files::PRIVATE)
}

/// Notes that what runs was given its services anew. The supervisor itself, PostgreSQL and Redis read
/// theirs only when they start.
pub(crate) fn renew(config: &Config) -> Result<(), files::Error> {
    const STAY: [&str; 3] = ["supervision.", "database.", "redis."];
    const IN_DATABASE: [&str; 2] = ["workers.address", "backup.point_in_time"];
    let stays = |key: &str| STAY.iter().any(|it| key.starts_with(it)) || IN_DATABASE.contains(&key);
    note_again(config, |key| !stays(key))
}

/// Notes that these services have read their settings again.
pub(crate) fn read_again(config: &Config, services: &[String]) -> Result<(), files::Error> {
    if !services.iter().any(|name| name == services::RELAY) {
        return Ok(());
    }
    note_again(config, services::is_read_by_relay_alone)
}

/// Notes the settings that are `meant` as they are now.
fn note_again(config: &Config, meant: impl Fn(&str) -> bool) -> Result<(), files::Error> {
    let text = files::read_made(&file(config))?.unwrap_or_default();
    let Ok(mut used) = serde_json::from_str::<Used>(&text) else { return Ok(()) };
    used.values.extend(values(config).into_iter().filter(|(key, _)| meant(key)));
    let text = serde_json::to_string(&used).unwrap_or_default();
    files::write_atomically(&file(config), text.as_bytes(), files::PRIVATE)
}

/// What the supervisor that runs has noted.
fn of_supervisor(config: &Config, now: &Snapshot) -> Result<Option<Used>, files::Error> {
    let text = files::read_made(&file(config))?.unwrap_or_default();
    Ok(serde_json::from_str::<Used>(&text).ok().filter(|used| {
        (used.pid, used.start_ticks) == (now.supervisor.pid, now.supervisor.start_ticks)
    }))
}

/// Whether another program started the supervisor and waits for its end.
pub(crate) fn is_in_foreground(config: &Config, now: &Snapshot) -> bool {
    of_supervisor(config, now).is_ok_and(|used| used.is_some_and(|used| used.foreground))
}

/// The settings that have changed since this supervisor was started, those of Synapse's own aside. Where
/// nothing was noted, nothing is known.
pub(crate) fn changed(config: &Config, now: &Snapshot) -> Result<Vec<String>, files::Error> {
    let Some(used) = of_supervisor(config, now)? else { return Ok(Vec::new()) };
    let differs = |(key, value): &(String, String)| {
        // A secret that this program made itself was not there before.
        let made = config::find(key).is_ok_and(|setting| setting.secret);
        used.values.get(key).is_some_and(|before| before != value && !(made && before.is_empty()))
    };
    Ok(values(config).into_iter().filter(differs).map(|(key, _)| key).collect())
}

/// Some settings are not in use yet.
#[derive(Debug, thiserror::Error)]
#[error("the homeserver does not use these settings yet, and this would apply them unchecked: {}", .0.join(", "))]
struct Waiting(Vec<String>);

impl Explain for Waiting {
    fn kind(&self) -> Kind {
        Kind::Setting
    }

    fn hint(&self) -> Option<String> {
        Some("`manage restart` checks and applies them; then run it again".into())
    }
}

/// Makes sure that what runs uses all settings but those that are `meant`: processes that are started or
/// restarted for a change would read the others too, and nobody has asked for these.
pub(crate) async fn nothing_waits(config: &Config, meant: fn(&str) -> bool) -> Result<(), Failure> {
    let Some(now) = control::status(&config.data).await? else { return Ok(()) };
    let mut waiting = changed(config, &now)?;
    waiting.retain(|key| !meant(key));
    if now.profile != config.profile.name {
        waiting.push("stack.profile".to_owned());
    }
    if waiting.is_empty() { Ok(()) } else { Err(Waiting(waiting).into()) }
}

/// Whether Synapse was started before its file was written.
pub(crate) fn is_older(config: &Config, now: &Snapshot) -> bool {
    let started = services::of_homeserver(now).and_then(|synapse| synapse.started_at.as_ref());
    let started = started.and_then(|time| time.parse::<jiff::Timestamp>().ok());
    let data = &config.data;
    let files = [data.homeserver_yaml(), data.log_yaml(), data.dendrite_yaml()];
    let written = |path: &std::path::PathBuf| fs::metadata(path).and_then(|it| it.modified()).ok();
    let newest = files.iter().filter_map(written).max();
    started.zip(newest).is_some_and(|(started, written)| SystemTime::from(started) < written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::sources::environment::Environment, data_dir::DataDir};

    #[test]
    fn what_is_noted_is_what_counts_and_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        data.create().unwrap();
        let load = |flags: &[&str]| {
            let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
            Config::load(data.clone(), &flags, &Environment::default()).unwrap()
        };
        let before = values(&load(&["database.password=hidden"]));
        let flags = ["supervision.probe_interval=25s", "server.port=8008", "database.password=new"];
        let after = values(&load(&flags));
        let changed: Vec<&String> =
            after.iter().filter(|(key, value)| before[*key] != **value).map(|it| it.0).collect();
        assert_eq!(changed, ["database.password", "supervision.probe_interval"]);
        note(&load(&["database.password=hidden"]), false).unwrap();
        let noted = files::read_if_exists(&file(&load(&[]))).unwrap().unwrap();
        assert!(!noted.contains("hidden"), "{noted}");
        renew(&load(&["supervision.probe_interval=25s", "server.port=8100"])).unwrap();
        let noted = files::read_if_exists(&file(&load(&[]))).unwrap().unwrap();
        assert!(noted.contains("8100") && !noted.contains("25s"), "{noted}");
    }
}
