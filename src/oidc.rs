//! The provider of logins: what Synapse is told about it, and whether it is what the settings say
//! ([discovery]).
//!
//! [discovery]: https://openid.net/specs/openid-connect-discovery-1_0.html

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};

use crate::{
    config::{Config, sections::oidc::Kind as Provider},
    data_dir::DataDir,
    error::{Explain, Kind},
    files, matrix,
};

/// How long a provider may take to say what it is.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most that it may say, in bytes.
const LARGEST: usize = 1 << 20;
/// What a login needs of it.
const NEEDED: [&str; 3] = ["authorization_endpoint", "token_endpoint", "jwks_uri"];

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("`oidc.issuer` is set, and `oidc.client_secret` is not")]
    NoSecret,
    #[error("nobody could log in: `oidc.passwords` is off, and there is no `oidc.issuer`")]
    Nobody,
    #[error("the OpenID provider cannot be reached at `{url}`")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("`{url}` is not an OpenID provider: {why}")]
    NotProvider { url: String, why: String },
    #[error("the OpenID provider's issuer is `{said}`, but `oidc.issuer` is `{asked}`")]
    OtherIssuer { said: String, asked: String },
    #[error("the HTTP client for the OpenID provider cannot be set up")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Unreachable { .. } | Self::Client(_) => Kind::Environment,
            Self::File(error) => error.kind(),
            _ => Kind::Setting,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoSecret => Some("`config set oidc.client_secret` asks for it".into()),
            Self::Nobody => Some("`config set oidc.passwords true`, or name a provider".into()),
            Self::Unreachable { .. } => Some(
                "start it, correct `oidc.issuer`, or go on without asking it with `manage install --skip-validation`".into(),
            ),
            Self::NotProvider { .. } => {
                Some("for Keycloak it is `https://HOST/realms/REALM`, without more behind it".into())
            }
            Self::OtherIssuer { said, .. } => Some(format!("`config set oidc.issuer {said}`")),
            Self::Client(_) => None,
            Self::File(error) => error.hint(),
        }
    }
}

/// The file of the setting `oidc.client_secret`.
pub(crate) fn secret(data: &DataDir) -> PathBuf {
    data.secret("oidc_client_secret")
}

/// What may not be meant, as a warning has it.
pub(crate) fn doubtful(config: &Config) -> Option<String> {
    let template = config.oidc.localpart.trim();
    let quoted = |quote: char| {
        template.len() > 1 && template.starts_with(quote) && template.ends_with(quote)
    };
    (quoted('"') || quoted('\'')).then(|| {
        format!("the quotes of `oidc.localpart`, which is `{template}`, become part of each name")
    })
}

/// Whether the settings fit together; asks nobody.
pub(crate) fn check(config: &Config) -> Result<(), Error> {
    let oidc = &config.oidc;
    if oidc.issuer.is_none() {
        return if oidc.passwords { Ok(()) } else { Err(Error::Nobody) };
    }
    // A machine that only has workers has it in the file.
    let kept = files::exists(&secret(&config.data))?;
    if oidc.client_secret.is_none() && !kept { Err(Error::NoSecret) } else { Ok(()) }
}

/// Keeps the secret where Synapse reads it.
pub(crate) fn write(config: &Config) -> Result<(), Error> {
    check(config)?;
    if let Some(given) = config.oidc.client_secret.as_ref().filter(|_| config.oidc.issuer.is_some())
    {
        let file = secret(&config.data);
        files::write_if_changed(&file, given.0.expose().as_bytes(), files::PRIVATE)?;
    }
    Ok(())
}

/// What stands in homeserver.yaml as `oidc_providers`; none where there is no provider.
pub(crate) fn providers(config: &Config) -> Option<Value> {
    let oidc = &config.oidc;
    let issuer = oidc.issuer.as_ref()?;
    let mapping = json!({
        "localpart_template": oidc.localpart,
        "display_name_template": oidc.display_name,
    });
    Some(json!([{
        "idp_id": oidc.id.0,
        "idp_name": oidc.name,
        "issuer": issuer.0,
        "client_id": oidc.client_id,
        "client_secret_path": secret(&config.data).display().to_string(),
        "scopes": oidc.scopes,
        "user_mapping_provider": { "config": mapping },
        "enable_registration": oidc.register,
        "allow_existing_users": oidc.existing_users,
        "backchannel_logout_enabled": oidc.provider == Provider::Keycloak,
    }]))
}

