//! A file for Docker Compose: a container for each service, all of one image of ours, on the data folder of this
//! machine. They share one network, so that each reaches the others as it does without containers; what people and
//! programs outside reach is published where they would find it without them.
//!
//! Source: the [Compose specification](https://github.com/compose-spec/compose-spec/blob/main/spec.md).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use serde::Serialize;

use super::{Written, prefix, starts_postgresql};
use crate::{
    config::Config,
    error::Failure,
    redis, services,
    supervisor::{
        kept::INSIDE,
        service::{Condition, Need, Probe, Restart, Service},
    },
};

/// What all that has ports of its own does in containers, in the order of the settings.
const LISTENS: [&str; 4] = [
    "MATRIX_SYNAPSE_ADDRESS",
    "MATRIX_SYNAPSE_PROXY_ADDRESS",
    "MATRIX_SYNAPSE_HOOKS_ADDRESS",
    "MATRIX_SYNAPSE_RELAY_ADDRESS",
];
pub(super) const PROFILE: &str = "MATRIX_SYNAPSE_PROFILE";
/// The one that has the network of all of them.
pub(super) const NETWORK: &str = "network";
/// How often each is asked: who needs it waits that long.
const ASKS: Duration = Duration::from_secs(3);
/// The folder of what the image is made of.
pub(super) const PROGRAMS: &str = "image";
const FILE: &str = "compose.yaml";
/// The image, unless another one is named.
const IMAGE: &str = concat!("localhost/resource-matrix-synapse:", env!("CARGO_PKG_VERSION"));

/// Whose containers they are.
pub(crate) struct For {
    /// Number of the account and its group.
    pub(crate) user: (u32, u32),
    pub(crate) image: Option<String>,
    /// The services of each profile there is.
    pub(crate) profiles: Vec<(String, Vec<Service>)>,
}

#[derive(Serialize)]
struct File {
    name: String,
    services: BTreeMap<String, Container>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    secrets: BTreeMap<&'static str, Secret>,
}

#[derive(Serialize)]
struct Secret {
    file: String,
}

/// A secret that a container gets, and where.
#[derive(Serialize)]
pub(super) struct Use {
    source: &'static str,
    pub(super) target: String,
}

/// What Redis reads, its password with it.
const REDIS: &str = "redis_conf";

#[derive(Default, Serialize)]
pub(super) struct Container {
    pub(super) image: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    build: Option<Build>,
    pub(super) pull_policy: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    profiles: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entrypoint: Option<Vec<String>>,
    pub(super) command: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) environment: BTreeMap<String, String>,
    pub(super) user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_mode: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ports: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) depends_on: BTreeMap<String, Depends>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) healthcheck: Option<Healthcheck>,
    pub(super) restart: String,
    init: bool,
    pub(super) stop_signal: String,
    pub(super) stop_grace_period: String,
    read_only: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tmpfs: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) volumes: Vec<Volume>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) secrets: Vec<Use>,
    cap_drop: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) cap_add: Vec<&'static str>,
    security_opt: Vec<&'static str>,
    pub(super) deploy: Deploy,
    logging: Logging,
}

#[derive(Serialize)]
struct Build {
    context: &'static str,
    dockerfile: &'static str,
}

#[derive(Serialize)]
pub(super) struct Depends {
    pub(super) condition: &'static str,
    /// Not where the profile has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    required: Option<bool>,
}

/// How a container is asked.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Healthcheck {
    Asks(Health),
    /// That of the image asks for the whole homeserver.
    None {
        disable: bool,
    },
}

#[derive(Serialize)]
pub(super) struct Health {
    pub(super) test: Vec<String>,
    pub(super) interval: String,
    pub(super) timeout: String,
    pub(super) retries: u32,
    pub(super) start_period: String,
}

#[derive(Serialize)]
pub(super) struct Volume {
    r#type: &'static str,
    pub(super) source: String,
    pub(super) target: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) read_only: bool,
}

#[derive(Default, Serialize)]
pub(super) struct Deploy {
    pub(super) resources: Resources,
}

#[derive(Default, Serialize)]
pub(super) struct Resources {
    pub(super) limits: Limits,
}

#[derive(Default, Serialize)]
pub(super) struct Limits {
    pub(super) memory: &'static str,
    pub(super) pids: u32,
}

#[derive(Default, Serialize)]
struct Logging {
    driver: &'static str,
    options: BTreeMap<&'static str, String>,
}

/// Who PostgreSQL becomes where root owns the data folder, and nginx for its workers.
const BECOMES: [&str; 6] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"];

