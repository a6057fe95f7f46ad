//! What keeps the keys of encrypted rooms, where it was built and is wanted. It needs nobody: without the homeserver it says
//! that to whoever asks.

use std::collections::BTreeMap;

use super::CRYPTO;
use crate::{
    config::Config,
    crypto,
    supervisor::service::{Launch, Probe, Service},
};

pub(super) fn service(config: &Config) -> Option<Service> {
    let program = crypto::program().filter(|_| config.encryption.enabled)?;
    let data = &config.data;
    // A program that was built anew is another one.
    let revision = std::fs::metadata(&program).and_then(|file| file.modified()).ok();
    let revision = format!("{revision:?}");
    let mut service =
        super::own(config, CRYPTO, "keeps the keys of encrypted rooms", &[], revision);
    let folders = [crypto::socket(data), crypto::stores(data), crypto::identities(data)];
    service.launch = Launch::new(&program, data.root()).args(folders);
    service.ready = vec![Probe::Notify];
    service.endpoints = BTreeMap::new();
    Some(service)
}
