//! The settings: flags over environment over `.env.local` over `.env` over the profile over
//! `settings.yaml` over what Vrooli provides over defaults, each section a type of its own.

use std::{borrow::Cow, collections::BTreeMap, path::PathBuf};

use serde_json::Value;

mod error;
pub(crate) mod exports;
#[cfg(test)]
pub(crate) mod generate;
pub(crate) mod named;
pub(crate) mod sections;
pub(crate) mod sources;
pub(crate) mod values;

pub(crate) use error::{Error, Flaw, did_you_mean};
use named::{custom, profiles};
use sections::{
    alerts, backup, database, dendrite, encryption, hooks, kubernetes, media, oidc, proxy, redis,
    relay, rooms, server, stack, supervision, synapse, tls, turn, web, workers,
};
use sources::{dotenv, environment::Environment, vrooli};
use stack::Part;
use values::{
    fields,
    setting::{self, Setting, Values},
    shape::{Port, Shape as _},
    source::Source,
};

use crate::{data_dir::DataDir, files};

/// Declares the sections once: as fields of [`Config`], and as what is listed and read.
macro_rules! sections {
    ($($name:ident: $section:ty,)+) => {
        /// All settings of one homeserver, typed and checked one by one.
        #[derive(Clone, Debug)]
        pub(crate) struct Config {
            pub(crate) data: DataDir,
            $(pub(crate) $name: $section,)+
            /// The profile that `stack.profile` names.
            pub(crate) profile: profiles::Profile,
            /// All services of the operator's own, in the profile or not.
            pub(crate) custom: Vec<custom::Custom>,
            /// `services` and `profiles` of the settings file as they stand there, without values of
            /// variables.
            pub(crate) named: BTreeMap<&'static str, Value>,
            /// What the operator should know although the settings can be used.
            pub(crate) warnings: Vec<String>,
            /// Where each value came from; a key that is missing has its default.
            pub(crate) values: Values,
        }

        /// Every setting there is, in the order of the sections.
        pub(crate) fn settings() -> impl Iterator<Item = &'static Setting> {
            [$(<$section>::SETTINGS),+].into_iter().flatten()
        }

        /// Whether each value is one that its setting can have.
        fn check_values(values: &Values) -> Result<(), Error> {
            $(<$section>::read(values)?;)+
            Ok(())
        }

        impl Config {
            fn of(
                data: DataDir,
                profile: profiles::Profile,
                custom: Vec<custom::Custom>,
                named: BTreeMap<&'static str, Value>,
                warnings: Vec<String>,
                values: Values,
            ) -> Result<Self, Error> {
                let mut values = values;
                if <server::Server>::read(&values)?.kind == server::Kind::Dendrite {
                    values.or_default(dendrite::defaults());
                }
                $(let $name = <$section>::read(&values)?;)+
                let mut config =
                    Self { data, $($name,)+ profile, custom, named, warnings, values };
                if config.is_dendrite() {
                    // Nothing there keeps what is said in encrypted rooms from being sent in the clear.
                    config.encryption.enabled = false;
                }
                Ok(config)
            }
        }
    };
}

sections! {
    server: server::Server,
    database: database::Database,
    synapse: synapse::Synapse,
    dendrite: dendrite::Dendrite,
    supervision: supervision::Supervision,
    stack: stack::Stack,
    redis: redis::Redis,
    workers: workers::Workers,
    alerts: alerts::Alerts,
    backup: backup::Backup,
    tls: tls::Tls,
    turn: turn::Turn,
    oidc: oidc::Oidc,
    media: media::Media,
    proxy: proxy::Proxy,
    hooks: hooks::Hooks,
    relay: relay::Relay,
    encryption: encryption::Encryption,
    rooms: rooms::Rooms,
    web: web::Web,
    kubernetes: kubernetes::Kubernetes,
}

