//! homeserver.yaml, log.yaml and the workers' files: rendered from our settings, the operator's own merged in, checked by
//! the installed Synapse, and only then put in the place of the old ones.

use std::path::{Path, PathBuf};

use minijinja::{Environment as Templates, UndefinedBehavior, context};
use serde::Serialize;
use serde_json::Value;

use super::{Error, keys, known, overrides, workers};
use crate::{
    config::{
        Config,
        sections::{
            media::Limit,
            stack::Part,
            synapse::{Encryption, LogLevel, Mode},
        },
    },
    data_dir::DataDir,
    files as disk,
    python::Environment,
};

/// How Synapse reaches its database, in libpq's words. The password stands in `passfile` only.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DatabaseSettings {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) dbname: String,
    pub(crate) sslmode: String,
    pub(crate) sslrootcert: Option<String>,
    pub(crate) passfile: PathBuf,
}

/// What Synapse reads, as it would be written.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) homeserver: String,
    pub(crate) log: String,
    pub(crate) workers: Vec<workers::File>,
}

pub(crate) fn log_yaml(data: &DataDir) -> PathBuf {
    data.synapse().join("log.yaml")
}

/// Renders the files. `session_key` is the public key (PEM) with which sessions are checked,
/// `believed` the CAs of other servers, where it is not the machine's list; `oidc_providers` who people
/// log in through, `media_providers` where media are kept besides the disk, `bridges` their registrations, which all have to be there.
pub(crate) fn render(
    config: &Config,
    database: &DatabaseSettings,
    session_key: Option<&str>,
    believed: &[PathBuf],
    oidc_providers: Option<&Value>,
    media_providers: Option<&Value>,
    bridges: &[PathBuf],
) -> Result<Rendered, Error> {
    let (server, synapse, data) = (&config.server, &config.synapse, &config.data);
    let federates = synapse.federation != Mode::Off;
    let resources = if federates { vec!["client", "federation"] } else { vec!["client"] };
    let key_servers: Vec<Value> = if synapse.federation == Mode::Open {
        vec![serde_json::json!({ "server_name": "matrix.org" })]
    } else {
        Vec::new()
    };
    let path = |path: PathBuf| path.display().to_string();
    let chosen = workers::chosen(config)?;
    let values = context! {
        server_name => server.name.to_string(),
        public_url => format!("{}/", config.public_url().trim_end_matches('/')),
        port => server.port.0,
        address => server.address.clone(),
        metrics_port => server.metrics_port.0,
        behind_proxy => server.behind_proxy || config.has(Part::Proxy),
        admin_contact => server.admin_contact.clone(),
        trusted_key_servers => minijinja::value::Serde(&key_servers),
        resources => resources,
        room_version => synapse.room_version.clone(),
        registration => synapse.registration,
        encryption => match synapse.encryption_enabled_by_default_for_room_type {
            Encryption::Off => "off",
            Encryption::Invite => "invite",
            Encryption::All => "all",
        },
        federation => match synapse.federation {
            Mode::Off => "off",
            Mode::Private => "private",
            Mode::Open => "open",
        },
        federation_servers => synapse.federation_servers.clone(),
        federation_custom_ca_list => believed.iter().cloned().map(path).collect::<Vec<_>>(),
        ip_range_whitelist => synapse.ip_range_whitelist.iter().map(ToString::to_string).collect::<Vec<_>>(),
        max_upload_size => synapse.max_upload_size.to_string(),
        remote_media_lifetime => u64::try_from(synapse.remote_media_lifetime.0.as_millis()).unwrap_or(u64::MAX),
        web_url => config.web_url(),
        presence => synapse.presence,
        messages_per_second => synapse.messages_per_second,
        messages_burst => synapse.messages_burst,
        logins_per_second => synapse.logins_per_second,
        logins_burst => synapse.logins_burst,
        password_length => synapse.password_length,
        bcrypt_rounds => synapse.bcrypt_rounds,
        cache_factor => synapse.cache_factor,
        connections_min => config.database.connections_min,
        connections_max => config.database.connections_max,
        database => minijinja::value::Serde(database),
        session_key => session_key,
        workers => minijinja::value::Serde(workers::shared(config, &chosen)),
        passwords => config.oidc.passwords,
        bridges => bridges.iter().cloned().map(path).collect::<Vec<_>>(),
        oidc_providers => oidc_providers.map(minijinja::value::Serde),
        media => context! {
            user_limits => minijinja::value::Serde(media_limits(config)),
            local_lifetime => config.media.local_lifetime.map(|it| it.to_string()),
            dynamic_thumbnails => config.media.dynamic_thumbnails,
            url_previews => config.media.url_previews,
            preview_size => config.media.preview_size.to_string(),
            providers => media_providers.map(minijinja::value::Serde),
        },
        turn => context! {
            uris => config.relay_uris(),
            secret => path(data.secret("turn_secret")),
            lifetime => config.turn.lifetime.to_string(),
        },
        paths => context! {
            signing_key => path(data.signing_key()),
            macaroon => path(keys::macaroon(data)),
            form => path(keys::form(data)),
            registration => path(keys::registration(data)),
            media => path(data.media()),
            log_config => path(log_yaml(data)),
        },
    };
    let template = include_str!("../../templates/homeserver.yaml.j2");
    let mut homeserver = fill("homeserver.yaml.j2", template, &values)?;
    // Read back even where nothing is merged: what we render is always YAML.
    let mut document = parse("homeserver.yaml", &homeserver)?;
    let own = overrides::read(data)?;
    if !own.is_empty() {
        for file in own {
            overrides::merge_file(&mut document, file)?;
        }
        let head: String = homeserver.lines().take(2).map(|line| format!("{line}\n")).collect();
        let body = serde_json::to_string_pretty(&document).unwrap_or_default();
        homeserver = match serde_yaml::to_string(&document) {
            Ok(yaml) => format!("{head}{yaml}"),
            // JSON is YAML.
            Err(_) => format!("{head}{body}\n"),
        };
        parse("homeserver.yaml", &homeserver)?;
    }
    let level = match synapse.log_level {
        LogLevel::Debug => "DEBUG",
        LogLevel::Info => "INFO",
        LogLevel::Warning => "WARNING",
        LogLevel::Error => "ERROR",
    };
    let template = include_str!("../../templates/log.yaml.j2");
    let log = fill("log.yaml.j2", template, &context! { log_level => level })?;
    parse("log.yaml", &log)?;
    let workers = workers::render(config, &chosen)?;
    Ok(Rendered { homeserver, log, workers })
}

