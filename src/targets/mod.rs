//! The services of a homeserver, written for somebody else to keep: systemd, or an engine for containers.
//!
//! Each target is a text made of the same list of services. What it starts is this program, which becomes the
//! service that is named (`daemon unit NAME`), so that programs, arguments, variables and secrets are
//! said in one place, and none of them in a file that others read.

use std::path::PathBuf;

use crate::{
    config::{Config, sections::backup::Place},
    error::Failure,
    services,
    supervisor::service::{Condition, Need, Probe, Restart, Service},
};

mod compose;
mod error;
mod folder;
pub(crate) mod keep;
pub(crate) mod kubernetes;
mod quadlet;
mod systemd;

pub(crate) use error::Error;
pub(crate) use folder::{Difference, differences};

/// Who is to keep the processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Target {
    /// A unit for each service, and timers
    Systemd,
    /// A file for Docker Compose, and what an image is made of
    Compose,
    /// A pod and a container for each service, for Podman's generator of units
    Quadlet,
    /// Objects for a cluster of Kubernetes
    Kubernetes,
}

impl Target {
    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Compose => "compose",
            Self::Quadlet => "quadlet",
            Self::Kubernetes => "kubernetes",
        }
    }
}

/// A file of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Below the folder of all of them.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    mode: u32,
}

/// Makes ready what the services read: the first of them.
pub(crate) const PREPARE: &str = "prepare";
/// Looks after the account that this program acts with.
pub(crate) const ACCOUNT: &str = "account";
/// Watches the others, and says how they are.
const WATCH: &str = "watch";

/// What somebody else is to keep: those of the profile, with what the supervisor and a start do beside them.
/// Where PostgreSQL is our own, its cluster has to be there.
pub(crate) async fn services(config: &Config) -> Result<Vec<Service>, Failure> {
    Ok(kept(config, services::all(config).await?))
}

/// The same before anything is there.
pub(crate) fn outline(config: &Config) -> Result<Vec<Service>, Failure> {
    Ok(kept(config, services::outline(config)?))
}

/// The same for containers, where nobody sees all processes: an engine watches them, and what changes them or tells of
/// them is left out.
pub(crate) fn contained(config: &Config) -> Result<Vec<Service>, Failure> {
    let place = match &config.backup.to {
        Some(Place::Folder(folder)) => Some(folder.as_path()),
        _ => None,
    };
    for path in [Some(config.data.root()), place].into_iter().flatten() {
        let sign = |c: &char| c.is_control() || "$%:\"\\".contains(*c);
        if let Some(sign) = path.to_string_lossy().chars().find(sign) {
            return Err(Error::Path { path: path.to_owned(), sign }.into());
        }
    }
    let mut list = outline(config)?;
    let left_out = [WATCH, services::ALERTS, services::CERTIFICATES];
    list.retain(|it| !left_out.contains(&it.name.as_str()));
    for service in &mut list {
        service.needs.retain(|need| need.service != WATCH);
    }
    Ok(list)
}

fn kept(config: &Config, all: Vec<Service>) -> Vec<Service> {
    let prepare = services::beside(config, PREPARE, "makes ready what the services read");
    let mut list = vec![Service { restart: Restart::Never, ..prepare }];
    let mut watch = services::beside(config, WATCH, "watches the others");
    watch.ready = vec![Probe::Notify];
    watch.needs = vec![Need::new(PREPARE, Condition::Completed)];
    list.push(watch);
    // Those that start others, or change how many there are, know only our own supervisor.
    let is_kept = |it: &Service| it.starter.is_none() && it.name != services::AUTOSCALE;
    for mut service in all.into_iter().filter(is_kept) {
        service.launch.through = None;
        service.needs.insert(0, Need::new(PREPARE, Condition::Completed));
        if [services::ALERTS, services::CERTIFICATES].contains(&service.name.as_str()) {
            service.needs.push(Need::new(WATCH, Condition::Healthy));
        }
        list.push(service);
    }
    if !config.is_joined() {
        let mut account = services::beside(config, ACCOUNT, "looks after the operator's account");
        account.restart = Restart::Never;
        account.needs = vec![Need::new(services::homeserver(config), Condition::Healthy)];
        list.push(account);
    }
    list
}

/// Whether it may start a PostgreSQL of our own, which takes becoming somebody else where we are root.
fn starts_postgresql(name: &str) -> bool {
    [services::POSTGRES, services::BACKUPS, PREPARE].contains(&name)
}

/// What is there only where somebody else keeps the services, and runs on.
pub(crate) fn beside(config: &Config, name: &str) -> Option<Service> {
    (name == WATCH).then(|| services::beside(config, WATCH, ""))
}

/// What everything of a homeserver is named after: its data folder.
fn prefix(config: &Config) -> String {
    let name = config.data.root().file_name().unwrap_or_default().to_string_lossy();
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
    let name: String = name.trim_start_matches('.').chars().map(plain).collect();
    let name = name.trim_matches('-').to_lowercase();
    if name.is_empty() { "matrix-synapse".to_owned() } else { name }
}
