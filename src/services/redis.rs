//! Our own Redis, in the foreground. What it knows is worth nothing once it ends: Synapse's processes
//! look up in the database what they have missed.

use std::collections::BTreeMap;

use super::REDIS;
use crate::{
    config::Config,
    redis::{self, Programs},
    supervisor::service::{Launch, Live, Probe, Service, Signal},
};

pub(super) fn service(config: &Config) -> Option<Service> {
    if !redis::is_own(config) {
        return None;
    }
    let data = &config.data;
    let socket = redis::socket(data).display().to_string();
    // A start names what is missing; a list of services shows where it would be.
    let there = redis::programs(data);
    let Programs { server, cli } = there.unwrap_or_else(|_| Programs {
        server: "/usr/bin/redis-server".into(),
        cli: "/usr/bin/redis-cli".into(),
    });
    let root = data.root();
    // Without one it listens on its socket alone.
    let (address, port) = match redis::network(config) {
        Some((host, port)) => (host.listens().to_string(), port),
        None => ("127.0.0.1".to_owned(), 0),
    };
    let launch = Launch::new(server, root)
        .args([redis::conf(data)])
        .args([
            "--bind",
            &address,
            "--port",
            &port.to_string(),
            "--unixsocket",
            &socket,
            "--unixsocketperm",
            "700",
        ])
        .args(["--save", "", "--appendonly", "no", "--daemonize", "no", "--logfile", ""])
        .args(["--dir", &data.run().display().to_string()]);
    // It says that it wants a password, or PONG: it lives.
    let ask = Probe::Exec(Launch::new(cli, root).args(["-s", &socket, "PING"]));
    Some(Service {
        name: REDIS.to_owned(),
        summary: "Redis".to_owned(),
        tags: vec!["redis".to_owned()],
        needs: Vec::new(),
        launch,
        revision: String::new(),
        reload: None,
        ready: vec![ask.clone()],
        live: vec![Live {
            probe: ask,
            interval: config.supervision.probe_interval.0,
            restart_after: Some(config.supervision.hung_after.0),
        }],
        restart: super::restart(config),
        stop: vec![(Signal::TERM, config.supervision.stop_timeout.0)],
        endpoints: BTreeMap::from([("redis".to_owned(), format!("unix://{socket}"))]),
        starter: None,
    })
}
