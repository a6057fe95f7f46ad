//! Dendrite, one process.

use std::time::Duration;

use super::{DATABASE, POSTGRES};
use crate::{
    config::Config,
    dendrite, postgres,
    supervisor::service::{Condition, Launch, Live, Need, Probe, Service, Signal},
    tls,
};

pub(super) fn service(config: &Config, own: bool) -> Service {
    let data = &config.data;
    let url = config.local_url();
    let listens = config.with_homeserver(config.server.address.first(), config.server.port);
    let listens = listens.trim_start_matches("http://").to_owned();
    let interval = config.supervision.probe_interval.0.max(Duration::from_secs(1));
    let mut launch = Launch::new(dendrite::program(data), data.root())
        .args(["-config"])
        .args([data.dendrite_yaml()])
        .args(["-http-bind-address", &listens]);
    if let Ok(settings) = postgres::client_settings(config) {
        launch.environment.insert("PGPASSFILE".to_owned(), settings.passfile.into());
    }
    // The CAs of other servers beside those of the machine.
    if let Ok(believed) = tls::trusted::paths(config)
        && let Some(folder) = believed.first().and_then(|file| file.parent())
    {
        launch.environment.insert("SSL_CERT_DIR".to_owned(), folder.into());
    }
    launch.keeps.push(data.signing_key());
    // Whose token it is is read from the database each time.
    let reaches_database = Probe::Http {
        url: format!("{url}/_matrix/client/v3/account/3pid"),
        socket: None,
        bearer_file: Some(data.secret("operator.json")),
    };
    let lives =
        Probe::Http { url: format!("{url}/_dendrite/monitor/up"), socket: None, bearer_file: None };
    let hung = config.supervision.hung_after.0;
    Service {
        name: super::homeserver(config).to_owned(),
        summary: "Dendrite".to_owned(),
        tags: vec!["homeserver".to_owned()],
        needs: own
            .then(|| Need::new(POSTGRES, Condition::Healthy))
            .into_iter()
            .chain([Need::new(DATABASE, Condition::Completed)])
            .collect(),
        launch,
        revision: dendrite::revision(data, None),
        reload: None,
        ready: vec![reaches_database.clone()],
        live: vec![
            Live { probe: reaches_database, interval, restart_after: None },
            Live { probe: lives, interval, restart_after: Some(hung) },
        ],
        restart: super::restart(config),
        stop: vec![(Signal::TERM, config.supervision.stop_timeout.0)],
        endpoints: [("client".to_owned(), url)].into(),
        starter: None,
    }
}
