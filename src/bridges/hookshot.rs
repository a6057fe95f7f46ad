//! matrix-hookshot: webhooks and feeds, and services such as `GitHub` for those who add their keys to its
//! file. It has no settings of its own to fall back on, ends at once where no service and no listener for
//! webhooks is named, and reads its files in the order of its command line ([sample]).
//!
//! [sample]: https://matrix-org.github.io/matrix-hookshot/latest/setup/sample-configuration.html

use std::ffi::OsString;

use minijinja::context;

use super::{Bridge, CONFIG, Error, KEY, REGISTRATION, mautrix::rendered};
use crate::{config::Config, data_dir::DataDir, error::Failure, process, secret::Secret};

pub(super) fn command(data: &DataDir, bridge: &Bridge) -> Vec<OsString> {
    let Some(program) = bridge.asked.program.clone() else { return Vec::new() };
    let files = [CONFIG, REGISTRATION].map(|name| bridge.file(data, name).into());
    std::iter::once(program.into()).chain(files).collect()
}

pub(super) fn config(config: &Config, bridge: &Bridge) -> Result<String, Error> {
    let values = context! {
        name => &bridge.name,
        homeserver => config.local_url(),
        public => config.public_url(),
        server_name => config.server.name.to_string(),
        port => bridge.listens,
        hooks => bridge.hooks,
        hooks_url => bridge.hooks_url(),
        owner => &bridge.asked.owner,
        key => bridge.file(&config.data, KEY).display().to_string(),
    };
    rendered("hookshot.yaml.j2", include_str!("../../templates/hookshot.yaml.j2"), values)
}

/// The key with which it encrypts tokens of the services it speaks to.
pub(crate) async fn key() -> Result<Secret, Failure> {
    let mut command = process::command("openssl");
    command.args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"]);
    let made = process::tool(&mut command).await.map_err(|error| {
        Failure::from(error)
            .hinted("`apt-get install -y --no-install-recommends openssl` installs it")
    });
    Ok(Secret::new(made?))
}