/// What one user may upload, as Synapse writes it.
fn media_limits(config: &Config) -> Vec<Value> {
    let limit = |limit: &Limit| {
        let Limit { period, size } = limit;
        serde_json::json!({ "time_period": period.to_string(), "max_size": size.to_string() })
    };
    config.media.user_limits.iter().map(limit).collect()
}

pub(super) fn fill(
    file: &'static str,
    template: &str,
    values: &minijinja::Value,
) -> Result<String, Error> {
    let mut templates = Templates::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates
        .render_named_str(file, template, values)
        .map(|text| text + "\n")
        .map_err(|source| Error::Template { file, source })
}

pub(super) fn parse(file: &'static str, text: &str) -> Result<Value, Error> {
    overrides::parse(text).map_err(|source| Error::Rendered(file, Box::new(source)))
}

/// Lets the installed Synapse judge what was rendered: its own check, and keys it has never heard of.
/// A good answer is remembered by the hash of all that was asked.
pub(crate) async fn check(
    config: &Config,
    rendered: &Rendered,
    environment: &Environment,
) -> Result<(), Error> {
    let workers: Vec<&str> = rendered.workers.iter().map(|file| file.text.as_str()).collect();
    known::check(&config.data, &rendered.homeserver, &workers, environment).await
}

