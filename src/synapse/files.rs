//! homeserver.yaml, log.yaml and the workers' files: rendered from our settings, the operator's own merged in, checked by
//! the installed Synapse, and only then put in the place of the old ones.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use minijinja::{context, value::Serde};
use serde::Serialize;
use serde_json::Value;

use super::{
    Error, keys, known, overrides, sealing,
    template::{fill, parse},
    workers,
};
use crate::{
    config::{
        Config,
        sections::{media::Limit, stack::Part},
        values::shape::Words as _,
    },
    data_dir::DataDir,
    files as disk,
    python::Environment,
};

/// Sections of the settings come in as they are, each under its name; what is not a setting is in `made`.
const TEMPLATE: &str = include_str!("../../templates/homeserver.yaml.j2");

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

/// Renders the files. `session_key` is the public key (PEM) with which sessions are checked,
/// `believed` the CAs of other servers, where it is not the machine's list; `oidc_providers` who people
/// log in through, `media_providers` where media are kept besides the disk, `bridges` their registrations and that of the relay, which all have to be there.
pub(crate) fn render(
    config: &Config,
    database: &DatabaseSettings,
    session_key: Option<&str>,
    believed: &[PathBuf],
    oidc_providers: Option<&Value>,
    media_providers: Option<&Value>,
    bridges: &[PathBuf],
) -> Result<Rendered, Error> {
    let (synapse, data) = (&config.synapse, &config.data);
    let chosen = workers::chosen(config)?;
    let modules = sealing::modules(config);
    let values = context! {
        server => Serde(&config.server),
        synapse => Serde(synapse),
        media => Serde(&config.media),
        oidc => Serde(&config.oidc),
        turn => Serde(&config.turn),
        database => Serde(&config.database),
        connection => Serde(database),
        workers => Serde(workers::shared(config, &chosen)),
        made => context! {
            public_url => format!("{}/", config.public_url().trim_end_matches('/')),
            metrics_address => config.metrics_address().to_string(),
            behind_proxy => config.server.behind_proxy || config.has(Part::Proxy),
            web_url => config.web_url(),
            session_key => session_key,
            believed => Serde(believed),
            remote_media_lifetime => u64::try_from(synapse.remote_media_lifetime.0.as_millis()).unwrap_or(u64::MAX),
            media_limits => Serde(media_limits(config)),
            media_providers => media_providers.map(Serde),
            oidc_providers => oidc_providers.map(Serde),
            bridges => Serde(bridges),
            modules => Serde(&modules),
            clients_encrypt => config.clients_encrypt(),
            relay_uris => config.relay_uris(),
        },
        paths => Serde(BTreeMap::from([
            ("signing_key", data.signing_key()),
            ("macaroon", keys::macaroon(data)),
            ("form", keys::form(data)),
            ("registration", keys::registration(data)),
            ("turn_secret", data.secret("turn_secret")),
            ("media", data.media()),
            ("log_config", data.log_yaml()),
        ])),
    };
    let mut homeserver = fill("homeserver.yaml.j2", TEMPLATE, &values)?;
    // Read back even where nothing is merged: what we render is always YAML.
    let mut document = parse("homeserver.yaml", &homeserver)?;
    let own = overrides::read(data)?;
    if !own.is_empty() {
        let mut powers = Vec::new();
        for file in own {
            if overrides::gives_powers(&file) {
                powers.push(file.path.clone());
            }
            overrides::merge_file(&mut document, file)?;
        }
        overrides::keep_modules(&mut document, &modules);
        let operator = format!("@{}:{}", config.server.operator, config.server.name);
        overrides::let_operator_make_rooms(&document, &operator, &powers)?;
        let head: String = homeserver.lines().take(2).map(|line| format!("{line}\n")).collect();
        let body = serde_json::to_string_pretty(&document).unwrap_or_default();
        homeserver = match serde_yaml::to_string(&document) {
            Ok(yaml) => format!("{head}{yaml}"),
            // JSON is YAML.
            Err(_) => format!("{head}{body}\n"),
        };
        parse("homeserver.yaml", &homeserver)?;
    }
    let template = include_str!("../../templates/log.yaml.j2");
    let log = fill("log.yaml.j2", template, &context! { log_level => synapse.log_level.word() })?;
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

/// Lets the installed Synapse judge what was rendered: its own check, and keys it has never heard of.
/// A good answer is remembered by the hash of all that was asked. What should be known although it is good.
pub(crate) async fn check(
    config: &Config,
    rendered: &Rendered,
    environment: &Environment,
) -> Result<Vec<String>, Error> {
    let workers: Vec<&str> = rendered.workers.iter().map(|file| file.text.as_str()).collect();
    known::check(&config.data, &rendered.homeserver, &workers, environment).await
}

/// Puts the files in place; true if that changed something.
pub(crate) fn write(data: &DataDir, rendered: &Rendered) -> Result<bool, Error> {
    disk::private_folder(&data.synapse())?;
    let put =
        |path: &Path, text: &str| disk::write_if_changed(path, text.as_bytes(), disk::PRIVATE);
    let log = put(&data.log_yaml(), &rendered.log)?;
    let workers = workers::write(data, &rendered.workers)?;
    // It lies there also where nothing names it, and before anything does.
    disk::private_folder(&data.modules())?;
    let module = put(&sealing::file(data), sealing::SOURCE)?;
    Ok(put(&data.homeserver_yaml(), &rendered.homeserver)? || log || workers || module)
}

/// Whether the installed files are these.
pub(crate) fn is_current(data: &DataDir, rendered: &Rendered) -> Result<bool, Error> {
    Ok(disk::holds(&data.homeserver_yaml(), rendered.homeserver.as_bytes())
        && disk::holds(&data.log_yaml(), rendered.log.as_bytes())
        && disk::holds(&sealing::file(data), sealing::SOURCE.as_bytes())
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
    fn the_template_and_the_settings_know_each_other() {
        /// What is no line of homeserver.yaml, or another one than the setting says.
        const OTHERWISE: [&str; 7] = [
            "synapse.forkserver",
            "synapse.modules",
            "synapse.version",
            "synapse.registration_secret",
            "synapse.log_level",
            "synapse.federation_custom_ca_list",
            "synapse.remote_media_lifetime",
        ];
        let mut templates = minijinja::Environment::new();
        templates.add_template("t", TEMPLATE).unwrap();
        let named = templates.get_template("t").unwrap().undeclared_variables(true);
        let ours = ["made", "paths", "connection", "workers"];
        for name in &named {
            let (section, _) = name.split_once('.').unwrap_or((name, ""));
            assert!(ours.contains(&section) || crate::config::find(name).is_ok(), "{name}");
        }
        for setting in crate::config::settings().filter(|it| it.key.starts_with("synapse.")) {
            let is_named = named.contains(setting.key);
            assert_ne!(is_named, OTHERWISE.contains(&setting.key), "{}", setting.key);
        }
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
    fn our_module_is_loaded_with_those_of_the_operator_and_only_for_encryption() {
        let folder = tempfile::tempdir().unwrap();
        let names = |flags: &[&str]| -> Vec<String> {
            let yaml = rendered(&folder, flags).unwrap();
            let all = yaml["modules"].as_array().into_iter().flatten();
            all.map(|it| it["module"].as_str().unwrap().to_owned()).collect()
        };
        let ours = "rms_modules.sealing.Sealing";
        let without = ["encryption.enabled=false"];
        assert_eq!(names(&[]), [ours]);
        assert!(names(&without).is_empty());
        let own = folder.path().join("homeserver.d");
        let put =
            |name: &str, text: &str| write(&own.join(name), text.as_bytes(), PRIVATE).unwrap();
        put("a.yaml", "modules: [{module: a.A}]");
        put("b.yaml", "modules: [{module: b.B, config: {x: 1}}, {module: c.C}]");
        assert_eq!(names(&[]), ["b.B", "c.C", ours]);
        assert_eq!(names(&without), ["b.B", "c.C"]);
        // Nor does it matter whether they take ours away, or have it from what was rendered.
        for (text, all) in [
            ("modules:", &[ours][..]),
            ("modules: [{module: rms_modules.sealing.Sealing}, {module: b.B}]", &["b.B", ours]),
        ] {
            put("b.yaml", text);
            assert_eq!(names(&[]), all, "{text}");
        }
        put("b.yaml", "modules: {module: b.B}");
        let error = rendered(&folder, &[]).unwrap_err().to_string();
        assert!(error.ends_with("it must be a list and is a mapping"), "{error}");
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
