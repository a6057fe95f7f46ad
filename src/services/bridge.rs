//! Bridges to other networks, a service each. They come up behind Synapse, which goes on where one fails.

use std::{collections::BTreeMap, time::Duration};

use super::{CUSTOM, POSTGRES};
use crate::{
    bridges::{self, Bridge, Kind},
    config::{Config, values::shape::Words as _},
    files,
    supervisor::service::{Condition, Live, Need, Probe, Service, Signal},
};

/// The tag of them all; each has its kind as another one.
const TAG: &str = "bridge";

/// How long one that listens nowhere has to run before it counts as ready.
const LASTS: Duration = Duration::from_secs(1);

/// Those that are whole and whose process is kept here; `own` is whether PostgreSQL is.
pub(super) fn services(config: &Config, own: bool) -> Result<Vec<Service>, files::Error> {
    let found = bridges::all(&config.data)?;
    let whole = found.iter().filter_map(|found| Some(found.whole()?.0));
    Ok(whole.filter_map(|bridge| service(config, own, bridge)).collect())
}

fn service(config: &Config, own: bool, bridge: &Bridge) -> Option<Service> {
    let launch = bridge.launch(config)?;
    let kind = bridge.asked.kind;
    let network = match kind {
        Kind::Irc => "IRC",
        Kind::Telegram => "Telegram",
        Kind::Slack => "Slack",
        Kind::Discord => "Discord",
        Kind::Hookshot => "services with webhooks",
        Kind::Custom => "another network",
    };
    let mut needs = vec![Need::new(super::homeserver(config), Condition::Healthy)];
    if own && bridge.database.is_some() {
        needs.push(Need::new(POSTGRES, Condition::Healthy));
    }
    let (mut ready, mut live, mut endpoints) =
        (vec![Probe::Lasts(LASTS)], Vec::new(), BTreeMap::new());
    if let Some(port) = bridge.listens {
        let listens = Probe::Tcp(format!("127.0.0.1:{port}"));
        ready = vec![listens.clone()];
        live.push(Live {
            probe: listens,
            interval: config.supervision.probe_interval.0,
            restart_after: Some(config.supervision.hung_after.0),
        });
        endpoints.insert("appservice".to_owned(), format!("http://127.0.0.1:{port}"));
    }
    if let Some(url) = bridge.hooks_url() {
        endpoints.insert("hooks".to_owned(), url);
    }
    Some(Service {
        name: bridge.service(),
        summary: format!("bridge to {network}"),
        tags: vec![TAG.to_owned(), kind.word().to_owned(), CUSTOM.to_owned()],
        needs,
        launch,
        revision: String::new(),
        reload: None,
        ready,
        live,
        restart: super::restart(config),
        stop: vec![(Signal::TERM, config.supervision.stop_timeout.0)],
        endpoints,
        starter: None,
    })
}
