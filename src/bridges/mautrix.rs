//! The bridges of the mautrix family, which read a file of settings beside the registration. What we do
//! not say, they take from the example that each brings.

use std::ffi::OsString;

use minijinja::{Environment as Templates, UndefinedBehavior, context};

use super::{Bridge, CONFIG, Error, Kind, Made, REGISTRATION};
use crate::{
    config::{Config, values::shape::Words as _},
    python::Environment,
};

pub(super) fn command(config: &Config, bridge: &Bridge) -> Vec<OsString> {
    let data = &config.data;
    let mut words: Vec<OsString> = match super::environment(data, bridge.asked.kind) {
        Some(environment) => {
            let python = Environment::at(environment).python().into();
            // It speaks of a module that the locked set has in the version it wants.
            let quiet = "ignore:pkg_resources is deprecated".into();
            vec![python, "-W".into(), quiet, "-m".into(), "mautrix_telegram".into()]
        }
        None => bridge.asked.program.clone().map(Into::into).into_iter().collect(),
    };
    if words.is_empty() {
        return words;
    }
    words.extend(["-c".into(), bridge.file(data, CONFIG).into()]);
    words.extend(["-r".into(), bridge.file(data, REGISTRATION).into()]);
    // The file stays as we wrote it.
    words.push("-n".into());
    words
}

pub(super) fn config(config: &Config, made: &Made, database: &str) -> Result<String, Error> {
    let Made { bridge, registration, network } = made;
    let (file, template) = match bridge.asked.kind {
        Kind::Telegram => ("telegram.yaml.j2", include_str!("../../templates/telegram.yaml.j2")),
        _ => ("mautrix.yaml.j2", include_str!("../../templates/mautrix.yaml.j2")),
    };
    let values = context! {
        name => &bridge.name,
        kind => bridge.asked.kind.word(),
        id => &registration.id,
        homeserver => config.local_url(),
        server_name => config.server.name.to_string(),
        address => &registration.url,
        port => bridge.listens,
        owner => &bridge.asked.owner,
        as_token => registration.as_token.expose(),
        hs_token => registration.hs_token.expose(),
        database => database,
        api_id => network.api_id,
        api_hash => network.api_hash.as_ref().map(crate::secret::Secret::expose),
        bot_token => network.bot_token.as_ref().map(crate::secret::Secret::expose),
    };
    rendered(file, template, values)
}

pub(super) fn rendered(
    file: &str,
    template: &str,
    values: minijinja::Value,
) -> Result<String, Error> {
    let mut templates = Templates::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    Ok(templates.render_named_str(file, template, values)? + "\n")
}
