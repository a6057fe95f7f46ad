//! What makes backups, where a schedule is set.

use std::time::Duration;

use super::{BACKUPS, DATABASE};
use crate::{
    config::Config,
    supervisor::service::{Condition, Need, Service, Signal},
};

/// A trial that is interrupted stops and removes what it has restored.
const CLEAR_UP: Duration = Duration::from_mins(1);

pub(super) fn service(config: &Config) -> Option<Service> {
    config.backup.schedule.as_ref()?;
    // It reads its settings each time, so that no other one of it is needed for them.
    let mut service = super::own(config, BACKUPS, "makes and tries backups", &[], String::new());
    // Whether Synapse is well or not.
    service.needs = vec![Need::new(DATABASE, Condition::Completed)];
    service.stop = vec![(Signal::TERM, CLEAR_UP)];
    Some(service)
}
