//! The relay of calls, in the foreground.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::TURN;
use crate::{
    config::Config,
    files,
    supervisor::service::{Launch, Live, Probe, Service, Signal},
    turn,
};

pub(super) fn service(config: &Config) -> Option<Service> {
    if !config.has_relay() {
        return None;
    }
    let data = &config.data;
    let supervision = &config.supervision;
    let conf = turn::conf(data);
    // A start names what is missing; a list of services shows where it would be.
    let program = turn::program().unwrap_or_else(|_| PathBuf::from("/usr/bin/turnserver"));
    let address = std::net::SocketAddr::from((config.turn.address, config.turn.port.0)).to_string();
    let answers = Probe::Tcp(address);
    let uris = config.relay_uris().into_iter().rev();
    let name = |uri: &str| uri.rsplit(['=', ':']).next().unwrap_or(uri).to_owned();
    let named = |uri: String| {
        let scheme = if uri.starts_with("turns:") { "tls".to_owned() } else { name(&uri) };
        (scheme, uri)
    };
    let text = files::read_if_exists(&conf).ok().flatten();
    let hash = |text: String| HEXLOWER.encode(&Sha256::digest(text));
    Some(Service {
        name: TURN.to_owned(),
        summary: "relay of calls (coturn)".to_owned(),
        tags: vec!["turn".to_owned()],
        needs: Vec::new(),
        launch: Launch::new(program, data.root()).args(["-c".into(), conf]),
        revision: text.map(hash).unwrap_or_default(),
        // It reads its certificate again; another port or address is taken up by a restart.
        reload: Some(Signal::USR2),
        ready: vec![answers.clone()],
        live: vec![Live {
            probe: answers,
            interval: supervision.probe_interval.0,
            restart_after: Some(supervision.hung_after.0),
        }],
        restart: super::restart(config),
        stop: vec![(Signal::TERM, supervision.stop_timeout.0)],
        endpoints: uris.map(named).collect(),
        starter: None,
    })
}