/// The containers by their names.
pub(super) fn containers(config: &Config, whose: &For) -> BTreeMap<String, Container> {
    let mut all: Vec<Service> = Vec::new();
    for service in whose.profiles.iter().flat_map(|(_, services)| services) {
        if !all.iter().any(|known| known.name == service.name) {
            all.push(service.clone());
        }
    }
    let mut containers = BTreeMap::from([(NETWORK.to_owned(), network(config, &all, whose))]);
    for service in &all {
        containers.insert(service.name.clone(), container(config, service, whose));
    }
    containers
}

/// The file that gives the account a name; there may be others' beside it.
fn accounts(config: &Config) -> String {
    format!("{}-passwd", prefix(config))
}

/// What containers need beside that: names for accounts, and the recipe of the image.
pub(super) fn beside(config: &Config, whose: &For) -> Vec<Written> {
    let mut files = Vec::new();
    let (uid, gid) = whose.user;
    if uid != 0 {
        // PostgreSQL wants its account to have a name. This file has no comments.
        let home = config.data.root().display();
        let root = "root:x:0:0:root:/root:/bin/sh\n";
        let who = "made by resource-matrix-synapse";
        let account = format!("matrix:x:{uid}:{gid}:{who}:{home}:/usr/sbin/nologin\n");
        files.push(Written::plain(accounts(config), format!("{root}{account}")));
    }
    if whose.image.is_none() {
        let recipe = include_str!("../../templates/Containerfile");
        files.push(Written::marked(format!("{PROGRAMS}/Containerfile"), recipe));
    }
    files
}

/// The files below the folder of one homeserver.
pub(super) fn render(config: &Config, whose: &For) -> Result<Vec<Written>, Failure> {
    let profile = &config.profile.name;
    let containers = containers(config, whose);
    let redis = redis::conf(&config.data).display().to_string();
    let has_redis = containers.values().any(|it| !it.secrets.is_empty());
    let secrets = has_redis.then_some((REDIS, Secret { file: redis })).into_iter().collect();
    let file = File { name: prefix(config), services: containers, secrets };
    let text = serde_yaml::to_string(&file).map_err(|error| Failure::setting(error.to_string()))?;
    let profile = format!("COMPOSE_PROFILES={profile}\n");
    let mut files = vec![Written::marked(FILE, &text), Written::marked(".env", &profile)];
    files.extend(beside(config, whose));
    Ok(files)
}

/// What all containers have in common.
fn common(config: &Config, whose: &For) -> Container {
    let (uid, gid) = whose.user;
    let data = config.data.root().display().to_string();
    let mut environment = BTreeMap::from([
        ("HOME".to_owned(), data.clone()),
        (INSIDE.to_owned(), "1".to_owned()),
        ("MATRIX_SYNAPSE_DATA_DIR".to_owned(), data.clone()),
        (PROFILE.to_owned(), "${COMPOSE_PROFILES:-core}".to_owned()),
    ]);
    environment.extend(LISTENS.map(|name| (name.to_owned(), "0.0.0.0".to_owned())));
    let bind = |source: String, target: String, read_only| Volume {
        r#type: "bind",
        source,
        target,
        read_only,
    };
    let mut volumes = vec![bind(data.clone(), data, false)];
    if let Some(crate::config::sections::backup::Place::Folder(folder)) = &config.backup.to
        && !folder.starts_with(config.data.root())
    {
        let folder = folder.display().to_string();
        volumes.push(bind(folder.clone(), folder, false));
    }
    if uid != 0 {
        volumes.push(bind(format!("./{}", accounts(config)), "/etc/passwd".to_owned(), true));
    }
    let size = config.supervision.log_size.0.to_string();
    Container {
        image: whose.image.clone().unwrap_or_else(|| IMAGE.to_owned()),
        pull_policy: if whose.image.is_some() { "missing" } else { "never" },
        environment,
        user: format!("{uid}:{gid}"),
        network_mode: Some(format!("service:{NETWORK}")),
        healthcheck: Some(Healthcheck::None { disable: true }),
        restart: "unless-stopped".to_owned(),
        init: true,
        stop_signal: "SIGTERM".to_owned(),
        stop_grace_period: "10s".to_owned(),
        read_only: true,
        tmpfs: vec!["/run".to_owned(), "/tmp".to_owned()],
        volumes,
        cap_drop: vec!["ALL"],
        security_opt: vec!["no-new-privileges:true"],
        deploy: Deploy { resources: Resources { limits: Limits { memory: "512M", pids: 512 } } },
        logging: Logging {
            driver: "json-file",
            options: BTreeMap::from([
                ("max-size", size),
                ("max-file", config.supervision.log_files.max(1).to_string()),
            ]),
        },
        ..Container::default()
    }
}

/// The one whose network the others share. It does nothing, so that it never has to be restarted.
fn network(config: &Config, all: &[Service], whose: &For) -> Container {
    let mut container = common(config, whose);
    container.network_mode = None;
    container.environment.clear();
    container.volumes.clear();
    container.tmpfs.clear();
    container.entrypoint = Some(vec!["/bin/sleep".to_owned()]);
    container.command = vec!["infinity".to_owned()];
    container.ports = ports(config, all);
    container
}

