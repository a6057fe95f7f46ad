//! A newer PostgreSQL for our own cluster, and the way back.

use std::path::PathBuf;

use tokio::time::Instant;

use super::{guard, lock};
use crate::{
    config::Config,
    error::{Explain, Failure, Kind},
    files,
    postgres::{
        self,
        embedded::{self, clusters, major},
        major::{Carried, carry},
    },
    process::Lock,
    python::{self, Set},
    supervisor::control,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the database is on a PostgreSQL that is not ours ({0})")]
    NotOurs(String),
    #[error("the homeserver runs")]
    Running,
    #[error("a new cluster takes about {} MB, and the disk of `{}` has {} MB left", needed >> 20, path.display(), left >> 20)]
    NoRoom { path: PathBuf, needed: u64, left: u64 },
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoRoom { .. } => Kind::Environment,
            _ => Kind::Request,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotOurs(_) => {
                "its own operator upgrades it; stop the homeserver meanwhile".into()
            }
            Self::Running => "`manage stop` stops it".into(),
            Self::NoRoom { .. } => files::FREE_SPACE.into(),
        })
    }
}

/// A cluster that is of another version now.
#[derive(Debug)]
pub(crate) struct Upgraded {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) carried: Option<Carried>,
    /// Where the one is that was in use before.
    pub(crate) kept: PathBuf,
}

/// What it would be upgraded to: from, to, and whether that has to be installed first. None where nothing newer
/// can be had.
pub(crate) async fn plan(config: &Config) -> Result<Option<(u32, u32, bool)>, Failure> {
    guard::homeserver(config)?;
    let target = postgres::target(config)?;
    if !target.is_embedded() {
        return Err(Error::NotOurs(target.to_string()).into());
    }
    let data = &config.data;
    let from = clusters::current(data).ok_or(postgres::Error::NoCluster)?;
    let here = major::newest(data).await.unwrap_or_default();
    let wheel = Set::postgres().version.split('.').next().and_then(|it| it.parse().ok());
    let wheel: u32 = wheel.unwrap_or_default();
    let (to, installs) = if wheel > here { (wheel, true) } else { (here, false) };
    Ok((to > from).then_some((from, to, installs)))
}

async fn idle(
    config: &Config,
    deadline: Instant,
    on_step: &mut dyn FnMut(&str),
) -> Result<(Lock, Lock), Failure> {
    let data = &config.data;
    if control::status(data).await?.is_some() {
        return Err(Error::Running.into());
    }
    files::private_folder(&data.run())?;
    let purpose = "manage upgrade-postgres";
    let backups = Lock::try_acquire(&data.run().join("backup.lock"), purpose)?;
    let mut wait = |who: &str| on_step(&format!("waiting for {who}"));
    let lock = lock::wait(data, purpose, deadline, &mut wait).await?;
    embedded::ended(data).await?;
    major::heal(data).await?;
    Ok((backups, lock))
}

/// Upgrades to the newest version that there is; none where it is that already.
pub(crate) async fn upgrade(
    config: &Config,
    deadline: Instant,
    on_step: &mut dyn FnMut(&str),
) -> Result<Option<Upgraded>, Failure> {
    let data = &config.data;
    let Some((from, to, installs)) = plan(config).await? else { return Ok(None) };
    let _locks = idle(config, deadline, on_step).await?;
    let (needed, left) = (major::needs(data), files::space_left(data.root())?);
    if left < needed {
        return Err(Error::NoRoom { path: data.root().to_owned(), needed, left }.into());
    }
    if installs {
        files::private_folder(&data.environments())?;
        let log = data.logs().join("install.log");
        let plan = python::plan(&data.environments(), &log, Set::postgres(), None).await?;
        on_step(&format!("installing {} {}", plan.set.name, plan.set.version));
        plan.apply(false).await?;
    }
    let (other, carried) = carry(config, deadline, on_step).await?;
    on_step("putting the new cluster in its place");
    let kept = major::switch(config, &other)?;
    Ok(Some(Upgraded { from, to, carried: Some(carried), kept }))
}

/// Goes back to the cluster that was in use before; none where none is kept.
pub(crate) async fn undo(
    config: &Config,
    deadline: Instant,
    on_step: &mut dyn FnMut(&str),
) -> Result<Option<Upgraded>, Failure> {
    guard::homeserver(config)?;
    let data = &config.data;
    let _locks = idle(config, deadline, on_step).await?;
    let from = clusters::current(data).ok_or(postgres::Error::NoCluster)?;
    let back = major::go_back(data)?;
    Ok(back.map(|(to, kept)| Upgraded { from, to, carried: None, kept }))
}
