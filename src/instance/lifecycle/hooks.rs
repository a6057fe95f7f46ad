//! Webhooks of a homeserver that runs: the first one brings a service with it, and the proxy learns of
//! it; with the last one they go.

use super::one;
use crate::{config::Config, error::Failure, services, supervisor::control};

/// Has a homeserver that runs take webhooks, and waits until it does.
pub(crate) async fn take_up(config: &Config) -> Result<one::Taken, Failure> {
    one::take_up(config, services::HOOKS).await
}

/// Where webhooks are taken on this machine, and where that will be after a restart, if somewhere else.
#[derive(Debug)]
pub(crate) struct Here {
    pub(crate) url: String,
    pub(crate) later: Option<String>,
}

impl Here {
    pub(crate) async fn of(config: &Config) -> Result<Self, Failure> {
        let now = control::status(&config.data).await?;
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
    if crate::hooks::are_there(&config.data) {
        return Ok(());
    }
    one::let_go(config).await
}