/// What is reached from outside: the address on this machine, the port there and in the container.
fn ports(config: &Config, all: &[Service]) -> Vec<String> {
    let has = |name: &str| all.iter().any(|service| service.name == name);
    let mut found: BTreeSet<(std::net::IpAddr, u16)> = BTreeSet::new();
    found.extend(config.server.address.0.iter().map(|address| (*address, config.server.port.0)));
    let proxy = &config.proxy;
    if has(services::PROXY) {
        found.insert((proxy.address, proxy.http_port.0));
        if config.tls.certificate.is_some() {
            found.insert((proxy.address, proxy.https_port.0));
            found.insert((proxy.address, proxy.federation_port.0));
        }
    }
    if has(services::HOOKS) {
        found.insert((config.hooks.address, config.hooks.port.0));
    }
    if has(services::RELAY) {
        found.insert((config.relay.address, config.relay.port.0));
    }
    let port = |(address, port): (std::net::IpAddr, u16)| {
        format!("{}:{port}:{port}", crate::config::bracketed(&address.to_string()))
    };
    found.into_iter().map(port).collect()
}

fn container(config: &Config, service: &Service, whose: &For) -> Container {
    let mut container = common(config, whose);
    let name = service.name.as_str();
    container.command = ["daemon", "unit", name].map(str::to_owned).into();
    let with: Vec<String> = whose
        .profiles
        .iter()
        .filter(|(_, services)| services.iter().any(|it| it.name == name))
        .map(|(profile, _)| profile.clone())
        .collect();
    container.depends_on =
        service.needs.iter().filter_map(|need| depends(need, &with, whose)).collect();
    container
        .depends_on
        .insert(NETWORK.to_owned(), Depends { condition: "service_started", required: None });
    // What each profile has needs none to be named.
    if with.len() < whose.profiles.len() {
        container.profiles = with;
    }
    if is_asked(service) {
        let words = ["CMD", "resource-matrix-synapse", "daemon", "unit", name, "--well"];
        container.healthcheck = Some(Healthcheck::Asks(Health {
            test: words.map(str::to_owned).into(),
            interval: seconds(ASKS),
            timeout: "15s".to_owned(),
            retries: 3,
            start_period: seconds(config.supervision.start_timeout.0),
        }));
    }
    container.restart = match service.restart {
        Restart::Never if name == super::ACCOUNT => "on-failure".to_owned(),
        Restart::Never => "no".to_owned(),
        Restart::Always { .. } => "unless-stopped".to_owned(),
        Restart::OnFailure { budget, .. } => format!("on-failure:{budget}"),
    };
    if let Some((signal, patience)) = service.stop.first() {
        container.stop_signal = crate::supervisor::state::name_of(*signal);
        container.stop_grace_period = seconds((*patience).max(Duration::from_secs(1)));
    }
    if name == super::PREPARE && whose.image.is_none() {
        container.build = Some(Build { context: "./image", dockerfile: "Containerfile" });
    }
    if [services::REDIS, services::TURN].contains(&name) {
        // They have no need of any other secret.
        let (uid, gid) = whose.user;
        let folder = config.data.secrets().display().to_string();
        container.tmpfs.push(format!("{folder}:mode=0700,uid={uid},gid={gid}"));
        if name == services::REDIS {
            let target = redis::conf(&config.data).display().to_string();
            container.secrets.push(Use { source: REDIS, target });
        }
    }
    if whose.user.0 == 0 {
        if starts_postgresql(name) {
            container.cap_add = BECOMES.into();
        } else if name == services::PROXY {
            container.cap_add = vec!["SETGID", "SETUID"];
        }
    }
    let is_large =
        service.tags.iter().any(|tag| ["homeserver", services::WORKER].contains(&tag.as_str()))
            || starts_postgresql(name);
    if is_large {
        container.deploy.resources.limits = Limits { memory: "4G", pids: 4096 };
    }
    container
}

/// Whether an engine can ask it how it is.
fn is_asked(service: &Service) -> bool {
    // How PostgreSQL is asked is known where its programs are.
    service.name == services::POSTGRES
        || service.ready.iter().any(Probe::can_be_asked)
        || service.live.iter().any(|live| live.probe.can_be_asked())
}

fn depends(need: &Need, with: &[String], whose: &For) -> Option<(String, Depends)> {
    let there = |profile: &String| {
        let (_, services) = whose.profiles.iter().find(|(name, _)| name == profile)?;
        services.iter().find(|it| it.name == need.service)
    };
    let needed = with.iter().find_map(there)?;
    let condition = match need.condition {
        Condition::Completed => "service_completed_successfully",
        Condition::Healthy if is_asked(needed) => "service_healthy",
        Condition::Healthy | Condition::Started => "service_started",
    };
    let always = with.iter().all(|profile| there(profile).is_some());
    let required = (!always).then_some(false);
    Some((need.service.clone(), Depends { condition, required }))
}

