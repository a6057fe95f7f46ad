//! What keeps the keys of encrypted rooms, where it was built and is wanted. It runs with the homeserver, and while that is
//! away it says so to whoever asks.

use std::collections::BTreeMap;

use super::CRYPTO;
use crate::{
    config::{Config, values::shape::Words as _},
    crypto,
    supervisor::service::{Launch, Probe, Service},
};

pub(super) fn service(config: &Config) -> Option<Service> {
    let program = crypto::program().filter(|_| config.encryption.enabled)?;
    let data = &config.data;
    // A program that was built anew is another one.
    let revision = std::fs::metadata(&program).and_then(|file| file.modified()).ok();
    let revision = format!("{revision:?}");
    let mut service = super::own(
        config,
        CRYPTO,
        "keeps the keys of encrypted rooms",
        &[super::homeserver(config)],
        revision,
    );
    let folders = [crypto::socket(data), crypto::stores(data), crypto::identities(data)];
    let share_with = config.encryption.share_with.word();
    service.launch = Launch::new(&program, data.root()).args(folders).args([share_with]);
    service.ready = vec![Probe::Notify];
    service.endpoints = BTreeMap::new();
    Some(service)
}
