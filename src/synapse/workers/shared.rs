//! What all processes of Synapse must know of the workers: the part of homeserver.yaml about them, and
//! who must be started anew when it changes.
//!
//! Synapse reads its files only when it starts. Which of them matters to whom, as its sources use it:
//! - `stream_writers` and `instance_map` are known to every process: each hands an event to the writer
//!   of its room and follows how far every writer is ([stream writers]), so a change of them is a
//!   restart of all. The old writers must be gone before a new one writes.
//! - `federation_sender_instances` likewise: every process keeps what a sender has not fetched yet
//!   (`federation/send_queue.py`), and all senders must learn of each other at once ([senders]).
//! - `pusher_instances` is asked by a pusher only, for its own share, so all pushers are started anew
//!   with the set ([pushers]), and the main process when it starts or ceases to be one.
//! - Duties of one (`run_background_tasks_on`, `notify_appservices_from_worker`,
//!   `update_user_directory_from_worker`) are a question of yes or no to each.
//! - Workers that only answer requests stand in no shared setting: adding one restarts nothing else.
//!
//! [stream writers]: https://element-hq.github.io/synapse/latest/workers.html#stream-writers
//! [senders]: https://element-hq.github.io/synapse/latest/usage/configuration/config_documentation.html#federation_sender_instances
//! [pushers]: https://element-hq.github.io/synapse/latest/usage/configuration/config_documentation.html#pusher_instances

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Kind, Worker, place};
use crate::{config::Config, redis, synapse::keys};

/// What stands in homeserver.yaml where there are workers.
#[derive(Debug, Serialize)]
pub(crate) struct Shared {
    /// Where the main process answers the others, as a part of a listener.
    pub(crate) main: Value,
    /// Top-level settings.
    pub(crate) settings: BTreeMap<&'static str, Value>,
}

/// How the main process is called in `stream_writers` and the like.
const MAIN: &str = "master";

pub(crate) fn shared(config: &Config, workers: &[Worker]) -> Option<Shared> {
    if workers.is_empty() {
        return None;
    }
    let data = &config.data;
    let path = |path: std::path::PathBuf| path.display().to_string();
    let main = place::of_main(config);
    let of = |kind: Kind| -> Vec<String> {
        workers.iter().filter(|worker| worker.kind == kind).map(|worker| worker.name()).collect()
    };
    let mut instances = Map::from_iter([("main".to_owned(), main.in_map())]);
    let mut writers: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for worker in workers.iter().filter(|worker| !worker.kind.facts().streams.is_empty()) {
        instances.insert(worker.name(), worker.replication(config).in_map());
        for stream in worker.kind.facts().streams {
            writers.entry(stream).or_default().push(worker.name());
        }
    }
    if let Some(writers) = writers.get_mut("quarantined_media_changes") {
        // The main process writes it as well, when an admin asks that one.
        writers.insert(0, MAIN.to_owned());
    }
    let mut redis = match config.shared_redis() {
        None => json!({ "enabled": true, "path": path(redis::socket(data)) }),
        Some((host, port)) => json!({ "enabled": true, "host": host, "port": port }),
    };
    if redis::has_password(config) {
        redis["password_path"] = path(redis::password_file(data)).into();
    }
    let mut settings = BTreeMap::from([
        ("redis", redis),
        ("worker_replication_secret_path", path(keys::replication(data)).into()),
        ("instance_map", Value::Object(instances)),
    ]);
    if !writers.is_empty() {
        settings.insert("stream_writers", json!(writers));
    }
    for (kind, setting) in [
        (Kind::FederationSender, "federation_sender_instances"),
        (Kind::Pusher, "pusher_instances"),
    ] {
        let names = of(kind);
        if !names.is_empty() {
            settings.insert(setting, json!(names));
        }
    }
    for (kind, setting) in [
        (Kind::Appservice, "notify_appservices_from_worker"),
        (Kind::Background, "run_background_tasks_on"),
        (Kind::UserDirectory, "update_user_directory_from_worker"),
        (Kind::Media, "media_instance_running_background_jobs"),
    ] {
        if let Some(name) = of(kind).into_iter().next() {
            settings.insert(setting, name.into());
        }
    }
    if settings.contains_key("media_instance_running_background_jobs") {
        settings.insert("enable_media_repo", false.into());
    }
    Some(Shared { main: main.listener(), settings })
}

