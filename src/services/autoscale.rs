//! What changes the number of workers with the load, where that is wanted.

use super::AUTOSCALE;
use crate::{
    config::{Config, sections::stack::Part},
    supervisor::service::Service,
};

pub(super) fn service(config: &Config) -> Option<Service> {
    let set = &config.workers;
    if !set.autoscale || !config.has(Part::Workers) {
        return None;
    }
    // Without the list of workers, which is what it changes itself.
    let revision = format!(
        "{} {} {} {} {} {}",
        set.autoscale_min,
        set.autoscale_max,
        set.autoscale_cpu_percent.0,
        set.autoscale_window,
        set.cores,
        set.elsewhere
    );
    Some(super::own(
        config,
        AUTOSCALE,
        "adds and removes workers",
        &[super::homeserver(config)],
        revision,
    ))
}
