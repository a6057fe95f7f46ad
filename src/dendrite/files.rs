//! What Dendrite reads: its settings, its key, and the application service as which this program acts. Rendered from
//! the same settings and secrets as Synapse's; secrets are only in what is written.

use std::path::PathBuf;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use data_encoding::{BASE64_NOPAD, HEXLOWER};
use minijinja::{context, value::Serde};
use rand::rng;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::Error;
use crate::{
    bridges::escaped,
    config::{
        Config,
        sections::{stack::Part, synapse::LogLevel},
    },
    data_dir::DataDir,
    files as disk,
    secret::Secret,
    synapse::{
        keys,
        template::{fill, parse},
    },
};

const TEMPLATE: &str = include_str!("../../templates/dendrite.yaml.j2");
/// Of those that PostgreSQL lets be open; what needs one waits for it.
const CONNECTIONS: u32 = 40;
/// What its caches may take, in bytes: a sixteenth of what it takes unasked, for small machines.
const CACHE: f64 = 67_108_864.0;
/// Whom it would be in a room; nobody ever acts as it.
const SENDER: &str = "resource-matrix-synapse";

/// The files that it reads beside its settings.
fn key(data: &DataDir) -> PathBuf {
    data.dendrite().join("signing_key.pem")
}

fn appservice(data: &DataDir) -> PathBuf {
    data.dendrite().join("operator.yaml")
}

/// Makes what its settings name.
pub(crate) fn prepare(config: &Config) -> Result<(), Error> {
    let data = &config.data;
    disk::private_folder(&data.dendrite())?;
    disk::private_folder(&data.jetstream())?;
    disk::private_folder(&data.media())?;
    if let Some(pem) = pem(data)? {
        disk::write_if_changed(&key(data), pem.as_bytes(), disk::PRIVATE)?;
    }
    let token = |name: &str| Secret::read_or_generate(&data.secret(name), &mut rng());
    let (ours, theirs) = (token("appservice_token")?, token("appservice_hs_token")?);
    let server = escaped(config.server.name.0.as_str());
    let registration = json!({
        "id": SENDER,
        // It only acts, and is told nothing.
        "url": "",
        "as_token": ours.expose(),
        "hs_token": theirs.expose(),
        "sender_localpart": SENDER,
        "rate_limited": false,
        "namespaces": {
            "users": [{ "exclusive": false, "regex": format!("@.*:{server}") }],
            "aliases": [],
            "rooms": [],
        },
    });
    // JSON is YAML.
    let text = format!("{registration:#}\n");
    disk::write_if_changed(&appservice(data), text.as_bytes(), disk::PRIVATE)?;
    Ok(())
}

/// Our signing key as Dendrite reads it (`gomatrixserverlib`: a PEM block with the id of the key as a header);
/// nothing while there is none.
fn pem(data: &DataDir) -> Result<Option<String>, Error> {
    let Some(line) = disk::read_if_exists(&data.signing_key())? else { return Ok(None) };
    let bad = || Error::Key(data.signing_key());
    let id = keys::id(&line).ok_or_else(bad)?;
    let seed = line.split_whitespace().nth(2).ok_or_else(bad)?;
    let seed = BASE64_NOPAD.decode(seed.trim_end_matches('=').as_bytes()).map_err(|_| bad())?;
    if seed.len() != 32 {
        return Err(bad());
    }
    let seed = BASE64_STANDARD.encode(seed);
    Ok(Some(format!(
        "-----BEGIN MATRIX PRIVATE KEY-----\nKey-ID: {id}\n\n{seed}\n-----END MATRIX PRIVATE KEY-----\n"
    )))
}

/// Its settings, with every secret masked. `database` is the URL of its database, without a password.
pub(crate) fn render(config: &Config, database: &str) -> Result<String, Error> {
    let (synapse, data) = (&config.synapse, &config.data);
    let uris = config.relay_uris();
    let turn = (!uris.is_empty()).then(|| json!({ "uris": uris, "secret": Secret::new("") }));
    let values = context! {
        server => Serde(&config.server),
        synapse => Serde(synapse),
        made => context! {
            database => database,
            connections => CONNECTIONS,
            cache => format!("{:.0}", CACHE * synapse.cache_factor),
            public_url => config.public_url(),
            registration => Serde(Secret::new("")),
            turn => turn.map(Serde),
            largest_upload => synapse.max_upload_size.0,
            behind_proxy => config.server.behind_proxy || config.has(Part::Proxy),
            level => level(synapse.log_level),
        },
        paths => context! {
            key => key(data).display().to_string(),
            appservice => appservice(data).display().to_string(),
            jetstream => data.jetstream().display().to_string(),
            media => data.media().display().to_string(),
        },
    };
    let text = fill("dendrite.yaml.j2", TEMPLATE, &values)?;
    parse("dendrite.yaml", &text)?;
    Ok(text)
}

