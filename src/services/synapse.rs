//! Synapse, one process.

use std::time::Duration;

use super::{DATABASE, POSTGRES, REDIS, SYNAPSE};
use crate::{
    config::{Config, sections::stack::Part},
    redis, s3,
    supervisor::service::{Condition, Launch, Live, Need, Probe, Service, Signal},
    synapse,
};

pub(super) fn service(config: &Config, own: bool) -> Service {
    let data = &config.data;
    let url = config.local_url();
    // It speaks to it only where there are workers.
    let redis = config.has(Part::Workers) && redis::is_own(config);
    let interval = config.supervision.probe_interval.0.max(Duration::from_secs(1));
    let program = data.synapse_environment().join("bin/python");
    let mut launch = Launch::new(program, data.root())
        .args(["-m", "synapse.app.homeserver", "-c"])
        .args([data.homeserver_yaml()]);
    launch.environment.extend(s3::variables(config));
    launch.clears = synapse::workers::sockets(config, None);
    // It would make a new one without a word, and be a stranger to all other servers.
    launch.keeps.push(data.signing_key());
    // `/health` says only that the process lives, and whose token it is may come out of a cache; this
    // answer is read from the database each time.
    let reaches_database = Probe::Http {
        url: format!("{url}/_matrix/client/v3/account/3pid"),
        socket: None,
        bearer_file: Some(data.secret("operator.json")),
    };
    let lives = Probe::Http { url: format!("{url}/health"), socket: None, bearer_file: None };
    let hung = config.supervision.hung_after.0;
    let metrics = format!("http://127.0.0.1:{}/_synapse/metrics", config.server.metrics_port);
    // What a login provider has to know of us, also before we know of it.
    let callback = config.oidc_callback();
    let endpoints = [("client", url), ("metrics", metrics), ("oidc-callback", callback)];
    let endpoints = endpoints.map(|(name, url)| (name.to_owned(), url)).into();
    Service {
        name: SYNAPSE.to_owned(),
        summary: "Synapse".to_owned(),
        tags: vec!["homeserver".to_owned()],
        needs: own
            .then(|| Need::new(POSTGRES, Condition::Healthy))
            .into_iter()
            .chain([Need::new(DATABASE, Condition::Completed)])
            .chain(redis.then(|| Need::new(REDIS, Condition::Healthy)))
            .collect(),
        launch,
        revision: synapse::revision(data, None),
        reload: None,
        ready: vec![Probe::Notify, reaches_database.clone()],
        live: vec![
            // Without its database it is unwell until that is back: it connects again by itself.
            Live { probe: reaches_database, interval, restart_after: None },
            Live { probe: lives, interval, restart_after: Some(hung) },
        ],
        restart: super::restart(config),
        stop: vec![(Signal::TERM, config.supervision.stop_timeout.0)],
        endpoints,
        starter: None,
    }
}
