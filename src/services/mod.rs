//! Which processes a homeserver is, one file each.

use std::{ffi::OsString, time::Duration};

use crate::{
    config::{self, Config, setting::Source},
    postgres::{self, Error},
    supervisor::service::{Restart, Service},
};

mod alerts;
mod database;
mod postgresql;
mod proxy;
mod synapse;

/// All of the profile that is set. Where PostgreSQL is our own, its cluster has to be there already.
pub(crate) async fn all(config: &Config) -> Result<Vec<Service>, Error> {
    let own = if postgres::target(config)?.is_embedded() {
        Some(postgresql::service(config).await?)
    } else {
        None
    };
    let is_own = own.is_some();
    let others = [database::service(config, is_own), synapse::service(config, is_own)];
    let more = proxy::service(config).into_iter().chain(alerts::service(config));
    Ok(own.into_iter().chain(others).chain(more).collect())
}

/// A service that ends by itself is started again, so many times within ten minutes.
fn restart(config: &Config) -> Restart {
    Restart::Always { budget: config.supervision.restarts, window: Duration::from_mins(10) }
}

/// What makes another process of this program read the same settings: the data folder, and what was
/// set with flags. Secrets are not handed on this way.
pub(crate) fn same_settings(config: &Config) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["--data-dir".into(), config.data.root().into()];
    for setting in config::settings().filter(|setting| !setting.secret) {
        if let Some((value, Source::Flag)) = config.values.0.get(setting.key) {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            words.extend(["--set".into(), format!("{}={value}", setting.key).into()]);
        }
    }
    words
}

/// The words under which services are known to each other.
const POSTGRES: &str = "postgres";
const DATABASE: &str = "database";
const SYNAPSE: &str = "synapse";
const ALERTS: &str = "alerts";
const PROXY: &str = "proxy";
