//! What tells a room how the services are, where one is set.

use std::{collections::BTreeMap, time::Duration};

use super::{ALERTS, SYNAPSE};
use crate::{
    config::Config,
    supervisor::service::{Condition, Need, Service, Signal},
};

pub(super) fn service(config: &Config) -> Option<Service> {
    config.alerts.room.as_ref()?;
    Some(Service {
        name: ALERTS.to_owned(),
        summary: "tells a room how the services are".to_owned(),
        tags: vec!["own".to_owned()],
        needs: vec![Need::new(SYNAPSE, Condition::Started)],
        launch: super::daemon(config, "alerts"),
        // It reads its settings when it starts.
        revision: format!("{:?}", config.alerts),
        reload: None,
        ready: Vec::new(),
        live: Vec::new(),
        restart: super::restart(config),
        stop: vec![(Signal::TERM, Duration::from_secs(5))],
        endpoints: BTreeMap::new(),
    })
}
