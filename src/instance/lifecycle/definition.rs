//! Keeps a supervisor that runs up with the services that the settings ask for.

use super::start::Error;
use crate::{
    config::Config,
    instance::prepare::{self, render},
    postgres, redis, services,
    supervisor::{control::Request, record::Snapshot, service::Service},
};

/// What a running supervisor has to be told first; nothing where it keeps what the settings ask for.
pub(crate) async fn request(config: &Config, now: &Snapshot) -> Result<Option<Request>, Error> {
    render::refresh_proxy(config).await.map_err(prepare::Error::from)?;
    let outline = services::outline(config)?;
    let profile = config.profile.name.clone();
    let other = now.profile != profile;
    if !other && !differ(config, now, &outline) {
        return Ok(None);
    }
    redis::check(config).await.map_err(prepare::Error::from)?;
    // Each worker that is new has connections of its own.
    let is_new = |service: &Service| {
        service.tags.iter().any(|tag| tag == services::WORKER)
            && !now.services.contains_key(&service.name)
    };
    let runs = now.services.get("synapse").is_some_and(|report| report.state.is_ready());
    if runs && outline.iter().any(is_new) {
        postgres::has_room(config).await.map_err(prepare::Error::from)?;
    }
    // Their files are in place before anything reads them.
    render::refresh(config).await.map_err(prepare::Error::from)?;
    let services = services::all(config).await?;
    Ok(Some(if other {
        Request::Replace { profile, services }
    } else {
        Request::Define { services }
    }))
}

/// A service of ours reads its files when it is started, and is not restarted unasked: only one that
/// reads them again without ending does so. The operator's own are what their settings say.
fn differ(config: &Config, now: &Snapshot, services: &[Service]) -> bool {
    let is_custom = |name: &str| config.custom.iter().any(|custom| custom.name == name);
    let gone = |name: &String| !services.iter().any(|service| service.name == *name);
    let changed = |service: &Service| match now.services.get(&service.name) {
        Some(report) => {
            let may_change = is_custom(&service.name) || service.reload.is_some();
            may_change && report.revision != service.revision
        }
        None => true,
    };
    now.order.iter().any(gone) || services.iter().any(changed)
}

/// These with all they need; without names, none: all are meant then.
pub(crate) fn with_needs(config: &Config, names: &[String]) -> Result<Vec<String>, Error> {
    let services = services::outline(config)?;
    let mut found = names.to_vec();
    // Those that are needed stand before those that need them.
    for service in services.iter().rev() {
        if found.contains(&service.name) {
            found.extend(service.needs.iter().map(|need| need.service.clone()));
        }
    }
    Ok(found)
}