/// Those whose value is a port.
pub(crate) fn port_settings() -> impl Iterator<Item = &'static Setting> {
    let schema = Port::schema();
    settings().filter(move |setting| (setting.schema)() == schema)
}

/// A host as it stands before a port: an IPv6 address is in brackets there.
pub(crate) fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') { format!("[{host}]").into() } else { host.into() }
}

/// The setting of that key, or an error that names the nearest one.
pub(crate) fn find(key: &str) -> Result<&'static Setting, Error> {
    settings().find(|setting| setting.key == key).ok_or_else(|| Error::Unknown {
        key: key.to_owned(),
        suggestion: nearest(key, settings().map(|setting| setting.key)),
    })
}

/// The candidate that was most likely meant.
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate.to_owned())
}

/// Where the data folder is: flag, variable, the platform's convention. That of a named homeserver is
/// beside it.
pub(crate) fn data_dir(
    flag: Option<PathBuf>,
    instance: Option<&str>,
    environment: &Environment,
) -> Result<DataDir, Error> {
    let named = flag.or_else(|| environment.get("MATRIX_SYNAPSE_DATA_DIR").map(PathBuf::from));
    let mut path = match named {
        Some(path) => path,
        None => environment.home().ok_or(Error::NoHome)?.join(".vrooli/resources/matrix-synapse"),
    };
    if let Some(name) = instance {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > 32 || !name.chars().all(allowed) {
            return Err(Error::InstanceName(name.to_owned()));
        }
        path.as_mut_os_string().push(format!("-{name}"));
    }
    if path.is_absolute() { Ok(DataDir::new(path)) } else { Err(Error::RelativeDataDir(path)) }
}

/// Refuses flags that no command could use, whatever the rest of the settings is: those of `--set`.
pub(crate) fn check_flags(flags: &[String]) -> Result<(), Error> {
    if flags.is_empty() {
        return Ok(());
    }
    let mut values = Values::default();
    flagged(flags, &mut values)?;
    // The profile may be one of the settings file.
    values.0.remove(PROFILE);
    check_values(&values)
}

fn flagged(flags: &[String], values: &mut Values) -> Result<(), Error> {
    for flag in flags {
        let (key, value) = flag.split_once('=').ok_or_else(|| Error::Flag(flag.clone()))?;
        values.0.insert(find(key)?.key, (value.into(), Source::Flag));
    }
    Ok(())
}

impl Config {
    /// Reads all layers. `flags` are the `KEY=VALUE` of `--set`.
    pub(crate) fn load(
        data: DataDir,
        flags: &[String],
        environment: &Environment,
    ) -> Result<Self, Error> {
        let text = files::read_if_exists(&data.settings())?;
        Self::of_text(data, text.as_deref().unwrap_or_default(), flags, environment)
    }

    /// The same with another text than that of the settings file.
    pub(crate) fn of_text(
        data: DataDir,
        text: &str,
        flags: &[String],
        environment: &Environment,
    ) -> Result<Self, Error> {
        let mut values = Values::default();
        for (key, (value, file)) in vrooli::provided(&data, environment)? {
            values.0.insert(key, (value, Source::Vrooli(file)));
        }
        let path = data.settings();
        let in_file = |error: Error| error.in_file(&path);
        let mut file = settings_file(path.clone(), text).map_err(in_file)?;
        for (setting, value) in std::mem::take(&mut file.settings) {
            values.0.insert(setting.key, (value, Source::SettingsFile));
        }
        let custom = custom::read(file.named.get("services"))?;
        let profiles = profiles::read(file.named.get("profiles"), &custom).map_err(in_file)?;
        let (stronger, warnings) = above_the_file(&data, flags, environment)?;
        let profile = match stronger.0.get(PROFILE).or_else(|| values.0.get(PROFILE)) {
            Some((value, source)) => (setting::shown(value), source.clone()),
            None => (find(PROFILE)?.default.to_owned(), Source::Default),
        };
        let (shown, origin) = profile;
        let profile = profiles::choose(&shown, &profiles)
            .map_err(|reason| Error::Value { key: PROFILE, shown, reason, origin })
            .map_err(in_file)?;
        for (setting, value) in &profile.settings {
            let source = Source::Profile(profile.name.clone());
            values.0.insert(setting.key, (value.clone(), source));
        }
        values.0.extend(stronger.0);
        let named = file.named.into_iter().map(|(name, it)| (name, fields::masked(it))).collect();
        Self::of(data, profile, custom, named, warnings, values).map_err(in_file)
    }