fn seconds(span: Duration) -> String {
    format!("{}s", span.as_secs())
}

/// Puts what the image is made of beside its recipe; whether that changed anything.
pub(super) fn programs(folder: &Path, program: &Path) -> Result<bool, crate::files::Error> {
    let mut changed = false;
    let image = folder.join(PROGRAMS);
    // What a run that was killed left would be a part of the image.
    crate::files::sweep(&image);
    let beside = program.with_file_name("resource-matrix-crypto");
    for from in [program, &beside] {
        let Some(name) = from.file_name() else { continue };
        if from.exists() {
            let bytes = std::fs::read(from).map_err(crate::files::Error::io("read", from))?;
            changed |= crate::files::write_if_changed(&image.join(name), &bytes, 0o755)?;
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{config::sources::environment::Environment, data_dir::DataDir};

    fn rendered(root: bool) -> Value {
        let config = |profile: &str| {
            let flags = [format!("stack.profile={profile}"), "backup.schedule=0 3 * * *".into()];
            Config::load(DataDir::new("/srv/matrix".into()), &flags, &Environment::default())
                .unwrap()
        };
        let profiles = ["core", "isms", "full", "relay"];
        let of =
            |name: &&str| ((*name).to_owned(), super::super::contained(&config(name)).unwrap());
        let user = if root { (0, 0) } else { (991, 991) };
        let whose = For { user, image: None, profiles: profiles.iter().map(of).collect() };
        let files = render(&config("full"), &whose).unwrap();
        assert_eq!(files, render(&config("full"), &whose).unwrap());
        let file = files.iter().find(|file| file.path == Path::new(FILE)).unwrap();
        serde_yaml::from_str(&file.text).unwrap()
    }

    /// What a schema does not see.
    #[test]
    fn what_a_container_waits_for_is_there_and_can_be_waited_for() {
        let file = rendered(false);
        let services = file["services"].as_object().unwrap();
        assert!(services.len() > 10);
        for (name, service) in services {
            for (need, how) in service["depends_on"].as_object().into_iter().flatten() {
                let needed = services.get(need).unwrap_or_else(|| panic!("{name} needs {need}"));
                match how["condition"].as_str().unwrap() {
                    "service_healthy" => {
                        assert!(
                            needed["healthcheck"]["test"].is_array(),
                            "{name} waits for {need}"
                        );
                    }
                    "service_completed_successfully" => {
                        assert_ne!(needed["restart"], "unless-stopped");
                    }
                    other => assert_eq!(other, "service_started"),
                }
                // Where a profile has the one and not the other, Compose would refuse it.
                let of =
                    |service: &Value| service["profiles"].as_array().cloned().unwrap_or_default();
                let (own, theirs) = (of(service), of(needed));
                let always = theirs.is_empty()
                    || !own.is_empty() && own.iter().all(|profile| theirs.contains(profile));
                assert!(always || how["required"] == false, "{name} needs {need}");
            }
            assert_eq!(service["cap_drop"][0], "ALL", "{name}");
            assert_eq!(service["read_only"], true, "{name}");
            assert!(service["deploy"]["resources"]["limits"]["memory"].is_string(), "{name}");
            if name != NETWORK {
                assert_eq!(service["network_mode"], "service:network", "{name}");
                assert!(service["ports"].is_null(), "{name}");
            }
        }
        assert_eq!(services["redis"]["profiles"], serde_json::json!(["full"]));
        assert!(services["synapse"]["profiles"].is_null());
        assert!(services["redis"]["tmpfs"].to_string().contains("/srv/matrix/secrets"));
    }

    #[test]
    fn a_path_that_means_something_else_there_is_refused() {
        for (path, sign) in [("/srv/a$b", '$'), ("/srv/50%", '%'), ("/srv/a:b", ':')] {
            let data = DataDir::new(path.into());
            let config = Config::load(data, &[], &Environment::default()).unwrap();
            let error = super::super::contained(&config).unwrap_err().to_string();
            assert!(error.contains(&format!("has `{sign}`")), "{error}");
        }
    }

    #[test]
    fn only_where_root_has_the_data_folder_anything_may_change_its_account() {
        let caps = |root: bool| -> Vec<String> {
            let file = rendered(root);
            let services = file["services"].as_object().unwrap().clone();
            let has =
                |(name, service): (String, Value)| (!service["cap_add"].is_null()).then_some(name);
            services.into_iter().filter_map(has).collect()
        };
        assert!(caps(false).is_empty());
        assert_eq!(caps(true), ["backups", "postgres", "prepare", "proxy"]);
    }
}
