//! What changes the number of workers with the load, where that is wanted.

use std::{collections::BTreeMap, ffi::OsString, time::Duration};

use super::{AUTOSCALE, SYNAPSE};
use crate::{
    config::{Config, stack::Part},
    supervisor::service::{Condition, Inherits, Launch, Need, Service, Signal},
};

pub(super) fn service(config: &Config) -> Option<Service> {
    let set = &config.workers;
    if !set.autoscale || !config.has(Part::Workers) {
        return None;
    }
    let mut launch =
        Launch::new("/proc/self/exe", config.data.root()).args(["daemon", "autoscale"]);
    // The list is what it changes itself: as a flag, it would count more than what is written down.
    let words = super::same_settings(config);
    let is_list = |word: &OsString| word.to_string_lossy().starts_with("workers.list=");
    for pair in words.chunks(2).filter(|pair| !pair.iter().any(is_list)) {
        launch = launch.args(pair);
    }
    launch.inherits = Inherits::All;
    Some(Service {
        name: AUTOSCALE.to_owned(),
        summary: "adds workers and takes them away".to_owned(),
        tags: vec!["own".to_owned()],
        needs: vec![Need::new(SYNAPSE, Condition::Started)],
        launch,
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