/// Asks the provider who it is; nothing where there is none.
pub(crate) async fn discover(config: &Config) -> Result<(), Error> {
    let Some(issuer) = &config.oidc.issuer else { return Ok(()) };
    let asked = issuer.0.clone();
    let url = format!("{asked}/.well-known/openid-configuration");
    let client = matrix::client::plain(PATIENCE).map_err(|error| Error::Client(error.into()))?;
    let unreachable = |error: reqwest::Error| Error::Unreachable {
        url: asked.clone(),
        source: error.without_url(),
    };
    let mut answer = client.get(&url).send().await.map_err(unreachable)?;
    let not = |why: String| Error::NotProvider { url: url.clone(), why };
    if !answer.status().is_success() {
        return Err(not(format!("it answers {}", answer.status().as_u16())));
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        body.extend_from_slice(&chunk);
        if body.len() > LARGEST {
            return Err(not("its answer has no end".to_owned()));
        }
    }
    judge(&asked, &body).map_err(|found| match found {
        Found::Other(said) => Error::OtherIssuer { said, asked: asked.clone() },
        Found::Not(why) => not(why),
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Other(String),
    Not(String),
}

/// Whether the document is that of the provider which was asked.
fn judge(asked: &str, body: &[u8]) -> Result<(), Found> {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(said) = document["issuer"].as_str() else {
        return Err(Found::Not("it does not say what it is".to_owned()));
    };
    // Synapse compares them letter by letter, but for the slash at the end.
    if said.trim_end_matches('/') != asked {
        return Err(Found::Other(said.to_owned()));
    }
    match NEEDED.into_iter().find(|name| !document[*name].is_string()) {
        Some(missing) => Err(Found::Not(format!("it names no `{missing}`"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sources::environment::Environment;

    #[test]
    fn quotes_around_a_template_are_doubted() {
        let doubted = |template: &str| {
            let flags = [format!("oidc.localpart={template}")];
            let data = DataDir::new("/nowhere".into());
            doubtful(&Config::load(data, &flags, &Environment::default()).unwrap())
        };
        assert!(doubted("\"{{ user.preferred_username }}\"").unwrap().contains("the quotes of"));
        assert!(doubted("'{{ user.sub }}'").is_some());
        for good in ["{{ user.preferred_username }}", "{{ user['sub'] }}", "x"] {
            assert_eq!(doubted(good), None);
        }
    }

    #[test]
    fn only_the_provider_that_was_asked_is_taken() {
        let body = |issuer: &str| {
            let mut document = json!({ "issuer": issuer });
            for name in NEEDED {
                document[name] = "https://id.example/x".into();
            }
            document.to_string().into_bytes()
        };
        let asked = "https://id.example/realms/a";
        assert_eq!(judge(asked, &body(asked)), Ok(()));
        assert_eq!(judge(asked, &body("https://id.example/realms/a/")), Ok(()));
        let other = "https://evil.example".to_owned();
        assert_eq!(judge(asked, &body(&other)), Err(Found::Other(other)));
        assert!(matches!(judge(asked, b"<html>"), Err(Found::Not(_))));
        let less = json!({ "issuer": asked }).to_string();
        let why = "it names no `authorization_endpoint`".to_owned();
        assert_eq!(judge(asked, less.as_bytes()), Err(Found::Not(why)));
    }

    #[test]
    fn settings_that_would_let_nobody_in_are_refused() {
        let checked = |flags: &[&str]| {
            let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
            let data = DataDir::new("/nowhere".into());
            check(&Config::load(data, &flags, &Environment::default()).unwrap())
        };
        checked(&[]).unwrap();
        assert!(matches!(checked(&["oidc.passwords=false"]), Err(Error::Nobody)));
        let issuer = "oidc.issuer=https://id.example";
        assert!(matches!(checked(&[issuer]), Err(Error::NoSecret)));
        checked(&[issuer, "oidc.client_secret=hunter22", "oidc.passwords=false"]).unwrap();
    }
}
