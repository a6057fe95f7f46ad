//! What tells a room how the services are, where one is set.

use super::{ALERTS, SYNAPSE};
use crate::{config::Config, supervisor::service::Service};

pub(super) fn service(config: &Config) -> Option<Service> {
    config.alerts.room.as_ref()?;
    let revision = format!("{:?}", config.alerts);
    Some(super::own(config, ALERTS, "tells a room how the services are", &[SYNAPSE], revision))
}
