//! Role and database made ready, once, before Synapse starts.

use std::collections::BTreeMap;

use super::{DATABASE, POSTGRES};
use crate::{
    config::Config,
    supervisor::service::{Condition, Need, Restart, Service, Signal},
};

pub(super) fn service(config: &Config, own: bool) -> Service {
    Service {
        name: DATABASE.to_owned(),
        summary: "role and database made ready".to_owned(),
        tags: vec!["database".to_owned()],
        needs: own.then(|| Need::new(POSTGRES, Condition::Healthy)).into_iter().collect(),
        launch: super::daemon(config, "provision"),
        revision: String::new(),
        reload: None,
        ready: Vec::new(),
        live: Vec::new(),
        restart: Restart::Never,
        stop: vec![(Signal::TERM, config.supervision.stop_timeout.0)],
        endpoints: BTreeMap::new(),
        starter: None,
    }
}