/// The part of homeserver.yaml that a process acts upon: two files with the same one are the same to
/// it. `worker` is its name, none the main process.
pub(crate) fn matters_to(homeserver: &Value, worker: Option<&str>) -> Value {
    let mut matters = homeserver.clone();
    let Some(map) = matters.as_object_mut() else { return matters };
    let name = worker.unwrap_or(MAIN);
    for duty in [
        "notify_appservices_from_worker",
        "run_background_tasks_on",
        "update_user_directory_from_worker",
        "media_instance_running_background_jobs",
    ] {
        if let Some(who) = map.get_mut(duty) {
            *who = (who.as_str() == Some(name)).into();
        } else {
            map.insert(duty.to_owned(), worker.is_none().into());
        }
    }
    let own = Value::from(name);
    let shares = match map.get("pusher_instances").and_then(Value::as_array) {
        Some(all) if all.contains(&own) => json!(all),
        Some(_) => Value::Null,
        None if worker.is_none() => json!([MAIN]),
        None => Value::Null,
    };
    map.insert("pusher_instances".to_owned(), shares);
    if worker.is_some() {
        // The main process's own.
        map.remove("listeners");
    }
    matters
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::sources::environment::Environment, data_dir::DataDir};

    /// What all know with this list of workers.
    fn known(list: &str) -> Value {
        known_with(list, &[])
    }

    fn known_with(list: &str, more: &[&str]) -> Value {
        let list = format!("workers.list={list}");
        let all = [&["stack.profile=scale", &list], more].concat();
        let flags: Vec<String> = all.into_iter().map(str::to_owned).collect();
        let data = DataDir::new("/srv/a".into());
        let config = Config::load(data, &flags, &Environment::default()).unwrap();
        let workers = super::super::chosen(&config).unwrap();
        json!(shared(&config, &workers).unwrap().settings)
    }

    #[test]
    fn each_duty_has_its_name_and_each_writer_its_socket() {
        let all = known("event_persister=2,pusher,background,media,typing");
        assert_eq!(all["redis"], json!({"enabled": true, "path": "/srv/a/run/redis.sock"}));
        assert_eq!(
            all["stream_writers"],
            json!({
                "events": ["event-persister-1", "event-persister-2"],
                "typing": ["typing-1"],
                "quarantined_media_changes": ["master", "media-1"],
            })
        );
        assert_eq!(all["instance_map"]["typing-1"]["path"], "/srv/a/run/typing-1.repl");
        assert_eq!(all["instance_map"].as_object().unwrap().len(), 5);
        assert_eq!(all["pusher_instances"], json!(["pusher-1"]));
        assert_eq!(all["run_background_tasks_on"], "background-1");
        assert_eq!(all["enable_media_repo"], false);
    }

    #[test]
    fn what_another_machine_has_to_reach_is_on_the_network() {
        let more = ["workers.elsewhere=generic-2=10.0.0.2", "workers.address=10.0.0.1"];
        let all = known_with("generic=2,event_persister", &more);
        let map = &all["instance_map"];
        assert_eq!(map["main"], json!({"host": "10.0.0.1", "port": 9300}));
        assert_eq!(map["event-persister-1"], json!({"host": "10.0.0.1", "port": 9305}));
        assert_eq!(
            all["redis"],
            json!({"enabled": true, "path": "/srv/a/run/redis.sock", "password_path": "/srv/a/secrets/redis_password"})
        );
    }

    #[test]
    fn a_change_matters_to_those_who_must_know_it_and_to_nobody_else() {
        let matters = |from: &str, to: &str, worker| {
            matters_to(&known(from), worker) != matters_to(&known(to), worker)
        };
        let (one, two) = ("generic=1,event_persister=1", "generic=2,event_persister=1");
        assert!(!matters(one, two, None) && !matters(one, two, Some("event-persister-1")));
        let (one, two) = ("generic=1,event_persister=1", "generic=1,event_persister=2");
        assert!(matters(one, two, None) && matters(one, two, Some("generic-1")));
        let (one, two) = ("generic=1,pusher=1", "generic=1,pusher=2");
        assert!(!matters(one, two, None) && !matters(one, two, Some("generic-1")));
        assert!(matters(one, two, Some("pusher-1")));
        let (one, two) = ("generic=1", "generic=1,background=1");
        assert!(matters(one, two, None) && !matters(one, two, Some("generic-1")));
    }
}
