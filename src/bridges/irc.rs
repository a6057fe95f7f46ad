//! heisenbridge: IRC networks, whose rooms its owner opens from a control room. It keeps what it knows in
//! Matrix itself, so it needs no settings but these words.

use std::ffi::OsString;

use super::{Bridge, Kind, REGISTRATION};
use crate::{config::Config, python::Environment};

pub(super) fn command(config: &Config, bridge: &Bridge) -> Vec<OsString> {
    let data = &config.data;
    let Some(environment) = super::environment(data, Kind::Irc) else { return Vec::new() };
    let port = bridge.listens.unwrap_or_default().to_string();
    let mut words: Vec<OsString> = vec![Environment::at(environment).python().into()];
    words.extend(["-m", "heisenbridge", "-c"].map(OsString::from));
    words.push(bridge.file(data, REGISTRATION).into());
    words.extend(["-l", "127.0.0.1", "-p", &port].map(OsString::from));
    if let Some(owner) = &bridge.asked.owner {
        words.extend(["-o", owner].map(OsString::from));
    }
    words.push(config.local_url().into());
    words
}
