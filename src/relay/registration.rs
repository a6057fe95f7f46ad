//! The file by which Synapse knows the relay. Its tokens stay when settings change.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use rand::rng;
use sha2::{Digest as _, Sha256};

use crate::{
    bridges::{Registration, escaped},
    config::{Config, sections::stack::Part},
    files,
    secret::Secret,
};

/// What the relay is called among application services.
const ID: &str = "resource-matrix-synapse-relay";

/// The files of its tokens.
pub(super) const SECRETS: [&str; 2] = ["relay_as_token", "relay_hs_token"];

/// As it stands in its file.
pub(super) fn of(config: &Config) -> Result<Registration, files::Error> {
    // Those of a homeserver elsewhere come from there.
    let is_elsewhere = config.relay.homeserver.is_some();
    let token = |name: &str| match config.data.secret(name) {
        file if is_elsewhere => Secret::read(&file),
        file => Secret::read_or_generate(&file, &mut rng()),
    };
    let tokens = (token(SECRETS[0])?, token(SECRETS[1])?);
    let (prefix, service) = (&config.relay.prefix.0, &config.relay.service_user.0);
    let (prefix, server) = (escaped(prefix), escaped(config.server.name.0.as_str()));
    let users = [
        format!("@{prefix}-[0-9a-f-]{{32,36}}:{server}"),
        format!("@{}:{server}", escaped(service)),
    ];
    let aliases = [format!("#{prefix}-[0-9a-f]{{32}}:{server}")];
    Ok(Registration::with_tokens(ID, &config.relay_url(), service, &users, &aliases, tokens))
}

/// Where Synapse reads it: under another name where it says something else, so that Synapse is restarted for that.
pub(crate) fn told(config: &Config) -> Option<PathBuf> {
    if !config.has(Part::Relay) {
        return None;
    }
    let (set, server) = (&config.relay, &config.server.name.0);
    let said = format!("{} {} {} {server}", config.relay_url(), set.prefix, set.service_user);
    let mut hash = Sha256::new_with_prefix(said);
    for name in SECRETS {
        // Before there are any the file is not there either.
        if let Ok(token) = Secret::read(&config.data.secret(name)) {
            hash.update(token.expose());
        }
    }
    let hash = HEXLOWER.encode(&hash.finalize()[..8]);
    Some(config.data.relay().join(format!("registration-{hash}.yaml")))
}

/// Writes it where the profile has the relay.
pub(crate) fn write(config: &Config) -> Result<(), files::Error> {
    if !config.has(Part::Relay) {
        return Ok(());
    }
    let registration = of(config)?;
    let Some(file) = told(config) else { return Ok(()) };
    files::private_folder(&config.data.relay())?;
    files::write_if_changed(&file, registration.text().as_bytes(), files::PRIVATE)?;
    Ok(())
}
