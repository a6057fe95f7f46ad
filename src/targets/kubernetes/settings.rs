//! What the pods are given: `settings.yaml` as it holds in the cluster, and secrets.

use std::collections::BTreeMap;

use data_encoding::{BASE64, HEXLOWER};
use rand::rng;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    cluster::{Cluster, OVERRIDE, PROXY, REDIS, SYNAPSE, WORKER},
    fits::Error,
};
use crate::{
    config::{
        self, Config,
        sections::{
            kubernetes::Postgres,
            stack::{FRONT, JOINED, Part},
        },
        sources::whole,
        values::{setting::shown, shape::Words as _},
    },
    error::Failure,
    files, postgres, redis, render,
    secret::Secret,
    synapse::{
        keys, own_files,
        workers::{self, Worker},
    },
};

/// Settings that are of one machine, or said of the cluster in another way.
const ELSEWHERE: [&str; 12] = [
    "alerts.",
    "kubernetes.",
    "proxy.",
    "redis.",
    "stack.",
    "tls.",
    "database.kind",
    "database.host",
    "database.port",
    "server.address",
    "synapse.version",
    "workers.",
];
/// Of those, what holds everywhere.
const HERE: [&str; 6] = [
    "proxy.federation_address",
    "proxy.http_port",
    "proxy.requests_at_once",
    "proxy.well_known",
    "workers.metrics_port",
    "workers.port",
];
/// Where the volume of backups is.
pub(super) const BACKUPS: &str = "/backups";

/// What the pods read, and by what it is known that this is another one.
pub(super) fn complete(cluster: &mut Cluster<'_>) -> Result<(), Failure> {
    cluster.settings = text(cluster)?;
    let mut hash = Sha256::new();
    hash.update(&cluster.settings);
    for (name, text) in given(cluster.config)? {
        // One of them is a key that nobody guesses, so that nothing can be tried by this hash.
        for part in [name.as_str(), text.expose()] {
            hash.update([0]);
            hash.update(part);
        }
    }
    cluster.revision = HEXLOWER.encode(&hash.finalize()[..8]);
    Ok(())
}

fn text(cluster: &Cluster<'_>) -> Result<String, Failure> {
    let config = cluster.config;
    let mut settings = whole::explicit(&config.values, |key| {
        HERE.contains(&key) || !ELSEWHERE.iter().any(|prefix| key.starts_with(prefix))
    });
    let mut set = |key: &str, value: Value| settings.insert(key.to_owned(), value);
    let everywhere = "0.0.0.0";
    set("server.address", json!([everywhere]));
    set("server.behind_proxy", true.into());
    set("server.public_url", public_url(config).into());
    for key in ["proxy.address", "hooks.address", "relay.address"] {
        set(key, everywhere.into());
    }
    let (host, port) = cluster.database()?;
    set("database.kind", "shared".into());
    set("database.host", host.into());
    set("database.port", port.into());
    if redis::is_needed(config) {
        let own = || (cluster.name(REDIS), config.redis.port.0);
        let shared = config.shared_redis().map(|(host, port)| (host.to_owned(), port));
        let (host, port) = shared.unwrap_or_else(own);
        set("redis.kind", "shared".into());
        set("redis.host", host.into());
        set("redis.port", port.into());
    }
    set("workers.address", cluster.name(SYNAPSE).into());
    if config.has(Part::Workers) {
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        let mut places: BTreeMap<String, String> = BTreeMap::new();
        for worker in workers::chosen(config)? {
            let host = cluster.host(worker);
            // Of those that scale, as many as there may be.
            let most = if cluster.scales(worker) { config.workers.autoscale_max } else { 0 };
            for number in worker.number..=most.max(worker.number) {
                places.insert(Worker { number, ..worker }.name(), host.clone());
                let count = counts.entry(worker.kind.word()).or_default();
                *count = number.max(*count);
            }
        }
        let pairs = |(word, value): (&String, &String)| format!("{word}={value}");
        let counts: Vec<String> =
            counts.iter().map(|(kind, count)| format!("{kind}={count}")).collect();
        set("workers.list", counts.join(",").into());
        set("workers.elsewhere", places.iter().map(pairs).collect::<Vec<_>>().join(",").into());
    }
    if !cluster.is_backed_up_to_bucket() {
        set("backup.to", BACKUPS.into());
    }
    whole::document(&settings)
}

/// What clients are told.
pub(crate) fn public_url(config: &Config) -> String {
    match &config.server.public_url {
        Some(url) => url.0.clone(),
        None => format!("https://{}", config.server.name.0.host()),
    }
}

pub(super) fn map(cluster: &Cluster<'_>) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": cluster.metadata("settings"),
        "data": { "settings.yaml": cluster.settings },
    })
}

/// Makes the secrets that are missing: keys of the homeserver, and passwords among its processes. The key that it signs
/// with is made once: another one would make a stranger of a homeserver that is in the cluster.
pub(in crate::targets) fn make(config: &Config) -> Result<(), Failure> {
    let data = &config.data;
    data.create()?;
    keys::secrets(config, &mut rng())?;
    if !data.is_in_cluster() {
        keys::signing(data, &mut rng())?;
    }
    postgres::write_passfile(config)?;
    Secret::read_or_generate(&redis::password_file(data), &mut rng())?;
    render::prepare_homeserver(config)
}

/// The secrets that there are, by the names of their files.
pub(super) fn given(config: &Config) -> Result<BTreeMap<String, Secret>, Failure> {
    let data = &config.data;
    let mut all = BTreeMap::new();
    for setting in config::settings().filter(|setting| setting.secret) {
        if let Some((value, _)) = config.values.0.get(setting.key) {
            all.insert(setting.secret_file(), Secret::new(shown(value)));
        }
    }
    for name in render::SECRETS.into_iter().chain(["redis_password"]) {
        if let Some(text) = files::read_if_exists(&data.secret(name))? {
            all.insert(name.to_owned(), Secret::new(text));
        }
    }
    for path in own_files(data) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        all.insert(format!("{OVERRIDE}{name}"), Secret::new(files::read(&path)?));
    }
    Ok(all)
}

/// The `Secret` of the pods, and that of `CloudNativePG`.
pub(super) fn secrets(cluster: &Cluster<'_>) -> Result<Vec<Value>, Failure> {
    let given = given(cluster.config)?;
    if !given.contains_key("signing.key") {
        return Err(Error::NoKeys.into());
    }
    let encoded = |text: &str| Value::from(BASE64.encode(text.as_bytes()));
    let data: BTreeMap<&String, Value> =
        given.iter().map(|(name, secret)| (name, encoded(secret.expose()))).collect();
    let object = |part: &str, kind: &str, data: Value| {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": kind,
            "metadata": cluster.metadata(part),
            "data": data,
        })
    };
    let mut all = vec![object("secrets", "Opaque", json!(data))];
    if cluster.postgres()? == Some(Postgres::CloudNative) {
        let password = given.get("database_password").ok_or(Error::NoKeys)?;
        let login = json!({
            "username": encoded(&cluster.config.database.user.0),
            "password": encoded(password.expose()),
        });
        all.push(object("database-login", "kubernetes.io/basic-auth", login));
    }
    Ok(all)
}

/// Which profile the pods of a part have.
pub(super) fn profile<'a>(config: &'a Config, part: &str) -> &'a str {
    match part {
        PROXY if config.has(Part::Workers) => FRONT[1],
        PROXY => FRONT[0],
        WORKER => JOINED,
        _ => &config.profile.name,
    }
}