    pub(crate) fn source(&self, key: &str) -> Source {
        self.values.0.get(key).map_or(Source::Default, |(_, source)| source.clone())
    }

    /// All ports that are set, used in this profile or not.
    pub(crate) fn ports(&self) -> Vec<(&'static str, u16)> {
        let port = |setting: &Setting| match self.values.0.get(setting.key) {
            Some((value, _)) => Port::read(value).ok().map(|port| port.0),
            None => setting.default.parse().ok(),
        };
        port_settings().filter_map(|setting| Some((setting.key, port(setting)?))).collect()
    }

    /// The listener, as a program on this machine reaches it.
    pub(crate) fn local_url(&self) -> String {
        // Where it runs on another machine, as everybody else does.
        let by_name = self.is_named();
        if let Some(url) = self.server.public_url.as_ref().filter(|_| self.is_joined() && !by_name)
        {
            return url.0.clone();
        }
        self.with_homeserver(self.server.address.first(), self.server.port)
    }

    /// What clients are told: the public address, or the proxy, or the listener.
    pub(crate) fn public_url(&self) -> String {
        match &self.server.public_url {
            Some(url) => url.0.clone(),
            None if !self.has(Part::Proxy) => self.local_url(),
            None if self.tls.certificate.is_some() => self.proxy_https_url(),
            None => self.proxy_url(),
        }
    }
}

/// The setting that names the profile.
const PROFILE: &str = "stack.profile";

/// What counts more than the settings file and its profiles: secrets, `.env`, variables, flags; and
/// what the operator should know of them.
fn above_the_file(
    data: &DataDir,
    flags: &[String],
    environment: &Environment,
) -> Result<(Values, Vec<String>), Error> {
    let mut values = Values::default();
    let (layers, warnings) = dotenv::layers(data)?;
    for setting in settings() {
        if setting.secret {
            let file = data.secret(&setting.secret_file());
            if let Some(text) = files::read_if_exists(&file)? {
                let text = text.trim_end_matches('\n');
                values.0.insert(setting.key, (text.into(), Source::SecretFile));
            }
        }
        for layer in &layers {
            let value = setting.variables.iter().find_map(|name| layer.variables.get(*name));
            if let Some(value) = value.filter(|value| !value.expose().is_empty()) {
                values.0.insert(setting.key, (value.expose().into(), Source::EnvFile(layer.file)));
            }
        }
        let named = |name: &&str| Some((environment.get(name)?, (*name).to_owned()));
        if let Some((value, variable)) = setting.variables.iter().find_map(named) {
            values.0.insert(setting.key, (value.into(), Source::Environment(variable)));
        }
    }
    flagged(flags, &mut values)?;
    Ok((values, warnings))
}

/// The maps of `settings.yaml` whose keys the operator names.
pub(crate) const NAMED: [&str; 2] = ["services", "profiles"];

