//! Webhooks of a homeserver that runs: the first one brings a service with it, and the proxy learns of
//! it; with the last one they go.

use tokio::time::Instant;

use super::{definition, start};
use crate::{
    config::Config, error::Failure, instance::homeserver::Homeserver, services, supervisor::control,
};

/// Whether webhooks are taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Now,
    /// They will be when the homeserver is started.
    Later,
}

/// Has a homeserver that runs take webhooks, and waits until it does.
pub(crate) async fn take_up(config: &Config) -> Result<Taken, Failure> {
    let socket = config.data.control_socket();
    // Only a start changes the profile of what runs.
    let same = |name: &str| name == config.profile.name;
    if !control::status(&socket).await?.is_some_and(|now| same(&now.profile)) {
        return Ok(Taken::Later);
    }
    let options = start::Options {
        services: vec![services::HOOKS.to_owned()],
        timeout: config.supervision.start_timeout.0,
        // Little is written for them.
        force: true,
        keep_profile: false,
        standby: None,
    };
    start::start(config, options, &mut |_| ()).await?;
    Ok(Taken::Now)
}

/// Where webhooks are taken on this machine, and where that will be after a restart, if somewhere else.
#[derive(Debug)]
pub(crate) struct Here {
    pub(crate) url: String,
    pub(crate) later: Option<String>,
}

impl Here {
    pub(crate) async fn of(config: &Config) -> Result<Self, Failure> {
        let now = control::status(&config.data.control_socket()).await?;
        let wanted = config.hooks_url();
        Ok(match now.as_ref().and_then(services::takes_hooks) {
            Some(url) if url != wanted => Self { url, later: Some(wanted) },
            _ => Self { url: wanted, later: None },
        })
    }

    /// What whoever is told the address should know of it.
    pub(crate) fn warning(&self) -> Option<String> {
        let (Self { url, .. }, later) = (self, self.later.as_ref()?);
        Some(format!(
            "webhooks are taken at {url} until `manage restart`, and at {later} from then on"
        ))
    }
}

/// Lets go of the service and the proxy's address where no webhook is left.
pub(crate) async fn let_go(config: &Config) -> Result<(), Failure> {
    let socket = config.data.control_socket();
    let Some(now) = control::status(&socket).await? else { return Ok(()) };
    if now.profile != config.profile.name || crate::hooks::are_there(&config.data) {
        return Ok(());
    }
    let mut homeserver = Homeserver::of(config)?;
    let deadline = Instant::now() + config.supervision.start_timeout.0;
    let define =
        definition::request(&mut homeserver, &now, &[], true, deadline, &mut |_| ()).await?;
    if let Some(define) = define {
        definition::tell(&socket, &now, &define).await?;
    }
    Ok(())
}