/// Puts the files in place; true if that changed something.
pub(crate) fn write(data: &DataDir, rendered: &Rendered) -> Result<bool, Error> {
    disk::private_folder(&data.synapse())?;
    let put =
        |path: &Path, text: &str| disk::write_if_changed(path, text.as_bytes(), disk::PRIVATE);
    let log = put(&log_yaml(data), &rendered.log)?;
    let workers = workers::write(data, &rendered.workers)?;
    Ok(put(&data.homeserver_yaml(), &rendered.homeserver)? || log || workers)
}

/// Whether the installed files are these.
pub(crate) fn is_current(data: &DataDir, rendered: &Rendered) -> Result<bool, Error> {
    Ok(disk::holds(&data.homeserver_yaml(), rendered.homeserver.as_bytes())
        && disk::holds(&log_yaml(data), rendered.log.as_bytes())
        && workers::are_current(data, &rendered.workers)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sources::environment::Environment as Variables;
    use crate::files::{PRIVATE, write_atomically as write};

    fn rendered(folder: &tempfile::TempDir, flags: &[&str]) -> Result<Value, Error> {
        let data = DataDir::new(folder.path().to_owned());
        data.create().unwrap();
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let config = Config::load(data, &flags, &Variables::default()).unwrap();
        let database = DatabaseSettings {
            host: "/tmp/a 'b\"".into(),
            port: 5432,
            user: "no".into(),
            dbname: "22:30:00".into(),
            sslmode: "disable".into(),
            sslrootcert: None,
            passfile: "/tmp/pgpass".into(),
        };
        Ok(parse(
            "test",
            &render(
                &config,
                &database,
                Some("-----BEGIN\nx\n"),
                &[],
                None,
                None,
                &["/srv/irc.yaml".into()],
            )?
            .homeserver,
        )
        .unwrap())
    }

    #[test]
    fn strings_come_out_as_they_went_in() {
        let folder = tempfile::tempdir().unwrap();
        let yaml = rendered(&folder, &[]).unwrap();
        assert_eq!(yaml["database"]["args"]["host"], "/tmp/a 'b\"");
        assert_eq!(yaml["database"]["args"]["user"], "no");
        assert_eq!(yaml["database"]["args"]["dbname"], "22:30:00");
        assert_eq!(yaml["jwt_config"]["secret"], "-----BEGIN\nx\n");
        assert_eq!(yaml["default_room_version"], "12");
        assert_eq!(yaml["app_service_config_files"], serde_json::json!(["/srv/irc.yaml"]));
    }

    #[test]
    fn without_federation_nothing_offers_it() {
        let folder = tempfile::tempdir().unwrap();
        let off = rendered(&folder, &[]).unwrap();
        assert_eq!(off["federation_domain_whitelist"], serde_json::json!([]));
        assert_eq!(off["listeners"][0]["resources"][0]["names"], serde_json::json!(["client"]));
        let open = rendered(&folder, &["synapse.federation=open"]).unwrap();
        assert_eq!(open.get("federation_domain_whitelist"), None);
        assert_eq!(
            open["listeners"][0]["resources"][0]["names"],
            serde_json::json!(["client", "federation"])
        );
    }

    #[test]
    fn the_operators_files_are_merged_last_and_may_not_touch_what_is_ours() {
        let folder = tempfile::tempdir().unwrap();
        rendered(&folder, &[]).unwrap();
        let own = folder.path().join("homeserver.d");
        write(
            &own.join("a.yaml"),
            b"caches: {global_factor: 3}
rc_message: {burst_count: 9}",
            PRIVATE,
        )
        .unwrap();
        let yaml = rendered(&folder, &[]).unwrap();
        assert_eq!(yaml["caches"]["global_factor"], 3);
        assert_eq!(yaml["rc_message"]["per_second"], 0.5);
        assert_eq!(yaml["rc_message"]["burst_count"], 9);
        write(&own.join("b.yaml"), b"database: {args: {password: x}}", PRIVATE).unwrap();
        let error = rendered(&folder, &[]).unwrap_err().to_string();
        assert!(error.starts_with("`database.args.password` in `"), "{error}");
    }
}
