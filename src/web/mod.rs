//! The client for browsers: where its files are, and the `config.json` that tells it which homeserver
//! this is. `hydrogen` makes the one that is built here.

mod hydrogen;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};

pub(crate) use hydrogen::{Plan, SPACE, plan};

use crate::{
    config::{
        Config,
        sections::{stack::Part, web::Client},
    },
    data_dir::DataDir,
    error::{Explain, Kind},
    files, process,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the profile `{profile}` has no proxy that could serve the web client `{client}`")]
    NoProxy { client: Client, profile: String },
    #[error("the folder `{}` of the web client {why}", path.display())]
    Folder { path: PathBuf, why: &'static str, source: Option<io::Error> },
    #[error("the web client `hydrogen` is not built yet")]
    NotBuilt,
    #[error("`{}`, the settings of the web client, {why}", path.display())]
    Settings { path: PathBuf, why: &'static str, source: Option<serde_json::Error> },
    #[error("the web client `hydrogen` is built with `{0}`, which this machine does not have")]
    Missing(&'static str),
    #[error("the web client `hydrogen` is built with Node.js 18 or newer, and this is {0}")]
    OldNode(String),
    #[error("the web client `hydrogen` cannot be built: {last_words}")]
    Build { last_words: String, log: PathBuf, offline: bool },
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    File(#[from] files::Error),
}

impl Explain for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NoProxy { .. } | Self::Folder { .. } | Self::Settings { .. } => Kind::Setting,
            Self::NotBuilt | Self::Missing(_) | Self::OldNode(_) | Self::Build { .. } => {
                Kind::Environment
            }
            Self::Process(error) => error.kind(),
            Self::File(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoProxy { .. } => Some(
                "`config set stack.profile isms` has one; `config set web.client ''` does without a client".into(),
            ),
            Self::Folder { .. } => Some(
                "`config set web.client FOLDER` names the folder of a client that is built, with its index.html"
                    .into(),
            ),
            Self::NotBuilt => Some("`manage install` builds it".into()),
            Self::Settings { .. } => Some("mend it, or `config set web.config ''`".into()),
            Self::Missing(_) => Some(
                "`apt-get install -y --no-install-recommends nodejs npm` installs it".into(),
            ),
            Self::OldNode(_) => Some("install a newer one and put it first on PATH".into()),
            Self::Build { last_words, .. } if last_words.contains("ENOSPC") => {
                Some(files::FREE_SPACE.into())
            }
            Self::Build { offline: true, .. } => Some(
                "without a network npm has only its own cache; build it on another machine and name that folder: `config set web.client FOLDER`"
                    .into(),
            ),
            Self::Build { log, .. } => Some(format!(
                "`{}` has the whole output; run it again once that is fixed",
                log.display()
            )),
            Self::Process(error) => error.hint(),
            Self::File(error) => error.hint(),
        }
    }
}

/// The folder that the proxy serves; none where there is nothing to serve.
pub(crate) fn root(config: &Config) -> Option<PathBuf> {
    match config.served_client()? {
        Client::Folder(path) => Some(path.clone()),
        _ => Some(hydrogen::link(&config.data)),
    }
}

/// The `config.json` that is served in the place of the client's own.
pub(crate) fn config_json(data: &DataDir) -> PathBuf {
    data.web().join("config.json")
}

/// Whether what the settings name can be served; changes nothing.
pub(crate) fn check(config: &Config) -> Result<(), Error> {
    let Some(client) = &config.web.client else { return Ok(()) };
    if matches!(client, Client::Hosted(_)) {
        return Ok(());
    }
    if !config.has(Part::Proxy) {
        let profile = config.profile.name.clone();
        return Err(Error::NoProxy { client: client.clone(), profile });
    }
    if let Client::Folder(path) = client {
        can_be_served(path)?;
    }
    settings(config)?;
    Ok(())
}

/// What is wrong with the client while everything else works.
pub(crate) fn complaint(config: &Config) -> Option<Error> {
    let checked = check(config).err();
    let is_hydrogen = config.served_client() == Some(&Client::Hydrogen);
    let unbuilt = || is_hydrogen && !hydrogen::link(&config.data).join(INDEX).exists();
    checked.or_else(|| unbuilt().then_some(Error::NotBuilt))
}

/// The page that every client has.
const INDEX: &str = "index.html";

fn can_be_served(path: &Path) -> Result<(), Error> {
    let refused =
        |why, source| Err(Error::Folder { path: path.to_owned(), why, source: Some(source) });
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return refused("does not exist", error);
        }
        Err(error) => return refused("cannot be read", error),
        Ok(found) if !found.is_dir() => {
            return Err(Error::Folder { path: path.to_owned(), why: "is a file", source: None });
        }
        Ok(_) => {}
    }
    match fs::metadata(path.join(INDEX)) {
        Ok(found) if found.is_file() => match files::open(&path.join(INDEX)) {
            Ok(_) => Ok(()),
            Err(error) => refused("cannot be read", error),
        },
        Ok(_) => Err(Error::Folder {
            path: path.to_owned(),
            why: "has an index.html that is no file",
            source: None,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            refused("has no index.html", error)
        }
        Err(error) => refused("cannot be read", error),
    }
}

/// What the client is told: words of Element's clients and of Hydrogen, which leave those alone that
/// they do not know. The operator's own count more.
fn settings(config: &Config) -> Result<Map<String, Value>, Error> {
    let url = config.public_url();
    let ours = json!({
        "default_server_config": {
            "m.homeserver": { "base_url": url, "server_name": config.server.name.to_string() },
        },
        "disable_guests": true,
        "defaultHomeServer": url,
    });
    let mut all: Map<String, Value> = match ours {
        Value::Object(ours) => ours,
        _ => Map::new(),
    };
    if let Some(path) = &config.web.config {
        let refused = |why, source| Error::Settings { path: path.clone(), why, source };
        let text = files::read(path)?;
        match serde_json::from_str(&text) {
            Ok(Value::Object(own)) => all.extend(own),
            Ok(_) => return Err(refused("is no JSON object", None)),
            Err(error) => return Err(refused("is not valid JSON", Some(error))),
        }
    }
    Ok(all)
}

fn rendered(config: &Config) -> Result<Option<String>, Error> {
    if config.served_client().is_none() {
        return Ok(None);
    }
    Ok(Some(format!("{:#}\n", Value::Object(settings(config)?))))
}

/// Whether the client is told what the settings say.
pub(crate) fn is_current(config: &Config) -> Result<bool, Error> {
    let new = rendered(config)?;
    Ok(new.is_none_or(|new| files::holds(&config_json(&config.data), new.as_bytes())))
}

/// Writes what the client is told; true if that changed something. It is read with each request.
pub(crate) fn write(config: &Config) -> Result<bool, Error> {
    let Some(new) = rendered(config)? else { return Ok(false) };
    files::private_folder(&config.data.web())?;
    let path = config_json(&config.data);
    Ok(files::write_if_changed(&path, new.as_bytes(), files::PUBLIC)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::sources::environment::Environment;

    fn load(flags: &[String]) -> Config {
        let mut flags = flags.to_vec();
        flags.push("stack.profile=isms".to_owned());
        Config::load(DataDir::new("/nowhere".into()), &flags, &Environment::default()).unwrap()
    }

    fn said(flag: String) -> String {
        check(&load(&[flag])).unwrap_err().to_string()
    }

    #[test]
    fn a_folder_that_cannot_be_served_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let client = |path: &Path| format!("web.client={}", path.display());
        assert!(said(client(path)).ends_with("has no index.html"));
        files::private_folder(&path.join(INDEX)).unwrap();
        assert!(said(client(path)).ends_with("has an index.html that is no file"));
        files::remove(&path.join(INDEX)).unwrap();
        files::write_atomically(&path.join(INDEX), b"<p>", files::PUBLIC).unwrap();
        check(&load(&[client(path)])).unwrap();
        assert!(said(client(&path.join(INDEX))).ends_with("is a file"));
        assert!(said(client(&path.join("none"))).ends_with("does not exist"));
        let core = load(&[client(path)]);
        assert!(complaint(&core).is_none());
        assert!(matches!(complaint(&load(&["web.client=hydrogen".into()])), Some(Error::NotBuilt)));
    }

    #[test]
    fn the_operators_settings_of_the_client_count_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.json");
        let flags = ["web.client=hydrogen".to_owned(), format!("web.config={}", path.display())];
        let write = |text: &str| files::write_atomically(&path, text.as_bytes(), files::PUBLIC);
        write(r#"{ "brand": "Ours", "disable_guests": false }"#).unwrap();
        let told: Value = serde_json::from_str(&rendered(&load(&flags)).unwrap().unwrap()).unwrap();
        assert_eq!(told["brand"], "Ours");
        assert_eq!(told["disable_guests"], false);
        assert_eq!(told["defaultHomeServer"], "http://127.0.0.1:8480");
        let server = &told["default_server_config"]["m.homeserver"];
        assert_eq!(server["server_name"], "vrooli.local");
        write("[1]").unwrap();
        assert!(check(&load(&flags)).unwrap_err().to_string().ends_with("is no JSON object"));
        write("{").unwrap();
        assert!(check(&load(&flags)).unwrap_err().to_string().ends_with("is not valid JSON"));
    }
}