/// In logrus' words.
fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warning => "warning",
        LogLevel::Error => "error",
    }
}

/// What was rendered, with its secrets.
fn whole(data: &DataDir, rendered: &str) -> Result<String, Error> {
    let mut text = rendered.to_owned();
    for (word, file) in [
        ("registration_shared_secret", keys::registration(data)),
        ("turn_shared_secret", data.secret("turn_secret")),
    ] {
        let masked = format!("{word}: \"{}\"", Secret::new(""));
        if text.contains(&masked) {
            let secret = match Secret::read(&file) {
                // Before there is one there is nobody to tell.
                Err(error) if error.is_not_found() => Secret::new(""),
                secret => secret?,
            };
            text = text.replace(&masked, &format!("{word}: {}", json!(secret.expose())));
        }
    }
    Ok(text)
}

/// Puts its settings in place; true if that changed something.
pub(crate) fn write(data: &DataDir, rendered: &str) -> Result<bool, Error> {
    let text = whole(data, rendered)?;
    disk::private_folder(&data.dendrite())?;
    Ok(disk::write_if_changed(&data.dendrite_yaml(), text.as_bytes(), disk::PRIVATE)?)
}

/// Whether the installed file is this.
pub(crate) fn is_current(data: &DataDir, rendered: &str) -> Result<bool, Error> {
    Ok(disk::holds(&data.dendrite_yaml(), whole(data, rendered)?.as_bytes()))
}

/// What it reads when it starts, as a short text: another one, and it has to be started anew. Of the files
/// that are in place, or of those with these settings; empty where there are none yet.
pub(crate) fn revision(data: &DataDir, rendered: Option<&str>) -> String {
    let settings = match rendered {
        Some(rendered) => whole(data, rendered).ok(),
        None => disk::read_if_exists(&data.dendrite_yaml()).ok().flatten(),
    };
    let Some(settings) = settings else { return String::new() };
    let mut hash = Sha256::new_with_prefix(settings);
    for path in [key(data), appservice(data)] {
        hash.update(disk::read_if_exists(&path).ok().flatten().unwrap_or_default());
    }
    HEXLOWER.encode(&hash.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sources::environment::Environment;

    fn home(flags: &[&str]) -> (tempfile::TempDir, Config) {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        data.create().unwrap();
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let config = Config::load(data, &flags, &Environment::default()).unwrap();
        (folder, config)
    }

    #[test]
    fn the_key_is_the_same_in_another_form() {
        let (_folder, config) = home(&[]);
        assert_eq!(pem(&config.data).unwrap(), None);
        let line = b"ed25519 a_Xy12 c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI\n";
        disk::write_atomically(&config.data.signing_key(), line, disk::PRIVATE).unwrap();
        let pem_of = pem(&config.data).unwrap().unwrap();
        assert!(
            pem_of.contains(
                "Key-ID: ed25519:a_Xy12\n\nc2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI=\n"
            )
        );
        disk::write_atomically(&config.data.signing_key(), b"ed25519 a_X short", disk::PRIVATE)
            .unwrap();
        pem(&config.data).unwrap_err();
    }

    #[test]
    fn secrets_are_only_in_what_is_written() {
        let (_folder, config) = home(&["server.kind=dendrite", "turn.uris=turn:a.example"]);
        let data = &config.data;
        for (name, text) in [("synapse_registration_secret", "hunter\"2"), ("turn_secret", "pond")]
        {
            Secret::new(text).write(&data.secret(name)).unwrap();
        }
        let rendered = render(&config, "postgresql:///a?host=/b").unwrap();
        assert!(!rendered.contains("hunter") && !rendered.contains("pond"), "{rendered}");
        assert!(write(data, &rendered).unwrap() && !write(data, &rendered).unwrap());
        let written = parse("t", &disk::read(&data.dendrite_yaml()).unwrap()).unwrap();
        assert_eq!(written["client_api"]["registration_shared_secret"], "hunter\"2");
        assert_eq!(written["client_api"]["turn"]["turn_shared_secret"], "pond");
        assert_eq!(written["global"]["disable_federation"], true);
        assert_eq!(written["room_server"]["default_room_version"], "11");
        assert!(is_current(data, &rendered).unwrap());
        assert_eq!(revision(data, None), revision(data, Some(&rendered)));
    }
}
