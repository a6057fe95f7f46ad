//! The file by which Synapse knows the relay. Its tokens stay when settings change.

use std::path::PathBuf;

use rand::rng;

use crate::{
    bridges::{Registration, escaped},
    config::{Config, sections::stack::Part},
    data_dir::DataDir,
    files,
    secret::Secret,
};

/// What the relay is called among application services.
const ID: &str = "resource-matrix-synapse-relay";

fn file(data: &DataDir) -> PathBuf {
    data.relay().join("registration.yaml")
}

/// As it stands in its file.
pub(super) fn of(config: &Config) -> Result<Registration, files::Error> {
    let token = |name: &str| Secret::read_or_generate(&config.data.secret(name), &mut rng());
    let tokens = (token("relay_as_token")?, token("relay_hs_token")?);
    let (prefix, service) = (&config.relay.prefix.0, &config.relay.service_user.0);
    let (prefix, server) = (escaped(prefix), escaped(config.server.name.0.as_str()));
    let users = [
        format!("@{prefix}-[0-9a-f-]{{32,36}}:{server}"),
        format!("@{}:{server}", escaped(service)),
    ];
    let aliases = [format!("#{prefix}-[0-9a-f]{{32}}:{server}")];
    Ok(Registration::with_tokens(ID, &config.relay_url(), service, &users, &aliases, tokens))
}

/// Writes it where the profile has the relay; where it is then.
pub(crate) fn write(config: &Config) -> Result<(), files::Error> {
    if config.has(Part::Relay) {
        files::private_folder(&config.data.relay())?;
        let text = of(config)?;
        files::write_if_changed(&file(&config.data), text.text().as_bytes(), files::PRIVATE)?;
    }
    Ok(())
}

/// Where Synapse reads it, and what changes when it does.
pub(crate) fn told(config: &Config) -> Option<(PathBuf, String)> {
    config.has(Part::Relay).then(|| {
        let set = &config.relay;
        let what = format!("{} as @{}- and {}", config.relay_url(), set.prefix, set.service_user);
        (file(&config.data), what)
    })
}
