//! nginx, in the foreground.

use std::{path::PathBuf, time::Duration};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::PROXY;
use crate::{
    config::{Config, sections::stack::Part},
    files, proxy,
    supervisor::service::{Condition, Launch, Live, Need, Probe, Service, Signal},
};

pub(super) fn service(config: &Config) -> Option<Service> {
    if !config.has(Part::Proxy) {
        return None;
    }
    let data = &config.data;
    let supervision = &config.supervision;
    let conf = proxy::conf(data);
    // A start names what is missing; a list of services shows where it would be.
    let program = proxy::program(config).unwrap_or_else(|_| PathBuf::from("/usr/sbin/nginx"));
    let url = config.proxy_url();
    let http =
        |path: &str| Probe::Http { url: format!("{url}{path}"), socket: None, bearer_file: None };
    Some(Service {
        name: PROXY.to_owned(),
        summary: "nginx".to_owned(),
        tags: vec!["proxy".to_owned()],
        needs: (!config.is_joined())
            .then(|| Need::new(super::homeserver(config), Condition::Healthy))
            .into_iter()
            .collect(),
        launch: Launch::new(program, data.root()).args(proxy::arguments(data, &conf)),
        // The certificate's hash stands in it as well.
        revision: match files::read_if_exists(&conf) {
            Ok(Some(text)) => HEXLOWER.encode(&Sha256::digest(text)),
            _ => String::new(),
        },
        reload: Some(Signal::HUP),
        ready: vec![http("/health"), http("/_matrix/client/versions")],
        // Its own answer: a Synapse that is away is not the proxy's illness.
        live: vec![Live {
            probe: http("/health"),
            interval: supervision.probe_interval.0,
            restart_after: Some(supervision.hung_after.0),
        }],
        restart: super::restart(config),
        // QUIT lets requests end, and a sync may wait for half a minute: that is not waited for.
        stop: vec![(Signal::QUIT, Duration::from_secs(2)), (Signal::TERM, Duration::from_secs(5))],
        endpoints: [
            ("client", Some(config.public_url())),
            ("local", Some(url)),
            ("web", config.web_url()),
        ]
        .into_iter()
        .filter_map(|(name, url)| Some((name.to_owned(), url?)))
        .collect(),
        starter: None,
    })
}
