//! What has the proxy read its certificate again when that changes, and renews our own.

use std::{collections::BTreeMap, time::Duration};

use super::{CERTIFICATES, PROXY};
use crate::{
    config::{Config, stack::Part},
    supervisor::service::{Condition, Need, Service, Signal},
};

pub(super) fn service(config: &Config) -> Option<Service> {
    config.tls.certificate.as_ref().filter(|_| config.has(Part::Proxy))?;
    Some(Service {
        name: CERTIFICATES.to_owned(),
        summary: "renews certificates, and has the proxy read new ones".to_owned(),
        tags: vec!["own".to_owned()],
        needs: vec![Need::new(PROXY, Condition::Started)],
        launch: super::daemon(config, "certificates"),
        // It reads its settings when it starts.
        revision: format!("{:?} {:?}", config.tls, config.server),
        reload: None,
        ready: Vec::new(),
        live: Vec::new(),
        restart: super::restart(config),
        stop: vec![(Signal::TERM, Duration::from_secs(5))],
        endpoints: BTreeMap::new(),
    })
}
