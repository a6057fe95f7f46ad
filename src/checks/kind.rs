//! Which program the homeserver is: it stays that one, and Dendrite is not asked for what only Synapse has.

use std::path::PathBuf;

use super::{Check, EVERY, Flow, Found, Look, Subject};
use crate::{
    config::{
        self, Config,
        sections::{server::Kind, stack::Part, synapse::Mode},
        values::{setting::shown, source::Source},
    },
    data_dir::DataDir,
    dendrite,
    error::{Explain, Failure},
    postgres, process,
};

pub(crate) static KIND: Check = Check {
    name: "server-kind",
    about: "the homeserver is the program that was installed, and the settings are some that it has",
    remedy: "`config show server` says what is set",
    flows: EVERY,
    look: Look::Here(look),
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("this homeserver is {} and cannot become {}: each has a database of its own form", is.name(), wanted.name())]
    Other { is: Kind, wanted: Kind },
    #[error("the program `{}` is gone", .0.display())]
    NoProgram(PathBuf),
    #[error("the profile `{profile}` has {part}, which cannot be had with Dendrite")]
    Part { profile: String, part: &'static str },
    #[error("the setting `{0}` is of Synapse alone, and Dendrite has nothing for it")]
    Setting(&'static str),
    #[error("Dendrite has no list of servers that it speaks with: federation is `off` or `open`")]
    Private,
    #[error("Dendrite knows rooms of the versions 1 to 11, and `synapse.room_version` is `{0}`")]
    RoomVersion(String),
    #[error("Dendrite listens on one address, and `server.address` names several")]
    Addresses,
}

impl Explain for Error {
    fn kind(&self) -> crate::error::Kind {
        crate::error::Kind::Setting
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Other { is, .. } => format!(
                "`config set server.kind {}` leaves it what it is; another one gets a data folder of its own with `--instance NAME`",
                is.service()
            ),
            Self::NoProgram(_) => "`manage install` brings it back".into(),
            Self::Part { .. } => "`core` and `isms` are profiles for Dendrite".into(),
            Self::Setting(key) => {
                format!("`config show {key}` says where it is set: take it out there")
            }
            Self::Private => {
                "`config set synapse.federation open` lets it speak with all of them".into()
            }
            Self::RoomVersion(_) => {
                "`config set synapse.room_version 11` leaves the newest of them".into()
            }
            Self::Addresses => "`config set server.address ADDRESS` leaves one".into(),
        })
    }
}

/// Sections of settings, or single ones, that mean something to Dendrite too. Of `synapse` it is only these.
const OF_BOTH: [&str; 9] = [
    "synapse.federation",
    "synapse.federation_custom_ca_list",
    "synapse.registration_secret",
    "synapse.max_upload_size",
    "synapse.presence",
    "synapse.bcrypt_rounds",
    "synapse.cache_factor",
    "synapse.log_level",
    "synapse.room_version",
];
const OF_SYNAPSE: [&str; 9] = [
    "synapse.",
    "workers.",
    "redis.",
    "oidc.",
    "media.",
    "encryption.",
    "backup.",
    "relay.",
    "kubernetes.",
];

fn look(subject: &Subject<'_>) -> Found {
    let config = subject.config;
    let data = &config.data;
    let is_here = !data.is_in_cluster() && !config.is_joined();
    if is_here {
        stays(data, config)?;
    }
    if is_here && data.is_installed() && config.is_dendrite() && subject.flow != Flow::Install {
        let program = dendrite::program(data);
        if !process::is_program(&program) {
            return Err(Error::NoProgram(program).into());
        }
    }
    fits(config).map_err(Failure::from)?;
    Ok(Vec::new())
}

/// Refuses another program than that of a data folder, installed or only left there.
pub(crate) fn stays(data: &DataDir, config: &Config) -> Result<(), Failure> {
    let wanted = config.server.kind;
    let is =
        if data.is_installed() { Some(Kind::installed(data)) } else { postgres::made_for(data)? };
    match is.filter(|is| *is != wanted) {
        Some(is) => Err(Error::Other { is, wanted }.into()),
        None => Ok(()),
    }
}

/// Refuses what Dendrite does not have.
pub(crate) fn fits(config: &Config) -> Result<(), Error> {
    if !config.is_dendrite() {
        return Ok(());
    }
    for (part, name) in [
        (Part::Workers, "workers"),
        (Part::Redis, "Redis"),
        (Part::Metrics, "metrics"),
        (Part::Relay, "the relay"),
    ] {
        if config.has(part) {
            let profile = config.profile.name.clone();
            return Err(Error::Part { profile, part: name });
        }
    }
    if config.synapse.federation == Mode::Private {
        return Err(Error::Private);
    }
    if config.server.address.0.len() > 1 {
        return Err(Error::Addresses);
    }
    let version = config.synapse.room_version.as_str();
    if !version.parse().is_ok_and(|version: u32| (1..=11).contains(&version)) {
        return Err(Error::RoomVersion(version.to_owned()));
    }
    for setting in config::settings() {
        let key = setting.key;
        let is_of_synapse = OF_SYNAPSE.iter().any(|section| key.starts_with(section));
        let Some((value, source)) = config.values.0.get(key) else { continue };
        // What the platform provides is for whoever wants it.
        let is_asked = !matches!(source, Source::Default | Source::Vrooli(_));
        // Encryption is there unasked, and not here; and who wants none of it gets that.
        let is_other = match key {
            "encryption.enabled" => shown(value) == "true",
            _ => shown(value) != setting.default,
        };
        // An instance beside others is given its ports, whether or not it needs them.
        let is_port = || config::port_settings().any(|port| port.key == key);
        if is_asked && is_of_synapse && !OF_BOTH.contains(&key) && is_other && !is_port() {
            return Err(Error::Setting(key));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sources::environment::Environment;

    fn refused(flags: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        let flags = flags.iter().chain(&["server.kind=dendrite"]);
        let flags: Vec<String> = flags.map(|flag| (*flag).to_owned()).collect();
        let config = Config::load(data, &flags, &Environment::default()).unwrap();
        fits(&config).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn what_only_synapse_has_is_refused_by_its_name() {
        assert_eq!(refused(&[]), "");
        assert_eq!(refused(&["stack.profile=isms", "synapse.federation=open"]), "");
        assert_eq!(refused(&["synapse.max_upload_size=9M", "synapse.registration=false"]), "");
        assert!(refused(&["stack.profile=full"]).contains("`full` has workers"));
        assert!(refused(&["synapse.registration=true"]).contains("`synapse.registration`"));
        assert!(refused(&["encryption.enabled=true"]).contains("`encryption.enabled`"));
        assert_eq!(refused(&["encryption.enabled=false", "redis.port=7001"]), "");
        for version in ["12", "org.example", "0"] {
            let said = refused(&[&format!("synapse.room_version={version}")]);
            assert!(said.contains("the versions 1 to 11"), "{said}");
        }
        assert_eq!(refused(&["synapse.room_version=10"]), "");
        assert!(refused(&["backup.schedule=0 3 * * *"]).contains("`backup.schedule`"));
        assert!(refused(&["synapse.federation=private"]).contains("list of servers"));
    }
}
