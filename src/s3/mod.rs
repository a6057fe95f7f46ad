//! The store that speaks S3, where uploads are kept besides the disk: what Synapse's [provider] is told
//! about it, and whether it is what the settings say.
//!
//! Each upload is in the bucket before it is answered (`store_synchronous`), so that none that somebody
//! was told about is lost with the disk. What comes from other servers is not kept there: it can be
//! fetched again, and Synapse, which throws it away in time, takes nothing out of a bucket.
//!
//! The keys stand in a file that boto, which the provider speaks S3 with, finds by a variable; so there is no
//! secret in homeserver.yaml.
//!
//! [provider]: https://github.com/matrix-org/synapse-s3-storage-provider

pub(crate) mod objects;

use std::{ffi::OsString, path::PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    config::{Config, sections::media::Media},
    data_dir::DataDir,
    error::{Explain, Kind},
    files, process,
    python::Environment,
    synapse::script,
};

const SCRIPT: &str = include_str!("ask.py");

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`media.s3_bucket` is set, and `{0}` is not")]
    Half(&'static str),
    #[error("`{0}` contains whitespace or a non-ASCII character")]
    Sign(&'static str),
    #[error("`media.s3_bucket` is set, but Synapse's S3 storage provider is not installed")]
    NotInstalled,
    #[error("cannot reach the S3 media store at `{endpoint}`: {why}")]
    Unreachable { endpoint: String, why: String },
    #[error("the S3 media store has no bucket `{0}`")]
    NoBucket(String),
    #[error("the S3 media store rejects the keys: {0}")]
    Keys(String),
    #[error("the keys do not allow to {doing} the bucket `{bucket}`: {code}")]
    Denied { doing: &'static str, bucket: String, code: String },
    #[error("unexpected answer of the S3 media store: {0}")]
    Odd(String),
    #[error("cannot query the S3 media store: {0}")]
    Script(String),
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Half(_)
            | Self::Sign(_)
            | Self::NoBucket(_)
            | Self::Keys(_)
            | Self::Denied { .. } => Kind::Setting,
            Self::NotInstalled | Self::Unreachable { .. } | Self::Odd(_) | Self::Script(_) => {
                Kind::Environment
            }
            Self::Process(error) => error.kind(),
            Self::File(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Half(key) if *key == SECRET_KEY => Some(format!("`config set {key}` asks for it")),
            Self::Half(key) | Self::Sign(key) => Some(format!("`config set {key} …`")),
            Self::NotInstalled => Some("`manage install` installs it".into()),
            Self::Unreachable { .. } | Self::Odd(_) => Some(
                "start it, correct `media.s3_endpoint`, or go on without asking it with `manage install --skip-validation`".into(),
            ),
            Self::NoBucket(_) => {
                Some("create it at the store, or correct `media.s3_bucket` and `media.s3_region`".into())
            }
            Self::Keys(_) => {
                Some("`config set media.s3_access_key KEY` and `config set media.s3_secret_key` change them".into())
            }
            Self::Denied { .. } => Some(
                "let the key list the bucket, and read and write what is in it (s3:ListBucket, s3:GetObject, s3:PutObject)".into(),
            ),
            Self::Script(_) => Some("`manage install --force` installs Synapse anew".into()),
            Self::Process(error) => error.hint(),
            Self::File(error) => error.hint(),
        }
    }
}

const ACCESS_KEY: &str = "media.s3_access_key";
const SECRET_KEY: &str = "media.s3_secret_key";

/// The file that boto reads the keys from.
pub(crate) fn credentials(data: &DataDir) -> PathBuf {
    data.secret("s3_credentials")
}

/// Whether the settings fit together; asks nobody.
pub(crate) fn check(config: &Config) -> Result<(), Error> {
    let Media { s3_region, s3_access_key, s3_secret_key, s3_prefix, .. } = &config.media;
    if config.media.s3_bucket.is_none() {
        return Ok(());
    }
    let secret = s3_secret_key.as_ref().map(|it| it.0.expose()).unwrap_or_default();
    for (key, value, needed) in [
        (ACCESS_KEY, s3_access_key.as_str(), true),
        (SECRET_KEY, secret, true),
        ("media.s3_region", s3_region, true),
        ("media.s3_prefix", s3_prefix, false),
    ] {
        if needed && value.is_empty() {
            return Err(Error::Half(key));
        }
        // Boto's file has no way to write others.
        if !value.chars().all(|c| c.is_ascii_graphic()) {
            return Err(Error::Sign(key));
        }
    }
    Ok(())
}

/// Keeps the keys where boto reads them, and where the store is, for the package's own program.
pub(crate) fn write(config: &Config) -> Result<(), Error> {
    check(config)?;
    let (Some(_), Some(secret)) = (&config.media.s3_bucket, &config.media.s3_secret_key) else {
        return Ok(());
    };
    let Media { s3_endpoint, s3_region, s3_access_key, .. } = &config.media;
    let mut text = format!(
        "[default]\naws_access_key_id = {s3_access_key}\naws_secret_access_key = {}\nregion = {s3_region}\n",
        secret.0.expose()
    );
    if let Some(endpoint) = s3_endpoint {
        text += &format!("endpoint_url = {}\n", endpoint.0);
    }
    files::write_if_changed(&credentials(&config.data), text.as_bytes(), files::PRIVATE)?;
    Ok(())
}

/// What stands in homeserver.yaml as `media_storage_providers`; none where there is no bucket.
pub(crate) fn providers(config: &Config) -> Option<Value> {
    let Media { s3_endpoint, s3_region, s3_prefix, .. } = &config.media;
    let bucket = config.media.s3_bucket.as_ref()?;
    let mut said = json!({ "bucket": bucket.0, "region_name": s3_region, "prefix": s3_prefix });
    if let Some(endpoint) = s3_endpoint {
        said["endpoint_url"] = endpoint.0.as_str().into();
    }
    Some(json!([{
        "module": "s3_storage_provider.S3StorageProviderBackend",
        "store_local": true,
        "store_remote": false,
        "store_synchronous": true,
        "config": said,
    }]))
}

/// The variables of a process that has media: where the keys are, and that nothing else of the machine's
/// counts.
pub(crate) fn variables(config: &Config) -> Vec<(String, OsString)> {
    if config.media.s3_bucket.is_none() {
        return Vec::new();
    }
    vec![
        ("AWS_SHARED_CREDENTIALS_FILE".to_owned(), credentials(&config.data).into()),
        ("AWS_CONFIG_FILE".to_owned(), "/dev/null".into()),
    ]
}

/// Whether Synapse's environment has what the settings need.
pub(crate) fn is_installed(config: &Config, environment: &Environment) -> Result<(), Error> {
    // The package's own program: it comes with the module.
    if config.media.s3_bucket.is_none() || environment.program("s3_media_upload").exists() {
        return Ok(());
    }
    Err(Error::NotInstalled)
}

#[derive(Deserialize)]
struct Answer {
    /// `list` or `write`.
    doing: String,
    /// The store's word for what is wrong.
    code: Option<String>,
    /// What it says besides.
    words: Option<String>,
    /// Why there is no answer of a store.
    silent: Option<String>,
}

/// Asks the store whether the bucket is there and the keys are good for it; nothing where there is none.
pub(crate) async fn ask(config: &Config, environment: &Environment) -> Result<(), Error> {
    check(config)?;
    is_installed(config, environment)?;
    let media = &config.media;
    let (Some(bucket), Some(secret)) = (&media.s3_bucket, &media.s3_secret_key) else {
        return Ok(());
    };
    let asked = json!({
        "bucket": bucket.0,
        "prefix": media.s3_prefix,
        "endpoint": media.s3_endpoint.as_ref().map(|it| it.0.as_str()),
        "region": media.s3_region,
        "access_key": media.s3_access_key,
        "secret_key": secret.0.expose(),
    });
    let mut command = script::command(environment, SCRIPT);
    command.envs(variables(config));
    let answer = script::answer(command, &asked.to_string()).await?.map_err(Error::Script)?;
    judge(answer, &bucket.0, &place(media))
}

/// Where the bucket is, for people.
fn place(media: &Media) -> String {
    let amazon = || format!("Amazon, {}", media.s3_region);
    media.s3_endpoint.as_ref().map_or_else(amazon, |it| it.0.clone())
}

/// The bucket and where it is, for people; none where there is no bucket.
pub(crate) fn described(media: &Media) -> Option<String> {
    let bucket = media.s3_bucket.as_ref()?;
    Some(format!("`{}` at {}", bucket.0, place(media)))
}

/// What an answer means.
fn judge(answer: Answer, bucket: &str, endpoint: &str) -> Result<(), Error> {
    let Answer { doing, code, words, silent } = answer;
    if let Some(why) = silent {
        return Err(Error::Unreachable { endpoint: endpoint.to_owned(), why });
    }
    let bucket = bucket.to_owned();
    match code {
        None => Ok(()),
        Some(code) => Err(match code.as_str() {
            "NoSuchBucket" | "PermanentRedirect" => Error::NoBucket(bucket),
            "InvalidAccessKeyId" | "SignatureDoesNotMatch" => Error::Keys(code),
            "AccessDenied" | "AllAccessDisabled" | "403" => {
                let doing = if doing == "list" { "list" } else { "write" };
                Error::Denied { doing, bucket, code }
            }
            _ => Error::Odd(format!("{code} {}", words.unwrap_or_default()).trim_end().to_owned()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sources::environment::Environment as Variables;

    fn config(data: &DataDir, flags: &[&str]) -> Config {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Config::load(data.clone(), &flags, &Variables::default()).unwrap()
    }

    const WHOLE: [&str; 3] = [
        "media.s3_bucket=uploads",
        "media.s3_access_key=AKIAEXAMPLE",
        "media.s3_secret_key=hunter22/hunter22",
    ];

    #[test]
    fn settings_that_are_only_half_there_are_named() {
        let data = DataDir::new("/nowhere".into());
        let checked = |flags: &[&str]| check(&config(&data, flags)).map_err(|it| it.to_string());
        checked(&[]).unwrap();
        checked(&WHOLE[1..]).unwrap();
        checked(&WHOLE).unwrap();
        let said = |flags: &[&str]| checked(flags).unwrap_err();
        assert_eq!(said(&WHOLE[..1]), "`media.s3_bucket` is set, and `media.s3_access_key` is not");
        assert_eq!(said(&WHOLE[..2]), "`media.s3_bucket` is set, and `media.s3_secret_key` is not");
        let more = |flag| said(&[&WHOLE[..], &[flag]].concat());
        assert!(more("media.s3_region=").contains("`media.s3_region` is not"));
        assert!(more("media.s3_prefix=a b").contains("`media.s3_prefix` contains whitespace"));
    }

    #[test]
    fn the_keys_stand_in_a_file_for_boto_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::new(folder.path().to_owned());
        data.create().unwrap();
        let off = config(&data, &WHOLE[1..]);
        write(&off).unwrap();
        assert!(!credentials(&data).exists() && providers(&off).is_none());
        assert!(variables(&off).is_empty());
        let on = config(&data, &WHOLE);
        write(&on).unwrap();
        let kept = files::read(&credentials(&data)).unwrap();
        assert!(kept.contains("\naws_secret_access_key = hunter22/hunter22\n"), "{kept}");
        let said = providers(&on).unwrap();
        assert!(!said.to_string().contains("hunter22") && !said.to_string().contains("AKIA"));
        assert_eq!(said[0]["store_synchronous"], true);
        assert_eq!(said[0]["config"].get("endpoint_url"), None);
        let variable = &variables(&on)[0];
        assert_eq!(variable.1, credentials(&data));
    }

    #[test]
    fn what_the_store_answers_becomes_a_sentence() {
        let judged = |answer: Value| {
            judge(serde_json::from_value(answer).unwrap(), "uploads", "http://store")
                .map_err(|it| it.to_string())
        };
        judged(json!({ "doing": "write" })).unwrap();
        let said = |doing: &str, code: &str| {
            judged(json!({ "doing": doing, "code": code, "words": "so it is" })).unwrap_err()
        };
        assert_eq!(said("list", "NoSuchBucket"), "the S3 media store has no bucket `uploads`");
        assert!(
            said("list", "InvalidAccessKeyId").starts_with("the S3 media store rejects the keys")
        );
        assert_eq!(
            said("write", "AccessDenied"),
            "the keys do not allow to write the bucket `uploads`: AccessDenied"
        );
        assert!(said("list", "RequestTimeTooSkewed").ends_with(": RequestTimeTooSkewed so it is"));
        let silent = judged(json!({ "doing": "list", "silent": "Could not connect" })).unwrap_err();
        assert!(
            silent.starts_with("cannot reach the S3 media store at `http://store`"),
            "{silent}"
        );
    }
}
