//! What tells a room how the services are, where one is set.

use super::ALERTS;
use crate::{config::Config, supervisor::service::Service};

pub(super) fn service(config: &Config) -> Option<Service> {
    config.alerts.room.as_ref()?;
    let revision = format!("{:?}", config.alerts);
    Some(super::own(
        config,
        ALERTS,
        "tells a room how the services are",
        &[super::homeserver(config)],
        revision,
    ))
}