/// What stands in `settings.yaml`.
#[derive(Default)]
struct SettingsFile {
    settings: Vec<(&'static Setting, Value)>,
    named: BTreeMap<&'static str, Value>,
}

/// The settings of `settings.yaml`, each checked to be one we know.
fn settings_file(path: PathBuf, text: &str) -> Result<SettingsFile, Error> {
    if text.trim().is_empty() {
        return Ok(SettingsFile::default());
    }
    // A line of the file may hold a secret: an error names only its place.
    let options = serde_yaml::options! { with_snippet: false };
    let document: Value = serde_yaml::from_str_with_options(text, options)
        .map_err(|source| Error::Yaml { path: path.clone(), source: source.into() })?;
    let sections: BTreeMap<String, Value> = match document {
        Value::Null => return Ok(SettingsFile::default()),
        Value::Object(map) => map.into_iter().collect(),
        _ => return Err(Error::Shape(path)),
    };
    let mut found = SettingsFile::default();
    for (section, content) in sections {
        if let Some(name) = NAMED.iter().find(|name| **name == section) {
            found.named.insert(name, content);
            continue;
        }
        if let Some(name) = NAMED.iter().find(|name| strsim::jaro_winkler(name, &section) > 0.9) {
            let (key, suggestion) = (section, Some((*name).to_owned()));
            return Err(Error::Unknown { key, suggestion });
        }
        let content = match content {
            Value::Object(content) => content,
            Value::Null => continue,
            _ => return Err(find(&section).err().unwrap_or(Error::Shape(path))),
        };
        for (name, value) in content {
            let setting = find(&format!("{section}.{name}"))?;
            if setting.secret {
                return Err(Error::SecretInFile { key: setting.key, path });
            }
            // Also where a variable wins today: tomorrow it may not be there.
            (setting.check)(&value).map_err(|reason| Error::Value {
                key: setting.key,
                shown: setting::shown(&value),
                reason,
                origin: Source::SettingsFile,
            })?;
            found.settings.push((setting, value));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(yaml: &str, flags: &[&str], variables: &[(&str, &str)]) -> Result<Config, Error> {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        files::write_atomically(&data.settings(), yaml.as_bytes(), files::PRIVATE).unwrap();
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Config::load(data, &flags, &Environment::with(variables))
    }

    #[test]
    fn flags_win_over_the_environment_over_the_file_over_the_default() {
        let yaml = "server:\n  port: 8100\n  name: file.example\n  metrics_port: 8101\n";
        let variables = [("MATRIX_SYNAPSE_PORT", "8200"), ("MATRIX_SERVER_NAME", "env.example")];
        let config = load(yaml, &["server.port=8300"], &variables).unwrap();
        assert_eq!(config.server.port.0, 8300);
        assert_eq!(config.server.name.to_string(), "env.example");
        assert_eq!(config.server.metrics_port.0, 8101);
        assert_eq!(config.server.address.first().to_string(), "127.0.0.1");
        assert_eq!(config.source("server.port"), Source::Flag);
    }

    #[test]
    fn every_default_is_a_valid_value() {
        load("", &[], &[]).unwrap();
    }

    #[test]
    fn keys_and_variables_are_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for setting in settings() {
            assert!(seen.insert(setting.key), "{}", setting.key);
            for variable in setting.variables {
                assert!(seen.insert(variable), "{variable}");
            }
        }
    }

    #[test]
    fn a_misspelt_setting_is_refused_with_the_right_one() {
        let error = load("server:\n  prot: 1\n", &[], &[]).unwrap_err().to_string();
        assert_eq!(
            error,
            "`settings.yaml`: there is no setting `server.prot`; did you mean `server.port`?"
        );
    }

    #[test]
    fn a_bad_value_is_named_with_its_place() {
        let variables = [("MATRIX_SYNAPSE_SERVER_NAME", "Example.org")];
        let error = load("", &[], &variables).unwrap_err().to_string();
        assert_eq!(
            error,
            "the setting `server.name` must be in lower case: it is `Example.org` (variable MATRIX_SYNAPSE_SERVER_NAME)"
        );
    }

    #[test]
    fn a_secret_does_not_belong_into_the_settings_file() {
        let error = load("database:\n  password: hunter22\n", &[], &[]).unwrap_err().to_string();
        assert!(error.starts_with("the secret `database.password` is in"), "{error}");
    }
}
