//! What changes the number of workers with the load, where that is wanted.

use std::{collections::BTreeMap, time::Duration};

use super::{AUTOSCALE, SYNAPSE};
use crate::{
    config::{Config, stack::Part},
    supervisor::service::{Condition, Need, Service, Signal},
};

pub(super) fn service(config: &Config) -> Option<Service> {
    let set = &config.workers;
    if !set.autoscale || !config.has(Part::Workers) {
        return None;
    }
    Some(Service {
        name: AUTOSCALE.to_owned(),
        summary: "adds workers and takes them away".to_owned(),
        tags: vec!["own".to_owned()],
        needs: vec![Need::new(SYNAPSE, Condition::Started)],
        launch: super::daemon(config, "autoscale"),
        // Of what it reads when it starts; the list of workers is what it changes itself.
        revision: format!(
            "{} {} {} {} {}",
            set.autoscale_min,
            set.autoscale_max,
            set.autoscale_cpu_percent.0,
            set.autoscale_window,
            set.cores
        ),
        reload: None,
        ready: Vec::new(),
        live: Vec::new(),
        restart: super::restart(config),
        stop: vec![(Signal::TERM, Duration::from_secs(5))],
        endpoints: BTreeMap::new(),
    })
}
